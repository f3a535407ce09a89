/**
 * One shared document over one WebSocket: stock Yjs frames, and the server's acknowledgements.
 *
 * The document outlives every connection: what is typed offline is sent after the next sync.
 */
import { Signal, type ISignal } from '@lumino/signaling';
import * as decoding from 'lib0/decoding';
import * as encoding from 'lib0/encoding';
import * as awarenessProtocol from 'y-protocols/awareness';
import * as syncProtocol from 'y-protocols/sync';
import * as Y from 'yjs';
import { pieces } from './pieces';

export const SYNC = 0;
export const AWARENESS = 1;
export const ACK = 100;
export const EVENT = 101;

const HEAD_BYTES = 16; // of a frame, before the update in it
const SILENCE_MS = 45_000;
const SAMPLE_MS = 1000;
const SAMPLES_KEPT = 200;
const RETRY_FIRST_MS = 300;
const RETRY_LAST_MS = 5_000;

/** Close codes after which the same connection will be refused again. */
const FINAL_CODES = new Set([1009, 4400, 4401, 4403, 4404, 4410, 4411, 4412, 4413, 4425]);
const TOO_MANY = 4429;
const TOO_MANY_WAIT_MS = 5_000;

/**
 * `saved`: all that was sent is on the server's disk. `saving`: something is on its way.
 * `offline`: no connection; edits wait in this tab. `ended`: the server has closed the door.
 */
export type SyncStatus = 'connecting' | 'saved' | 'saving' | 'offline' | 'ended';

export interface IEnd {
  code: number;
  reason: string;
}

export interface IRoomEvent {
  type: string;
  [key: string]: unknown;
}

export interface IProviderOptions {
  /** Address of the document's socket, without a query. */
  url: string;
  doc?: Y.Doc;
  /** Whether the server sends news of the room on this socket: rights, people, the lobby. */
  news?: boolean;
  /** The largest message that the server takes; larger updates are sent in pieces. */
  limitBytes?: number;
  /** Nobody but the server writes the document: what it has lost in a crash is forgotten here, too. */
  mirror?: boolean;
  /** More of the query, such as a token. */
  query?: Record<string, string>;
  makeSocket?: (url: string) => WebSocket;
}

export class Provider {
  readonly awareness: awarenessProtocol.Awareness;
  private _doc: Y.Doc;
  private _replacing = false;
  private _socket: WebSocket | null = null;
  private _status: SyncStatus = 'connecting';
  private _synced = false;
  private _everSynced = false;
  private _greeted = false;
  private _sent = 0;
  private _acked = 0;
  private _attempt = 0;
  private _end: IEnd | null = null;
  private _unsaved = false;
  private _unsent = false;
  private _timed: { count: number; at: number } | null = null;
  private _timedAt = -Infinity;
  private _latency: number | null = null;
  private _latencies: number[] = [];
  private _retryTimer: ReturnType<typeof setTimeout> | undefined;
  private _silenceTimer: ReturnType<typeof setTimeout> | undefined;
  private _disposed = false;
  private readonly _url: string;
  private readonly _limit: number;
  private readonly _mirror: boolean;
  private readonly _makeSocket: (url: string) => WebSocket;
  private readonly _statusChanged = new Signal<this, SyncStatus>(this);
  private readonly _syncedOnce = new Signal<this, void>(this);
  private readonly _eventReceived = new Signal<this, IRoomEvent>(this);
  private readonly _replaced = new Signal<this, void>(this);

  constructor(options: IProviderOptions) {
    this._doc = options.doc ?? new Y.Doc();
    this._mirror = options.mirror ?? false;
    this.awareness = new awarenessProtocol.Awareness(this._doc);
    const query = new URLSearchParams({ acks: '1', ...(options.news ? { news: '1' } : {}), ...options.query });
    this._url = `${options.url}?${query.toString()}`;
    this._limit = (options.limitBytes ?? Infinity) - HEAD_BYTES;
    this._makeSocket = options.makeSocket ?? (url => new WebSocket(url));
    this.doc.on('update', this._onUpdate);
    this.awareness.on('update', this._onAwareness);
    globalThis.addEventListener?.('online', this._onOnline);
    globalThis.addEventListener?.('offline', this._onOffline);
    this._connect();
  }

  get doc(): Y.Doc {
    return this._doc;
  }

  /** `doc` is another one now, with what the server has. */
  get replaced(): ISignal<this, void> {
    return this._replaced;
  }

  get status(): SyncStatus {
    return this._status;
  }

  /** Whether the server's text has been here at least once. */
  get everSynced(): boolean {
    return this._everSynced;
  }

  /** Whether there are edits that the server does not have on disk. */
  get unsaved(): boolean {
    return this._unsaved;
  }

  /** How the server ended the connection for good, if it did. */
  get end(): IEnd | null {
    return this._end;
  }

  get statusChanged(): ISignal<this, SyncStatus> {
    return this._statusChanged;
  }

