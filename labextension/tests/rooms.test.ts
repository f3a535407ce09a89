import { describe, expect, it } from 'vitest';
import { Api } from '../src/api';
import { durationWords } from '../src/execution/view';
import { typingWords } from '../src/people/model';
import { initials } from '../src/people/view';
import { wishOf } from '../src/rooms/dialog';
import { problemOf, RoomsModel, timeLeft } from '../src/rooms/model';
import { room, waiting } from './support/models';

/** A server in a table: what it answers to each request. */
function model(answers: Record<string, [number, unknown]>): { rooms: RoomsModel; asked: string[] } {
  const asked: string[] = [];
  const api = new Api((path, init) => {
    const key = `${init.method} ${path}`;
    asked.push(key);
    const [status, body] = answers[key] ?? [404, { message: `nothing at ${key}`, code: 'x' }];
    return Promise.resolve(new Response(status === 204 ? null : JSON.stringify(body), { status }));
  });
  return { rooms: new RoomsModel(api, 'http://host:8888/codepad/'), asked };
}

const HEALTH: [number, unknown] = [200, { status: 'ok', version: '1', sandbox: null }];

describe('the list of rooms', () => {
  it('is loaded, and says what went wrong', async () => {
    const { rooms } = model({ 'GET api/rooms': [200, { rooms: [room('a')] }], 'GET api/health': HEALTH });
    expect(rooms.rooms).toBeNull();
    await rooms.refresh();
    expect(rooms.rooms?.map(r => r.id)).toEqual(['a']);
    expect(rooms.error).toBe('');
    const broken = model({ 'GET api/rooms': [403, { message: 'Sign in first.', code: 'x' }] }).rooms;
    await broken.refresh();
    expect(broken.error).toBe('Sign in first.');
  });

  it('makes whole addresses of links', async () => {
    const { rooms } = model({ 'POST api/rooms/a/invites': [201, { url: '/base/codepad/join/code' }] });
    expect(await rooms.newLink('a', 'member')).toBe('http://host:8888/base/codepad/join/code');
  });

  it('deletes with or without files', async () => {
    const { rooms, asked } = model({
      'DELETE api/rooms/a?delete_files=true': [204, null],
      'GET api/rooms': [200, { rooms: [] }],
      'GET api/health': HEALTH
    });
    await rooms.remove('a', true);
    expect(asked[0]).toBe('DELETE api/rooms/a?delete_files=true');
    expect(rooms.rooms).toEqual([]);
  });
});

describe('a notebook', () => {
  const pad = { pad_type: 'notebook' as const, pad_path: 'rooms/a/main.ipynb' };

  it('is a room’s, also of one that was made elsewhere a moment ago', async () => {
    const { rooms, asked } = model({ 'GET api/rooms': [200, { rooms: [room('b'), room('a', pad)] }] });
    expect((await rooms.roomOfNotebook('rooms/a/main.ipynb'))?.id).toBe('a');
    expect((await rooms.roomOfNotebook('rooms/a/main.ipynb'))?.id).toBe('a');
    expect(asked).toEqual(['GET api/rooms']);
  });

  it.each([
    ['another file', room('a', pad), 'mine.ipynb'],
    ['a code file', room('a', { ...pad, pad_type: 'file' }), 'rooms/a/main.ipynb'],
    ['of a closed room', room('a', { ...pad, state: 'closed' }), 'rooms/a/main.ipynb']
  ])('is none: %s', async (_, one, path) => {
    expect(await model({ 'GET api/rooms': [200, { rooms: [one] }] }).rooms.roomOfNotebook(path)).toBeNull();
  });

  it('is nobody’s when the server does not say', async () => {
    expect(await model({}).rooms.roomOfNotebook('rooms/a/main.ipynb')).toBeNull();
  });
});

