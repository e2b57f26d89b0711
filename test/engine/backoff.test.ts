import { expect, it } from 'vitest';
import { backoffMs } from '../../src/engine/backoff.ts';

it('spreads each wait between nothing and a ceiling that doubles up to the most', () => {
  const ceilings = [1, 2, 3, 4, 50].map((attempt) => backoffMs(attempt, 0.999999, 100, 1000));
  expect(ceilings).toEqual([100, 200, 400, 800, 1000]);
  expect(backoffMs(5, 0.5, 100, 1000)).toBe(500);
});

it('never waits for nothing at all', () => {
  expect(backoffMs(1, 0)).toBeGreaterThan(0);
});

it('finds what is back in time: everything is to go on within 10 seconds after a fault', () => {
  expect(backoffMs(50, 0.999999)).toBeLessThanOrEqual(5000);
});
