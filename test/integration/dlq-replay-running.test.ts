/** `pipectl dlq replay`: dead letters handed to the members of a pipeline that runs. */
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { stackAddress } from '../stack/shared.ts';
import { Bench, eventually, type Message, type Outcome, type Pipectl, type PipelineFile } from './pipeline.ts';

let bench: Bench;
beforeAll(async () => {
  bench = await Bench.open({ brokers: stackAddress('kafka'), url: stackAddress('postgres') });
});
afterEach(() => bench.expectNoSecrets());
afterAll(() => bench[Symbol.asyncDispose]());

const message = (id: number, n: number): Message => ({
  partition: 0,
  key: String(id),
  value: JSON.stringify({ id, n }),
});

async function refused(mode: 'upsert' | 'append', columns: string, ids: readonly number[]) {
  const [topic, table] = [await bench.topic(), await bench.table(`${columns}, CHECK (n >= 0)`)];
  const sink = { connection: 'serving', table, mode, ...(mode === 'upsert' && { key: ['id'] }) };
  const file = await bench.pipeline({
    source: { kafka: { topic } },
    sinks: [{ postgres: sink }],
    dlq: { breaker: 'off' },
  });
  await bench.send(
    topic,
    ids.map((id) => message(id, -1 - id)),
  );
  expect(await bench.run(['run', file.path, '--until-end', '--view', 'none'])).toMatchObject({ code: 0 });
  const mend = () => bench.query(`ALTER TABLE ${table} DROP CONSTRAINT ${table}_n_check`);
  return { topic, table, file, mend };
}

const member = (file: PipelineFile): Pipectl => bench.start(['run', file.path, '--view', 'none']);

async function ready(file: PipelineFile, ...members: readonly Pipectl[]): Promise<void> {
  await eventually(
    'the members own their partitions',
    () => members.some(({ log }) => log.some(({ code }) => code === 'assigned')),
    {
      running: members,
    },
  );
  await eventually('the group has them', async () => {
    const { members: found } = (await bench.kafka.describeGroups([file.name])).groups[0]!;
    return found.length === members.length;
  });
}

async function stats(file: PipelineFile): Promise<{ open: number; quarantined: number; total: number }> {
  return JSON.parse((await bench.run(['dlq', 'stats', file.path, '--json'])).stdout) as never;
}

test('the member that runs takes them up: delivered, superseded, dead again; its positions are its own', async () => {
  const { topic, table, file, mend } = await refused(
    'upsert',
    'id bigint PRIMARY KEY, n bigint, _pipectl_version bigint[]',
    [1, 2],
  );
  await bench.send(topic, [message(2, 20), { partition: 0, key: 'x', value: '{' }]);
  await mend();
  const running = member(file);
  await ready(file, running);
  await bench.written(file.name, 4, [running]);
  const replay = (...more: string[]): Promise<Outcome> => bench.run(['dlq', 'replay', file.path, ...more]);
  expect(await replay('--all', '--note', 'mended')).toMatchObject({
    code: 1,
    stdout: expect.stringMatching(
      /^3 selected: 1 delivered, 1 superseded by newer rows, 1 dead again \([0-9a-f]{8}\)\n$/,
    ),
  });
  await bench.expectRows(
    table,
    ['id', 'n'],
    [
      [1, -2],
      [2, 20],
    ],
  );
  expect(await bench.positions(file.name)).toEqual([4]);
  expect(await stats(file)).toMatchObject({ open: 1, total: 3 });
  expect((await bench.run(['dlq', 'inspect', file.path, '--key', '1'])).stdout).toMatch(
    /replayed {3}\S+ by \S+ \(delivered\): mended\n/,
  );

  const detached = await replay('--all', '--detach');
  expect(detached).toMatchObject({
    code: 0,
    stdout: expect.stringContaining(`1 dead letters are in ${file.name}.replay`),
  });
  await eventually('it is in quarantine', async () => (await stats(file)).quarantined === 1, { running: [running] });
  await bench.send(topic, [message(3, 3)]);
  await bench.written(file.name, 5, [running]);
  expect(await running.drain()).toMatchObject({ code: 0 });
  expect(await replay('--key', 'x', '--force')).toMatchObject({
    code: 1,
    stderr: expect.stringMatching(/no process runs .*\n.*--here/),
  });

  // Leaving a group is given up after a while: a busy broker forgets the member later.
  await eventually(
    'nobody is in its groups',
    async () => {
      const { groups: found } = await bench.kafka.describeGroups([file.name, `${file.name}.replay`]);
      return found.every(({ members }) => members.length === 0);
    },
    { withinMs: 40_000 },
  );
  expect(await bench.run(['destroy', file.path, '--dead-letters', '--yes'])).toMatchObject({ code: 0 });
  await eventually('its own topics are gone', async () =>
    (await bench.kafka.listTopics()).every((name) => !name.startsWith(file.name)),
  );
  const { groups } = await bench.kafka.listGroups();
  expect(groups.filter(({ groupId }) => groupId.startsWith(file.name))).toEqual([]);
});

test('a member that is killed while it replays leaves the rest to another, and every row is added once', async () => {
  const ids = Array.from({ length: 200 }, (_, id) => id);
  const { table, file, mend } = await refused('append', 'id bigint, n bigint', ids);
  await mend();
  const members = [member(file), member(file)];
  await ready(file, ...members);
  const operators = [1, 2].map(() => bench.start(['dlq', 'replay', file.path, '--all', '--rate', '50/s']));
  const count = async (): Promise<number> => (await bench.query(`SELECT count(*)::int FROM ${table}`))[0]![0] as number;
  await eventually('some are replayed', async () => (await count()) > 10, { running: members });
  const busy = await eventually('one of them replays', () =>
    members.find(({ log }) => log.some(({ code }) => code === 'replayed')),
  );
  busy.kill('SIGKILL');
  for (const { ended, stdout } of operators) expect(await ended, stdout).toMatchObject({ code: 0 });
  expect(await count()).toBe(ids.length);
  await bench.expectRows(
    table,
    ['id', 'n'],
    ids.map((id) => [id, -1 - id]),
  );
  expect(await stats(file)).toMatchObject({ open: 0, total: ids.length });
}, 120_000);

test('a table without versions is refused by the member too, with the reason', async () => {
  const { table, file, mend } = await refused('upsert', 'id bigint PRIMARY KEY, n bigint', [1]);
  await mend();
  const running = member(file);
  await ready(file, running);
  expect(await bench.run(['dlq', 'replay', file.path, '--all'])).toMatchObject({
    code: 1,
    stdout: expect.stringMatching(/^1 selected\n {2}1 can not be replayed: .* keeps no version of its rows/),
  });
  expect(await bench.run(['dlq', 'replay', file.path, '--all', '--yes'])).toMatchObject({
    code: 0,
    stdout: '1 selected: 1 delivered\n',
  });
  await bench.expectRows(table, ['id', 'n'], [[1, -2]]);
});
