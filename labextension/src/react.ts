/** Signals of models, for React views. */
import type { ISignal } from '@lumino/signaling';
import { useEffect, useReducer } from 'react';
import { flushSync } from 'react-dom';
import { CalmDrawing } from './calm';

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
