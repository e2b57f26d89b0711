import { expect, test } from 'vitest';
import { sharedBench } from './bench.ts';
import { appended, orderColumns, orderMessage, orders, orderSteps, orderTable } from './orders.ts';
import { type Bench, type Pipectl, eventually } from './pipeline.ts';

let bench: Bench;
sharedBench((opened) => (bench = opened));

const partitions = 3;

async function orderPipeline(count: number) {
  const topic = await bench.topic(partitions);
  const table = await bench.table(orderTable.append);
  const file = await bench.pipeline({
    source: { kafka: { topic } },
    steps: orderSteps,
    sinks: [{ postgres: { connection: 'serving', table, mode: 'append' } }],
  });
  const input = orders(0, count);
  await bench.send(
    topic,
    input.map((one) => orderMessage(one, partitions)),
  );
  return { ...file, topic, table, input };
}

/** The table holds exactly what lies before the positions, and the group's offsets are those positions. */
async function expectDrained({
  name,
  topic,
  table,
}: {
  name: string;
  topic: string;
  table: string;
}): Promise<number[]> {
  const positions = await bench.positions(name);
  expect(await bench.committed(name, topic)).toEqual(positions);
  const log = await bench.read(topic);
  const before = log.filter(({ partition, offset }) => offset < positions[partition]!);
  await bench.expectRows(
    table,
    orderColumns,
    appended(
      before.map(({ value }) => JSON.parse(Buffer.from(value!).toString()) as ReturnType<typeof orders>[number]),
    ),
  );
  return positions;
}

test.each(['SIGTERM', 'SIGINT'] as const)('%s while it has nothing to do commits and ends with 0', async (signal) => {
  const pipeline = await orderPipeline(1000);
  await using child = bench.start(['run', pipeline.path]);
  await bench.written(pipeline.name, 1000, [child]);
  child.kill(signal);
  expect(await child.ended).toEqual({ code: 0, signal: null });
  expect(await expectDrained(pipeline)).toEqual(await bench.ends(pipeline.topic));
});

test.each(['SIGTERM', 'SIGINT'] as const)(
  '%s in the middle of the work writes what it has, commits it and ends with 0; the next run goes on there',
  async (signal) => {
    const pipeline = await orderPipeline(60_000);
    await using child = bench.start(['run', pipeline.path]);
    await eventually('it works', async () => (await bench.progress(pipeline.name)) > 0, { running: [child] });
    child.kill(signal);
    expect(await child.ended).toEqual({ code: 0, signal: null });
    expect(await expectDrained(pipeline)).not.toEqual(await bench.ends(pipeline.topic));
    expect((await bench.run(['run', pipeline.path, '--until-end'])).code).toBe(0);
    expect(await expectDrained(pipeline)).toEqual(await bench.ends(pipeline.topic));
  },
);

/** Holds the table, so that a drain can't come to its end. */
async function blockedPipeline() {
  const pipeline = await orderPipeline(2000);
  const lock = await bench.lock(pipeline.table);
  const child = bench.start(['run', pipeline.path]);
  await eventually('its write waits for the table', async () => (await bench.waiting(pipeline.name)) > 0, {
    running: [child],
  });
  return {
    ...pipeline,
    child,
    release: () => lock.release(),
    async [Symbol.asyncDispose]() {
      await lock.release();
      await child[Symbol.asyncDispose]();
    },
  };
}

const isDraining = (child: Pipectl): boolean => child.log.some(({ code }) => code === 'draining');

test.each([
  ['SIGTERM', 143],
  ['SIGINT', 130],
] as const)('a second %s leaves a drain that takes its time at once, with %d', async (signal, code) => {
  await using pipeline = await blockedPipeline();
  const { child } = pipeline;
  child.kill(signal);
  await eventually('it drains', () => isDraining(child), { running: [child] });
  const askedMs = performance.now();
  child.kill(signal);
  expect(await child.ended).toEqual({ code, signal: null });
  expect(performance.now() - askedMs).toBeLessThan(1000);
});

test('a drain waits for a table that is locked, and then writes everything it has', async () => {
  await using pipeline = await blockedPipeline();
  const { child } = pipeline;
  child.kill('SIGTERM');
  await eventually('it drains', () => isDraining(child), { running: [child] });
  expect(await bench.progress(pipeline.name)).toBe(0);
  await pipeline.release();
  expect(await child.ended).toEqual({ code: 0, signal: null });
  expect(await bench.progress(pipeline.name)).toBeGreaterThan(0);
  await expectDrained(pipeline);
});

test(
  'a drain gives up after 25 s, so that it ends within the 30 s of whoever stops it; the next run writes what it left',
  { timeout: 120_000 },
  async () => {
    await using pipeline = await blockedPipeline();
    const { child, name, topic } = pipeline;
    child.kill('SIGTERM');
    const askedMs = performance.now();
    expect(await child.ended).toEqual({ code: 3, signal: null });
    const tookMs = performance.now() - askedMs;
    expect(tookMs).toBeGreaterThan(24_000);
    expect(tookMs).toBeLessThan(30_000);
    expect(child.stderr).toMatch(/Nothing is lost: what was not written is read again/);
    expect(await bench.progress(name)).toBe(0);
    await pipeline.release();
    expect((await bench.run(['run', pipeline.path, '--until-end'])).code).toBe(0);
    expect(await expectDrained(pipeline)).toEqual(await bench.ends(topic));
  },
);
