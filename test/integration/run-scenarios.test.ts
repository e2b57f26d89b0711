/** What befalls a pipeline from outside: its topic grows, its cluster or its database is another one, it is moved while it sleeps. */
import { expect, test } from 'vitest';
import { sharedBench } from './bench.ts';
import {
  appended,
  type Order,
  orderColumns,
  orderMessage,
  orders,
  orderSteps,
  orderTable,
  upserted,
} from './orders.ts';
import { Bench, eventually, sum } from './pipeline.ts';

let bench: Bench;
sharedBench((opened) => (bench = opened));

const versioned = `${orderTable.upsert}, _pipectl_version bigint[]`;

/** Into a table of the latest orders, where `event.n` says what is newer, and one of all. */
async function twoTables(topic: string) {
  const [latest, all] = [await bench.table(versioned), await bench.table(orderTable.append)];
  const common = { connection: 'serving', idle_transaction_timeout: '1s' };
  const pipeline = await bench.pipeline({
    source: { kafka: { topic, session_timeout: '2s' } },
    steps: orderSteps,
    sinks: [
      { postgres: { ...common, table: latest, key: ['id'] }, name: 'latest', version: 'event.n' },
      { postgres: { ...common, table: all, mode: 'append' }, name: 'all' },
    ],
  });
  return {
    ...pipeline,
    latest,
    all,
    async expectRows(input: readonly Order[]): Promise<void> {
      await bench.expectRows(latest, orderColumns, upserted(input));
      await bench.expectRows(all, orderColumns, appended(input));
    },
  };
}

const untilEnd = async (file: string): Promise<void> => {
  const { code, stderr } = await bench.run(['run', file, '--until-end']);
  expect({ code, stderr: code === 0 ? '' : stderr }).toEqual({ code: 0, stderr: '' });
};

test('partitions raised from 8 to 16 under load: keys move to other partitions, and every row is the newest', async () => {
  const topic = await bench.topic(8);
  const pipeline = await twoTables(topic);
  const { path: file, name } = pipeline;
  const input = orders(0, 24_000);
  const send = (to: Bench, from: number, end: number, partitions: number) =>
    to.send(
      topic,
      input.slice(from, end).map((one) => orderMessage(one, partitions)),
    );
  await send(bench, 0, 4000, 8);
  await using one = bench.start(['run', file]);
  await using two = bench.start(['run', file]);
  const running = [one, two];
  const shares = () => running.every(({ log }) => log.some(({ message }) => message === 'owns 4 partitions'));
  await eventually('both read', shares, { running });
  await send(bench, 4000, 12_000, 8);
  await bench.kafka.createPartitions({ topicPartitions: [{ topic, count: 16 }] });
  await eventually('the topic has them', async () => {
    const { topics } = await bench.kafka.fetchTopicMetadata({ topics: [topic] });
    return topics[0]?.partitions.filter(({ leader }) => leader >= 0).length === 16;
  });
  // A producer that knows the new partitions from its first request on.
  await using fresh = await Bench.open(bench);
  await send(fresh, 12_000, 24_000, 16);
  for (const sink of ['latest', 'all']) await bench.written(name, 24_000, running, { sink });
  expect((await bench.ends(topic)).filter((end) => end > 0)).toHaveLength(16);
  expect(sum(await bench.ends(topic))).toBe(24_000);
  await pipeline.expectRows(input);
  for (const child of running) expect(await child.drain()).toEqual({ code: 0, signal: null });
});

