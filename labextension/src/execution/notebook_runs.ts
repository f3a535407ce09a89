/** Runs the cells of a room's notebook in the room's kernel, for a notebook that is not the room page's. */
import { Signal, type ISignal } from '@lumino/signaling';
import type { RunStatus } from '../types';
import { CellQueue } from './cell_queue';
import type { KernelStatus, RunsModel } from './model';
import type { IRunRights } from './view';

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

/** What a notebook has instead of a kernel: the room's, and the cells that it is to run. */
export class NotebookRuns {
  private readonly _cells: CellQueue;
  private _isDisposed = false;
  private readonly _statusChanged = new Signal<this, ShownStatus>(this);
  private _status: ShownStatus;

  constructor(
    readonly runs: RunsModel,
    /** What this person may do now. */
    readonly rights: () => IRunRights
  ) {
    this._cells = new CellQueue(runs);
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

  /** Run a cell when those before it are done; see `CellQueue`. */
  run(cellId: string): Promise<RunStatus | null> {
    return this._cells.run(cellId);
  }

  /** Interrupt the code; cells that wait for it are not run. */
  async stop(): Promise<void> {
    const running = this.runs.current?.id;
    const own = this._cells.first;
    this._cells.giveUp();
    await this.runs.stop();
    if (own !== null && own !== running) {
      await this.runs.interrupt(own); // it waits for somebody else's
    }
  }

  /** A fresh kernel for the room; cells that wait are not run. */
  async restart(): Promise<void> {
    this._cells.giveUp();
    await this.runs.restart();
  }

  dispose(): void {
    if (!this._isDisposed) {
      this._isDisposed = true;
      this._cells.dispose();
      this.runs.changed.disconnect(this._look, this);
      this.runs.provider.statusChanged.disconnect(this._look, this);
      Signal.clearData(this);
      this.runs.dispose();
      this.runs.provider.dispose();
    }
  }

  private _look(): void {
    const { status } = this;
    if (status !== this._status) {
      this._status = status;
      this._statusChanged.emit(status);
    }
  }
}
