/** What becomes of a batch in which the server refuses rows: who is refused, who waits, and what stops the pipeline. */
import { describe, expect, test } from 'vitest';
import { SinkUnavailable, TooManyRejections } from '../../src/engine/ports.ts';
import { batchOf } from '../contract/sink.ts';
import { stackAddress, uniqueName } from '../stack/shared.ts';
import { deliverEvents, p0, SinkTable } from './sink-on-table.ts';

const url = stackAddress('postgres');
const offsets = (rejected: readonly { readonly record: { readonly raw: { readonly offset: number } } }[]) =>
  rejected.map(({ record }) => record.raw.offset);

describe('more refusals than may be', () => {
  test('end the search, and leave nothing of the batch', async () => {
    await using on = await SinkTable.make(url, 'id bigint PRIMARY KEY, qty int CHECK (qty < 100)');
    const sink = await on.open();
    const events = Array.from({ length: 100 }, (_, id) => ({ id, qty: id % 2 === 0 ? 1 : 100 }));
    const prepared = sink.prepare(batchOf(p0, 0, events));
    const given: unknown = await sink.write(prepared, 10).catch((error: unknown) => error);
    expect(given).toBeInstanceOf(TooManyRejections);
    expect(offsets((given as TooManyRejections).rejected)).toEqual([1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21]);
    await sink.rollback();
    expect(await on.read()).toEqual([]);
    expect((await sink.write(prepared, 50)).rejected).toHaveLength(50);
    await sink.commit();
    expect(await on.read(`SELECT count(*)::int FROM ${on.table}`)).toEqual([[50]]);
  });

  test('count those that were found without asking the server', async () => {
    await using on = await SinkTable.make(url, 'id bigint PRIMARY KEY, qty int CHECK (qty < 100)');
    const sink = await on.open();
    const unreadable = [{ id: 'a' }, { id: 'b' }];
    const prepared = sink.prepare(batchOf(p0, 0, [...unreadable, { id: 1 }, { id: 2, qty: 100 }]));
    await expect(sink.write(prepared, 2)).rejects.toBeInstanceOf(TooManyRejections);
    await sink.rollback();
    await expect(sink.write(sink.prepare(batchOf(p0, 0, unreadable)), 1)).rejects.toBeInstanceOf(TooManyRejections);
    await sink.rollback();
    expect(offsets((await sink.write(prepared, 3)).rejected)).toEqual([0, 1, 3]);
    await sink.rollback();
  });
});

describe('a row that breaks a constraint which rests on other rows', () => {
  test('is tried again in the order of the log, whatever its key', async () => {
    await using on = await SinkTable.make(url, 'id bigint PRIMARY KEY, email text UNIQUE, qty int CHECK (qty <> 13)');
    const sink = await on.open();
    await deliverEvents(sink, p0, 0, { id: 1, email: 'a' }, { id: 2, email: 'b' }, { id: 3, email: 'c' });
    // Everyone takes what the one with the next higher key gave up before; 4 makes the batch be taken apart.
    const result = await deliverEvents(
      sink,
      p0,
      3,
      { id: 3, email: 'd' },
      { id: 2, email: 'c' },
      { id: 1, email: 'b' },
      { id: 4, email: 'e', qty: 13 },
      { id: 5, email: 'b' },
    );
    expect(offsets(result.rejected)).toEqual([6, 7]);
    expect(result).toMatchObject({ written: 3, supersededInBatch: 0 });
    expect(await on.read()).toEqual([
      ['1', 'b', null],
      ['2', 'c', null],
      ['3', 'd', null],
    ]);
  });

  test('that is refused for good leaves its place to the record of its key before it, and only then', async () => {
    await using on = await SinkTable.make(url, 'id bigint PRIMARY KEY, email text UNIQUE, qty int CHECK (qty <> 13)');
    const sink = await on.open();
    await deliverEvents(sink, p0, 0, { id: 1, email: 'a' }, { id: 2, email: 'b' });
    const result = await deliverEvents(
      sink,
      p0,
      2,
      { id: 3, email: 'taken-later' },
      { id: 3, email: 'a' },
      { id: 1, email: 'x' },
      { id: 4, email: 'good' },
      { id: 4, email: 'b' },
      { id: 9, qty: 13 },
    );
    // 3 gets what 1 gave up; 4 does not, and its older record stays.
    expect(offsets(result.rejected).sort()).toEqual([6, 7]);
    expect(result).toMatchObject({ written: 4, supersededInBatch: 0 });
    expect(await on.read()).toEqual([
      ['1', 'x', null],
      ['2', 'b', null],
      ['3', 'a', null],
      ['4', 'good', null],
    ]);
  });

  test('finds its parent in the same batch, though it lies in a later statement', async () => {
    await using on = await SinkTable.make(
      url,
      'id bigint PRIMARY KEY, parent bigint, note text CHECK (note <> $$bad$$)',
    );
    await on.admin.query(`ALTER TABLE ${on.table} ADD FOREIGN KEY (parent) REFERENCES ${on.table}`);
    const sink = await on.open();
    const result = await deliverEvents(
      sink,
      p0,
      0,
      { id: 1, parent: 2 },
      { id: 2, parent: 3 },
      { id: 9, note: 'bad' },
      { id: 3, note: 'root' },
    );
    expect(offsets(result.rejected)).toEqual([2]);
    expect(await on.read(`SELECT id, parent FROM ${on.table} ORDER BY id`)).toEqual([
      ['1', '2'],
      ['2', '3'],
      ['3', null],
    ]);
  });
});

