import * as Y from 'yjs';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Api } from '../../src/api';
import { type Output, RunsModel } from '../../src/execution/model';
import { durationWords, statusWords } from '../../src/execution/view';
import type { Provider } from '../../src/sync/provider';
import { FakeServer } from '../support/server';

interface IRequest {
  path: string;
  method: string;
  body: unknown;
}

let server: FakeServer;
let provider: Provider;
let model: RunsModel;
let requests: IRequest[];
let api: Api;
let answer: Response;

beforeEach(() => {
  server = new FakeServer();
  provider = server.connect();
  requests = [];
  answer = new Response('{}', { status: 202 });
  api = new Api(async (path, init) => {
    requests.push({
      path,
      method: String(init.method),
      body: init.body ? JSON.parse(init.body as string) : undefined
    });
    return answer;
  });
  model = new RunsModel(provider, api, 'abcdefghijkl');
});

afterEach(() => {
  model.dispose();
  provider.dispose();
  server.awareness.destroy();
});

/** The server writes into the run document. */
function write(change: (runs: Y.Array<Y.Map<unknown>>, kernel: Y.Map<unknown>) => void): void {
  const before = Y.encodeStateVector(server.doc);
  server.doc.transact(() => change(server.doc.getArray('runs'), server.doc.getMap('kernel')));
  Y.applyUpdate(provider.doc, Y.encodeStateAsUpdate(server.doc, before), provider);
}

function newRun(id: string, status = 'running'): Y.Map<unknown> {
  const run = new Y.Map<unknown>();
  const fields = { id, document: 'pad', cell_id: null, participant_id: 'p', participant_name: 'Ada', status };
  Object.entries(fields).forEach(([key, value]) => run.set(key, value));
  run.set('outputs', new Y.Array());
  return run;
}

function outputsOf(run: Y.Map<unknown> | undefined): Y.Array<Y.Map<unknown>> {
  return run?.get('outputs') as Y.Array<Y.Map<unknown>>;
}

function newStream(text: string): Y.Map<unknown> {
  const output = new Y.Map<unknown>();
  output.set('output_type', 'stream');
  output.set('name', 'stdout');
  output.set('text', new Y.Text(text));
  return output;
}

describe('after a crash of the server', () => {
  beforeEach(() => {
    vi.useFakeTimers();
    model.dispose();
    provider.dispose();
    server.mirror = true;
    server.mayEdit = false;
    provider = server.connect();
    model = new RunsModel(provider, api, 'abcdefghijkl');
  });

  afterEach(() => {
    vi.useRealTimers();
  });

  function comeBack(): void {
    vi.advanceTimersByTime(400);
    server.accept();
  }

  it('what it has lost is forgotten here, too', () => {
    write(runs => runs.push([newRun('run1')]));
    const kept = Y.encodeStateAsUpdate(server.doc);
    write(runs => {
      runs.get(0).set('status', 'ok');
      runs.push([newRun('run2')]);
    });
    server.crash(kept);
    server.doc.getArray<Y.Map<unknown>>('runs').get(0).set('status', 'dead');
    const changed = vi.fn();
    model.changed.connect(changed);
    comeBack();
    expect(changed).toHaveBeenCalled();
    expect(model.runs.map(run => [run.id, run.status])).toEqual([['run1', 'dead']]);
    write(runs => runs.push([newRun('run3')]));
    expect(model.runs.map(run => run.id)).toEqual(['run1', 'run3']);
    expect(model.current?.id).toBe('run3');
  });

  it('the document stays the same where nothing was lost', () => {
    write(runs => runs.push([newRun('run1', 'ok')]));
    const { doc } = provider;
    server.crash(Y.encodeStateAsUpdate(server.doc));
    comeBack();
    expect(provider.doc).toBe(doc);
    expect(provider.status).toBe('saved');
    expect(model.runs.map(run => run.id)).toEqual(['run1']);
  });
});

describe('runs', () => {
  it('are there in order, with what they printed so far', () => {
    write(runs => runs.push([newRun('run1', 'ok'), newRun('run2')]));
    write(runs => outputsOf(runs.get(1)).push([newStream('a')]));
    expect(model.runs.map(run => run.id)).toEqual(['run1', 'run2']);
    expect(model.current?.id).toBe('run2');
    write(runs => (outputsOf(runs.get(1)).get(0).get('text') as Y.Text).insert(1, 'b'));
    expect(model.runs[1]?.outputs).toEqual<Output[]>([{ output_type: 'stream', name: 'stdout', text: 'ab' }]);
  });

  it('tell when they change, and only the changed one is read again', () => {
    write(runs => runs.push([newRun('run1', 'ok'), newRun('run2')]));
    const [first, second] = model.runs;
    const changed = vi.fn();
    model.changed.connect(changed);
    write(runs => {
      runs.get(1).set('status', 'error');
      runs.get(1).set('duration_ms', 12);
    });
    expect(changed).toHaveBeenCalled();
    expect(model.runs[0]).toBe(first);
    expect(model.runs[1]).not.toBe(second);
    expect(model.runs[1]).toMatchObject({ status: 'error', durationMs: 12 });
    expect(model.current).toBeNull();
  });

  it('go when the server lets old ones go', () => {
    write(runs => runs.push([newRun('run1', 'ok'), newRun('run2', 'ok')]));
    write(runs => runs.delete(0, 1));
    expect(model.runs.map(run => run.id)).toEqual(['run2']);
    write(runs => outputsOf(runs.get(0)).push([newStream('x')]));
    expect(model.runs[0]?.outputs).toHaveLength(1);
  });

  it('may hold outputs that are none: these are left out', () => {
    write(runs => runs.push([newRun('run1')]));
    write(runs => outputsOf(runs.get(0)).push(['text', 7, null, new Y.Map(), newStream('x')] as Y.Map<unknown>[]));
    expect(model.runs[0]?.outputs).toHaveLength(1);
  });

  it('are read when the document was there before the model', () => {
    write(runs => runs.push([newRun('run1', 'ok')]));
    const late = new RunsModel(provider, new Api(async () => answer), 'abcdefghijkl');
    expect(late.runs).toHaveLength(1);
    late.dispose();
  });
});

