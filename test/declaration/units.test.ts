import { describe, expect, test } from 'vitest';
import { parseDuration, parseRate, parseSize } from '../../src/declaration/units.ts';

describe('units', () => {
  test.each([
    ['500ms', 500],
    ['30s', 30_000],
    ['5m', 300_000],
    ['4h', 14_400_000],
    ['7d', 604_800_000],
    ['0s', 0],
    ['1.5s', 1500],
    ['1.1s', 1100],
    ['0.5h', 1_800_000],
  ])('the duration %s is %d ms', (text, ms) => {
    expect(parseDuration(text)).toBe(ms);
  });

  test.each(['5', '', 's', '5 m', '-5m', '5M', '5min', '1h30m', '.5s', '1.s', '1e3s', '999999999999999d'])(
    '%j is no duration',
    (text) => {
      expect(parseDuration(text)).toBe(undefined);
    },
  );

  test.each([
    ['100B', 100],
    ['1KB', 1000],
    ['1KiB', 1024],
    ['16MiB', 16_777_216],
    ['1.5GiB', 1_610_612_736],
    ['2TB', 2e12],
  ])('the size %s is %d bytes', (text, bytes) => {
    expect(parseSize(text)).toBe(bytes);
  });

  test.each(['16', '16M', '16mib', '16 MiB', '-1B', '1iB', '99999999999TiB'])('%j is no size', (text) => {
    expect(parseSize(text)).toBe(undefined);
  });

  test.each([
    ['500/s', 500],
    ['30/m', 0.5],
    ['3600/h', 1],
  ])('the rate %s is %d per second', (text, perSecond) => {
    expect(parseRate(text)).toBe(perSecond);
  });

  test.each(['500', '500/', '500/d', '/s', '5 /s'])('%j is no rate', (text) => {
    expect(parseRate(text)).toBe(undefined);
  });
});