describe('the lobby', () => {
  it('is looked at where somebody waits, and each person is told of once', async () => {
    const full = room('a', { waiting: 2 });
    const { rooms } = model({
      'GET api/rooms': [200, { rooms: [full, room('b')] }],
      'GET api/health': HEALTH,
      'GET api/rooms/a/participants': [
        200,
        { participants: [], waiting: [waiting('Ada'), waiting('Ben', { online: false })] }
      ]
    });
    const knocked: string[] = [];
    rooms.knocked.connect((_, knock) => knocked.push(`${knock.person.name} at ${knock.room.id}`));
    await rooms.refresh();
    await rooms.refresh();
    expect(knocked).toEqual(['Ada at a']);
    expect(rooms.waitingOf('a')).toHaveLength(2);
    expect(rooms.peopleOf('a')).toBeNull();
  });
});

describe('news', () => {
  it('of a room show at once', async () => {
    const { rooms } = model({ 'GET api/rooms': [200, { rooms: [room('a')] }], 'GET api/health': HEALTH });
    await rooms.refresh();
    const knocked: string[] = [];
    rooms.knocked.connect((_, knock) => knocked.push(knock.person.name));
    rooms.hear('a', { type: 'room', room: room('a', { permissions: ['view'], waiting: 1 }) });
    rooms.hear('a', { type: 'lobby', waiting: [waiting('Ada')] });
    rooms.hear('a', { type: 'refused' });
    expect(rooms.room('a')?.permissions).toEqual(['view']);
    expect(knocked).toEqual(['Ada']);
  });
});

describe('the form', () => {
  const fields = {
    title: ' T ',
    language: 'python',
    padType: 'file' as const,
    source: 'starter' as const,
    starter: '',
    path: 'x.py',
    hours: '24',
    lobby: false,
    prepared: false
  };

  it('turns into a wish', () => {
    expect(wishOf(fields)).toEqual({ title: 'T', language: 'python', pad_type: 'file', expires_in_hours: 24, lobby: false, prepared: false });
    const copy = wishOf({ ...fields, source: 'file' });
    expect([copy.source_path, copy.language]).toEqual(['x.py', undefined]);
    expect(wishOf({ ...fields, starter: 'x' }).starter_text).toBe('x');
  });

  it('says what is missing', () => {
    expect(problemOf(wishOf(fields))).toBeNull();
    expect(problemOf(wishOf({ ...fields, title: '  ' }))).toContain('title');
    expect(problemOf(wishOf({ ...fields, hours: '-1' }))).toContain('hours');
    expect(problemOf(wishOf({ ...fields, hours: 'soon' }))).toContain('hours');
  });
});

describe('words', () => {
  it('for time', () => {
    const now = Date.parse('2026-01-01T00:00:00Z');
    expect(timeLeft(room('a'), now)).toBe('ends in 24 h');
    expect(timeLeft(room('a'), now + 23.5 * 3600_000)).toBe('ends in 30 min');
    expect(durationWords(12)).toBe('12 ms');
    expect(durationWords(1500)).toBe('1.5 s');
    expect(durationWords(61_000)).toBe('1 min 1 s');
  });

  it('for people', () => {
    expect(typingWords([])).toBe('');
    expect(typingWords(['Ada'])).toBe('Ada is typing…');
    expect(typingWords(['Ada', 'Bob'])).toBe('Ada and Bob are typing…');
    expect(typingWords(['a', 'b', 'c'])).toBe('3 people are typing…');
    expect(initials('Ada Lovelace')).toBe('AL');
    expect(initials('🦊')).toBe('🦊');
  });
});

it('errors without words of the server get some of ours', async () => {
  const offline = new Api(() => Promise.reject(new TypeError('failed to fetch')));
  await expect(offline.request('GET', 'rooms')).rejects.toThrow('cannot be reached');
  const proxy = new Api(() => Promise.resolve(new Response('<html>502</html>', { status: 502 })));
  await expect(proxy.request('GET', 'rooms')).rejects.toThrow('Something went wrong');
});