it('says what a program asks, who has answered, and how many runs go before', () => {
  write(runs => runs.push([newRun('run1'), newRun('run2', 'queued')]));
  write(runs => {
    runs.get(0).set('input', { prompt: 'Name? ', password: false });
    runs.get(0).set('answered_by', 'Bob');
    runs.get(1).set('position', 3);
  });
  const [first, second] = model.runs;
  expect(first).toMatchObject({ input: { prompt: 'Name? ', password: false }, answeredBy: 'Bob', position: 0 });
  expect(second).toMatchObject({ input: null, answeredBy: '', position: 3 });
  expect(second && statusWords(second)).toBe('waiting: 3 before it');
  expect(second && statusWords(second, 'p')).toBe('waiting: 3 before you');
  expect(first && statusWords(first)).toBe('waits for input');
});

it('tells what was written from what did not go well', () => {
  write(runs => runs.push([newRun('run1', 'ok')]));
  write(runs => {
    runs.get(0).set('message', 'stopped by Bob');
    runs.get(0).set('files', 'wrote: out.csv');
    runs.get(0).set('files_warning', '1 file was not kept');
  });
  expect(model.runs[0]).toMatchObject({ message: 'stopped by Bob; 1 file was not kept', files: 'wrote: out.csv' });
});

it('says how the kernel is', () => {
  expect(model.kernel).toEqual({ status: 'off', message: '' });
  write((_, kernel) => {
    kernel.set('status', 'dead');
    kernel.set('message', 'The kernel used too much memory.');
  });
  expect(model.kernel).toEqual({ status: 'dead', message: 'The kernel used too much memory.' });
});

describe('asking', () => {
  it('runs the pad, or a cell of it', async () => {
    await model.run();
    await model.run('cell-1');
    expect(requests).toEqual([
      { path: 'api/rooms/abcdefghijkl/runs', method: 'POST', body: { document: 'pad' } },
      { path: 'api/rooms/abcdefghijkl/runs', method: 'POST', body: { document: 'pad', cell_id: 'cell-1' } }
    ]);
  });

  it('gives what the program reads', async () => {
    await model.run(undefined, { stdin: '1\n2\n' });
    expect(requests[0]?.body).toEqual({ document: 'pad', stdin: '1\n2\n' });
  });

  it('answers what a program asks', async () => {
    expect(await model.answer('run1', 'Ada')).toBe(true);
    expect(requests).toEqual([{ path: 'api/rooms/abcdefghijkl/runs/run1/input', method: 'POST', body: { text: 'Ada' } }]);
    answer = new Response('{"message": "Nobody asks.", "code": "nobody_asks"}', { status: 409 });
    expect(await model.answer('run1', 'Ada')).toBe(false);
  });

  it('runs several cells with one request', async () => {
    answer = new Response('{"runs": [{"id": "run1"}]}', { status: 202 });
    const runs = model.askForCells(['a', 'b'], 'all');
    expect(model.asking).toBe(true);
    expect(await runs).toEqual([{ id: 'run1' }]);
    expect(model.asking).toBe(false);
    const body = { cell_ids: ['a', 'b'], batch: 'all' };
    expect(requests).toEqual([{ path: 'api/rooms/abcdefghijkl/runs/batch', method: 'POST', body }]);
    answer = new Response('{"message": "Somebody has to let you.", "code": "x"}', { status: 403 });
    await expect(model.askForCells(['a'], 'all')).rejects.toThrow('Somebody has to let you.');
    expect(model.asking).toBe(false);
  });

  it('stops the run that runs, and nothing when none does', async () => {
    await model.stop();
    expect(requests).toEqual([]);
    write(runs => runs.push([newRun('run1', 'ok'), newRun('run2'), newRun('run3', 'queued')]));
    await model.stop();
    expect(requests[0]?.path).toBe('api/rooms/abcdefghijkl/runs/run2/interrupt');
  });

  it('restarts the kernel', async () => {
    await model.restart();
    expect(requests[0]?.path).toBe('api/rooms/abcdefghijkl/kernel/restart');
  });

  it('tells in the server’s words why it was refused', async () => {
    answer = new Response('{"message": "5 runs are waiting here already.", "code": "run_queue_full"}', {
      status: 429
    });
    const words: string[] = [];
    model.failed.connect((_, said) => words.push(said));
    await model.run();
    expect(words).toEqual(['5 runs are waiting here already.']);
    expect(model.asking).toBe(false);
  });

  it('asks once however often the button is pressed', async () => {
    await Promise.all([model.run(), model.run(), model.run()]);
    expect(requests).toHaveLength(1);
  });
});

it.each([
  [12, '12 ms'],
  [1234, '1.2 s'],
  [59_990, '60.0 s'],
  [61_000, '1 min 1 s'],
  [119_700, '2 min 0 s']
])('says %i ms as people do', (ms, words) => {
  expect(durationWords(ms)).toBe(words);
});
