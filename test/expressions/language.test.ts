import { describe, expect, test } from 'vitest';
import { compileAssign, compileObject, compileTemplate, unknownVar } from '../../src/expressions/index.ts';
import { compiled, evaluate, failure, meta, problems } from './evaluate.ts';

describe('names', () => {
  test('event, key, meta and vars can be read', () => {
    expect(evaluate('event.a', { a: 1 })).toBe(1);
    expect(evaluate('key')).toBe('k1');
    expect(evaluate('[meta.topic, meta.partition, meta.offset, meta.source, meta.late, meta.headers.trace]')).toEqual([
      'orders',
      3,
      41,
      'shop',
      false,
      'abc',
    ]);
    expect(evaluate('meta.timestamp')).toBe(meta.timestamp);
    expect(evaluate('vars.min + vars.list[1]', {}, { vars: { min: 2, list: [1, 5] } })).toBe(7);
    expect(failure('meta.headers.absent')).toMatchObject({ code: 'field_missing', path: 'meta.headers.absent' });
  });

  test('a place may allow fewer or other names', () => {
    expect(problems('event.a', { names: ['key'] })[0]!.code).toBe('not_a_field');
    const before = compiled('before.a == event.a', { names: ['event', 'before'] });
    expect(before.evaluate({ event: { a: 1 }, before: { a: 1 }, key: null, meta } as never)).toBe(true);
  });

  test('reads lists the paths that are read', () => {
    expect(
      compiled('event.customer.id + meta.topic + vars.p + event.lines[0].sku + event.lines.map(x, x.a)[0]', {
        vars: { p: 'x' },
      }).reads,
    ).toEqual(['event.customer.id', 'meta.topic', 'vars.p', 'event.lines']);
  });

  test('a secret var is used but stands neither in the tree nor in the text', () => {
    const expression = compiled('vars.pepper + event.a', { vars: { pepper: { reveal: () => 'hunter2' } } });
    expect(expression.evaluate({ event: { a: '!' }, key: null, meta })).toBe('hunter2!');
    expect(JSON.stringify(expression)).not.toContain('hunter2');
  });

  test('a var that is not known yet passes the check and fails only when it is read', () => {
    const options = { vars: { later: unknownVar } };
    expect(problems('matches(event.a, vars.later) && vars.later > 3', options)).toEqual([]);
    expect(failure('vars.later', {}, options)).toMatchObject({ code: 'invalid_argument', path: 'vars.later' });
  });
});

