import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { runTestFile } from '../../src/testing/run.ts';
import { Workspace, pipelineOf } from './workspace.ts';

let workspace: Workspace;
beforeEach(() => {
  workspace = new Workspace();
});
afterEach(() => workspace.close());

const pipeline = pipelineOf(
  '  - filter: event.n > vars.min\n    name: enough',
  '[ { stdout: {}, name: out }, { discard: {}, name: rest } ]',
  "vars: { min: 1, pepper: '${PEPPER}' }\n",
);

/** `line:column code message` of each problem. */
async function problems(tests: string, of = pipeline): Promise<string[]> {
  const result = await workspace.run(of, tests);
  expect(result.cases).toEqual([]);
  return result.problems.map(({ line, column, code, message }) => `${line}:${column} ${code} ${message}`);
}

const one = (body: string) => `cases:\n  - name: c\n${body}`;

describe('a test file that is wrong says where and what to do', () => {
  it.for([
    [
      'an unknown key',
      one('    evnets: [1]\n    expect: {}\n'),
      ['3:5 key_unknown cases[0].evnets is unknown; did you mean "events"?'],
    ],
    [
      'an unknown key of a record',
      one('    records: [{ value: 1, partiton: 1 }]\n    expect: {}\n'),
      ['3:27 key_unknown cases[0].records[0].partiton is unknown; did you mean "partition"?'],
    ],
    [
      'a clock move without a unit',
      one('    records: [{ advance: 5 }]\n    expect: {}\n'),
      ['3:26 unit_missing cases[0].records[0].advance is 5, but a duration needs a unit: 5s'],
    ],
    [
      'a time without its zone',
      one('    now: 2026-01-01T00:00:00\n    events: [1]\n    expect: {}\n'),
      ['3:10 value_wrong cases[0].now has no zone'],
    ],
    [
      'a record that is two things',
      one('    records: [{ value: 1, text: a }]\n    expect: {}\n'),
      ['3:27 option_not_applicable cases[0].records[0] has value and text'],
    ],
    [
      'a record that is none',
      one('    records: [{ key: a }]\n    expect: {}\n'),
      ['3:15 option_not_applicable cases[0].records[0] has no value'],
    ],
    [
      'offsets that do not rise',
      one('    records: [{ value: 1, offset: 5 }, { value: 1, offset: 5 }]\n    expect: {}\n'),
      ['3:60 value_wrong offset 5 is not above 5, the one before it in its partition'],
    ],
    [
      'text that is not base64',
      one('    records: [{ base64: "%" }]\n    expect: {}\n'),
      ['3:25 value_wrong cases[0].records[0].base64 is not base64'],
    ],
    ['neither events nor records', one('    expect: {}\n'), ['2:5 key_missing cases[0] needs `events` or `records`']],
    [
      'a sink the pipeline does not have',
      one('    events: [1]\n    expect: { rows: { outt: [] } }\n'),
      ['4:23 key_unknown the pipeline has no sink outt; did you mean "out"?'],
    ],
    [
      'rows without the name of their sink',
      one('    events: [1]\n    expect: { rows: [] }\n'),
      ['4:15 type_wrong cases[0].expect.rows must name the sinks: the pipeline has out and rest'],
    ],
    [
      'a stage the pipeline does not have',
      one('    events: [1]\n    expect: { dead_letters: [{ stage: step:enoug }] }\n'),
      ['4:39 value_wrong the pipeline has no stage step:enoug; did you mean "step:enough"?'],
    ],
    [
      'a var the pipeline does not have',
      one('    events: [1]\n    vars: { mim: 2 }\n    expect: {}\n'),
      ['4:13 key_unknown the pipeline has no var mim; did you mean "min"?'],
    ],
    [
      'a lookup the pipeline does not have',
      one('    events: [1]\n    lookups: { customers: {} }\n    expect: {}\n'),
      ['4:16 key_unknown no step of the pipeline reads a lookup customers'],
    ],
    [
      'two cases of one name',
      `${one('    events: [1]\n    expect: {}\n')}  - { name: c, events: [1], expect: {} }\n`,
      ['5:13 name_duplicate another case of this file has this name'],
    ],
    ['YAML that is none', one('    events: [1\n'), ['3:13 yaml_syntax this [ is never closed']],
    ['an empty file', '', ['1:1 file_empty the file is empty']],
    ['no cases', 'now: 2026-01-01T00:00:00Z\n', ['1:1 key_missing the file needs `cases:`']],
    [
      'a pipeline that is not there',
      'pipeline: none.yaml\ncases: [{ name: c, events: [1], expect: {} }]\n',
      [expect.stringMatching(/^1:11 file_not_found there is no pipeline .*none.yaml$/) as string],
    ],
  ] as const)('%s', async ([, tests, expected]) => {
    expect(await problems(tests)).toEqual(expected);
  });

  it('a lookup without rows', async () => {
    const lookups = 'lookups: { customers: { file: { path: c.csv, key: id } } }\n';
    const enriched = pipelineOf('  - enrich: { from: customers, on: event.c }', undefined, lookups);
    expect(await problems(one('    events: [1]\n    expect: {}\n'), enriched)).toEqual([
      '2:5 key_missing the pipeline reads lookup customers, and the case has no rows for it',
    ]);
  });

  it('a var that comes from outside, where the pipeline reads it', async () => {
    const reads = pipeline.replace('vars.min', 'size(vars.pepper)');
    expect(await problems(one('    events: [1]\n    expect: {}\n'), reads)).toEqual([
      '2:5 variable_unset vars.pepper comes from the environment and has no value in a test',
    ]);
    const result = await workspace.run(
      reads,
      one('    events: [{ n: 5 }]\n    vars: { pepper: abc }\n    expect: { filtered: 0 }\n'),
    );
    expect(result).toMatchObject({ problems: [], cases: [{ differences: [] }] });
  });

  it('a test that stands beside no pipeline', async () => {
    const file = workspace.write('lonely.test.yaml', one('    events: [1]\n    expect: {}\n'));
    expect((await runTestFile(file)).problems).toMatchObject([
      { code: 'file_not_found', message: `there is no ${join(workspace.directory, 'lonely.yaml')} to test` },
    ]);
  });

  it('a pipeline that is wrong is told of once, with its own place', async () => {
    const broken = pipeline.replace('event.n >', 'event.n >>');
    const result = await workspace.run(
      broken,
      `cases:\n${['a', 'b'].map((name) => `  - { name: ${name}, events: [1], expect: {} }\n`).join('')}`,
    );
    expect(result.problems).toHaveLength(1);
    expect(result.problems[0]).toMatchObject({ file: join(workspace.directory, 'orders.yaml'), line: 3 });
    expect(result.cases).toEqual([]);
  });
});

