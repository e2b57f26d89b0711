import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { decodeJson, DecodeError, encodeJson } from '../../src/codecs/json.ts';
import { Decimal, Duration, Timestamp } from '../../src/expressions/index.ts';

const decode = (text: string) => decodeJson(Buffer.from(text));

function failure(bytes: Uint8Array | string): { code: string; message: string } {
  try {
    decodeJson(typeof bytes === 'string' ? Buffer.from(bytes) : bytes);
  } catch (error) {
    if (error instanceof DecodeError) return { code: error.code, message: error.message };
    throw error;
  }
  throw new Error('it was decoded');
}

describe('decoding JSON', () => {
  test('integers are exact: numbers to 2^53, bigints to 64 bits, decimals beyond', () => {
    expect(
      decode('[1, 9007199254740991, 9007199254740992, -9007199254740993, 9223372036854775807, -9223372036854775808]'),
    ).toEqual([
      1,
      9007199254740991,
      9007199254740992n,
      -9007199254740993n,
      9223372036854775807n,
      -9223372036854775808n,
    ]);
    const [beyond, long] = decode(`[9223372036854775808, ${'1'.repeat(999)}]`) as [unknown, unknown];
    expect(beyond).toBeInstanceOf(Decimal);
    expect(String(beyond)).toBe('9223372036854775808');
    expect(String(long)).toBe('1'.repeat(999));
  });

  test('a number with a fraction or an exponent is a double, however many digits it has', () => {
    expect(decode('[1.0, 1e3, 0.12345678901234567890, 12345678901234567890.5, 12345678901234567890e2, 1E+20]')).toEqual(
      [1, 1000, 0.12345678901234568, 12345678901234567000, 1.2345678901234568e21, 1e20],
    );
  });

  test('long digits in texts and keys stay what they are', () => {
    const text = `{"12345678901234567890":"a 12345678901234567890","b":"say \\"12345678901234567890\\" , 12345678901234567890 \\\\","c":12345678901234567,"d":"\\\\"}`;
    expect(decode(text)).toEqual({
      '12345678901234567890': 'a 12345678901234567890',
      b: 'say "12345678901234567890" , 12345678901234567890 \\',
      c: 12345678901234567n,
      d: '\\',
    });
    expect(decode('{"a":"\\u000012345678901234567","b":12345678901234567}')).toEqual({
      a: '\u000012345678901234567',
      b: 12345678901234567n,
    });
    expect(decode(' 12345678901234567 ')).toBe(12345678901234567n);
    expect(decode('[12345678901234567\n,\t12345678901234568\r\n]')).toEqual([12345678901234567n, 12345678901234568n]);
  });

  test('an integer of more than 1000 digits is refused', () => {
    expect(failure(`{"a":${'9'.repeat(3000)}}`).code).toBe('json_number');
  });

  test('__proto__ is a key like others', () => {
    const value = decode(
      '{"__proto__":{"polluted":1},"big":12345678901234567,"x":{"__proto__":12345678901234567}}',
    ) as { x: object };
    expect(Object.getPrototypeOf(value)).toBe(Object.prototype);
    expect(Object.getPrototypeOf(value.x)).toBe(Object.prototype);
    expect(Object.getOwnPropertyDescriptor(value.x, '__proto__')?.value).toBe(12345678901234567n);
    expect('polluted' in value).toBe(false);
  });

  test('of equal keys the last wins, a byte order mark is skipped, a view into a larger buffer is read as it is', () => {
    expect(decode('{"a":1,"a":2}')).toEqual({ a: 2 });
    expect(decode('\ufeff{"a":1}')).toEqual({ a: 1 });
    const bytes = new TextEncoder().encode('xx{"ä":"€😀"}yy');
    expect(decodeJson(bytes.subarray(2, bytes.length - 2))).toEqual({ ä: '€😀' });
  });

  test.each([[[0x22, 0xff, 0x22]], [[0x22, 0xc3, 0x22]], [[0x22, 0xed, 0xa0, 0x80, 0x22]], [[0x22, 0xc0, 0x80, 0x22]]])(
    'bytes %j are no UTF-8',
    (bytes) => {
      expect(failure(Uint8Array.from(bytes)).code).toBe('invalid_utf8');
    },
  );

  test('U+FFFD itself is valid', () => {
    expect(decode('"\ufffd"')).toBe('\ufffd');
  });

  test('nesting deeper than 100 is refused, a crash is not the answer', () => {
    const nested = (depth: number, open = '[', close = ']') => open.repeat(depth) + close.repeat(depth);
    expect(() => decode(nested(100))).not.toThrow();
    expect(failure(nested(101)).code).toBe('json_too_deep');
    expect(failure(nested(10_000)).code).toBe('json_too_deep');
    expect(failure('{"a":'.repeat(200_000)).code).toBe('json_too_deep');
    expect(
      decode(`[${Array(500).fill('{"a":[]}').join(',')}, "${'['.repeat(200)}\\"${'['.repeat(200)}"]`),
    ).toHaveLength(501);
  });

  test.each([
    ['', 'JSON is empty'],
    ['  ', 'JSON is empty'],
    ['{"a":1', 'JSON ends too early, after 6 characters'],
    ['{"a":"secret', 'JSON ends too early, after 12 characters'],
    ['{"a":secret}', 'the value is not valid JSON at character 6'],
    ['{"a":1}}', 'the value is not valid JSON at character 8'],
    ['{"a":01234567890123456789}', 'the value is not valid JSON at character 7'],
    ['{1234567890123456789:1}', 'the value is not valid JSON at character 2'],
    ['[1 1234567890123456789]', 'the value is not valid JSON at character 4'],
    ['[tru1234567890123456789]', 'the value is not valid JSON at character 5'],
    ['[-]', 'the value is not valid JSON at character 3'],
    ['[NaN]', 'the value is not valid JSON at character 2'],
    ["{'a':1}", 'the value is not valid JSON at character 2'],
  ])('%j: %s', (text, message) => {
    expect(failure(text)).toEqual({ code: 'json_syntax', message });
  });

  test('it takes what JSON.parse takes, and gives the same but for long integers', () => {
    const token = fc.constantFrom(
      '{',
      '}',
      '[',
      ']',
      ',',
      ':',
      '"a"',
      '"\\""',
      '1',
      '-',
      '12345678901234567',
      '0',
      '.5',
      'e1',
      ' ',
      'null',
      '"1234567890123456789',
      '"',
      '\\',
    );
    fc.assert(
      fc.property(
        fc.oneof(
          fc.json(),
          fc.array(token, { maxLength: 10 }).map((tokens) => tokens.join('')),
        ),
        (text) => {
          let expected: unknown;
          try {
            expected = JSON.parse(text);
          } catch {
            expect(failure(text).code).toBe('json_syntax');
            return;
          }
          expect(JSON.parse(encodeJson(decode(text)))).toEqual(JSON.parse(JSON.stringify(expected)));
        },
      ),
      { numRuns: 3000 },
    );
  });
});

