/** Sinks that are away, sinks that are not required, and the breaker, end to end. */
import { expect, test } from 'vitest';
import { sharedBench } from './bench.ts';
import { orderMessage, orders, orderColumns, orderSteps, orderTable, upserted, appended } from './orders.ts';
import { type Bench, type Pipectl, eventually, header } from './pipeline.ts';

let bench: Bench;
sharedBench((opened) => (bench = opened));

const logged = (child: Pipectl, code: string): boolean => child.log.some((line) => line.code === code);
const partitions = 2;

test('a sink that is not required holds nobody up, and catches up to the same rows', async () => {
  const topic = await bench.topic(partitions);
  const [main, side] = [await bench.table(orderTable.append), await bench.table(orderTable.upsert)];
  const { path: file, name } = await bench.pipeline({
    source: { kafka: { topic } },
    steps: orderSteps,
    sinks: [
      { postgres: { connection: 'serving', table: main, mode: 'append' }, name: 'main' },
      {
        postgres: { connection: 'serving', table: side, key: ['id'], lock_timeout: '300ms' },
        name: 'side',
        required: false,
      },
    ],
  });
  const input = orders(0, 12_000);
  const send = (from: number, to: number) =>
    bench.send(
      topic,
      input.slice(from, to).map((one) => orderMessage(one, partitions)),
    );
  await send(0, 1000);
  await using child = bench.start(['run', file]);
  await bench.written(name, 1000, [child], { sink: 'side' });
  {
    await using _lock = await bench.lock(side);
    await send(1000, 12_000);
    await bench.written(name, 12_000, [child], { sink: 'main' });
    await eventually('the other one is in trouble', () => logged(child, 'sink_unavailable'), { running: [child] });
    expect(await bench.progress(name, 'side')).toBeLessThan(12_000);
  }
  await bench.written(name, 12_000, [child], { sink: 'side' });
  expect(await child.drain()).toMatchObject({ code: 0 });
  await bench.expectRows(main, orderColumns, appended(input));
  await bench.expectRows(side, orderColumns, upserted(input));
  const ends = await bench.ends(topic);
  expect(await bench.committed(name, topic)).toEqual(ends);
  expect(await bench.committed(`${name}.side`, topic)).toEqual(ends);
});

test('a sink that is not required is started anew when its table is gone and comes back; without it at the start the run fails', async () => {
  const topic = await bench.topic(1);
  const side = bench.tableName();
  const { path: file, name } = await bench.pipeline({
    source: { kafka: { topic } },
    steps: orderSteps,
    sinks: [
      { discard: {} },
      { postgres: { connection: 'serving', table: side, key: ['id'] }, name: 'side', required: false },
    ],
  });
  expect(await bench.run(['run', file])).toMatchObject({ code: 1 });
  await bench.query(`CREATE TABLE ${side} (${orderTable.upsert})`);
  await using child = bench.start(['run', file]);
  const input = orders(0, 600);
  await bench.send(
    topic,
    input.slice(0, 300).map((one) => orderMessage(one, 1)),
  );
  await bench.written(name, 300, [child], { sink: 'side' });
  await bench.query(`ALTER TABLE ${side} RENAME TO ${side}_away`);
  await bench.send(
    topic,
    input.slice(300).map((one) => orderMessage(one, 1)),
  );
  await eventually('it is down', () => logged(child, 'optional_sink_down'), { running: [child] });
  await bench.query(`ALTER TABLE ${side}_away RENAME TO ${side}`);
  await bench.written(name, 600, [child], { sink: 'side' });
  expect(await child.drain()).toMatchObject({ code: 0 });
  await bench.expectRows(side, orderColumns, upserted(input));
});

