/** People on one shared document, each with a Yjs document of their own, and a slow line between them. */
import * as Y from 'yjs';

/** The origin of all that comes over the line, as a provider is. */
const LINE = { name: 'the line' };

export class Peers {
  private readonly _inboxes = new Map<Y.Doc, Uint8Array[]>();

  constructor(readonly docs: Y.Doc[]) {
    for (const doc of docs) {
      this._inboxes.set(doc, []);
      doc.on('update', (update: Uint8Array, origin: unknown) => {
        if (origin !== LINE) {
          docs.filter(other => other !== doc).forEach(other => this._inboxes.get(other)?.push(update));
        }
      });
    }
  }

  /** Hand out what waits for somebody, or the first `count` of it. */
  deliver(doc: Y.Doc, count = Infinity): void {
    const inbox = this._inboxes.get(doc) ?? [];
    inbox.splice(0, count).forEach(update => Y.applyUpdate(doc, update, LINE));
  }

  deliverAll(): void {
    this.docs.forEach(doc => this.deliver(doc));
  }
}

/** Numbers between 0 and 1, the same for the same seed. */
export function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
