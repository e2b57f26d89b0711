import { describe, expect, it } from 'vitest';
import { loadPipeline } from '../../src/definition/load.ts';
import { type Plan, planPipeline } from '../../src/plan/index.ts';

const source = 'source: { file: { path: in.ndjson } }\n';
const sinks = 'sinks: [ { stdout: {} } ]\n';

/** Plans text as `/p/orders.yaml`, with the environment given. */
async function plan(text: string, env: Readonly<Record<string, string>> = {}) {
  const loaded = await loadPipeline('/p/orders.yaml', {
    env,
    mode: 'validate',
    readFile(path) {
      if (path === '/p/orders.yaml') return text;
      throw Object.assign(new Error('no such file'), { code: 'ENOENT' });
    },
  });
  return { planned: await planPipeline(loaded), problems: loaded.problems };
}

const said = async (text: string) =>
  (await plan(text)).problems.sorted().map(({ line, column, code }) => `${line}:${column} ${code}`);

async function planned(text: string, env?: Readonly<Record<string, string>>): Promise<Plan> {
  const { planned: found, problems } = await plan(text, env);
  if (found === null)
    throw new Error(
      problems
        .sorted()
        .map(({ message }) => message)
        .join('\n'),
    );
  return found;
}

describe('expressions that can not be compiled', () => {
  it.for(['set', 'map'])('of %s are a problem with its place, and the plan is none', async (step) => {
    const text = `${source}steps:\n  - ${step}: { a: event.x +, b: event.ok }\n${sinks}`.replace(
      'event.x +',
      "'event.x +'",
    );
    expect(await said(text)).toEqual(['3:25 syntax']);
    expect((await plan(text)).planned).toBeNull();
  });

  it('of when, version and time.field are told with their place', async () => {
    const text = `${source}time: { field: EUR }\nsinks:\n  - stdout: {}\n    when: evnt.a\n    version: event.\n`;
    expect(await said(text)).toEqual(['2:16 not_a_field', '5:11 not_a_field', '6:20 syntax']);
  });

  it('are told in the same run as what else is wrong, also beside it and when there is no source', async () => {
    const set = 'steps:\n  - set:\n      a: EUR\n      b: { c: 1 }\n';
    expect(await said(`${source}${set}${sinks}`)).toEqual(['4:10 not_a_field', '5:10 type_wrong']);
    expect(await said(`vars: { n: 1 }\nsteps: [ { filter: vars.n == evnt.a } ]\nsrouce: {}\n${sinks}`)).toEqual([
      '2:30 not_a_field',
      '3:1 key_unknown',
    ]);
  });

  it('a condition that gives no truth value is one of them', async () => {
    expect(await said(`${source}steps: [ { filter: 1 + 1 } ]\n${sinks}`)).toEqual(['2:20 type_mismatch']);
  });

  it('`${...}` within the quotes of a text is pointed at, since it is not filled in', async () => {
    expect(await said(`${source}steps: [ { filter: 'event.a == "\${A}"' } ]\n${sinks}`)).toEqual([
      '2:33 interpolation_in_expression',
    ]);
  });
});

describe('time.field', () => {
  it.for([
    ['ms', '1700000000000'],
    ['s', '1700000000'],
    ['us', '1700000000000000'],
  ] as const)('with unit %s is read as a number', async ([unit, value]) => {
    const {
      inputs: [{ steps }],
    } = await planned(`${source}time: { field: ${value}, unit: ${unit} }\n${sinks}`);
    expect(steps.map(({ stage }) => stage)).toEqual(['timestamp']);
  });

  it('with a unit is no text', async () => {
    expect(await said(`${source}time: { field: '"2026-01-01T00:00:00Z"', unit: ms }\n${sinks}`)).toEqual([
      '2:16 type_mismatch',
    ]);
  });
});

describe('fields', () => {
  const fieldsAfter = async (steps: string) =>
    (await planned(`${source}steps: [ ${steps} ]\n${sinks}`)).sinks[0]?.fields;

  it('are not known before a map and known after it', async () => {
    expect(await fieldsAfter('{ filter: true }')).toBeNull();
    expect(await fieldsAfter('{ set: { a: 1 } }')).toBeNull();
    expect(await fieldsAfter('{ map: { a: 1, b: 2 } }')).toEqual(['a', 'b']);
  });

  it('follow set, drop and keep', async () => {
    expect(await fieldsAfter('{ map: { a: 1, b: 2 } }, { set: { c: 3, a: 4 } }, { drop: [b] }')).toEqual(['a', 'c']);
    expect(await fieldsAfter('{ map: { a: 1, b: 2 } }, { keep: [b] }')).toEqual(['b']);
  });
});

describe('otherwise', () => {
  const with3 = (a: string, b: string) =>
    `${source}sinks:\n  - { stdout: {}, name: a, when: ${a} }\n  - { stdout: {}, name: b, when: ${b} }\n`;

  it('takes what no other sink took', async () => {
    const { sinks: routes } = await planned(with3('event.a', 'otherwise'));
    expect(routes.map(({ otherwise, when }) => [otherwise, when === null])).toEqual([
      [false, false],
      [true, true],
    ]);
  });

  it('twice is an error at the second; alone it is a warning', async () => {
    expect(await said(with3('otherwise', 'otherwise'))).toEqual(['3:34 otherwise_alone', '4:34 otherwise_twice']);
  });
});

describe('the hash', () => {
  const text =
    "source: { kafka: { topic: a } }\nsteps: [ { filter: event.a > 1 } ]\nvars: { p: '${P:-x}' }\nsinks: [ { postgres: { url: '${PG}', table: t, key: [id] } } ]\n";
  const hash = async (from: string, env: Readonly<Record<string, string>> = {}) =>
    (await planned(from, { PG: 'postgres://a:first-password@one/db', ...env })).hash;

  it('stays with where the services are and who logs in', async () => {
    const first = await hash(text);
    expect(await hash(text, { PG: 'postgres://b:second-password@two:5433/other' })).toBe(first);
    expect(await hash(text, { KAFKA_BROKERS: 'elsewhere:9092' })).toBe(first);
    expect(await hash(`description: other words\n${text}`)).toBe(first);
  });

  it.for([
    ['a condition', 'event.a > 1', 'event.a > 2'],
    ['a table', 'table: t', 'table: u'],
    ['a topic', 'topic: a', 'topic: b'],
    ['a var', ':-x', ':-y'],
  ] as const)('changes with %s', async ([, before, after]) => {
    expect(await hash(text.replace(before, after))).not.toBe(await hash(text));
  });
});