describe('encoding JSON', () => {
  test('exact numbers keep their digits, times are ISO 8601, durations and bytes text', () => {
    const value = {
      big: 9223372036854775807n,
      decimal: new Decimal('19.990000000000000000001'),
      at: new Timestamp(1_700_000_000_000_001),
      took: new Duration(1_500_000),
      bytes: Uint8Array.from([1, 2, 255]),
      nested: [{ big: -1n }],
    };
    expect(encodeJson(value)).toBe(
      '{"big":9223372036854775807,"decimal":19.990000000000000000001,"at":"2023-11-14T22:13:20.000001Z","took":"1500ms","bytes":"AQL/","nested":[{"big":-1}]}',
    );
    expect(encodeJson(5n)).toBe('5');
    expect(encodeJson(Buffer.from('a'))).toBe('"YQ=="');
  });

  test('decode gives back what was encoded', () => {
    const { value } = fc.letrec((tie) => ({
      value: fc.oneof(
        { depthSize: 'small' },
        fc.constantFrom(null, true, false, '', '\u0000', '\u000012345678901234567', 0.1, 1e21, -5),
        fc.string({ unit: 'binary' }).filter((text) => text.isWellFormed()),
        fc
          .bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n })
          .map((big) => (Number.isSafeInteger(Number(big)) ? Number(big) : big)),
        fc.array(tie('value'), { maxLength: 4 }),
        fc.dictionary(fc.oneof(fc.string(), fc.constant('__proto__')), tie('value'), {
          maxKeys: 4,
          noNullPrototype: true,
        }),
      ),
    }));
    fc.assert(
      fc.property(value, (original) => {
        expect(decode(encodeJson(original))).toEqual(original);
      }),
      { numRuns: 500 },
    );
  });
});