describe('a row whose parent is missing', () => {
  const family = async () => {
    const on = await SinkTable.make(url, 'id bigint PRIMARY KEY, parent bigint');
    await on.admin.query(
      `CREATE TABLE ${on.table}_parents (id bigint PRIMARY KEY);
       ALTER TABLE ${on.table} ADD FOREIGN KEY (parent) REFERENCES ${on.table}_parents`,
    );
    return on;
  };
  const orphans = [{ id: 1 }, { id: 2, parent: 7 }, { id: 3 }];

  test('waits for it without a lock, and lands with it', async () => {
    await using on = await family();
    const sink = await on.open();
    const prepared = sink.prepare(batchOf(p0, 0, orphans));
    await expect(sink.write(prepared, 64)).rejects.toThrow(/waiting up to 5s.*foreign key/);
    await sink.rollback();
    await on.admin.query(
      `SELECT * FROM pipectl.positions WHERE pipeline = '${on.table}' FOR UPDATE NOWAIT;
       INSERT INTO ${on.table}_parents VALUES (7)`,
    );
    on.nowMs += 4_999;
    expect(await sink.write(prepared, 64)).toMatchObject({ written: 3, rejected: [] });
    await sink.commit();
    expect(await on.read()).toEqual([
      ['1', null],
      ['2', '7'],
      ['3', null],
    ]);
    await on.admin.query(`DROP TABLE ${on.table}_parents CASCADE`);
  });

  test('becomes a dead letter when the wait is over, on the same connection, and costs no other', async () => {
    await using on = await family();
    const sink = await on.open();
    const backends = () =>
      on.read(`SELECT pid FROM pg_stat_activity WHERE application_name LIKE 'pipectl/${on.table}%'`);
    const before = await backends();
    const prepared = sink.prepare(batchOf(p0, 0, orphans));
    await expect(sink.write(prepared, 64)).rejects.toBeInstanceOf(SinkUnavailable);
    await sink.rollback();
    // A clock that was set back does not make the wait longer than it is.
    on.nowMs -= 3_600_000;
    await expect(sink.write(prepared, 64)).rejects.toBeInstanceOf(SinkUnavailable);
    await sink.rollback();
    on.nowMs += 5_000;
    const result = await sink.write(prepared, 64);
    await sink.commit();
    expect(result).toMatchObject({ written: 2, rejected: [{ code: 'sink_constraint' }] });
    expect(offsets(result.rejected)).toEqual([1]);
    expect(await on.read('SELECT 1')).toEqual([[1]]);
    expect(await backends()).toEqual(before);
    await on.admin.query(`DROP TABLE ${on.table}_parents CASCADE`);
  });
});

