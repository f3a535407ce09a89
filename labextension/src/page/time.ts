/** The warning before a room ends. */

const MINUTE_MS = 60_000;

export interface ITimeWarning {
  level: 'soon' | 'now';
  words: string;
}

/** What is said to those who do not see: once when the warning comes, and once when it grows louder. */
export function spokenWords(warning: ITimeWarning | null): string {
  if (!warning) {
    return '';
  }
  return warning.level === 'soon' ? 'This room ends in less than ten minutes.' : 'This room ends in less than a minute.';
}

/** What is said about the end of a room: from ten minutes before, and louder in the last one. */
export function timeWarning(expiresAt: string, now: number): ITimeWarning | null {
  const left = Date.parse(expiresAt) - now;
  if (left > 10 * MINUTE_MS || left <= 0) {
    return null;
  }
  if (left > MINUTE_MS) {
    const minutes = Math.ceil(left / MINUTE_MS);
    return { level: 'soon', words: `This room ends in ${minutes} minutes.` };
  }
  const seconds = Math.ceil(left / 1000);
  return { level: 'now', words: `This room ends in ${seconds} s. What is saved stays with the host.` };
}
