/** Tells the others what this person sees of a text, and shows what a followed person sees. */
import type { Extension } from '@codemirror/state';
import { EditorView, ViewPlugin } from '@codemirror/view';
import type { Awareness } from 'y-protocols/awareness';
import * as Y from 'yjs';
import type { FollowModel } from '../people/follow';
import { indexOf } from './carets';

const TELL_MS = 200;

export function following(text: Y.Text, awareness: Awareness, follow: FollowModel): Extension {
  const plugin = ViewPlugin.fromClass(
    class {
      private _timer: ReturnType<typeof setTimeout> | undefined;
      private _shown = '';
      private readonly _changed = (): void => this._goThere();
      private readonly _scrolled = (): void => {
        this._timer ??= setTimeout(() => {
          this._timer = undefined;
          this._tell();
        }, TELL_MS);
      };

      constructor(private readonly _view: EditorView) {
        follow.changed.connect(this._changed);
        _view.scrollDOM.addEventListener('scroll', this._scrolled, { passive: true });
        this._scrolled();
      }

      destroy(): void {
        clearTimeout(this._timer);
        follow.changed.disconnect(this._changed);
        this._view.scrollDOM.removeEventListener('scroll', this._scrolled);
      }

      private _tell(): void {
        const view = this._view;
        if (!awareness.getLocalState() || text.length !== view.state.doc.length) {
          return;
        }
        const top = view.scrollDOM.getBoundingClientRect().top - view.documentTop;
        const line = view.lineBlockAtHeight(Math.max(0, top) + 1);
        const position = { ...Y.createRelativePositionFromTypeIndex(text, line.from) };
        follow.show({ position, cell: null });
      }

      private _goThere(): void {
        const shown = follow.view;
        if (!shown) {
          this._shown = '';
          return;
        }
        const key = JSON.stringify([follow.target, shown]);
        const top = indexOf(shown.viewport?.position, text);
        const head = top === null ? indexOf(shown.head, text) : null;
        const place = top ?? head;
        if (key === this._shown || place === null || place > this._view.state.doc.length) {
          return;
        }
        this._shown = key;
        const y = top === null ? 'center' : 'start';
        const effects = EditorView.scrollIntoView(place, { y, yMargin: 0 });
        // Not while the editor draws: what was heard may have come in the middle of that.
        queueMicrotask(() => this._view.dispatch({ effects }));
      }
    }
  );
  const stop = (): boolean => {
    follow.follow(null);
    return false;
  };
  // What one does oneself ends following: one's own eyes come first.
  return [plugin, EditorView.domEventHandlers({ wheel: stop, touchmove: stop, keydown: stop, mousedown: stop })];
}
