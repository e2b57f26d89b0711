/**
 * Rows of one key from two partitions, as after partitions were added: partition 0 at offset 1,000,000, partition 1 at 10.
 * What is promised here is what `explain` says, see test/plan/verdicts.test.ts.
 */
import { expect, test } from 'vitest';
import type { Partition, Sink } from '../../src/engine/ports.ts';
import { batchOf, deliver } from '../contract/sink.ts';
import { stackAddress } from '../stack/shared.ts';
import { type SinkSetup, SinkTable, p0, p1 } from './sink-on-table.ts';

const url = stackAddress('postgres');
const far = 1_000_000;

/** One event, and what `version:` gives for it. */
const put = (sink: Sink, partition: Partition, offset: number, text: string, version?: number) =>
  deliver(sink, {
    ...batchOf(partition, offset, [{ id: 1, text, n: version ?? 0 }]),
    ...(version !== undefined && { versions: [version] }),
  });

const columns = 'id bigint PRIMARY KEY, text text, n bigint';
const places: readonly (readonly [string, string, SinkSetup])[] = [
  ['`version:` in the column of its own', `${columns}, _pipectl_version bigint[]`, { versioned: true }],
  [
    '`version:` beside the table',
    columns,
    { versioned: true, options: { guard: { schema: 'pipectl', versions: 'side' } } },
  ],
  ['`version_column`', columns, { options: { version_column: 'n' } }],
];

test.each(places)(
  'with %s the newer row wins, though its offset is far lower; an older one never takes it back',
  async (_, table, setup) => {
    await using on = await SinkTable.make(url, table);
    const sink = await on.open(setup);
    const version = (n: number) => (setup.versioned === true ? n : undefined);
    const write = async (partition: Partition, offset: number, n: number) => {
      const batch = batchOf(partition, offset, [{ id: 1, text: `v${n}`, n }]);
      const versions = version(n);
      await deliver(sink, { ...batch, ...(versions !== undefined && { versions: [versions] }) });
      return (await on.read(`SELECT text FROM ${on.table}`))[0]![0];
    };
    expect(await write(p0, far, 5)).toBe('v5');
    expect(await write(p1, 10, 6)).toBe('v6');
    expect(await write(p1, 11, 4)).toBe('v6');
    expect(await write(p0, far + 1, 5)).toBe('v6');
    expect(await write(p0, far + 2, 7)).toBe('v7');
  },
);

test.each([
  ['a place for versions', `${columns}, _pipectl_version bigint[]`],
  ['none', columns],
])(
  'without `version:`, in a table with %s, the row that is written later wins, whatever is newer',
  async (_, table) => {
    await using on = await SinkTable.make(url, table);
    const sink = await on.open();
    const text = async () => (await on.read(`SELECT text FROM ${on.table}`))[0]![0];
    await put(sink, p0, far, 'from partition 0');
    await put(sink, p1, 10, 'from partition 1');
    expect(await text()).toBe('from partition 1');
    await put(sink, p0, far + 1, 'from partition 0 again');
    expect(await text()).toBe('from partition 0 again');
  },
);

test('a record that is processed again out of order replaces a newer row where versions have no place, and only there', async () => {
  for (const [table, expected] of [
    [columns, 'old'],
    [`${columns}, _pipectl_version bigint[]`, 'new'],
  ] as const) {
    await using on = await SinkTable.make(url, table);
    await put(await on.open(), p0, 100, 'new');
    // As a replay does it: the same log and the same table under another name.
    await put(await on.open({ pipeline: `${on.table}-again` }), p0, 5, 'old');
    expect(await on.read(`SELECT text FROM ${on.table}`)).toEqual([[expected]]);
  }
});
