import { expect, it } from 'vitest';
import { spokenWords, timeWarning } from '../../src/page/time';

const END = '2026-01-01T12:00:00Z';
const before = (minutes: number): number => Date.parse(END) - minutes * 60_000;

it('warns ten minutes before the end, and louder one minute before', () => {
  expect(timeWarning(END, before(10.1))).toBeNull();
  expect(timeWarning(END, before(10))).toMatchObject({ level: 'soon' });
  expect(timeWarning(END, before(4.5))).toMatchObject({ words: 'This room ends in 5 minutes.' });
  expect(timeWarning(END, before(1))).toMatchObject({ level: 'now' });
  expect(timeWarning(END, before(0.5))?.words).toContain('30 s');
  expect(timeWarning(END, before(0))).toBeNull();
});

it('is read aloud once when it comes and once when it is urgent, not at every second', () => {
  const said = [11, 10, 9.5, 5, 1.1, 1, 0.5, 0.1, 0].map(minutes => spokenWords(timeWarning(END, before(minutes))));
  expect([...new Set(said)]).toHaveLength(3);
  expect(said[0]).toBe('');
  expect(said[1]).toBe(said[4]);
  expect(said[5]).toBe(said[7]);
});
