/** `pipectl dlq replay --here` and what closes dead letters, against a real broker and a real database. */
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { stackAddress } from '../stack/shared.ts';
import { Bench, header, type Message, type Outcome, type PipelineFile } from './pipeline.ts';

let bench: Bench;
beforeAll(async () => {
  bench = await Bench.open({ brokers: stackAddress('kafka'), url: stackAddress('postgres') });
});
afterEach(() => bench.expectNoSecrets());
afterAll(() => bench[Symbol.asyncDispose]());

interface Row {
  readonly id: number | string;
  readonly n: number | string | null;
}

const message = ({ id, n }: Row, partition = 0): Message => ({
  partition,
  key: String(id),
  value: JSON.stringify({ id, n }),
});

interface Setup {
  readonly columns: string;
  readonly mode?: 'upsert' | 'append';
  readonly partitions?: number;
  readonly steps?: readonly unknown[];
}

interface World {
  readonly file: PipelineFile;
  readonly topic: string;
  readonly table: string;
  readonly definition: Readonly<Record<string, unknown>>;
}

async function world({ columns, mode = 'upsert', partitions = 1, steps = [] }: Setup): Promise<World> {
  const topic = await bench.topic(partitions);
  const table = await bench.table(columns);
  const sink = { connection: 'serving', table, mode, ...(mode === 'upsert' && { key: ['id'] }) };
  const definition = { source: { kafka: { topic } }, steps, sinks: [{ postgres: sink }] };
  return { file: await bench.pipeline(definition), topic, table, definition };
}

async function toTheEnd({ path }: PipelineFile): Promise<void> {
  expect(await bench.run(['run', path, '--until-end', '--view', 'none'])).toMatchObject({ code: 0 });
}

const replayHere = (file: PipelineFile, ...more: string[]): Promise<Outcome> =>
  bench.run(['dlq', 'replay', file.path, '--here', ...more]);

async function stats(file: PipelineFile): Promise<{ open: number; quarantined: number; total: number }> {
  const { stdout } = await bench.run(['dlq', 'stats', file.path, '--json']);
  return JSON.parse(stdout) as { open: number; quarantined: number; total: number };
}

const upsertColumns = 'id bigint PRIMARY KEY, n bigint CHECK (n >= 0), _pipectl_version bigint[]';

test('what was refused is delivered once the table takes it; a newer row stays, and no position moves', async () => {
  const { file, topic, table } = await world({ columns: upsertColumns });
  await bench.send(topic, [message({ id: 1, n: -1 }), message({ id: 2, n: -2 })]);
  await toTheEnd(file);
  await bench.send(topic, [message({ id: 2, n: 20 }), { partition: 0, key: '3', value: '{"id": 3,' }]);
  await toTheEnd(file);
  await bench.expectRows(table, ['id', 'n'], [[2, 20]]);
  expect(await stats(file)).toMatchObject({ open: 3, total: 3 });
  const before = [await bench.positions(file.name), await bench.committed(file.name, topic)];

  await bench.query(`ALTER TABLE ${table} DROP CONSTRAINT ${table}_n_check`);
  const tried = await replayHere(file, '--all', '--dry-run');
  expect(tried.stdout).toMatch(
    /^3 tried, nothing written: 1 delivered, 1 superseded by newer rows, 1 dead again \([0-9a-f]{8}\)\n$/,
  );
  await bench.expectRows(table, ['id', 'n'], [[2, 20]]);
  expect(await stats(file)).toMatchObject({ open: 3, total: 3 });

  const replayed = await replayHere(file, '--stage', 'sink');
  expect(replayed).toMatchObject({ code: 0, stdout: '2 selected: 1 delivered, 1 superseded by newer rows\n' });
  await bench.expectRows(
    table,
    ['id', 'n'],
    [
      [1, -1],
      [2, 20],
    ],
  );
  expect([await bench.positions(file.name), await bench.committed(file.name, topic)]).toEqual(before);
  expect(await stats(file)).toMatchObject({ open: 1, total: 3 });
  expect(await replayHere(file, '--stage', 'sink')).toMatchObject({ code: 0, stdout: '0 selected\n' });
  const versions = await bench.query(`SELECT id::int, _pipectl_version[3]::int FROM ${table} ORDER BY id`);
  expect(versions).toEqual([
    [1, 0],
    [2, 2],
  ]);
});