test('retry then: dlq makes dead letters of what a locked table did not take, and then: stop ends with exit code 3', async () => {
  const topic = await bench.topic(1);
  const table = await bench.table(orderTable.append);
  const definition = (then: string) => ({
    source: { kafka: { topic } },
    steps: orderSteps,
    sinks: [
      {
        postgres: { connection: 'serving', table, mode: 'append', lock_timeout: '200ms' },
        // oxlint-disable-next-line unicorn/no-thenable -- a word of the file, in an object nobody awaits
        retry: { for: '1s', then },
      },
    ],
  });
  const { path: file, name, dlq } = await bench.pipeline(definition('dlq'));
  const input = orders(0, 900);
  await bench.send(
    topic,
    input.slice(0, 300).map((one) => orderMessage(one, 1)),
  );
  await using child = bench.start(['run', file]);
  await bench.written(name, 300, [child]);
  {
    await using _lock = await bench.lock(table);
    await bench.send(
      topic,
      input.slice(300, 600).map((one) => orderMessage(one, 1)),
    );
    await eventually('they are dead letters', async () => (await bench.read(dlq)).length === 200, { running: [child] });
  }
  await bench.send(
    topic,
    input.slice(600).map((one) => orderMessage(one, 1)),
  );
  await bench.written(name, 900, [child]);
  expect(await child.drain()).toMatchObject({ code: 0 });
  await bench.expectRows(table, orderColumns, [...appended(input.slice(0, 300)), ...appended(input.slice(600))]);
  for (const letter of await bench.read(dlq)) {
    expect(header(letter, 'pipectl-error-code')).toBe('sink_unavailable');
    expect(header(letter, 'pipectl-stage')).toBe('sink:postgres');
  }

  const stopping = await bench.pipeline(definition('stop'));
  await using _lock = await bench.lock(table);
  const ended = await bench.run(['run', stopping.path]);
  expect(ended).toMatchObject({ code: 3 });
  expect(ended.stderr).toContain('writing to postgres failed');
});

test('5,000 bad rows at once open the breaker: nothing moves, kill -9 changes nothing, and resume goes on', async () => {
  const topic = await bench.topic(1);
  const table = await bench.table(`${orderTable.upsert}, CHECK (n < 1000000)`);
  const {
    path: file,
    name,
    dlq,
  } = await bench.pipeline({
    source: { kafka: { topic, session_timeout: '6s' } },
    steps: orderSteps,
    sinks: [{ postgres: { connection: 'serving', table, key: ['id'] } }],
  });
  const good = orders(0, 500).map((one) => ({ ...one, status: 'paid' as const }));
  const bad = orders(0, 5000).map((one) => ({ ...one, n: one.n + 1_000_000, status: 'paid' as const }));
  await bench.send(
    topic,
    good.map((one) => orderMessage(one, 1)),
  );
  {
    await using first = bench.start(['run', file]);
    await bench.written(name, 500, [first]);
    await bench.send(
      topic,
      bad.map((one) => orderMessage(one, 1)),
    );
    await eventually('the breaker is open', () => logged(first, 'breaker_open'), { running: [first] });
    first.kill('SIGKILL');
    await first.ended;
  }
  expect(await bench.progress(name)).toBe(500);
  expect(await bench.read(dlq)).toEqual([]);

  await using second = bench.start(['run', file]);
  await eventually('the breaker is open again', () => logged(second, 'breaker_open'), {
    running: [second],
    withinMs: 60_000,
  });
  expect(await bench.progress(name)).toBe(500);
  const resumed = await bench.run(['resume', name, '--note', 'the rows are known']);
  expect(resumed).toMatchObject({ code: 0 });
  expect(resumed.stdout).toContain('goes on');
  await bench.written(name, 5500, [second]);
  expect(await bench.run(['resume', file])).toMatchObject({ code: 1 });
  expect(await second.drain()).toMatchObject({ code: 0 });
  expect(await bench.run(['resume', file])).toMatchObject({ code: 1 });
  await bench.expectRows(table, orderColumns, upserted(good));
  expect(await bench.read(dlq)).toHaveLength(5000);
  expect(second.log.find(({ code }) => code === 'resumed')).toMatchObject({
    message: expect.stringContaining('the rows are known') as string,
  });

  const again = await bench.pipeline({
    source: { kafka: { topic } },
    steps: orderSteps,
    sinks: [{ postgres: { connection: 'serving', table, key: ['id'] } }],
  });
  expect(await bench.run(['run', again.path, '--until-end'])).toMatchObject({ code: 4 });
}, 120_000);
