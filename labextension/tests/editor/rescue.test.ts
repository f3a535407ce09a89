import * as Y from 'yjs';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { CellEdits, sourceOf } from '../../src/editor/cell_edits';
import { missing, rescueTyping } from '../../src/editor/rescue';
import { placeIn } from '../../src/editor/view';

class Peer {
  readonly doc = new Y.Doc();
  readonly edits = new CellEdits(this.doc);
  saved = true;
  readonly stop = rescueTyping(this.doc, () => this.saved);

  get texts(): string[] {
    return this.edits.cells.map(cell => String(cell.get('source')));
  }

  type(index: number, at: number, text: string): void {
    sourceOf(this.edits.cells.get(index)).insert(at, text);
  }
}

let ada: Peer;
let bob: Peer;

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['performance'] });
  [ada, bob] = [new Peer(), new Peer()];
  ada.edits.insert(0);
  ada.edits.insert(1);
  ada.type(0, 0, 'first');
  ada.type(1, 0, 'second');
  sync();
});

afterEach(() => {
  ada.stop();
  bob.stop();
  vi.useRealTimers();
});

/** Both get what the other has, as one update each. */
function sync(): void {
  const toBob = Y.encodeStateAsUpdate(ada.doc, Y.encodeStateVector(bob.doc));
  const toAda = Y.encodeStateAsUpdate(bob.doc, Y.encodeStateVector(ada.doc));
  Y.applyUpdate(bob.doc, toBob, 'line');
  Y.applyUpdate(ada.doc, toAda, 'line');
}

describe('what Bob types into a cell that Ada moves', () => {
  it('is in the cell that was moved, once', () => {
    bob.type(1, 6, ' line');
    ada.edits.move(ada.edits.cells.get(1), -1);
    sync();
    sync();
    expect(bob.texts).toEqual(['second line', 'first']);
    expect(ada.texts).toEqual(bob.texts);
  });

  it('goes on where it was when Ada had seen a part of it', () => {
    bob.type(1, 0, 'the ');
    sync();
    bob.type(1, 4, 'very ');
    ada.edits.move(ada.edits.cells.get(1), -1);
    sync();
    sync();
    expect(ada.texts).toEqual(['the very second', 'first']);
    expect(bob.texts).toEqual(ada.texts);
  });

  it('is not doubled when Ada had seen it all', () => {
    bob.type(1, 6, '!');
    sync();
    ada.edits.move(ada.edits.cells.get(1), -1);
    sync();
    sync();
    expect(ada.texts).toEqual(['second!', 'first']);
    expect(bob.texts).toEqual(ada.texts);
  });

  it('is kept too when she makes the cell one of text', () => {
    bob.type(0, 5, '?');
    ada.edits.change(ada.edits.cells.get(0), 'markdown');
    sync();
    sync();
    expect(ada.texts).toEqual(['first?', 'second']);
    expect(bob.texts).toEqual(ada.texts);
  });
});

it('what was typed long ago, and is deleted in the same turn as the move, stays deleted', () => {
  bob.type(1, 6, ' old');
  sync();
  vi.advanceTimersByTime(10_000);
  sourceOf(ada.edits.cells.get(1)).delete(6, 4);
  ada.edits.move(ada.edits.cells.get(1), -1);
  sync();
  sync();
  expect(bob.texts).toEqual(['second', 'first']);
});

it('what has waited here for the server is not old', () => {
  bob.saved = false;
  bob.type(1, 6, ' offline');
  vi.advanceTimersByTime(60_000);
  ada.edits.move(ada.edits.cells.get(1), -1);
  sync();
  sync();
  expect(ada.texts).toEqual(['second offline', 'first']);
});

it('a deletion stays a deletion', () => {
  bob.type(1, 6, ' line');
  ada.edits.remove(ada.edits.cells.get(1));
  sync();
  sync();
  expect(ada.texts).toEqual(['first']);
  expect(bob.texts).toEqual(ada.texts);
});

it.each([
  ['abc', [], 'abc', null],
  ['abXc', [2], 'abc', { at: 2, text: 'X' }],
  ['abXc', [], 'abc', null],
  ['aXbYc', [1, 3], 'abc', { at: 1, text: 'XY' }],
  ['', [], 'new', null],
  ['xa', [0], 'ya', { at: 0, text: 'x' }]
])('of “%s”, typed at %j, “%s” lacks %j', (old, fresh, now, lost) => {
  const letters = [...old].map((text, i) => ({ text, fresh: (fresh as number[]).includes(i) }));
  expect(missing(letters, now)).toEqual(lost);
});

it.each([
  ['abc', 2, 'abc', 2],
  ['abc', 3, 'Xabc', 4],
  ['abc', 1, 'abXc', 1],
  ['abc', 3, '', 0],
  ['abcdef', 3, 'ab', 2]
])('a caret in “%s” at %i is in “%s” at %i', (text, head, now, place) => {
  expect(placeIn(now, { text, head })).toBe(place);
});
