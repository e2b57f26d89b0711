import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { loadPipeline } from '../../src/definition/load.ts';
import { checkLive, type LiveCheck } from '../../src/operations/live-check.ts';
import { planPipeline } from '../../src/plan/index.ts';
import { freePort } from '../stack/loopback.ts';
import { stackAddress, uniqueName } from '../stack/shared.ts';
import { Bench } from './pipeline.ts';

let bench: Bench;
beforeAll(async () => {
  bench = await Bench.open({ brokers: stackAddress('kafka'), url: stackAddress('postgres') });
});
afterAll(() => bench[Symbol.asyncDispose]());

interface Wanted {
  readonly topic: string;
  readonly sink: object;
  readonly name?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly conventions?: object;
}

/** What `explain --live` finds, by subject. */
async function found({
  topic,
  sink,
  name = uniqueName('live'),
  env = {},
  conventions = {},
}: Wanted): Promise<ReadonlyMap<string, LiveCheck>> {
  const schema = uniqueName('positions');
  const { path } = await bench.pipeline(
    {
      source: { kafka: { topic } },
      conventions,
      steps: [{ map: { id: 'event.id', total: 'event.total' } }],
      sinks: [{ postgres: { connection: 'serving', guard: { schema }, ...sink } }],
    },
    name,
  );
  const all = { KAFKA_BROKERS: bench.brokers, PG_URL: bench.url, ...env };
  const plan = await planPipeline(await loadPipeline(path, { env: all, mode: 'run' }));
  const { checks } = await checkLive(plan!);
  expect(JSON.stringify(checks)).not.toContain(new URL(bench.url).password);
  return new Map(checks.map((check) => [check.subject.replace(schema, 'SCHEMA').replace(name, 'NAME'), check]));
}

describe('explain --live', () => {
  test('tells what is there and what `run` would create, and creates nothing itself', async () => {
    const topic = await bench.topic(3);
    const table = uniqueName('missing');
    const wanted = { topic, sink: { table, key: ['id'], create: true, columns: { id: 'bigint', total: 'numeric' } } };
    const first = await found(wanted);
    expect(first.get(`topic ${topic}`)).toMatchObject({ status: 'exists', message: '3 partitions' });
    expect(first.get('group NAME')).toMatchObject({ status: 'created' });
    expect(first.get('topic NAME.dlq')).toMatchObject({ status: 'created' });
    expect(first.get(`table "${table}"`)).toMatchObject({ status: 'created' });
    expect(first.get(`table "${table}"`)?.message).toMatch(/^CREATE TABLE IF NOT EXISTS .*PRIMARY KEY \("id"\)/s);
    for (const own of ['logs', 'positions'])
      expect(first.get(`table "SCHEMA".${own}`)).toMatchObject({ status: 'created' });
    const again = await found(wanted);
    expect([...again.values()].map(({ status }) => status)).toEqual([...first.values()].map(({ status }) => status));
  });

  test('tells of a topic with fewer partitions than the conventions ask for', async () => {
    const sink = { table: await bench.table('id bigint primary key, total numeric'), key: ['id'] };
    const topic = await bench.topic(3);
    const enough = await found({ topic, sink, conventions: { partitions: { min: 3 } } });
    expect(enough.get(`topic ${topic}`)).toMatchObject({ status: 'exists' });
    const few = await found({ topic, sink, conventions: { partitions: { min: 4 } } });
    expect(few.get(`topic ${topic}`)).toMatchObject({ status: 'breach', problem: { code: 'topic_partitions' } });
  });

  test('tells what stops `run`: a topic, a table that are missing, a key that is not unique', async () => {
    const topic = uniqueName('nowhere');
    const missing = await found({ topic, sink: { table: uniqueName('missing'), key: ['id'] } });
    expect(missing.get(`topic ${topic}`)).toMatchObject({ status: 'missing' });
    expect([...missing.values()].find(({ subject }) => subject.startsWith('table "missing'))).toMatchObject({
      status: 'missing',
      message: expect.stringContaining('create: true') as string,
    });
    const table = await bench.table('id bigint, total numeric');
    const plain = await found({ topic: await bench.topic(), sink: { table, key: ['id'] } });
    expect(plain.get(`table "${table}"`)).toMatchObject({
      status: 'missing',
      message: expect.stringContaining('no unique index') as string,
    });
  });

  test('tells where the group stands', async () => {
    const topic = await bench.topic(2);
    const name = uniqueName('live');
    const table = await bench.table('id bigint PRIMARY KEY, total numeric, _pipectl_version bigint[]');
    await bench.kafka.setOffsets({ groupId: name, topic, partitions: [{ partition: 1, offset: '0' }] });
    const checks = await found({ topic, name, sink: { table, key: ['id'] } });
    expect(checks.get('group NAME')).toMatchObject({
      status: 'exists',
      message: 'no members, offsets of 1 of 2 partitions',
    });
    expect(checks.get(`offsets ${topic}`)?.message).toBe('committed/end of partition 1: 0/0');
    expect(checks.get(`table "${table}"`)).toMatchObject({
      status: 'exists',
      message: '2 columns to write, a column for the version',
    });
  });

  test('a database that refuses to answer says why, with exit code 1', async () => {
    const schema = uniqueName('closed');
    const role = uniqueName('reader');
    await bench.query(`CREATE SCHEMA ${schema}; CREATE ROLE ${role} LOGIN PASSWORD 'reader-password'`);
    try {
      const url = new URL(bench.url);
      [url.username, url.password] = [role, 'reader-password'];
      const wanted = {
        topic: await bench.topic(),
        sink: { table: `${schema}.t`, key: ['id'] },
        env: { PG_URL: url.href },
      };
      await expect(found(wanted)).rejects.toMatchObject({
        code: 'sink_failed',
        exitCode: 1,
        message: expect.stringContaining(`permission denied for schema ${schema}`) as string,
      });
    } finally {
      await bench.query(`DROP SCHEMA ${schema}; DROP ROLE ${role}`);
    }
  });

  test('a service that is away ends with exit code 3', async () => {
    const env = { PG_URL: `postgres://me:secret-password@127.0.0.1:${await freePort()}/x` };
    const topic = await bench.topic();
    await expect(found({ topic, sink: { table: 't', key: ['id'] }, env })).rejects.toMatchObject({
      code: 'sink_unavailable',
      exitCode: 3,
      message: expect.not.stringContaining('secret-password') as string,
    });
  });
});
