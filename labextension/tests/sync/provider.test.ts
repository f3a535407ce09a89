import * as awarenessProtocol from 'y-protocols/awareness';
import * as Y from 'yjs';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { documentUrl, Provider, type SyncStatus } from '../../src/sync/provider';
import { FakeServer } from '../support/server';

let server: FakeServer;
let provider: Provider;

beforeEach(() => {
  vi.useFakeTimers();
  server = new FakeServer();
});

afterEach(() => {
  provider.dispose();
  server.awareness.destroy();
  vi.useRealTimers();
});

function type(words: string): void {
  const text = provider.doc.getText('source');
  text.insert(text.length, words);
}

function statuses(): SyncStatus[] {
  const seen: SyncStatus[] = [provider.status];
  provider.statusChanged.connect((_, status) => seen.push(status));
  return seen;
}

describe('saved', () => {
  it('is said only when everything sent was acknowledged', () => {
    provider = server.provider();
    const seen = statuses();
    server.accept();
    server.acknowledging = false;
    type('a');
    type('b');
    expect(provider.status).toBe('saving');
    expect(provider.unsaved).toBe(true);
    server.acknowledge();
    expect(provider.status).toBe('saved');
    expect(provider.unsaved).toBe(false);
    expect(server.text).toBe('ab');
    expect(seen).toEqual(['connecting', 'saved', 'saving', 'saved']);
  });

  it('is not said before the text of the server is here', () => {
    provider = server.provider();
    server.socket.open();
    expect(provider.everSynced).toBe(true); // the answer to our state came
    expect(provider.status).toBe('connecting'); // but the server's question did not
  });

  it('does not count an older acknowledgement as the newest', () => {
    provider = server.connect();
    server.acknowledging = false;
    type('a');
    server.acknowledge();
    type('b');
    server.acknowledging = true;
    expect(provider.status).toBe('saving');
  });

  it('is not said of what was typed while the line was closing', () => {
    provider = server.connect();
    server.acknowledging = false;
    type('a');
    server.socket.readyState = 2;
    type('b');
    server.acknowledge();
    expect(provider.unsaved).toBe(true);
    expect(provider.status).toBe('saving');
    server.socket.end(1006);
    server.acknowledging = true;
    vi.advanceTimersByTime(400);
    server.accept();
    expect(server.text).toBe('ab');
    expect(provider.unsaved).toBe(false);
  });

  it('is said to an observer, whose updates are counted and dropped', () => {
    server.mayEdit = false;
    provider = server.connect();
    expect(provider.status).toBe('saved');
    expect(provider.unsaved).toBe(false);
  });

  it('is true again for a connection that broke before its greeting was acknowledged', () => {
    server.acknowledging = false;
    provider = server.connect();
    server.socket.end(1006);
    expect(provider.unsaved).toBe(false); // nothing was ever typed here
  });
});

describe('a broken connection', () => {
  it('keeps what is typed and sends it after the next sync', () => {
    provider = server.connect();
    type('before ');
    server.socket.end(1006);
    expect(provider.status).toBe('offline');
    type('while offline ');
    expect(provider.unsaved).toBe(true);
    vi.advanceTimersByTime(400);
    expect(server.sockets).toHaveLength(2);
    expect(provider.status).toBe('offline');
    server.accept();
    expect(server.text).toBe('before while offline ');
    expect(provider.status).toBe('saved');
    expect(provider.unsaved).toBe(false);
  });

  it('takes what others typed meanwhile, and both texts are the same', () => {
    provider = server.connect();
    server.socket.end(1006);
    type('mine');
    server.doc.getText('source').insert(0, 'theirs ');
    vi.advanceTimersByTime(400);
    server.accept();
    expect(provider.doc.getText('source').toString()).toBe(server.text);
    expect(server.text).toContain('mine');
    expect(server.text).toContain('theirs');
  });

  it('sends again what the server received but did not make durable', () => {
    provider = server.connect();
    server.acknowledging = false;
    type('a');
    server.socket.end(1006);
    expect(provider.unsaved).toBe(true);
    server.acknowledging = true;
    vi.advanceTimersByTime(400);
    server.accept();
    expect(provider.unsaved).toBe(false);
    expect(server.text).toBe('a');
  });

  it('is tried again ever more slowly, at least every five seconds', () => {
    provider = server.connect();
    server.socket.end(1006);
    const waits: number[] = [];
    for (let i = 0; i < 10; i++) {
      const tries = server.sockets.length;
      let waited = 0;
      while (server.sockets.length === tries) {
        vi.advanceTimersByTime(50);
        waited += 50;
      }
      waits.push(waited);
      server.socket.end(1006);
    }
    expect(waits[0]).toBeLessThanOrEqual(350);
    expect(Math.max(...waits)).toBeLessThanOrEqual(5_050);
    expect(waits[9]).toBeGreaterThan(2000);
  });

  it('is tried at once when the network is back', () => {
    provider = server.connect();
    server.socket.end(1006);
    window.dispatchEvent(new Event('online'));
    expect(server.sockets).toHaveLength(2);
  });

  it('is noticed when the network goes', () => {
    provider = server.connect();
    window.dispatchEvent(new Event('offline'));
    expect(provider.status).toBe('offline');
    vi.advanceTimersByTime(400);
    server.accept(); // the server was on this machine all the time
    expect(provider.status).toBe('saved');
  });

  it('is noticed after 45 seconds of silence', () => {
    provider = server.connect();
    const first = server.socket;
    vi.advanceTimersByTime(40_000);
    server.sendAwareness();
    vi.advanceTimersByTime(44_000);
    expect(provider.status).toBe('saved');
    vi.advanceTimersByTime(1_000);
    expect(provider.status).toBe('offline');
    expect(first.closedByClient).toBe(true);
    vi.advanceTimersByTime(400);
    expect(server.sockets).toHaveLength(2);
  });

  it('is noticed when the handshake never ends', () => {
    provider = server.provider();
    vi.advanceTimersByTime(60_000);
    expect(server.sockets.length).toBeGreaterThan(1);
  });

  it('takes no notice of frames of a socket that was given up', () => {
    provider = server.connect();
    const first = server.socket;
    server.socket.end(1006);
    vi.advanceTimersByTime(400);
    server.accept();
    first.end(1006);
    expect(provider.status).toBe('saved');
  });
});

