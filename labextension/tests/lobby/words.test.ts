import { expect, it } from 'vitest';
import { spanWords, waitingWords } from '../../src/lobby/words';

const NOW = Date.parse('2026-01-01T12:00:00Z');

it('says how long', () => {
  expect(spanWords(900)).toBe('1 second');
  expect(spanWords(61_000)).toBe('61 seconds');
  expect(spanWords(12 * 60_000)).toBe('12 minutes');
  expect(spanWords(5 * 3_600_000)).toBe('5 hours');
  expect(spanWords(72 * 3_600_000)).toBe('3 days');
  expect(spanWords(-5)).toBe('0 seconds');
});

it('says what is waited for', () => {
  expect(waitingWords('waiting', '', 'Ada', null, NOW).status).toContain('Ada wants to join');
  expect(waitingWords('prepared', '', 'Ada', null, NOW)).toMatchObject({ countdown: '' });
  const opens = waitingWords('prepared', '', 'Ada', '2026-01-01T12:10:00Z', NOW);
  expect(opens.countdown).toContain('in 10 minutes');
  expect(waitingWords('denied', 'The host did not let you in.', 'Ada', null, NOW).status).toContain('did not let');
});