test('a key that moved to another partition keeps the row of the newer one', async () => {
  const { file, topic, table } = await world({ columns: upsertColumns, partitions: 2 });
  await bench.send(topic, [message({ id: 1, n: -1 }, 1)]);
  await toTheEnd(file);
  await bench.send(topic, [message({ id: 1, n: 7 }, 0)]);
  await toTheEnd(file);
  await bench.query(`ALTER TABLE ${table} DROP CONSTRAINT ${table}_n_check`);
  expect(await replayHere(file, '--all')).toMatchObject({
    code: 0,
    stdout: '1 selected: 1 superseded by newer rows\n',
  });
  await bench.expectRows(table, ['id', 'n'], [[1, 7]]);
});

test('two operators who replay the same letters at once, and one who was killed, add one row each', async () => {
  const { file, topic, table } = await world({ columns: 'id bigint, n bigint CHECK (n >= 0)', mode: 'append' });
  const rows = Array.from({ length: 300 }, (_, id) => [id, -1 - id]);
  await bench.send(
    topic,
    rows.map(([id, n]) => message({ id: id!, n: n! })),
  );
  await bench.send(topic, [message({ id: 1000, n: 1 })]);
  await withoutBreaker(file);
  await toTheEnd(file);
  expect(await stats(file)).toMatchObject({ open: 300 });
  await bench.query(`ALTER TABLE ${table} DROP CONSTRAINT ${table}_n_check`);

  const killed = bench.start(['dlq', 'replay', file.path, '--here', '--all', '--rate', '100/s']);
  for (;;) {
    const [[count]] = (await bench.query(`SELECT count(*)::int FROM ${table}`)) as [[number]];
    if (count > 1) break;
    expect(killed.hasEnded).toBe(false);
  }
  killed.kill('SIGKILL');
  await killed.ended;
  const half = (await stats(file)).open;
  expect(half).toBeGreaterThan(0);

  const both = await Promise.all([1, 2].map(() => replayHere(file, '--all', '--rate', '1000/s')));
  expect(both.map(({ code }) => code)).toEqual([0, 0]);
  await bench.expectRows(table, ['id', 'n'], [...rows, [1000, 1]]);
  expect(await stats(file)).toMatchObject({ open: 0, total: 300 });
});

test('a pipeline without Kafka has its letters in a file: replayed, resolved, and purged where they stand', async () => {
  const input = path.join(bench.directory, 'orders.ndjson');
  await writeFile(input, '{"id":1,"n":"x"}\n{"id":2,"n":4}\n{"id":3,"n":\n{"id":4,"n":"y"}\n');
  const output = path.join(bench.directory, 'rows.ndjson');
  const sinks = [{ file: { path: output } }];
  const source = { file: { path: input } };
  const name = 'files';
  const file = await bench.pipeline({ source, steps: [{ set: { n: 'event.n * 2' } }], sinks }, name);
  await toTheEnd(file);
  expect(await stats(file)).toMatchObject({ open: 3 });
  await bench.pipeline({ source, steps: [{ set: { n: 'event.n + event.n' } }], sinks }, name);
  const replayed = await replayHere(file, '--all');
  expect(replayed).toMatchObject({ code: 1, stdout: expect.stringMatching(/^3 selected: 2 delivered, 1 dead again/) });
  expect(replayed.stderr).toContain('a letter that is replayed twice is written twice');
  const rows = '{"id":2,"n":8}\n{"id":1,"n":"xx"}\n{"id":4,"n":"yy"}\n';
  expect(await readFile(output, 'utf8')).toBe(rows);
  await toTheEnd(file);
  expect(await readFile(output, 'utf8')).toBe(rows);

  const queue = path.join(bench.directory, 'files.dlq.ndjson');
  const before = await readFile(queue, 'utf8');
  const purged = await bench.run(['dlq', 'purge', file.path, '--resolved', '--before', '0s', '--yes']);
  expect(purged).toMatchObject({ code: 0, stdout: expect.stringMatching(/\n2 removed\n$/) });
  const after = await readFile(queue, 'utf8');
  expect(after).toHaveLength(before.length);
  expect(after).not.toContain('"x');
  expect(after).toContain('{\\"id\\":3');
  expect(await stats(file)).toMatchObject({ open: 1, total: 3 });
  expect((await bench.run(['dlq', 'inspect', file.path, '--limit', '3'])).stdout).toContain('removed by `dlq purge`');
});

