import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
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
import { type Bench, eventually, type PipelineFile } from './pipeline.ts';

let bench: Bench;
sharedBench((opened) => (bench = opened));

const versioned = `${orderTable.upsert}, _pipectl_version bigint[]`;
const [onlyPaid, mapping] = orderSteps;
/** The mapping as it should have been. */
const fixedSteps = [onlyPaid, { map: { ...(mapping as { map: object }).map, total: 'event.qty * event.price * 10' } }];
const fixed = (rows: readonly number[][]): number[][] => rows.map(([id, n, total]) => [id!, n!, total! * 10]);

const send = (topic: string, input: readonly Order[], partitions: number): Promise<void> =>
  bench.send(
    topic,
    input.map((one) => orderMessage(one, partitions)),
  );

async function untilEnd({ path: file }: PipelineFile): Promise<void> {
  const { code, stderr } = await bench.run(['run', file, '--until-end']);
  expect({ code, stderr: code === 0 ? '' : stderr }).toEqual({ code: 0, stderr: '' });
}

const rewind = ({ path: file }: PipelineFile, ...args: string[]) => bench.run(['rewind', file, ...args]);

/** A pipeline that has read `count` orders of a topic and stopped. */
async function donePipeline(count: number, { partitions = 2, columns = versioned, sink = {} } = {}) {
  const topic = await bench.topic(partitions);
  const table = await bench.table(columns);
  const sinks = [{ postgres: { connection: 'serving', table, key: ['id'] }, ...sink }];
  const definition = { source: { kafka: { topic, session_timeout: '6s' } }, steps: orderSteps, sinks };
  const pipeline = await bench.pipeline(definition);
  const input = orders(0, count);
  await send(topic, input, partitions);
  await untilEnd(pipeline);
  const correct = (): Promise<PipelineFile> => bench.pipeline({ ...definition, steps: fixedSteps }, pipeline.name);
  return { ...pipeline, topic, table, input, definition, correct };
}

describe('after a mapping was corrected', () => {
  test.each([
    ['by offset', {}],
    ['by version:', { version: 'event.n' }],
  ])('rewind makes every row anew, also where rows are ordered %s', async (_, sink) => {
    const pipeline = await donePipeline(3000, { sink });
    const { table, input, correct, topic } = pipeline;
    await correct();
    await untilEnd(pipeline);
    await bench.expectRows(table, orderColumns, upserted(input));

    const { code, stdout } = await rewind(pipeline, '--to', 'earliest', '--yes');
    expect(code).toBe(0);
    expect(stdout).toMatch(/Up to 3,000 records are read again/);
    expect(await bench.committed(pipeline.name, topic)).toEqual([0, 0]);
    await untilEnd(pipeline);
    await bench.expectRows(table, orderColumns, fixed(upserted(input)));
    expect(
      await bench.query('SELECT DISTINCT rebuild::int FROM pipectl.positions WHERE pipeline = $1', [pipeline.name]),
    ).toEqual([[1]]);
  });

  test('by time and by offset only what lies behind is made anew', async () => {
    const pipeline = await donePipeline(1000, { partitions: 1 });
    const { table, topic, input, correct } = pipeline;
    const betweenMs = Date.now() + 1;
    await eventually('the clock has passed it', () => Date.now() > betweenMs);
    const more = orders(1000, 1500);
    await send(topic, more, 1);
    await untilEnd(pipeline);
    await correct();
    const moved = await rewind(pipeline, '--to', new Date(betweenMs).toISOString(), '--yes', '--json');
    expect(JSON.parse(moved.stdout)).toMatchObject({
      again: 500,
      skipped: 0,
      places: [{ sink: 'postgres', moves: [{ topic, partition: 0, from: '1500', to: '1000' }] }],
    });
    await untilEnd(pipeline);
    const rowOf = new Map(upserted([...input, ...more]).map((row) => [row[0], row]));
    for (const row of fixed(upserted(more))) rowOf.set(row[0], row);
    await bench.expectRows(table, orderColumns, [...rowOf.values()]);

    expect((await rewind(pipeline, '--to', `${topic}:0=0`, '--yes')).code).toBe(0);
    await untilEnd(pipeline);
    await bench.expectRows(table, orderColumns, fixed(upserted([...input, ...more])));
  });

  test('--sink leaves the other sink where it is', async () => {
    const [one, other] = [await bench.table(versioned), await bench.table(versioned)];
    const topic = await bench.topic();
    const sinks = [one, other].map((table, i) => ({
      postgres: { connection: 'serving', table, key: ['id'] },
      name: `sink_${i}`,
    }));
    const definition = { source: { kafka: { topic } }, sinks };
    const pipeline = await bench.pipeline({ ...definition, steps: orderSteps });
    const input = orders(0, 500);
    await send(topic, input, 1);
    await untilEnd(pipeline);
    await bench.pipeline({ ...definition, steps: fixedSteps }, pipeline.name);
    expect((await rewind(pipeline, '--to', 'earliest', '--sink', 'sink_1', '--yes')).code).toBe(0);
    expect(await bench.positions(pipeline.name, 'sink_0')).toEqual([500]);
    expect(await bench.positions(pipeline.name, 'sink_1')).toEqual([0]);
    await untilEnd(pipeline);
    await bench.expectRows(one, orderColumns, upserted(input));
    await bench.expectRows(other, orderColumns, fixed(upserted(input)));
    const unknown = await rewind(pipeline, '--to', 'earliest', '--sink', 'sink_2');
    expect(unknown).toMatchObject({ code: 2, stderr: expect.stringMatching(/no sink sink_2\n.*sink_0, sink_1/) });
  });
});

