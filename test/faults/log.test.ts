/** The log itself changes: records deleted before they were read, a topic created anew, partitions added under load. */
import { expect } from 'vitest';
import { sharedBench } from '../integration/bench.ts';
import { appended, type Order, orderColumns, upserted } from '../integration/orders.ts';
import { Bench, type Pipectl } from '../integration/pipeline.ts';
import { type Fault, faultTest } from './fault.ts';
import { isRefused, Load, partitions, readable } from './load.ts';

let bench: Bench;
sharedBench((opened) => (bench = opened));

/** It ends with 1 and this code, and where `pipectl rewind` is told to go on it does. */
async function stopsAndIsRewound(fault: Fault, load: Load, child: Pipectl, code: string, to: string): Promise<void> {
  expect(await child.ended).toEqual({ code: 1, signal: null });
  expect(child.stderr).toMatch(/^pipectl: .*\n?.*/m);
  expect(child.stderr).toContain(`pipectl rewind ${load.file.path} --to ${to}`);
  fault.holds(`stopped (${code})`);
  const { code: exit, stderr } = await bench.run(['rewind', load.file.path, '--to', to, '--yes']);
  expect({ exit, stderr: exit === 0 ? '' : stderr }).toEqual({ exit: 0, stderr: '' });
}

faultTest('the log is cut off beyond the position of a pipeline that runs; then rewind', 180_000, async (fault) => {
  await using load = await Load.open(bench, { source: { buffer: '1MiB' }, sink: { lock_timeout: '500ms' } });
  const child = load.start();
  await load.produce(3000);
  await load.everythingWritten(3000, [child]);
  const lock = await bench.lock(load.all);
  // Far more than it holds in memory.
  await load.produce(150_000);
  const log = await bench.read(load.topic);
  const end = (await bench.ends(load.topic))[0]!;
  const kept = end - 50;
  await bench.truncate(load.topic, kept);
  fault.fired();
  await lock.release();
  await child.ended;
  const stoodAt = new Map<string, number>();
  for (const sink of ['latest', 'all']) stoodAt.set(sink, (await bench.positions(load.file.name, sink))[0]!);
  expect(Math.max(...stoodAt.values())).toBeLessThan(kept);
  await stopsAndIsRewound(fault, load, child, 'data_loss', `${load.topic}:0=${kept}`);

  const goesOn = await load.goesOn();
  const sinceMs = performance.now();
  const next = load.start();
  await fault.recovers(goesOn, [next], sinceMs);
  for (const sink of ['latest', 'all'])
    await bench.written(load.file.name, log.length, [next], { sink, withinMs: 120_000 });
  expect(await next.drain()).toEqual({ code: 0, signal: null });
  const inputOf = (sink: string): Order[] =>
    readable(log.filter(({ partition, offset }) => partition !== 0 || offset < stoodAt.get(sink)! || offset >= kept));
  await bench.expectRows(load.latest, orderColumns, upserted(inputOf('latest')));
  const all = inputOf('all').filter(({ n }) => !isRefused(n));
  await bench.expectRows(load.all, orderColumns, appended(all));
  fault.holds(
    'nothing but the deleted records is missing',
    'upsert table = fold of the input',
    'append table has every row once',
  );
  load.expectAccounts(fault);
});

faultTest('the topic is deleted and created anew while it is read; then rewind', 180_000, async (fault) => {
  await using load = await Load.open(bench);
  const child = load.start();
  await load.produce(5000);
  await load.everythingWritten(5000, [child]);
  const former = await bench.read(load.topic);
  await bench.recreate(load.topic, partitions);
  fault.fired();
  await load.produce(3000);
  await stopsAndIsRewound(fault, load, child, 'topic_recreated', 'earliest');

  const goesOn = await load.goesOn();
  const sinceMs = performance.now();
  const next = load.start();
  await fault.recovers(goesOn, [next], sinceMs);
  await load.everythingWritten(3000, [next]);
  expect(await next.drain()).toEqual({ code: 0, signal: null });
  await load.expectTables(fault, [...former, ...(await bench.read(load.topic))]);
  load.expectAccounts(fault);
});

faultTest('partitions are raised from 4 to 8 under load', 180_000, async (fault) => {
  await using load = await Load.open(bench);
  const child = load.start();
  load.keepProducing();
  await load.runs([child]);
  await bench.kafka.createPartitions({ topicPartitions: [{ topic: load.topic, count: 2 * partitions }] });
  fault.fired();
  // A producer learns of them within minutes; one that begins now knows them.
  await using later = await Bench.open(bench);
  load.sender = later;
  // Keys that were there stay where they are; new ones go to the new partitions.
  load.place = (one) => {
    const partition = one.id % partitions;
    return Math.floor(one.n / partitions) % 2 === 0
      ? { one, partition }
      : { one: { ...one, id: one.id + 10_000 }, partition: partition + partitions };
  };
  await fault.recovers(async () => {
    const positions = await bench.positions(load.file.name, 'all');
    return positions.length === 2 * partitions && positions.every((position) => position > 0);
  }, [child]);
  fault.holds('new partitions are read');
  await load.expectAll(fault, [child]);
});
