/** Cells of a notebook on their way: asked for together, run by the server one after the other. */
import { ApiError } from '../api';
import type { IRun, RunStatus } from '../types';
import { isOver, type RunsModel } from './model';

/** How long a run that was accepted may take to appear in the run document. */
const APPEAR_MS = 10_000;
const PATIENCE = 20;
const AGAIN_MS = 3000;
const LOST = 'It cannot be seen how this run ended. Reload the page.';

/** Cells that were asked for while others of them were not done: what follows one that fails is not run. */
interface IBatch {
  id: string;
  open: number;
  failed: boolean;
}

interface IAsked {
  cellId: string;
  batch: IBatch;
  /** Whether the run document has had it. */
  seen: boolean;
  done: (status: RunStatus | null) => void;
  fail: (error: unknown) => void;
}

/**
 * Cells asked for in the same moment go to the server in one request, as many as it has places for. What
 * it has accepted is run there, whoever closes which page; of many cells the run document has the next.
 */
export class CellQueue {
  private _batch: IBatch | null = null;
  private _waiting: IAsked[] = [];
  private _isSending = false;
  /** By the id of the run. */
  private readonly _accepted = new Map<string, IAsked>();
  private readonly _timers = new Set<ReturnType<typeof setTimeout>>();
  private _wake: () => void = () => undefined;
  private _isDisposed = false;

  constructor(private readonly _runs: RunsModel) {
    _runs.changed.connect(this._look, this);
    _runs.provider.statusChanged.connect(this._look, this);
  }

  /**
   * Run a cell when those before it are done.
   *
   * Resolves with how the run ended, or null when it was not begun because one before it failed or
   * was stopped. Rejects with the server's words when it is refused.
   */
  run(cellId: string): Promise<RunStatus | null> {
    return new Promise((resolve, reject) => {
      const batch = (this._batch ??= { id: String(Math.random()).slice(2), open: 0, failed: false });
      batch.open += 1;
      this._waiting.push({ cellId, batch, seen: false, done: resolve, fail: reject });
      if (!this._isSending) {
        this._isSending = true;
        setTimeout(() => void this._send());
      }
    });
  }

  /** The oldest run from here that is not over, or null. */
  get first(): string | null {
    return this._accepted.keys().next().value ?? null;
  }

  /** Ask for nothing more of what waits here. */
  giveUp(): void {
    if (this._batch) {
      this._batch.failed = true;
      this._batch = null;
      this._wake();
    }
  }

  dispose(): void {
    if (this._isDisposed) {
      return;
    }
    this._isDisposed = true;
    this._runs.changed.disconnect(this._look, this);
    this._runs.provider.statusChanged.disconnect(this._look, this);
    this._timers.forEach(timer => clearTimeout(timer));
    this._waiting.splice(0).forEach(one => one.done(null));
    this._accepted.forEach(one => one.done('interrupted'));
    this._accepted.clear();
    this._wake();
  }

  private async _send(): Promise<void> {
    while (this._waiting.length > 0) {
      const { batch } = this._waiting[0] as IAsked;
      const asked = this._waiting.filter(one => one.batch === batch);
      this._waiting = this._waiting.filter(one => one.batch !== batch);
      try {
        const runs = batch.failed ? null : await this._ask(asked, batch);
        if (this._isDisposed) {
          asked.forEach(one => one.done(runs ? 'interrupted' : null));
          return;
        }
        const taken = runs ? asked.splice(0, runs.length) : [];
        taken.forEach((one, i) => this._accepted.set((runs?.[i] as IRun).id, one));
        this._expect(taken);
        if (batch.failed) {
          asked.forEach(one => this._settle(one, null));
          if (runs?.[0]) {
            await this._runs.interrupt(runs[0].id); // given up meanwhile
          }
          continue;
        }
        this._waiting.unshift(...asked);
        if (asked.length > 0) {
          await this._until(() => this._accepted.size <= taken.length / 2 || batch.failed);
        }
      } catch (error) {
        this._fail(asked, error);
      }
    }
    this._isSending = false;
  }

