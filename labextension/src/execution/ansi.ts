/**
 * Terminal text as spans: SGR colours (ECMA-48 §8.3.117), carriage returns, backspaces, and the moves of
 * the cursor with which progress bars of several lines draw themselves.
 */

export interface ISpan {
  text: string;
  /** Class names, for example `cp-ansi-red cp-ansi-bold`; empty for plain text. */
  className: string;
  /** A colour that is none of the eight named ones, as `rgb(…)`; its class is `cp-ansi-fg`. */
  color?: string;
  /** The same of the background; its class is `cp-ansi-bg`. */
  background?: string;
}

/** Some lines that are drawn together; a new object whenever one of them has changed. */
export interface IBlock {
  key: number;
  lines: number;
  spans: ISpan[];
}

type Ink = Omit<ISpan, 'text'>;

const COLORS = ['black', 'red', 'green', 'yellow', 'blue', 'magenta', 'cyan', 'white'];
export const BLOCK_LINES = 100;
/** How far up the cursor goes: what is above cannot change any more. */
const REACH_LINES = 100;
/** With more lines than these, those out of reach are let go of. */
const KEPT_LINES = 4 * REACH_LINES;
/** The longest escape sequence whose end is waited for. */
const UNFINISHED_CHARACTERS = 256;

/** What is not printed, other than line feeds: an escape sequence, a carriage return, or another control. */
const TOKEN =
  /\u001b(?:\[([0-9;:?]*)[ -/]*([@-~])|\][^\u0007\u001b]*(?:\u0007|\u001b\\)?|[@-Z\\-_])|[\u0000-\u0008\u000b-\u001f\u007f]/g;
const UNFINISHED = /^\u001b(?:\[[0-9;:?]*[ -/]*|\][^\u0007\u001b]*)?$/;

const FLAGS: Record<number, [name: Flag, on: boolean][]> = {
  1: [['bold', true]],
  2: [['dim', true]],
  3: [['italic', true]],
  4: [['underline', true]],
  7: [['inverse', true]],
  9: [['strike', true]],
  22: [['bold', false], ['dim', false]],
  23: [['italic', false]],
  24: [['underline', false]],
  27: [['inverse', false]],
  29: [['strike', false]]
};

type Flag = 'bold' | 'dim' | 'italic' | 'underline' | 'inverse' | 'strike';

interface IStyle {
  /** The name of one of the eight colours, `rgb(…)`, or empty. */
  color: string;
  background: string;
  flags: ReadonlySet<Flag>;
}

const PLAIN: IStyle = { color: '', background: '', flags: new Set() };
const NO_INK: Ink = { className: '' };

function inkOf(style: IStyle): Ink {
  const exact = (color: string): boolean => color.startsWith('rgb');
  const names = [
    style.color && (exact(style.color) ? 'cp-ansi-fg' : `cp-ansi-${style.color}`),
    style.background && (exact(style.background) ? `cp-ansi-bg cp-ansi-on-${shade(style.background)}` : `cp-ansi-bg-${style.background}`),
    ...[...style.flags].sort().map(flag => `cp-ansi-${flag}`)
  ];
  const ink: Ink = { className: names.filter(Boolean).join(' ') };
  if (exact(style.color)) {
    ink.color = style.color;
  }
  if (exact(style.background)) {
    ink.background = style.background;
  }
  return ink;
}

/** Whether a colour is dark, so that what is written on it has to be light. */
function shade(color: string): 'dark' | 'light' {
  const [red = 0, green = 0, blue = 0] = (color.match(/\d+/g) ?? []).map(Number);
  return 0.299 * red + 0.587 * green + 0.114 * blue < 128 ? 'dark' : 'light';
}

/** What `38` or `48` is followed by: one of 256 colours, or red, green and blue; and how many codes that took. */
function extended(codes: number[]): [color: string, used: number] {
  const byte = (value: number | undefined): number => Math.min(255, Math.max(0, value ?? 0));
  if (codes[0] === 2) {
    return [`rgb(${byte(codes[1])}, ${byte(codes[2])}, ${byte(codes[3])})`, 4];
  }
  const index = byte(codes[1]);
  if (codes[0] !== 5) {
    return ['', 0];
  }
  if (index < 16) {
    return [COLORS[index % 8] as string, 2];
  }
  if (index >= 232) {
    const gray = 8 + (index - 232) * 10;
    return [`rgb(${gray}, ${gray}, ${gray})`, 2];
  }
  const step = (value: number): number => (value ? 55 + value * 40 : 0);
  const cube = index - 16;
  return [`rgb(${step(Math.floor(cube / 36))}, ${step(Math.floor(cube / 6) % 6)}, ${step(cube % 6)})`, 2];
}

