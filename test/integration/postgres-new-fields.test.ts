/** What becomes of fields for which the table has no column. */
import { describe, expect, test } from 'vitest';
import type { PostgresSinkOptions } from '../../src/sinks/postgres/index.ts';
import { batchOf } from '../contract/sink.ts';
import { stackAddress, uniqueName } from '../stack/shared.ts';
import { deliverEvents, p0, p1, SinkTable } from './sink-on-table.ts';

const url = stackAddress('postgres');
const adding = { on_new_field: 'add_column' } as const satisfies Partial<PostgresSinkOptions>;
const columnsOf = async (on: SinkTable): Promise<Record<string, unknown>> =>
  Object.fromEntries(
    await on.read(
      `SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute
        WHERE attrelid = '${on.table}'::regclass AND attnum > 0 AND NOT attisdropped`,
    ),
  );

describe('on_new_field: fail', () => {
  test('makes the event with the new field a dead letter, and no other', async () => {
    await using on = await SinkTable.make(url, 'id bigint PRIMARY KEY, text text');
    const sink = await on.open({ options: { on_new_field: 'fail' } });
    const result = await deliverEvents(sink, p0, 0, { id: 1 }, { id: 2, txet: 'x' }, { id: 3, text: 'y' });
    expect(result).toMatchObject({
      written: 2,
      rejected: [{ code: 'sink_field_new', record: { raw: { offset: 1 } } }],
    });
    expect(result.rejected[0]!.message).toContain('"txet"');
    expect((await on.read()).map(([id]) => id)).toEqual(['1', '3']);
  });

  test('takes what create made of the first batch as known', async () => {
    await using on = await SinkTable.make(url, null);
    const sink = await on.open({ options: { on_new_field: 'fail', create: true } });
    expect(await deliverEvents(sink, p0, 0, { id: 1, a: 1 }, { id: 2, b: 1 })).toMatchObject({ written: 2 });
    expect(await deliverEvents(sink, p0, 2, { id: 3, c: null })).toMatchObject({ written: 0, rejected: [{}] });
  });
});