describe('more than the server takes in one message', () => {
  const WORDS = 'words '.repeat(5_000);

  beforeEach(() => {
    server.limitBytes = 2000;
  });

  function pasteOffline(): void {
    provider = server.connect();
    server.socket.end(1006);
    type(WORDS);
    vi.advanceTimersByTime(400);
  }

  it('arrives when it was typed offline, and is saved when all of it is', () => {
    pasteOffline();
    const seen = statuses();
    server.accept();
    expect(server.text).toBe(WORDS);
    expect(server.sizes.filter(size => size > 1000).length).toBeGreaterThan(10);
    expect(Math.max(...server.sizes)).toBeLessThanOrEqual(2000);
    expect(seen).toEqual(['offline', 'saving', 'saved']);
    expect(provider.unsaved).toBe(false);
  });

  it('arrives when it was pasted at once', () => {
    provider = server.connect();
    server.acknowledging = false;
    type(WORDS);
    expect(provider.status).toBe('saving');
    server.acknowledge();
    expect(server.text).toBe(WORDS);
    expect(provider.status).toBe('saved');
  });

  it('is not saved while a part is not', () => {
    pasteOffline();
    server.takes = 5;
    server.accept();
    expect(provider.status).toBe('saving');
    expect(provider.unsaved).toBe(true);
    server.socket.end(1006);
    server.takes = Infinity;
    vi.advanceTimersByTime(1000);
    server.accept();
    expect(server.text).toBe(WORDS);
    expect(provider.status).toBe('saved');
    expect(server.sizes.reduce((sum, size) => sum + size)).toBeLessThan(WORDS.length * 2);
  });

  it('is all still here when the pad is full in between', () => {
    pasteOffline();
    server.takes = 5;
    server.accept();
    server.socket.end(4413, 'This pad is full.');
    expect(provider.end).toEqual({ code: 4413, reason: 'This pad is full.' });
    expect(provider.unsaved).toBe(true);
    expect(provider.doc.getText('source').toString()).toBe(WORDS);
  });

  it('ends the connection in words when a single value is larger, and the text stays', () => {
    provider = server.connect();
    provider.doc.getArray('cells').insert(0, [{ 'image/png': WORDS }]);
    type('typed');
    expect(provider.end?.code).toBe(1009);
    expect(provider.unsaved).toBe(true);
    expect(provider.doc.getText('source').toString()).toBe('typed');
  });
});

