/**
 * People at documents, with the room page's own connection and Yjs: a program that is told what to
 * do on its standard input, a JSON object a line, and answers each with one.
 */
import { setMaxListeners } from 'node:events';
import { createInterface } from 'node:readline';
import { WebSocket as NodeSocket } from 'ws';
import * as Y from 'yjs';
import { Provider } from '../../src/sync/provider';

interface ICommand {
  id: number;
  player: string;
  do: string;
  url?: string;
  cookie?: string;
  notebook?: boolean;
  word?: string;
  place?: number;
}

const NOWHERE = 'ws://127.0.0.1:1';
const MINE = 'mine';
const NOT_TO_UNDO = 'not to undo';

class Player {
  readonly doc = new Y.Doc();
  readonly undo: Y.UndoManager;
  private readonly _text = this.doc.getText('source');
  private readonly _cells = this.doc.getArray<Y.Map<unknown>>('cells');
  private readonly _provider: Provider;
  private _away = false;
  private _socket: NodeSocket | null = null;

  constructor(
    url: string,
    cookie: string,
    private readonly _notebook: boolean
  ) {
    this.undo = new Y.UndoManager([this._text, this._cells], {
      trackedOrigins: new Set([MINE]),
      captureTimeout: 0
    });
    this._provider = new Provider({
      url,
      doc: this.doc,
      makeSocket: to => {
        this._socket = new NodeSocket(this._away ? NOWHERE : to, { headers: { Cookie: cookie } });
        this._socket.on('error', () => undefined);
        return this._socket as unknown as WebSocket;
      }
    });
  }

  /** Close politely (`leave`) or tear the line (`cut`), and stay away. */
  leave(politely: boolean): void {
    this._away = true;
    if (politely) {
      this._socket?.close();
    } else {
      this._socket?.terminate();
    }
  }

  come(): void {
    this._away = false;
    globalThis.dispatchEvent(new Event('online'));
  }

  close(): void {
    this._provider.dispose();
    this._socket?.terminate();
  }

  texts(): Y.Text[] {
    const cells = this._cells.toArray();
    return this._notebook ? cells.map(cell => cell.get('source') as Y.Text) : [this._text];
  }

  words(): string[] {
    return this.texts().flatMap(text => text.toString().split(/\s+/).filter(Boolean));
  }

  type(word: string, place: number): void {
    const texts = this.texts();
    const text = texts[Math.floor(place * texts.length)];
    if (!text) {
      return; // nothing has arrived yet
    }
    const starts = [0];
    for (const match of text.toString().matchAll(/\n/g)) {
      starts.push(match.index + 1);
    }
    const at = starts[Math.floor(place * 1000 * starts.length) % starts.length]!;
    this.doc.transact(() => text.insert(at, `${word}\n`), MINE);
  }

  erase(word: string, own: boolean): void {
    for (const text of this.texts()) {
      const at = text.toString().indexOf(`${word}\n`);
      if (at >= 0) {
        this.doc.transact(() => text.delete(at, word.length + 1), own ? MINE : NOT_TO_UNDO);
        return;
      }
    }
  }

  addCell(id: string, place: number): void {
    const cell = new Y.Map<unknown>();
    this.doc.transact(() => {
      cell.set('id', id);
      cell.set('cell_type', 'code');
      cell.set('source', new Y.Text(''));
      cell.set('metadata', new Y.Map());
      cell.set('outputs', new Y.Array());
      cell.set('execution_count', null);
      cell.set('execution_state', 'idle');
      this._cells.insert(Math.floor(place * (this._cells.length + 1)), [cell]);
    }, NOT_TO_UNDO);
  }

  dropCell(place: number): void {
    if (this._cells.length > 1) {
      const at = Math.floor(place * this._cells.length);
      this.doc.transact(() => this._cells.delete(at, 1), NOT_TO_UNDO);
    }
  }

  look(): object {
    return {
      text: this._text.toString(),
      cells: this._cells.toArray().map(cell => [cell.get('id'), String(cell.get('source'))]),
      connected: this._socket?.readyState === NodeSocket.OPEN && !this._away,
      trying: !this._away,
      saved: this._provider.status === 'saved' && !this._provider.unsaved,
      end: this._provider.end
    };
  }
}

const online = new EventTarget();
setMaxListeners(0, online);
globalThis.addEventListener = online.addEventListener.bind(online);
globalThis.removeEventListener = online.removeEventListener.bind(online);
globalThis.dispatchEvent = online.dispatchEvent.bind(online);

const players = new Map<string, Player>();

function carryOut(command: ICommand): object {
  if (command.do === 'open') {
    players.set(command.player, new Player(command.url!, command.cookie!, command.notebook!));
    return {};
  }
  const player = players.get(command.player)!;
  const before = player.words();
  const { word = '', place = 0 } = command;
  const actions: Record<string, () => void> = {
    leave: () => player.leave(true),
    cut: () => player.leave(false),
    come: () => player.come(),
    type: () => player.type(word, place),
    erase: () => player.erase(word, true),
    erase_others: () => player.erase(word, false),
    undo: () => void player.undo.undo(),
    redo: () => void player.undo.redo(),
    add_cell: () => player.addCell(word, place),
    drop_cell: () => player.dropCell(place),
    close: () => player.close(),
    look: () => undefined
  };
  actions[command.do]!();
  return { before, after: player.words(), ...player.look() };
}

createInterface({ input: process.stdin }).on('line', line => {
  const command = JSON.parse(line) as ICommand;
  process.stdout.write(`${JSON.stringify({ id: command.id, ...carryOut(command) })}\n`);
});
