/** Faults of the services themselves, on a stack of this file's own. */
import { readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { expect, test } from 'vitest';
import type { Stack } from '../stack/stack.ts';
import { benchOfItsOwn } from './bench.ts';
import {
  appended,
  orderColumns,
  orderMessage,
  orders,
  orderSteps,
  orderTable,
  type Order,
  upserted,
} from './orders.ts';
import { type Bench, type Pipectl, eventually } from './pipeline.ts';

let stack: Stack;
let bench: Bench;
benchOfItsOwn((opened, started) => ([bench, stack] = [opened, started]));

const partitions = 4;

/** A pipeline into an upsert and an append table that runs, and orders that keep coming until `stop`. */
async function busyPipeline() {
  const topic = await bench.topic(partitions);
  const [latest, all] = [await bench.table(orderTable.upsert), await bench.table(orderTable.append)];
  const { path: file, name } = await bench.pipeline({
    source: { kafka: { topic, session_timeout: '6s' } },
    steps: orderSteps,
    sinks: [
      { postgres: { connection: 'serving', table: latest, key: ['id'] }, name: 'latest' },
      { postgres: { connection: 'serving', table: all, mode: 'append', lock_timeout: '300ms' }, name: 'all' },
    ],
  });
  let sent = 0;
  const produce = async (count: number): Promise<void> => {
    await bench.send(
      topic,
      orders(sent, sent + count).map((one) => orderMessage(one, partitions)),
    );
    sent += count;
  };
  await produce(2000);
  const child = bench.start(['run', file]);
  await bench.written(name, 2000, [child], { sink: 'all' });

  const stopped = new AbortController();
  const producing = (async () => {
    while (!stopped.signal.aborted) {
      await produce(100);
      await delay(20);
    }
  })();
  return {
    name,
    topic,
    all,
    child,
    produce,
    /** Everything that lies in the topic is written: after an outage of the broker only the log knows what it took. */
    async expectAll(): Promise<void> {
      stopped.abort();
      await producing;
      const log = await bench.read(topic);
      expect(log.length).toBeGreaterThanOrEqual(sent);
      for (const sink of ['latest', 'all']) await bench.written(name, log.length, [child], { sink });
      const input = log.map(({ value }) => JSON.parse(Buffer.from(value!).toString()) as Order);
      await bench.expectRows(latest, orderColumns, upserted(input));
      await bench.expectRows(all, orderColumns, appended(input));
    },
    async [Symbol.asyncDispose]() {
      stopped.abort();
      await Promise.all([producing, child[Symbol.asyncDispose]()]);
    },
  };
}

const logged = (child: Pipectl, code: string): number => child.log.filter((line) => line.code === code).length;

/** Memory in use, in MiB. */
const memoryMiB = ({ pid }: Pipectl): number =>
  Number(/^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))![1]) / 1024;

test(
  'a database that stops at once and comes back costs nothing; meanwhile memory stays bounded',
  { timeout: 120_000 },
  async () => {
    await using pipeline = await busyPipeline();
    const { child } = pipeline;
    await stack.postgres.stop('immediate');
    await pipeline.produce(150_000);
    await eventually('it has tried several times', () => logged(child, 'sink_unavailable') >= 6, { running: [child] });
    expect(memoryMiB(child)).toBeLessThan(350);
    await stack.postgres.start();
    await pipeline.expectAll();
    expect(memoryMiB(child)).toBeLessThan(350);
    expect(await child.drain()).toEqual({ code: 0, signal: null });
  },
);

test('a table that somebody locks costs nothing', async () => {
  await using pipeline = await busyPipeline();
  const { child } = pipeline;
  await using lock = await bench.lock(pipeline.all);
  await eventually('it has tried several times', () => logged(child, 'sink_unavailable') >= 3, { running: [child] });
  await lock.release();
  await pipeline.expectAll();
  expect(await child.drain()).toEqual({ code: 0, signal: null });
});

test('connections the database terminates again and again cost nothing', async () => {
  await using pipeline = await busyPipeline();
  const { child } = pipeline;
  let terminated = 0;
  for (let round = 1; round <= 12; round++) {
    await pipeline.produce(1000);
    const before = await bench.progress(pipeline.name, 'all');
    const gone = await bench.query(
      'SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE $1',
      [`pipectl/${pipeline.name}/%`],
    );
    terminated += gone.length;
    await eventually('it goes on', async () => (await bench.progress(pipeline.name, 'all')) > before, {
      running: [child],
    });
  }
  expect(terminated).toBeGreaterThanOrEqual(12);
  await pipeline.expectAll();
  expect(await child.drain()).toEqual({ code: 0, signal: null });
});

test(
  'a broker that is killed -9 and comes back costs nothing, and within 10 seconds everything goes on by itself',
  { timeout: 90_000 },
  async () => {
    await using pipeline = await busyPipeline();
    const { child } = pipeline;
    const [broker] = stack.kafka.nodes;
    await broker!.kill('SIGKILL');
    // Long enough that clients give up and begin anew, and that requests run into their limits.
    await delay(4000);
    const before = await bench.progress(pipeline.name, 'all');
    await broker!.start();
    const backMs = performance.now();
    await eventually('it goes on', async () => (await bench.progress(pipeline.name, 'all')) > before, {
      running: [child],
      withinMs: 40_000,
    });
    const afterMs = performance.now() - backMs;
    await pipeline.expectAll();
    expect(afterMs).toBeLessThan(10_000);
    expect(await child.drain()).toEqual({ code: 0, signal: null });
  },
);
