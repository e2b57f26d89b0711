import { array, assert, integer, property } from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Partition, SinkBatch } from '../../../src/engine/ports.ts';
import { Timestamp } from '../../../src/expressions/timestamp.ts';
import type { Column } from '../../../src/sinks/postgres/catalog.ts';
import type { Plan, VersionGuard } from '../../../src/sinks/postgres/plan.ts';
import { type EncodedBatch, RowEncoder } from '../../../src/sinks/postgres/rows.ts';
import { columnType } from '../../../src/sinks/postgres/types.ts';
import { batchOf, partitionOf } from '../../contract/sink.ts';

const column = (name: string, type: string, more: Partial<Column> = {}): Column => ({
  ...columnType(1, -1, new Map([[1, { oid: 1, name: type, kind: 'base', of: 0, modifier: -1, labels: [] }]])),
  name,
  type,
  notNull: false,
  hasDefault: false,
  generated: false,
  identityAlways: false,
  collatable: false,
  ...more,
});
const id = column('id', 'int8', { notNull: true });
const a = column('a', 'text');
const b = column('b', 'text');
const at = column('at', 'timestamptz');
const planOf = (columns: Column[], guard: VersionGuard = { kind: 'none' }, keyCount = 1): Plan => ({
  table: {
    schema: 'public',
    name: 't',
    sql: '"t"',
    columns,
    uniqueKeys: [['id']],
    rights: { insert: true, update: true, select: true },
  },
  columns,
  keyCount,
  guard,
});

const p0 = partitionOf(0);
const claims = (position = 0) =>
  new Map<Partition, { id: string; ownerEpoch: string; log: number; position: number }>([
    [p0, { id: '1', ownerEpoch: '1', log: 7, position }],
  ]);
const lines = ({ groups }: EncodedBatch): string[][] => groups.map(({ rows }) => rows.map(({ line }) => line));

describe('a batch of rows', () => {
  test('carries log and offset after the columns where the table keeps versions', () => {
    const encoded = new RowEncoder(
      planOf([id, a], { kind: 'own', versioned: false, place: 'column' }),
      false,
      false,
    ).encode(batchOf(p0, 5, [{ id: 1, a: null }]), claims());
    expect(lines(encoded)).toEqual([['1\t\\N\t7\t5']]);
  });

  test('keeps only the last of a key, and remembers whom it stands for', () => {
    const encoded = new RowEncoder(planOf([id, a]), false, false).encode(
      batchOf(p0, 0, [
        { id: 1, a: 'x' },
        { id: 2, a: 'y' },
        { id: 1, a: 'z' },
      ]),
      claims(),
    );
    expect(lines(encoded)).toEqual([['2\ty', '1\tz']]);
    expect(encoded.supersededInBatch).toBe(1);
    expect(encoded.groups[0]!.rows[1]!.older?.line).toBe('1\tx');
  });

  test('writes rows of one key one after the other where the later lacks a column of the earlier', () => {
    const encoded = new RowEncoder(planOf([id, a, b]), false, false).encode(
      batchOf(p0, 0, [
        { id: 1, a: 'a1', b: 'big' },
        { id: 1, a: 'a2' },
        { id: 1, a: 'a3' },
      ]),
      claims(),
    );
    expect(lines(encoded)).toEqual([['1\ta1\tbig'], ['1\ta3']]);
    expect(encoded.groups.map(({ shape }) => shape.columns.map(({ name }) => name))).toEqual([
      ['id', 'a', 'b'],
      ['id', 'a'],
    ]);
  });

  test('refuses what can not be a row, by offset and reason, and skips what lies below the position first', () => {
    const encoded = new RowEncoder(planOf([id, a]), false, false).encode(
      batchOf(p0, 0, ['text', null, [1], { a: 'x' }, { id: null }, { id: 1, a: 'ok' }]),
      claims(1),
    );
    expect(encoded.rejected.map(({ record, code }) => [record.raw.offset, code])).toEqual([
      [1, 'sink_event_shape'],
      [2, 'sink_event_shape'],
      [3, 'sink_key_missing'],
      [4, 'sink_key_missing'],
    ]);
    expect(encoded.skippedOffset).toBe(1);
    expect(lines(encoded)).toEqual([['1\tok']]);
  });

  test('never takes a value from the prototype', () => {
    const encoded = new RowEncoder(planOf([id, column('constructor', 'text')]), false, false).encode(
      batchOf(p0, 0, [{ id: 1 }]),
      claims(),
    );
    expect(lines(encoded)).toEqual([['1']]);
  });

  test('refuses a version that can not be ordered', () => {
    const encoder = new RowEncoder(planOf([id], { kind: 'own', versioned: true, place: 'column' }), true, false);
    const batch: SinkBatch = {
      ...batchOf(p0, 0, [{ id: 1 }, { id: 2 }, { id: 3 }, { id: 4 }]),
      versions: [1.5, null, 'yesterday', '2026-01-01T00:00:00Z'],
    };
    expect(encoder.encode(batch, claims()).rejected.map(({ code }) => code)).toEqual(
      Array(3).fill('sink_version_value'),
    );
  });

  test('where only the server can compare versions, it is shown every row', () => {
    const encoder = new RowEncoder(planOf([id, a], { kind: 'column', column: a }), false, false);
    const encoded = encoder.encode(
      batchOf(p0, 0, [
        { id: 1, a: 'v10' },
        { id: 1, a: 'v9' },
      ]),
      claims(),
    );
    expect(lines(encoded)).toEqual([['1\tv10'], ['1\tv9']]);
  });

  test('by version, the highest stands, the first of equals, and the others follow from new to old', () => {
    assert(
      property(array(integer({ min: 0, max: 5 }), { minLength: 1, maxLength: 12 }), (versions) => {
        const encoder = new RowEncoder(planOf([id, at, a], { kind: 'column', column: at }), false, false);
        const events = versions.map((version, i) => ({
          id: 1,
          at: new Timestamp(version),
          a: `${version}/${String(i).padStart(2, '0')}`,
        }));
        const encoded = encoder.encode(batchOf(p0, 0, events), claims());
        const chain: string[] = [];
        for (let row = encoded.groups[0]!.rows[0]; row !== undefined; row = row.older)
          chain.push((row.record.event as { a: string }).a);
        // A row stays in the chain of the one that superseded it; each must be what a fold of the rest gives.
        const expected = events
          .map((event) => event.a)
          .sort((x, y) => (x[0] === y[0] ? (x < y ? -1 : 1) : x > y ? -1 : 1));
        expect(chain).toEqual(expected);
        expect(encoded.supersededInBatch).toBe(versions.length - 1);
      }),
    );
  });
});
