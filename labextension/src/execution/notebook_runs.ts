/** Runs the cells of a room's notebook in the room's kernel, for a notebook that is not the room page's. */
import { Signal, type ISignal } from '@lumino/signaling';
import { type Api, ApiError } from '../api';
import type { IRun, RunStatus } from '../types';
import { isOver, type KernelStatus, type RunsModel } from './model';
import type { IRunRights } from './view';

/** How long a run that was accepted may take to appear in the run document. */
const APPEAR_MS = 10_000;

/** How a kernel of JupyterLab's is called that does the same. */
export type ShownStatus = 'idle' | 'busy' | 'starting' | 'dead' | 'connecting' | 'disconnected';

const SHOWN: Record<KernelStatus, ShownStatus> = {
  off: 'idle', // it starts with the first run
  starting: 'starting',
  idle: 'idle',
  busy: 'busy',
  dead: 'dead',
  unavailable: 'dead'
};

/** How many cells are with the server at a time: what follows one that fails must not run. */
const IN_FLIGHT = 1;
const PATIENCE = 20;
const AGAIN_MS = 3000;

/** Cells that were asked for together: what follows one that fails is not run. */
interface IBatch {
  open: number;
  failed: boolean;
}

/**
 * Cells go to the server in the order in which they were asked for, each when the one before it is
 * done. The server runs them, also when this notebook is closed meanwhile.
 */
export class NotebookRuns {
  private _last: Promise<unknown> = Promise.resolve();
  private _batch: IBatch | null = null;
  private readonly _flying = new Set<string>();
  private _isDisposed = false;
  private readonly _disposing = new Set<() => void>();
  private readonly _wake = new Signal<this, void>(this);
  private readonly _statusChanged = new Signal<this, ShownStatus>(this);
  private _status: ShownStatus;

  constructor(
    readonly runs: RunsModel,
    private readonly _api: Api,
    private readonly _roomId: string,
    /** What this person may do now. */
    readonly rights: () => IRunRights
  ) {
    this._status = this.status;
    this.runs.changed.connect(this._look, this);
    this.runs.provider.statusChanged.connect(this._look, this);
  }

  /** What the room's kernel does, as JupyterLab calls it. */
  get status(): ShownStatus {
    const { status } = this.runs.provider;
    if (status === 'ended') {
      return 'disconnected';
    }
    return status === 'connecting' || status === 'offline' ? 'connecting' : SHOWN[this.runs.kernel.status];
  }

  get statusChanged(): ISignal<this, ShownStatus> {
    return this._statusChanged;
  }

  /**
   * Run a cell when those before it are done.
   *
   * Resolves with how the run ended, or null when it was not begun because one before it failed or
   * was stopped. Rejects with the server's words when it is refused.
   */
  async run(cellId: string): Promise<RunStatus | null> {
    const batch = (this._batch ??= { open: 0, failed: false });
    batch.open += 1;
    let runId: string | null = null;
    try {
      const before = this._last;
      const asked = (async (): Promise<string | null> => {
        await before;
        return this._ask(cellId, batch);
      })();
      this._last = asked.catch(() => undefined);
      runId = await asked;
      const status = runId === null ? null : await this._end(runId);
      batch.failed ||= status !== 'ok';
      return status;
    } catch (error) {
      batch.failed = true;
      throw error;
    } finally {
      batch.open -= 1;
      this._flying.delete(runId ?? '');
      this._wake.emit();
      if (this._batch === batch && (batch.failed || batch.open === 0)) {
        this._batch = null;
      }
    }
  }

  /** Interrupt the code; cells that wait for it are not run. */
  async stop(): Promise<void> {
    this._giveUp();
    await this.runs.stop();
  }

  /** A fresh kernel for the room; cells that wait are not run. */
  async restart(): Promise<void> {
    this._giveUp();
    await this.runs.restart();
  }

  dispose(): void {
    if (!this._isDisposed) {
      this._isDisposed = true;
      this._disposing.forEach(end => end());
      this.runs.changed.disconnect(this._look, this);
      this.runs.provider.statusChanged.disconnect(this._look, this);
      Signal.clearData(this);
      this.runs.dispose();
      this.runs.provider.dispose();
    }
  }

  private _giveUp(): void {
    if (this._batch) {
      this._batch.failed = true;
      this._batch = null;
      this._wake.emit();
    }
  }

  /** Ask for a run once the server has room for it; its id, or null when it is not to be run any more. */
  private async _ask(cellId: string, batch: IBatch): Promise<string | null> {
    await this._until(() => this._flying.size < IN_FLIGHT || batch.failed);
    for (let tries = 0; ; tries++) {
      if (batch.failed || this._isDisposed) {
        return null;
      }
      try {
        const wish = { document: 'pad', cell_id: cellId };
        const run = await this._api.request<IRun>('POST', `rooms/${this._roomId}/runs`, wish);
        this._flying.add(run.id);
        return run.id;
      } catch (error) {
        if (!(error instanceof ApiError && error.status === 429) || tries === PATIENCE) {
          throw error;
        }
        await new Promise(resolve => setTimeout(resolve, AGAIN_MS)); // the queue is full, or all kernels are in use
      }
    }
  }

  private _until(condition: () => boolean): Promise<void> {
    return new Promise(resolve => {
      const look = (): void => {
        if (this._isDisposed || condition()) {
          this._wake.disconnect(look);
          this._disposing.delete(look);
          resolve();
        }
      };
      this._disposing.add(look);
      this._wake.connect(look);
      look();
    });
  }

  /** Wait until a run is over, as the run document says; null when it was never begun. */
  private _end(runId: string): Promise<RunStatus | null> {
    const { runs } = this;
    return new Promise((resolve, reject) => {
      let seen = false;
      const settle = (done: () => void): void => {
        clearTimeout(timer);
        runs.changed.disconnect(look);
        runs.provider.statusChanged.disconnect(look);
        this._disposing.delete(give);
        done();
      };
      const give = (): void => settle(() => resolve('interrupted'));
      const look = (): void => {
        const entry = runs.runs.find(run => run.id === runId);
        const { end } = runs.provider;
        if (entry && isOver(entry.status)) {
          const begun = entry.startedAt !== null || entry.status !== 'interrupted';
          settle(() => resolve(begun ? entry.status : null));
        } else if (!entry && seen) {
          settle(() => resolve('ok')); // the oldest go, once they are over
        } else if (end) {
          settle(() => reject(new Error(end.reason || 'The room has ended.')));
        }
        seen ||= entry !== undefined;
      };
      const timer = setTimeout(() => {
        if (!seen && runs.provider.status !== 'offline') {
          settle(() => reject(new Error('It cannot be seen how this run ended. Reload the page.')));
        }
      }, APPEAR_MS);
      this._disposing.add(give);
      runs.changed.connect(look);
      runs.provider.statusChanged.connect(look);
      look();
    });
  }

  private _look(): void {
    const { status } = this;
    if (status !== this._status) {
      this._status = status;
      this._statusChanged.emit(status);
    }
  }
}