  get syncedOnce(): ISignal<this, void> {
    return this._syncedOnce;
  }

  /** How long the last change that was timed took to be on the server's disk, in ms, or null. */
  get latency(): number | null {
    return this._latency;
  }

  /** The times of all changes that were timed since the last call. */
  takeLatencies(): number[] {
    const taken = this._latencies;
    this._latencies = [];
    return taken;
  }

  get eventReceived(): ISignal<this, IRoomEvent> {
    return this._eventReceived;
  }

  dispose(): void {
    if (this._disposed) {
      return;
    }
    this._disposed = true;
    clearTimeout(this._retryTimer);
    clearTimeout(this._silenceTimer);
    globalThis.removeEventListener?.('online', this._onOnline);
    globalThis.removeEventListener?.('offline', this._onOffline);
    this.doc.off('update', this._onUpdate);
    awarenessProtocol.removeAwarenessStates(this.awareness, [this.doc.clientID], 'local');
    this.awareness.off('update', this._onAwareness);
    this.awareness.destroy();
    this._socket?.close();
    Signal.clearData(this);
  }

  private _connect(): void {
    if (this._disposed || this._end || this._socket) {
      return;
    }
    clearTimeout(this._retryTimer);
    const socket = this._makeSocket(this._url);
    socket.binaryType = 'arraybuffer';
    this._socket = socket;
    this._synced = this._greeted = false;
    this._sent = this._acked = 0;
    socket.onopen = () => {
      this._sendState();
      this._sendAwareness([this.doc.clientID]);
    };
    socket.onmessage = event => {
      this._listenForSilence();
      this._receive(new Uint8Array(event.data as ArrayBuffer));
    };
    socket.onclose = event => this._closed(socket, event.code, event.reason);
    this._listenForSilence();
  }

  private _closed(socket: WebSocket, code: number, reason: string): void {
    if (socket !== this._socket) {
      return;
    }
    clearTimeout(this._silenceTimer);
    this._socket = null;
    this._synced = this._greeted = false;
    this._timed = null;
    if (this._disposed) {
      return;
    }
    this._forgetOthers();
    if (FINAL_CODES.has(code)) {
      this._end = { code, reason };
      this._setStatus('ended');
      return;
    }
    this._setStatus('offline');
    const delay = Math.min(RETRY_LAST_MS, RETRY_FIRST_MS * 2 ** this._attempt);
    this._attempt += 1;
    const atLeast = code === TOO_MANY ? TOO_MANY_WAIT_MS : 0;
    const wait = atLeast + delay * (0.5 + Math.random() / 2);
    this._retryTimer = setTimeout(() => this._connect(), wait);
  }

  /** Awareness after a lost connection: both sides will be told everything anew. */
  private _forgetOthers(): void {
    const others = [...this.awareness.getStates().keys()].filter(id => id !== this.doc.clientID);
    awarenessProtocol.removeAwarenessStates(this.awareness, others, this);
    // What the server says next has the clocks of before, and would be taken for old news.
    others.forEach(id => this.awareness.meta.delete(id));
    // It has told the others that we are gone, one clock ahead of ours: be ahead of that.
    const state = this.awareness.getLocalState();
    if (state) {
      this.awareness.setLocalState(state);
      this.awareness.setLocalState(state);
    }
  }

  /** Give up the connection after a long silence, be it in the handshake or later. */
  private _listenForSilence(): void {
    clearTimeout(this._silenceTimer);
    this._silenceTimer = setTimeout(() => this._drop(), SILENCE_MS);
  }

  private _drop(): void {
    const socket = this._socket;
    if (socket) {
      socket.close();
      // A dead line never answers the close: go on as if it had.
      this._closed(socket, 1006, '');
    }
  }

  private _receive(frame: Uint8Array): void {
    const decoder = decoding.createDecoder(frame);
    const kind = decoding.readVarUint(decoder);
    if (kind === SYNC) {
      this._receiveSync(decoder);
    } else if (kind === AWARENESS) {
      const update = decoding.readVarUint8Array(decoder);
      awarenessProtocol.applyAwarenessUpdate(this.awareness, update, this);
    } else if (kind === ACK) {
      this._acked = decoding.readVarUint(decoder);
      this._measureAck();
      this._updateStatus();
    } else if (kind === EVENT) {
      this._eventReceived.emit(JSON.parse(decoding.readVarString(decoder)) as IRoomEvent);
    }
  }

  private _sendState(): void {
    const encoder = encoding.createEncoder();
    encoding.writeVarUint(encoder, SYNC);
    syncProtocol.writeSyncStep1(encoder, this.doc);
    this._socket?.send(encoding.toUint8Array(encoder));
  }

  /** Take a document without anything in it, and ask the server for all that it has. */
  private _beginAnew(): void {
    const { clientID } = this._doc; // that of the awareness
    this._doc.off('update', this._onUpdate);
    this._doc = new Y.Doc();
    this._doc.clientID = clientID;
    this._doc.on('update', this._onUpdate);
    this._replacing = true;
    this._sendState();
  }