test('while a member runs nothing is moved, and it says who runs', async () => {
  const pipeline = await donePipeline(100);
  await using child = bench.start(['run', pipeline.path]);
  await eventually('it owns its partitions', () => child.log.some(({ code }) => code === 'assigned'));
  const before = await bench.positions(pipeline.name);
  const { code, stderr } = await rewind(pipeline, '--to', 'earliest', '--yes');
  expect(code).toBe(1);
  expect(stderr).toMatch(
    new RegExp(
      `group ${pipeline.name} has a member[^]*pipectl at 127\\.0\\.0\\.1, owner of ${pipeline.topic} 0, 1\n.*stop them`,
    ),
  );
  expect(await bench.positions(pipeline.name)).toEqual(before);
  expect((await child.drain()).code).toBe(0);
  expect((await rewind(pipeline, '--to', 'earliest', '--yes')).code).toBe(0);
});

test('--dry-run shows and changes nothing; without a terminal only --yes moves', async () => {
  const pipeline = await donePipeline(100, { partitions: 1 });
  const shown = await rewind(pipeline, '--to', `${pipeline.topic}:0=40`, '--dry-run');
  expect(shown.code).toBe(0);
  expect(shown.stdout).toMatch(new RegExp(`sink postgres +${pipeline.topic} +0 +100 +40 +60 +0\n`));
  const asked = await rewind(pipeline, '--to', 'earliest');
  expect(asked).toMatchObject({ code: 2, stderr: expect.stringMatching(/--yes/) });
  expect(await bench.positions(pipeline.name)).toEqual([100]);
  expect(await bench.committed(pipeline.name, pipeline.topic)).toEqual([100]);
  for (const to of ['yesterday', `${pipeline.topic}:7=1`, `${pipeline.topic}:0=1,${pipeline.topic}:0=2`, 'other:0=1'])
    expect((await rewind(pipeline, '--to', to, '--yes')).code).toBe(2);
  const beyond = await rewind(pipeline, '--to', `${pipeline.topic}:0=101`, '--yes');
  expect(beyond).toMatchObject({ code: 1, stderr: expect.stringMatching(/holds 0 to 100: 101/) });
});

test('killed between two sinks it can be run again, and then both have moved once', async () => {
  const table = await bench.table(versioned);
  const topic = await bench.topic();
  const sinks = [{ file: { path: 'killed.ndjson' } }, { postgres: { connection: 'serving', table, key: ['id'] } }];
  const pipeline = await bench.pipeline({ source: { kafka: { topic } }, steps: orderSteps, sinks });
  const input = orders(0, 600);
  await send(topic, input, 1);
  await untilEnd(pipeline);
  const sidecar = async () =>
    JSON.parse(await readFile(path.join(bench.directory, 'killed.ndjson.pipectl'), 'utf8')) as {
      positions: Record<string, number>;
    };
  // What holds up the second sink.
  const rows = 'SELECT FROM pipectl.positions WHERE pipeline = $1 FOR UPDATE';
  await using held = await bench.hold(rows, [pipeline.name]);
  await using child = bench.start(['rewind', pipeline.path, '--to', 'earliest', '--yes']);
  await eventually('the first sink has moved', async () => Object.values((await sidecar()).positions)[0] === 0);
  await eventually('the second waits for its lock', async () => (await bench.waiting(pipeline.name)) === 1);
  child.kill('SIGKILL');
  await child.ended;
  await held.release();
  expect(await bench.positions(pipeline.name)).toEqual([600]);
  expect(await bench.committed(pipeline.name, topic)).toEqual([600]);

  const again = await rewind(pipeline, '--to', 'earliest', '--yes', '--json');
  expect(again.code).toBe(0);
  expect(JSON.parse(again.stdout)).toMatchObject({ places: [{ sink: 'postgres' }] });
  expect(await bench.committed(pipeline.name, topic)).toEqual([0]);
  await untilEnd(pipeline);
  await bench.expectRows(table, orderColumns, upserted(input));
  const lines = (await readFile(path.join(bench.directory, 'killed.ndjson'), 'utf8')).trimEnd().split('\n');
  expect(lines).toHaveLength(2 * appended(input).length);
});

