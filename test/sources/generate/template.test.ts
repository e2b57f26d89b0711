import { expect, it } from 'vitest';
import { readTemplate, type TemplateProblem } from '../../../src/sources/generate/template.ts';

function problemsOf(event: Record<string, unknown>, key?: string): TemplateProblem[] {
  const problems: TemplateProblem[] = [];
  readTemplate({ event, ...(key === undefined ? {} : { key }) }, {}, (problem) => problems.push(problem));
  return problems;
}

it.for([
  ['a misspelt word', { id: 'seqence' }, ['event', 'id'], 'not_a_field', 'did you mean sequence?'],
  ['text without quotes', { currency: 'EUR' }, ['event', 'currency'], 'not_a_field', `for the text write '"EUR"'`],
  ['a field that stands further down', { a: 'event.b', b: 1 }, ['event', 'a'], 'unknown_field', undefined],
  [
    'a misspelt field',
    { qty: { int: { max: 2 } }, twice: 'event.qyt * 2' },
    ['event', 'twice'],
    'unknown_field',
    'did you mean qty?',
  ],
  ['types that do not fit', { name: 'name', a: 'event.name * 2' }, ['event', 'a'], 'type_mismatch', undefined],
  [
    'two generators in one field',
    { a: { int: { max: 2 }, choice: [1] } },
    ['event', 'a'],
    'value_wrong',
    'write one of value, int, amount, choice, time, object, list',
  ],
  [
    'bounds the wrong way round',
    { a: { int: { min: 3, max: 2 } } },
    ['event', 'a', 'int', 'max'],
    'value_wrong',
    undefined,
  ],
  ['weights of nothing', { a: { choice: { x: 0 } } }, ['event', 'a', 'choice'], 'value_wrong', undefined],
] as const)('tells of %s, at its place', ([, event, path, code, hint]) => {
  const problems = problemsOf(event);
  expect(problems).toHaveLength(1);
  expect(problems[0]).toMatchObject({ path, code, ...(hint === undefined ? {} : { hint }) });
});

it('finds mistakes however deep they lie', () => {
  const deep = { list: { of: { object: { a: { list: { of: { object: { b: { itn: { max: 3 } } } } } } } } } };
  expect(problemsOf({ deep })[0]).toMatchObject({
    path: ['event', 'deep', 'list', 'of', 'object', 'a', 'list', 'of', 'object', 'b', 'itn'],
    code: 'key_unknown',
    message: 'itn is unknown here; did you mean "int"?',
  });
  expect(problemsOf({ a: { object: { b: { object: { c: { int: { max: 1 }, null_ratio: 20 } } } } } })[0]).toMatchObject(
    {
      code: 'value_wrong',
      message: 'null_ratio must be a share from 0 to 1',
    },
  );
});

it('reads the key against the whole event', () => {
  expect(problemsOf({ id: 'sequence' }, 'event.id')).toEqual([]);
  expect(problemsOf({ id: 'sequence' }, 'event.idd')[0]).toMatchObject({ path: ['key'], hint: 'did you mean id?' });
});