describe('an error of the server', () => {
  const raising = async (sqlstate: string) => {
    const on = await SinkTable.make(url, 'id bigint PRIMARY KEY, text text');
    await on.admin.query(
      `CREATE FUNCTION ${on.table}_f() RETURNS trigger LANGUAGE plpgsql AS
         'BEGIN IF NEW.id = 2 THEN RAISE EXCEPTION ''as told'' USING ERRCODE = ''${sqlstate}''; END IF; RETURN NEW; END';
       CREATE TRIGGER t BEFORE INSERT ON ${on.table} FOR EACH ROW EXECUTE FUNCTION ${on.table}_f()`,
    );
    return on;
  };
  const attempt = async (sqlstate: string) => {
    await using on = await raising(sqlstate);
    const sink = await on.open();
    const prepared = sink.prepare(batchOf(p0, 0, [{ id: 1 }, { id: 2 }, { id: 3 }]));
    const given: unknown = await sink.write(prepared, 64).catch((error: unknown) => error);
    if (!(given instanceof Error)) await sink.commit();
    await sink.close();
    const ids = (await on.read()).map(([id]) => id);
    await on.admin.query(`DROP TABLE ${on.table}; DROP FUNCTION ${on.table}_f()`);
    return { given, ids };
  };

  test.each(['08006', '40001', '40P01', '53100', '53200', '53300', '25006', '55P03', '57014'])(
    '%s is tried again, and nothing was written',
    async (sqlstate) => {
      const { given, ids } = await attempt(sqlstate);
      expect(given).toBeInstanceOf(SinkUnavailable);
      expect((given as Error).message).toContain('as told');
      expect(ids).toEqual([]);
    },
  );

  test.each(['22003', '23000', '23502', '23505', '23514', '23P01', '44000', '54000', 'P0001'])(
    '%s costs the row that caused it and no other',
    async (sqlstate) => {
      const { given, ids } = await attempt(sqlstate);
      expect(given).toMatchObject({ written: 2, rejected: [{ record: { event: { id: 2 } } }] });
      expect(ids).toEqual(['1', '3']);
    },
  );

  test.each(['0A000', '21000', '2F002', '55000', '58030', 'P0002', 'XX000'])(
    '%s stops the pipeline with its text',
    async (sqlstate) => {
      const { given, ids } = await attempt(sqlstate);
      expect(given).toMatchObject({ code: 'sink_failed', message: expect.stringContaining('as told') });
      expect(given).toMatchObject({ message: expect.stringContaining(sqlstate) });
      expect(ids).toEqual([]);
    },
  );

  test('a batch that takes too long is halved until it does not', async () => {
    await using on = await SinkTable.make(url, 'id bigint PRIMARY KEY');
    await on.admin.query(
      `CREATE FUNCTION ${on.table}_f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(0.02); RETURN NEW; END';
       CREATE TRIGGER t BEFORE INSERT ON ${on.table} FOR EACH ROW EXECUTE FUNCTION ${on.table}_f()`,
    );
    const sink = await on.open({ options: { statement_timeout: '500ms' } });
    const events = Array.from({ length: 64 }, (_, id) => ({ id }));
    expect(await deliverEvents(sink, p0, 0, ...events)).toMatchObject({ written: 64, rejected: [] });
    await sink.close();
    expect(await on.read(`SELECT count(*)::int FROM ${on.table}`)).toEqual([[64]]);
    await on.admin.query(`DROP TABLE ${on.table}; DROP FUNCTION ${on.table}_f()`);
  });

  test('no connection is left: at the start and in the middle it is waited for', async () => {
    await using on = await SinkTable.make(url, 'id bigint PRIMARY KEY');
    const role = uniqueName('limited');
    await on.admin.query(
      `CREATE ROLE ${role} LOGIN PASSWORD 'secret' CONNECTION LIMIT 1; GRANT ALL ON ${on.table} TO ${role}`,
    );
    await (await on.open()).close();
    await on.admin.query(
      `GRANT USAGE ON SCHEMA pipectl TO ${role}; GRANT SELECT, INSERT, UPDATE ON ALL TABLES IN SCHEMA pipectl TO ${role}`,
    );
    const limited = new URL(url);
    limited.username = role;
    limited.password = 'secret';
    const limit = (count: number) => on.admin.query(`ALTER ROLE ${role} CONNECTION LIMIT ${count}`);
    await limit(0);
    const sink = on.newSink({ connection: { url: limited.href } });
    await expect(sink.open()).rejects.toThrow(SinkUnavailable);
    await limit(1);
    await sink.open();
    await sink.claim([p0]);
    await limit(0);
    await on.admin.query(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '${role}'`);
    const prepared = sink.prepare(batchOf(p0, 0, [{ id: 1 }]));
    await expect(sink.write(prepared, 64)).rejects.toThrow(SinkUnavailable);
    await sink.rollback();
    await expect(sink.write(prepared, 64)).rejects.toThrow(/too many connections.*53300/);
    await sink.rollback();
    await limit(1);
    expect(await sink.write(prepared, 64)).toMatchObject({ written: 1 });
    await sink.commit();
    await sink.close();
    await on.admin.query(`DROP OWNED BY ${role}; DROP ROLE ${role}`);
  });
});
