/** The editor of a shared text as a React view. */
import { useEffect, useRef } from 'react';
import type * as Y from 'yjs';
import type { FollowModel } from '../people/follow';
import type { Provider } from '../sync/provider';
import { createEditor, type IPadEditor } from './editor';

export interface ITextEditorProps {
  provider: Provider;
  text: Y.Text;
  language: string;
  readOnly: boolean;
  label: string;
  limitBytes: number;
  cspNonce: string;
  inline?: boolean;
  follow?: FollowModel;
  onRefused: (words: string) => void;
  onRun: (advance: boolean) => void;
  onReady?: () => void;
}

export function TextEditor(props: ITextEditorProps): JSX.Element {
  const host = useRef<HTMLDivElement>(null);
  // The editor outlives renders: callbacks are looked up when they are needed.
  const latest = useRef(props);
  latest.current = props;
  const editor = useRef<IPadEditor | null>(null);
  const { provider, text, readOnly, language, follow } = props;
  useEffect(() => {
    const made = createEditor({
      parent: host.current as HTMLElement,
      text,
      awareness: provider.awareness,
      language,
      readOnly: latest.current.readOnly,
      label: latest.current.label,
      limitBytes: latest.current.limitBytes,
      cspNonce: latest.current.cspNonce,
      inline: latest.current.inline,
      follow,
      onRefused: words => latest.current.onRefused(words),
      onRun: advance => latest.current.onRun(advance)
    });
    editor.current = made;
    latest.current.onReady?.();
    return () => made.view.destroy();
  }, [provider, text, language, follow]);
  // The text, the caret and the history stay as they are when rights change.
  const shown = useRef(readOnly);
  useEffect(() => {
    if (shown.current !== readOnly) {
      shown.current = readOnly;
      editor.current?.setReadOnly(readOnly);
    }
  }, [readOnly]);
  return <div className="cp-editor" data-testid="editor" ref={host} />;
}