function apply(style: IStyle, codes: number[]): IStyle {
  let next = style;
  for (let i = 0; i < codes.length; i++) {
    const code = codes[i] as number;
    const flags = FLAGS[code];
    if (code === 0) {
      next = PLAIN;
    } else if (flags) {
      const set = new Set(next.flags);
      flags.forEach(([name, on]) => (on ? set.add(name) : set.delete(name)));
      next = { ...next, flags: set };
    } else if (code === 39) {
      next = { ...next, color: '' };
    } else if (code === 49) {
      next = { ...next, background: '' };
    } else if (code === 38 || code === 48) {
      const [color, used] = extended(codes.slice(i + 1, i + 5));
      if (used) {
        next = { ...next, [code === 38 ? 'color' : 'background']: color };
      }
      i += used;
    } else if ((code >= 30 && code <= 37) || (code >= 90 && code <= 97)) {
      next = { ...next, color: COLORS[code % 10] as string };
    } else if ((code >= 40 && code <= 47) || (code >= 100 && code <= 107)) {
      next = { ...next, background: COLORS[code % 10] as string };
    }
  }
  return next;
}

function push(spans: ISpan[], text: string, ink: Ink): void {
  const last = spans[spans.length - 1];
  if (last && last.className === ink.className && last.color === ink.color && last.background === ink.background) {
    last.text += text;
  } else if (text) {
    spans.push({ text, ...ink });
  }
}

/**
 * A line. It is a list of spans until something moves the cursor back; from then on it is a list of
 * cells, so that however often a progress bar writes itself over, the work stays proportional to what
 * was printed.
 */
class Line {
  private _spans: ISpan[] = [];
  private _cells: ISpan[] | null = null;
  private _column = 0;

  get spans(): ISpan[] {
    return this._cells ?? this._spans;
  }

  /** Whether nothing is there, and what comes begins at its left. */
  get untouched(): boolean {
    return this.spans.length === 0 && this._column === 0;
  }

  get column(): number {
    this._split();
    return this._column;
  }

  set column(value: number) {
    this._split();
    this._column = Math.max(0, value);
  }

  write(text: string, ink: Ink): void {
    if (!this._cells) {
      push(this._spans, text, ink);
      return;
    }
    for (const character of text) {
      while (this._cells.length < this._column) {
        this._cells.push({ text: ' ', className: '' });
      }
      this._cells[this._column++] = { text: character, ...ink };
    }
  }

  /** `CSI K`: erase what is right of the cursor, or (1) left of it, or (2) the whole line. */
  erase(what: number): void {
    const cells = this._split();
    if (what === 1) {
      cells.fill({ text: ' ', className: '' }, 0, this._column);
    } else {
      cells.length = what === 2 ? 0 : Math.min(cells.length, this._column);
    }
  }

  private _split(): ISpan[] {
    if (!this._cells) {
      this._cells = this._spans.flatMap(({ text, ...ink }) =>
        Array.from(text, character => ({ text: character, ...ink }))
      );
      this._spans = [];
      this._column = this._cells.length;
    }
    return this._cells;
  }
}

/**
 * A terminal without a height: what is printed to it can be asked for at any time, and grows.
 *
 * Lines that the cursor does not reach any more are kept as the text of their block only: of ten thousand
 * lines, a program's flood, a few hundred are objects.
 */
export class Screen {
  /** The lines from the block `_first` on. */
  private _lines: Line[] = [new Line()];
  private readonly _blocks: (IBlock | null)[] = [null];
  private _first = 0;
  /** Among `_lines`. */
  private _row = 0;
  private _style = PLAIN;
  private _ink = NO_INK;
  /** The beginning of an escape sequence, or a carriage return: what follows says what it means. */
  private _rest = '';

  /** Print more. The time that takes grows with the length of `text` only. */
  feed(text: string): void {
    const whole = this._rest + text;
    const end = unfinishedAt(whole);
    this._rest = whole.slice(end);
    this._print(whole.slice(0, end));
  }

  /** All that is shown. Blocks that have not changed since the last call are the same objects. */
  blocks(): IBlock[] {
    for (let key = this._first; key < this._blocks.length; key++) {
      this._draw(key);
    }
    return [...(this._blocks as IBlock[])];
  }

  private get _line(): Line {
    return this._lines[this._row] as Line;
  }

  private get _atEnd(): boolean {
    return this._row === this._lines.length - 1;
  }

  /** Make a block of its lines, unless it is as it was. */
  private _draw(key: number): void {
    if (this._blocks[key]) {
      return;
    }
    const first = (key - this._first) * BLOCK_LINES;
    const lines = this._lines.slice(first, first + BLOCK_LINES);
    const spans: ISpan[] = [];
    lines.forEach((line, i) => {
      line.spans.forEach(span => push(spans, span.text, span));
      if (first + i < this._lines.length - 1) {
        push(spans, '\n', NO_INK);
      }
    });
    this._blocks[key] = { key, lines: lines.length, spans };
  }

  private _touch(): void {
    this._blocks[this._first + Math.floor(this._row / BLOCK_LINES)] = null;
  }

