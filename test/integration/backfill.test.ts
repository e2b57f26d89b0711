import { describe, expect, test } from 'vitest';
import { uniqueName } from '../stack/shared.ts';
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
import { type Bench, eventually, header, type PipelineFile } from './pipeline.ts';

let bench: Bench;
sharedBench((opened) => (bench = opened));

const partitions = 3;
const versioned = `${orderTable.upsert}, _pipectl_version bigint[]`;
const stepsTimes = (factor: number): object[] => [
  orderSteps[0]!,
  { map: { id: 'event.id', n: 'event.n', total: `event.qty * event.price * ${factor}` } },
];
const times = (factor: number, rows: readonly number[][]): number[][] =>
  rows.map(([id, n, total]) => [id!, n!, total! * factor]);

const send = (topic: string, input: readonly Order[]): Promise<void> =>
  bench.send(
    topic,
    input.map((one) => orderMessage(one, partitions)),
  );

async function untilEnd({ path: file }: PipelineFile, ...args: string[]): Promise<string> {
  const { code, stderr } = await bench.run(['run', file, ...args]);
  expect({ code, stderr: code === 0 ? '' : stderr }).toEqual({ code: 0, stderr: '' });
  return stderr;
}

/** An instant after everything that was sent and before everything that will be. */
async function instant(): Promise<string> {
  const atMs = Date.now() + 1;
  await eventually('the clock has passed it', () => Date.now() > atMs);
  return new Date(atMs).toISOString();
}

describe('beside a live pipeline that is updating the same keys', () => {
  test.each([
    ['by offset', {}],
    ['by version:', { version: 'event.n' }],
  ])('every row ends as the newest record makes it, and never goes back (ordered %s)', async (_, sink) => {
    const topic = await bench.topic(partitions);
    const table = await bench.table(versioned);
    const sinks = [{ postgres: { connection: 'serving', table, key: ['id'] }, ...sink }];
    const definition = { source: { kafka: { topic, session_timeout: '6s' } }, sinks };
    const pipeline = await bench.pipeline({ ...definition, steps: stepsTimes(1) });
    const input = orders(0, 12_000, 3000);
    const from = await instant();
    await send(topic, input.slice(0, 8000));
    await untilEnd(pipeline, '--until-end');
    // The table itself refuses an order that is older than the one that is there.
    const refuse = uniqueName('refuse');
    await bench.query(
      `CREATE FUNCTION ${refuse}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'went back from % to %', OLD.n, NEW.n; END $$`,
    );
    await bench.query(
      `CREATE TRIGGER never_back BEFORE UPDATE ON ${table} FOR EACH ROW WHEN (NEW.n < OLD.n) EXECUTE FUNCTION ${refuse}()`,
    );

    await bench.pipeline({ ...definition, steps: stepsTimes(10) }, pipeline.name);
    const backfill = uniqueName('backfill');
    await using live = bench.start(['run', pipeline.path]);
    await eventually('the live pipeline owns its partitions', () => live.log.some(({ code }) => code === 'assigned'));
    const producing = (async () => {
      for (let at = 8000; at < 12_000; at += 200) await send(topic, input.slice(at, at + 200));
    })();
    await untilEnd(pipeline, '--from', from, '--as', backfill);
    await producing;
    await bench.written(pipeline.name, 12_000, [live]);
    expect((await live.drain()).code).toBe(0);
    await bench.expectRows(table, orderColumns, times(10, upserted(input)));
    expect(await bench.read(pipeline.dlq)).toEqual([]);
    expect(await bench.progress(backfill)).toBeGreaterThanOrEqual(8000);
    await bench.query(`DROP FUNCTION ${refuse} CASCADE`);
  });

  test('also after the live pipeline was rewound', async () => {
    const topic = await bench.topic(partitions);
    const table = await bench.table(versioned);
    const sinks = [{ postgres: { connection: 'serving', table, key: ['id'] } }];
    const pipeline = await bench.pipeline({ source: { kafka: { topic } }, steps: stepsTimes(1), sinks });
    const input = orders(0, 900);
    const from = await instant();
    await send(topic, input);
    await untilEnd(pipeline, '--until-end');
    expect((await bench.run(['rewind', pipeline.path, '--to', 'earliest', '--yes'])).code).toBe(0);
    await untilEnd(pipeline, '--until-end');
    await bench.pipeline({ source: { kafka: { topic } }, steps: stepsTimes(7), sinks }, pipeline.name);
    await untilEnd(pipeline, '--from', from, '--as', uniqueName('backfill'));
    await bench.expectRows(table, orderColumns, times(7, upserted(input)));
  });
});

