/** Whether what is typed is safe: one word, and a sentence for those who ask. */
import type { SyncStatus } from './provider';

const WORDS: Record<SyncStatus, [string, string]> = {
  connecting: ['Connecting…', 'The room is being loaded.'],
  saved: ['Saved', 'Everything is stored on the server.'],
  saving: ['Saving…', 'Your last changes are on their way to the server.'],
  offline: ['Offline', 'Your changes are kept in this tab and sent when the server is back.'],
  ended: ['Ended', 'This room is not connected any more.']
};

/** `latency`: how long the last change took to be stored, in milliseconds, if it is known. */
export function StatusBadge(props: { status: SyncStatus; latency?: number | null }): JSX.Element {
  const [word, said] = WORDS[props.status];
  const timed = props.status === 'saved' && typeof props.latency === 'number';
  const sentence = timed ? `${said} The last change took ${Math.round(props.latency ?? 0)} ms.` : said;
  return (
    <span
      className="cp-badge"
      data-testid="status-badge"
      data-status={props.status}
      role="status"
      title={sentence}
    >
      <span className="cp-badge-dot" aria-hidden="true" />
      <span className="cp-badge-word">{word}</span>
    </span>
  );
}