test('going forward needs --yes, says how many are left out, and they are never written', async () => {
  const pipeline = await donePipeline(300, { partitions: 1 });
  const more = orders(300, 400, 1000);
  await send(pipeline.topic, more, 1);
  const refused = await rewind(pipeline, '--to', `${pipeline.topic}:0=350`);
  expect(refused).toMatchObject({
    code: 2,
    stderr: expect.stringMatching(/up to 50 records would never be written[^]*--yes/),
  });
  expect((await rewind(pipeline, '--to', `${pipeline.topic}:0=350`, '--yes')).code).toBe(0);
  await untilEnd(pipeline);
  await bench.expectRows(pipeline.table, orderColumns, upserted([...pipeline.input, ...more.slice(50)]));
});

test('a sink that is not required is moved with its own group, and destroyed with it', async () => {
  const [table, other] = [await bench.table(versioned), await bench.table(versioned)];
  const topic = await bench.topic();
  const sinks = [
    { postgres: { connection: 'serving', table, key: ['id'] } },
    { postgres: { connection: 'serving', table: other, key: ['id'] }, name: 'extra', required: false },
  ];
  const pipeline = await bench.pipeline({ source: { kafka: { topic } }, steps: orderSteps, sinks });
  const input = orders(0, 300);
  await send(topic, input, 1);
  await untilEnd(pipeline);
  await bench.pipeline({ source: { kafka: { topic } }, steps: fixedSteps, sinks }, pipeline.name);
  expect((await rewind(pipeline, '--to', 'earliest', '--sink', 'extra', '--yes')).code).toBe(0);
  expect(await bench.committed(pipeline.name, topic)).toEqual([300]);
  expect(await bench.committed(`${pipeline.name}.extra`, topic)).toEqual([0]);
  await untilEnd(pipeline);
  await bench.expectRows(table, orderColumns, upserted(input));
  await bench.expectRows(other, orderColumns, fixed(upserted(input)));
  expect((await rewind(pipeline, '--to', 'earliest', '--yes')).code).toBe(0);
  expect(await bench.committed(`${pipeline.name}.extra`, topic)).toEqual([0]);
  expect((await bench.run(['destroy', pipeline.path, '--yes'])).code).toBe(0);
  const groups = (await bench.kafka.listGroups()).groups.map(({ groupId }) => groupId);
  expect(groups.filter((group) => group.startsWith(pipeline.name))).toEqual([]);
});

test('a pipeline whose sinks keep no positions goes by the offsets of its group', async () => {
  const topic = await bench.topic();
  const pipeline = await bench.pipeline({ source: { kafka: { topic } }, steps: orderSteps, sinks: [{ stdout: {} }] });
  const input = orders(0, 90);
  await send(topic, input, 1);
  const printed = async () =>
    (await bench.run(['run', pipeline.path, '--until-end'])).stdout.trimEnd().split('\n').filter(Boolean).length;
  expect(await printed()).toBe(appended(input).length);
  expect(await printed()).toBe(0);
  expect((await rewind(pipeline, '--to', `${topic}:0=30`, '--yes')).code).toBe(0);
  expect(await printed()).toBe(appended(input.slice(30)).length);
});

test('a file is read again from a place in it', async () => {
  const input = orders(0, 300);
  await writeFile(path.join(bench.directory, 'again.ndjson'), input.map((one) => `${JSON.stringify(one)}\n`).join(''));
  const table = await bench.table(versioned);
  const sinks = [{ postgres: { connection: 'serving', table, key: ['id'] } }];
  const definition = { source: { file: { path: 'again.ndjson' } }, sinks };
  const pipeline = await bench.pipeline({ ...definition, steps: orderSteps });
  await untilEnd(pipeline);
  await bench.pipeline({ ...definition, steps: fixedSteps }, pipeline.name);
  expect((await rewind(pipeline, '--to', '30m')).code).toBe(2);
  expect((await rewind(pipeline, '--to', 'earliest', '--yes')).code).toBe(0);
  await untilEnd(pipeline);
  await bench.expectRows(table, orderColumns, fixed(upserted(input)));
});

