import * as Y from 'yjs';
import { beforeEach, describe, expect, it } from 'vitest';
import { type Cell, CellEdits, idOf, kindOf, sourceOf } from '../../src/editor/cell_edits';

let doc: Y.Doc;
let edits: CellEdits;

beforeEach(() => {
  doc = new Y.Doc();
  edits = new CellEdits(doc);
  for (const text of ['a', 'b', 'c']) {
    edits.insert(edits.cells.length);
    sourceOf(at(edits.cells.length - 1)).insert(0, text);
  }
});

const at = (index: number): Cell => edits.cells.get(index);
const texts = (): string => edits.cells.map(cell => String(cell.get('source'))).join('');

function addOutput(cell: Cell): void {
  const output = new Y.Map<unknown>();
  output.set('output_type', 'stream');
  output.set('name', 'stdout');
  output.set('text', new Y.Text('printed'));
  (cell.get('outputs') as Y.Array<unknown>).push([output]);
  cell.set('execution_count', 3);
}

it('a new cell has the shape that JupyterLab expects', () => {
  edits.insert(0, 'code');
  expect(at(0).toJSON()).toMatchObject({ cell_type: 'code', source: '', metadata: {}, outputs: [], execution_count: null, execution_state: 'idle' });
  edits.insert(0, 'markdown');
  expect(Object.keys(at(0).toJSON()).sort()).toEqual(['cell_type', 'id', 'metadata', 'source']);
});

describe('a move', () => {
  it('keeps the cell’s id, text, metadata and output', () => {
    addOutput(at(0));
    (at(0).get('metadata') as Y.Map<unknown>).set('tags', ['x']);
    const before = at(0).toJSON();
    expect(edits.move(at(0), 1)).toBe(true);
    expect(texts()).toBe('bac');
    expect(at(1).toJSON()).toEqual(before);
    expect((at(1).get('outputs') as Y.Array<Y.Map<unknown>>).get(0).get('text')).toBeInstanceOf(Y.Text);
  });

  it('ends at the ends', () => {
    expect(edits.move(at(0), -1)).toBe(false);
    expect(edits.move(at(2), 1)).toBe(false);
    expect(texts()).toBe('abc');
  });

  it('is one change for others', () => {
    let changes = 0;
    doc.on('update', () => (changes += 1));
    edits.move(at(2), -1);
    expect(changes).toBe(1);
    expect(texts()).toBe('acb');
  });
});

describe('another kind', () => {
  it('keeps id and text, and drops output', () => {
    addOutput(at(1));
    const id = idOf(at(1));
    edits.change(at(1), 'markdown');
    expect(at(1).toJSON()).toEqual({ id, cell_type: 'markdown', source: 'b', metadata: {} });
    edits.change(at(1), 'code');
    expect(at(1).toJSON()).toMatchObject({ id, cell_type: 'code', source: 'b', outputs: [], execution_count: null });
    expect(edits.change(at(1), 'code')).toBe(false);
  });
});

describe('a deletion', () => {
  it('can be taken back, once', () => {
    addOutput(at(1));
    const before = at(1).toJSON();
    const deleted = edits.remove(at(1));
    expect(texts()).toBe('ac');
    if (deleted) {
      edits.restore(deleted);
      edits.restore(deleted);
    }
    expect(texts()).toBe('abc');
    expect(at(1).toJSON()).toEqual(before);
  });

  it('of what is gone already is none', () => {
    const cell = at(0);
    edits.remove(cell);
    expect(edits.remove(cell)).toBeNull();
    expect(edits.move(cell, 1)).toBe(false);
    expect(texts()).toBe('bc');
  });

  it('taken back after others deleted more goes to the end', () => {
    const deleted = edits.remove(at(2));
    edits.cells.delete(0, 2);
    if (deleted) {
      edits.restore(deleted);
    }
    expect(texts()).toBe('c');
  });
});

it('clears outputs of cells that do not run', () => {
  addOutput(at(0));
  addOutput(at(1));
  at(1).set('execution_state', 'running');
  edits.clear(edits.cells.toArray());
  expect(at(0).toJSON()).toMatchObject({ outputs: [], execution_count: null });
  expect((at(1).get('outputs') as Y.Array<unknown>).length).toBe(1);
});

it('takes an unknown kind for code', () => {
  at(0).set('cell_type', 'poem');
  expect(kindOf(at(0))).toBe('code');
});
