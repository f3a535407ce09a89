/** The editor of a shared text as a React view. */
import type { EditorView } from '@codemirror/view';
import { useEffect, useRef } from 'react';
import type * as Y from 'yjs';
import type { Provider } from '../sync/provider';
import { createEditor } from './editor';

export interface ITextEditorProps {
  provider: Provider;
  text: Y.Text;
  language: string;
  readOnly: boolean;
  label: string;
  limitBytes: number;
  cspNonce: string;
  inline?: boolean;
  onRefused: (words: string) => void;
  onRun: (advance: boolean) => void;
  onReady?: () => void;
}

export function TextEditor(props: ITextEditorProps): JSX.Element {
  const host = useRef<HTMLDivElement>(null);
  // The editor outlives renders: callbacks are looked up when they are needed.
  const latest = useRef(props);
  latest.current = props;
  const { provider, text, readOnly, language } = props;
  useEffect(() => {
    const view: EditorView = createEditor({
      parent: host.current as HTMLElement,
      text,
      awareness: provider.awareness,
      language,
      readOnly,
      label: latest.current.label,
      limitBytes: latest.current.limitBytes,
      cspNonce: latest.current.cspNonce,
      inline: latest.current.inline,
      onRefused: words => latest.current.onRefused(words),
      onRun: advance => latest.current.onRun(advance)
    });
    latest.current.onReady?.();
    return () => view.destroy();
  }, [provider, text, readOnly, language]);
  return <div className="cp-editor" data-testid="editor" ref={host} />;
}
