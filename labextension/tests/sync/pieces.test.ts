import * as Y from 'yjs';
import { expect, it } from 'vitest';
import { pieces } from '../../src/sync/pieces';
import { Peers, seeded } from '../support/peers';

const LIMIT = 1000;

/** What a document is after each of the pieces; none may wait for a later one. */
function apply(target: Y.Doc, update: Uint8Array, limit = LIMIT): Uint8Array[] {
  const parts = pieces(update, limit);
  for (const part of parts) {
    expect(part.length).toBeLessThanOrEqual(limit);
    Y.applyUpdate(target, part);
    expect(target.store.pendingStructs).toBeNull();
  }
  expect(target.store.pendingDs).toBeNull();
  return parts;
}

function same(one: Y.Doc, other: Y.Doc): void {
  expect(Y.encodeStateAsUpdate(one)).toEqual(Y.encodeStateAsUpdate(other));
}

it('leaves an update that is small enough as it is', () => {
  const update = Y.encodeStateAsUpdate(new Y.Doc());
  expect(pieces(update, LIMIT)).toEqual([update]);
});

it.each(['x'.repeat(50_000), 'é€😀'.repeat(9_001), '\ud83d'.repeat(3_000)])('cuts one long pasted text, and no character of it', words => {
  const doc = new Y.Doc();
  doc.getText('source').insert(0, words);
  const target = new Y.Doc();
  const parts = apply(target, Y.encodeStateAsUpdate(doc));
  const bytes = new TextEncoder().encode(words).length;
  expect(parts.length).toBeLessThan((bytes / LIMIT) * 4);
  expect(new TextEncoder().encode(target.getText('source').toString())).toEqual(new TextEncoder().encode(words));
  expect(Y.encodeStateVector(target)).toEqual(Y.encodeStateVector(doc));
});

it('lets others write into the middle of what has come of a text so far', () => {
  const doc = new Y.Doc();
  const server = new Y.Doc();
  doc.getText('source').insert(0, 'abc'.repeat(1000));
  const [first, ...rest] = pieces(Y.encodeStateAsUpdate(doc), LIMIT);
  Y.applyUpdate(server, first as Uint8Array);
  server.getText('source').insert(server.getText('source').length, '[theirs]');
  rest.forEach(part => Y.applyUpdate(server, part));
  Y.applyUpdate(doc, Y.encodeStateAsUpdate(server));
  expect(server.getText('source').toString()).toBe(doc.getText('source').toString());
  expect(doc.getText('source').toString().replace('[theirs]', '')).toBe('abc'.repeat(1000));
});

it('never makes a text longer in between than it was or will be', () => {
  const server = new Y.Doc();
  server.getText('source').insert(0, 'o'.repeat(5000));
  const doc = new Y.Doc();
  Y.applyUpdate(doc, Y.encodeStateAsUpdate(server));
  const text = doc.getText('source');
  text.delete(0, 5000);
  text.insert(0, 'n'.repeat(5000));
  for (const part of pieces(Y.encodeStateAsUpdate(doc, Y.encodeStateVector(server)), LIMIT)) {
    Y.applyUpdate(server, part);
    expect(server.getText('source').length).toBeLessThanOrEqual(5000);
  }
  expect(server.getText('source').toString()).toBe('n'.repeat(5000));
});

it('does not send what was deleted again and is only kept for undo', () => {
  const doc = new Y.Doc();
  const text = doc.getText('source');
  const undo = new Y.UndoManager(text);
  text.insert(0, 'x'.repeat(20_000));
  text.insert(0, 'kept');
  text.delete(4, 20_000);
  const target = new Y.Doc();
  expect(apply(target, Y.encodeStateAsUpdate(doc))).toHaveLength(1);
  undo.undo();
  undo.redo();
  Y.applyUpdate(target, Y.encodeStateAsUpdate(doc, Y.encodeStateVector(target)));
  expect(target.getText('source').toString()).toBe(text.toString());
});

it('leaves a single value that is too large as one piece', () => {
  const doc = new Y.Doc();
  doc.getArray('cells').insert(0, [{ 'image/png': 'x'.repeat(3000) }, 'small']);
  const target = new Y.Doc();
  pieces(Y.encodeStateAsUpdate(doc), LIMIT).forEach(part => Y.applyUpdate(target, part));
  same(target, doc);
});

/** Three people's changes of texts and cells, some told to the others, some not. */
function history(seed: number): { docs: Y.Doc[]; old: Y.Doc } {
  const random = seeded(seed);
  const docs = [0, 1, 2].map(() => new Y.Doc());
  const old = new Y.Doc();
  const peers = new Peers(docs);
  const below = (count: number): number => Math.floor(random() * count);
  for (let step = 0; step < 120; step++) {
    const doc = docs[below(3)] as Y.Doc;
    const cells = doc.getArray<Y.Map<unknown>>('cells');
    const text = cells.length > 0 && random() < 0.7 ? (cells.get(below(cells.length)).get('source') as Y.Text) : doc.getText('source');
    const deed = random();
    if (deed < 0.5) {
      text.insert(below(text.length + 1), 'abc€😀'.repeat(1 + below(random() < 0.1 ? 500 : 10)));
    } else if (deed < 0.65 && text.length > 0) {
      const at = below(text.length);
      text.delete(at, Math.min(text.length - at, 1 + below(40)));
    } else if (deed < 0.75) {
      cells.insert(below(cells.length + 1), [new Y.Map([['source', new Y.Text('new')], ['id', String(step)]] as [string, unknown][])]);
    } else if (deed < 0.8 && cells.length > 0) {
      cells.delete(below(cells.length), 1);
    } else {
      peers.deliver(doc, 1 + below(9));
    }
    if (step === 40) {
      Y.applyUpdate(old, Y.encodeStateAsUpdate(doc));
    }
  }
  peers.deliverAll();
  return { docs, old };
}

it('makes the same document in 60 histories of three people, from nothing and from an older state', () => {
  for (let seed = 1; seed <= 60; seed++) {
    const { docs: [doc], old } = history(seed);
    for (const target of [new Y.Doc(), old]) {
      apply(target, Y.encodeStateAsUpdate(doc as Y.Doc, Y.encodeStateVector(target)), 400);
      expect(target.getText('source').toString()).toBe(doc?.getText('source').toString());
      expect(target.getArray('cells').toJSON()).toEqual(doc?.getArray('cells').toJSON());
      expect(Y.encodeStateAsUpdate(doc as Y.Doc, Y.encodeStateVector(target))).toEqual(
        Y.encodeStateAsUpdate(doc as Y.Doc, Y.encodeStateVector(doc as Y.Doc))
      );
    }
  }
}, 30_000);