describe('the way out of a stop is a command that the message names', () => {
  /** Runs, expects the stop, and does what its hint says. */
  async function stopAndGoOn(pipeline: PipelineFile, code: string): Promise<string> {
    const child = bench.start(['run', pipeline.path, '--until-end']);
    expect((await child.ended).code).toBe(1);
    expect(child.log.map((line) => line.code)).toContain(code);
    const command = /`pipectl (rewind [^`]+)`/.exec(child.stderr)![1]!;
    const { code: exit, stderr } = await bench.run([
      ...command.split(' '),
      ...(command.includes('--yes') ? [] : ['--yes']),
    ]);
    expect({ exit, stderr: exit === 0 ? '' : stderr }).toEqual({ exit: 0, stderr: '' });
    await untilEnd(pipeline);
    return command;
  }

  test('records were deleted before they were read', async () => {
    const pipeline = await donePipeline(500, { partitions: 1 });
    const more = orders(500, 800, 1000);
    await send(pipeline.topic, more, 1);
    await bench.truncate(pipeline.topic, 600);
    expect(await stopAndGoOn(pipeline, 'data_loss')).toContain(`--to ${pipeline.topic}:0=600`);
    await bench.expectRows(pipeline.table, orderColumns, upserted([...pipeline.input, ...more.slice(100)]));
  });

  test.each(['postgres', 'file'])('a topic was created anew (sink %s)', async (kind) => {
    const pipeline = await donePipeline(500, { partitions: 1 });
    const file = `${pipeline.name}.ndjson`;
    if (kind === 'file') {
      await bench.pipeline({ ...pipeline.definition, sinks: [{ file: { path: file } }] }, pipeline.name);
      await bench.kafka.deleteGroups([pipeline.name]);
      await untilEnd(pipeline);
    }
    await bench.recreate(pipeline.topic);
    const anew = orders(7, 907);
    await send(pipeline.topic, anew, 1);
    await stopAndGoOn(pipeline, 'topic_recreated');
    if (kind === 'postgres') {
      const rows = new Map(upserted([...pipeline.input, ...anew]).map((row) => [row[0], row]));
      await bench.expectRows(pipeline.table, orderColumns, [...rows.values()]);
    } else {
      const lines = (await readFile(path.join(bench.directory, file), 'utf8')).trimEnd().split('\n');
      expect(lines).toHaveLength(appended(pipeline.input).length + appended(anew).length);
    }
  });

  test.each(['back', 'forward'])("somebody has moved the group's offsets %s", async (direction) => {
    const pipeline = await donePipeline(500, { partitions: 1 });
    await pipeline.correct();
    const more = orders(500, 700, 1000);
    await send(pipeline.topic, more, 1);
    const offset = direction === 'back' ? 0 : 600;
    await bench.kafka.setOffsets({
      groupId: pipeline.name,
      topic: pipeline.topic,
      partitions: [{ partition: 0, offset: String(offset) }],
    });
    expect(await bench.committed(pipeline.name, pipeline.topic)).toEqual([offset]);
    await stopAndGoOn(pipeline, 'offsets_moved');
    const all = [...pipeline.input, ...more];
    const rows = new Map(upserted(direction === 'back' ? [] : pipeline.input).map((row) => [row[0], row]));
    for (const row of fixed(upserted(all.slice(offset)))) rows.set(row[0], row);
    await bench.expectRows(pipeline.table, orderColumns, [...rows.values()]);
  });

  test('offsets that were moved by hand are set right by naming where the sinks stand', async () => {
    const pipeline = await donePipeline(100, { partitions: 1 });
    const { topic, name } = pipeline;
    await bench.kafka.setOffsets({ groupId: name, topic, partitions: [{ partition: 0, offset: '50' }] });
    expect((await bench.run(['run', pipeline.path, '--until-end'])).code).toBe(1);
    expect((await rewind(pipeline, '--to', `${topic}:0=100`, '--yes')).code).toBe(0);
    await untilEnd(pipeline);
    expect(await bench.committed(name, topic)).toEqual([100]);
  });
});