  private _receiveSync(decoder: decoding.Decoder): void {
    const step = decoding.readVarUint(decoder);
    if (step === syncProtocol.messageYjsSyncStep1) {
      this._greeted = true;
      this._unsent = false;
      const state = decoding.readVarUint8Array(decoder);
      if (this._mirror && isAhead(this.doc, state)) {
        this._beginAnew();
      }
      this._sendUpdate(Y.encodeStateAsUpdate(this.doc, state), syncProtocol.messageYjsSyncStep2);
    } else {
      syncProtocol.readUpdate(decoder, this.doc, this);
    }
    if (this._replacing && !this.doc.store.pendingStructs && step !== syncProtocol.messageYjsSyncStep1) {
      this._replacing = false;
      this._replaced.emit();
    }
    if (step === syncProtocol.messageYjsSyncStep2) {
      this._synced = true;
      this._attempt = 0;
      if (!this._everSynced) {
        this._everSynced = true;
        this._syncedOnce.emit();
      }
    }
    this._updateStatus();
  }

  /** In as many frames as it takes. The last one is of the kind given: then all is there. */
  private _sendUpdate(update: Uint8Array, kind: number): void {
    const parts = pieces(update, this._limit);
    this._sent += parts.length;
    if (kind === syncProtocol.messageYjsUpdate) {
      this._measureSend();
    }
    parts.forEach((part, index) => {
      const encoder = encoding.createEncoder();
      encoding.writeVarUint(encoder, SYNC);
      encoding.writeVarUint(encoder, index === parts.length - 1 ? kind : syncProtocol.messageYjsUpdate);
      encoding.writeVarUint8Array(encoder, part);
      this._socket?.send(encoding.toUint8Array(encoder));
    });
  }

  private _updateStatus(): void {
    if (!this._synced || !this._greeted) {
      return;
    }
    const saved = this._acked >= this._sent && !this._unsent;
    if (saved) {
      this._unsaved = false;
    }
    this._setStatus(saved ? 'saved' : 'saving');
  }

  private _setStatus(status: SyncStatus): void {
    if (status !== this._status) {
      this._status = status;
      this._statusChanged.emit(status);
    }
  }

  private readonly _onUpdate = (update: Uint8Array, origin: unknown): void => {
    if (origin === this) {
      return;
    }
    this._unsaved = true;
    if (!this._greeted || this._socket?.readyState !== 1) {
      this._unsent = true; // the answer to the server's next greeting carries it
      return;
    }
    this._sendUpdate(update, syncProtocol.messageYjsUpdate);
    this._updateStatus();
  };

  /** Time one change at a time, at most one in a second: more would tell no more. */
  private _measureSend(): void {
    const now = performance.now();
    if (!this._timed && now - this._timedAt >= SAMPLE_MS) {
      this._timed = { count: this._sent, at: now };
      this._timedAt = now;
    }
  }

  private _measureAck(): void {
    if (this._timed && this._acked >= this._timed.count) {
      this._latency = performance.now() - this._timed.at;
      this._latencies = [...this._latencies, this._latency].slice(-SAMPLES_KEPT);
      this._timed = null;
    }
  }

  private readonly _onAwareness = (
    changes: { added: number[]; updated: number[]; removed: number[] },
    origin: unknown
  ): void => {
    if (origin !== this) {
      const mine = [...changes.added, ...changes.updated, ...changes.removed];
      this._sendAwareness(mine.filter(id => id === this.doc.clientID));
    }
  };

  private _sendAwareness(ids: number[]): void {
    if (ids.length === 0 || this._socket?.readyState !== 1) {
      return;
    }
    const encoder = encoding.createEncoder();
    encoding.writeVarUint(encoder, AWARENESS);
    encoding.writeVarUint8Array(
      encoder,
      awarenessProtocol.encodeAwarenessUpdate(this.awareness, ids)
    );
    this._socket.send(encoding.toUint8Array(encoder));
  }

  private readonly _onOnline = (): void => {
    this._attempt = 0;
    this._connect();
  };

  private readonly _onOffline = (): void => this._drop();
}

/** Whether a document has something that a state vector knows nothing of. */
function isAhead(doc: Y.Doc, state: Uint8Array): boolean {
  const known = Y.decodeStateVector(state);
  return [...Y.decodeStateVector(Y.encodeStateVector(doc))].some(([id, clock]) => clock > (known.get(id) ?? 0));
}

/** The socket address of a room's document. */
export function documentUrl(codepadUrl: string, roomId: string, name: string): string {
  const url = new URL(codepadUrl, globalThis.location?.href);
  url.protocol = url.protocol.replace('http', 'ws');
  return `${url.href}rooms/${encodeURIComponent(roomId)}/documents/${encodeURIComponent(name)}/sync`;
}
