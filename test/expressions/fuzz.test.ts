import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { compileExpression, compileObject, Decimal, EvaluationError } from '../../src/expressions/index.ts';
import { meta } from './evaluate.ts';
import { Failure, interpret } from './interpreter.ts';

const names = ['a', 'b', 'c', 'link', 'constructor', '__proto__', 'length', 'toString'];

const { value } = fc.letrec((tie) => ({
  value: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    fc.constantFrom(
      null,
      true,
      false,
      0,
      1,
      -1,
      2,
      7,
      0.5,
      -2.25,
      1e300,
      9007199254740991,
      -9007199254740991,
      9007199254740993n,
      9223372036854775807n,
      '',
      'a',
      'B',
    ),
    fc.integer(),
    fc.constantFrom('1.10', '-0.001', '9223372036854775808').map((text) => new Decimal(text)),
    fc.array(tie('value'), { maxLength: 3 }),
    fc.dictionary(fc.constantFrom(...names), tie('value'), { maxKeys: 3, noNullPrototype: true }),
  ),
}));

const event = fc
  .array(fc.tuple(fc.constantFrom(...names), value), { maxLength: 8 })
  .map((entries) => Object.fromEntries(entries) as Record<string, unknown>);

const { text } = fc.letrec<{ text: string; path: string; leaf: string }>((tie) => ({
  text: fc.oneof(
    { maxDepth: 4, depthIdentifier: 'text' },
    tie('leaf'),
    tie('path'),
    fc
      .tuple(
        tie('text'),
        fc.constantFrom('+', '-', '*', '/', '%', '==', '!=', '<', '<=', '>', '>=', '&&', '||', 'in'),
        tie('text'),
      )
      .map(([a, o, b]) => `(${a} ${o} ${b})`),
    fc.tuple(fc.constantFrom('!', '- '), tie('text')).map(([o, a]) => `${o}${a}`),
    fc.tuple(tie('text'), tie('text'), tie('text')).map(([a, b, c]) => `(${a} ? ${b} : ${c})`),
    fc.array(tie('text'), { maxLength: 3 }).map((items) => `[${items.join(', ')}]`),
    fc.tuple(tie('text'), tie('text')).map(([a, b]) => `{"x": ${a}, "__proto__": ${b}}`),
    fc
      .tuple(tie('path'), fc.constantFrom('all', 'exists', 'exists_one', 'map', 'filter'), tie('text'))
      .map(([list, macro, body]) => `${list}.${macro}(x, ${body.replaceAll('event.a', 'x')})`),
    fc.tuple(tie('text'), tie('text')).map(([a, b]) => `coalesce(${a}, ${b})`),
    fc.tuple(fc.constantFrom('lower', 'size'), tie('text')).map(([name, a]) => `${name}(${a})`),
    tie('path').map((path) => `has(${path.replace(/\[[^\]]*\]/g, '')})`),
  ),
  path: fc
    .tuple(
      fc.constantFrom(...names),
      fc.array(
        fc.oneof(fc.constantFrom(...names.map((name) => `.${name}`), '[0]', '[1]'), fc.constantFrom('.?a', '.?length')),
        { maxLength: 2 },
      ),
    )
    .map(([name, rest]) => `event.${name}${rest.join('')}`),
  leaf: fc.constantFrom('1', '0', '2.5', '-3', '9007199254740991', '"a"', '""', 'null', 'true', 'false'),
}));

function outcome(run: () => unknown): string {
  try {
    return show(run());
  } catch (error) {
    if (error instanceof EvaluationError || error instanceof Failure) return `error ${error.code}`;
    throw error;
  }
}

/** -0 is 0, and decimals show their kind. */
const show = (result: unknown): string =>
  JSON.stringify(result, function (this: Record<string, unknown>, key, plain: unknown) {
    const original = key === '' ? result : this[key];
    if (original instanceof Decimal) return `decimal ${original.eq(0) ? 0 : original.toString()}`;
    return typeof original === 'bigint' ? `bigint ${original}` : plain;
  });

