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
  name: string;
  color: string;
  status: RunStatus;
  durationMs: number | null;
  queuedAt: string | null;
  startedAt: string | null;
  executionCount: number | null;
  truncated: boolean;
  message: string;
  outputs: Output[];
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
  private readonly _runs: Y.Array<Y.Map<unknown>>;
  private readonly _kernel: Y.Map<unknown>;
  private readonly _changed = new Signal<this, void>(this);
  private readonly _failed = new Signal<this, string>(this);
  /** What was asked for and is not answered yet. */
  private readonly _asked = new Set<string>();
  /** Converted entries, kept until their shared map changes: long outputs are not copied twice. */
  private readonly _entries = new WeakMap<Y.Map<unknown>, IRunEntry>();

  constructor(
    readonly provider: Provider,
    private readonly _api: Api,
    private readonly _roomId: string
  ) {
    this._runs = provider.doc.getArray('runs');
    this._kernel = provider.doc.getMap('kernel');
    this._runs.observeDeep(this._onRuns);
    this._kernel.observe(this._onKernel);
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

  /** Whether a request is on its way. */
  get asking(): boolean {
    return this._asked.size > 0;
  }

  get changed(): ISignal<this, void> {
    return this._changed;
  }

  /** Words for the person when a request is refused. */
  get failed(): ISignal<this, string> {
    return this._failed;
  }

  async run(cellId?: string): Promise<void> {
    const body = cellId ? { document: 'pad', cell_id: cellId } : { document: 'pad' };
    await this._ask(`run ${cellId ?? ''}`, () =>
      this._api.request<IRun>('POST', `rooms/${this._roomId}/runs`, body)
    );
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
    this._runs.unobserveDeep(this._onRuns);
    this._kernel.unobserve(this._onKernel);
    Signal.clearData(this);
  }

  private async _ask(what: string, request: () => Promise<unknown>): Promise<void> {
    if (this._asked.has(what)) {
      return;
    }
    this._asked.add(what);
    this._changed.emit();
    try {
      await request();
    } catch (error) {
      this._failed.emit(wordsOf(error));
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
}

function readEntry(map: Y.Map<unknown>): IRunEntry {
  const outputs = map.get('outputs');
  return {
    id: String(map.get('id')),
    cellId: (map.get('cell_id') as string | null | undefined) ?? null,
    name: String(map.get('participant_name') ?? ''),
    color: String(map.get('color') ?? ''),
    status: (map.get('status') as RunStatus | undefined) ?? 'queued',
    durationMs: (map.get('duration_ms') as number | null | undefined) ?? null,
    queuedAt: (map.get('queued_at') as string | null | undefined) ?? null,
    startedAt: (map.get('started_at') as string | null | undefined) ?? null,
    executionCount: (map.get('execution_count') as number | null | undefined) ?? null,
    truncated: map.get('truncated') === true,
    message: String(map.get('message') ?? ''),
    outputs: outputs instanceof Y.Array ? readOutputs(outputs) : []
  };
}

/** Shared outputs (of a run or a cell) as plain ones; what is not an output is left out. */
export function readOutputs(outputs: Y.Array<unknown>): Output[] {
  return outputs
    .map(value => (value instanceof Y.Map ? (value.toJSON() as Output) : (value as Output)))
    .filter(output => output && typeof output === 'object' && 'output_type' in output);
}
