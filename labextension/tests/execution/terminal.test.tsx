import { renderToStaticMarkup } from 'react-dom/server';
import { describe, expect, it } from 'vitest';
import { Scroll, SHOWN_CHARACTERS, Terminal } from '../../src/execution/terminal';
import { computed } from '../support/clock';

const textOf = (scroll: Scroll, text: string): string =>
  scroll
    .show(text)
    .flatMap(block => block.spans)
    .map(span => span.text)
    .join('');

describe('growing output', () => {
  it('is read on from where it was', () => {
    const scroll = new Scroll();
    expect(textOf(scroll, 'one\n\u001b[3')).toBe('one\n');
    expect(textOf(scroll, 'one\n\u001b[31mtwo')).toBe('one\ntwo');
    expect(textOf(scroll, 'another')).toBe('another');
  });

  it('is shown from its end once it is too long, from the beginning of a line', () => {
    const scroll = new Scroll();
    const line = `${'x'.repeat(99)}\n`;
    const text = line.repeat((3 * SHOWN_CHARACTERS) / 100);
    expect(textOf(scroll, text)).toBe(line.repeat(SHOWN_CHARACTERS / 100 - 1));
    expect(scroll.hidden).toBe(2 * SHOWN_CHARACTERS + 100);
  });

  it('of 10,000 lines, in 300 parts, does not keep the page busy', () => {
    const scroll = new Scroll();
    let text = '';
    let spent = 0;
    for (let i = 0; i < 300; i++) {
      text += 'a line of output\n'.repeat(33);
      const start = computed();
      scroll.show(text);
      spent += computed() - start;
    }
    expect(spent).toBeLessThan(1500);
  });
});

it('has exact colours without a style sheet of its own', () => {
  const box = document.createElement('div');
  box.innerHTML = renderToStaticMarkup(<Terminal text={'\u001b[38;2;1;2;3;48;5;196mx'} kind="stdout" />);
  const span = box.querySelector<HTMLElement>('.cp-ansi-fg');
  expect(span?.style.getPropertyValue('--cp-ansi-exact')).toBe('rgb(1, 2, 3)');
  expect(span?.style.backgroundColor).toBe('rgb(255, 0, 0)');
});
