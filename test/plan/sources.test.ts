import { describe, expect, it } from 'vitest';
import { loadPipeline } from '../../src/definition/load.ts';
import { type Plan, planPipeline } from '../../src/plan/index.ts';
import { explained } from './explained.ts';

const sinks = 'sinks: [ { stdout: {} } ]\n';

async function planned(text: string, project?: string): Promise<Plan> {
  const loaded = await loadPipeline('/p/orders.yaml', {
    env: {},
    mode: 'run',
    readFile: (path) => {
      const found = path === '/p/orders.yaml' ? text : path === '/p/pipectl.yaml' ? project : undefined;
      if (found === undefined) throw Object.assign(new Error('no such file'), { code: 'ENOENT' });
      return found;
    },
  });
  const plan = await planPipeline(loaded);
  expect(loaded.problems.sorted()).toEqual([]);
  return plan!;
}

const timesOf = async (text: string, project?: string) =>
  (await planned(text, project)).definition.sources.map(({ name, time: { field, unit, aheadMs } }) => [
    name,
    field,
    unit,
    aheadMs,
  ]);

describe('the event time of a source', () => {
  const three = `sources:
  orders: { kafka: { topic: a }, time: { field: event.at } }
  payments: { kafka: { topic: b }, time: { field: event.ms, unit: ms, ahead: off } }
  returns: { kafka: { topic: c } }
`;

  it('is its own, and for what it does not say that of the top of the file; a unit belongs to its field', async () => {
    expect(await timesOf(`${three}time: { field: event.us, unit: us, ahead: 5m }\n${sinks}`)).toEqual([
      ['orders', 'event.at', null, 300_000],
      ['payments', 'event.ms', 'ms', null],
      ['returns', 'event.us', 'us', 300_000],
    ]);
  });

  it('takes the defaults of the project too', async () => {
    const project = 'defaults: { time: { ahead: 10m } }\n';
    expect(await timesOf(`${three}${sinks}`, project)).toEqual([
      ['orders', 'event.at', null, 600_000],
      ['payments', 'event.ms', 'ms', null],
      ['returns', null, null, 600_000],
    ]);
    const one = `source: { kafka: { topic: a }, time: { field: event.at } }\n${sinks}`;
    expect(await timesOf(one, project)).toEqual([['kafka', 'event.at', null, 600_000]]);
  });
});

describe('one source', () => {
  it('below `sources:` has its name, and beside a component its own steps', async () => {
    const named = await planned(`sources: { orders: { file: { path: a.ndjson } } }\n${sinks}`);
    expect(named.inputs.map(({ use }) => use.name)).toEqual(['orders']);
    const stepped = await planned(
      `source: { kafka: { topic: a }, steps: [ { filter: event.a } ] }\nsteps: [ { filter: event.b } ]\n${sinks}`,
    );
    expect([...stepped.inputs[0].steps, ...stepped.steps].map(({ stage }) => stage)).toEqual([
      'step:filter-1',
      'step:filter-2',
    ]);
  });

  it('is the same pipeline wherever its time stands, and another one with a step of its own', async () => {
    const hash = async (text: string) => (await planned(text + sinks)).hash;
    const top = await hash('source: { kafka: { topic: a } }\ntime: { field: event.at }\n');
    expect(await hash('source: { kafka: { topic: a }, time: { field: event.at } }\n')).toBe(top);
    expect(
      await hash('source: { kafka: { topic: a }, time: { field: event.at }, steps: [ { filter: event.a } ] }\n'),
    ).not.toBe(top);
  });
});

describe('options of what reads all sources', () => {
  it('hold for all of them where one says so, and may be said alike twice', async () => {
    const { definition } = await planned(`sources:
  orders: { kafka: { topic: a, buffer: 16MiB } }
  payments: { kafka: { topic: b, buffer: 16MiB, session_timeout: 10s, start: latest } }
${sinks}`);
    expect(definition.sources.map(({ options }) => options)).toMatchObject([
      { buffer: '16MiB', session_timeout: '10s', start: 'earliest' },
      { buffer: '16MiB', session_timeout: '10s', start: 'latest' },
    ]);
  });

  it('may be a connection that each writes out, where it is the same', async () => {
    await planned(`sources:
  orders: { kafka: { topic: a, brokers: 'k:9092' } }
  payments: { kafka: { topic: b, brokers: 'k:9092' } }
${sinks}`);
  });
});

const shop = `sources:
  orders:
    kafka: { topic: shop.orders, buffer: 16MiB }
    time: { field: event.at }
    steps: [ { filter: event.paid, name: paid }, { map: { id: event.id, total: '1' } } ]
  payments:
    kafka: { topic: shop.payments }
    steps: [ { map: { id: event.order, method: '"card"' }, name: captured } ]
steps: [ { set: { source: meta.source } } ]
sinks: [ { postgres: { url: 'postgres://d/b', table: t, key: [id] } } ]
`;

describe('several sources are explained', () => {
  it('each with its topic, time and steps, where they meet with the fields of both', async () => {
    const { sources, steps, stages, kafka } = await explained(shop);
    expect(
      sources.map(({ name, reads, eventTime, steps: own }) => [name, reads, eventTime.expression, own.length]),
    ).toEqual([
      ['orders', 'shop.orders', 'timestamp(event.at)', 2],
      ['payments', 'shop.payments', null, 1],
    ]);
    expect(stages[0]).toMatchObject({
      reads: 'shop.orders + shop.payments',
      steps: ['paid', 'map-1', 'captured', 'set-1'],
    });
    expect(steps[0]?.event.fields?.map(({ name }) => name)).toEqual(['id', 'total', 'method', 'source']);
    expect(kafka?.topics.map(({ topic }) => topic)).toEqual(['shop.orders', 'shop.payments', 'orders.dlq']);
  });

  it('an option that holds for all with the place where one says it', async () => {
    const { sources } = await explained(shop);
    const buffers = sources.map(({ settings }) => settings.find(({ name }) => name === 'buffer'));
    expect(buffers.map((buffer) => [buffer?.value, buffer?.origin.text])).toEqual([
      ['16MiB', 'orders.yaml:3'],
      ['16MiB', 'orders.yaml:3'],
    ]);
  });

  it('and their sink says that no order holds between them', async () => {
    const { sinks: explainedSinks } = await explained(shop);
    const one = await explained(
      "source: { kafka: { topic: a } }\nsteps: [ { map: { id: key } } ]\nsinks: [ { postgres: { url: 'postgres://d/b', table: t, key: [id] } } ]\n",
    );
    const limits = (sinks: typeof one.sinks) => sinks[0]?.delivery.limits?.length ?? 0;
    expect(limits(explainedSinks)).toBe(limits(one.sinks) + 1);
  });
});
