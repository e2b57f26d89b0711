import { describe, expect, test } from 'vitest';
import {
  formatChange,
  formatClock,
  formatCount,
  formatDuration,
  formatLatency,
  formatRate,
  formatRateWithUnit,
  formatShare,
} from '../../src/view/format.ts';

const SECOND = 1_000;
const HOUR = 3_600 * SECOND;
const DAY = 24 * HOUR;

describe('numbers', () => {
  test.each([
    [0, '0'],
    [6_482_119_034, '6,482,119,034'],
    [-12, '-12'],
    [null, '-'],
  ])('the count %s reads %s', (count, text) => {
    expect(formatCount(count)).toBe(text);
  });

  test.each([
    [12_480.4, '12,480'],
    [99.6, '100'],
    [2.04, '2.0'],
    [0.02, '0.02'],
    [0, '0'],
    [null, '-'],
  ])('the rate %s reads %s', (perSecond, text) => {
    expect(formatRate(perSecond)).toBe(text);
  });

  test('a rate that is not zero never reads as zero', () => {
    expect(formatRate(0.000_1)).toBe('<0.01');
    expect(formatRateWithUnit(1 / 3_600)).toBe('1.0/h');
  });

  test.each([
    [2, '2.0/s'],
    [0.02, '1.2/m'],
    [0.001, '3.6/h'],
    [0, '0'],
    [null, '-'],
  ])('the rate %s with its unit reads %s', (perSecond, text) => {
    expect(formatRateWithUnit(perSecond)).toBe(text);
  });

  test.each([
    [340, '+340'],
    [-12, '-12'],
    [0, '0'],
    [null, '-'],
  ])('the change %s reads %s', (perSecond, text) => {
    expect(formatChange(perSecond)).toBe(text);
  });

  test('a share is given in percent', () => {
    expect(formatShare(0.114)).toBe('11%');
  });
});

describe('time', () => {
  test.each([
    [0, '0 s'],
    [41.4, '41 ms'],
    [999.6, '1.0 s'],
    [1_500, '1.5 s'],
    [9_960, '10 s'],
    [15_000, '15 s'],
    [59_600, '1m00s'],
    [196_000, '3m16s'],
    [4 * HOUR + 12 * 60 * SECOND, '4h12m'],
    [6 * DAY + 4 * HOUR + 12 * 60 * SECOND, '6d 04:12'],
    [null, '-'],
  ])('a duration of %s ms reads %s', (ms, text) => {
    expect(formatDuration(ms)).toBe(text);
  });

  test.each([
    [14_830, '14,830 ms'],
    [4.24, '4.2 ms'],
    [0, '0 ms'],
    [null, '-'],
  ])('a latency of %s ms reads %s', (ms, text) => {
    expect(formatLatency(ms)).toBe(text);
  });

  test('the clock of another day carries its date', () => {
    const now = new Date(2026, 10, 22, 14, 32, 7).getTime();
    expect(formatClock(now, now)).toBe('14:32:07');
    expect(formatClock(new Date(2026, 10, 21, 9, 4, 5).getTime(), now)).toBe('11-21 09:04');
  });
});
