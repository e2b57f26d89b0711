import { access } from 'node:fs/promises';
import path from 'node:path';
import { expect, test } from 'vitest';
import { sharedBench } from './bench.ts';
import { orderColumns, orderMessage, orders, orderSteps, orderTable, upserted } from './orders.ts';
import { type Bench, eventually } from './pipeline.ts';

let bench: Bench;
sharedBench((opened) => (bench = opened));

test('destroy shows, asks, refuses while members run, and removes group and positions, no row and no file', async () => {
  const topic = await bench.topic(2);
  const table = await bench.table(orderTable.upsert);
  const sinks = [{ postgres: { connection: 'serving', table, key: ['id'] } }, { file: { path: 'destroyed.ndjson' } }];
  const pipeline = await bench.pipeline({ source: { kafka: { topic } }, steps: orderSteps, sinks });
  const { name, dlq } = pipeline;
  const destroy = (...args: string[]) => bench.run(['destroy', pipeline.path, ...args]);
  const groups = async () => (await bench.kafka.listGroups()).groups.map(({ groupId }) => groupId);
  const input = orders(0, 400);
  await bench.send(topic, [...input.map((one) => orderMessage(one, 2)), { partition: 0, key: null, value: '{' }]);
  {
    await using child = bench.start(['run', pipeline.path]);
    await bench.written(name, 401, [child]);
    expect(await destroy('--yes')).toMatchObject({ code: 1, stderr: expect.stringMatching(/has a member/) });
    expect((await child.drain()).code).toBe(0);
  }
  const shown = await destroy('--dry-run');
  expect(shown.code).toBe(0);
  expect(shown.stdout).toMatch(new RegExp(`remove +group ${name} +offsets of 2 partitions\n`));
  expect(shown.stdout).toMatch(/remove +positions of sink postgres +2 partitions\n/);
  expect(shown.stdout).toMatch(new RegExp(`keep +topic ${dlq} +1 dead letter\n`));
  expect((await destroy()).code).toBe(2);
  expect(await groups()).toContain(name);
  expect(await bench.progress(name)).toBe(401);

  expect((await destroy('--yes')).code).toBe(0);
  expect(await groups()).not.toContain(name);
  expect(await bench.positions(name)).toEqual([]);
  await expect(access(path.join(bench.directory, 'destroyed.ndjson.pipectl'))).rejects.toThrow('ENOENT');
  await access(path.join(bench.directory, 'destroyed.ndjson'));
  await bench.expectRows(table, orderColumns, upserted(input));
  expect(await bench.kafka.listTopics()).toContain(dlq);

  expect((await destroy('--yes', '--dead-letters')).code).toBe(0);
  await eventually('the topic is gone', async () => !(await bench.kafka.listTopics()).includes(dlq));
  const nothing = await destroy('--yes', '--dead-letters');
  expect(nothing).toMatchObject({ code: 0, stdout: expect.stringMatching(/nothing to remove/) });
  expect(await bench.kafka.listTopics()).toContain(topic);
});

test('versions beside the table are left where they are, and the output says so', async () => {
  const topic = await bench.topic();
  const table = await bench.table(orderTable.upsert);
  const sinks = [
    { postgres: { connection: 'serving', table, key: ['id'], guard: { versions: 'side' } }, version: 'event.n' },
  ];
  const pipeline = await bench.pipeline({ source: { kafka: { topic } }, steps: orderSteps, sinks });
  const input = orders(0, 100);
  await bench.send(
    topic,
    input.map((one) => orderMessage(one, 1)),
  );
  expect((await bench.run(['run', pipeline.path, '--until-end'])).code).toBe(0);
  const versions = () => bench.query('SELECT count(*)::int FROM pipectl.versions WHERE target LIKE $1', [`%${table}%`]);
  const before = await versions();
  expect(before).toEqual([[upserted(input).length]]);
  const { code, stdout } = await bench.run(['destroy', pipeline.path, '--yes']);
  expect(code).toBe(0);
  expect(stdout).toMatch(new RegExp(`keep +versions of table ${table} +in pipectl.versions: they belong to the rows`));
  expect(await versions()).toEqual(before);
});

test('a table that was rewound and destroyed is written anew by the next pipeline of that name', async () => {
  const topic = await bench.topic();
  const table = await bench.table(`${orderTable.upsert}, _pipectl_version bigint[]`);
  const sinks = [{ postgres: { connection: 'serving', table, key: ['id'] } }];
  const pipeline = await bench.pipeline({ source: { kafka: { topic } }, steps: orderSteps, sinks });
  const input = orders(0, 200);
  await bench.send(
    topic,
    input.map((one) => orderMessage(one, 1)),
  );
  const run = async (...args: string[]): Promise<void> => expect((await bench.run(args)).code).toBe(0);
  await run('run', pipeline.path, '--until-end');
  await run('rewind', pipeline.path, '--to', 'earliest', '--yes');
  await run('run', pipeline.path, '--until-end');
  await run('destroy', pipeline.path, '--yes');
  await run('run', pipeline.path, '--until-end', '--set', 'steps[1].map.total=0 - event.n');
  await bench.expectRows(
    table,
    orderColumns,
    upserted(input).map(([id, n]) => [id!, n!, -n!]),
  );
});
