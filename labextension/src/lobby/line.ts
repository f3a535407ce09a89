/** The lobby's line to the server, which is taken up again whenever it is lost. */
import type { ILobbyNews } from '../types';

const RETRY_FIRST_MS = 1000;
const RETRY_LAST_MS = 30_000;
const TOO_MANY = 4429;
const TOO_MANY_WAIT_MS = 5000;

/** How long to wait before trying again: longer each time, and not everybody at the same moment. */
export function retryMs(attempt: number, code: number, random = Math.random()): number {
  const delay = Math.min(RETRY_LAST_MS, RETRY_FIRST_MS * 2 ** attempt);
  return (code === TOO_MANY ? TOO_MANY_WAIT_MS : 0) + delay * (0.5 + random / 2);
}

/** Whether nothing more will come after this. */
export function isLast(state: ILobbyNews['state']): boolean {
  return state === 'in' || state === 'denied' || state === 'gone';
}

/** Listen until the last of the news; `lost` hears whether the line is down. */
export function listen(url: string, heard: (news: ILobbyNews) => void, lost: (down: boolean) => void): void {
  let attempt = 0;
  let over = false;
  const connect = (): void => {
    const socket = new WebSocket(url);
    socket.onmessage = event => {
      const news = JSON.parse(String(event.data)) as ILobbyNews;
      attempt = 0;
      over = isLast(news.state);
      lost(false);
      heard(news);
    };
    socket.onclose = event => {
      if (!over) {
        lost(true);
        setTimeout(connect, retryMs(attempt, event.code));
        attempt += 1;
      }
    };
  };
  connect();
}
