/** `guard: { versions: side }`: the same promise for a table that has no column for it. */
import { array, assert, asyncProperty, constantFrom, integer, record } from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Sink } from '../../src/engine/ports.ts';
import type { PostgresSinkOptions } from '../../src/sinks/postgres/index.ts';
import { batchOf, deliver, recordOf } from '../contract/sink.ts';
import { stackAddress } from '../stack/shared.ts';
import { deliverEvents, p0, p1, SinkTable } from './sink-on-table.ts';

const url = stackAddress('postgres');
const guard = { schema: 'pipectl', versions: 'side' as const };
const options: Partial<PostgresSinkOptions> = { guard };
const versionOf = async (on: SinkTable): Promise<unknown[][]> =>
  on.read(`SELECT key, version[3]::int FROM pipectl.versions WHERE target = '"public"."${on.table}"' ORDER BY 1`);
const versioned = (sink: Sink, from: number, rows: readonly (readonly [id: number, text: string, version: number])[]) =>
  deliver(sink, {
    ...batchOf(
      p0,
      from,
      rows.map(([id, text]) => ({ id, text })),
    ),
    versions: rows.map(([, , version]) => version),
  });

describe('versions beside the table', () => {
  test('keep an older row from replacing a newer one, and the table as it is', async () => {
    await using on = await SinkTable.make(url, 'id bigint PRIMARY KEY, text text');
    const sink = await on.open({ options, versioned: true });
    await versioned(sink, 0, [
      [1, 'v5', 5],
      [2, 'v1', 1],
    ]);
    const result = await versioned(sink, 2, [
      [1, 'v4', 4],
      [2, 'v2', 2],
      [3, 'v9', 9],
      [2, 'late', 2],
    ]);
    expect(result).toMatchObject({ written: 2, skippedVersion: 1, supersededInBatch: 1 });
    // Equal versions do not replace.
    expect(await versioned(sink, 6, [[3, 'again', 9]])).toMatchObject({ written: 0, skippedVersion: 1 });
    expect(await on.read()).toEqual([
      ['1', 'v5'],
      ['2', 'v2'],
      ['3', 'v9'],
    ]);
    expect(await versionOf(on)).toEqual([
      [[1], 5],
      [[2], 2],
      [[3], 9],
    ]);
  });

  test('move with the rows: what is rolled back or refused leaves none', async () => {
    await using on = await SinkTable.make(url, 'id bigint PRIMARY KEY, text text CHECK (text <> $$bad$$)');
    const sink = await on.open({ options });
    await sink.write(sink.prepare(batchOf(p0, 0, [{ id: 1, text: 'gone' }])), 64);
    await sink.rollback();
    expect(await versionOf(on)).toEqual([]);
    const result = await deliverEvents(
      sink,
      p0,
      0,
      { id: 1, text: 'a' },
      { id: 2, text: 'bad' },
      { id: 3, text: 'c' },
      { id: 3, text: 'bad' },
    );
    expect(result).toMatchObject({ written: 2, supersededInBatch: 0 });
    expect(result.rejected).toHaveLength(2);
    expect(await versionOf(on)).toEqual([
      [[1], 0],
      [[3], 2],
    ]);
  });

  test('let a row that was removed come again, and are its own from then on', async () => {
    await using on = await SinkTable.make(url, 'id bigint PRIMARY KEY, text text');
    const sink = await on.open({ options, versioned: true });
    await versioned(sink, 0, [[1, 'v5', 5]]);
    await on.admin.query(`DELETE FROM ${on.table}`);
    expect(await versioned(sink, 1, [[1, 'v3', 3]])).toMatchObject({ written: 1 });
    expect(await versioned(sink, 2, [[1, 'v4', 4]])).toMatchObject({ written: 1 });
    expect(await on.read()).toEqual([['1', 'v4']]);
  });

  test('compare offsets of one log for every pipeline that reads it, and a rebuild wins', async () => {
    await using on = await SinkTable.make(url, 'id bigint PRIMARY KEY, text text');
    const live = await on.open({ options });
    await deliverEvents(live, p0, 100, { id: 1, text: 'live' });
    const backfill = on.newSink({ options, pipeline: `${on.table}_backfill` });
    await backfill.open();
    await backfill.claim([p0]);
    expect(await deliverEvents(backfill, p0, 5, { id: 1, text: 'old' }, { id: 2, text: 'old' })).toMatchObject({
      written: 1,
      skippedVersion: 1,
    });
    await on.admin.query(`UPDATE pipectl.positions SET rebuild = 1, position = 0 WHERE pipeline = '${on.table}'`);
    const again = await on.open({ options });
    expect(await deliverEvents(again, p0, 7, { id: 1, text: 'rebuilt' })).toMatchObject({ written: 1 });
    expect(await on.read()).toEqual([
      ['1', 'rebuilt'],
      ['2', 'old'],
    ]);
  });

  test('hold against a member that writes the same key at the same time', async () => {
    await using on = await SinkTable.make(url, 'id bigint PRIMARY KEY, text text');
    const [newer, older] = [
      await on.open({ options, versioned: true }),
      on.newSink({ options, versioned: true, pipeline: `${on.table}_2` }),
    ];
    await older.open();
    await older.claim([p0, p1]);
    const batch = (id: number, text: string, version: number) => ({
      records: [recordOf(p1, 0, { id, text })],
      ranges: [{ partition: p1, from: 0, to: 1 }],
      versions: [version],
    });
    await newer.write(newer.prepare(batch(1, 'v5', 5)), 64);
    const writing = older.write(older.prepare(batch(1, 'v3', 3)), 64);
    const waiting = `SELECT wait_event_type FROM pg_stat_activity WHERE application_name LIKE 'pipectl/${on.table}_2/%'`;
    await expect.poll(() => on.read(waiting)).toEqual([['Lock']]);
    await newer.commit();
    expect(await writing).toMatchObject({ written: 0, skippedVersion: 1 });
    await older.commit();
    expect(await on.read()).toEqual([['1', 'v5']]);
  });

  test('take keys of several columns, however they are written, as the table does', async () => {
    await using on = await SinkTable.make(url, 'a numeric, b text, at timestamptz, text text, PRIMARY KEY (a, b, at)');
    const sink = await on.open({ options: { ...options, key: ['a', 'b', 'at'] } });
    const b = 'tab\t"quote" \\ é 😀';
    await deliverEvents(sink, p0, 0, { a: 1, b, at: '2026-01-01T00:00:00Z', text: 'first' });
    await deliverEvents(sink, p0, 1, { a: 1, b, at: '2026-01-01T01:00:00+01:00', text: 'second' });
    expect((await on.read()).map((row) => row[3])).toEqual(['second']);
    expect(await versionOf(on)).toHaveLength(1);
  });

  test('leave the same rows as versions in a column, whatever comes in whatever batches', async () => {
    const row = record({
      id: integer({ min: 1, max: 3 }),
      version: integer({ min: 1, max: 5 }),
      partition: constantFrom(p0, p1),
    });
    await assert(
      asyncProperty(
        array(array(row, { minLength: 1, maxLength: 6 }), { maxLength: 5 }),
        constantFrom(true, false),
        async (batches, byVersion) => {
          const run = async (setup: Partial<PostgresSinkOptions>, columns: string) => {
            await using on = await SinkTable.make(url, columns);
            const sink = await on.open({ options: setup, versioned: byVersion });
            const counts: unknown[] = [];
            const next = new Map([
              [p0, 0],
              [p1, 1000],
            ]);
            for (const rows of batches) {
              const from = new Map(next);
              const records = rows.map(({ id, version, partition }) => {
                const offset = next.get(partition)!;
                next.set(partition, offset + 1);
                return recordOf(partition, offset, { id, text: `${partition.partition}/${offset} v${version}` });
              });
              const ranges = [p0, p1].map((partition) => ({
                partition,
                from: from.get(partition)!,
                to: next.get(partition)!,
              }));
              counts.push(
                await deliver(sink, {
                  records,
                  ranges,
                  ...(byVersion && { versions: rows.map(({ version }) => version) }),
                }),
              );
            }
            return { counts, rows: await on.read(`SELECT id, text FROM ${on.table} ORDER BY id`) };
          };
          expect(await run(options, 'id bigint PRIMARY KEY, text text')).toEqual(
            await run({}, 'id bigint PRIMARY KEY, text text, _pipectl_version bigint[]'),
          );
        },
      ),
      { numRuns: 25 },
    );
  }, 120_000);
});
