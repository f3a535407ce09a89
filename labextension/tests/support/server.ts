/** The far end of a provider's socket: speaks the sync protocol, and is closed or silenced at will. */
import * as decoding from 'lib0/decoding';
import * as encoding from 'lib0/encoding';
import * as awarenessProtocol from 'y-protocols/awareness';
import * as syncProtocol from 'y-protocols/sync';
import * as Y from 'yjs';
import { ACK, AWARENESS, EVENT, Provider, SYNC } from '../../src/sync/provider';

/** A browser's WebSocket, as far as the provider uses it, whose other end is a `FakeServer`. */
export class FakeSocket {
  binaryType = 'blob';
  readyState = 0;
  onopen: (() => void) | null = null;
  onmessage: ((event: { data: ArrayBuffer }) => void) | null = null;
  onclose: ((event: { code: number; reason: string }) => void) | null = null;
  closedByClient = false;

  constructor(
    readonly url: string,
    private readonly _server: FakeServer
  ) {}

  /** The handshake is done. */
  open(): void {
    this.readyState = 1;
    this.onopen?.();
  }

  send(frame: Uint8Array): void {
    if (this.readyState !== 1) {
      throw new Error('a frame was sent on a socket that is not open');
    }
    this._server.receive(this, frame);
  }

  close(): void {
    this.readyState = 2;
    this.closedByClient = true;
  }

  /** The server, or the line, ends the connection. */
  end(code: number, reason = ''): void {
    this.readyState = 3;
    this.onclose?.({ code, reason });
  }

  deliver(write: (encoder: encoding.Encoder) => void): void {
    const encoder = encoding.createEncoder();
    write(encoder);
    const frame = encoding.toUint8Array(encoder);
    this.onmessage?.({ data: frame.slice().buffer as ArrayBuffer });
  }
}

/** One document and its clients. Acknowledges at once, unless told to hold acknowledgements back. */
export class FakeServer {
  doc = new Y.Doc();
  readonly sockets: FakeSocket[] = [];
  /** Awareness clocks as the server knows them, by client. */
  readonly awareness = new awarenessProtocol.Awareness(new Y.Doc());
  acknowledging = true;
  /** Of an observer, updates are counted but not applied. */
  mayEdit = true;
  /** Whether clients know that they cannot write here at all. */
  mirror = false;
  /** The largest message that is taken; a larger one closes with 1009. */
  limitBytes = Infinity;
  /** How many more updates are taken before the line falls silent. */
  takes = Infinity;
  /** How large the messages were. */
  readonly sizes: number[] = [];
  private readonly _received = new Map<FakeSocket, number>();

  readonly makeSocket = (url: string): WebSocket => {
    const socket = new FakeSocket(url, this);
    this.sockets.push(socket);
    return socket as unknown as WebSocket;
  };

  get socket(): FakeSocket {
    return this.sockets[this.sockets.length - 1] as FakeSocket;
  }

  get text(): string {
    return this.doc.getText('source').toString();
  }

  /** Complete the newest handshake and greet, as the server does. */
  accept(): void {
    const socket = this.socket;
    socket.open();
    socket.deliver(encoder => {
      encoding.writeVarUint(encoder, SYNC);
      syncProtocol.writeSyncStep1(encoder, this.doc);
    });
  }

  receive(socket: FakeSocket, frame: Uint8Array): void {
    this.sizes.push(frame.length);
    if (frame.length > this.limitBytes) {
      socket.end(1009, 'That is more than can be sent at once.');
      return;
    }
    const decoder = decoding.createDecoder(frame);
    const kind = decoding.readVarUint(decoder);
    if (kind === AWARENESS) {
      const update = decoding.readVarUint8Array(decoder);
      awarenessProtocol.applyAwarenessUpdate(this.awareness, update, socket);
      return;
    }
    const step = decoding.readVarUint(decoder);
    const content = decoding.readVarUint8Array(decoder);
    if (step === syncProtocol.messageYjsSyncStep1) {
      socket.deliver(encoder => {
        encoding.writeVarUint(encoder, SYNC);
        syncProtocol.writeSyncStep2(encoder, this.doc, content);
      });
      return;
    }
    if (this.takes <= 0) {
      return;
    }
    this.takes -= 1;
    if (this.mayEdit) {
      Y.applyUpdate(this.doc, content);
    }
    this._received.set(socket, (this._received.get(socket) ?? 0) + 1);
    if (this.acknowledging) {
      this.acknowledge(socket);
    }
  }

  acknowledge(socket: FakeSocket = this.socket): void {
    socket.deliver(encoder => {
      encoding.writeVarUint(encoder, ACK);
      encoding.writeVarUint(encoder, this._received.get(socket) ?? 0);
    });
  }

  say(event: object): void {
    this.socket.deliver(encoder => {
      encoding.writeVarUint(encoder, EVENT);
      encoding.writeVarString(encoder, JSON.stringify(event));
    });
  }

  sendAwareness(): void {
    this.socket.deliver(encoder => {
      encoding.writeVarUint(encoder, AWARENESS);
      const ids = [...this.awareness.getStates().keys()];
      encoding.writeVarUint8Array(
        encoder,
        awarenessProtocol.encodeAwarenessUpdate(this.awareness, ids)
      );
    });
  }

  /** A provider that is connected and synced. */
  connect(): Provider {
    const provider = this.provider();
    this.accept();
    return provider;
  }

  /** It has crashed, and knows nothing but an older state. */
  crash(kept: Uint8Array): void {
    this.doc = new Y.Doc();
    Y.applyUpdate(this.doc, kept);
    this.socket.end(1006);
  }

  /** A provider whose handshake has just begun. */
  provider(): Provider {
    const { limitBytes, mirror, makeSocket } = this;
    return new Provider({ url: 'ws://codepad.test/pad/sync', limitBytes, mirror, makeSocket });
  }
}
