import * as Y from 'yjs';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Api } from '../../src/api';
import { saysMore } from '../../src/execution/cell_run';
import { RunsModel } from '../../src/execution/model';
import { NotebookRuns, type ShownStatus } from '../../src/execution/notebook_runs';
import { FakeServer } from '../support/server';

let server: FakeServer;
let model: NotebookRuns;
/** What the server was asked for, in order: the cells, or the last word of the path. */
let asked: string[];
/** How many cells the server takes at a time. */
let places: number;
/** How many of those it shows at once. */
let shown: number;
/** What the next answer waits for. */
let held: Promise<void> | null;
/** Answers instead of the next acceptances. */
let refusals: Response[];

beforeEach(() => {
  server = new FakeServer();
  asked = [];
  refusals = [];
  places = shown = 100;
  held = null;
  const api = new Api(async (path, init) => {
    const body = init.body ? (JSON.parse(init.body as string) as { cell_ids: string[] }) : null;
    asked.push(body?.cell_ids.join(' ') ?? path.split('/').slice(-2).join(' '));
    await held;
    const refusal = refusals.shift();
    if (refusal) {
      return refusal;
    }
    const taken = body?.cell_ids.slice(0, places) ?? [];
    taken.slice(0, shown).forEach(add);
    return new Response(JSON.stringify({ runs: taken.map(cell => ({ id: `run-${cell}` })) }), { status: 202 });
  });
  const runs = new RunsModel(server.connect(), api, 'abcdefghijkl');
  model = new NotebookRuns(runs, () => ({ mayRun: true, unavailable: null }));
});

afterEach(() => {
  model.dispose();
  server.awareness.destroy();
});

/** The server writes into the run document. */
function write(change: (runs: Y.Array<Y.Map<unknown>>, kernel: Y.Map<unknown>) => void): void {
  const { provider } = model.runs;
  const before = Y.encodeStateVector(server.doc);
  server.doc.transact(() => change(server.doc.getArray('runs'), server.doc.getMap('kernel')));
  Y.applyUpdate(provider.doc, Y.encodeStateAsUpdate(server.doc, before), provider);
}

function add(cell: string): void {
  write(runs => {
    const run = new Y.Map<unknown>();
    const fields = { id: `run-${cell}`, cell_id: cell, status: 'queued', outputs: new Y.Array() };
    Object.entries(fields).forEach(([key, value]) => run.set(key, value));
    runs.push([run]);
  });
}

function end(cell: string, status = 'ok', message = '', begun = true): void {
  write(runs => {
    const run = runs.toArray().find(one => one.get('id') === `run-${cell}`);
    run?.set('status', status);
    run?.set('message', message);
    run?.set('started_at', begun ? '2026-01-01T00:00:00Z' : null);
  });
}

const soon = (): Promise<void> => new Promise(resolve => setTimeout(resolve));

