import * as awarenessProtocol from 'y-protocols/awareness';
import * as Y from 'yjs';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { Api } from '../../src/api';
import { cellOf } from '../../src/editor/cells';
import { FollowModel } from '../../src/people/follow';
import { PeopleModel } from '../../src/people/model';
import type { Provider } from '../../src/sync/provider';
import { participant } from '../support/models';
import { FakeServer } from '../support/server';

let server: FakeServer;
let provider: Provider;
let people: PeopleModel;
let model: FollowModel;
const others: awarenessProtocol.Awareness[] = [];

beforeEach(() => {
  server = new FakeServer();
  provider = server.provider();
  const api = new Api(async () => new Response(JSON.stringify({ participants: [], waiting: [] })));
  people = new PeopleModel(provider, api, 'abcdefghijkl');
  model = new FollowModel(provider.awareness, people, () => 'me');
  server.accept();
  server.say({ type: 'participants', participants: [participant('Ada'), participant('Ben')] });
});

afterEach(() => {
  model.dispose();
  people.dispose();
  provider.dispose();
  server.awareness.destroy();
  others.splice(0).forEach(one => one.destroy());
});

function says(name: string, state: object): void {
  const other = new awarenessProtocol.Awareness(new Y.Doc());
  others.push(other);
  other.setLocalState({ user: { name, display_name: `${name} (guest)`, participant_id: name.toLowerCase() }, ...state });
  const update = awarenessProtocol.encodeAwarenessUpdate(other, [other.clientID]);
  awarenessProtocol.applyAwarenessUpdate(provider.awareness, update, provider);
}

it('shows what the followed person sees, and tells them', () => {
  const viewport = { position: { tname: 'source' }, cell: null };
  says('Ada', { viewport, cursors: [{ head: 7 }] });
  expect(model.view).toBeNull();
  model.follow('ada');
  expect(model.view).toEqual({ viewport, head: 7 });
  expect(model.targetName).toBe('Ada');
  expect(provider.awareness.getLocalState()?.['following']).toBe('ada');
  model.follow(null);
  expect(model.view).toBeNull();
});

it('knows the caret only of somebody in JupyterLab', () => {
  says('Ben', { cursors: [{ head: 3 }] });
  model.follow('ben');
  expect(model.view).toEqual({ viewport: null, head: 3 });
});

it('says who follows me', () => {
  says('Ada', { following: 'me' });
  says('Ben', { following: 'ada' });
  expect(model.followers).toEqual(['Ada (guest)']);
});

it('ends when the followed person goes', () => {
  model.follow('ada');
  server.say({ type: 'participants', participants: [participant('Ada', { online: false })] });
  expect(model.target).toBeNull();
  expect(provider.awareness.getLocalState()?.['following']).toBeNull();
});

it('tells of activity once a minute', () => {
  vi.useFakeTimers();
  const told = vi.fn();
  provider.awareness.on('change', told);
  model.active();
  model.active();
  expect(told).toHaveBeenCalledTimes(1);
  vi.advanceTimersByTime(61_000);
  told.mockClear(); // Yjs itself says now and then that one is still there
  model.active();
  expect(told).toHaveBeenCalledTimes(1);
  vi.useRealTimers();
});

it('finds the cell of a caret in a notebook', () => {
  const doc = new Y.Doc();
  const cells = doc.getArray<Y.Map<unknown>>('cells');
  const cell = new Y.Map<unknown>();
  const source = new Y.Text('x = 1');
  cell.set('id', 'one');
  cell.set('source', source);
  cells.push([cell]);
  const head = JSON.parse(JSON.stringify(Y.createRelativePositionFromTypeIndex(source, 2))) as unknown;
  expect(cellOf({ viewport: null, head }, cells)).toBe('one');
  expect(cellOf({ viewport: { position: null, cell: 'two' }, head }, cells)).toBe('two');
  expect(cellOf({ viewport: null, head: 'nonsense' }, cells)).toBeNull();
});
