import { Client } from 'pg';
import { listen } from '../stack/loopback.ts';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { SinkContext } from '../../src/declaration/component.ts';
import { Fenced, type Partition, type Sink, type SinkBatch, SinkUnavailable } from '../../src/engine/ports.ts';
import { Timestamp } from '../../src/expressions/timestamp.ts';
import type { PostgresSinkOptions } from '../../src/sinks/postgres/index.ts';
import { PostgresSink } from '../../src/sinks/postgres/sink.ts';
import { batchOf, deliver, partitionOf, recordOf, sinkContract } from '../contract/sink.ts';
import { stackAddress, uniqueName } from '../stack/shared.ts';

const url = stackAddress('postgres');
let admin: Client;
beforeAll(async () => {
  admin = new Client({ connectionString: url });
  await admin.connect();
});
afterAll(() => admin.end());

interface Setup {
  readonly pipeline: string;
  readonly options: Partial<PostgresSinkOptions> & { readonly table: string };
  readonly fields?: readonly string[];
  readonly versioned?: boolean;
  readonly log?: string[];
  readonly url?: string;
}

function newSink({ pipeline, options, fields, versioned, log, url: as = url }: Setup): PostgresSink {
  const context: SinkContext = {
    name: 'postgres',
    pipeline,
    pipelineHash: 'hash',
    clock: { now: () => 0, sleep: () => Promise.resolve() },
    random: () => 0,
    log: {
      info: (code, message) => log?.push(`${code}: ${message}`),
      warn: (code, message) => log?.push(`${code}: ${message}`),
      error: (code, message) => log?.push(`${code}: ${message}`),
    },
    connection: () => ({ url: as }),
    directory: '.',
    fields: fields ?? null,
    versioned: versioned ?? false,
  };
  const timeouts = {
    on_new_field: 'ignore' as const,
    columns_max: 200,
    parent_wait: '0s',
    statement_timeout: '5s',
    lock_timeout: '2s',
    idle_transaction_timeout: '5s',
  };
  return new PostgresSink({ mode: 'upsert', key: ['id'], create: false, ...timeouts, ...options }, context);
}

for (const [mode, versions] of [
  ['upsert', 'column'],
  ['upsert', 'side'],
  ['append', 'column'],
] as const) {
  sinkContract(`postgres (${mode}, versions: ${versions})`, async () => {
    const table = uniqueName('contract');
    await admin.query(`CREATE TABLE ${table} (id bigint PRIMARY KEY, text text CHECK (text <> 'poison'))`);
    const setup = { pipeline: table, options: { table, mode, guard: { schema: 'pipectl', versions } } };
    return {
      newSink: () => Promise.resolve(newSink(setup)),
      event: (id, text) => ({ id, text }),
      poison: (id) => ({ id, text: 'poison' }),
      fences: true,
      async visible() {
        const { rows } = await admin.query<{ row: string }>(
          `SELECT id || ':' || text AS row FROM ${table} ORDER BY id`,
        );
        return rows.map(({ row }) => row);
      },
      async close() {
        await admin.query(`DROP TABLE ${table}`);
      },
    };
  });
}