async function withoutBreaker(file: PipelineFile): Promise<void> {
  const definition = JSON.parse(await readFile(file.path, 'utf8')) as Record<string, unknown>;
  await writeFile(file.path, JSON.stringify({ ...definition, dlq: { breaker: 'off' } }));
}

test('letters are replayed while the pipeline writes newer rows of the same keys: none of these is taken back', async () => {
  const { file, topic, table } = await world({ columns: upsertColumns, partitions: 2 });
  const keys = Array.from({ length: 200 }, (_, id) => id);
  await bench.send(
    topic,
    keys.map((id) => message({ id, n: -1 }, id % 2)),
  );
  await withoutBreaker(file);
  await toTheEnd(file);
  expect(await stats(file)).toMatchObject({ open: keys.length });
  await bench.query(`ALTER TABLE ${table} DROP CONSTRAINT ${table}_n_check`);

  const running = bench.start(['run', file.path, '--view', 'none']);
  const replaying = bench.start(['dlq', 'replay', file.path, '--here', '--all', '--rate', '50/s']);
  const newest = new Map(keys.map((id) => [id, -1]));
  let sent = keys.length;
  // Every fourth key has nothing but its letter.
  const busy = keys.filter((id) => id % 4 !== 0);
  for (let n = 1; !replaying.hasEnded; n++) {
    await bench.send(
      topic,
      busy.map((id) => message({ id, n }, id % 2)),
    );
    sent += busy.length;
    for (const id of busy) newest.set(id, n);
  }
  expect(await replaying.ended).toMatchObject({ code: 0 });
  await bench.written(file.name, sent, [running]);
  expect(await running.drain()).toMatchObject({ code: 0 });
  expect(replaying.stdout).toMatch(/^200 selected: .*superseded by newer rows\n$/);
  await bench.expectRows(table, ['id', 'n'], [...newest]);
  expect(await stats(file)).toMatchObject({ open: 0 });
});

