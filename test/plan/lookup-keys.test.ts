import { describe, expect, it } from 'vitest';
import { loadPipeline } from '../../src/definition/load.ts';
import { planPipeline } from '../../src/plan/index.ts';

/** What is said of a pipeline with these steps, whose sink has this key and these further options. */
const said = (steps: readonly string[], key: string, more = '') =>
  saidOf(
    `source: { file: { path: in.ndjson } }
steps:
  - enrich: { from: customers, on: event.customer_id, into: customer }
${steps.map((step) => `  - ${step}\n`).join('')}`,
    key,
    more,
  );

async function saidOf(before: string, key: string, more = ''): Promise<readonly string[]> {
  const text = `${before}lookups: { customers: { file: { path: customers.json, key: id } } }
vars: { unit: km }
sinks:
  - postgres: { url: 'postgres://db/x', table: orders, key: ${key}${more} }
`;
  const loaded = await loadPipeline('/p/orders.yaml', {
    env: {},
    mode: 'validate',
    readFile(path) {
      if (path === '/p/orders.yaml') return text;

      throw Object.assign(new Error('no such file'), { code: 'ENOENT' });
    },
  });
  await planPipeline(loaded);
  return loaded.problems.sorted().map(({ code, path, message }) => `${code} ${path} ${message.split(':')[0]}`);
}

const refused = (column: string, index = 0) => [
  `key_from_lookup sinks[0].postgres.key[${index}] the key column ${column} depends on the lookup customers`,
];

describe('a key column that depends on a lookup is refused', () => {
  it.for([
    ['the row itself', [], 'customer'],
    ['a field set from the row', ['set: { region: event.customer.region }'], 'region'],
    ['a field that a map makes of it', ['map: { id: event.id, region: event.?customer.region }'], 'region'],
    ['an expression that reads it', ['set: { id: \'event.id + "-" + upper(event.customer.region)\' }'], 'id'],
    ['a condition on it', ['set: { tier: \'event.customer == null ? "none" : "some"\' }'], 'tier'],
    [
      'a field of a field',
      ['set: { at: \'{"region": event.customer.region}\' }', 'set: { region: event.at.region }'],
      'region',
    ],
    ['an element of a list in the row', ['explode: event.customer.sites', 'set: { site: event.item.id }'], 'site'],
    ['the number of such an element', ['explode: event.customer.sites'], 'index'],
    ['what a macro makes of the row', ["set: { ids: 'event.lines.map(l, l.id + event.customer.id)' }"], 'ids'],
    ['what a macro makes of a list in the row', ["set: { ids: 'event.customer.sites.map(s, s.id)' }"], 'ids'],
  ] as const)('%s', async ([, steps, column]) => {
    expect(await said(steps, `[id, ${column}]`.replace('[id, id]', '[id]'))).toEqual(
      refused(column, column === 'id' ? 0 : 1),
    );
  });
});

describe('what a source does before it meets others counts like what all do', () => {
  const sources = (own: string) => `sources:
  shops:
    kafka: { topic: shops }
    steps: [ { set: { region: event.area } } ]
  web:
    kafka: { topic: web }
    steps: [ { enrich: { from: customers, on: event.customer_id, into: customer } }, ${own} ]
`;
  it('a key that depends on the lookup of one source is refused', async () => {
    const own = sources('{ set: { region: event.customer.region } }');
    expect(await saidOf(own, '[id, region]')).toEqual(refused('region', 1));
  });

  it('one that the steps for all set anew is not', async () => {
    const own = `${sources('{ set: { region: event.customer.region } }')}steps: [ { set: { region: event.area } } ]\n`;
    expect(await saidOf(own, '[id, region]')).toEqual([]);
  });
});

describe('a key column that no lookup has a part in is none of this', () => {
  it.for([
    ['a field of the event as it was read', [], 'id'],
    ['the key of the lookup, which the event brings', ['set: { customer_key: event.customer_id }'], 'customer_key'],
    ['a field that replaces the row', ["set: { customer: 'event.customer_id + vars.unit' }"], 'customer'],
    [
      'a field beside one that depends',
      ['set: { at: \'{"region": event.customer.region, "id": event.id}\' }', 'set: { n: event.at.id }'],
      'n',
    ],
    ["an element of the event's own list", ['explode: event.lines', 'set: { line: event.item.id }'], 'line'],
    [
      'the variable of a macro that is named like the event',
      ["set: { ids: 'event.lines.map(customer, customer.id)' }"],
      'ids',
    ],
    ['a filter on the row, which decides no key', ['filter: event.?customer.region == "north"'], 'id'],
  ] as const)('%s', async ([, steps, column]) => {
    expect(await said(steps, `[${column}]`)).toEqual([]);
  });

  it('nor is one of a sink that appends, where it replaces nothing', async () => {
    expect(await said([], '[customer]', ', mode: append')).toEqual([]);
  });
});
