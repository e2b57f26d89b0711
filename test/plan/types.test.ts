import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { loadPipeline } from '../../src/definition/load.ts';
import type { Problem } from '../../src/definition/problems.ts';
import type { EventRecord } from '../../src/engine/ports.ts';
import { StreamRecord } from '../../src/engine/record.ts';
import { planPipeline } from '../../src/plan/index.ts';
import { typeText } from '../../src/plan/event-type.ts';

const directory = join(import.meta.dirname, 'bad');
const orderSchema = readFileSync(join(directory, 'schemas/order.json'), 'utf8');

/** Plans text as `/p/orders.yaml`; beside it lies the schema of an order, or another one in its place. */
async function plan(text: string, schema: unknown = JSON.parse(orderSchema)) {
  const files: Readonly<Record<string, string>> = { '/p/orders.yaml': text, '/p/order.json': JSON.stringify(schema) };
  const loaded = await loadPipeline('/p/orders.yaml', {
    env: {},
    mode: 'validate',
    readFile(path) {
      const found = files[path];
      if (found === undefined) throw Object.assign(new Error('no such file'), { code: 'ENOENT' });
      return found;
    },
  });
  return { planned: await planPipeline(loaded), problems: loaded.problems.sorted() };
}

const typed = (steps: string, sinks = 'stdout: {}') =>
  `source: { kafka: { topic: orders, schema: order.json } }\nsteps:\n${steps}\nsinks:\n  - ${sinks}\n`;
const untyped = (steps: string) => typed(steps).replace(', schema: order.json', '');

const told = ({ problems }: { readonly problems: readonly Problem[] }) =>
  problems.map(({ severity, code, message, hint }) => `${severity} ${code}: ${message} -> ${hint}`);

/** What becomes of events in the steps of a pipeline without problems: the events, and what was said of dead ones. */
async function run(text: string, events: readonly unknown[]) {
  const { planned, problems } = await plan(text);
  expect(problems).toEqual([]);
  const partition = { cluster: 'c', topic: 'orders', topicId: 'i', partition: 0, source: 'kafka' };
  const reader = { decode: (value: Uint8Array) => value, readKey: (key: Uint8Array) => key, readMeta: () => null };
  let records: EventRecord[] = events.map((event, offset) => {
    const raw = { offset, timestampMs: 0, key: null, value: null, headers: undefined };
    const record = new StreamRecord(raw, partition, reader);
    record.event = event;
    return record;
  });
  const dead: string[] = [];
  for (const { step } of planned!.steps) {
    records = step.apply(records, {
      filtered: () => undefined,
      dropped: () => expect.unreachable('nothing is dropped here'),
      dead: (_, code, message) => dead.push(`${code}: ${message}`),
    });
  }
  return { out: records.map(({ event }) => event), dead };
}

describe('what does not fit is answered with the place and the way out', () => {
  // Each file begins with the problems it must give: `#! line:column-end severity code: message -> hint`.
  const files = readdirSync(directory).filter((file) => file.endsWith('.yaml'));
  it.for(files)('%s', async (file) => {
    const path = join(directory, file);
    const expected = readFileSync(path, 'utf8')
      .split('\n')
      .filter((line) => line.startsWith('#! '));
    const loaded = await loadPipeline(path, { env: {}, mode: 'validate' });
    await planPipeline(loaded);
    const found = loaded.problems.sorted().map((problem) => {
      const { line, column, endLine, endColumn, severity, code, message, hint } = problem;
      const end = endLine === line ? endColumn : `${endLine}:${endColumn}`;
      return `#! ${line}:${column}-${end} ${severity} ${code}: ${message}${hint === null ? '' : ` -> ${hint}`}`;
    });
    expect(found).toEqual(expected);
    expect(found.length).toBeGreaterThan(0);
  });
});

describe('what the language promises', () => {
  it('event.amout in a typed pipeline is told before it runs, with the name that was meant', async () => {
    expect(told(await plan(typed('  - filter: event.amout > 10')))).toEqual([
      'error unknown_field: event has no field amout -> did you mean amount?',
    ]);
    expect(told(await plan(untyped('  - filter: event.amout > 10')))).toEqual([]);
    expect(told(await plan(untyped('  - map: { amount: event.n }\n  - filter: event.amout > 10')))).toEqual([
      'error unknown_field: event has no field amout -> did you mean amount?',
    ]);
  });

  it('currency: EUR is told to be no field, and how the text is written', async () => {
    for (const text of [typed, untyped])
      expect(told(await plan(text('  - set: { currency: EUR }')))).toEqual([
        `error not_a_field: EUR is not a field -> for the text write '"EUR"'`,
      ]);
    expect((await run(untyped(`  - map: { currency: '"EUR"' }`), [{}])).out).toEqual([{ currency: 'EUR' }]);
  });

  it('filter: !event.deleted is told to be a YAML tag, and works in quotes', async () => {
    const [said] = told(await plan(typed('  - filter: !event.deleted')));
    expect(said).toMatch(/^error expression_needs_quotes: .* put the whole expression in quotes: '!event\.deleted'$/);
    expect((await run(untyped("  - filter: '!event.deleted'"), [{ deleted: true }, { deleted: false }])).out).toEqual([
      { deleted: false },
    ]);
  });

  it('5 / 2 is 2.5; div() and % are of integers', async () => {
    expect((await run(untyped('  - map: { half: 5 / 2, whole: "div(5, 2)", rest: 5 % 2 }'), [{}])).out).toEqual([
      { half: 2.5, whole: 2, rest: 1 },
    ]);
  });

  it('event.qty * 2 takes JSON numbers of any kind, with a type and without', async () => {
    const steps = '  - map: { twice: event.qty * 2 }';
    const events = [{ qty: 3 }, { qty: 2.5 }, { qty: 9007199254740993n }];
    const out = [{ twice: 6 }, { twice: 5 }, { twice: 18014398509481986n }];
    expect((await run(untyped(steps), events)).out).toEqual(out);
    expect((await run(typed(steps), events)).out).toEqual(out);
  });

  it('an absent optional field is a dead letter that names it, null with .?, and told beforehand where the schema knows', async () => {
    const { out, dead } = await run(untyped('  - map: { c: event.coupon }'), [{ coupon: 'A' }, {}]);
    expect([out, dead]).toEqual([[{ c: 'A' }], [expect.stringMatching(/^field_missing: .*event\.coupon/)]]);
    expect((await run(typed('  - map: { c: event.?coupon }'), [{}])).out).toEqual([{ c: null }]);
    expect(told(await plan(typed('  - map: { c: event.coupon }')))).toEqual([
      expect.stringMatching(/^warning field_optional: event\.coupon may be absent.* -> write event\.\?coupon/),
    ]);
  });

  it('"19.99" times 100 is refused for a text, and exactly 1999 as a decimal', async () => {
    const [said] = told(await plan(typed('  - map: { cents: event.price * 100 }')));
    expect(said).toMatch(/event\.price is text, 100 is an integer -> write decimal\(event\.price\), which is exact/);
    const { dead } = await run(untyped('  - map: { cents: event.price * 100 }'), [{ price: '19.99' }]);
    expect(dead).toEqual([expect.stringMatching(/^type_mismatch: /)]);
    const { out } = await run(typed('  - map: { cents: int(decimal(event.price) * 100) }'), [{ price: '19.99' }]);
    expect(out).toEqual([{ cents: 1999 }]);
  });
});

