/** The editor of a shared text as a React view. */
import { useEffect, useLayoutEffect, useRef } from 'react';
import type { Text } from '@codemirror/state';
import type * as Y from 'yjs';
import type { FollowModel } from '../people/follow';
import type { Provider } from '../sync/provider';
import { type AfterRun, createEditor, type IPadEditor } from './editor';
import type { IEditorLanguage } from './languages';

export interface ITextEditorProps {
  provider: Provider;
  text: Y.Text;
  language: IEditorLanguage;
  readOnly: boolean;
  label: string;
  limitBytes: number;
  cspNonce: string;
  inline?: boolean;
  follow?: FollowModel;
  onRefused: (words: string) => void;
  onRun: (then: AfterRun) => void;
  onReady?: () => void;
}

interface ICaret {
  text: Text | string;
  head: number;
}

/** Where a caret of another text belongs in a text that is nearly the same. */
export function placeIn(text: string, caret: ICaret): number {
  const old = String(caret.text);
  let same = 0;
  while (same < text.length && same < old.length && text[same] === old[same]) {
    same += 1;
  }
  return caret.head <= same ? caret.head : Math.min(text.length, Math.max(same, text.length - (old.length - caret.head)));
}

export function TextEditor(props: ITextEditorProps): JSX.Element {
  const host = useRef<HTMLDivElement>(null);
  // The editor outlives renders: callbacks are looked up when they are needed.
  const latest = useRef(props);
  latest.current = props;
  const editor = useRef<IPadEditor | null>(null);
  const { provider, text, readOnly, language, follow } = props;
  // What was in an editor that had the focus and is made anew, as its text has been moved.
  const left = useRef<ICaret | null>(null);
  // At once: a key that is pressed in between would be lost.
  useLayoutEffect(() => {
    let last: ICaret = { text: '', head: 0 };
    const made = createEditor({
      parent: host.current as HTMLElement,
      text,
      awareness: provider.awareness,
      language: latest.current.language,
      readOnly: latest.current.readOnly,
      label: latest.current.label,
      limitBytes: latest.current.limitBytes,
      cspNonce: latest.current.cspNonce,
      inline: latest.current.inline,
      follow,
      onRefused: words => latest.current.onRefused(words),
      onRun: then => latest.current.onRun(then),
      // When the text is deleted the editor gets empty first, and its caret goes to the beginning.
      onUpdate: state => (text._item?.deleted ? undefined : (last = { text: state.doc, head: state.selection.main.head }))
    });
    editor.current = made;
    const { view } = made;
    last = { text: view.state.doc, head: 0 };
    if (left.current) {
      view.dispatch({ selection: { anchor: placeIn(view.state.doc.toString(), left.current) } });
      view.focus();
    }
    latest.current.onReady?.();
    return () => {
      left.current = document.activeElement === view.contentDOM ? last : null;
      view.destroy();
    };
  }, [provider, text, follow]);
  // Nor does anything move when the room's language changes.
  const { mode, comment, indent } = language;
  const spoken = useRef(language);
  useEffect(() => {
    const now = { mode, comment, indent };
    const before = spoken.current;
    if (before.mode !== mode || before.comment !== comment || before.indent !== indent) {
      spoken.current = now;
      editor.current?.setLanguage(now);
    }
  }, [mode, comment, indent]);
  // The text, the caret and the history stay as they are when rights change. At once: who is told that they may not
  // type can press no key in between that still does something.
  const shown = useRef(readOnly);
  useLayoutEffect(() => {
    if (shown.current !== readOnly) {
      shown.current = readOnly;
      editor.current?.setReadOnly(readOnly);
    }
  }, [readOnly]);
  return <div className="cp-editor" data-testid="editor" ref={host} />;
}
