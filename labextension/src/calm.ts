/**
 * Drawing what may change all the time, the output of code that floods, so that what people type comes first:
 * between two letters, and for a small part of the time.
 */

/** How much of the page's time drawing output may take while somebody types, or where nobody tells of it. */
const SHARE = 0.05;
/** The same when nobody has typed for a while. */
const IDLE_SHARE = 0.3;
const IDLE_MS = 1000;
const LONGEST_PAUSE_MS = 500;
/** Letters that follow each other so soon are somebody's typing. */
const RHYTHM_MS = 300;
/** For so long the next one of them is waited for. */
const NEXT_LETTER_MS = 60;

let told = false;
let letterAt = -Infinity;
let expected = false;
let painting = false;
const betweenLetters = new Set<() => void>();

/** A text that is shown here has changed: somebody types, here or elsewhere. */
export function letterCame(): void {
  const now = performance.now();
  told = true;
  expected = now - letterAt < RHYTHM_MS;
  letterAt = now;
  if (betweenLetters.size > 0 && !painting) {
    painting = true;
    requestAnimationFrame(() =>
      painted(() => {
        painting = false;
        const waiting = [...betweenLetters];
        betweenLetters.clear();
        waiting.forEach(act => act());
      })
    );
  }
}

/** Whether somebody is typing, as far as it is told. */
export function somebodyTypes(): boolean {
  return performance.now() - letterAt <= IDLE_MS;
}

/** Act once what was changed in this frame is laid out and painted: before the next task. */
function painted(act: () => void): void {
  const channel = new MessageChannel();
  channel.port1.onmessage = () => {
    channel.port1.close();
    act();
  };
  channel.port2.postMessage(null);
}

/**
 * Draws with the next frame, and then not before as long a pause as that was work.
 *
 * While letters come it draws when one has been painted: the next one has then the longest way to go.
 */
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
    this._cancel();
  }

  private _cancel(): void {
    clearTimeout(this._timer);
    cancelAnimationFrame(this._frame);
    betweenLetters.delete(this._afterLetter);
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
    const wait = letterAt + NEXT_LETTER_MS - performance.now();
    if (expected && wait > 0) {
      betweenLetters.add(this._afterLetter);
      this._timer = setTimeout(this._withFrame, wait);
    } else {
      this._withFrame();
    }
  };

  private readonly _withFrame = (): void => {
    this._cancel();
    this._frame = requestAnimationFrame(() => {
      const began = performance.now();
      painted(() => this._rest(performance.now() - began));
      this._now();
    });
  };

  private readonly _afterLetter = (): void => {
    if (this._disposed) {
      return;
    }
    this._cancel();
    const began = performance.now();
    let took = 0;
    this._frame = requestAnimationFrame(() => {
      const framed = performance.now();
      painted(() => this._rest(took + performance.now() - framed));
    });
    this._now();
    took = performance.now() - began;
  };

  private _now(): void {
    this._asked = false;
    this._painting = true;
    this._draw();
  }

  private _rest(took: number): void {
    this._painting = false;
    const share = told && !somebodyTypes() ? IDLE_SHARE : SHARE;
    this._notBefore = performance.now() + Math.min(LONGEST_PAUSE_MS, took / share);
    if (this._asked && !this._disposed) {
      this._later();
    }
  }
}
