/** Terminal text as spans: SGR colours (ECMA-48 §8.3.117), carriage returns and backspaces. */

export interface ISpan {
  text: string;
  /** Class names, for example `cp-ansi-red cp-ansi-bold`; empty for plain text. */
  className: string;
}

const COLORS = ['black', 'red', 'green', 'yellow', 'blue', 'magenta', 'cyan', 'white'];

/** What is not printed: an escape sequence, a line feed, a carriage return, or another control. */
const TOKEN =
  /\u001b(?:\[([0-9;:?]*)[ -/]*([@-~])|\][^\u0007\u001b]*(?:\u0007|\u001b\\)?|[@-Z\\-_])|[\u0000-\u0008\u000a-\u001f\u007f]/g;

interface IStyle {
  color: string;
  background: string;
  bold: boolean;
  italic: boolean;
  underline: boolean;
}

const PLAIN: IStyle = { color: '', background: '', bold: false, italic: false, underline: false };

function classesOf(style: IStyle): string {
  const names = [
    style.color && `cp-ansi-${style.color}`,
    style.background && `cp-ansi-bg-${style.background}`,
    style.bold && 'cp-ansi-bold',
    style.italic && 'cp-ansi-italic',
    style.underline && 'cp-ansi-underline'
  ];
  return names.filter(Boolean).join(' ');
}

/** The nearest of the eight colours to one of the 256, or to red, green, blue. */
function nearest(codes: number[]): [string, number] {
  if (codes[0] === 5) {
    const index = codes[1] ?? 0;
    if (index < 16) {
      return [COLORS[index % 8] as string, 2];
    }
    if (index >= 232) {
      return [index < 244 ? 'black' : 'white', 2];
    }
    const cube = index - 16;
    return [fromRgb(Math.floor(cube / 36) * 51, (Math.floor(cube / 6) % 6) * 51, (cube % 6) * 51), 2];
  }
  return [fromRgb(codes[1] ?? 0, codes[2] ?? 0, codes[3] ?? 0), 4];
}

function fromRgb(red: number, green: number, blue: number): string {
  const bits = (red > 127 ? 1 : 0) | (green > 127 ? 2 : 0) | (blue > 127 ? 4 : 0);
  return COLORS[bits] as string;
}

function apply(style: IStyle, codes: number[]): IStyle {
  let next = { ...style };
  for (let i = 0; i < codes.length; i++) {
    const code = codes[i] as number;
    if (code === 0) {
      next = { ...PLAIN };
    } else if (code === 1) {
      next.bold = true;
    } else if (code === 3) {
      next.italic = true;
    } else if (code === 4) {
      next.underline = true;
    } else if (code === 22) {
      next.bold = false;
    } else if (code === 23) {
      next.italic = false;
    } else if (code === 24) {
      next.underline = false;
    } else if (code === 39) {
      next.color = '';
    } else if (code === 49) {
      next.background = '';
    } else if (code === 38 || code === 48) {
      const [color, used] = nearest(codes.slice(i + 1));
      next[code === 38 ? 'color' : 'background'] = color;
      i += used;
    } else if ((code >= 30 && code <= 37) || (code >= 90 && code <= 97)) {
      next.color = COLORS[code % 10] as string;
    } else if ((code >= 40 && code <= 47) || (code >= 100 && code <= 107)) {
      next.background = COLORS[code % 10] as string;
    }
  }
  return next;
}

function push(spans: ISpan[], text: string, className: string): void {
  const last = spans[spans.length - 1];
  if (last && last.className === className) {
    last.text += text;
  } else if (text) {
    spans.push({ text, className });
  }
}

/**
 * The line that is being written. It is a list of spans until something moves the cursor back; from
 * then on it is a list of cells, so that however often a progress bar writes itself over, the work
 * stays proportional to what was printed.
 */
class Line {
  private _spans: ISpan[] = [];
  private _cells: ISpan[] | null = null;
  private _column = 0;

  write(text: string, className: string): void {
    if (!this._cells) {
      push(this._spans, text, className);
      return;
    }
    for (const character of text) {
      while (this._cells.length < this._column) {
        this._cells.push({ text: ' ', className: '' });
      }
      this._cells[this._column++] = { text: character, className };
    }
  }

  /** `\r`: to the start of the line. */
  rewind(): void {
    this._split();
    this._column = 0;
  }

  /** `\b`: one to the left. */
  back(): void {
    this._split();
    this._column = Math.max(0, this._column - 1);
  }

  /** `CSI K`: erase what is right of the cursor, or (2) the whole line. */
  erase(what: number): void {
    const cells = this._split();
    cells.length = what === 2 ? 0 : what === 0 ? Math.min(cells.length, this._column) : cells.length;
  }

  /** Move what is shown to `spans` and begin a new line. */
  flush(spans: ISpan[]): void {
    for (const { text, className } of this._cells ?? this._spans) {
      push(spans, text, className);
    }
    this._spans = [];
    this._cells = null;
    this._column = 0;
  }

  private _split(): ISpan[] {
    if (!this._cells) {
      this._cells = this._spans.flatMap(({ text, className }) =>
        Array.from(text, character => ({ text: character, className }))
      );
      this._spans = [];
      this._column = this._cells.length;
    }
    return this._cells;
  }
}

/** What a terminal shows of a text. The time it takes grows with the text's length only. */
export function ansiSpans(text: string): ISpan[] {
  const spans: ISpan[] = [];
  const line = new Line();
  let style: IStyle = PLAIN;
  let className = '';
  let last = 0;
  for (const match of text.matchAll(TOKEN)) {
    line.write(text.slice(last, match.index), className);
    last = match.index + match[0].length;
    const [token, codes, command] = match;
    if (token === '\n') {
      line.flush(spans);
      push(spans, '\n', '');
    } else if (token === '\r') {
      // Of lines that end as on Windows, nothing is written over.
      if (text[last] !== '\n' && text[last] !== '\r') {
        line.rewind();
      }
    } else if (token === '\b') {
      line.back();
    } else if (command === 'm') {
      style = apply(style, (codes || '0').split(/[;:]/).map(code => Number(code) || 0));
      className = classesOf(style);
    } else if (command === 'K') {
      line.erase(Number(codes) || 0);
    }
  }
  line.write(text.slice(last), className);
  line.flush(spans);
  return spans;
}
