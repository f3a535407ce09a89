/** Signals of models, for React views. */
import type { ISignal } from '@lumino/signaling';
import { useEffect, useReducer } from 'react';
import { flushSync } from 'react-dom';

/** Draw again whenever the signal is emitted, at most once a frame. */
export function useSignal<S, T>(signal: ISignal<S, T>): void {
  const [, redraw] = useReducer((count: number) => count + 1, 0);
  useEffect(() => {
    let asked = 0;
    const slot = (): void => {
      if (!asked) {
        asked = requestAnimationFrame(() => {
          asked = 0;
          redraw();
        });
      }
    };
    signal.connect(slot);
    redraw(); // what happened between the first drawing and now
    return () => {
      signal.disconnect(slot);
      cancelAnimationFrame(asked);
    };
  }, [signal]);
}

/** How much of the page's time drawing output may take; what is typed is drawn in the rest. */
const SHARE = 0.05;
const LONGEST_PAUSE_MS = 500;

/** Draws what may change all the time: with the next frame, and then not before as long a pause as that was work. */
export class CalmDrawing {
  private _frame = 0;
  private _timer: ReturnType<typeof setTimeout> | undefined;
  private _asked = false;
  private _painting = false;
  private _disposed = false;
  private _notBefore = 0;

  /** `draw` is done with what it draws when it returns. */
  constructor(private readonly _draw: () => void) {}

  /** Something has changed. */
  ask(): void {
    if (this._asked || this._disposed) {
      return;
    }
    this._asked = true;
    if (!this._painting) {
      this._later();
    }
  }

  dispose(): void {
    this._disposed = true;
    clearTimeout(this._timer);
    cancelAnimationFrame(this._frame);
  }

  private _later(): void {
    const wait = this._notBefore - performance.now();
    if (wait > 0) {
      this._timer = setTimeout(this._soon, wait);
    } else {
      this._soon();
    }
  }

  private readonly _soon = (): void => {
    this._frame = requestAnimationFrame(this._now);
  };

  private readonly _now = (): void => {
    const began = performance.now();
    this._asked = false;
    this._painting = true;
    this._draw();
    // The page is laid out and painted before the next task.
    const painted = new MessageChannel();
    painted.port1.onmessage = () => {
      painted.port1.close();
      this._painting = false;
      const now = performance.now();
      this._notBefore = now + Math.min(LONGEST_PAUSE_MS, (now - began) / SHARE);
      if (this._asked && !this._disposed) {
        this._later();
      }
    };
    painted.port2.postMessage(null);
  };
}

/** Draw again whenever the signal is emitted, calmly: see `CalmDrawing`. */
export function useSignalCalmly<S, T>(signal: ISignal<S, T>): void {
  const [, redraw] = useReducer((count: number) => count + 1, 0);
  useEffect(() => {
    const drawing = new CalmDrawing(() => flushSync(redraw));
    const slot = (): void => drawing.ask();
    signal.connect(slot);
    redraw(); // what happened between the first drawing and now
    return () => {
      signal.disconnect(slot);
      drawing.dispose();
    };
  }, [signal]);
}
