import { describe, expect, test } from 'vitest';
import { compileAssign, compileObject } from '../../src/expressions/index.ts';
import { compiled, evaluate, failure, meta, problems } from './evaluate.ts';

describe('missing fields and null', () => {
  test('a missing field is an error with its full path', () => {
    expect(failure('event.coupon')).toMatchObject({ code: 'field_missing', path: 'event.coupon' });
    expect(failure('event.customer.name == "x"', { customer: {} })).toMatchObject({
      code: 'field_missing',
      path: 'event.customer.name',
    });
    expect(failure('event.coupon').message).toBe('event.coupon is missing; where it may be, write event.?coupon');
    expect(failure('event.lines[2]', { lines: [1] })).toMatchObject({ code: 'field_missing', path: 'event.lines[2]' });
    expect(failure('event.lines[-1]', { lines: [1] })).toMatchObject({ code: 'field_missing' });
  });

  test('event.?coupon and everything below it is null when absent', () => {
    expect(evaluate('event.?coupon')).toBe(null);
    expect(evaluate('event.?customer.address.city', {})).toBe(null);
    expect(evaluate('event.?customer.address.city', { customer: {} })).toBe(null);
    expect(evaluate('event.?customer.address.city', { customer: { address: { city: 'Rome' } } })).toBe('Rome');
    expect(evaluate('event.?lines[3].sku', { lines: [] })).toBe(null);
    expect(evaluate('event.lines[?3]', { lines: [] })).toBe(null);
    expect(failure('event.a.?b', {})).toMatchObject({ code: 'field_missing', path: 'event.a' });
    expect(failure('event.?a.b', { a: 'text' })).toMatchObject({ code: 'type_mismatch', path: 'event.a' });
  });

  test('has() is true for a field that is there, null too, and never fails', () => {
    expect(evaluate('has(event.a)', { a: null })).toBe(true);
    expect(evaluate('has(event.a)')).toBe(false);
    expect(evaluate('has(event.a.b.c)', { a: 'text' })).toBe(false);
    expect(evaluate('has(event.a[1]) || has(event["b c"])', { a: [1] })).toBe(false);
    expect(evaluate('has(event.toString) || has(event.length)', [])).toBe(false);
    expect(problems('has(event)')[0]).toMatchObject({ code: 'wrong_arguments', hint: 'write has(event.field)' });
  });

  test('null may be compared, assigned and given to coalesce', () => {
    const event = { a: null, b: 2 };
    expect(evaluate('event.a == null', event)).toBe(true);
    expect(evaluate('event.a != 5', event)).toBe(true);
    expect(evaluate('event.a == event.b', event)).toBe(false);
    expect(evaluate('event.a', event)).toBe(null);
    expect(evaluate('coalesce(event.a, event.?c, event.b)', event)).toBe(2);
    expect(evaluate('coalesce(event.a, null)', event)).toBe(null);
  });

  test('coalesce does not read beyond the first value', () => {
    expect(evaluate('coalesce(event.b, event.missing)', { b: 0 })).toBe(0);
  });

  test.each([
    'event.a + 1',
    '1 - event.a',
    'event.a * event.b',
    'event.b / event.a',
    '-event.a',
    'event.a < 5',
    'lower(event.a)',
    'abs(event.a)',
    'round(event.a)',
    'string(event.a)',
    'size(event.a)',
    'event.a.x',
  ])('in %s null is an error that names the field', (source) => {
    expect(failure(source, { a: null, b: 2 })).toMatchObject({ code: 'null_operand', path: 'event.a' });
  });

  test('an event that is null or no map has no fields', () => {
    expect(failure('event.a', null)).toMatchObject({ code: 'null_operand', path: 'event' });
    expect(failure('event.a', 'text')).toMatchObject({ code: 'type_mismatch', path: 'event' });
    expect(failure('event.length', [1])).toMatchObject({ code: 'type_mismatch', path: 'event' });
    expect(evaluate('event == null', null)).toBe(true);
    expect(evaluate('event.?a', null)).toBe(null);
    expect(evaluate('event', 5)).toBe(5);
  });

  test('an error in map or set names the field being computed', () => {
    const fields = { total: compiled('event.qty * event.price'), other: compiled('event.other') };
    const scope = { event: { qty: 1, price: null }, key: null, meta };
    for (const run of [compileObject(fields), compileAssign(fields)]) {
      expect(() => run(scope)).toThrowError(
        expect.objectContaining({
          code: 'null_operand',
          path: 'event.price',
          field: 'total',
          message: expect.stringMatching(/^total: event\.price is null/),
        }),
      );
      expect(() => run({ ...scope, event: { qty: 1, price: 2 } })).toThrowError(
        expect.objectContaining({ field: 'other', path: 'event.other' }),
      );
    }
    expect(scope.event).toEqual({ qty: 1, price: null });
  });

  test('messages hold paths and types, never values', () => {
    const event = { secret: 'hunter2', n: 4711 };
    const vars = { pepper: { reveal: () => 'salted' } };
    for (const source of [
      'event.secret * 2',
      'event.secret < event.n',
      'timestamp(event.secret)',
      'json(event.secret)',
      'int(event.secret)',
      'duration(event.secret)',
      'trunc(meta.timestamp, "day", event.secret)',
      'trunc(meta.timestamp, event.secret)',
      'uuid5("x", event.secret)',
      'vars.pepper + event.n',
      'int(event.secret + vars.pepper)',
    ]) {
      expect(failure(source, event, { vars }).message).not.toMatch(/hunter2|4711|salted/);
    }
  });
});

