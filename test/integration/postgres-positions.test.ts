import { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { SinkContext } from '../../src/declaration/component.ts';
import type { PostgresSinkOptions } from '../../src/sinks/postgres/index.ts';
import { PostgresSink } from '../../src/sinks/postgres/sink.ts';
import { PostgresPositions } from '../../src/sinks/postgres/stored-positions.ts';
import { batchOf, deliver, partitionOf } from '../contract/sink.ts';
import { sinkPositionsContract } from '../contract/sink-positions.ts';
import { stackAddress, uniqueName } from '../stack/shared.ts';

const url = stackAddress('postgres');
let admin: Client;
beforeAll(async () => {
  admin = new Client({ connectionString: url });
  await admin.connect();
});
afterAll(() => admin.end());

/** A table, and what writes to it and keeps positions for it, under the name of the table. */
async function newTable() {
  const table = uniqueName('positions');
  await admin.query(`CREATE TABLE ${table} (id bigint PRIMARY KEY, text text, _pipectl_version bigint[])`);
  const defaults = {
    parent_wait: '1s',
    on_new_field: 'ignore' as const,
    columns_max: 100,
    statement_timeout: '5s',
    lock_timeout: '2s',
    idle_transaction_timeout: '5s',
  };
  const options: PostgresSinkOptions = { table, mode: 'upsert', key: ['id'], create: false, ...defaults };
  const context: SinkContext = {
    name: 'postgres',
    pipeline: table,
    pipelineHash: 'hash',
    clock: { now: () => 0, sleep: () => Promise.resolve() },
    random: () => 0,
    log: { info() {}, warn() {}, error() {} },
    connection: () => ({ url }),
    directory: '.',
    fields: null,
    versioned: false,
  };
  return {
    table,
    newSink: async () => new PostgresSink(options, context),
    positions: async () => new PostgresPositions(options, context),
    event: (id: number, text: string) => ({ id, text }),
    close: async () => {
      await admin.query(`DROP TABLE ${table}`);
    },
  };
}

describe('the positions of a PostgreSQL sink', () => {
  sinkPositionsContract(newTable);

  test('the number of the rebuild rises when records are read again, and only then', async () => {
    const { positions: newPositions, newSink, event, close } = await newTable();
    const positions = await newPositions();
    const sink = await newSink();
    await sink.open();
    const [first, second] = [partitionOf(0), partitionOf(1)];
    await sink.claim([first, second]);
    await deliver(sink, batchOf(first, 0, [event(1, 'a'), event(2, 'b')]));
    const rebuilds = async () => (await positions.list()).map(({ rebuild }) => rebuild);
    await positions.move([{ partition: first, position: 5 }]);
    expect(await rebuilds()).toEqual([0, 0]);
    await positions.move([{ partition: first, position: 4 }]);
    expect(await rebuilds()).toEqual([1, 1]);
    await positions.move([{ partition: partitionOf(0, 'topic-id-2'), position: 9 }]);
    expect(await rebuilds()).toEqual([2]);
    await sink.close();
    await positions.close();
    await close();
  });

  test('after a rebuild removed positions leave its number: what is written later must win over what is there', async () => {
    const { table, positions: newPositions, newSink, event, close } = await newTable();
    const positions = await newPositions();
    const partition = partitionOf(0);
    const write = async (text: string): Promise<void> => {
      const sink = await newSink();
      await sink.open();
      expect(await sink.claim([partition])).toEqual(new Map());
      await deliver(sink, batchOf(partition, 0, [event(1, text)]));
      await sink.close();
    };
    await write('first');
    await positions.move([{ partition, position: 0 }]);
    await positions.remove();
    await write('second');
    await positions.remove();
    await write('third');
    expect((await admin.query(`SELECT text FROM ${table}`)).rows).toEqual([{ text: 'third' }]);
    await positions.close();
    await close();
  });
});
