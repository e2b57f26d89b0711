import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { typeOfJsonSchema } from '../../src/codecs/json-schema.ts';
import { compileExpression, Decimal, EvaluationError, isObjectType, type Type } from '../../src/expressions/index.ts';
import { meta } from './evaluate.ts';

const object = (properties: Readonly<Record<string, unknown>>) => ({
  type: 'object',
  additionalProperties: false,
  required: Object.keys(properties),
  properties,
});
const line = object({ q: { type: 'integer' }, t: { type: 'string' } });
const { type: eventType } = typeOfJsonSchema(
  object({
    i: { type: 'integer' },
    n: { type: ['number', 'null'] },
    s: { type: 'string' },
    b: { type: 'boolean' },
    any: true,
    ints: { type: 'array', items: { type: 'integer' } },
    lines: { type: 'array', items: line },
    map: { type: 'object', additionalProperties: { type: 'integer' } },
    o: object({ i: { type: 'integer' }, line }),
  }),
);

/** Events that fit the schema. `nulls` says how many of their values are null: 0 is none. */
const events = (nulls: number) => {
  const maybe = <T>(value: fc.Arbitrary<T>): fc.Arbitrary<T | null> =>
    fc.oneof({ weight: 5, arbitrary: value }, { weight: nulls, arbitrary: fc.constant(null) });
  const int = maybe(fc.oneof(fc.integer({ min: -3, max: 3 }), fc.constantFrom(9007199254740993n, -9007199254740991)));
  const text = maybe(fc.constantFrom('', 'a', 'B', '7'));
  const number = maybe(fc.oneof(fc.constantFrom(0, 2, 0.5, -2.25), fc.constant(new Decimal('1.10'))));
  const aLine = maybe(fc.record({ q: int, t: text }));
  return fc.record({
    i: int,
    n: number,
    s: text,
    b: maybe(fc.boolean()),
    any: fc.oneof(int, text, number, fc.boolean()),
    // Not empty: what goes over a list is to meet an element.
    ints: maybe(fc.array(int, { minLength: 1, maxLength: 3 })),
    lines: maybe(fc.array(aLine, { minLength: 1, maxLength: 2 })),
    map: maybe(fc.record({ a: int, b: int })),
    o: maybe(fc.record({ i: int, line: aLine })),
  });
};

/** Expressions that evaluate all of their parts: what is not evaluated may be wrong without failing. */
const { text } = fc.letrec<{ text: string; number: string; path: string; literal: string }>((tie) => ({
  text: fc.oneof(
    { maxDepth: 3, depthIdentifier: 'text' },
    tie('path'),
    tie('literal'),
    tie('number'),
    fc
      .tuple(tie('number'), fc.constantFrom('+', '-', '*', '/', '%', '<', '=='), tie('number'))
      .map(([a, operator, b]) => `(${a} ${operator} ${b})`),
    fc.tuple(fc.constantFrom('event.ints', 'event.lines', 'event.any'), tie('number')).map(([a, b]) => `${a}[${b}]`),
    fc.constantFrom('event.s + event.any', 'event.any + "a"', 'event.s + event.lines[0].t', 'event.ints + event.lines'),
    fc
      .tuple(tie('text'), fc.constantFrom('+', '-', '*', '/', '%', '==', '!=', '<', '>=', 'in'), tie('text'))
      .map(([a, operator, b]) => `(${a} ${operator} ${b})`),
    fc.tuple(fc.constantFrom('!', '- '), tie('text')).map(([operator, a]) => `${operator}${a}`),
    fc.array(tie('text'), { minLength: 1, maxLength: 2 }).map((items) => `[${items.join(', ')}]`),
    tie('text').map((a) => `{"x": ${a}}.x`),
    fc.tuple(tie('text'), fc.constantFrom('0', '"a"', 'event.i')).map(([a, index]) => `${a}[${index}]`),
    fc.tuple(tie('path'), tie('text')).map(([list, body]) => `${list}.map(x, ${body.replaceAll('event.i', 'x')})`),
    fc.tuple(tie('path'), fc.constantFrom('x.q', 'x.t', 'x')).map(([list, body]) => `${list}.map(x, ${body})`),
    fc
      .tuple(
        fc.constantFrom('lower', 'size', 'abs', 'string', 'double', 'int', 'decimal', 'round', 'upper'),
        tie('text'),
      )
      .map(([name, a]) => `${name}(${a})`),
  ),
  number: fc.constantFrom(
    'event.i',
    'event.n',
    'event.any',
    'event.o.i',
    'event.ints[0]',
    '0',
    '1',
    '2',
    '2.5',
    'size(event.s)',
  ),
  path: fc.constantFrom(
    ...[
      'i',
      'n',
      's',
      'b',
      'any',
      'ints',
      'lines',
      'map',
      'o',
      'o.i',
      'o.line.q',
      'lines[0].t',
      'map.a',
      '?o.line.t',
    ].map((path) => `event.${path}`),
  ),
  literal: fc.constantFrom('1', '0', '2.5', '"a"', '"7"', 'true', 'null'),
}));

