/** Following somebody through a notebook: from cell to cell. */
import { type RefObject, useEffect } from 'react';
import * as Y from 'yjs';
import type { FollowModel, IShownState } from '../people/follow';
import { isOwnDoing } from './following';

const TELL_MS = 200;

/** The id of the cell that somebody sees first, or has the caret in; null when it is not known. */
export function cellOf(shown: IShownState, cells: Y.Array<Y.Map<unknown>>): string | null {
  if (shown.viewport?.cell) {
    return shown.viewport.cell;
  }
  try {
    const relative = Y.createRelativePositionFromJSON(shown.head);
    const absolute = Y.createAbsolutePositionFromRelativePosition(relative, cells.doc as Y.Doc);
    const cell = absolute?.type.parent;
    return cell instanceof Y.Map ? String(cell.get('id')) : null;
  } catch {
    return null; // another person's client can say anything
  }
}

function topCell(box: HTMLElement): string | null {
  const top = box.getBoundingClientRect().top;
  const all = [...box.querySelectorAll<HTMLElement>('[data-cell]')];
  return all.find(cell => cell.getBoundingClientRect().bottom > top + 1)?.dataset['cell'] ?? null;
}

/** Tells which cell is on top, and scrolls to that of the person who is followed. */
export function useFollowedCell(
  box: RefObject<HTMLElement>,
  cells: Y.Array<Y.Map<unknown>>,
  follow: FollowModel | undefined
): void {
  useEffect(() => {
    const element = box.current;
    if (!element || !follow) {
      return;
    }
    let timer: ReturnType<typeof setTimeout> | undefined;
    let last: string | null = null;
    const tell = (): void => {
      timer ??= setTimeout(() => {
        timer = undefined;
        follow.show({ position: null, cell: topCell(element) });
      }, TELL_MS);
    };
    const goThere = (): void => {
      const cell = follow.view && cellOf(follow.view, cells);
      if (cell !== last) {
        last = cell;
        const there = [...element.querySelectorAll<HTMLElement>('[data-cell]')];
        const found = there.find(one => one.dataset['cell'] === cell);
        // Not now: on a phone the notebook is only about to be shown.
        requestAnimationFrame(() => found?.scrollIntoView({ block: 'start' }));
      }
    };
    const stop = (event: Event): void => {
      if (isOwnDoing(event)) {
        follow.follow(null);
      }
    };
    const own = ['wheel', 'touchmove', 'keydown', 'mousedown'] as const;
    own.forEach(kind => element.addEventListener(kind, stop, { passive: true }));
    element.addEventListener('scroll', tell, { passive: true });
    follow.changed.connect(goThere);
    tell();
    return () => {
      clearTimeout(timer);
      own.forEach(kind => element.removeEventListener(kind, stop));
      element.removeEventListener('scroll', tell);
      follow.changed.disconnect(goThere);
    };
  }, [follow, cells]);
}