test('positions of another cluster stop the run with the command that goes on, and nothing is written before', async () => {
  const topic = await bench.topic(2);
  const pipeline = await twoTables(topic);
  const input = orders(0, 500);
  const send = (some: readonly Order[]) =>
    bench.send(
      topic,
      some.map((one) => orderMessage(one, 2)),
    );
  await send(input);
  await untilEnd(pipeline.path);
  // As if the address led to another cluster now, which has a topic of that name.
  await bench.query(`UPDATE pipectl.positions SET cluster = 'the-former-one' WHERE pipeline = $1`, [pipeline.name]);
  const more = orders(500, 600);
  await send(more);
  const refused = bench.start(['run', pipeline.path]);
  expect(await refused.ended).toEqual({ code: 1, signal: null });
  expect(refused.stderr).toMatch(/topic_recreated/);
  expect(refused.stderr).toMatch(/lies in another cluster/);
  await pipeline.expectRows(input);
  const command = /`pipectl (rewind [^`]+)`/.exec(refused.stderr)![1]!;
  expect((await bench.run([...command.split(' '), '--yes'])).code).toBe(0);
  await untilEnd(pipeline.path);
  await bench.expectRows(pipeline.latest, orderColumns, upserted([...input, ...more]));
  await bench.expectRows(pipeline.all, orderColumns, [...appended(input), ...appended([...input, ...more])]);
});

test(
  'a member that is frozen while its pipeline is rewound writes nothing of what it had in its hands, and begins where it was rewound to',
  { timeout: 90_000 },
  async () => {
    const topic = await bench.topic(1);
    const pipeline = await twoTables(topic);
    const { path: file, name } = pipeline;
    const input = orders(0, 3000);
    const send = (from: number, to: number) =>
      bench.send(
        topic,
        input.slice(from, to).map((one) => orderMessage(one, 1)),
      );
    await send(0, 1000);
    await using frozen = bench.start(['run', file]);
    for (const sink of ['latest', 'all']) await bench.written(name, 1000, [frozen], { sink });

    // Frozen with an epoch in its hands and a transaction open.
    await using lock = await bench.lock(pipeline.latest);
    await send(1000, 3000);
    await eventually('its write waits for the table', async () => (await bench.waiting(name)) > 0, {
      running: [frozen],
    });
    frozen.kill('SIGSTOP');
    await lock.release();
    const rewind = ['rewind', file, '--to', 'earliest', '--sink', 'latest', '--yes'];
    expect((await bench.run(rewind)).stderr).toMatch(/has a member, so nothing was moved/);
    await eventually('the group has forgotten it', async () => (await bench.run(rewind)).code === 0, {
      running: [frozen],
    });
    expect(await bench.positions(name, 'latest')).toEqual([0]);
    await bench.query(`TRUNCATE ${pipeline.latest}`);

    frozen.kill('SIGCONT');
    // Whoever tells it first, the coordinator or the sink (`fenced`; the contract of positions asks the sink alone).
    const anew = () => frozen.log.filter(({ code }) => code === 'assigned').length === 2;
    await eventually('it has begun anew', anew, { running: [frozen] });
    for (const sink of ['latest', 'all']) await bench.written(name, 3000, [frozen], { sink });
    // Had the epoch been written that it held, the first 1000 would be missing; the sink that was not rewound has every row once.
    await pipeline.expectRows(input);
    expect(await frozen.drain()).toEqual({ code: 0, signal: null });
  },
);

test('a database restored to an older state while the pipeline is stopped is told of, and what it lacks is written again', async () => {
  const topic = await bench.topic(2);
  const pipeline = await twoTables(topic);
  const { path: file, name, latest, all } = pipeline;
  const input = orders(0, 2000);
  const send = (from: number, to: number) =>
    bench.send(
      topic,
      input.slice(from, to).map((one) => orderMessage(one, 2)),
    );
  await send(0, 800);
  await untilEnd(file);
  const [latestBefore, allBefore] = [bench.tableName(), bench.tableName()];
  await bench.query(`CREATE TABLE ${latestBefore} AS TABLE ${latest}`);
  await bench.query(`CREATE TABLE ${allBefore} AS TABLE ${all}`);
  const positions = await bench.query('SELECT id, position FROM pipectl.positions WHERE pipeline = $1', [name]);
  await send(800, 2000);
  await untilEnd(file);

  await bench.query(`TRUNCATE ${latest}, ${all}`);
  await bench.query(`INSERT INTO ${latest} TABLE ${latestBefore}`);
  await bench.query(`INSERT INTO ${all} TABLE ${allBefore}`);
  for (const before of positions) await bench.query('UPDATE pipectl.positions SET position = $2 WHERE id = $1', before);

  const { code, stderr, stdout } = await bench.run(['run', file, '--until-end', '--view', 'json']);
  expect(code).toBe(0);
  const told = stderr.split('\n').filter((line) => line.includes('going_back'));
  expect(told.map((line) => (JSON.parse(line) as { records: number; sink: string }).sink)).toEqual(['latest', 'all']);
  expect(told[0]).toMatch(/up to 1200 records are read again .* its database was set back to an older state/);
  // And in the status, for whoever looks at that.
  expect(stdout).toContain('"code":"going_back"');
  await pipeline.expectRows(input);
});
