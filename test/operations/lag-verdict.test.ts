import { expect, it } from 'vitest';
import { judge, type LagSample, type LagVerdict } from '../../src/operations/lag-verdict.ts';

type Look = readonly [committed: number | null, end: number];

/** One look every five seconds. */
const samplesOf = (looks: readonly Look[], logStart = 0, everyMs = 5000): LagSample[] =>
  looks.map(([committed, end], index) => ({ atMs: index * everyMs, committed, end, logStart }));
const circumstances = { hasMembers: true, nothingToRead: false, movedAtMs: null, windowMs: 60_000 };

it.each<[string, readonly Look[], LagVerdict]>([
  [
    'no lag',
    [
      [10, 10],
      [20, 20],
    ],
    'OK',
  ],
  [
    'no lag although nothing moves',
    [
      [10, 10],
      [10, 10],
      [10, 10],
    ],
    'OK',
  ],
  [
    'lag now, none a moment ago',
    [
      [10, 10],
      [10, 15],
      [12, 30],
    ],
    'OK',
  ],
  [
    'lag that falls',
    [
      [10, 100],
      [50, 110],
      [90, 130],
    ],
    'OK',
  ],
  [
    'lag that fell once',
    [
      [10, 100],
      [50, 110],
      [60, 200],
    ],
    'OK',
  ],
  [
    'a consumer that moves while lag grows',
    [
      [10, 100],
      [20, 150],
      [30, 200],
    ],
    'WARN',
  ],
  [
    'a consumer that moves while lag stays',
    [
      [10, 100],
      [20, 110],
      [30, 120],
    ],
    'WARN',
  ],
  [
    'a consumer that stands still',
    [
      [10, 100],
      [10, 120],
      [10, 140],
    ],
    'STALL',
  ],
  [
    'a consumer that stands still while nothing comes',
    [
      [10, 100],
      [10, 100],
      [10, 100],
    ],
    'STALL',
  ],
  [
    'a consumer that stood still for one commit interval',
    [
      [10, 100],
      [10, 120],
    ],
    'WARN',
  ],
  ['one look at a lag', [[10, 100]], 'WARN'],
  [
    'an offset that went back',
    [
      [80, 100],
      [20, 110],
      [70, 120],
    ],
    'REWIND',
  ],
  ['no commit in a log with records', [[null, 5]], 'NEVER_COMMITTED'],
  ['no commit in an empty log', [[null, 0]], 'OK'],
  [
    'an offset beyond the end for a moment',
    [
      [12, 10],
      [12, 10],
    ],
    'OK',
  ],
  [
    'an offset beyond the end for long',
    [
      [12, 10],
      [12, 10],
      [12, 11],
    ],
    'DATA_LOSS',
  ],
])('%s: %s is %s', (_, looks, verdict) => {
  expect(judge(samplesOf(looks), circumstances)).toBe(verdict);
});

it('what would be read next was deleted: DATA_LOSS, whoever is in the group', () => {
  expect(judge(samplesOf([[10, 100]], 11), { ...circumstances, hasMembers: false })).toBe('DATA_LOSS');
});

it('nobody in the group: NO_MEMBERS, with lag and without', () => {
  expect(judge(samplesOf([[10, 100]]), { ...circumstances, hasMembers: false })).toBe('NO_MEMBERS');
  expect(judge(samplesOf([[100, 100]]), { ...circumstances, hasMembers: false })).toBe('NO_MEMBERS');
});

it('it moved once, and not for longer than the window: STOP', () => {
  const still = samplesOf(Array.from({ length: 13 }, (): Look => [10, 100]));
  expect(judge(still, { ...circumstances, movedAtMs: -1 })).toBe('STOP');
  expect(judge(still, { ...circumstances, movedAtMs: 0 })).toBe('STALL');
});

it('a lag of transaction markers alone is none: OK, however long it stands', () => {
  const still = samplesOf(Array.from({ length: 13 }, (): Look => [10, 11]));
  expect(judge(still, { ...circumstances, movedAtMs: -1, nothingToRead: true })).toBe('OK');
});
