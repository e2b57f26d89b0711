/** `run --metrics` on real services: the numbers are those of the status, the topic and the database. */
import { expect, test } from 'vitest';
import { type Family, parsePrometheus, valueOf } from '../runtime/prometheus-text.ts';
import { sharedBench } from './bench.ts';
import { orderMessage, orders, orderSteps, orderTable } from './orders.ts';
import { type Bench, type Pipectl, eventually, statusLines } from './pipeline.ts';

let bench: Bench;
sharedBench((opened) => (bench = opened));

const partitions = 3;

/** Where a process serves, from its log. */
const addressOf = (child: Pipectl): Promise<string> =>
  eventually(
    'it says where it serves',
    () => /http:\/\/\S+(?=\/metrics)/.exec(child.log.find(({ code }) => code === 'metrics')?.message ?? '')?.[0],
    { running: [child] },
  );

const scrape = async (address: string): Promise<ReadonlyMap<string, Family>> =>
  parsePrometheus(await (await fetch(`${address}/metrics`)).text());

test('scraped while records flow, the numbers only rise, and at the end they are those of the status and the database', async () => {
  const topic = await bench.topic(partitions);
  const table = await bench.table(orderTable.append);
  const { path: file, name } = await bench.pipeline({
    source: { kafka: { topic } },
    steps: orderSteps,
    sinks: [{ postgres: { connection: 'serving', table, mode: 'append' } }],
  });
  const input = orders(0, 9000);
  const send = (from: number) =>
    bench.send(
      topic,
      input.slice(from, from + 1500).map((one) => orderMessage(one, partitions)),
    );
  // The sizes of topics are asked for once a minute: there must be something to see.
  await send(0);
  await using child = bench.start(['run', file, '--metrics', '0', '--view', 'json']);
  const address = await addressOf(child);
  const poison = Array.from({ length: 7 }, () => ({ partition: 0, key: 'x', value: '{no json' }));
  await eventually('it is ready', async () => (await fetch(`${address}/readyz`)).status === 200, { running: [child] });
  expect(await (await fetch(`${address}/healthz`)).text()).toBe('yes\n');

  const written: number[] = [];
  for (let from = 1500; from < input.length; from += 1500) {
    await send(from);
    written.push(valueOf(await scrape(address), 'pipectl_rows_total', { outcome: 'written' }));
  }
  await bench.send(topic, poison);
  expect(written).toEqual(written.toSorted((a, b) => a - b));
  const total = input.length + poison.length;
  await bench.written(name, total, [child]);
  const families = await eventually('the scrape has all of it', async () => {
    const all = await scrape(address);
    const known = all.has('pipectl_topic_disk_bytes') && all.has('pipectl_group_members');
    return known && valueOf(all, 'pipectl_stage_records_total', { stage: 'read' }) === total && all;
  });

  const [[rows]] = (await bench.query(`SELECT count(*)::int FROM ${table}`)) as [[number]];
  expect(valueOf(families, 'pipectl_rows_total', { outcome: 'written' })).toBe(rows);
  const sumOf = (metric: string) => families.get(metric)!.samples.reduce((sum, { value }) => sum + value, 0);
  expect(sumOf('pipectl_source_produced_records_total')).toBe(total);
  expect(sumOf('pipectl_consumer_lag_records')).toBe(0);
  expect(sumOf('pipectl_stage_discrepancy_records')).toBe(0);
  expect(valueOf(families, 'pipectl_dlq_records_total', { stage: 'decode', error_code: 'json_syntax' })).toBe(7);
  expect(valueOf(families, 'pipectl_end_to_end_latency_seconds', { le: '+Inf' })).toBe(rows);
  expect(valueOf(families, 'pipectl_broker_count')).toBe(1);
  expect(valueOf(families, 'pipectl_group_members')).toBe(1);
  expect(valueOf(families, 'pipectl_topic_disk_bytes', { topic })).toBeGreaterThan(0);

  expect(await child.drain()).toMatchObject({ code: 0 });
  const last = statusLines(child.stdout).at(-1)!;
  for (const { name: stage, in: given, out, filtered, dead } of last.stages.slice(1)) {
    const of = (outcome: string) => valueOf(families, 'pipectl_stage_records_total', { stage, outcome });
    expect([of('in'), of('out'), of('filtered'), of('dead')]).toEqual([given, out, filtered, dead]);
  }
  expect(last.sinks[0]!.written).toBe(rows);
  expect(last.deadLetters.total).toBe(7);
});

test('ready stays true while the lag grows, and the lag is told', async () => {
  const topic = await bench.topic(1);
  const table = await bench.table(orderTable.append);
  const { path: file, name } = await bench.pipeline({
    source: { kafka: { topic } },
    steps: orderSteps,
    sinks: [{ postgres: { connection: 'serving', table, mode: 'append', lock_timeout: '300ms' } }],
  });
  await using child = bench.start(['run', file, '--metrics', ':0']);
  const address = await addressOf(child);
  await eventually('it is ready', async () => (await fetch(`${address}/readyz`)).status === 200, { running: [child] });
  await using lock = await bench.lock(table);
  await bench.send(
    topic,
    orders(0, 500).map((one) => orderMessage(one, 1)),
  );
  await eventually(
    'the sink is down and the lag is told',
    async () => {
      const families = await scrape(address);
      return (
        valueOf(families, 'pipectl_sink_up') === 0 &&
        valueOf(families, 'pipectl_consumer_lag_records') === 500 &&
        valueOf(families, 'pipectl_consumer_lag_seconds') > 1
      );
    },
    { running: [child] },
  );
  expect((await fetch(`${address}/readyz`)).status).toBe(200);
  await lock.release();
  await bench.written(name, 500, [child]);
});

test('a port that is taken ends the run before anything has happened', async () => {
  const topic = await bench.topic(1);
  const { path: file, name } = await bench.pipeline({ source: { kafka: { topic } }, sinks: [{ discard: {} }] });
  await using first = bench.start(['run', file, '--metrics', '0']);
  const port = new URL(await addressOf(first)).port;
  const second = await bench.run(['run', file, '--metrics', port]);
  expect(second.code).toBe(1);
  expect(second.stderr).toContain(`--metrics can't listen on 127.0.0.1:${port}: the port is in use`);
  expect(second.stderr).not.toContain('"started"');
  expect(await bench.run(['run', file, '--metrics', 'nowhere'])).toMatchObject({ code: 2 });
  expect(first.log.find(({ code }) => code === 'started')).toMatchObject({ pipeline: name, level: 'info' });
  expect(JSON.stringify(first.log[0])).toContain('"member"');
});
