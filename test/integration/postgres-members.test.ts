/** What a member notices of others and of the database between two batches. */
import { expect, test } from 'vitest';
import { Fenced } from '../../src/engine/ports.ts';
import { stackAddress } from '../stack/shared.ts';
import { deliverEvents, p0, p1, SinkTable } from './sink-on-table.ts';

const url = stackAddress('postgres');

test('two versions of one pipeline that write side by side are noticed once, a change of version is not', async () => {
  await using on = await SinkTable.make(url, 'id bigint PRIMARY KEY');
  const former = on.newSink({ pipelineHash: 'before' });
  await former.open();
  await former.claim([p0, p1]);
  await deliverEvents(former, p0, 0, { id: 1 });
  const sink = on.newSink({ pipelineHash: 'after' });
  await sink.open();
  await sink.claim([p0, p1]);
  on.nowMs += 61_000;
  await deliverEvents(sink, p0, 1, { id: 2 });
  expect(on.log).toEqual([]);
  // The other one comes back to one of the partitions, and stays.
  await former.claim([p1]);
  await deliverEvents(former, p1, 0, { id: 3 });
  await deliverEvents(sink, p0, 2, { id: 4 });
  expect(on.log).toEqual([]);
  for (let minute = 0; minute < 3; minute++) {
    on.nowMs += 61_000;
    await deliverEvents(sink, p0, 3 + minute, { id: 5 });
  }
  expect(on.log).toEqual([expect.stringMatching(/^pipeline_versions_differ: .*before beside our after/)]);
});

test('a database that has gone back is called that, with both positions', async () => {
  await using on = await SinkTable.make(url, 'id bigint PRIMARY KEY');
  const sink = await on.open();
  await deliverEvents(sink, p0, 0, { id: 1 }, { id: 2 });
  await on.admin.query(`UPDATE pipectl.positions SET position = 1 WHERE pipeline = '${on.table}' AND partition = 0`);
  await expect(deliverEvents(sink, p0, 2, { id: 3 })).rejects.toBeInstanceOf(Fenced);
  expect(on.log).toEqual([
    'sink_gone_back: the database has gone back to an older state: position 2 was committed, and it holds 1',
  ]);
});
