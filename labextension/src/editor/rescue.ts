/**
 * What somebody types into a cell while others move it.
 *
 * A move is a deletion and a copy: what the mover had not seen yet would go with the deletion. Who has
 * typed it knows, and types it again into the copy. Nobody else does, so that nothing is doubled.
 */
import * as Y from 'yjs';
import { type Cell, idOf, sourceOf } from './cell_edits';

/** For how long somebody may not have seen what the server has. */
const ON_ITS_WAY_MS = 3000;

const MARKS = 500;

interface ILetter {
  text: string;
  /** Typed here, and maybe not known to the one who has moved the cell. */
  fresh: boolean;
}

/** A value in a shared map, also when it has just been deleted. */
function gone(map: Y.Map<unknown>, key: string): unknown {
  const content = map._map.get(key)?.content;
  return content instanceof Y.ContentType ? content.type : content?.getContent()[0];
}

/** The text that a transaction has deleted, letter by letter. */
function lettersOf(text: Y.Text, transaction: Y.Transaction, isFresh: (clock: number) => boolean): ILetter[] {
  const letters: ILetter[] = [];
  const own = transaction.doc.clientID;
  for (let item = text._start; item; item = item.right) {
    if (item.content instanceof Y.ContentString && Y.isDeleted(transaction.deleteSet, item.id)) {
      const { client, clock } = item.id;
      item.content.str.split('').forEach((letter, i) => {
        letters.push({ text: letter, fresh: client === own && isFresh(clock + i) });
      });
    }
  }
  return letters;
}

/** What of the old letters a new text lacks, if it was typed here just now; and where it belongs. */
export function missing(old: ILetter[], now: string): { at: number; text: string } | null {
  let start = 0;
  while (start < old.length && start < now.length && old[start]?.text === now[start]) {
    start += 1;
  }
  let end = 0;
  const most = Math.min(old.length, now.length) - start;
  while (end < most && old[old.length - 1 - end]?.text === now[now.length - 1 - end]) {
    end += 1;
  }
  const text = old
    .slice(start, old.length - end)
    .filter(letter => letter.fresh)
    .map(letter => letter.text)
    .join('');
  // What stands in the new text at that place the mover has seen or written.
  return text && !now.slice(start, now.length - end).includes(text) ? { at: start, text } : null;
}

/** Look after what is typed here in the cells of a notebook; returns how to stop. */
export function rescueTyping(doc: Y.Doc, isSaved: () => boolean): () => void {
  const cells = doc.getArray<Cell>('cells');
  const state = (): number => Y.getState(doc.store, doc.clientID);
  /** Up to here everybody has seen what was typed here. */
  let since = state();
  /** How far what was typed here had got at some times. */
  const marks: { at: number; clock: number }[] = [];
  const settle = (): void => {
    // Nothing gets old while it waits here for the server.
    while (marks[0] && isSaved() && performance.now() - marks[0].at > ON_ITS_WAY_MS) {
      since = marks.shift()?.clock ?? since;
    }
  };
  const mark = (transaction: Y.Transaction): void => {
    const clock = state();
    if (transaction.local && clock > (transaction.beforeState.get(doc.clientID) ?? 0)) {
      settle();
      marks.push({ at: performance.now(), clock });
      if (marks.length > MARKS) {
        marks.shift();
      }
    }
  };
  const look = (event: Y.YArrayEvent<Cell>, transaction: Y.Transaction): void => {
    if (transaction.local || event.changes.deleted.size === 0) {
      return;
    }
    settle();
    const come = new Map<string, Cell>();
    for (const item of event.changes.added) {
      if (item.content instanceof Y.ContentType && item.content.type instanceof Y.Map && !item.deleted) {
        come.set(idOf(item.content.type as Cell), item.content.type as Cell);
      }
    }
    for (const item of event.changes.deleted) {
      const old = item.content instanceof Y.ContentType ? item.content.type : null;
      const text = old instanceof Y.Map ? gone(old, 'source') : null;
      const moved = old instanceof Y.Map ? come.get(String(gone(old, 'id'))) : undefined;
      if (moved && text instanceof Y.Text) {
        const lost = missing(lettersOf(text, transaction, clock => clock >= since), sourceOf(moved).toString());
        if (lost) {
          sourceOf(moved).insert(lost.at, lost.text);
        }
      }
    }
  };
  doc.on('afterTransaction', mark);
  cells.observe(look);
  return () => {
    doc.off('afterTransaction', mark);
    cells.unobserve(look);
  };
}
