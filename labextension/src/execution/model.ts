/** The runs of a room, as the shared run document says; and what one can ask for. */
import { Signal, type ISignal } from '@lumino/signaling';
import * as Y from 'yjs';
import { type Api, ApiError, wordsOf } from '../api';
import type { Provider } from '../sync/provider';
import type { IRun, RunStatus } from '../types';

export type Output =
  | { output_type: 'stream'; name: 'stdout' | 'stderr'; text: string }
  | {
      output_type: 'display_data' | 'execute_result';
      data: Record<string, unknown>;
      execution_count?: number | null;
    }
  | { output_type: 'error'; ename: string; evalue: string; traceback: string[] };

export interface IRunEntry {
  id: string;
  cellId: string | null;
  /** The file that is run; empty: the pad. */
  main: string;
  name: string;
  color: string;
  status: RunStatus;
  /** Whether it is compiled now, and has been for a while. */
  compiling: boolean;
  durationMs: number | null;
  queuedAt: string | null;
  startedAt: string | null;
  executionCount: number | null;
  /** Who it is by. */
  participantId: string;
  /** What the program asks now, if it asks. */
  input: IInputWish | null;
  /** Who gave the last answer; empty when nobody has. */
  answeredBy: string;
  /** How many runs go before it on this server. */
  position: number;
  truncated: boolean;
  message: string;
  outputs: Output[];
}

export interface IInputWish {
  prompt: string;
  password: boolean;
}

/** What a run is asked for with. */
export interface IRunWish {
  /** All that the program will read; without it people are asked while it runs. */
  stdin?: string;
  /** Runs with the same one are not run any more once one of them has failed. */
  batch?: string;
}

export type KernelStatus =
  | 'off'
  | 'starting'
  | 'idle'
  | 'busy'
  | 'dead'
  | 'unavailable';

/** How many cells of "Run all" wait on the server at a time: its queue has a limit. */
const IN_FLIGHT = 10;
const PATIENCE = 20;
const AGAIN_MS = 3000;
const FAILED = new Set<RunStatus>(['error', 'interrupted', 'dead']);

export function isOver(status: RunStatus): boolean {
  return status !== 'queued' && status !== 'running';
}

export class RunsModel {
  private _runs!: Y.Array<Y.Map<unknown>>;
  private _kernel!: Y.Map<unknown>;
  private readonly _changed = new Signal<this, void>(this);
  private readonly _failed = new Signal<this, string>(this);
  /** When a run was asked for here last, on the clock of `performance.now`. */
  private _ranAt = -Infinity;
  /** Runs whose program has read something from here. */
  private readonly _answered = new Set<string>();
  private _disposed = false;
  /** The runs of "Run all" that goes on now, and how they stood when they were last seen. */
  private _batch: Map<string, RunStatus> | null = null;
  /** What was asked for and is not answered yet. */
  private readonly _asked = new Set<string>();
  /** Converted entries, kept until their shared map changes: long outputs are not copied twice. */
  private readonly _entries = new WeakMap<Y.Map<unknown>, IRunEntry>();

  constructor(
    readonly provider: Provider,
    private readonly _api: Api,
    private readonly _roomId: string,
    /** Address of `codepad/`, for what is downloaded. */
    private readonly _baseUrl = ''
  ) {
    this._observe();
    provider.replaced.connect(this._onReplaced);
  }

  /** Oldest first. */
  get runs(): IRunEntry[] {
    return this._runs.map(map => {
      let entry = this._entries.get(map);
      if (!entry) {
        entry = readEntry(map);
        this._entries.set(map, entry);
      }
      return entry;
    });
  }

  get kernel(): { status: KernelStatus; message: string } {
    return {
      status: (this._kernel.get('status') as KernelStatus | undefined) ?? 'off',
      message: (this._kernel.get('message') as string | undefined) ?? ''
    };
  }

  /** The run that Stop stops: the oldest that is not over. */
  get current(): IRunEntry | null {
    return this.runs.find(run => !isOver(run.status)) ?? null;
  }

