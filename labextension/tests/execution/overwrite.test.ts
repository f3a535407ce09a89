import { expect, it } from 'vitest';
import { overwritten } from '../../src/execution/overwrite';

it.each([
  ['plain\ntext', 'plain\ntext'],
  ['10 %\r50 %\r100 %', '100 %'],
  ['long line\rnew', 'newg line'],
  ['one\ntwo\rTWO\nthree', 'one\nTWO\nthree'],
  ['windows\r\nlines\r\n', 'windows\nlines\n'],
  ['ab\u0008c', 'ac'],
  ['abc\u0008\u0008\u0008\u0008x', 'x'],
  ['', ''],
  ['\r', '']
])('%j is shown as %j', (text, shown) => {
  expect(overwritten(text)).toBe(shown);
});
