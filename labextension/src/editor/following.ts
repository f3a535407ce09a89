/** Tells the others what this person sees of a text, and shows what a followed person sees. */
import type { Extension } from '@codemirror/state';
import { EditorView, ViewPlugin } from '@codemirror/view';
import type { Awareness } from 'y-protocols/awareness';
import * as Y from 'yjs';
import type { FollowModel } from '../people/follow';
import { indexOf } from './carets';

const TELL_MS = 200;
const OWN = ['wheel', 'touchmove', 'mousedown', 'keydown'] as const;

/** Whether an event is somebody's own doing in a text, and no mere press of Shift or Control. */
export function isOwnDoing(event: Event): boolean {
  return !(event instanceof KeyboardEvent && ['Shift', 'Control', 'Alt', 'Meta'].includes(event.key));
}

export function following(text: Y.Text, awareness: Awareness, follow: FollowModel): Extension {
  return ViewPlugin.fromClass(
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

      private readonly _own = (event: Event): void => {
        if (isOwnDoing(event)) {
          follow.follow(null);
        }
      };

      constructor(private readonly _view: EditorView) {
        follow.changed.connect(this._changed);
        _view.scrollDOM.addEventListener('scroll', this._scrolled, { passive: true });
        // The whole box, with its scroll bar and line numbers. One's own eyes come first.
        OWN.forEach(kind => _view.scrollDOM.addEventListener(kind, this._own, { passive: true }));
        this._scrolled();
      }

      destroy(): void {
        clearTimeout(this._timer);
        follow.changed.disconnect(this._changed);
        this._view.scrollDOM.removeEventListener('scroll', this._scrolled);
        OWN.forEach(kind => this._view.scrollDOM.removeEventListener(kind, this._own));
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
}