  /** Whether a wish to run something is on its way. */
  get asking(): boolean {
    return [...this._asked].some(what => what.startsWith('run'));
  }

  get changed(): ISignal<this, void> {
    return this._changed;
  }

  /** Words for the person when a request is refused. */
  get failed(): ISignal<this, string> {
    return this._failed;
  }

  /** Ask for a run of the pad, or of a cell of it, when what it waits for is done. */
  async run(cellId?: string, wish: IRunWish = {}, before: () => Promise<void> = () => Promise.resolve()): Promise<void> {
    await this._ask(`run ${cellId ?? ''}`, async () => {
      await before();
      await this._request(cellId, wish);
    });
  }

  /** Run cells in their order; those after one that fails are not run. */
  async runCells(cellIds: string[]): Promise<void> {
    const [only] = cellIds;
    if (cellIds.length < 2) {
      return only === undefined ? undefined : this.run(only);
    }
    // Not one request: Stop and Restart must work meanwhile.
    if (!this._batch) {
      this._batch = new Map();
      try {
        await this._runBatch(cellIds, this._batch);
      } catch (error) {
        this._failed.emit(wordsOf(error));
      } finally {
        this._batch = null;
      }
    }
  }

  /** Answer what a program asks; whether ours was the answer that it got. */
  async answer(runId: string, text: string): Promise<boolean> {
    const path = `rooms/${this._roomId}/runs/${runId}/input`;
    this._ranAt = performance.now();
    const taken = await this._ask(`input ${runId}`, () => this._api.request('POST', path, { text }));
    if (taken) {
      this._answered.add(runId);
    }
    return taken;
  }

  /**
   * Whether this person (`me`) waits for a run to ask: it is theirs, or they have answered it before, and
   * they have typed nothing (`typedAt`) since.
   */
  awaits(run: IRunEntry, me: string | null, typedAt: number): boolean {
    return ((me !== null && run.participantId === me) || this._answered.has(run.id)) && typedAt <= this._ranAt;
  }

  /** Where all that is kept of a run's output can be had; null where that is not known. */
  outputUrl(runId: string): string | null {
    return this._baseUrl ? `${this._baseUrl}api/rooms/${this._roomId}/runs/${runId}/output` : null;
  }

  /** The newest run of a cell of the notebook, or null. */
  ofCell(cellId: string): IRunEntry | null {
    return this.runs.reverse().find(run => run.cellId === cellId) ?? null;
  }

  async stop(): Promise<void> {
    const run = this.current;
    if (run) {
      const path = `rooms/${this._roomId}/runs/${run.id}/interrupt`;
      await this._ask('stop', () => this._api.request<IRun>('POST', path));
    }
  }

  async restart(): Promise<void> {
    const path = `rooms/${this._roomId}/kernel/restart`;
    await this._ask('restart', () => this._api.request('POST', path));
  }

  dispose(): void {
    this._disposed = true;
    this._changed.emit(); // whoever waits for a change need not any more
    this._unobserve();
    this.provider.replaced.disconnect(this._onReplaced);
    Signal.clearData(this);
  }

  private _observe(): void {
    this._runs = this.provider.doc.getArray('runs');
    this._kernel = this.provider.doc.getMap('kernel');
    this._runs.observeDeep(this._onRuns);
    this._kernel.observe(this._onKernel);
  }

  private _unobserve(): void {
    this._runs.unobserveDeep(this._onRuns);
    this._kernel.unobserve(this._onKernel);
  }

  private _request(cellId: string | undefined, wish: IRunWish): Promise<IRun> {
    this._ranAt = performance.now();
    const body = { document: 'pad', ...(cellId ? { cell_id: cellId } : {}), ...wish };
    return this._api.request<IRun>('POST', `rooms/${this._roomId}/runs`, body);
  }

