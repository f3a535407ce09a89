/** Terminal text as spans: SGR colours (ECMA-48 §8.3.117), carriage returns and backspaces. */

export interface ISpan {
  text: string;
  /** Class names, for example `cp-ansi-red cp-ansi-bold`; empty for plain text. */
  className: string;
}

const COLORS = ['black', 'red', 'green', 'yellow', 'blue', 'magenta', 'cyan', 'white'];
// eslint-disable-next-line no-control-regex
const ESCAPE = /\u001b(?:\[([0-9;:?]*)([A-Za-z@`])|\][^\u0007\u001b]*(?:\u0007|\u001b\\)?|[@-Z\\-_])/g;
// eslint-disable-next-line no-control-regex
const CONTROLS = /[\u0000-\u0008\u000b\u000c\u000e-\u001a\u001c-\u001f\u007f]/g;

/** What a terminal shows of a text in which lines are overwritten with `\r` and `\b`. */
export function overwrite(text: string): string {
  let result = text;
  while (/[^\n]\u0008/.test(result)) {
    result = result.replace(/[^\n]\u0008/g, '');
  }
  if (!result.includes('\r')) {
    return result;
  }
  return result
    .replace(/\r+\n/g, '\n')
    .split('\n')
    .map(line => {
      if (!line.includes('\r')) {
        return line;
      }
      return line.split('\r').reduce((shown, part) => part + shown.slice(part.length), '');
    })
    .join('\n');
}

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

/** Terminal text as spans. */
export function ansiSpans(text: string): ISpan[] {
  const spans: ISpan[] = [];
  let style: IStyle = PLAIN;
  let last = 0;
  const push = (part: string): void => {
    const clean = part.replace(CONTROLS, '').replace(/\u001b/g, '');
    if (clean) {
      spans.push({ text: clean, className: classesOf(style) });
    }
  };
  for (const match of text.matchAll(ESCAPE)) {
    push(text.slice(last, match.index));
    last = match.index + match[0].length;
    if (match[2] === 'm') {
      const codes = (match[1] || '0').split(/[;:]/).map(code => Number(code) || 0);
      style = apply(style, codes);
    }
  }
  push(text.slice(last));
  return spans;
}
