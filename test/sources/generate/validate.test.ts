import { describe, expect, it } from 'vitest';
import { loadPipeline } from '../../../src/definition/load.ts';
import { planPipeline } from '../../../src/plan/index.ts';

/** What `validate` says of a generator with these options, the first of which stands on line 3. */
async function problemsOf(...options: readonly string[]): Promise<string[]> {
  const lines = ['source:', '  generate:', ...options.map((line) => `    ${line}`), 'sinks: [ { stdout: {} } ]', ''];
  const readFile = (path: string) => (path.endsWith('p.yaml') ? lines.join('\n') : expect.unreachable());
  const loaded = await loadPipeline('p.yaml', { env: {}, mode: 'validate', readFile });
  await planPipeline(loaded);
  return loaded.problems.sorted().map(({ line, column, code, message }) => `${line}:${column} ${code} ${message}`);
}

it('validate accepts every generator, nested ones too', async () => {
  const field = '{ object: { a: { list: { of: { object: { b: { choice: [1, two] }, c: index } } } } } }';
  expect(await problemsOf('rate: 5/m', 'key: event.a.a[0].b', `event: { a: ${field} }`)).toEqual([]);
});

it.for([
  [['event: { id: seqence }'], '3:18 not_a_field seqence is not a name'],
  [['event:', '  qty: { int: { max: 5 } }', '  total: event.qyt * 2'], '5:14 unknown_field event has no field qyt'],
  [
    ['event: { a: { itn: { max: 5 } } }'],
    '3:19 key_unknown source.generate.event.a.itn is unknown; did you mean "int"?',
  ],
  [
    ['event: { a: { int: { max: 1 }, null_ratio: 20 } }'],
    '3:48 value_wrong source.generate.event.a.null_ratio must be at most 1',
  ],
  [
    ['event: { a: { time: { jitter: 5 } } }'],
    '3:35 unit_missing source.generate.event.a.time.jitter is 5, but a duration needs a unit',
  ],
  [
    ['event: { a: { object: { b: { object: { c: { itn: {} } } } } } }'],
    '3:49 key_unknown itn is unknown here; did you mean "int"?',
  ],
  [['event: { a: { object: { b: { int: { min: 2, max: 1 } } } } }'], '3:54 value_wrong max 1 is below min 2'],
  [['rate: 100', 'event: { a: sequence }'], '3:11 unit_missing source.generate.rate is 100, but a rate needs a unit'],
  [['rate: 0/s', 'event: { a: sequence }'], '3:11 value_wrong rate is 0, so no event ever comes'],
  [
    ['clock: { from: 2026-13-01T00:00:00Z, every: 1s }', 'event: { a: time }'],
    '3:20 value_wrong 2026-13-01T00:00:00Z is no time of the calendar',
  ],
  [['event: {}'], '3:12 value_wrong source.generate.event is empty'],
] as const)('validate answers %s at its place', async ([options, problem]) => {
  const problems = await problemsOf(...options);
  expect(problems).toHaveLength(1);
  expect(problems[0]!.startsWith(problem), problems[0]).toBe(true);
});

describe('what a template says of its events', () => {
  const template = `vars: { currency: EUR, limit: 5 }
source:
  generate:
    event:
      id: sequence
      at: timestamp(time)
      currency: vars.currency
      price: { amount: { max: 5 } }
      customer: { object: { name: name, vip: { value: bool, missing_ratio: 0.5 } } }
      lines: { list: { of: { object: { n: { int: { max: 9 } } } } } }
sinks: [ { postgres: { url: "postgres://db/x", table: t, key: [id] } } ]
`;
  const typesOf = async (steps: string) => {
    const { problems, planned } = await planText(`${template}steps:\n${steps}`);
    return { said: problems, event: planned?.types.at(-1) };
  };

  it('are the types of all that follows, as they are behind JSON', async () => {
    const { said, event } = await typesOf(`  - set: { more: 'event.lines.map(l, l.n)' }\n`);
    expect(said).toEqual([]);
    expect(event).toMatchObject({
      fields: {
        id: 'int',
        at: 'string',
        currency: 'string',
        price: 'number',
        customer: { fields: { name: 'string', vip: 'bool' }, required: ['name'] },
        more: { list: 'int' },
      },
    });
  });

  it.for([
    ['filter: event.idd > 1', 'error 13:19 unknown_field'],
    ['filter: event.customer.nmae != ""', 'error 13:28 unknown_field'],
    ['set: { total: event.currency * 2 }', 'error 13:19 type_mismatch'],
    ['filter: event.customer.vip', 'warning 13:28 field_optional'],
  ])('so %s is told of', async ([step, problem]) => {
    expect((await typesOf(`  - ${step}\n`)).said).toEqual([problem]);
  });

  it('is told of too where it reads a var that is not there', async () => {
    const { problems } = await planText(template.replace('vars.currency', 'vars.curency'));
    expect(problems).toEqual(['error 7:17 unknown_field']);
  });
});

async function planText(text: string) {
  const readFile = (path: string) => (path.endsWith('p.yaml') ? text : expect.unreachable());
  const loaded = await loadPipeline('p.yaml', { env: {}, mode: 'validate', readFile });
  const planned = await planPipeline(loaded);
  const problems = loaded.problems.sorted();
  return { planned, problems: problems.map((p) => `${p.severity} ${p.line}:${p.column} ${p.code}`) };
}