describe('a record of a pipeline with several sources', () => {
  const merged = `sources:
  orders: { kafka: { topic: shop.orders } }
  payments: { kafka: { topics: '/^pay\\./' } }
sinks: [ { stdout: {} } ]
`;

  it.for([
    [
      'must say where it comes from',
      one('    records: [{ value: 1 }]\n    expect: {}\n'),
      ['3:15 value_wrong cases[0].records[0] must say which source it comes from'],
    ],
    [
      'can not be an event without more',
      one('    events: [1]\n    expect: {}\n'),
      ['3:5 key_missing the pipeline has several sources, and events name none'],
    ],
    [
      'comes from a source there is',
      one('    records: [{ source: order, value: 1 }]\n    expect: {}\n'),
      ['3:25 value_wrong the pipeline has no source order; did you mean "orders"?'],
    ],
    [
      'comes from a topic that is read',
      one('    records: [{ topic: shops.orders, value: 1 }]\n    expect: {}\n'),
      ['3:24 value_wrong no source of the pipeline reads shops.orders'],
    ],
  ] as const)('%s', async ([, tests, expected]) => {
    expect(await problems(tests, merged)).toEqual(expected);
  });

  it('is of the source that reads its topic, also by a pattern', async () => {
    const tests = one(
      '    records: [ { topic: pay.eu, value: { a: 1 } }, { source: orders, value: { a: 2 } } ]\n    expect: { rows: [ { s: payments }, { s: orders } ] }\n',
    );
    const { cases } = await workspace.run(
      merged.replace('sinks', 'steps: [ { set: { s: meta.source } } ]\nsinks'),
      tests,
    );
    expect(cases).toMatchObject([{ differences: [] }]);
  });
});