const several = <T>(one: fc.Arbitrary<T>): fc.Arbitrary<T[]> => fc.array(one, { minLength: 3, maxLength: 3 });

type Outcome = { readonly value: unknown } | { readonly failed: string };

function outcome(run: () => unknown): Outcome {
  try {
    return { value: run() };
  } catch (error) {
    if (error instanceof EvaluationError) return { failed: error.code };
    throw error;
  }
}

/** True where a value is of the type. Each may be null. */
function fits(value: unknown, type: Type): boolean {
  if (value === null || type === 'dyn') return true;
  if (isObjectType(type))
    return (
      typeof value === 'object' &&
      Object.entries(type.fields).every(([name, inner]) => fits((value as Record<string, unknown>)[name], inner))
    );
  if (typeof type === 'object') {
    if ('list' in type) return Array.isArray(value) && value.every((item) => fits(item, type.list));
    return typeof value === 'object' && Object.values(value).every((item) => fits(item, type.map));
  }
  const isNumber = typeof value === 'number' || typeof value === 'bigint';
  switch (type) {
    case 'int':
      return typeof value === 'bigint' || Number.isInteger(value);
    case 'double':
      return typeof value === 'number';
    case 'decimal':
      return value instanceof Decimal;
    case 'number':
      return isNumber || value instanceof Decimal;
    case 'bool':
      return typeof value === 'boolean';
    case 'string':
      return typeof value === 'string';
    default:
      return false;
  }
}

// What evaluates and is refused nevertheless: a comparison that gives the same on every event, and % of a double, which
// works only on those doubles that happen to be whole.
const neverMeant = /these are never equal|^% does not take .* a double/;

test('what is refused for its types fails on events of these types, and what is taken gives the type it is said to give', () => {
  let refused = 0;
  let taken = 0;
  fc.assert(
    fc.property(text, several(events(0)), several(events(1)), (source, full, others) => {
      const untyped = compileExpression(source);
      if (!untyped.ok) return;
      const typed = compileExpression(source, { event: eventType });
      const scopes = [...full, ...others].map((event) => ({ event, key: null, meta }));
      if (!typed.ok) {
        if (typed.problems.some(({ message }) => neverMeant.test(message))) return;
        refused++;
        // Null may go where no other value of the type can.
        for (const scope of scopes.slice(0, full.length))
          expect(
            outcome(() => untyped.expression.evaluate(scope)),
            typed.problems[0]?.message,
          ).toHaveProperty('failed');
        return;
      }
      for (const scope of scopes) {
        const result = outcome(() => typed.expression.evaluate(scope));
        if ('failed' in result) continue;
        taken++;
        expect(fits(result.value, typed.expression.type), `${source} as ${JSON.stringify(typed.expression.type)}`).toBe(
          true,
        );
      }
    }),
    { numRuns: 4000 },
  );
  expect(refused).toBeGreaterThan(500);
  expect(taken).toBeGreaterThan(2000);
});
