/**
 * Undo in a notebook of JupyterLab's: it never removes another's text, nor the output of a run.
 *
 * Within a cell the shared model knows only this person's typing. But adding, moving, splitting and
 * changing cells are steps as well, and taking one back deletes whole cells, with all that has come into
 * them since. Such a step is refused in words and forgotten; the next undo goes on before it.
 */
import type { ISignal } from '@lumino/signaling';
import * as Y from 'yjs';

type Step = Y.UndoManager['undoStack'][number];
type Stack = 'undoStack' | 'redoStack';
type Type = Y.AbstractType<unknown>;

interface IUndoable {
  undoManager: Y.UndoManager | null;
}

/** What is needed of a `YNotebook`. */
export interface ISharedNotebook extends IUndoable {
  ydoc: Y.Doc;
  cells: readonly IUndoable[];
  changed: ISignal<unknown, unknown>;
}

/** Copies that undo has made of what others wrote: Yjs counts them as this person's. */
class Restored {
  private readonly _ranges: [first: number, last: number][] = [];
  private readonly _heard = new WeakSet<Y.UndoManager>();

  constructor(private readonly _doc: Y.Doc) {}

  /** Know of what a manager brings back from now on. */
  listen(manager: Y.UndoManager): void {
    if (!this._heard.has(manager)) {
      this._heard.add(manager);
      manager.on('stack-item-popped', ({ stackItem }) => this._doc.transact(made => this._look(made, stackItem)));
    }
  }

  ofOthers(item: Y.Item): boolean {
    const { client, clock } = item.id;
    const end = clock + item.length;
    return client !== this._doc.clientID || this._ranges.some(([first, last]) => clock < last && first < end);
  }

  private _look(transaction: Y.Transaction, step: Step): void {
    Y.iterateDeletedStructs(transaction, step.deletions, struct => {
      if (struct instanceof Y.Item && struct.redone && this.ofOthers(struct)) {
        this._ranges.push([struct.redone.clock, struct.redone.clock + struct.length]);
      }
    });
  }
}

/** Where an item is now, if undo has made a copy of it. */
function latest(doc: Y.Doc, item: Y.Item): Y.Item {
  let at = item;
  while (at.redone) {
    const copy: unknown = Y.getItem(doc.store, at.redone);
    if (!(copy instanceof Y.Item)) {
      break; // long gone
    }
    at = copy;
  }
  return at;
}

/** Text and outputs in a cell, or in a part of one. */
function* entries(type: Type, output = false): Generator<{ item: Y.Item; output: boolean }> {
  const inside = function* (item: Y.Item, isOutput: boolean): ReturnType<typeof entries> {
    if (item.content instanceof Y.ContentType) {
      yield* entries(item.content.type, isOutput);
    }
  };
  for (let item = type._start; item; item = item.right) {
    if (!item.deleted) {
      yield { item, output };
      yield* inside(item, output);
    }
  }
  for (const [key, item] of type._map) {
    if (!item.deleted) {
      yield* inside(item, output || key === 'outputs');
    }
  }
}

/** Whether an item is a cell, also one whose content is gone. */
function isCell(item: Y.Item): boolean {
  return item.parent instanceof Y.Array && item.parent._item === null;
}

/** Whether a cell, or a part of one, holds something of another's, or output that came after the step. */
function holdsMore(part: Y.Item, step: Step, restored: Restored): boolean {
  const own = (item: Y.Item): boolean => Y.isDeleted(step.insertions, item.id) && Y.isDeleted(step.insertions, item.lastId);
  if (part.content instanceof Y.ContentType) {
    for (const { item, output } of entries(part.content.type, part.parentSub === 'outputs')) {
      if (!own(item) && (output || restored.ofOthers(item))) {
        return true;
      }
    }
  }
  return false;
}

/** Whether a step, taken back, would delete more than it has brought, or double what was moved since. */
function isRefused(doc: Y.Doc, step: Step, restored: Restored): boolean {
  let holds = false;
  let gone = false;
  let returns = false;
  doc.transact(transaction => {
    Y.iterateDeletedStructs(transaction, step.insertions, struct => {
      const item = struct instanceof Y.Item ? latest(doc, struct) : null;
      holds ||= item !== null && !item.deleted && holdsMore(item, step, restored);
      gone ||= item !== null && item.deleted && isCell(item);
    });
    Y.iterateDeletedStructs(transaction, step.deletions, struct => {
      returns ||= struct instanceof Y.Item && isCell(struct);
    });
  });
  return holds || (gone && returns);
}

/** Whether something is output, or in one: no undo of typing has to do with it. */
function inOutputs(item: Y.Item): boolean {
  for (let at: Y.Item | null = item; at; at = at.parent instanceof Y.AbstractType ? at.parent._item : null) {
    if (at.parent instanceof Y.AbstractType && at.parent._item?.parentSub === 'outputs') {
      return true;
    }
  }
  return false;
}

const guarded = new WeakSet<ISharedNotebook>();

/** Hold the undo of a shared notebook to what is this person's; `refused` is told of a step that is not. */
export function guardUndo(notebook: ISharedNotebook, refused: () => void): void {
  const { ydoc: doc, undoManager: manager } = notebook;
  if (!manager || guarded.has(notebook)) {
    return;
  }
  guarded.add(notebook);
  const restored = new Restored(doc);
  // One step at a time: Yjs goes on by itself to the step before where one changes nothing.
  const take = (stack: Stack, pop: () => Step | null): Step | null => {
    const steps = manager[stack];
    for (let step = steps.pop(); step; step = steps.pop()) {
      if (isRefused(doc, step, restored)) {
        refused();
        return null;
      }
      manager[stack] = [step];
      try {
        const done = pop();
        if (done) {
          return done;
        }
      } finally {
        manager[stack] = steps;
      }
    }
    return null;
  };
  const undo = manager.undo.bind(manager);
  const redo = manager.redo.bind(manager);
  manager.undo = () => take('undoStack', undo);
  manager.redo = () => take('redoStack', redo);
  const takeIn = (): void => {
    for (const { undoManager } of [notebook, ...notebook.cells]) {
      if (undoManager) {
        // Yjs may have joined what it brought back of several people into one item.
        undoManager.deleteFilter = item =>
          !inOutputs(item) && !(undoManager.undoing && item.content instanceof Y.ContentString && restored.ofOthers(item));
        restored.listen(undoManager);
      }
    }
  };
  notebook.changed.connect(takeIn);
  takeIn();
}