  /** Ask for runs, again a little later where the server has too much to do; null when given up. */
  private async _ask(asked: readonly IAsked[], batch: IBatch): Promise<IRun[] | null> {
    for (let tries = 0; ; tries++) {
      try {
        const cellIds = asked.map(one => one.cellId);
        return await this._runs.askForCells(cellIds, batch.id);
      } catch (error) {
        if (this._isDisposed) {
          return null;
        }
        if (!(error instanceof ApiError && error.status === 429) || tries === PATIENCE) {
          throw error;
        }
        let over = false;
        const timer = this._after(AGAIN_MS, () => {
          over = true;
          this._wake();
        });
        await this._until(() => over || batch.failed);
        clearTimeout(timer);
        if (batch.failed || this._isDisposed) {
          return null;
        }
      }
    }
  }

  /** See that what was accepted appears, at once or when others of the batch, which have, are over. */
  private _expect(taken: readonly IAsked[]): void {
    this._look();
    this._after(APPEAR_MS, () => {
      const goesOn = [...this._accepted.values()].some(one => one.seen && one.batch === taken[0]?.batch);
      if (this._runs.provider.status !== 'offline' && !goesOn) {
        this._lose(one => taken.includes(one) && !one.seen, LOST);
      }
    });
  }

  private _after(ms: number, act: () => void): ReturnType<typeof setTimeout> {
    const timer = setTimeout(() => {
      this._timers.delete(timer);
      act();
    }, ms);
    this._timers.add(timer);
    return timer;
  }

  private _until(condition: () => boolean): Promise<void> {
    return new Promise(resolve => {
      this._wake = () => {
        if (this._isDisposed || condition()) {
          this._wake = () => undefined;
          resolve();
        }
      };
      this._wake();
    });
  }

  /** See which runs are over, as the run document says. */
  private _look(): void {
    if (this._accepted.size === 0) {
      return;
    }
    const { provider } = this._runs;
    const entries = new Map(this._runs.runs.map(run => [run.id, run]));
    const accepted = [...this._accepted];
    const newest = new Map<IBatch, number>();
    accepted.forEach(([runId, { batch }], i) => entries.has(runId) && newest.set(batch, i));
    accepted.forEach(([runId, one], i) => {
      const entry = entries.get(runId);
      const gone = one.seen || i < (newest.get(one.batch) ?? 0); // the oldest go, once they are over
      if (entry ? isOver(entry.status) : gone) {
        this._accepted.delete(runId);
        const begun = !entry || entry.startedAt !== null || entry.status !== 'interrupted';
        this._settle(one, begun ? (entry?.status ?? 'ok') : null);
      }
      one.seen ||= entry !== undefined;
    });
    for (const [runId, one] of [...this._accepted]) {
      if (one.batch.failed && !one.seen) {
        this._accepted.delete(runId); // the server does not come to it any more
        this._settle(one, null);
      }
    }
    if (provider.end) {
      this._lose(() => true, provider.end.reason || 'The room has ended.');
    }
    this._wake();
  }

  private _lose(isLost: (one: IAsked) => boolean, words: string): void {
    const lost = [...this._accepted].filter(([, one]) => isLost(one));
    lost.forEach(([runId]) => this._accepted.delete(runId));
    this._fail(
      lost.map(([, one]) => one),
      new Error(words)
    );
  }

  /** One error is said once. */
  private _fail(ones: readonly IAsked[], error: unknown): void {
    ones.forEach((one, i) => {
      this._settle(one, null, i === 0 ? error : undefined);
    });
  }

  private _settle(one: IAsked, status: RunStatus | null, error?: unknown): void {
    const { batch } = one;
    batch.open -= 1;
    batch.failed ||= status !== 'ok';
    if (this._batch === batch && (batch.failed || batch.open === 0)) {
      this._batch = null;
    }
    if (error === undefined) {
      one.done(status);
    } else {
      one.fail(error);
    }
  }
}