test('--to leaves what is not older; killed and started again with the same name it goes on, each row once', async () => {
  const topic = await bench.topic(partitions);
  const table = await bench.table(orderTable.append);
  const pipeline = await bench.pipeline({
    source: { kafka: { topic, session_timeout: '6s' } },
    steps: stepsTimes(1),
    sinks: [{ postgres: { connection: 'serving', table, mode: 'append' } }],
  });
  const [before, within, after] = [orders(0, 500), orders(500, 40_500), orders(40_500, 41_000)];
  await send(topic, before);
  const from = await instant();
  await send(topic, within);
  const to = await instant();
  await send(topic, after);
  const backfill = uniqueName('backfill');
  const args = ['--from', from, '--to', to, '--as', backfill];
  {
    await using child = bench.start(['run', pipeline.path, ...args]);
    await eventually('it has written something', async () => (await bench.progress(backfill)) > 500, {
      running: [child],
    });
    child.kill('SIGKILL');
    await child.ended;
  }
  expect(await bench.query(`SELECT count(*) < ${appended(within).length} FROM ${table}`)).toEqual([[true]]);
  expect(await untilEnd(pipeline, ...args)).toMatch(new RegExp(`pipectl destroy ${pipeline.path} --as ${backfill}`));
  await bench.expectRows(table, orderColumns, appended(within));
  await untilEnd(pipeline, ...args);
  await bench.expectRows(table, orderColumns, appended(within));
  expect(await bench.positions(pipeline.name)).toEqual([]);

  expect((await bench.run(['destroy', pipeline.path, '--as', backfill, '--yes'])).code).toBe(0);
  expect(await bench.positions(backfill)).toEqual([]);
  expect((await bench.kafka.listGroups()).groups.map(({ groupId }) => groupId)).not.toContain(backfill);
});

test('its dead letters go to the topic of the pipeline, under its own name', async () => {
  const topic = await bench.topic();
  const table = await bench.table(versioned);
  const sinks = [{ postgres: { connection: 'serving', table, key: ['id'] } }];
  const pipeline = await bench.pipeline({ source: { kafka: { topic } }, steps: stepsTimes(1), sinks });
  const from = await instant();
  await bench.send(topic, [{ partition: 0, key: null, value: '{' }]);
  const backfill = uniqueName('backfill');
  await untilEnd(pipeline, '--from', from, '--as', backfill);
  const letters = await bench.read(pipeline.dlq);
  expect(letters.map((letter) => header(letter, 'pipectl-pipeline'))).toEqual([backfill]);
});

test('what a backfill can not do is refused before it begins', async () => {
  const topic = await bench.topic();
  const table = await bench.table(orderTable.upsert);
  const sinks = [{ postgres: { connection: 'serving', table, key: ['id'] } }];
  const pipeline = await bench.pipeline({ source: { kafka: { topic } }, steps: stepsTimes(1), sinks });
  const refusal = async (...args: string[]): Promise<string> => {
    const { code, stderr } = await bench.run(['run', pipeline.path, ...args]);
    expect(code).toBe(2);
    return stderr;
  };
  expect(await refusal('--to', '1h')).toMatch(/--to is for a backfill[^]*--as NAME[^]*rewind/);
  expect(await refusal('--from', '1h')).toMatch(/--from is for a backfill/);
  expect(await refusal('--as', 'other')).toMatch(/--from/);
  expect(await refusal('--as', pipeline.name, '--from', '1h')).toMatch(/is the pipeline itself/);
  expect(await refusal('--as', 'a b', '--from', '1h')).toMatch(/can not be the name/);
  expect(await refusal('--as', 'other', '--from', 'monday')).toMatch(/"monday" is no time/);
  expect(await refusal('--as', 'other', '--from', '1h', '--to', '2h')).toMatch(/--to is not after --from/);
  expect(await refusal('--as', 'other', '--from', '1h', '--to', '2099-01-01')).toMatch(/future/);
  expect(await refusal('--as', 'other', '--from', '1h', '--dry-run')).toMatch(/--dry-run/);
  const unguarded = await bench.run(['run', pipeline.path, '--as', uniqueName('backfill'), '--from', '1h']);
  expect(unguarded).toMatchObject({
    code: 1,
    stderr: expect.stringMatching(/no column for the version[^]*ALTER TABLE/),
  });
});
