/** A Markdown cell that nobody edits here: drawn as its readers see it. */
import { lazy, Suspense, useEffect, useReducer } from 'react';
import type * as Y from 'yjs';

const RichView = lazy(() => import('../execution/rich'));

/** What a shared text says, now and whenever it changes. */
function useText(text: Y.Text): string {
  const [, redraw] = useReducer((count: number) => count + 1, 0);
  useEffect(() => {
    text.observe(redraw);
    redraw();
    return () => text.unobserve(redraw);
  }, [text]);
  return text.toString();
}

export function MarkdownView(props: { text: Y.Text; onEdit: (() => void) | null }): JSX.Element {
  const source = useText(props.text);
  return (
    <div className="cp-markdown" data-testid="markdown" onDoubleClick={props.onEdit ?? undefined}>
      {source.trim() ? (
        <Suspense fallback={<p className="cp-muted">{source}</p>}>
          <RichView mime="text/markdown" source={source} />
        </Suspense>
      ) : (
        <p className="cp-muted">{props.onEdit ? 'Empty text. Press Enter, or click twice, to write.' : 'Empty text.'}</p>
      )}
    </div>
  );
}
