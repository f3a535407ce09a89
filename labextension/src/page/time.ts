/** The warning before a room ends. */

const MINUTE_MS = 60_000;

export interface ITimeWarning {
  level: 'soon' | 'now';
  words: string;
  /** Whether this is a moment at which it is also said to those who do not see. */
  spoken: boolean;
}

/** What is said about the end of a room: from ten minutes before, and louder in the last one. */
export function timeWarning(expiresAt: string, now: number): ITimeWarning | null {
  const left = Date.parse(expiresAt) - now;
  if (left > 10 * MINUTE_MS || left <= 0) {
    return null;
  }
  if (left > MINUTE_MS) {
    const minutes = Math.ceil(left / MINUTE_MS);
    return { level: 'soon', words: `This room ends in ${minutes} minutes.`, spoken: minutes === 10 };
  }
  const seconds = Math.ceil(left / 1000);
  return { level: 'now', words: `This room ends in ${seconds} s. What is saved stays with the host.`, spoken: seconds > 58 };
}
