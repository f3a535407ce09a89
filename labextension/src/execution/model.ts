/** The runs of a room, as the shared run document says; and what one can ask for. */
import { Signal, type ISignal } from '@lumino/signaling';
import * as Y from 'yjs';
import { type Api, wordsOf } from '../api';
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
  /** Which files it has written, in words. */
  files: string;
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
}

export type KernelStatus =
  | 'off'
  | 'starting'
  | 'idle'
  | 'busy'
  | 'dead'
  | 'unavailable';

export function isOver(status: RunStatus): boolean {
  return status !== 'queued' && status !== 'running';
}

export class RunsModel {
  private _runs!: Y.Array<Y.Map<unknown>>;
  private _kernel!: Y.Map<unknown>;
  private readonly _changed = new Signal<this, void>(this);
  private readonly _urgent = new Signal<this, void>(this);
  private readonly _failed = new Signal<this, string>(this);
  /** When a run was asked for here last, on the clock of `performance.now`. */
  private _ranAt = -Infinity;
  /** Runs whose program has read something from here. */
  private readonly _answered = new Set<string>();
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

  /** A run has come, or asks for input, or does not any more: that must not wait for others' output to be drawn. */
  get urgent(): ISignal<this, void> {
    return this._urgent;
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

  /**
   * Ask for runs of cells, one after the other; those after one that fails are not run.
   *
   * Resolves with the runs that were accepted: those at the end that find no place are left out.
   * Rejects with the server's words.
   */
  async askForCells(cellIds: string[], batch: string): Promise<IRun[]> {
    this._ranAt = performance.now();
    const path = `rooms/${this._roomId}/runs/batch`;
    const { runs } = await this._marked('run cells', () =>
      this._api.request<{ runs: IRun[] }>('POST', path, { cell_ids: cellIds, batch })
    );
    return runs;
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
    return newestOfCells(this.runs).get(cellId) ?? null;
  }

  async stop(): Promise<void> {
    const run = this.current;
    if (run) {
      await this.interrupt(run.id);
    }
  }

  /** Stop a run, or have it not begin. */
  async interrupt(runId: string): Promise<void> {
    const path = `rooms/${this._roomId}/runs/${runId}/interrupt`;
    await this._ask(`stop ${runId}`, () => this._api.request<IRun>('POST', path));
  }

  async restart(): Promise<void> {
    const path = `rooms/${this._roomId}/kernel/restart`;
    await this._ask('restart', () => this._api.request('POST', path));
  }

  dispose(): void {
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

  /** Ask for something, once at a time; whether it was granted. */
  private async _ask(what: string, request: () => Promise<unknown>): Promise<boolean> {
    if (this._asked.has(what)) {
      return false;
    }
    try {
      await this._marked(what, request);
      return true;
    } catch (error) {
      this._failed.emit(wordsOf(error));
      return false;
    }
  }

  private async _marked<T>(what: string, request: () => Promise<T>): Promise<T> {
    this._asked.add(what);
    this._changed.emit();
    try {
      return await request();
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
    if (events.some(({ path, keys }) => path.length === 0 || (path.length === 1 && keys.has('input')))) {
      this._urgent.emit();
    }
  };

  private readonly _onKernel = (): void => this._changed.emit();

  private readonly _onReplaced = (): void => {
    this._unobserve();
    this._observe();
    this._changed.emit();
  };
}

/** The newest run of each cell of the notebook. */
export function newestOfCells(runs: readonly IRunEntry[]): Map<string, IRunEntry> {
  const newest = new Map<string, IRunEntry>();
  runs.forEach(run => run.cellId !== null && newest.set(run.cellId, run));
  return newest;
}

function readEntry(map: Y.Map<unknown>): IRunEntry {
  let outputs: Output[] | null = null;
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
    message: [map.get('message'), map.get('files_warning')].filter(Boolean).join('; '),
    files: String(map.get('files') ?? ''),
    /** Read when they are drawn: of a program that floods they are long, and others ask how it stands. */
    get outputs(): Output[] {
      const shared = map.get('outputs');
      return (outputs ??= shared instanceof Y.Array ? readOutputs(shared) : []);
    }
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
