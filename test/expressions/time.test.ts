import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Duration, Timestamp } from '../../src/expressions/index.ts';
import { evaluate, failure, problems } from './evaluate.ts';

const iso = (source: string, event?: unknown) => String(evaluate(source, event));

describe('time', () => {
  test.each([
    ['2024-03-01T12:30:00Z', '2024-03-01T12:30:00.000Z'],
    ['2024-03-01T12:30:00.25+02:00', '2024-03-01T10:30:00.250Z'],
    ['2024-03-01 12:30:00.123456-0530', '2024-03-01T18:00:00.123456Z'],
    ['2024-03-01T12:30+02', '2024-03-01T10:30:00.000Z'],
    ['2024-02-29T23:59:59.9999999Z', '2024-02-29T23:59:59.999999Z'],
    ['1969-12-31T23:59:59.999999Z', '1969-12-31T23:59:59.999999Z'],
    ['1800-01-01T00:00:00Z', '1800-01-01T00:00:00.000Z'],
  ])('timestamp("%s")', (text, expected) => {
    expect(iso('timestamp(event.t)', { t: text })).toBe(expected);
  });

  test.each([
    '',
    'now',
    '2024-13-01T00:00:00Z',
    '2023-02-29T00:00:00Z',
    '2024-01-01T24:00:00Z',
    '2024-01-01T00:60:00Z',
    '2024-01-01T00:00:00+',
    '2024-01-01T00:00:00+25:00',
    '2024-01-01T00:00:00Zx',
    '2024-1-1',
    '20240101',
    '2024-01-01T00:00:00.Z',
  ])('timestamp refuses %j', (text) => {
    expect(failure('timestamp(event.t)', { t: text })).toMatchObject({ code: 'invalid_argument', path: 'event.t' });
  });

  test('without an offset it needs a zone', () => {
    expect(failure('timestamp(event.t)', { t: '2024-07-01T12:00:00' })).toMatchObject({
      code: 'invalid_argument',
      message: expect.stringContaining('Europe/Madrid'),
    });
    expect(iso('timestamp("2024-07-01T12:00:00", "Europe/Madrid")')).toBe('2024-07-01T10:00:00.000Z');
    expect(iso('timestamp("2024-01-01", "America/New_York")')).toBe('2024-01-01T05:00:00.000Z');
    expect(iso('timestamp("2024-07-01T12:00:00Z", "Europe/Madrid")')).toBe('2024-07-01T12:00:00.000Z');
    expect(problems('timestamp("yesterday") < timestamp("2024-07-01T12:00:00")')).toMatchObject([
      { code: 'bad_literal', start: 10, end: 21 },
      { code: 'bad_literal', message: expect.stringContaining('Europe/Madrid') },
    ]);
    expect(problems('timestamp(event.t, "Europe/Madird")')[0]!.code).toBe('bad_literal');
    expect(failure('timestamp("2024-07-01T12:00:00", event.z)', { z: 'Mars/Base' }).code).toBe('invalid_argument');
  });

  test('a local time that the clocks skip moves on by the gap; of one that comes twice the earlier is taken', () => {
    expect(iso('timestamp("2024-03-31T02:30:00", "Europe/Madrid")')).toBe('2024-03-31T01:30:00.000Z');
    expect(iso('timestamp("2024-10-27T02:30:00", "Europe/Madrid")')).toBe('2024-10-27T00:30:00.000Z');
    expect(iso('timestamp("2024-10-27T03:00:00", "Europe/Madrid")')).toBe('2024-10-27T02:00:00.000Z');
    expect(iso('timestamp("2024-03-10T02:30:00", "America/New_York")')).toBe('2024-03-10T07:30:00.000Z');
  });

  test('numbers by seconds, millis and micros, to the microsecond', () => {
    expect(iso('seconds(1700000000)')).toBe('2023-11-14T22:13:20.000Z');
    expect(iso('seconds(1700000000.25)')).toBe('2023-11-14T22:13:20.250Z');
    expect(iso('millis(event.t)', { t: 1700000000123 })).toBe('2023-11-14T22:13:20.123Z');
    expect(iso('micros(event.t)', { t: 1700000000123456n })).toBe('2023-11-14T22:13:20.123456Z');
    expect(failure('timestamp(event.t)', { t: 1700000000 })).toMatchObject({
      code: 'type_mismatch',
      message: expect.stringContaining('seconds(n)'),
    });
    expect(failure('seconds(event.t)', { t: 1e15 }).code).toBe('overflow');
  });

  test('duration reads what the file reads', () => {
    const texts = ['500ms', '30s', '5m', '4h', '7d', '-5m', '7us'];
    expect(texts.map((text) => (evaluate(`duration("${text}")`) as Duration).micros)).toEqual([
      5e5, 3e7, 3e8, 1.44e10, 6.048e11, -3e8, 7,
    ]);
    expect(failure('duration(event.d)', { d: '5' }).code).toBe('invalid_argument');
    expect(['90s', '1500ms', '7us'].map((text) => iso(`duration("${text}")`))).toEqual(['90s', '1500ms', '7us']);
  });

  test('times and durations add, subtract and compare', () => {
    expect(iso('timestamp("2024-01-01T00:00:00Z") + duration("1d")')).toBe('2024-01-02T00:00:00.000Z');
    expect(iso('timestamp("2024-01-02T00:00:00Z") - timestamp("2024-01-01T00:00:00Z")')).toBe('86400s');
    expect(iso('duration("1h") + duration("1m") - duration("30s")')).toBe('3630s');
    expect(evaluate('timestamp("2024-01-01T02:00:00+02:00") == timestamp("2024-01-01T00:00:00Z")')).toBe(true);
    expect(evaluate('meta.timestamp - timestamp(event.t) < duration("1h")', { t: '2023-11-14T22:00:00Z' })).toBe(true);
    expect(problems('meta.timestamp + 5')[0]!.code).toBe('type_mismatch');
    expect(problems('meta.timestamp > "2024-01-01T00:00:00Z"')[0]).toMatchObject({
      hint: 'write timestamp("2024-01-01T00:00:00Z")',
    });
  });

  test.each([
    ['getFullYear()', 2024], ['getMonth()', 1], ['getDate()', 29], ['getDayOfMonth()', 28], ['getDayOfYear()', 59], ['getDayOfWeek()', 4],
    ['getHours()', 23], ['getMinutes()', 45], ['getSeconds()', 6], ['getMilliseconds()', 789], ['getHours("Europe/Madrid")', 0], ['getDate("Europe/Madrid")', 1],
  ])('2024-02-29T23:45:06.789Z.%s is %d, as in CEL', (call, value) => {
    expect(evaluate(`timestamp("2024-02-29T23:45:06.789Z").${call}`)).toBe(value);
  }); // prettier-ignore

  test('accessors of a duration give its whole length', () => {
    expect(evaluate('duration("90m").getHours() + duration("90m").getMinutes()')).toBe(91);
  });

  test.each([
    ['second', '2024-08-15T13:45:06.000Z'],
    ['minute', '2024-08-15T13:45:00.000Z'],
    ['hour', '2024-08-15T13:00:00.000Z'],
    ['day', '2024-08-15T00:00:00.000Z'],
    ['week', '2024-08-12T00:00:00.000Z'],
    ['month', '2024-08-01T00:00:00.000Z'],
    ['quarter', '2024-07-01T00:00:00.000Z'],
    ['year', '2024-01-01T00:00:00.000Z'],
  ])('trunc to the %s', (unit, expected) => {
    expect(iso(`trunc(timestamp("2024-08-15T13:45:06.789Z"), "${unit}")`)).toBe(expected);
  });

  test('trunc goes by the clocks of a zone', () => {
    expect(iso('trunc(timestamp("2024-08-15T23:30:00Z"), "day", "Europe/Madrid")')).toBe('2024-08-15T22:00:00.000Z');
    expect(iso('trunc(timestamp("2024-08-15T10:20:00Z"), "hour", "Asia/Kolkata")')).toBe('2024-08-15T09:30:00.000Z');
    expect(iso('trunc(timestamp("2024-10-27T01:30:00Z"), "hour", "Europe/Madrid")')).toBe('2024-10-27T01:00:00.000Z');
    expect(problems('trunc(meta.timestamp, "days")')[0]!.code).toBe('bad_literal');
  });

  test('format_time writes a pattern, in a zone', () => {
    const time = 'timestamp("2024-08-05T03:04:05.006007Z")';
    expect(iso(`format_time(${time}, "yyyy-MM-dd'T'HH:mm:ss.SSSXXX", "Europe/Madrid")`)).toBe(
      '2024-08-05T05:04:05.006+02:00',
    );
    expect(iso(`format_time(${time}, "EEE d MMM yy H SSSSSS XXX DDD 'o''clock'")`)).toBe(
      "Mon 5 Aug 24 3 006007 Z 218 o'clock",
    );
    expect(problems(`format_time(${time}, "YYYY")`)[0]!.code).toBe('bad_literal');
  });

  test('timestamps print what they read, and agree with Date', () => {
    fc.assert(
      fc.property(fc.integer({ min: -9_000_000_000_000_000, max: 8_999_999_999_999_999 }), (micros) => {
        const time = new Timestamp(micros);
        expect((evaluate('timestamp(event.t)', { t: time.toString() }) as Timestamp).micros).toBe(micros);
        expect(time.toString().slice(0, 23)).toBe(new Date(Math.floor(micros / 1000)).toISOString().slice(0, 23));
        const date = new Date(Math.floor(micros / 1000));
        expect(
          evaluate(
            '[event.t.getFullYear(), event.t.getMonth(), event.t.getDate(), event.t.getDayOfWeek(), event.t.getHours(), event.t.getSeconds()]',
            { t: time },
          ),
        ).toEqual([
          date.getUTCFullYear(),
          date.getUTCMonth(),
          date.getUTCDate(),
          date.getUTCDay(),
          date.getUTCHours(),
          date.getUTCSeconds(),
        ]);
      }),
      { numRuns: 300 },
    );
  });

  test('a local time that a zone shows is read back to the same point in time, or the one an hour before', () => {
    const zones = [
      'Europe/Madrid',
      'America/St_Johns',
      'Australia/Lord_Howe',
      'Asia/Kathmandu',
      'Pacific/Apia',
      'Africa/Casablanca',
    ];
    fc.assert(
      fc.property(fc.constantFrom(...zones), fc.integer({ min: 0, max: 2_000_000_000 }), (zone, second) => {
        const back = evaluate(`timestamp(format_time(event.t, "yyyy-MM-dd HH:mm:ss", "${zone}"), "${zone}")`, {
          t: new Timestamp(second * 1e6),
        }) as Timestamp;
        expect([0, 1800, 3600]).toContain(second - back.micros / 1e6);
      }),
      { numRuns: 300 },
    );
  });
});
