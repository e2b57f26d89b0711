import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { freePort } from '../stack/loopback.ts';
import { stackAddress, uniqueName } from '../stack/shared.ts';
import { Bench } from './pipeline.ts';

let bench: Bench;
beforeAll(async () => {
  bench = await Bench.open({ brokers: stackAddress('kafka'), url: stackAddress('postgres') });
});
afterAll(() => bench[Symbol.asyncDispose]());

interface Found {
  readonly code: string;
  readonly path: string;
  readonly line: number;
  readonly message: string;
  readonly hint: string | null;
}

/** What `validate --connect` says of a pipeline, and its exit code. */
async function validated(
  definition: Readonly<Record<string, unknown>>,
  { env = {}, args = [] }: { readonly env?: NodeJS.ProcessEnv; readonly args?: readonly string[] } = {},
) {
  const { path } = await bench.pipeline({ steps: [{ map: { id: 'event.id', total: 'event.total' } }], ...definition });
  const { code, stdout, stderr } = await bench.run(['validate', path, '--connect', '--format', 'json', ...args], env);
  const { files } = JSON.parse(stdout || stderr) as { files: [{ problems: Found[] }] };
  return { code, problems: files[0].problems };
}

const postgres = (options: object) => ({ postgres: { connection: 'serving', ...options } });

describe('validate --connect', () => {
  test('finds nothing wrong where all is there', async () => {
    const topic = await bench.topic();
    const table = await bench.table('id bigint PRIMARY KEY, total numeric');
    const { code, problems } = await validated({
      source: { kafka: { topic } },
      sinks: [postgres({ table, key: ['id'] })],
    });
    expect(problems).toEqual([]);
    expect(code).toBe(0);
  });

  test('points at the topic of a list that does not exist, and names those that are near', async () => {
    const topic = await bench.topic();
    const table = await bench.table('id bigint PRIMARY KEY, total numeric');
    const { code, problems } = await validated({
      source: { kafka: { topics: [topic, `${topic}x`] } },
      sinks: [postgres({ table, key: ['id'] })],
    });
    expect(problems).toMatchObject([
      { code: 'kafka_topic_missing', path: 'source.kafka.topics[1]', hint: expect.stringContaining(topic) as string },
    ]);
    expect(problems[0]!.line).toBeGreaterThan(1);
    expect(code).toBe(1);
  });

  test('warns of a topic with fewer partitions than the conventions ask for; strict makes it an error', async () => {
    const topic = await bench.topic(2);
    const table = await bench.table('id bigint PRIMARY KEY, total numeric');
    const definition = {
      conventions: { partitions: { min: 3 } },
      source: { kafka: { topic } },
      sinks: [postgres({ table, key: ['id'] })],
    };
    const { code, problems } = await validated(definition);
    expect(problems).toMatchObject([{ code: 'topic_partitions', severity: 'warning', path: 'source.kafka.topic' }]);
    expect(code).toBe(0);
    expect((await validated(definition, { args: ['--strict'] })).code).toBe(1);
  });

  test('points at a table that is missing, a key that is not unique, a field without a column, in one run', async () => {
    const topic = await bench.topic();
    const [plain, narrow] = [await bench.table('id bigint, total numeric'), await bench.table('id bigint PRIMARY KEY')];
    const { code, problems } = await validated({
      source: { kafka: { topic } },
      sinks: [
        postgres({ table: `${plain}s`, key: ['id'] }),
        postgres({ table: plain, key: ['id'] }),
        postgres({ table: narrow, key: ['id'] }),
      ],
    });
    expect(problems.map((problem) => [problem.path, problem.code])).toEqual([
      ['sinks[0].postgres.table', 'sink_table_missing'],
      ['sinks[1].postgres.key', 'sink_key_not_unique'],
      ['sinks[2].postgres.table', 'sink_column_unknown'],
    ]);
    expect(problems[0]!.message).toContain(`did you mean ${plain}?`);
    expect(problems[1]!.hint).toContain('CREATE UNIQUE INDEX');
    expect(code).toBe(1);
  });

  test('a role without rights is told which, for the table and for the positions', async () => {
    const topic = await bench.topic();
    const table = await bench.table('id bigint PRIMARY KEY, total numeric');
    const role = uniqueName('reader');
    await bench.query(`CREATE ROLE ${role} LOGIN PASSWORD 'reader-password'`);
    try {
      const url = new URL(bench.url);
      [url.username, url.password] = [role, 'reader-password'];
      const guard = { schema: uniqueName('positions') };
      const { code, problems } = await validated(
        { source: { kafka: { topic } }, sinks: [postgres({ table, key: ['id'], guard })] },
        { env: { PG_URL: url.href } },
      );
      expect(problems.map((problem) => problem.code)).toEqual(['sink_rights']);
      expect(code).toBe(1);
      await bench.query(`GRANT SELECT, INSERT, UPDATE ON ${table} TO ${role}`);
      const granted = await validated(
        { source: { kafka: { topic } }, sinks: [postgres({ table, key: ['id'], guard })] },
        { env: { PG_URL: url.href } },
      );
      expect(granted.problems).toMatchObject([{ code: 'sink_positions_rights', path: 'sinks[0].postgres.table' }]);
    } finally {
      await bench.query(`DROP OWNED BY ${role}; DROP ROLE ${role}`);
    }
  });

  test('a wrong password is an error of the file, with exit code 1 and without the password', async () => {
    const url = new URL(bench.url);
    url.password = 'not-the-password';
    const { code, problems } = await validated(
      { source: { kafka: { topic: await bench.topic() } }, sinks: [postgres({ table: 't', key: ['id'] })] },
      { env: { PG_URL: url.href } },
    );
    expect(problems).toMatchObject([{ code: 'postgres_login', path: 'sinks[0].postgres' }]);
    expect(JSON.stringify(problems)).not.toContain('not-the-password');
    expect(code).toBe(1);
  });

  test('services that are away end with exit code 3, each with its place', async () => {
    const away = `127.0.0.1:${await freePort()}`;
    const { code, problems } = await validated(
      { source: { kafka: { topic: 'orders' } }, sinks: [postgres({ table: 't', key: ['id'] })] },
      { env: { KAFKA_BROKERS: away, PG_URL: `postgres://me:secret-password@${away}/x` }, args: ['--timeout', '2s'] },
    );
    expect(problems.map((problem) => problem.path)).toEqual(['source.kafka', 'sinks[0].postgres']);
    expect(problems.map((problem) => problem.code)).toEqual([
      expect.stringMatching(/^(service_silent|kafka_unreachable)$/),
      'sink_unavailable',
    ]);
    expect(JSON.stringify(problems)).not.toContain('secret-password');
    expect(code).toBe(3);
  });

  test('needs the variables as `run` does', async () => {
    const { code, problems } = await validated({
      source: { kafka: { topic: 'orders' } },
      sinks: [{ postgres: { url: '${NOWHERE}', table: 't', key: ['id'] } }],
    });
    expect(problems).toMatchObject([{ code: 'variable_unset' }]);
    expect(code).toBe(1);
  });
});
