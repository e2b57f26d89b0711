import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Histogram, RecentHistogram } from '../../src/engine/histogram.ts';

describe('Histogram', () => {
  it('gives quantiles that are off by at most 1/64 and the resolution, whatever the values', () => {
    fc.assert(
      fc.property(
        fc.array(fc.double({ min: 0, max: 1e8, noNaN: true }), { minLength: 1, maxLength: 300 }),
        fc.constantFrom(0.5, 0.95, 0.99, 1),
        (values, quantile) => {
          const histogram = new Histogram();
          for (const value of values) histogram.add(value);
          const sorted = values.toSorted((a, b) => a - b);
          const exact = sorted[Math.ceil(quantile * sorted.length) - 1]!;
          expect(Math.abs(histogram.quantile(quantile)! - exact)).toBeLessThanOrEqual(exact / 64 + 1 / 64);
        },
      ),
    );
  });

  it('says null when it is empty, and counts a negative duration as none', () => {
    const histogram = new Histogram();
    expect(histogram.quantile(0.5)).toBeNull();
    histogram.add(-5);
    expect(histogram.quantile(0.5)).toBeLessThan(1 / 64);
  });

  it('merges to the same quantiles as one that saw everything', () => {
    const [left, right, all] = [new Histogram(), new Histogram(), new Histogram()];
    for (let i = 0; i < 1000; i++) {
      (i % 2 === 0 ? left : right).add(i);
      all.add(i);
    }
    left.merge(right);
    expect(left.total).toBe(1000);
    expect(left.quantile(0.99)).toBe(all.quantile(0.99));
  });
});

describe('RecentHistogram', () => {
  it('forgets what is older than its ring', () => {
    const recent = new RecentHistogram(3, 1000);
    recent.at(0).add(100);
    expect(recent.merged(2500).total).toBe(1);
    expect(recent.merged(3500).total).toBe(0);
  });

  it('is empty after a long silence', () => {
    const recent = new RecentHistogram(3, 1000);
    recent.at(0).add(100);
    expect(recent.merged(1e9).total).toBe(0);
  });
});