describe('types go through the steps', () => {
  const typesOf = async (steps: string) => {
    const { planned, problems } = await plan(typed(steps));
    expect(problems).toEqual([]);
    return planned!.types.slice(1).map(typeText);
  };

  it('map closes the event, set adds and replaces, keep and drop take away, explode adds item and index', async () => {
    expect(
      await typesOf(
        [
          '  - map: { id: event.id, qty: event.qty, lines: event.lines, at: timestamp(event.placed_at) }',
          '  - set: { qty: string(event.qty), big: event.qty > 10 }',
          '  - drop: [at]',
          '  - explode: event.lines',
          '  - keep: [id, item, index]',
        ].join('\n'),
      ),
    ).toEqual([
      '{ id: string, qty: int, lines: list of { sku: string, qty: int, note: string }, at: timestamp }',
      '{ id: string, qty: string, lines: list of { sku: string, qty: int, note: string }, at: timestamp, big: bool }',
      '{ id: string, qty: string, lines: list of { sku: string, qty: int, note: string }, big: bool }',
      '{ id: string, qty: string, lines: list of { sku: string, qty: int, note: string }, big: bool, item: { sku: string, qty: int, note: string }, index: int }',
      '{ id: string, item: { sku: string, qty: int, note: string }, index: int }',
    ]);
  });

  it('enrich adds the row: texts from a CSV file, anything from JSON, and a field that was dropped before is there again', async () => {
    const steps = (file: string) =>
      `  - drop: [email]\n  - enrich: { from: people, on: event.customer.id, into: email }\n  - map: { name: event.email.name }\nlookups: { people: { file: { path: ${file}, key: id } } }`;
    expect((await typesOf(steps('people.csv'))).at(-1)).toBe('{ name: string }');
    expect((await typesOf(steps('people.json'))).at(-1)).toBe('{ name: any }');
  });

  it('what a filter has asked for is there after it', async () => {
    for (const condition of ['has(event.coupon)', 'event.?coupon != null', 'event.qty > 1 && has(event.coupon)'])
      expect(told(await plan(typed(`  - filter: ${condition}\n  - map: { c: event.coupon }`)))).toEqual([]);
    expect(
      told(await plan(typed('  - filter: has(event.coupon) || event.qty > 1\n  - map: { c: event.coupon }'))),
    ).toHaveLength(1);
  });

  it('an expression that asks first is not warned of what may be absent', async () => {
    for (const expression of ['has(event.coupon) ? event.coupon : ""', 'cases(has(event.coupon), event.coupon, "")'])
      expect(told(await plan(typed(`  - map: { c: '${expression}' }`)))).toEqual([]);
  });

  it('objects that nest without end are shown four deep', async () => {
    const { planned } = await plan(typed('  - filter: true'), {
      $ref: '#/$defs/n9',
      $defs: Object.fromEntries(
        Array.from({ length: 10 }, (_, n) => {
          const below = n === 0 ? { type: 'string' } : { $ref: `#/$defs/n${n - 1}` };
          return [`n${n}`, { properties: { a: below }, additionalProperties: false }];
        }),
      ),
    });
    expect(typeText(planned!.types[0]!)).toBe('{ a: { a: { a: { a: { ... } } } } }');
  });

  it('nothing is said where nothing is known', async () => {
    const steps =
      '  - set:\n      a: event.b.c[0].d + event.e\n  - filter: event.f\n  - explode: event.g\n  - drop: [h]';
    expect(told(await plan(untyped(steps)))).toEqual([]);
  });

  it('sinks are told the fields of a closed event only', async () => {
    const fieldsOf = async (steps: string) => (await plan(typed(steps))).planned?.sinks[0]?.fields;
    expect(await fieldsOf('  - keep: [id, qty]')).toEqual(['id', 'qty']);
    expect((await plan(untyped('  - set: { a: 1 }'))).planned?.sinks[0]?.fields).toBeNull();
  });
});