test('a cause that is not mended is dead again with a count, goes into quarantine, and is edited out of it by force', async () => {
  const { file, topic, table } = await world({ columns: upsertColumns });
  await bench.send(topic, [message({ id: 1, n: -5 }), { partition: 0, key: 'gone', value: null }]);
  await toTheEnd(file);
  const one = ['--key', '1'];
  expect(await replayHere(file, ...one)).toMatchObject({
    code: 1,
    stdout: expect.stringMatching(/^1 selected: 1 dead again \([0-9a-f]{8}\)\n$/),
  });
  const again = await replayHere(file, ...one);
  expect(again).toMatchObject({ code: 1, stdout: expect.stringContaining('1 of these in quarantine now') });
  const letters = (await bench.read(file.dlq)).filter(({ key }) => Buffer.from(key!).toString() === '1');
  const counts = letters.map((letter) => [header(letter, 'pipectl-attempts'), header(letter, 'pipectl-replay-count')]);
  expect(counts).toEqual([
    ['1', '0'],
    ['2', '1'],
    ['3', '2'],
  ]);
  expect(new Set(letters.map((letter) => header(letter, 'pipectl-dlq-id'))).size).toBe(1);
  expect(await stats(file)).toMatchObject({ open: 1, quarantined: 1, total: 2 });

  const left = await replayHere(file, ...one);
  expect(left).toMatchObject({ code: 0, stdout: '0 selected\n' });
  expect(left.stderr).toContain('1 in quarantine are left out; --force takes them too');
  const edited = await replayHere(file, ...one, '--force', '--set', 'n=5', '--note', 'sign was wrong');
  expect(edited).toMatchObject({ code: 0, stdout: '1 selected: 1 delivered\n' });
  await bench.expectRows(table, ['id', 'n'], [[1, 5]]);
  const { stdout } = await bench.run(['dlq', 'inspect', file.path, ...one]);
  expect(stdout).toMatch(/replayed {3}\S+ by \S+ \(delivered, with n=5\): sign was wrong\n/);
  expect(stdout).toContain('"n": -5');

  // A tombstone stays null: what the table refused of it, it refuses again.
  expect(await replayHere(file, '--key', 'gone')).toMatchObject({ code: 1 });
  const tombstones = (await bench.read(file.dlq)).filter(({ value }) => value === null);
  expect(tombstones).toHaveLength(2);
});

test('a value too large for the queue is fetched from the source again, and refused with the reason where it is gone', async () => {
  const { file, topic, table } = await world({
    columns: 'id bigint PRIMARY KEY, n text, _pipectl_version bigint[], CHECK (length(n) < 10)',
  });
  const long = 'x'.repeat(1_500_000);
  await bench.send(topic, [message({ id: 1, n: long }), message({ id: 2, n: `${long}y` })]);
  await toTheEnd(file);
  expect((await bench.read(file.dlq)).map((letter) => header(letter, 'pipectl-payload'))).toEqual([
    'omitted',
    'omitted',
  ]);
  await bench.query(`ALTER TABLE ${table} DROP CONSTRAINT ${table}_n_check`);
  await bench.truncate(topic, 1);
  expect(await replayHere(file, '--all')).toMatchObject({
    code: 1,
    stdout: expect.stringMatching(
      /^2 selected: 1 delivered\n {2}1 can not be replayed: its value was too large for the queue, and its record is no longer/,
    ),
  });
  await bench.expectRows(table, ['id', 'length(n)'], [[2, 1_500_001]]);
});

test('an element of an exploded record is replayed alone, a record that did not decode with all its elements', async () => {
  const { file, topic, table } = await world({
    columns: 'id bigint, n bigint CHECK (n >= 0)',
    mode: 'append',
    steps: [{ explode: 'event.items' }, { map: { id: 'event.item.id', n: 'event.item.n' } }],
  });
  const items = [
    { id: 1, n: 1 },
    { id: 2, n: -2 },
    { id: 3, n: 'three' },
    { id: 4, n: 4 },
  ];
  await bench.send(topic, [{ partition: 0, key: null, value: JSON.stringify({ items }) }]);
  const first = await bench.run(['run', file.path, '--until-end', '--view', 'none']);
  expect(first.code).toBe(0);
  await bench.query(`ALTER TABLE ${table} DROP CONSTRAINT ${table}_n_check`);
  expect(await replayHere(file, '--all')).toMatchObject({
    code: 1,
    stdout: expect.stringMatching(/^2 selected: 1 delivered, 1 dead again/),
  });
  await bench.expectRows(
    table,
    ['id', 'n'],
    [
      [1, 1],
      [2, -2],
      [4, 4],
    ],
  );
});