describe('prototypes', () => {
  const names = [
    'constructor',
    '__proto__',
    'toString',
    'hasOwnProperty',
    'length',
    'valueOf',
    'map',
    'at',
    'micros',
    'c',
    '__defineGetter__',
  ];
  test.each(names)('%s is read only where the record has such a field of its own', (name) => {
    expect(failure(`event.${name}`, {}).code).toBe('field_missing');
    expect(failure(`event["${name}"]`, {}).code).toBe('field_missing');
    expect(failure('event[event.n]', { n: name }).code).toBe('field_missing');
    expect(evaluate(`event.?${name}`, {})).toBe(null);
    for (const value of ['text', 5, 5n, [1], meta.timestamp, true]) {
      expect(failure(`event.v.${name}`, { v: value }).code).toBe('type_mismatch');
      expect(evaluate(`has(event.v.${name})`, { v: value })).toBe(false);
    }
    const own: unknown = JSON.parse(`{"${name}": 7}`);
    expect(evaluate(`event.${name}`, own)).toBe(7);
    expect(evaluate(`"${name}" in event`, own)).toBe(true);
    expect(evaluate(`"${name}" in event`, {})).toBe(false);
  });

  test('map and set with a field __proto__ make a field of that name', () => {
    const fields = Object.fromEntries([['__proto__', compiled('event.a')]]);
    for (const run of [compileObject(fields), compileAssign(fields)]) {
      const result = run({ event: { a: { polluted: true } }, key: null, meta });
      expect(Object.getPrototypeOf(result)).toBe(Object.prototype);
      expect(Object.hasOwn(result, '__proto__')).toBe(true);
      expect('polluted' in result).toBe(false);
    }
    const built = evaluate('{"__proto__": 1, event.k: 2}', { k: 'x' }) as object;
    expect(Object.getOwnPropertyNames(built).toSorted()).toEqual(['__proto__', 'x']);
  });

  test('what is written in an expression is never code', () => {
    const nasty = `"); process.exit(1); ("\u2028\n\`\${1}$.add(`;
    const source = JSON.stringify(nasty);
    expect(evaluate(source)).toBe(nasty);
    expect(evaluate(`event[${source}]`, { [nasty]: 1 })).toBe(1);
    expect(failure(`event[${source}]`).code).toBe('field_missing');
    const field = compileObject({ [nasty]: compiled('1') });
    expect(field({ event: {}, key: null, meta })).toEqual({ [nasty]: 1 });
    expect(problems('process.exit(1)')[0]).toMatchObject({ code: 'unknown_function' });
    expect(problems('globalThis')[0]).toMatchObject({ code: 'not_a_field' });
    expect(problems('scope')[0]).toMatchObject({ code: 'not_a_field' });
  });
});
