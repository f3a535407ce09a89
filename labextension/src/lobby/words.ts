/** What the lobby's page says. */
import type { ILobbyNews } from '../types';

/** A time span as people say it, to the second below two minutes. */
export function spanWords(milliseconds: number): string {
  const seconds = Math.max(0, Math.ceil(milliseconds / 1000));
  if (seconds < 120) {
    return seconds === 1 ? '1 second' : `${seconds} seconds`;
  }
  const minutes = Math.ceil(seconds / 60);
  if (minutes < 120) {
    return `${minutes} minutes`;
  }
  const hours = Math.round(minutes / 60);
  return hours < 48 ? `${hours} hours` : `${Math.round(hours / 24)} days`;
}

export interface ILobbyWords {
  status: string;
  countdown: string;
}

export function waitingWords(
  state: ILobbyNews['state'],
  words: string,
  name: string,
  opensAt: string | null,
  now: number
): ILobbyWords {
  if (state === 'waiting') {
    return {
      status: `You are in the lobby. The host can see that ${name} wants to join; this page opens the room as soon as you are let in.`,
      countdown: ''
    };
  }
  if (state === 'prepared') {
    const status = 'The room is not open yet. This page opens it as soon as it is; you can leave it as it is.';
    if (!opensAt) {
      return { status, countdown: '' };
    }
    const time = new Date(opensAt);
    const day = time.toDateString() === new Date(now).toDateString() ? {} : { dateStyle: 'medium' as const };
    const clock = new Intl.DateTimeFormat(undefined, { timeStyle: 'short', ...day }).format(time);
    return { status, countdown: `It opens at ${clock}, in ${spanWords(time.getTime() - now)}.` };
  }
  return { status: state === 'in' ? 'You are let in…' : words, countdown: '' };
}
