import { describe, expect, test } from 'vitest';
import { Decimal } from '../../src/expressions/index.ts';
import { evaluate, failure, problems } from './evaluate.ts';

const decimal = (text: string) => new Decimal(text);
const text = (value: unknown) => `${value instanceof Decimal ? 'decimal' : typeof value} ${String(value)}`;

describe('numbers', () => {
  test.each([
    ['1 + 2 * 3 - 4', 3],
    ['(1 + 2) * 3', 9],
    ['-event.n', -7],
    ['- -5', 5],
    ['0x1F', 31],
    ['2.5e3', 2500],
    ['.5 + 1', 1.5],
    ['event.n * 2', 14],
    ['event.n * 0.5', 3.5],
    ['2.0 * event.n', 14],
    ['-0 == 0', true],
  ])('%s', (source, value) => {
    expect(evaluate(source, { n: 7 })).toBe(value);
  });

  test('kinds mix in arithmetic: integer with double, bigint and decimal', () => {
    const event = { i: 2, d: 0.5, b: 9007199254740993n, c: decimal('1.10') };
    expect(evaluate('event.i + event.d', event)).toBe(2.5);
    expect(evaluate('event.i + event.b', event)).toBe(9007199254740995n);
    expect(text(evaluate('event.i + event.c', event))).toBe('decimal 3.1');
    expect(text(evaluate('event.b * event.c', event))).toBe('decimal 9907919180215092.3');
    expect(text(evaluate('event.d * event.c', event))).toBe('decimal 0.55');
  });

  test('kinds mix in comparison, by value', () => {
    const event = { i: 9007199254740992, b: 9007199254740993n, one: 1n, c: decimal('1.00'), d: 1.5 };
    expect(evaluate('event.one == 1 && event.c == 1 && event.c == event.one && 1.0 == 1', event)).toBe(true);
    expect(evaluate('event.b > 9007199254740992 && event.c < event.d && event.d < event.b', event)).toBe(true);
    expect(evaluate('event.b == 9007199254740993', event)).toBe(true);
    expect(evaluate('event.b == 9007199254740992', event)).toBe(false);
  });

  test('/ never truncates', () => {
    expect(evaluate('5 / 2')).toBe(2.5);
    expect(evaluate('6 / 2')).toBe(3);
    expect(evaluate('event.a / event.b', { a: 1, b: 4 })).toBe(0.25);
    expect(evaluate('event.a / 2', { a: 18014398509481986n })).toBe(9007199254740993n);
  });

  test('div() and % are integer, cut towards zero', () => {
    expect([evaluate('div(7, 2)'), evaluate('div(-7, 2)'), evaluate('7 % 4'), evaluate('-7 % 4')]).toEqual([
      3, -3, 3, -3,
    ]);
    expect(failure('event.a % 2', { a: 1.5 })).toMatchObject({ code: 'type_mismatch', path: 'event.a' });
    expect(failure('div(event.a, 2)', { a: 'x' })).toMatchObject({ code: 'type_mismatch', path: 'event.a' });
  });

  test('decimal("19.99") * 100 is exactly 1999', () => {
    expect(text(evaluate('decimal("19.99") * 100'))).toBe('decimal 1999');
    expect(evaluate('decimal("19.99") * 100 == 1999')).toBe(true);
    expect(text(evaluate('decimal("0.1") + decimal("0.2")'))).toBe('decimal 0.3');
    expect(text(evaluate('decimal("1") / 3'))).toBe(`decimal 0.${'3'.repeat(34)}`);
  });

  test('integers are exact to 64 bits, and overflow beyond', () => {
    expect(evaluate('event.a + 1', { a: 9007199254740991 })).toBe(9007199254740992n);
    expect(evaluate('event.a * event.a', { a: 3037000499 })).toBe(9223372030926249001n);
    expect(evaluate('9223372036854775806 + 1')).toBe(9223372036854775807n);
    expect(evaluate('-9223372036854775808')).toBe(-9223372036854775808n);
    expect(evaluate('event.b - event.b', { b: 9007199254740993n })).toBe(0);
    expect(failure('9223372036854775807 + event.a', { a: 1 }).code).toBe('overflow');
    expect(failure('event.a * event.a', { a: 3037000500 }).code).toBe('overflow');
    expect(problems('9223372036854775808')[0]).toMatchObject({
      code: 'bad_literal',
      hint: 'write decimal("9223372036854775808")',
    });
  });

  test('doubles are doubles where the expression says so, and never become infinite', () => {
    expect(evaluate('double(event.a) * 1e10', { a: 1e10 })).toBe(1e20);
    expect(failure('1e300 * event.a', { a: 1e300 }).code).toBe('overflow');
  });

  test('division by zero is an error for every kind', () => {
    for (const source of ['1 / event.z', '1.5 / event.z', 'decimal("1") / event.z', 'div(1, event.z)', '1 % event.z']) {
      expect(failure(source, { z: 0 }).code).toBe('division_by_zero');
    }
  });

  test('a decimal stays within 1000 digits', () => {
    expect(failure('event.d * event.d * event.d', { d: decimal(`1${'0'.repeat(400)}`) }).code).toBe('overflow');
    expect(failure('decimal(event.d)', { d: '1e9999' }).code).toBe('invalid_argument');
  });

  test.each([
    ['round(2.5)', 3],
    ['round(-2.5)', -3],
    ['round(0.49999999999999994)', 0],
    ['round(1.005, 2)', 1.01],
    ['round(event.i)', 7],
    ['floor(-1.5)', -2],
    ['floor(1.5)', 1],
    ['ceil(1.2)', 2],
    ['ceil(-1.2)', -1],
    ['abs(-3)', 3],
    ['floor(decimal("-1.5"))', -2],
    ['ceil(decimal("1.01"))', 2],
    ['min(3, 1, 2)', 1],
    ['max([3, 1.5, 2])', 3],
    ['sum([1, 2.5, 3])', 6.5],
    ['sum([])', 0],
    ['int("-42")', -42],
    ['int(-1.9)', -1],
    ['int(decimal("12.7"))', 12],
    ['int(timestamp("2024-01-01T00:00:00Z"))', 1704067200],
    ['double("1.5e3")', 1500],
    ['string(1.5) + string(true)', '1.5true'],
    ['bool("true")', true],
  ])('%s', (source, value) => {
    expect(evaluate(source, { i: 7 })).toBe(value);
  });

  test('round(decimal, n) and min and max keep the kind', () => {
    expect(text(evaluate('round(decimal("2.345"), 2)'))).toBe('decimal 2.35');
    expect(text(evaluate('max(decimal("2.5"), 2)'))).toBe('decimal 2.5');
    expect(failure('min(event.list)', { list: [] }).code).toBe('invalid_argument');
    expect(failure('sum(event.list)', { list: [1, null] })).toMatchObject({
      code: 'null_operand',
      path: 'event.list[1]',
    });
  });

  test('conversions refuse what is no number', () => {
    for (const [name, text] of [
      ['int', '1.5'],
      ['int', ''],
      ['double', 'x'],
      ['double', '0x10'],
      ['decimal', '1_000'],
      ['bool', 'yes'],
    ] as const) {
      expect(failure(`${name}(event.t)`, { t: text }).code).toBe('invalid_argument');
      // A text in the expression is tried when the file is checked.
      expect(problems(`${name}("${text}")`).map(({ code }) => code)).toEqual(['bad_literal']);
    }
    expect(failure('int(event.t)', { t: '9223372036854775808' }).code).toBe('overflow');
  });
});