describe('values and operators', () => {
  test('YAML numbers, true, false and null are themselves', () => {
    expect([5, 1.5, true, false, null, 123n].map((value) => evaluate(value))).toEqual([
      5,
      1.5,
      true,
      false,
      null,
      123n,
    ]);
    expect(problems(['a'])[0]!.code).toBe('not_an_expression');
    expect(problems({ a: 1 })[0]!.code).toBe('not_an_expression');
    expect(problems(undefined)[0]!.code).toBe('not_an_expression');
  });

  test.each([
    [`"a\\n\\u00e9\\x41\\101\\\\"`, 'a\néAA\\'],
    [`'it''s'`.replace("''", "\\'"), "it's"],
    [`r"\\d+"`, '\\d+'],
    [`"""two\nlines"""`, 'two\nlines'],
    ['"a" + "b" + event.s', 'abz'],
    ['[1, "a", null][1]', 'a'],
    ['{"a": 1, "b": [2]}.b[0]', 2],
    ['[1] + [2, 3] == [1, 2, 3]', true],
    ['2 in [1, 2]', true],
    ['"a" in {"a": null}', true],
    ['"z" in event', false],
    ['event.s == "z" ? 1 : 2', 1],
    ['false ? 1 : true ? 2 : 3', 2],
    ['1 == 1 && !(2 < 1) || false', true],
    ['{"a": [1, 2.0]} == {"a": [1, 2]}', true],
    ['"abc" < "abd" && "b" > "a"', true],
    ['event == event', true],
  ])('%s', (source, value) => {
    expect(evaluate(source, { s: 'z' })).toEqual(value);
  });

  test('== on values of different kinds is false', () => {
    const event = { s: '1', n: 1, b: true, l: [1], m: {}, x: null, t: meta.timestamp };
    for (const [a, b] of [
      ['s', 'n'],
      ['n', 'b'],
      ['l', 'm'],
      ['m', 'x'],
      ['t', 'n'],
      ['s', 't'],
    ]) {
      expect(evaluate(`event.${a} == event.${b}`, event)).toBe(false);
      expect(evaluate(`event.${a} != event.${b}`, event)).toBe(true);
    }
  });

  test('== on kinds that are known to differ is a problem', () => {
    expect(problems('lower(event.a) == 5')[0]).toMatchObject({
      code: 'type_mismatch',
      hint: expect.stringContaining('int('),
    });
    expect(problems('size(event.a) == "5"')[0]).toMatchObject({
      code: 'type_mismatch',
      hint: 'write 5 without quotes',
    });
    expect(problems('lower(event.a) in [1, 2]')[0]!.code).toBe('type_mismatch');
    expect(problems('event.a == 5 || lower(event.a) == null')).toEqual([]);
  });

  test('< on different kinds is an error', () => {
    expect(failure('event.a < event.b', { a: 1, b: '2' })).toMatchObject({ code: 'type_mismatch', path: 'event.a' });
    expect(failure('event.a >= event.a', { a: true })).toMatchObject({ code: 'type_mismatch', path: 'event.a' });
    expect(problems('"a" < 5')[0]!.code).toBe('type_mismatch');
    expect(problems('1 < event.a < 5')[0]).toMatchObject({
      code: 'type_mismatch',
      hint: 'comparisons do not chain: write a < b && b < c',
    });
  });

  test('&& and || go from left to right and stop as soon as the answer is known', () => {
    expect(evaluate('false && event.missing')).toBe(false);
    expect(evaluate('true || event.missing')).toBe(true);
    expect(failure('event.missing && false').code).toBe('field_missing');
  });

  test('a condition is true or false, never anything like it', () => {
    for (const source of [
      'event.a && true',
      'true && event.a',
      '!event.a',
      'event.a ? 1 : 2',
      'cases(event.a, 1, 2)',
      '[1].exists(x, event.a)',
    ]) {
      expect(failure(source, { a: 1 })).toMatchObject({ code: 'type_mismatch', path: 'event.a' });
      expect(failure(source, { a: null })).toMatchObject({ code: 'null_operand', path: 'event.a' });
    }
    expect(problems('1 && true')[0]!.code).toBe('type_mismatch');
    expect(problems('event.a + 1 ? 1 : 2')[0]!.code).toBe('type_mismatch');
  });

  test('where true or false is needed, other types are problems, and other values errors', () => {
    expect(problems('event.a + 1', { expected: 'bool' })[0]).toMatchObject({ code: 'type_mismatch' });
    expect(evaluate('event.a', { a: true }, { expected: 'bool' })).toBe(true);
    expect(failure('event.a', { a: 'true' }, { expected: 'bool' })).toMatchObject({
      code: 'type_mismatch',
      path: 'event.a',
    });
  });

  test('loops go over lists', () => {
    const event = {
      lines: [
        { n: 1, ok: true },
        { n: 2, ok: false },
        { n: 3, ok: true },
      ],
    };
    expect(evaluate('event.lines.all(x, x.n > 0)', event)).toBe(true);
    expect(evaluate('event.lines.exists(x, x.n == 2)', event)).toBe(true);
    expect(evaluate('event.lines.exists_one(x, x.ok)', event)).toBe(false);
    expect(evaluate('event.lines.filter(x, x.ok).map(x, x.n * 10)', event)).toEqual([10, 30]);
    expect(evaluate('event.lines.map(x, x.ok, x.n)', event)).toEqual([1, 3]);
    expect(evaluate('[[1, 2], [3]].map(row, row.map(x, x + size(row)))')).toEqual([[3, 4], [4]]);
    expect(evaluate('[1, 2].map(x, [x].map(x, x * 2)[0] + x)')).toEqual([3, 6]);
    expect(failure('event.lines.map(x, x.missing)', event)).toMatchObject({ code: 'field_missing', path: 'x.missing' });
    expect(failure('event.a.all(x, true)', { a: {} })).toMatchObject({ code: 'type_mismatch', path: 'event.a' });
    expect(problems('[1].map(event, event)')[0]!.code).toBe('unknown_name');
  });

  test('cases takes the first value whose condition is true', () => {
    const source = 'cases(event.n < 10, "small", event.n < 100, "middle", "large")';
    expect([5, 50, 500].map((n) => evaluate(source, { n }))).toEqual(['small', 'middle', 'large']);
    expect(problems('cases(event.a, 1)')[0]!.code).toBe('wrong_arguments');
  });

  test('types are inferred', () => {
    const types = [
      'event.a == 1',
      '1 + 2',
      '1 + 2.0',
      'event.a * 2',
      'lower(event.a)',
      'event.a',
      '[1]',
      'decimal("1") * 2',
      'meta.timestamp - duration("1d")',
      'true ? 1 : 2.5',
    ];
    expect(types.map((source) => compiled(source).type)).toEqual([
      'bool',
      'int',
      'double',
      'number',
      'string',
      'dyn',
      { list: 'int' },
      'decimal',
      'timestamp',
      'number',
    ]);
  });
});

