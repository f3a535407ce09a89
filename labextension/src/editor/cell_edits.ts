/** What people do with the cells of a notebook as a whole: add, delete, move, change, empty. */
import * as Y from 'yjs';

export type Cell = Y.Map<unknown>;
export type CellKind = 'code' | 'markdown' | 'raw';

/** A cell that was deleted, to be put back. */
export interface IDeleted {
  id: string;
  cell: Cell;
  index: number;
}

export function idOf(cell: Cell): string {
  return String(cell.get('id'));
}

export function kindOf(cell: Cell): CellKind {
  const kind = cell.get('cell_type');
  return kind === 'markdown' || kind === 'raw' ? kind : 'code';
}

export function sourceOf(cell: Cell): Y.Text {
  return cell.get('source') as Y.Text;
}

/** A new cell in the shape of nbformat and of JupyterLab's shared notebooks. */
export function newCell(kind: CellKind): Cell {
  const cell: Cell = new Y.Map();
  cell.set('id', crypto.randomUUID?.() ?? String(Math.random()).slice(2));
  cell.set('cell_type', kind);
  cell.set('source', new Y.Text());
  cell.set('metadata', new Y.Map());
  if (kind === 'code') {
    addCodeParts(cell);
  }
  return cell;
}

function addCodeParts(cell: Cell): void {
  cell.set('outputs', new Y.Array());
  cell.set('execution_count', null);
  cell.set('execution_state', 'idle');
}

export class CellEdits {
  readonly cells: Y.Array<Cell>;

  constructor(private readonly _doc: Y.Doc) {
    this.cells = _doc.getArray('cells');
  }

  indexOf(cell: Cell): number {
    return this.cells.toArray().indexOf(cell);
  }

  /** Add an empty cell so that it has this place; returns its id. */
  insert(index: number, kind: CellKind = 'code'): string {
    const cell = newCell(kind);
    this.cells.insert(Math.min(index, this.cells.length), [cell]);
    return idOf(cell);
  }

  /** Delete a cell; null when it is gone already. */
  remove(cell: Cell): IDeleted | null {
    const index = this.indexOf(cell);
    if (index < 0) {
      return null;
    }
    const deleted = { id: idOf(cell), cell: cell.clone(), index };
    this.cells.delete(index);
    return deleted;
  }

  /** Put a deleted cell back where it was, unless it is there. */
  restore(deleted: IDeleted): void {
    if (!this.cells.toArray().some(cell => idOf(cell) === deleted.id)) {
      this.cells.insert(Math.min(deleted.index, this.cells.length), [deleted.cell]);
    }
  }

  /**
   * Move a cell up (-1) or down (1); whether there was a place to go.
   *
   * For Yjs that is a deletion and a copy, with the same id. What others type meanwhile into what is
   * deleted their own page types again (`rescue.ts`).
   */
  move(cell: Cell, step: -1 | 1): boolean {
    const index = this.indexOf(cell);
    const to = index + step;
    if (index < 0 || to < 0 || to >= this.cells.length) {
      return false;
    }
    this._doc.transact(() => {
      const copy = cell.clone();
      this.cells.delete(index);
      this.cells.insert(to, [copy]);
    });
    return true;
  }

  /** Make a cell one of another kind; its text stays, output of code goes. */
  change(cell: Cell, kind: CellKind): boolean {
    const index = this.indexOf(cell);
    if (index < 0 || kindOf(cell) === kind) {
      return false;
    }
    // JupyterLab looks at the kind of a cell only when it comes: the cell is made anew, with its id.
    this._doc.transact(() => {
      const copy = cell.clone();
      copy.set('cell_type', kind);
      if (kind === 'code') {
        addCodeParts(copy);
      } else {
        ['outputs', 'execution_count', 'execution_state'].forEach(name => copy.delete(name));
      }
      this.cells.delete(index);
      this.cells.insert(index, [copy]);
    });
    return true;
  }

  /** Remove the outputs of cells that do not run. */
  clear(cells: Iterable<Cell>): void {
    this._doc.transact(() => {
      for (const cell of cells) {
        const outputs = cell.get('outputs');
        if (outputs instanceof Y.Array && cell.get('execution_state') !== 'running') {
          outputs.delete(0, outputs.length);
          cell.set('execution_count', null);
        }
      }
    });
  }
}
