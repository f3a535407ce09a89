/**
 * Large updates in pieces, each of which the server takes in one message.
 *
 * A piece is an update like any other. They come in an order in which each can be applied at once, and
 * what is deleted goes first: the document is never larger in between than it is at the end.
 */
import * as encoding from 'lib0/encoding';
import * as Y from 'yjs';

type Update = ReturnType<typeof Y.decodeUpdate>;
type Struct = Update['structs'][number];
type Range = [clock: number, end: number];

const SECTION_BYTES = 32; // the numbers before the structs, or the deletions, of a client
const RANGE_BYTES = 16; // two numbers
const ITEM_BYTES = 128; // an item but for its text
const UNIT_BYTES = 3; // most that a UTF-16 unit takes in UTF-8
const HIGH_SURROGATE = /[\uD800-\uDBFF]$/;

/** An update as updates of at most `limit` bytes; one is larger only where a single value is. */
export function pieces(update: Uint8Array, limit: number): Uint8Array[] {
  if (update.length <= limit) {
    return [update];
  }
  const decoded = Y.decodeUpdate(update);
  const deletions = new Deletions(decoded);
  const writer = new Writer(limit);
  deletions.older.forEach(([client, range]) => writer.delete(client, range));
  const units = Math.max(2, Math.floor((limit - ITEM_BYTES - 2 * SECTION_BYTES) / UNIT_BYTES));
  for (const struct of inOrder(decoded.structs)) {
    const deleted = deletions.within(struct);
    const gone = deleted.reduce((sum, [from, to]) => sum + to - from, 0) === struct.length;
    if (gone && struct instanceof Y.Item && struct.content instanceof Y.ContentString) {
      struct.content = new Y.ContentDeleted(struct.length); // kept here for undo: nobody else needs it
    }
    for (const part of cut(struct, units)) {
      writer.add(part);
    }
    deleted.forEach(range => writer.delete(struct.id.client, range));
  }
  return writer.end();
}

/** Each struct after those that it refers to. */
function* inOrder(structs: Struct[]): Generator<Struct> {
  const queues = new Map<number, { list: Struct[]; next: number }>();
  for (const struct of structs) {
    const queue = queues.get(struct.id.client) ?? { list: [], next: 0 };
    queue.list.push(struct);
    queues.set(struct.id.client, queue);
  }
  const toCome = ({ client, clock }: Y.ID): boolean => {
    const queue = queues.get(client);
    const next = queue?.list[queue.next];
    return next !== undefined && clock >= next.id.clock;
  };
  let stuck = false;
  for (let left = structs.length; left > 0; ) {
    const before = left;
    for (const [client, queue] of queues) {
      for (let next = queue.list[queue.next]; next; next = queue.list[queue.next]) {
        if (!stuck && references(next).some(id => id.client !== client && toCome(id))) {
          break;
        }
        stuck = false;
        queue.next += 1;
        left -= 1;
        yield next;
      }
    }
    stuck = left === before; // they wait for each other, which no editor makes: go on somewhere
  }
}

function references(struct: Struct): Y.ID[] {
  if (!(struct instanceof Y.Item)) {
    return [];
  }
  const parent: unknown = struct.parent;
  return [struct.origin, struct.rightOrigin, parent].filter(id => id instanceof Y.ID);
}

/** A long text as the items that Yjs would make of it by typing between; all else as it is. */
function* cut(struct: Struct, units: number): Generator<Struct> {
  if (!(struct instanceof Y.Item) || !(struct.content instanceof Y.ContentString)) {
    yield struct;
    return;
  }
  const { client, clock } = struct.id;
  const { str } = struct.content;
  for (let at = 0; at < str.length; ) {
    const words = str.slice(at, at + units);
    const part = HIGH_SURROGATE.test(words) && words.length > 1 ? words.slice(0, -1) : words;
    const origin = at > 0 ? Y.createID(client, clock + at - 1) : struct.origin;
    const { rightOrigin, parent, parentSub } = struct;
    yield new Y.Item(Y.createID(client, clock + at), null, origin, null, rightOrigin, parent, parentSub, new Y.ContentString(part));
    at += part.length;
  }
}

