import { YCodeCell, YFile, YNotebook } from '@jupyter/ydoc';
import * as Y from 'yjs';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import { guardUndo } from '../../src/editor/notebook_undo';
import { Peers } from '../support/peers';

const OUTPUT = { output_type: 'stream', name: 'stdout', text: 'printed\n' };
const refused = vi.fn();

let ada: YNotebook;
let bob: YNotebook;
/** Where the code runs: it writes the output into the document. */
let server: YNotebook;
let peers: Peers;

function open(documentWide = false): void {
  const options = { disableDocumentWideUndoRedo: !documentWide };
  [ada, bob, server] = [new YNotebook(options), new YNotebook(options), new YNotebook(options)];
  peers = new Peers([ada.ydoc, bob.ydoc, server.ydoc]);
  server.ydoc.transact(() => {
    server.ymeta.set('metadata', new Y.Map());
    server.nbformat = 4;
    server.nbformat_minor = 5;
  });
  peers.deliverAll();
  guardUndo(ada, refused);
}

beforeEach(() => {
  // @jupyter/ydoc makes cells before it puts them into a document, and Yjs warns each time.
  vi.spyOn(console, 'warn').mockImplementation(() => undefined);
  refused.mockReset();
  open();
});

function codeOf(notebook: YNotebook, index: number): YCodeCell {
  const cell = notebook.getCell(index);
  if (!(cell instanceof YCodeCell)) {
    throw new Error(`cell ${index} is no code`);
  }
  return cell;
}

function add(notebook: YNotebook, index: number, source = ''): void {
  notebook.insertCell(index, { cell_type: 'code', source, metadata: {} });
  notebook.undoManager.stopCapturing();
  peers.deliverAll();
}

function type(notebook: YNotebook, index: number, words: string): void {
  const cell = notebook.getCell(index);
  const end = cell.source.length;
  cell.updateSource(end, end, words);
  cell.undoManager?.stopCapturing();
  peers.deliverAll();
}

function run(index: number): void {
  codeOf(server, index).updateOutputs(0, 0, [OUTPUT]);
  codeOf(server, index).execution_count = 1;
  peers.deliverAll();
}

function sources(notebook: YNotebook = server): string[] {
  peers.deliverAll();
  return notebook.cells.map(cell => cell.source);
}

describe.each([false, true])('undo in a cell (over the whole document: %s)', documentWide => {
  beforeEach(() => open(documentWide));

  it('leaves the text of others, other cells and all output', () => {
    add(server, 0);
    add(server, 1, 'of the second');
    type(ada, 0, 'ada ');
    type(bob, 0, 'bob ');
    type(bob, 1, ' bob');
    run(0);
    run(1);
    for (let times = 0; times < 3; times++) {
      codeOf(ada, 0).undo();
      expect(sources()).toEqual(['bob ', 'of the second bob']);
    }
    codeOf(ada, 0).redo();
    expect(sources()[0]?.replace('ada ', '')).toBe('bob ');
    for (const index of [0, 1]) {
      expect(codeOf(bob, index).outputs).toEqual([OUTPUT]);
      expect(codeOf(bob, index).execution_count).toBe(1);
    }
  });

  it('leaves the output that this person’s own JupyterLab wrote', () => {
    add(server, 0);
    type(ada, 0, 'ada ');
    codeOf(ada, 0).updateOutputs(0, 0, [OUTPUT]);
    codeOf(ada, 0).execution_count = 3;
    codeOf(ada, 0).undo();
    expect(sources()).toEqual(['']);
    expect(codeOf(bob, 0).outputs).toEqual([OUTPUT]);
    expect(codeOf(bob, 0).execution_count).toBe(3);
  });

  it('can bring back output that one has cleared; redo does not take it away', () => {
    add(server, 0, 'print(1)');
    run(0);
    codeOf(ada, 0).transact(() => codeOf(ada, 0).clearOutputs());
    codeOf(ada, 0).undo();
    peers.deliverAll();
    expect(codeOf(bob, 0).outputs).toEqual([OUTPUT]);
    codeOf(ada, 0).redo();
    peers.deliverAll();
    expect(codeOf(bob, 0).outputs).toEqual([OUTPUT]);
  });
});