describe('the end', () => {
  const FINAL = [1009, 4400, 4401, 4403, 4404, 4410, 4411, 4412, 4413, 4425];

  it.each(FINAL)('comes with close code %i, with the words of the server, and is not retried', code => {
    provider = server.connect();
    server.socket.end(code, 'Words for the person.');
    expect(provider.status).toBe('ended');
    expect(provider.end).toEqual({ code, reason: 'Words for the person.' });
    vi.advanceTimersByTime(60_000);
    window.dispatchEvent(new Event('online'));
    expect(server.sockets).toHaveLength(1);
  });

  it.each([1000, 1001, 1006, 1011, 1012, 1013])('does not come with close code %i', code => {
    provider = server.connect();
    server.socket.end(code);
    expect(provider.end).toBeNull();
    vi.advanceTimersByTime(400);
    expect(server.sockets).toHaveLength(2);
  });

  it('does not come with 4429, too many messages: that is tried again after five seconds', () => {
    provider = server.connect();
    type('a');
    server.socket.end(4429);
    expect(provider.status).toBe('offline');
    expect(provider.end).toBeNull();
    type('b');
    vi.advanceTimersByTime(5_000);
    expect(server.sockets).toHaveLength(1);
    vi.advanceTimersByTime(400);
    expect(server.sockets).toHaveLength(2);
    server.accept();
    expect(server.text).toBe('ab');
    expect(provider.status).toBe('saved');
  });

  it('tells when edits did not reach the server', () => {
    provider = server.connect();
    server.acknowledging = false;
    type('lost?');
    server.socket.end(4413, 'The pad is full.');
    expect(provider.unsaved).toBe(true);
  });

  it('leaves nothing behind after dispose', () => {
    provider = server.connect();
    provider.dispose();
    expect(server.socket.closedByClient).toBe(true);
    expect(vi.getTimerCount()).toBe(1); // the fake server's own awareness
  });
});

describe('awareness', () => {
  function otherPerson(): void {
    server.awareness.setLocalState({ user: { name: 'Ada' } });
  }

  it('shows the others again at once after a reconnect', () => {
    otherPerson();
    const other = server.awareness.clientID;
    provider = server.connect();
    server.sendAwareness();
    expect(provider.awareness.getStates().has(other)).toBe(true);
    server.socket.end(1006);
    expect(provider.awareness.getStates().has(other)).toBe(false);
    vi.advanceTimersByTime(400);
    server.accept();
    server.sendAwareness();
    expect(provider.awareness.getStates().has(other)).toBe(true);
  });

  it('shows us to the others again at once after a reconnect', () => {
    provider = server.connect();
    provider.awareness.setLocalStateField('typing', true);
    const id = provider.doc.clientID;
    const others = new awarenessProtocol.Awareness(new Y.Doc());
    const hear = (clock: number, state: unknown): void => {
      const meta = server.awareness.meta.get(id);
      server.awareness.meta.set(id, { clock, lastUpdated: meta?.lastUpdated ?? 0 });
      if (state === null) {
        server.awareness.states.delete(id);
      }
      const update = awarenessProtocol.encodeAwarenessUpdate(server.awareness, [id]);
      awarenessProtocol.applyAwarenessUpdate(others, update, null);
    };
    const clock = (): number => server.awareness.meta.get(id)?.clock ?? 0;
    hear(clock(), {});
    expect(others.getStates().has(id)).toBe(true);
    server.socket.end(1006);
    hear(clock() + 1, null); // what the server tells the others when a client is gone
    expect(others.getStates().has(id)).toBe(false);
    vi.advanceTimersByTime(400);
    server.accept();
    hear(clock(), {});
    expect(others.getStates().get(id)).toEqual({ typing: true });
    others.destroy();
  });

  it('does not send back what others say', () => {
    otherPerson();
    provider = server.connect();
    const before = server.awareness.meta.size;
    server.sendAwareness();
    expect(server.awareness.meta.size).toBe(before);
  });
});

it('asks for news of the room where they are wanted', () => {
  provider = new Provider({ url: 'ws://codepad.test/runs/sync', news: true, query: { token: 't' }, makeSocket: server.makeSocket });
  expect(server.socket.url).toBe('ws://codepad.test/runs/sync?acks=1&news=1&token=t');
});

it('hands on news of the room', () => {
  provider = server.connect();
  const news: unknown[] = [];
  provider.eventReceived.connect((_, event) => news.push(event));
  server.say({ type: 'participants', participants: [] });
  expect(news).toEqual([{ type: 'participants', participants: [] }]);
});

it('makes the address of a document', () => {
  provider = server.provider();
  expect(documentUrl('https://host/base/codepad/', 'abcdefghijkl', 'pad')).toBe(
    'wss://host/base/codepad/rooms/abcdefghijkl/documents/pad/sync'
  );
  expect(server.socket.url).toBe('ws://codepad.test/pad/sync?acks=1');
});

describe('the time that changes take', () => {
  it('is measured from a change to its acknowledgement, one change in a second', () => {
    provider = server.connect();
    vi.advanceTimersByTime(2000);
    server.acknowledging = false;
    type('a');
    vi.advanceTimersByTime(30);
    type('b'); // not timed: another one is on its way
    expect(provider.latency).toBeNull();
    server.acknowledge();
    expect(provider.latency).toBe(30);
    type('c'); // too soon for the next
    server.acknowledge();
    expect(provider.takeLatencies()).toEqual([30]);
    expect(provider.takeLatencies()).toEqual([]);
  });
});