describe('map and set', () => {
  test('compileObject builds an object with the fields in their order', () => {
    const build = compileObject({ b: compiled('event.x + 1'), a: compiled('"t"'), c: compiled(null) });
    const result = build({ event: { x: 1 }, key: null, meta });
    expect(Object.entries(result)).toEqual([
      ['b', 2],
      ['a', 't'],
      ['c', null],
    ]);
  });

  test('compileAssign computes every field against the event as it was', () => {
    const set = compileAssign({ a: compiled('event.b'), b: compiled('event.a') });
    const event = { a: 1, b: 2, c: 3 };
    expect(set({ event, key: null, meta })).toBe(event);
    expect(event).toEqual({ a: 2, b: 1, c: 3 });
    expect(() => set({ event: null, key: null, meta })).toThrowError(
      expect.objectContaining({ code: 'null_operand', path: 'event' }),
    );
  });

  test('fields with vars of the same name in different environments keep their own', () => {
    const build = compileObject({
      a: compiled('vars.x', { vars: { x: 'one' } }),
      b: compiled('vars.x', { vars: { x: 'two' } }),
    });
    expect(build({ event: {}, key: null, meta })).toEqual({ a: 'one', b: 'two' });
  });
});

describe('templates', () => {
  const render = (text: string, event: unknown) => {
    const result = compileTemplate(text, { vars: {} });
    if (!result.ok) throw new Error(result.problems[0]!.message);
    return result.expression.evaluate({ event, key: null, meta });
  };

  test.each([
    ['order:{event.id}', 'order:7'],
    ['{event.id}', '7'],
    ['{event.id}-{event.name}', '7-x'],
    ['plain', 'plain'],
    ['', ''],
    ['{{event.id}}', '{event.id}'],
    ['{{{event.id}}}', '{7}'],
    ['{ {"a": "}"}.a }!', '}!'],
    ['{meta.timestamp}', '2023-11-14T22:13:20.000Z'],
  ])('%j', (text, value) => {
    expect(render(text, { id: 7, name: 'x' })).toBe(value);
  });

  test('null has no text', () => {
    expect(() => render('a:{event.id}', { id: null })).toThrowError(
      expect.objectContaining({ code: 'null_operand', path: 'event.id' }),
    );
  });

  test('problems have their place in the whole text', () => {
    const result = compileTemplate('order:{event.id +}');
    expect(result).toMatchObject({ ok: false, problems: [{ code: 'syntax', start: 17 }] });
    expect(compileTemplate('a{')).toMatchObject({ ok: false, problems: [{ start: 1 }] });
    expect(compileTemplate('a{ }')).toMatchObject({ ok: false, problems: [{ start: 1, end: 4 }] });
    expect(compileTemplate('ab{lowr(event.a)}')).toMatchObject({
      ok: false,
      problems: [{ code: 'unknown_function', start: 3, end: 7, hint: 'did you mean lower?' }],
    });
  });
});
