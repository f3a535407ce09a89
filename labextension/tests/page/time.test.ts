import { expect, it } from 'vitest';
import { timeWarning } from '../../src/page/time';

const END = '2026-01-01T12:00:00Z';
const before = (minutes: number): number => Date.parse(END) - minutes * 60_000;

it('warns ten minutes before the end, and louder one minute before', () => {
  expect(timeWarning(END, before(10.1))).toBeNull();
  expect(timeWarning(END, before(10))).toMatchObject({ level: 'soon', spoken: true });
  expect(timeWarning(END, before(4.5))).toMatchObject({ words: 'This room ends in 5 minutes.', spoken: false });
  expect(timeWarning(END, before(1))).toMatchObject({ level: 'now', spoken: true });
  expect(timeWarning(END, before(0.5))?.words).toContain('30 s');
  expect(timeWarning(END, before(0))).toBeNull();
});
