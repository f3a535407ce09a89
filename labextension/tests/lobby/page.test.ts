import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { retryMs } from '../../src/lobby/line';
import type { ILobbyConfig, ILobbyNews } from '../../src/types';

class LobbySocket {
  static all: LobbySocket[] = [];
  onmessage: ((event: { data: string }) => void) | null = null;
  onclose: ((event: { code: number }) => void) | null = null;

  constructor(readonly url: string | URL) {
    LobbySocket.all.push(this);
  }

  say(state: ILobbyNews['state'], words = '', opens_at: string | null = null): void {
    this.onmessage?.({ data: JSON.stringify({ state, words, opens_at }) });
  }
}

const reload = vi.fn();

async function open(change: Partial<ILobbyConfig> = {}): Promise<void> {
  const config = { baseUrl: '/codepad/', roomId: 'abc', title: '<b>Class</b>', name: 'Ada', state: 'waiting', opensAt: null, now: '2026-01-01T12:00:00Z', ...change };
  document.body.innerHTML = '<div id="codepad-root"></div><script type="application/json" id="codepad-config"></script>';
  (document.getElementById('codepad-config') as HTMLElement).textContent = JSON.stringify(config);
  vi.resetModules();
  await import('../../src/lobby/index');
}

const card = (): HTMLElement => document.querySelector('[data-testid="lobby-page"]') as HTMLElement;
const lost = (): string | null => document.querySelector('[data-testid="lobby-offline"]')?.textContent ?? null;
const socket = (): LobbySocket => LobbySocket.all[LobbySocket.all.length - 1] as LobbySocket;

beforeEach(() => {
  vi.useFakeTimers({ now: Date.parse('2026-01-01T12:00:00Z') });
  LobbySocket.all = [];
  reload.mockReset();
  vi.stubGlobal('WebSocket', LobbySocket);
  vi.stubGlobal('location', { href: 'https://host/codepad/rooms/abc', reload });
});

afterEach(() => {
  vi.clearAllTimers();
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

describe('the lobby’s page', () => {
  it('says what is waited for, in words and not in markup', async () => {
    await open();
    expect(card().dataset['state']).toBe('waiting');
    expect(card().querySelector('h1')?.textContent).toBe('<b>Class</b>');
    expect(card().querySelector('[role=status]')?.textContent).toContain('Ada wants to join');
    expect(String(socket().url)).toBe('wss://host/codepad/rooms/abc/lobby');
  });

  it('counts down to the opening', async () => {
    await open({ state: 'prepared', opensAt: '2026-01-01T12:01:30Z' });
    expect(card().textContent).toContain('in 90 seconds');
    vi.advanceTimersByTime(30_000);
    expect(card().textContent).toContain('in 60 seconds');
    socket().say('prepared', '', '2026-01-01T12:10:30Z');
    expect(card().textContent).toContain('in 10 minutes');
  });

  it('goes in when it is let in', async () => {
    await open();
    socket().say('in');
    expect(reload).toHaveBeenCalledTimes(1);
    socket().onclose?.({ code: 1000 });
    vi.advanceTimersByTime(120_000);
    expect(LobbySocket.all).toHaveLength(1);
  });

  it.each(['denied', 'gone'] as const)('shows the words of %s and stops', async state => {
    await open();
    socket().say(state, 'The host did not let you in.');
    socket().onclose?.({ code: 4403 });
    vi.advanceTimersByTime(120_000);
    expect(card().dataset['state']).toBe(state);
    expect(card().textContent).toContain('The host did not let you in.');
    expect(LobbySocket.all).toHaveLength(1);
    expect(reload).not.toHaveBeenCalled();
  });

  it('takes a lost line up again, and says so', async () => {
    await open();
    expect(lost()).toBe('');
    socket().onclose?.({ code: 1006 });
    expect(lost()).toContain('connection is lost');
    vi.advanceTimersByTime(1100);
    expect(LobbySocket.all).toHaveLength(2);
    socket().say('waiting');
    expect(lost()).toBe('');
  });
});

it('tries again ever more slowly', () => {
  expect([0, 1, 2, 10, 100].map(attempt => retryMs(attempt, 1006, 1))).toEqual([1000, 2000, 4000, 30_000, 30_000]);
  expect(retryMs(0, 1006, 0)).toBe(500);
  expect(retryMs(0, 4429, 0)).toBeGreaterThan(5000);
});
