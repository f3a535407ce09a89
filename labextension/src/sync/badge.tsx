/** Whether what is typed is safe: one word, and a sentence for those who ask. */
import type { SyncStatus } from './provider';

const WORDS: Record<SyncStatus, [string, string]> = {
  connecting: ['Connecting…', 'The room is being loaded.'],
  saved: ['Saved', 'Everything is stored on the server.'],
  saving: ['Saving…', 'Your last changes are on their way to the server.'],
  offline: ['Offline', 'Your changes are kept in this tab and sent when the server is back.'],
  ended: ['Ended', 'This room is not connected any more.']
};

export function StatusBadge(props: { status: SyncStatus }): JSX.Element {
  const [word, sentence] = WORDS[props.status];
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