describe('on_new_field: add_column', () => {
  test('adds the column in the middle of a batch, with a type for all values of it', async () => {
    await using on = await SinkTable.make(url, 'id bigint PRIMARY KEY');
    const sink = await on.open({ options: adding });
    const result = await deliverEvents(
      sink,
      p0,
      0,
      { id: 1 },
      { id: 2, price: 1, 'odd "name"; --': 'x', unset: null },
      { id: 3, price: 1.5, tags: ['a'] },
      { id: null, stray: 1 },
    );
    expect(result).toMatchObject({ written: 3, rejected: [{ code: 'sink_key_missing' }] });
    expect(await columnsOf(on)).toEqual({
      id: 'bigint',
      price: 'double precision',
      'odd "name"; --': 'text',
      tags: 'jsonb',
    });
    expect(await on.read(`SELECT id, price, tags FROM ${on.table} ORDER BY id`)).toEqual([
      ['1', null, null],
      ['2', 1, null],
      ['3', 1.5, ['a']],
    ]);
    expect(on.log).toEqual([expect.stringMatching(/^sink_column_added: .*price double precision/)]);
  });

  test('takes a declared type before a guessed one, for a table that was there and for one it made', async () => {
    const columns = { id: 'bigint', total: 'numeric(12,2)' };
    await using on = await SinkTable.make(url, 'id bigint PRIMARY KEY');
    const sink = await on.open({ options: { ...adding, columns } });
    await deliverEvents(sink, p0, 0, { id: 1, total: 5, more: true });
    expect(await columnsOf(on)).toEqual({ ...columns, more: 'boolean' });

    await using made = await SinkTable.make(url, null);
    const maker = await made.open({ options: { ...adding, columns, create: true } });
    await deliverEvents(maker, p0, 0, { id: 1, more: true });
    expect(await columnsOf(made)).toEqual({ ...columns, more: 'boolean', _pipectl_version: 'bigint[]' });
  });

  test('that the pipeline file names are no mistake in it, and come with their first value', async () => {
    await using on = await SinkTable.make(url, 'id bigint PRIMARY KEY');
    const sink = await on.open({ options: adding, fields: ['id', 'note'] });
    await deliverEvents(sink, p0, 0, { id: 1, note: null });
    expect(await columnsOf(on)).toEqual({ id: 'bigint' });
    await deliverEvents(sink, p0, 1, { id: 2, note: 'there' });
    expect(await on.read()).toEqual([
      ['1', null],
      ['2', 'there'],
    ]);
  });

  test('by two members at once adds it once, and a batch that was prepared before lands with it', async () => {
    await using on = await SinkTable.make(url, 'id bigint PRIMARY KEY');
    const [one, two] = [await on.open({ options: adding }), on.newSink({ options: adding, pipeline: `${on.table}_2` })];
    await two.open();
    await two.claim([p0, p1]);
    const next = one.prepare(batchOf(p0, 1, [{ id: 3, text: 'three', late: 1 }]));
    const both = await Promise.all([
      deliverEvents(one, p0, 0, { id: 1, text: 'one' }),
      deliverEvents(two, p0, 0, { id: 2, text: 'two' }),
    ]);
    expect(both).toMatchObject([{ written: 1 }, { written: 1 }]);
    expect(await one.write(next, 64)).toMatchObject({ written: 1 });
    await one.commit();
    expect(await on.read()).toEqual([
      ['1', 'one', null],
      ['2', 'two', null],
      ['3', 'three', '1'],
    ]);
  });

  test('to an appended table counts an event with nothing but new fields', async () => {
    await using on = await SinkTable.make(url, 'id bigint');
    const sink = await on.open({ options: { ...adding, mode: 'append' } });
    expect(await deliverEvents(sink, p0, 0, { text: 'only this' })).toMatchObject({ written: 1, rejected: [] });
    expect(await on.read()).toEqual([[null, 'only this']]);
  });

  test('never adds more than columns_max allows, nor a name that can be none, and the others land', async () => {
    await using on = await SinkTable.make(url, 'id bigint PRIMARY KEY, twice int GENERATED ALWAYS AS (2) STORED');
    const sink = await on.open({ options: { ...adding, columns_max: 4 } });
    const events = [
      { id: 1, a: 1 },
      { id: 2, b: 1 },
      { id: 3, c: 1 },
      { id: 4, ctid: 1 },
      { id: 5, '': 1 },
      { id: 6, ['é'.repeat(32)]: 1 },
      { id: 7, _pipectl_order: 1 },
      { id: 8, 'nul\0': 1 },
      { id: 9, twice: 7 },
      { id: 10, b: 2 },
    ];
    const result = await deliverEvents(sink, p0, 0, ...events);
    expect(result.rejected.map(({ code, record }) => [code, record.raw.offset])).toEqual(
      [2, 3, 4, 5, 6, 7].map((offset) => ['sink_field_new', offset]),
    );
    expect(result.rejected[0]!.message).toContain('columns_max');
    expect(await on.read(`SELECT id, a, b FROM ${on.table} ORDER BY id`)).toEqual([
      ['1', '1', null],
      ['2', null, '1'],
      ['9', null, null],
      ['10', null, '2'],
    ]);
    // A member that starts later finds the table as wide as it may be.
    const later = await on.open({ options: { ...adding, columns_max: 4 } });
    expect(await deliverEvents(later, p0, 10, { id: 11, c: 1 }, { id: 12, a: 3 })).toMatchObject({
      written: 1,
      rejected: [{ code: 'sink_field_new' }],
    });
  });

  test('by a role that does not own the table stops with the statement, and writes nothing of the batch', async () => {
    await using on = await SinkTable.make(url, 'id bigint PRIMARY KEY');
    const role = uniqueName('writer');
    await (await on.open()).close();
    await on.admin.query(
      `CREATE ROLE ${role} LOGIN PASSWORD 'secret'; GRANT SELECT, INSERT, UPDATE ON ${on.table} TO ${role};
       GRANT USAGE ON SCHEMA pipectl TO ${role}; GRANT SELECT, INSERT, UPDATE ON ALL TABLES IN SCHEMA pipectl TO ${role}`,
    );
    const writer = new URL(url);
    writer.username = role;
    writer.password = 'secret';
    const sink = await on.open({ options: adding, connection: { url: writer.href } });
    const refused: unknown = await deliverEvents(sink, p0, 0, { id: 1 }, { id: 2, text: 'x' }).catch(
      (error: unknown) => error,
    );
    expect(refused).toMatchObject({
      code: 'sink_add_column_failed',
      message: expect.stringContaining('must be owner'),
      hint: expect.stringContaining(`ALTER TABLE "public"."${on.table}" ADD COLUMN IF NOT EXISTS "text" text;`),
    });
    expect(await on.read()).toEqual([]);
    // Whoever may runs the statement, and the role goes on.
    await on.admin.query((refused as { hint: string }).hint.replace('add them yourself:', ''));
    expect(await deliverEvents(sink, p0, 0, { id: 1 }, { id: 2, text: 'x' })).toMatchObject({ written: 2 });
    await sink.close();
    await on.admin.query(`DROP OWNED BY ${role}; DROP ROLE ${role}`);
  });
});
