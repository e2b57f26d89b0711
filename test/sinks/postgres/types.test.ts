import { assert, constantFrom, integer, property, string } from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Decimal } from '../../../src/expressions/decimal.ts';
import { Timestamp } from '../../../src/expressions/timestamp.ts';
import { timestampText } from '../../../src/sinks/postgres/times.ts';
import { type CatalogType, type ColumnType, columnType, Refusal } from '../../../src/sinks/postgres/types.ts';

function typeOf(name: string, modifier = -1, more: Partial<CatalogType> = {}): ColumnType {
  const type: CatalogType = { oid: 1, name, kind: 'base', of: 0, modifier: -1, labels: [], ...more };
  const text: CatalogType = { ...type, oid: 2, name: 'text', kind: 'base', of: 0 };
  return columnType(
    1,
    modifier,
    new Map([
      [1, type],
      [2, text],
    ]),
  );
}
const code = (result: string | Refusal): string | undefined => (result instanceof Refusal ? result.code : undefined);

describe('a value is refused, and never guessed into a column', () => {
  const cases: [string, unknown, string, number?][] = [
    ['int4', '12', 'sink_value_type'],
    ['int4', 1.5, 'sink_value_type'],
    ['int4', true, 'sink_value_type'],
    ['int4', 2 ** 31, 'sink_value_range'],
    ['int2', -32_769, 'sink_value_range'],
    ['int8', 2n ** 63n, 'sink_value_range'],
    ['int8', 2 ** 63, 'sink_value_range'],
    ['numeric', '1.5', 'sink_value_type'],
    ['numeric', 1000, 'sink_value_range', 4 + (5 << 16) + 2],
    ['numeric', Infinity, 'sink_value_range'],
    ['bool', 'true', 'sink_value_type'],
    ['text', { a: 1 }, 'sink_value_type'],
    ['text', 'a\u0000b', 'sink_value_text'],
    ['varchar', 'abcdef', 'sink_value_range', 4 + 5],
    ['jsonb', { a: '\u0000' }, 'sink_value_text'],
    ['timestamptz', 1_700_000_000, 'sink_value_type'],
    ['timestamptz', '2026-11-22T10:00:00', 'sink_value_type'],
    ['timestamptz', '2026-02-30T10:00:00Z', 'sink_value_type'],
    ['date', '2026-02-29', 'sink_value_type'],
    ['uuid', 'no-uuid', 'sink_value_type'],
    ['bytea', 'no base64!', 'sink_value_type'],
  ];
  test.each(cases)('%s refuses %o', (name, value, expected, modifier) => {
    expect(code(typeOf(name, modifier).encode(value))).toBe(expected);
  });

  test('no refusal repeats the value', () => {
    const refused = typeOf('int4').encode('a secret');
    expect(refused).toBeInstanceOf(Refusal);
    expect((refused as Refusal).message).not.toContain('a secret');
  });
});

describe('the ends of what fits', () => {
  test.each<[string, unknown, string, number?]>([
    ['int2', -32_768, '-32768'],
    ['int8', 2n ** 63n - 1n, '9223372036854775807'],
    ['int8', new Decimal('12.0'), '12'],
    ['numeric', 999.99, '999.99', 4 + (5 << 16) + 2],
    ['numeric', new Decimal('1e30'), `1${'0'.repeat(30)}`],
    ['varchar', '😀😀😀😀😀', '😀😀😀😀😀', 4 + 5],
    ['text', 12, '12'],
    ['jsonb', String.raw`\u0000 as text`, String.raw`"\\u0000 as text"`],
    ['timestamptz', new Timestamp(-1), '1969-12-31 23:59:59.999999+00'],
    ['timestamptz', '2026-11-22T10:00:00+02:00', '2026-11-22 08:00:00+00'],
    ['timestamptz', '9999-12-31T23:59:59Z', '9999-12-31T23:59:59Z'],
    ['bytea', 'AFz/', String.raw`\x005cff`],
  ])('%s takes %o', (name, value, expected, modifier) => {
    expect(typeOf(name, modifier).encode(value)).toBe(expected);
  });
});

test('an array literal quotes its elements, and COPY escapes the whole', () => {
  const tags = typeOf('_text', -1, { kind: 'array', of: 2 });
  expect(tags.encode(['a,b', null, 'q"\\', ['x']])).toBe(String.raw`{"a,b",NULL,"q\"\\",{"x"}}`);
  expect(tags.copy(['tab\t', '\\'])).toBe(
    String.raw`{"tab\t","\\\\\\\\"}`.replace(String.raw`\\\\\\\\`, String.raw`\\\\`),
  );
});

test('text in the data of COPY reads back as it was', () => {
  const { copy } = typeOf('text');
  const unescape = (text: string): string =>
    text.replaceAll(/\\(.)/g, (_, escaped: string) => ({ t: '\t', n: '\n', r: '\r' })[escaped] ?? escaped);
  assert(
    property(string({ unit: constantFrom('\\', '\t', '\n', '\r', 'N', 'n', '.', 'é') }), (text) => {
      const copied = copy(text) as string;
      expect(copied).not.toMatch(/[\t\n\r]/);
      expect(unescape(copied)).toBe(text);
    }),
  );
});

test('a point in time is the one JavaScript prints, down to the microsecond', () => {
  assert(
    property(integer({ min: -6e15, max: 8e15 }), (micros) => {
      const [seconds, fraction = ''] = timestampText(micros).split('.');
      expect(Date.parse(`${seconds!.replace(' ', 'T')}Z`) * 1000 + Number(fraction.padEnd(6, '0'))).toBe(micros);
    }),
  );
});
