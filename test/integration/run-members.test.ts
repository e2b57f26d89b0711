import { expect, test } from 'vitest';
import { sharedBench } from './bench.ts';
import { appended, orderColumns, orderMessage, orders, orderSteps, orderTable, upserted } from './orders.ts';
import { type Bench, type Pipectl, eventually, sum } from './pipeline.ts';

let bench: Bench;
sharedBench((opened) => (bench = opened));

const partitions = 4;

async function twoTables() {
  const topic = await bench.topic(partitions);
  const [latest, all] = [await bench.table(orderTable.upsert), await bench.table(orderTable.append)];
  // A frozen member's transaction must end before its locks hold up the next owner.
  const common = { connection: 'serving', idle_transaction_timeout: '1s' };
  const pipeline = await bench.pipeline({
    source: { kafka: { topic, session_timeout: '2s' } },
    steps: orderSteps,
    sinks: [
      { postgres: { ...common, table: latest, key: ['id'] }, name: 'latest' },
      { postgres: { ...common, table: all, mode: 'append' }, name: 'all' },
    ],
  });
  let sent = 0;
  return {
    ...pipeline,
    topic,
    all,
    async produce(count: number): Promise<void> {
      await bench.send(
        topic,
        orders(sent, sent + count).map((one) => orderMessage(one, partitions)),
      );
      sent += count;
    },
    async expectAll(running: readonly Pipectl[]): Promise<void> {
      for (const sink of ['latest', 'all']) await bench.written(pipeline.name, sent, running, { sink });
      await bench.expectRows(latest, orderColumns, upserted(orders(0, sent)));
      await bench.expectRows(all, orderColumns, appended(orders(0, sent)));
      expect(sum(await bench.ends(topic))).toBe(sent);
    },
  };
}

/** How many partitions a member was last given. */
function owned({ log }: Pipectl): number {
  const message = log.findLast(({ code }) => code === 'assigned')?.message ?? '';
  return Number(/owns (\d+)/.exec(message)?.[1] ?? 0);
}

const shared = (...members: readonly Pipectl[]): Promise<true> =>
  eventually('both have two partitions', () => members.every((member) => owned(member) === 2) || undefined, {
    running: members,
  });

test('two members share the partitions; when one is killed -9 the other goes on with all of them', async () => {
  const pipeline = await twoTables();
  await pipeline.produce(2000);
  await using first = bench.start(['run', pipeline.path]);
  await using second = bench.start(['run', pipeline.path]);
  await shared(first, second);
  const before = await bench.positions(pipeline.name, 'all');
  await pipeline.produce(40_000);
  await eventually(
    'both write',
    async () => {
      const now = await bench.positions(pipeline.name, 'all');
      return now.length === partitions && now.filter((position, i) => position > (before[i] ?? 0)).length > 2;
    },
    { running: [first, second] },
  );
  first.kill('SIGKILL');
  expect(await first.ended).toEqual({ code: null, signal: 'SIGKILL' });
  await pipeline.produce(5000);
  await pipeline.expectAll([second]);
  expect(owned(second)).toBe(partitions);
  expect(await second.drain()).toEqual({ code: 0, signal: null });
});

test('a member that leaves in good order gives its partitions to the other', async () => {
  const pipeline = await twoTables();
  await pipeline.produce(1000);
  await using first = bench.start(['run', pipeline.path]);
  await using second = bench.start(['run', pipeline.path]);
  await shared(first, second);
  await pipeline.produce(20_000);
  expect(await first.drain()).toEqual({ code: 0, signal: null });
  await pipeline.produce(1000);
  await pipeline.expectAll([second]);
});

test(
  'a member frozen in the middle of a write longer than its session is refused when it wakes up',
  { timeout: 90_000 },
  async () => {
    const pipeline = await twoTables();
    await pipeline.produce(1000);
    await using frozen = bench.start(['run', pipeline.path]);
    await using other = bench.start(['run', pipeline.path]);
    await shared(frozen, other);
    await bench.written(pipeline.name, 1000, [frozen, other], { sink: 'all' });

    // Its write is held up by a lock, so that it is frozen with a transaction open and an epoch in its hands.
    await using lock = await bench.lock(pipeline.all);
    await pipeline.produce(20_000);
    await eventually('the writes of both wait for the table', async () => (await bench.waiting(pipeline.name)) === 2, {
      running: [frozen, other],
    });
    frozen.kill('SIGSTOP');
    await lock.release();

    await eventually('the other has all partitions', () => owned(other) === partitions, { running: [other] });
    await bench.written(pipeline.name, 21_000, [other], { sink: 'all' });
    await bench.written(pipeline.name, 21_000, [other], { sink: 'latest' });

    frozen.kill('SIGCONT');
    const fenced = await eventually(
      'its late write is refused',
      () => frozen.log.find(({ code }) => code === 'fenced'),
      { running: [frozen, other] },
    );
    expect(fenced.message).toMatch(/owner epoch \d+ was followed by \d+/);
    await shared(frozen, other);
    await pipeline.produce(3000);
    await pipeline.expectAll([frozen, other]);
    expect(await frozen.drain()).toEqual({ code: 0, signal: null });
    expect(await other.drain()).toEqual({ code: 0, signal: null });
  },
);
