import { describe, expect, it } from 'vitest';
import { ansiSpans, Screen } from '../../src/execution/ansi';
import { computed } from '../support/clock';

const ESC = '\u001b';

/** What is shown, without colours. */
function shown(text: string): string {
  return ansiSpans(text)
    .map(span => span.text)
    .join('');
}

describe('colours', () => {
  it('become class names', () => {
    expect(ansiSpans(`${ESC}[1;31mred${ESC}[0m plain`)).toEqual([
      { text: 'red', className: 'cp-ansi-red cp-ansi-bold' },
      { text: ' plain', className: '' }
    ]);
  });

  it('last over the end of a line', () => {
    expect(ansiSpans(`${ESC}[32ma\nb${ESC}[39mc`)).toEqual([
      { text: 'a', className: 'cp-ansi-green' },
      { text: '\n', className: '' },
      { text: 'b', className: 'cp-ansi-green' },
      { text: 'c', className: '' }
    ]);
  });

  it.each([
    ['38;5;9', 'cp-ansi-red'],
    ['48;5;2', 'cp-ansi-bg-green'],
    ['93', 'cp-ansi-yellow'],
    ['104', 'cp-ansi-bg-blue'],
    ['4;3', 'cp-ansi-italic cp-ansi-underline']
  ])('of %s are understood', (codes, className) => {
    expect(ansiSpans(`${ESC}[${codes}mx`)).toEqual([{ text: 'x', className }]);
  });

  it.each([
    ['38;5;196', { className: 'cp-ansi-fg', color: 'rgb(255, 0, 0)' }],
    ['38;5;244', { className: 'cp-ansi-fg', color: 'rgb(128, 128, 128)' }],
    ['38;2;0;10;255', { className: 'cp-ansi-fg', color: 'rgb(0, 10, 255)' }],
    ['48:2:1:2:999', { className: 'cp-ansi-bg cp-ansi-on-dark', background: 'rgb(1, 2, 255)' }],
    ['48;5;231', { className: 'cp-ansi-bg cp-ansi-on-light', background: 'rgb(255, 255, 255)' }],
    ['7;9', { className: 'cp-ansi-inverse cp-ansi-strike' }]
  ])('of %s are kept as they are', (codes, ink) => {
    expect(ansiSpans(`${ESC}[${codes}mx`)).toEqual([{ text: 'x', ...ink }]);
  });

  it('take no harm from numbers that make no sense', () => {
    expect(shown(`${ESC}[38;5;999999mx${ESC}[;;;my${ESC}[38mz`)).toBe('xyz');
  });
});

describe('the cursor', () => {
  it('goes back with a carriage return, and writes over', () => {
    expect(shown('  0%\r 50%\r100%\n')).toBe('100%\n');
    expect(shown('abcdef\rxy')).toBe('xycdef');
  });

  it('takes the end of a Windows line for one', () => {
    expect(shown('a\r\nb\r\r\nc')).toBe('a\nb\nc');
  });

  it('goes back with a backspace', () => {
    expect(shown('12\b3\b\b45')).toBe('45');
    expect(shown('\b\bx')).toBe('x');
  });

  it('writes over what is seen, not over colours', () => {
    expect(ansiSpans(`${ESC}[31m10%${ESC}[0m\r${ESC}[32m20%${ESC}[0m`)).toEqual([
      { text: '20%', className: 'cp-ansi-green' }
    ]);
  });

  it('erases to the end of the line', () => {
    expect(shown(`downloading\r${ESC}[Kdone`)).toBe('done');
    expect(shown(`downloading${ESC}[2K\rdone`)).toBe('done');
  });

  it('does not split characters outside the basic plane', () => {
    expect(shown('🙂🙂\r🙃')).toBe('🙃🙂');
  });
});

describe('several lines', () => {
  it('are written over, as by two progress bars', () => {
    expect(shown(`a 1\nb 1${ESC}[A\ra 2\nb 2`)).toBe('a 2\nb 2');
    expect(shown(`one\ntwo\n${ESC}[2A${ESC}[2Kuno\n`)).toBe('uno\ntwo\n');
    expect(shown(`one\ntwo\n${ESC}[2F${ESC}[0Juno`)).toBe('uno');
  });

  it('are reached only near the end, and never above the first', () => {
    expect(shown(`x${ESC}[99999Ay`)).toBe('xy');
    const lines = '\n'.repeat(1000);
    expect(shown(`${lines}${ESC}[1000Ax`).indexOf('x')).toBe(900);
  });
});

/** A number from 0 on, below `n`; the same sequence for the same seed. */
function randoms(seed: number): (n: number) => number {
  let state = seed;
  return n => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * n);
  };
}

describe('a screen', () => {
  it('shows the same of a flood, whether it comes at once or letter by letter', () => {
    for (let seed = 1; seed <= 60; seed++) {
      const random = randoms(seed);
      const pieces = Array.from({ length: 1 + random(12) }, () => {
        const what = random(8);
        const lines = Array.from({ length: random(3) ? random(30) : random(900) }, (_, i) => (random(9) ? `line ${i}` : '')).join('\n');
        return [lines, `${lines}\n`, `\n${lines}\r\n`, `${ESC}[${31 + random(7)}m`, `${ESC}[0m\n`, `${ESC}[${random(150)}A`, `${ESC}[${random(9)}C`, `\r${ESC}[J`][what] ?? '';
      });
      const text = pieces.join('');
      const [atOnce, inPieces, slowly] = [new Screen(), new Screen(), new Screen()];
      atOnce.feed(text);
      pieces.forEach(piece => {
        inPieces.feed(piece);
        inPieces.blocks();
      });
      for (const character of text) {
        slowly.feed(character);
      }
      const shown = (screen: Screen): string => screen.blocks().map(block => `${block.lines} ${JSON.stringify(block.spans)}`).join('\n');
      expect(shown(atOnce), `seed ${seed}`).toBe(shown(slowly));
      expect(shown(inPieces), `seed ${seed}`).toBe(shown(slowly));
    }
  });

  it('understands what comes in pieces, wherever they are cut', () => {
    const text = `plain ${ESC}[38;5;196mred${ESC}[0m\r\nnext\rN ${ESC}]0;title\u0007end`;
    for (let cut = 0; cut <= text.length; cut++) {
      const screen = new Screen();
      screen.feed(text.slice(0, cut));
      screen.feed(text.slice(cut));
      expect(screen.blocks().flatMap(block => block.spans)).toEqual(ansiSpans(text));
    }
  });

  it('keeps the blocks that have not changed', () => {
    const screen = new Screen();
    screen.feed('line\n'.repeat(350));
    const before = screen.blocks();
    screen.feed('more\n');
    const after = screen.blocks();
    expect(before).toHaveLength(4);
    expect(after.map((block, i) => block === before[i])).toEqual([true, true, true, false]);
  });
});

it('leaves out other controls and sequences', () => {
  expect(shown(`a${ESC}]0;title\u0007b${ESC}[2Jc\u0000d${ESC}`)).toBe('abcd');
});

it('reads long hostile output in time', () => {
  const n = 200_000;
  const start = computed();
  ansiSpans('a'.repeat(n / 2) + '\b'.repeat(n / 2));
  ansiSpans('a'.repeat(n / 2) + '\ra'.repeat(n / 4));
  ansiSpans(`${ESC}[`.repeat(n / 2));
  ansiSpans(`${ESC}]`.repeat(n / 2));
  ansiSpans('\r'.repeat(n));
  ansiSpans(`${ESC}[31ma${ESC}[0mb`.repeat(n / 11));
  expect(computed() - start).toBeLessThan(2000);
});