  private _print(text: string): void {
    let last = 0;
    for (const match of text.matchAll(TOKEN)) {
      this._printLines(text, last, match.index);
      last = match.index + match[0].length;
      const [token, codes, command] = match;
      if (token === '\r') {
        // Of lines that end as on Windows, nothing is written over.
        if (text[last] !== '\n' && text[last] !== '\r') {
          this._line.column = 0;
        }
      } else if (token === '\b') {
        this._line.column -= 1;
      } else if (command) {
        this._obey(command, codes ?? '');
      }
    }
    this._printLines(text, last, text.length);
  }

  /** Print a part of a text in which only line feeds move the cursor. */
  private _printLines(text: string, from: number, to: number): void {
    for (let next = from; from < to; from = next + 1) {
      if (this._atEnd && this._lines.length % BLOCK_LINES === 1 && this._line.untouched && !this._ink.className) {
        from = this._printBlocks(text, from, to);
      }
      next = text.indexOf('\n', from);
      if (next < 0 || next >= to) {
        this._write(text.slice(from, to));
        return;
      }
      this._write(text.slice(from, next));
      this._newLine();
    }
  }

  /** Print whole blocks that the cursor will not reach when the rest is printed; returns where the rest begins. */
  private _printBlocks(text: string, from: number, to: number): number {
    const behind = endOfLines(text, from, to, BLOCK_LINES + REACH_LINES);
    if (behind < 0) {
      return from;
    }
    this._letGo(this._lines.length - 1);
    for (;;) {
      const end = endOfLines(text, from, to, BLOCK_LINES);
      if (endOfLines(text, end, to, REACH_LINES) < 0) {
        return from;
      }
      this._blocks[this._first] = { key: this._first, lines: BLOCK_LINES, spans: [{ text: text.slice(from, end), className: '' }] };
      this._blocks[++this._first] = null;
      from = end;
    }
  }

  /** Keep no more of so many lines, some blocks, than what is drawn of them. */
  private _letGo(count: number): void {
    const blocks = Math.floor(count / BLOCK_LINES);
    for (let key = this._first; key < this._first + blocks; key++) {
      this._draw(key);
    }
    this._first += blocks;
    this._row -= blocks * BLOCK_LINES;
    this._lines = this._lines.slice(blocks * BLOCK_LINES);
  }

  private _write(text: string): void {
    if (text) {
      this._line.write(text, this._ink);
      this._touch();
    }
  }

  private _newLine(): void {
    this._touch();
    this._row += 1;
    if (this._row < this._lines.length) {
      this._line.column = 0;
    } else {
      this._lines.push(new Line());
      if (this._row > KEPT_LINES) {
        this._letGo(this._row - REACH_LINES);
      }
    }
    this._touch();
  }

  private _obey(command: string, codes: string): void {
    const number = Number(codes.split(';')[0]) || 0;
    if (command === 'm') {
      this._style = apply(this._style, (codes || '0').split(/[;:]/).map(code => Number(code) || 0));
      this._ink = inkOf(this._style);
    } else if (command === 'K') {
      this._line.erase(number);
      this._touch();
    } else if (command === 'A' || command === 'F') {
      this._move(-Math.max(1, number), command === 'F');
    } else if (command === 'B' || command === 'E') {
      this._move(Math.max(1, number), command === 'E');
    } else if (command === 'C' || command === 'D') {
      const steps = Math.min(Math.max(1, number), 1000);
      this._line.column += command === 'C' ? steps : -steps;
    } else if (command === 'G') {
      this._line.column = Math.min(number, 1000) - 1;
    } else if (command === 'J' && number === 0) {
      this._eraseBelow();
    }
  }

  /** Up or down among the lines that there are. */
  private _move(rows: number, toStart: boolean): void {
    const column = this._line.column;
    const last = this._lines.length - 1;
    const first = Math.max(0, last - REACH_LINES);
    this._row = Math.min(last, Math.max(first, this._row + rows));
    this._line.column = toStart ? 0 : column;
  }

  private _eraseBelow(): void {
    this._line.erase(0);
    this._touch();
    this._lines.length = this._row + 1;
    this._blocks.length = this._first + Math.floor(this._row / BLOCK_LINES) + 1;
  }
}

/** Where so many lines of a text end, behind their line feeds; negative if there are fewer. */
function endOfLines(text: string, from: number, to: number, lines: number): number {
  let end = from;
  for (let i = 0; i < lines; i++) {
    end = text.indexOf('\n', end) + 1;
    if (end === 0 || end > to) {
      return -1;
    }
  }
  return end;
}

/** Where what cannot be understood before more has come begins. */
function unfinishedAt(text: string): number {
  const escape = text.lastIndexOf('\u001b');
  if (escape >= Math.max(0, text.length - UNFINISHED_CHARACTERS) && UNFINISHED.test(text.slice(escape))) {
    return escape;
  }
  return text.endsWith('\r') ? text.length - 1 : text.length;
}

/** What a terminal shows of a text. */
export function ansiSpans(text: string): ISpan[] {
  const screen = new Screen();
  screen.feed(text);
  return screen.blocks().flatMap(block => block.spans);
}