describe('the PostgreSQL sink', () => {
  const p0 = partitionOf(0);
  const p1 = partitionOf(1);
  let table: string;
  beforeEach(() => {
    table = uniqueName('rows');
  });

  async function open(
    setup: Omit<Setup, 'pipeline' | 'options'> & { options?: Partial<PostgresSinkOptions> } = {},
    partitions = [p0, p1],
  ) {
    const sink = newSink({ pipeline: table, ...setup, options: { table, ...setup.options } });
    await sink.open();
    await sink.claim(partitions);
    return {
      sink,
      async [Symbol.asyncDispose]() {
        await sink.close();
        await admin.query(`DROP TABLE IF EXISTS ${table}`);
      },
    };
  }
  const read = async (sql = `SELECT * FROM ${table} ORDER BY 1`): Promise<unknown[][]> =>
    (await admin.query({ text: sql, rowMode: 'array' })).rows;
  const deliverAll = (sink: Sink, partition: Partition, from: number, ...events: unknown[]) =>
    deliver(sink, batchOf(partition, from, events));

  test('the last record of a key in a batch is the one that lands', async () => {
    await admin.query(`CREATE TABLE ${table} (id bigint PRIMARY KEY, text text)`);
    await using opened = await open();
    const events = Array.from({ length: 1000 }, (_, i) => ({ id: i % 2, text: `text ${i}` }));
    const result = await deliverAll(opened.sink, p0, 0, ...events);
    expect(result).toMatchObject({ written: 2, supersededInBatch: 998 });
    expect(await read()).toEqual([
      ['0', 'text 998'],
      ['1', 'text 999'],
    ]);
  });

  test('K v1 lands when K v2 of the same batch is refused by the encoder, and when the server refuses it', async () => {
    await admin.query(`CREATE TABLE ${table} (id bigint PRIMARY KEY, qty int CHECK (qty < 100))`);
    await using opened = await open();
    const result = await deliverAll(
      opened.sink,
      p0,
      0,
      { id: 1, qty: 1 },
      { id: 1, qty: 'two' },
      { id: 2, qty: 3 },
      { id: 2, qty: 4 },
      { id: 2, qty: 400 },
      { id: 3, qty: 5 },
    );
    expect(result).toMatchObject({ written: 3, supersededInBatch: 1 });
    expect(result.rejected.map(({ code, record }) => [code, record.raw.offset])).toEqual([
      ['sink_value_type', 1],
      ['sink_constraint', 4],
    ]);
    expect(await read()).toEqual([
      ['1', 1],
      ['2', 4],
      ['3', 5],
    ]);
  });

  test('one row of 3,000 that breaks a constraint costs no other', async () => {
    await admin.query(`CREATE TABLE ${table} (id bigint PRIMARY KEY, qty int CHECK (qty <> 1777))`);
    await using opened = await open();
    const events = Array.from({ length: 3000 }, (_, id) => ({ id, qty: id }));
    const result = await deliverAll(opened.sink, p0, 0, ...events);
    expect(result.rejected.map(({ record }) => record.raw.offset)).toEqual([1777]);
    expect(await read(`SELECT count(*)::int, sum(qty)::int FROM ${table}`)).toEqual([[2999, (2999 * 3000) / 2 - 1777]]);
  });

  test('a deferred constraint is checked before the commit, so that it can be told whose fault it is', async () => {
    await admin.query(
      `CREATE TABLE ${table} (id bigint PRIMARY KEY, parent bigint REFERENCES ${table} DEFERRABLE INITIALLY DEFERRED)`,
    );
    await using opened = await open();
    const result = await deliverAll(
      opened.sink,
      p0,
      0,
      { id: 1, parent: null },
      { id: 2, parent: 99 },
      { id: 3, parent: 1 },
    );
    expect(result.rejected.map(({ record }) => record.raw.offset)).toEqual([1]);
    expect(await read()).toEqual([
      ['1', null],
      ['3', '1'],
    ]);
  });

  test('a unique value that changes hands within a batch is no reason to reject', async () => {
    await admin.query(`CREATE TABLE ${table} (id bigint PRIMARY KEY, email text UNIQUE)`);
    await using opened = await open();
    await deliverAll(opened.sink, p0, 0, { id: 1, email: 'a' }, { id: 2, email: 'b' });
    const result = await deliverAll(opened.sink, p0, 2, { id: 2, email: 'c' }, { id: 1, email: 'b' });
    expect(result).toMatchObject({ written: 2, rejected: [] });
    expect(await read()).toEqual([
      ['1', 'b'],
      ['2', 'c'],
    ]);
  });

  test('an absent field is the default of a new row and leaves a known row as it is', async () => {
    await admin.query(`CREATE TABLE ${table} (id bigint PRIMARY KEY, a text DEFAULT 'default', b text)`);
    await using opened = await open();
    const result = await deliverAll(
      opened.sink,
      p0,
      0,
      { id: 1, a: 'a', b: 'big' },
      { id: 2, b: 'x' },
      { id: 1, a: 'new' },
      { id: 1, b: null },
    );
    expect(result).toMatchObject({ written: 4, supersededInBatch: 0 });
    expect(await read()).toEqual([
      ['1', 'new', null],
      ['2', 'default', 'x'],
    ]);
  });

  test('keys the server calls equal though their texts differ are applied one after the other', async () => {
    await admin.query(`CREATE TABLE ${table} (id numeric(10,1) PRIMARY KEY, text text)`);
    await using opened = await open();
    const result = await deliverAll(opened.sink, p0, 0, { id: 1.04, text: 'first' }, { id: 1, text: 'second' });
    expect(result.rejected).toEqual([]);
    expect(await read()).toEqual([['1.0', 'second']]);
  });

  describe('row versions', () => {
    const versions = (batch: SinkBatch, ...values: unknown[]): SinkBatch => ({ ...batch, versions: values });

    test('an older version never replaces a newer row, in a batch and across batches and partitions', async () => {
      await using opened = await open({
        versioned: true,
        options: { create: true, columns: { id: 'bigint', text: 'text' } },
      });
      await deliver(
        opened.sink,
        versions(
          batchOf(p0, 0, [
            { id: 1, text: 'v5' },
            { id: 1, text: 'v3' },
            { id: 2, text: 'v1' },
          ]),
          5,
          3,
          1,
        ),
      );
      const result = await deliver(
        opened.sink,
        versions(
          batchOf(p1, 0, [
            { id: 1, text: 'v4' },
            { id: 2, text: 'v2' },
          ]),
          4,
          2,
        ),
      );
      expect(result).toMatchObject({ written: 1, skippedVersion: 1 });
      expect(await read(`SELECT id, text FROM ${table} ORDER BY 1`)).toEqual([
        ['1', 'v5'],
        ['2', 'v2'],
      ]);
    });

    test('the version column decides where it is named, and an unset one counts as older', async () => {
      await admin.query(`CREATE TABLE ${table} (id bigint PRIMARY KEY, text text, updated_at timestamptz)`);
      await admin.query(`INSERT INTO ${table} VALUES (1, 'unset', NULL), (2, 'newer', '2030-01-01Z')`);
      await using opened = await open({ options: { version_column: 'updated_at' } });
      const result = await deliverAll(
        opened.sink,
        p0,
        0,
        { id: 1, text: 'set', updated_at: '2026-01-01T00:00:00Z' },
        { id: 1, text: 'late', updated_at: new Timestamp(0) },
        { id: 2, text: 'older', updated_at: '2026-01-01T00:00:00+02:00' },
      );
      expect(result).toMatchObject({ written: 1, supersededInBatch: 1, skippedVersion: 1 });
      expect(await read(`SELECT id, text FROM ${table} ORDER BY 1`)).toEqual([
        ['1', 'set'],
        ['2', 'newer'],
      ]);
    });

    test('without version: offsets are compared in one partition only; across partitions the later write wins', async () => {
      await using opened = await open({ options: { create: true, columns: { id: 'bigint', text: 'text' } } });
      await deliver(opened.sink, batchOf(p0, 1_000_000, [{ id: 1, text: 'p0' }]));
      const result = await deliver(opened.sink, batchOf(p1, 10, [{ id: 1, text: 'p1' }]));
      expect(result).toMatchObject({ written: 1, skippedVersion: 0 });
      expect(await read(`SELECT text FROM ${table}`)).toEqual([['p1']]);
    });

    test('another pipeline that reads the same log at older offsets does not replace newer rows', async () => {
      await using live = await open({ options: { create: true, columns: { id: 'bigint', text: 'text' } } });
      await deliver(live.sink, batchOf(p0, 100, [{ id: 1, text: 'live' }]));
      const backfill = newSink({ pipeline: `${table}_backfill`, options: { table } });
      await backfill.open();
      await backfill.claim([p0]);
      const result = await deliver(
        backfill,
        batchOf(p0, 5, [
          { id: 1, text: 'old' },
          { id: 2, text: 'old' },
        ]),
      );
      await backfill.close();
      expect(result).toMatchObject({ written: 1, skippedVersion: 1 });
      expect(await read(`SELECT text FROM ${table} ORDER BY id`)).toEqual([['live'], ['old']]);
    });

    test('rows of a rebuild replace those of equal offset', async () => {
      const options = { create: true, columns: { id: 'bigint', text: 'text' } };
      await using first = await open({ options });
      await deliver(first.sink, batchOf(p0, 0, [{ id: 1, text: 'wrong' }]));
      await admin.query(`UPDATE pipectl.positions SET rebuild = 1, position = 0 WHERE pipeline = $1`, [table]);
      const again = await open({ options });
      const result = await deliver(again.sink, batchOf(p0, 0, [{ id: 1, text: 'right' }]));
      await again.sink.close();
      expect(result).toMatchObject({ written: 1, skippedVersion: 0 });
      expect(await read(`SELECT text FROM ${table}`)).toEqual([['right']]);
    });
  });

  test('a value of every type arrives as it was', async () => {
    await admin.query(
      `CREATE TYPE ${table}_mood AS ENUM ('glad', 'sad'); CREATE DOMAIN ${table}_positive AS int CHECK (VALUE > 0)`,
    );
    await admin.query(
      `CREATE TABLE ${table} (id bigint PRIMARY KEY, s smallint, n numeric(10,2), d double precision, b boolean, t text, v varchar(5), j jsonb,
         ts timestamptz, tz timestamp, day date, u uuid, bytes bytea, tags text[], matrix int[], mood ${table}_mood, pos ${table}_positive, ip inet)`,
    );
    await using opened = await open();
    const nasty = 'tab\tline\nreturn\rback\\slash "quote" {brace} \\N é 😀';
    const event = {
      id: 9_223_372_036_854_775_807n,
      s: -5,
      n: 19.99,
      d: 0.1,
      b: false,
      t: nasty,
      v: 'five5',
      j: { text: nasty, list: [1, null] },
      ts: new Timestamp(1_763_812_800_123_456),
      tz: '2026-11-22T14:00:00+02:00',
      day: '2026-02-28',
      u: '6F9619FF-8B86-D011-B42D-00C04FC964FF',
      bytes: Uint8Array.of(0, 92, 255),
      tags: ['a,b', nasty, null, ''],
      matrix: [
        [1, 2],
        [3, 4],
      ],
      mood: 'sad',
      pos: 3,
      ip: '10.0.0.1',
    };
    const result = await deliverAll(opened.sink, p0, 0, event);
    expect(result.rejected).toEqual([]);
    const stored = await admin.query<Record<string, unknown>>(
      `SELECT *, ts::text AS ts, tz::text AS tz, day::text AS day FROM ${table}`,
    );
    expect(stored.rows[0]).toEqual({
      ...event,
      id: '9223372036854775807',
      n: '19.99',
      ts: expect.stringContaining('.123456'),
      tz: '2026-11-22 12:00:00',
      u: '6f9619ff-8b86-d011-b42d-00c04fc964ff',
      bytes: Buffer.from([0, 92, 255]),
    });
    await opened.sink.close();
    await admin.query(`DROP TABLE ${table}; DROP TYPE ${table}_mood; DROP DOMAIN ${table}_positive`);
  });

  describe('set-up', () => {
    test('a missing table is named, with the one that was probably meant', async () => {
      await admin.query(`CREATE TABLE ${table} (id bigint PRIMARY KEY)`);
      const sink = newSink({ pipeline: table, options: { table: `${table}s` } });
      await expect(sink.open()).rejects.toMatchObject({
        code: 'sink_table_missing',
        message: expect.stringContaining(`did you mean ${table}?`),
      });
      await sink.close();
      await admin.query(`DROP TABLE ${table}`);
    });

    test('a key without a unique index, an unknown field and a column that would stay empty are told with the statement', async () => {
      await admin.query(`CREATE TABLE ${table} (id bigint, total_cents int, must int NOT NULL)`);
      const refusal = async (fields?: readonly string[]) => {
        const sink = newSink({ pipeline: table, options: { table }, ...(fields === undefined ? {} : { fields }) });
        const error: unknown = await sink.open().then(
          () => undefined,
          (reason: unknown) => reason,
        );
        await sink.close();
        return error;
      };
      expect(await refusal()).toMatchObject({
        code: 'sink_key_not_unique',
        hint: expect.stringContaining(`CREATE UNIQUE INDEX CONCURRENTLY ON`),
      });
      await admin.query(`CREATE UNIQUE INDEX ON ${table} (id)`);
      expect(await refusal(['id', 'total_cent', 'must'])).toMatchObject({
        code: 'sink_column_unknown',
        message: expect.stringContaining('did you mean total_cents?'),
      });
      expect(await refusal(['id', 'total_cents'])).toMatchObject({
        code: 'sink_column_missing',
        message: expect.stringContaining('must (integer)'),
      });
      await admin.query(`DROP TABLE ${table}`);
    });

    test('version: without a place to keep it is an error that names the column to add', async () => {
      await admin.query(`CREATE TABLE ${table} (id bigint PRIMARY KEY)`);
      const sink = newSink({ pipeline: table, options: { table }, versioned: true });
      await expect(sink.open()).rejects.toMatchObject({
        code: 'sink_version_place',
        hint: expect.stringContaining('ADD COLUMN "_pipectl_version" bigint[]'),
      });
      await sink.close();
      await admin.query(`DROP TABLE ${table}`);
    });

    test('create makes the table from the values of the first batch', async () => {
      const log: string[] = [];
      await using opened = await open({ options: { create: true }, log });
      const event = {
        id: 1,
        big: 2n ** 70n,
        price: 1.5,
        paid: true,
        at: new Timestamp(0),
        name: 'n',
        tags: ['a'],
        nothing: null,
      };
      const result = await deliverAll(opened.sink, p0, 0, 'no map', { id: 2, name: 'later' }, event);
      expect(result).toMatchObject({ written: 2, rejected: [{ code: 'sink_event_shape' }] });
      const columns = await read(
        `SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = '${table}'::regclass AND attnum > 0 ORDER BY attname`,
      );
      expect(Object.fromEntries(columns)).toEqual({
        id: 'bigint',
        big: 'numeric',
        price: 'double precision',
        paid: 'boolean',
        at: 'timestamp with time zone',
        name: 'text',
        tags: 'jsonb',
        nothing: 'text',
        _pipectl_version: 'bigint[]',
      });
      expect(log).toEqual([expect.stringContaining('sink_table_created')]);
    });

    test('members that start at once make the table and the positions together', async () => {
      const schema = uniqueName('guard');
      const options = {
        table,
        guard: { schema, versions: 'column' as const },
        create: true,
        columns: { id: 'bigint' },
      };
      const sinks = Array.from({ length: 4 }, () => newSink({ pipeline: table, options }));
      await Promise.all(sinks.map((sink) => sink.open()));
      await sinks[0]!.claim([p0]);
      expect(await deliverAll(sinks[0]!, p0, 0, { id: 1 })).toMatchObject({ written: 1 });
      await Promise.all(sinks.map((sink) => sink.close()));
      await admin.query(`DROP SCHEMA ${schema} CASCADE; DROP TABLE ${table}`);
    });

    test('a role without the rights is told the statements that make the positions', async () => {
      const schema = uniqueName('guard');
      const role = uniqueName('role');
      await admin.query(
        `CREATE TABLE ${table} (id bigint PRIMARY KEY); CREATE ROLE ${role}; GRANT ALL ON ${table} TO ${role}`,
      );
      const restricted = new URL(url);
      restricted.searchParams.set(
        'options',
        `-c role=${role} -c search_path=${(await read('SELECT current_schema()'))[0]![0] as string}`,
      );
      await admin.query(`GRANT USAGE ON SCHEMA ${(await read('SELECT current_schema()'))[0]![0] as string} TO ${role}`);
      const sink = newSink({
        pipeline: table,
        url: restricted.href,
        options: { table, guard: { schema, versions: 'column' as const } },
      });
      await expect(sink.open()).rejects.toMatchObject({
        code: 'sink_positions_rights',
        hint: expect.stringContaining(`CREATE SCHEMA IF NOT EXISTS "${schema}"`),
      });
      await sink.close();
      await admin.query(`DROP TABLE ${table}; DROP OWNED BY ${role}; DROP ROLE ${role}`);
    });

    test('a role that may not use the schema of the positions is told what to grant', async () => {
      const schema = uniqueName('guard');
      const role = uniqueName('role');
      const options = { table, guard: { schema, versions: 'column' as const } };
      await admin.query(
        `CREATE TABLE ${table} (id bigint PRIMARY KEY); CREATE ROLE ${role} LOGIN PASSWORD 'secret'; GRANT ALL ON ${table} TO ${role}`,
      );
      const first = newSink({ pipeline: table, options });
      await first.open();
      await first.close();
      const restricted = new URL(url);
      restricted.username = role;
      restricted.password = 'secret';
      const sink = newSink({ pipeline: table, url: restricted.href, options });
      const refused: unknown = await sink.open().catch((error: unknown) => error);
      expect(refused).toMatchObject({ code: expect.stringMatching(/rights$/) });
      const { hint } = refused as { hint: string };
      expect(hint).toContain(`GRANT USAGE ON SCHEMA "${schema}" TO "${role}"`);
      await admin.query(hint);
      await sink.open();
      await sink.claim([p0]);
      expect(await deliverAll(sink, p0, 0, { id: 1 })).toMatchObject({ written: 1 });
      await sink.close();
      await admin.query(`DROP SCHEMA ${schema} CASCADE; DROP TABLE ${table}; DROP OWNED BY ${role}; DROP ROLE ${role}`);
    });

    test('a role named like the schema of the positions does not get its table there', async () => {
      const role = uniqueName('guard');
      await admin.query(
        `CREATE ROLE ${role} LOGIN PASSWORD 'secret'; CREATE SCHEMA AUTHORIZATION ${role};
         GRANT CREATE ON DATABASE postgres TO ${role}; GRANT CREATE ON SCHEMA public TO ${role}`,
      );
      const own = new URL(url);
      own.username = role;
      own.password = 'secret';
      own.searchParams.delete('options');
      const options = {
        table,
        guard: { schema: role, versions: 'column' as const },
        create: true,
        columns: { id: 'bigint' },
      };
      for (let start = 0; start < 2; start++) {
        const sink = newSink({ pipeline: table, url: own.href, options });
        await sink.open();
        await sink.close();
      }
      expect(await read(`SELECT schemaname FROM pg_tables WHERE tablename = '${table}'`)).toEqual([['public']]);
      await admin.query(`DROP OWNED BY ${role} CASCADE; DROP ROLE ${role}`);
    });

    test('a column that comes to need a value while rows are written stops the sink, and costs no row', async () => {
      await admin.query(`CREATE TABLE ${table} (id bigint PRIMARY KEY)`);
      await using opened = await open({ fields: ['id'] });
      await deliverAll(opened.sink, p0, 0, { id: 1 });
      await admin.query(
        `ALTER TABLE ${table} ADD COLUMN must int NOT NULL DEFAULT 1; ALTER TABLE ${table} ALTER COLUMN must DROP DEFAULT`,
      );
      await expect(deliverAll(opened.sink, p0, 1, { id: 2 }, { id: 3 })).rejects.toMatchObject({
        code: 'sink_column_missing',
        message: expect.stringContaining('must (integer)'),
      });
      expect(await read(`SELECT id FROM ${table}`)).toEqual([['1']]);
    });

    test('a column that a trigger leaves null is the fault of its row', async () => {
      await admin.query(
        `CREATE TABLE ${table} (id bigint PRIMARY KEY, must int NOT NULL DEFAULT 1);
         CREATE FUNCTION ${table}_f() RETURNS trigger LANGUAGE plpgsql AS
           'BEGIN IF NEW.id = 2 THEN NEW.must := NULL; END IF; RETURN NEW; END';
         CREATE TRIGGER t BEFORE INSERT ON ${table} FOR EACH ROW EXECUTE FUNCTION ${table}_f()`,
      );
      await using opened = await open({ fields: ['id'] });
      expect(await deliverAll(opened.sink, p0, 0, { id: 1 }, { id: 2 }, { id: 3 })).toMatchObject({
        written: 2,
        rejected: [{ code: 'sink_constraint' }],
      });
      await opened.sink.close();
      await admin.query(`DROP TABLE ${table}; DROP FUNCTION ${table}_f`);
    });

    test('connecting is given up at once when nobody waits for it any more', async () => {
      // Takes connections and never answers.
      await using silent = await listen();
      const sink = newSink({ pipeline: table, options: { table }, url: `postgres://u:p@127.0.0.1:${silent.port}/d` });
      const stopping = new AbortController();
      const opening = sink.open(stopping.signal);
      await silent.connected;
      stopping.abort();
      await expect(opening).rejects.toThrow(/no answer/);
      await expect(opening).rejects.toBeInstanceOf(SinkUnavailable);
    });

    test('fields without a column are left out, and said once', async () => {
      await admin.query(`CREATE TABLE ${table} (id bigint PRIMARY KEY)`);
      const log: string[] = [];
      await using opened = await open({ log });
      await deliverAll(opened.sink, p0, 0, { id: 1, extra: 1 });
      await deliverAll(opened.sink, p0, 1, { id: 2, extra: 1 });
      expect(log).toEqual([expect.stringMatching(/^sink_field_ignored: .*extra/)]);
    });
  });

  describe('when the connection or the table changes under it', () => {
    const killOthers = () =>
      admin.query(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = $1`, [
        `pipectl/${table}/postgres`.slice(0, 63),
      ]);

    test('a lost connection is transient, and the batch lands on the next one', async () => {
      await admin.query(`CREATE TABLE ${table} (id bigint PRIMARY KEY, text text)`);
      await using opened = await open();
      const prepared = opened.sink.prepare(batchOf(p0, 0, [{ id: 1, text: 'a' }]));
      await opened.sink.write(prepared, Infinity);
      await killOthers();
      await expect(opened.sink.commit()).rejects.toBeInstanceOf(SinkUnavailable);
      await opened.sink.rollback();
      expect(await read()).toEqual([]);
      expect(await opened.sink.write(prepared, Infinity)).toMatchObject({ written: 1, skippedOffset: 0 });
      await opened.sink.commit();
      expect(await read()).toEqual([['1', 'a']]);
    });

    test('a former owner frozen inside its transaction loses it, and the new owner goes on', async () => {
      await admin.query(`CREATE TABLE ${table} (id bigint PRIMARY KEY, text text)`);
      await using frozen = await open({ options: { idle_transaction_timeout: '300ms' } });
      await frozen.sink.write(frozen.sink.prepare(batchOf(p0, 0, [{ id: 1, text: 'frozen' }])), Infinity);
      await using owner = await open();
      expect(await deliverAll(owner.sink, p0, 0, { id: 1, text: 'owner' })).toMatchObject({ written: 1 });
      await expect(frozen.sink.commit()).rejects.toBeInstanceOf(SinkUnavailable);
      await frozen.sink.rollback();
      await expect(deliverAll(frozen.sink, p0, 0, { id: 1, text: 'frozen' })).rejects.toBeInstanceOf(Fenced);
      await frozen.sink.rollback();
      expect(await read()).toEqual([['1', 'owner']]);
    });

    test('a locked table is transient', async () => {
      await admin.query(`CREATE TABLE ${table} (id bigint PRIMARY KEY)`);
      await using opened = await open({ options: { lock_timeout: '100ms' } });
      await admin.query(`BEGIN; LOCK TABLE ${table} IN ACCESS EXCLUSIVE MODE`);
      const prepared = opened.sink.prepare(batchOf(p0, 0, [{ id: 1 }]));
      await expect(opened.sink.write(prepared, Infinity)).rejects.toBeInstanceOf(SinkUnavailable);
      await opened.sink.rollback();
      await admin.query('COMMIT');
      expect(await deliverAll(opened.sink, p0, 0, { id: 1 })).toMatchObject({ written: 1 });
    });

    test('a column that was dropped is found out, and the rows go on without it', async () => {
      await admin.query(`CREATE TABLE ${table} (id bigint PRIMARY KEY, text text)`);
      await using opened = await open();
      await deliverAll(opened.sink, p0, 0, { id: 1, text: 'a' });
      await admin.query(`ALTER TABLE ${table} DROP COLUMN text`);
      expect(await deliverAll(opened.sink, p0, 1, { id: 2, text: 'b' })).toMatchObject({ written: 1 });
      await admin.query(`DROP TABLE ${table}`);
      await expect(deliverAll(opened.sink, p0, 2, { id: 3 })).rejects.toMatchObject({ code: 'sink_table_missing' });
    });

    test('a partition that was not claimed is refused', async () => {
      await admin.query(`CREATE TABLE ${table} (id bigint PRIMARY KEY)`);
      await using opened = await open({}, [p0]);
      const batch = { records: [recordOf(p1, 0, { id: 1 })], ranges: [{ partition: p1, from: 0, to: 1 }] };
      await expect(opened.sink.write(opened.sink.prepare(batch), Infinity)).rejects.toBeInstanceOf(Fenced);
      await opened.sink.rollback();
    });
  });

  test('a wrong password stops at once and does not appear in the error', async () => {
    const wrong = new URL(url);
    wrong.password = 'not-the-password';
    const { connect } = await import('../../src/connections/postgres/client.ts');
    const settings = {
      applicationName: 'test',
      statementTimeoutMs: 1000,
      lockTimeoutMs: 1000,
      idleInTransactionTimeoutMs: 1000,
    };
    const error: unknown = await connect({ url: wrong.href }, settings).then(
      () => undefined,
      (reason: unknown) => reason,
    );
    expect(error).toMatchObject({ code: 'postgres_login' });
    expect(String(error)).not.toContain('not-the-password');
  });
});