describe('cells', () => {
  it('are asked for together and in order', async () => {
    const runs = Promise.all(['a', 'b', 'c'].map(cell => model.run(cell)));
    await soon();
    expect(asked).toEqual(['a b c']);
    const later = model.run('d');
    await soon();
    expect(asked).toEqual(['a b c', 'd']);
    ['a', 'b', 'c', 'd'].forEach(cell => end(cell));
    expect(await runs).toEqual(['ok', 'ok', 'ok']);
    expect(await later).toBe('ok');
  });

  it('that find no place are asked for once there is one', async () => {
    places = 2;
    const runs = Promise.all(['a', 'b', 'c', 'd', 'e'].map(cell => model.run(cell)));
    await soon();
    expect(asked).toEqual(['a b c d e']);
    end('a');
    await soon();
    expect(asked).toEqual(['a b c d e', 'c d e']);
    end('b');
    end('c');
    await soon();
    expect(asked).toEqual(['a b c d e', 'c d e', 'e']);
    ['d', 'e'].forEach(cell => end(cell));
    expect(await runs).toEqual(['ok', 'ok', 'ok', 'ok', 'ok']);
  });

  it('that the server shows later are waited for, also when it has let some go unseen', async () => {
    shown = 2;
    const runs = Promise.all(['a', 'b', 'c', 'd', 'e'].map(cell => model.run(cell)));
    await soon();
    end('a');
    end('b');
    add('c');
    write(list => list.delete(0, 3));
    add('e');
    await soon();
    expect(asked).toEqual(['a b c d e']);
    end('e');
    expect(await runs).toEqual(['ok', 'ok', 'ok', 'ok', 'ok']);
  });

  it('that the server has not shown yet are not run after one that failed', async () => {
    shown = 1;
    const runs = Promise.all(['a', 'b', 'c'].map(cell => model.run(cell)));
    await soon();
    end('a', 'error');
    expect(await runs).toEqual(['error', null, null]);
    expect(asked).toEqual(['a b c']);
  });

  it('that find no place are not asked for after one that failed', async () => {
    places = 2;
    const runs = Promise.all(['a', 'b', 'c', 'd'].map(cell => model.run(cell)));
    await soon();
    end('a', 'error');
    end('b', 'interrupted', '', false);
    expect(await runs).toEqual(['error', null, null, null]);
    expect(asked).toEqual(['a b c d']);
  });

  it.each(['error', 'interrupted', 'dead'])('are not run after one that ended with %s', async status => {
    const runs = Promise.all(['a', 'b', 'c'].map(cell => model.run(cell)));
    await soon();
    end('a', status);
    ['b', 'c'].forEach(cell => end(cell, 'interrupted', '', false)); // by the server
    expect(await runs).toEqual([status, null, null]);
    const next = model.run('d');
    await soon();
    end('d');
    expect(await next).toBe('ok');
  });

  it('that were never begun say so', async () => {
    const run = model.run('a');
    await soon();
    end('a', 'interrupted', '', false);
    expect(await run).toBeNull();
  });

  it('are refused in the server’s words, and what follows is not asked for', async () => {
    refusals.push(new Response('{"message": "Somebody has to let you.", "code": "x"}', { status: 403 }));
    const [first, second] = [model.run('a'), model.run('b')];
    await expect(first).rejects.toThrow('Somebody has to let you.');
    expect(await second).toBeNull();
    expect(asked).toEqual(['a b']);
  });

  it('are given up by stop and by restart', async () => {
    const runs = Promise.all(['a', 'b', 'c'].map(cell => model.run(cell)));
    await soon();
    await model.stop();
    expect(asked).toEqual(['a b c', 'run-a interrupt']);
    end('a', 'interrupted');
    ['b', 'c'].forEach(cell => end(cell, 'interrupted', '', false));
    expect(await runs).toEqual(['interrupted', null, null]);
    await model.restart();
    expect(asked.pop()).toBe('kernel restart');
  });

  it('that wait for somebody else’s are given up by stop too', async () => {
    add('other');
    const run = model.run('a');
    await soon();
    await model.stop();
    expect(asked).toEqual(['a', 'run-other interrupt', 'run-a interrupt']);
    end('a', 'interrupted', '', false);
    expect(await run).toBeNull();
  });

  it('that are accepted after they were given up are stopped', async () => {
    const runs = [model.run('a'), model.run('b')];
    let release: () => void = () => undefined;
    held = new Promise(resolve => (release = resolve));
    await soon();
    held = null;
    await model.restart();
    release();
    await soon();
    expect(asked).toEqual(['a b', 'kernel restart', 'run-a interrupt']);
    ['a', 'b'].forEach(cell => end(cell, 'interrupted', '', false));
    expect(await Promise.all(runs)).toEqual([null, null]);
  });

  it('are over when the server has let their run go', async () => {
    const run = model.run('a');
    await soon();
    write(runs => runs.delete(0, runs.length));
    expect(await run).toBe('ok');
  });

  it('end with the room', async () => {
    const run = model.run('a');
    await soon();
    server.socket.end(4410, 'The host has closed this room.');
    await expect(run).rejects.toThrow('The host has closed this room.');
    expect(model.status).toBe('disconnected');
  });

  it('end when the notebook is closed here; the server goes on', async () => {
    const run = model.run('a');
    await soon();
    model.dispose();
    expect(await run).toBe('interrupted');
    expect(asked).toEqual(['a']);
  });

  it('are asked for again where the server has too much to do', async () => {
    vi.useFakeTimers();
    try {
      refusals.push(new Response('{"message": "20 runs are waiting.", "code": "x"}', { status: 429 }));
      const run = model.run('a');
      await vi.advanceTimersByTimeAsync(4_000);
      expect(asked).toEqual(['a', 'a']);
      end('a');
      expect(await run).toBe('ok');
    } finally {
      vi.useRealTimers();
    }
  });

  it('whose run appears late are waited for while those before them run', async () => {
    vi.useFakeTimers();
    try {
      shown = 1;
      const runs = ['a', 'b'].map(cell => model.run(cell));
      await vi.advanceTimersByTimeAsync(0);
      shown = 0;
      const last = model.run('c');
      await vi.advanceTimersByTimeAsync(11_000);
      expect(asked).toEqual(['a b', 'c']);
      ['b', 'c'].forEach(add);
      ['a', 'b', 'c'].forEach(cell => end(cell));
      expect(await Promise.all([...runs, last])).toEqual(['ok', 'ok', 'ok']);
    } finally {
      vi.useRealTimers();
    }
  });

  it('whose run never appears do not hold up the others for ever', async () => {
    vi.useFakeTimers();
    try {
      refusals.push(new Response('{"runs": [{"id": "nowhere"}]}', { status: 202 }));
      const run = model.run('a').catch(error => String(error));
      await vi.advanceTimersByTimeAsync(11_000);
      expect(await run).toContain('Reload the page');
    } finally {
      vi.useRealTimers();
    }
  });
});

it('says how the kernel is as JupyterLab does', () => {
  const heard: ShownStatus[] = [];
  expect(model.status).toBe('idle');
  model.statusChanged.connect((_, status) => heard.push(status));
  for (const status of ['starting', 'idle', 'busy', 'busy', 'dead', 'off']) {
    write((_, kernel) => kernel.set('status', status));
  }
  server.socket.end(1006);
  expect(heard).toEqual(['starting', 'idle', 'busy', 'dead', 'idle', 'connecting']);
});

it('knows whether there is more to a run than output', () => {
  add('a');
  const newest = (): boolean[] => [model.runs.ofCell('a')].map(run => run !== null && saysMore(run));
  expect(newest()).toEqual([false]);
  write(runs => runs.get(0).set('input', { prompt: 'name? ', password: false }));
  expect(newest()).toEqual([true]);
  write(runs => runs.get(0).set('input', null));
  end('a', 'interrupted', 'stopped by Ada');
  expect(newest()).toEqual([true]);
  add('a');
  expect(newest()).toEqual([false]);
});
