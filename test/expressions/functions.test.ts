import { describe, expect, test } from 'vitest';
import { evaluate, failure, problems } from './evaluate.ts';
import { cpuMsSince } from '../cpu-time.ts';

describe('text functions', () => {
  test.each([
    ['lower("ÄB")', 'äb'],
    ['"ab".upper()', 'AB'],
    ['trim("  a ")', 'a'],
    ['event.name.lower().startsWith("mi")', true],
    ['endsWith("abc", "bc")', true],
    ['contains("abc", "b")', true],
    ['replace("a-b-c", "-", "+")', 'a+b+c'],
    ['replace("a-b-c", "-", "+", 1)', 'a+b-c'],
    ['replace("a-b", "-", "+", 0)', 'a-b'],
    ['"a,b,,c".split(",")', ['a', 'b', '', 'c']],
    ['"a,b,c".split(",", 2)', ['a', 'b,c']],
    ['["a", "b"].join("-")', 'a-b'],
    ['join(["a", "b"])', 'ab'],
    ['substring("hello", 1, 3)', 'el'],
    ['substring("hello", 3)', 'lo'],
    ['substring("a😀b", 1, 2)', '😀'],
    ['size("a😀b") + size([1, 2]) + size({"a": 1})', 6],
    ['matches("order-12", "^order-[0-9]+$")', true],
    ['"xx12yy34".extract("([0-9]+)y")', '12'],
    ['extract("abc", "b.")', 'bc'],
    ['extract("abc", "z")', null],
    [String.raw`replace_regex("2024-05", r"(\d+)-(\d+)", r"\2/\1")`, '05/2024'],
    ['replace_regex("abc", "x*", "-")', '-a-b-c-'],
    ['format("%s has %d at %.2f%%, %05d, %x", event.name, 3, 12.345, -42, 255)', 'Mia has 3 at 12.35%, -0042, ff'],
    ['"%s-%s".format(["a", null])', 'a-null'],
    ['format("%s", [1, 2])', undefined],
    ['mask("4111111111111111")', '************1111'],
    ['mask("abc")', '**c'],
    ['mask("secret", 0)', '******'],
  ])('%s', (source, value) => {
    if (value === undefined) expect(problems(source)[0]!.code).toBe('wrong_arguments');
    else expect(evaluate(source, { name: 'Mia' })).toEqual(value);
  });

  test('a function can be called as a method and as a function', () => {
    expect(evaluate('event.a.lower() == lower(event.a)', { a: 'X' })).toBe(true);
  });

  test('an argument of the wrong kind is named with its path', () => {
    expect(failure('lower(event.a)', { a: 5 })).toMatchObject({
      code: 'type_mismatch',
      path: 'event.a',
      message: 'event.a is a number; lower needs text',
    });
    expect(failure('"x".startsWith(event.a)', { a: [] })).toMatchObject({ path: 'event.a' });
    expect(failure('join(event.a, ",")', { a: ['x', 1] })).toMatchObject({ path: 'event.a[1]' });
    expect(failure('substring(event.a, 5)', { a: 'abc' }).code).toBe('invalid_argument');
    expect(failure('"a" + event.n', { n: 5 })).toMatchObject({
      code: 'type_mismatch',
      message: expect.stringContaining('string(...)'),
    });
  });

  test('patterns are linear-time: one that hangs a backtracking engine answers at once', () => {
    const started = process.threadCpuUsage();
    expect(evaluate('matches(event.a, "^(a+)+$")', { a: `${'a'.repeat(50_000)}!` })).toBe(false);
    expect(cpuMsSince(started)).toBeLessThan(2000);
  });

  test('a pattern is compiled before the first record: it must be a text in quotes or a var, and right', () => {
    expect(problems('matches(event.a, event.b)')[0]).toMatchObject({
      code: 'wrong_arguments',
      message: expect.stringContaining('a text in quotes or a var'),
    });
    expect(problems('matches(event.a, "(")')[0]).toMatchObject({ code: 'bad_literal', start: 17, end: 20 });
    expect(problems('matches(event.a, "(?=x)")')[0]!.code).toBe('bad_literal');
    const secret = problems('matches(event.a, vars.p)', { vars: { p: { reveal: () => 'hunter2(' } } });
    expect(secret.map((problem) => problem.message)).toEqual(['vars.p holds no pattern that can be read']);
    expect(evaluate('matches(event.a, vars.p)', { a: 'x1' }, { vars: { p: '^x' } })).toBe(true);
  });

  test('what an expression builds is bounded', () => {
    const big = 'x'.repeat(1_000_000);
    for (const source of [
      'event.a + event.a',
      'replace(event.a, "x", "yy")',
      '[event.a, event.a].join("")',
      'format("%s%s", event.a, event.a)',
      'replace_regex(event.a, "x", "yy")',
      'to_json([event.a, event.a])',
    ]) {
      expect(failure(source, { a: big }).code).toBe('too_large');
    }
    const list = Array.from({ length: 2000 }, (_, i) => i);
    expect(failure('event.l.exists(a, event.l.exists(b, a + b < 0))', { l: list }).code).toBe('too_large');
    expect(evaluate('event.l.exists(a, a < 0) || event.l.exists(a, a == 1999)', { l: list })).toBe(true);
  });
});

describe('json, ids and digests', () => {
  test('json() reads text exactly and to_json() writes it', () => {
    expect(evaluate('json(event.a).id + 1', { a: '{"id":9007199254740993}' })).toBe(9007199254740994n);
    expect(
      evaluate('to_json({"a": event.b, "t": timestamp("2024-01-01T00:00:00Z"), "d": decimal("1.10")})', {
        b: 2n ** 60n,
      }),
    ).toBe('{"a":1152921504606846976,"t":"2024-01-01T00:00:00.000Z","d":1.1}');
    expect(failure('json(event.a)', { a: '{"a":' })).toMatchObject({ code: 'invalid_argument', path: 'event.a' });
  });

  test('uuid5 follows RFC 9562', () => {
    expect(evaluate('uuid5("www.example.com", "dns")')).toBe('2ed6657d-e927-568b-95e1-2665a8aea6a2');
    expect(evaluate('uuid5("a") == uuid5("a", "url") && uuid5("a") != uuid5("b")')).toBe(true);
    expect(failure('uuid5("a", event.space)', { space: 'zzz' }).code).toBe('invalid_argument');
  });

  test('sha256 and hmac_sha256 give the hex digests of FIPS 180-4 and RFC 4231', () => {
    expect(evaluate('sha256("abc")')).toBe('ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad');
    expect(
      evaluate(
        'hmac_sha256("what do ya want for nothing?", vars.key)',
        {},
        { vars: { key: { reveal: () => 'Jefe' } } },
      ),
    ).toBe('5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843');
    expect(failure('sha256(event.n)', { n: 5 })).toMatchObject({ code: 'type_mismatch', path: 'event.n' });
  });
});
