import { vi } from 'vitest';

/** What browsers have and jsdom has not: constructed style sheets, a layout, things that are dragged. */
document.adoptedStyleSheets = [];
Range.prototype.getClientRects = () => [] as unknown as DOMRectList;
Range.prototype.getBoundingClientRect = () => new DOMRect();
globalThis.ResizeObserver ??= class {
  constructor(private readonly _seen: ResizeObserverCallback) {}
  observe(): void {
    queueMicrotask(() => this._seen([], this));
  }
  unobserve(): void {}
  disconnect(): void {}
};
globalThis.DragEvent ??= class extends MouseEvent {} as typeof DragEvent;

// On a busy machine a second is not long.
const { waitFor } = vi;
vi.waitFor = (callback, options = 20_000) => waitFor(callback, options);