test('a letter whose record the pipeline has before it again is left to the pipeline', async () => {
  const { file, topic, table } = await world({ columns: 'id bigint, n bigint CHECK (n >= 0)', mode: 'append' });
  await bench.send(topic, [message({ id: 1, n: -1 })]);
  await toTheEnd(file);
  await bench.query(`ALTER TABLE ${table} DROP CONSTRAINT ${table}_n_check`);
  expect(await bench.run(['rewind', file.path, '--to', 'earliest', '--yes'])).toMatchObject({ code: 0 });
  expect(await replayHere(file, '--all')).toMatchObject({
    code: 1,
    stdout: '1 selected: 1 left to the pipeline, which has not come to them yet\n',
  });
  await toTheEnd(file);
  await bench.expectRows(table, ['id', 'n'], [[1, -1]]);
});

test('a table without versions is written only where that is meant', async () => {
  const { file, topic, table } = await world({ columns: 'id bigint PRIMARY KEY, n bigint CHECK (n >= 0)' });
  await bench.send(topic, [message({ id: 1, n: -1 })]);
  await toTheEnd(file);
  await bench.query(`ALTER TABLE ${table} DROP CONSTRAINT ${table}_n_check`);
  const refused = await replayHere(file, '--all');
  expect(refused).toMatchObject({ code: 1, stderr: expect.stringContaining('keeps no version of its rows') });
  expect(await replayHere(file, '--all', '--yes')).toMatchObject({ code: 0, stdout: '1 selected: 1 delivered\n' });
});

test('a database that is away is told with exit code 3, and nothing is lost', async () => {
  const { file, topic } = await world({ columns: upsertColumns });
  await bench.send(topic, [message({ id: 1, n: -1 })]);
  await toTheEnd(file);
  const away = await bench.run(['dlq', 'replay', file.path, '--here', '--all'], {
    PG_URL: 'postgres://nobody@127.0.0.1:1/none',
  });
  expect(away.code).toBe(3);
  expect(await stats(file)).toMatchObject({ open: 1 });
}, 90_000);

test('resolve needs to be told which, keeps the note, and purge removes from the front of the topic', async () => {
  const { file, topic } = await world({ columns: upsertColumns });
  await bench.send(
    topic,
    [1, 2, 3].map((id) => message({ id, n: -id })),
  );
  await toTheEnd(file);
  expect(await bench.run(['dlq', 'resolve', file.path, '--note', 'why'])).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('say --all'),
  });
  const resolve = (key: string): Promise<Outcome> =>
    bench.run(['dlq', 'resolve', file.path, '--key', key, '--note', 'test data']);
  expect(await resolve('1')).toMatchObject({ code: 0, stdout: '1 resolved, 0 closed before\n' });
  expect(await resolve('3')).toMatchObject({ code: 0 });
  expect(await resolve('3')).toMatchObject({ code: 1, stdout: '0 resolved, 1 closed before\n' });
  expect(await stats(file)).toMatchObject({ open: 1, total: 3 });
  const check = await bench.run(['dlq', 'stats', file.path, '--check']);
  expect(check).toMatchObject({
    code: 1,
    stdout: expect.stringMatching(/^DLQ WARNING - 1 open, .* \| open=1;1;1000 /),
  });

  const purge = (...more: string[]): Promise<Outcome> =>
    bench.run(['dlq', 'purge', file.path, '--resolved', '--before', '0s', ...more]);
  expect((await purge('--dry-run')).stdout).toMatch(
    /the values of 1 dead letters are to go\n {2}1 more have to wait: .* partition 0 from offset 1 on \(open\)\n$/,
  );
  expect(await bench.read(file.dlq)).toHaveLength(3);
  expect(await purge('--yes')).toMatchObject({ code: 0, stdout: expect.stringMatching(/\n1 removed\n$/) });
  expect((await bench.read(file.dlq)).map(({ offset }) => offset)).toEqual([1, 2]);
  const states = (await bench.read(`${file.dlq}.state`)).map(
    ({ value }) => JSON.parse(Buffer.from(value!).toString()) as { note: string; purgedAt?: string },
  );
  expect(states.at(-1)).toMatchObject({ note: 'test data', purgedAt: expect.any(String) });
  expect(JSON.stringify(states)).not.toContain('"n"');
});