  private async _runBatch(cellIds: string[], runs: Map<string, RunStatus>): Promise<void> {
    const batch = String(Math.random()).slice(2);
    const look = (): RunStatus[] => {
      for (const { id, status } of this.runs) {
        if (runs.has(id)) {
          runs.set(id, status);
        }
      }
      return [...runs.values()];
    };
    for (const cellId of cellIds) {
      await this._until(() => look().filter(status => !isOver(status)).length < IN_FLIGHT);
      if (this._disposed || look().some(status => FAILED.has(status))) {
        return;
      }
      const { id } = await this._patiently(() => this._request(cellId, { batch }));
      runs.set(id, 'queued');
    }
  }

  /** Where the server has too much to do, ask again a little later. */
  private async _patiently<T>(request: () => Promise<T>): Promise<T> {
    for (let tries = 0; ; tries++) {
      try {
        return await request();
      } catch (error) {
        if (!(error instanceof ApiError && error.status === 429) || tries === PATIENCE || this._disposed) {
          throw error;
        }
        await new Promise(resolve => setTimeout(resolve, AGAIN_MS));
      }
    }
  }

  private _until(condition: () => boolean): Promise<void> {
    return new Promise(resolve => {
      const look = (): void => {
        if (condition() || this._disposed) {
          this._changed.disconnect(look);
          resolve();
        }
      };
      this._changed.connect(look);
      look();
    });
  }

  private async _ask(what: string, request: () => Promise<unknown>): Promise<boolean> {
    if (this._asked.has(what)) {
      return false;
    }
    this._asked.add(what);
    this._changed.emit();
    try {
      await request();
      return true;
    } catch (error) {
      this._failed.emit(wordsOf(error));
      return false;
    } finally {
      this._asked.delete(what);
      this._changed.emit();
    }
  }

  private readonly _onRuns = (events: Y.YEvent<Y.AbstractType<unknown>>[]): void => {
    for (const event of events) {
      const index = event.path[0];
      if (typeof index === 'number' && index < this._runs.length) {
        this._entries.delete(this._runs.get(index));
      }
    }
    this._changed.emit();
  };

  private readonly _onKernel = (): void => this._changed.emit();

  private readonly _onReplaced = (): void => {
    this._unobserve();
    this._observe();
    this._changed.emit();
  };
}

function readEntry(map: Y.Map<unknown>): IRunEntry {
  const outputs = map.get('outputs');
  return {
    id: String(map.get('id')),
    cellId: (map.get('cell_id') as string | null | undefined) ?? null,
    main: String(map.get('main') ?? ''),
    name: String(map.get('participant_name') ?? ''),
    color: String(map.get('color') ?? ''),
    status: (map.get('status') as RunStatus | undefined) ?? 'queued',
    compiling: map.get('compiling') === true,
    durationMs: (map.get('duration_ms') as number | null | undefined) ?? null,
    queuedAt: (map.get('queued_at') as string | null | undefined) ?? null,
    startedAt: (map.get('started_at') as string | null | undefined) ?? null,
    executionCount: (map.get('execution_count') as number | null | undefined) ?? null,
    participantId: String(map.get('participant_id') ?? ''),
    input: readInput(map.get('input')),
    answeredBy: String(map.get('answered_by') ?? ''),
    position: Number(map.get('position')) || 0,
    truncated: map.get('truncated') === true,
    message: [map.get('message'), map.get('files')].filter(Boolean).join('; '),
    outputs: outputs instanceof Y.Array ? readOutputs(outputs) : []
  };
}

function readInput(value: unknown): IInputWish | null {
  const wish = (value instanceof Y.Map ? value.toJSON() : value) as Partial<IInputWish> | null | undefined;
  return wish && typeof wish === 'object' ? { prompt: String(wish.prompt ?? ''), password: wish.password === true } : null;
}

/** Shared outputs (of a run or a cell) as plain ones; what is not an output is left out. */
export function readOutputs(outputs: Y.Array<unknown>): Output[] {
  return outputs
    .map(value => (value instanceof Y.Map ? (value.toJSON() as Output) : (value as Output)))
    .filter(output => output && typeof output === 'object' && 'output_type' in output);
}