describe.each([false, true])('undo of cells (over the whole document: %s)', documentWide => {
  beforeEach(() => open(documentWide));

  it('works as ever on what is one’s own', () => {
    add(ada, 0, 'one');
    type(ada, 0, ' more');
    add(ada, 1, 'two');
    ada.undo();
    expect(sources()).toEqual(['one more']);
    ada.redo();
    expect(sources()).toEqual(['one more', 'two']);
    ada.moveCell(1, 0);
    ada.undo();
    expect(sources()).toEqual(['one more', 'two']);
    ada.undoManager.stopCapturing();
    ada.deleteCell(0);
    ada.undo();
    expect(sources()).toEqual(['one more', 'two']);
    expect(refused).not.toHaveBeenCalled();
  });

  it('keeps a cell that another has typed into, and goes on with the step before', () => {
    add(ada, 0, 'first');
    add(ada, 1);
    type(bob, 1, 'bob');
    ada.undo();
    expect(refused).toHaveBeenCalledTimes(1);
    expect(sources()).toEqual(['first', 'bob']);
    ada.undo();
    expect(refused).toHaveBeenCalledTimes(1);
    expect(sources()).toEqual(['bob']);
  });

  it('keeps a cell with output', () => {
    add(ada, 0, 'print(1)');
    run(0);
    ada.undo();
    expect(refused).toHaveBeenCalledTimes(1);
    expect(codeOf(bob, 0).outputs).toEqual([OUTPUT]);
  });

  it('keeps output that grows after a cell with output was moved', () => {
    add(server, 0, 'print(1)');
    add(server, 1, 'other');
    run(0);
    ada.moveCell(0, 1);
    peers.deliverAll();
    codeOf(server, 1).appendStreamOutput(0, 'more\n');
    peers.deliverAll();
    ada.undo();
    expect(refused).toHaveBeenCalledTimes(1);
    expect(sources()).toEqual(['other', 'print(1)']);
    peers.deliverAll();
    expect(codeOf(bob, 1).outputs[0]?.['text']).toBe('printed\nmore\n');
  });

  it.each(['moved', 'changed'])('neither loses nor doubles a cell that was %s when another has typed into it since', what => {
    add(server, 0, 'one ');
    add(server, 1, 'two');
    if (what === 'moved') {
      ada.moveCell(0, 1);
    } else {
      ada.transact(() => {
        ada.deleteCell(0);
        ada.insertCell(1, { cell_type: 'markdown', source: 'one ', metadata: {} });
      });
    }
    peers.deliverAll();
    type(bob, 1, 'bob');
    ada.undo();
    expect(refused).toHaveBeenCalledTimes(1);
    expect(sources()).toEqual(['two', 'one bob']);
  });

  it('does not double a cell that another has moved on', () => {
    add(server, 0, 'one');
    add(server, 1, 'two');
    ada.moveCell(0, 1);
    peers.deliverAll();
    bob.moveCell(1, 0);
    peers.deliverAll();
    ada.undo();
    expect(refused).toHaveBeenCalledTimes(1);
    expect(sources()).toEqual(['one', 'two']);
  });

  it('knows another’s text again that came back by an undo', () => {
    add(ada, 0);
    type(bob, 0, 'bob');
    ada.deleteCell(0);
    peers.deliverAll();
    ada.undo();
    expect(sources()).toEqual(['bob']);
    ada.undo();
    expect(refused).toHaveBeenCalledTimes(1);
    expect(sources()).toEqual(['bob']);
  });

  it('can be redone as long as nobody has written into it since', () => {
    add(server, 0, 'one');
    ada.deleteCell(0);
    ada.undo();
    expect(sources()).toEqual(['one']);
    ada.redo();
    expect(sources()).toEqual([]);
    ada.undo();
    peers.deliverAll();
    type(bob, 0, ' bob');
    ada.redo();
    expect(refused).toHaveBeenCalledTimes(1);
    expect(sources()).toEqual(['one bob']);
  });
});

it('tells of nothing when there is nothing to undo, and can be set up twice', () => {
  guardUndo(ada, refused);
  add(server, 0, 'text');
  expect(ada.undo()).toBe(false);
  expect(ada.redo()).toBe(false);
  expect(refused).not.toHaveBeenCalled();
});

it('of a text file in JupyterLab is one’s own', () => {
  const [mine, theirs] = [new YFile(), new YFile()];
  const line = new Peers([mine.ydoc, theirs.ydoc]);
  theirs.updateSource(0, 0, 'before ');
  line.deliverAll();
  mine.updateSource(7, 7, 'mine ');
  line.deliverAll();
  theirs.updateSource(9, 9, '-theirs-');
  line.deliverAll();
  mine.undo();
  mine.undo();
  line.deliverAll();
  expect(theirs.source).toBe('before -theirs-');
  mine.redo();
  line.deliverAll();
  expect(theirs.source).toContain('-theirs-');
});
