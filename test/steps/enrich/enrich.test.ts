import { describe, expect, it } from 'vitest';
import { loadPipeline } from '../../../src/definition/load.ts';
import type { EventRecord } from '../../../src/engine/ports.ts';
import { StreamRecord } from '../../../src/engine/record.ts';
import { planPipeline } from '../../../src/plan/index.ts';

const customers = { c1: { id: 'c1', name: 'Ana' }, '17': { id: '17', name: 'Bruno' } };

async function planOf(enrich: string, beside = '') {
  const text = `source: { file: { path: a.ndjson } }
lookups: { customers: { file: { path: customers.csv, key: id } } }
steps:
  - enrich: ${enrich}
${beside}
sinks: [ { stdout: {} } ]
`;
  const readFile = (path: string) => {
    if (path.endsWith('p.yaml')) return text;
    throw new Error('there is no project');
  };
  const loaded = await loadPipeline('p.yaml', { env: {}, mode: 'run', readFile });
  const plan = await planPipeline(loaded);
  return { plan, problems: loaded.problems.sorted(), text };
}

/** Runs the step over events; the lookup holds `customers`. */
async function enrich(options: string, events: readonly unknown[], beside = '') {
  const { plan } = await planOf(options, beside);
  if (plan === null) return expect.unreachable('the pipeline must be sound');
  const rows = new Map(Object.entries(customers));
  for (const lookup of plan.lookups) lookup.attach(rows);
  const partition = { cluster: 'c', topic: 't', topicId: 'i', partition: 0, source: 's' };
  const reader = { decode: () => null, readKey: () => null, readMeta: () => null };
  const records = events.map((event, offset) => {
    const raw = { offset, timestampMs: 0, key: null, value: null, headers: undefined };
    const record = new StreamRecord(raw, partition, reader);
    record.event = structuredClone(event);
    return record;
  });
  const dropped: string[] = [];
  const dead: string[] = [];
  const out = plan.steps[0]!.step.apply(records, {
    filtered: () => expect.unreachable('enrich filters nothing'),
    dropped: ({ raw }, reason) => dropped.push(`${raw.offset} ${reason}`),
    dead: ({ raw }, code) => dead.push(`${raw.offset} ${code}`),
  });
  return { out: out.map(({ event }: EventRecord) => event), dropped, dead };
}

describe('enrich', () => {
  it('adds the row of the key, whether the key is text or a number', async () => {
    const { out } = await enrich('{ from: customers, on: event.customer, into: customer }', [
      { customer: 'c1', n: 1 },
      { customer: 17, n: 2 },
    ]);
    expect(out).toEqual([
      { customer: customers.c1, n: 1 },
      { customer: customers['17'], n: 2 },
    ]);
  });

  it('puts the row into a field named after the lookup where nothing else is said', async () => {
    const { out } = await enrich('{ from: customers, on: event.id }', [{ id: 'c1' }]);
    expect(out).toEqual([{ id: 'c1', customers: customers.c1 }]);
  });

  it.for([
    [
      'keep',
      {
        out: [
          { id: 'c9', customers: null },
          { id: null, customers: null },
        ],
        dropped: [],
        dead: [],
      },
    ],
    ['drop', { out: [], dropped: ['0 lookup_missing', '1 lookup_missing'], dead: [] }],
    ['dlq', { out: [], dropped: [], dead: ['0 lookup_missing', '1 lookup_missing'] }],
  ] as const)(
    'missing: %s decides on events without a row, and on those whose key is null',
    async ([missing, outcome]) => {
      const options = `{ from: customers, on: event.id, missing: ${missing} }`;
      expect(await enrich(options, [{ id: 'c9' }, { id: null }])).toEqual(outcome);
    },
  );

  it('treats a key that is absent, or is none, as on_error says', async () => {
    const events = [{}, { id: [1] }, 'text', { id: 'c1' }];
    expect(await enrich('{ from: customers, on: event.id }', events)).toMatchObject({
      out: [{ id: 'c1' }],
      dead: ['0 field_missing', '1 type_mismatch', '2 type_mismatch'],
    });
    expect(await enrich('{ from: customers, on: event.id }', events, '    on_error: drop')).toMatchObject({
      dropped: ['0 field_missing', '1 type_mismatch'],
      dead: ['2 type_mismatch'],
    });
  });
});

describe('validate, of lookups', () => {
  const problemsOf = async (options: string) => (await planOf(options)).problems;

  it('knows the name that was meant', async () => {
    expect(await problemsOf('{ from: custmers, on: event.id }')).toMatchObject([
      {
        code: 'lookup_unknown',
        line: 4,
        column: 21,
        message: 'there is no lookup "custmers"; did you mean "customers"?',
      },
    ]);
  });

  it('refuses a key that can be none', async () => {
    expect(await problemsOf('{ from: customers, on: event.id == 1 }')).toMatchObject([
      { code: 'type_mismatch', line: 4, message: 'a key is text or a number, and this is true or false' },
    ]);
  });

  it('warns of a lookup that no step reads', async () => {
    const text =
      'source: { file: { path: a } }\nlookups: { c: { file: { path: c, key: k } } }\nsinks: [ { stdout: {} } ]\n';
    const readFile = (path: string) => (path.endsWith('p.yaml') ? text : expect.unreachable());
    const loaded = await loadPipeline('p.yaml', { env: {}, mode: 'validate', readFile });
    await planPipeline(loaded);
    expect(loaded.problems.sorted()).toMatchObject([
      { code: 'lookup_unused', severity: 'warning', line: 2, column: 12 },
    ]);
  });

  it.for([
    ['{ c: { flie: { path: c, key: k } } }', 'component_unknown', 'flie is no lookup; did you mean "file"?'],
    ['{ c: { file: { path: c } } }', 'key_missing', 'lookups.c.file needs `key`'],
    ['{ c: { file: { path: c, key: k, limit: 5 } } }', 'unit_missing', undefined],
    ['{ c: { postgres: { table: c } } }', 'not_available', 'lookups.c.postgres is not available in this version'],
  ] as const)('tells what is wrong in %s, and of nothing that follows from it', async ([lookups, code, message]) => {
    const steps = '[ { enrich: { from: c, on: event.id } } ]';
    const text = `source: { file: { path: a } }\nlookups: ${lookups}\nsteps: ${steps}\nsinks: [ { stdout: {} } ]\n`;
    const readFile = (path: string) => (path.endsWith('p.yaml') ? text : expect.unreachable());
    const loaded = await loadPipeline('p.yaml', { env: {}, mode: 'validate', readFile });
    await planPipeline(loaded);
    const problems = loaded.problems.sorted();
    expect(problems).toHaveLength(1);
    expect(problems[0]).toMatchObject({ code, line: 2, ...(message === undefined ? {} : { message }) });
  });
});