/** What an update deletes: of its own structs, and of what was there before. */
class Deletions {
  readonly older: [client: number, range: Range][] = [];
  private readonly _own = new Map<number, { ranges: Range[]; next: number }>();

  constructor({ structs, ds }: Update) {
    const spans = new Map<number, Range>();
    for (const { id, length } of structs) {
      spans.set(id.client, [spans.get(id.client)?.[0] ?? id.clock, id.clock + length]);
    }
    for (const [client, items] of ds.clients) {
      const [first, last] = spans.get(client) ?? [Infinity, Infinity];
      const ranges = items.map(({ clock, len }): Range => [clock, clock + len]).sort((a, b) => a[0] - b[0]);
      const parts = (from: number, to: number): Range[] =>
        ranges.map(([clock, end]): Range => [Math.max(clock, from), Math.min(end, to)]).filter(([clock, end]) => clock < end);
      [...parts(0, first), ...parts(last, Infinity)].forEach(range => this.older.push([client, range]));
      this._own.set(client, { ranges: parts(first, last), next: 0 });
    }
  }

  /** What of a struct is deleted; those of one client are asked for in their order. */
  within({ id: { client, clock }, length }: Struct): Range[] {
    const own = this._own.get(client);
    const found: Range[] = [];
    while (own) {
      const range = own.ranges[own.next];
      if (!range || range[0] >= clock + length) {
        break;
      }
      if (range[1] > clock) {
        found.push([Math.max(range[0], clock), Math.min(range[1], clock + length)]);
      }
      if (range[1] > clock + length) {
        break; // the next struct is deleted too
      }
      own.next += 1;
    }
    return found;
  }
}

/** Writes updates until each is full. */
class Writer {
  private readonly _done: Uint8Array[] = [];
  private _sections = new Map<number, { clock: number; structs: Uint8Array[] }>();
  private _deleted = new Map<number, Range[]>();
  private _size = SECTION_BYTES;

  constructor(private readonly _limit: number) {}

  add(struct: Struct): void {
    const { client, clock } = struct.id;
    const encoder = new Y.UpdateEncoderV1();
    struct.write(encoder, 0);
    const bytes = encoder.toUint8Array();
    this._need(bytes.length, !this._sections.has(client));
    const section = this._sections.get(client) ?? { clock, structs: [] };
    section.structs.push(bytes);
    this._sections.set(client, section);
  }

  delete(client: number, [from, to]: Range): void {
    const last = this._deleted.get(client)?.at(-1);
    if (last?.[1] === from) {
      last[1] = to;
      return;
    }
    this._need(RANGE_BYTES, !this._deleted.has(client));
    const ranges = this._deleted.get(client) ?? [];
    ranges.push([from, to]);
    this._deleted.set(client, ranges);
  }

  end(): Uint8Array[] {
    this._flush();
    return this._done;
  }

  private _need(bytes: number, section: boolean): void {
    if (this._size + bytes + (section ? SECTION_BYTES : 0) > this._limit) {
      this._flush();
      section = true;
    }
    this._size += bytes + (section ? SECTION_BYTES : 0);
  }

  private _flush(): void {
    if (this._sections.size === 0 && this._deleted.size === 0) {
      return;
    }
    const encoder = encoding.createEncoder();
    encoding.writeVarUint(encoder, this._sections.size);
    for (const [client, { clock, structs }] of this._sections) {
      [structs.length, client, clock].forEach(number => encoding.writeVarUint(encoder, number));
      structs.forEach(bytes => encoding.writeUint8Array(encoder, bytes));
    }
    encoding.writeVarUint(encoder, this._deleted.size);
    for (const [client, ranges] of this._deleted) {
      [client, ranges.length].forEach(number => encoding.writeVarUint(encoder, number));
      ranges.forEach(([from, to]) => [from, to - from].forEach(number => encoding.writeVarUint(encoder, number)));
    }
    this._done.push(encoding.toUint8Array(encoder));
    this._sections = new Map();
    this._deleted = new Map();
    this._size = SECTION_BYTES;
  }
}