test('compiled code does what a plain interpreter does', () => {
  let compared = 0;
  fc.assert(
    fc.property(text, fc.array(event, { minLength: 1, maxLength: 4 }), (source, events) => {
      const compiled = compileExpression(source);
      if (!compiled.ok) return;
      const { expression } = compiled;
      const build = compileObject({ first: expression, second: expression });
      for (const one of events) {
        const scope = { event: one, key: null, meta };
        const expected = outcome(() => interpret(expression.tree, { event: one }));
        expect(outcome(() => expression.evaluate(scope))).toBe(expected);
        if (!expected.startsWith('error'))
          expect(outcome(() => build(scope))).toBe(`{"first":${expected},"second":${expected}}`);
        compared++;
      }
    }),
    { numRuns: 3000 },
  );
  expect(compared).toBeGreaterThan(2000);
});

const number = fc.oneof(
  fc.constantFrom(
    0,
    1,
    -1,
    2,
    3,
    0.5,
    -2.25,
    1e300,
    -1e-300,
    9007199254740991,
    -9007199254740991,
    3037000500,
    9007199254740993n,
    9223372036854775807n,
    -9223372036854775808n,
  ),
  fc.integer(),
  fc.maxSafeInteger(),
  fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
  fc.double({ noNaN: true, noDefaultInfinity: true, min: -1e200, max: 1e200 }),
  fc.integer({ min: -5000, max: 5000 }).map((cents) => new Decimal(cents).div(100)),
);

test('operators on two values do what a plain interpreter does, whatever the values', () => {
  const operators = ['+', '-', '*', '/', '%', '==', '!=', '<', '<=', '>', '>=', 'in'];
  const sources = operators.flatMap((operator) => [
    `event.a ${operator} event.b`,
    ...(operator === 'in' ? [] : [`event.a ${operator} 7`, `3 ${operator} event.a`]),
  ]);
  const doubles = ['+', '-', '*', '/'].map((operator) => `event.a ${operator} 2.5`);
  const expressions = [...sources, ...doubles].map((source) => {
    const compiled = compileExpression(source);
    if (!compiled.ok) throw new Error(source);
    return compiled.expression;
  });
  fc.assert(
    fc.property(
      fc.oneof({ weight: 3, arbitrary: number }, value),
      fc.oneof({ weight: 3, arbitrary: number }, value),
      (a, b) => {
        const one = { a, b };
        for (const { text: source, tree, evaluate } of expressions) {
          expect(`${source}: ${outcome(() => evaluate({ event: one, key: null, meta }))}`).toBe(
            `${source}: ${outcome(() => interpret(tree, { event: one }))}`,
          );
        }
      },
    ),
    { numRuns: 700 },
  );
});

test('no text makes the compiler fail otherwise than with problems inside the text', () => {
  const fragments = [
    'event',
    '.a',
    '.?b',
    '[0]',
    '(',
    ')',
    '{',
    '}',
    '"',
    "'",
    '\\',
    '+',
    '-',
    '==',
    '=',
    '&',
    '&&',
    ' in ',
    '?',
    ':',
    ',',
    '1',
    '1e9',
    '0x',
    '.',
    'x',
    '[1].map(x, ',
    'lower(',
    'r"',
    '\n',
    '😀',
    '${',
    'not ',
  ];
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string(),
        fc.array(fc.constantFrom(...fragments), { maxLength: 12 }).map((parts) => parts.join('')),
      ),
      (source) => {
        const result = compileExpression(source);
        if (result.ok) return;
        for (const { start, end, message } of result.problems) {
          expect(message).not.toBe('');
          expect(start).toBeGreaterThanOrEqual(0);
          expect(end).toBeGreaterThanOrEqual(start);
          expect(end).toBeLessThanOrEqual(source.length);
        }
      },
    ),
    { numRuns: 3000 },
  );
});
