/** A commit whose answer never arrives: whatever became of it, every row is there once. */
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { describe, expect, test } from 'vitest';
import { SinkUnavailable } from '../../src/engine/ports.ts';
import { batchOf } from '../contract/sink.ts';
import { stackAddress } from '../stack/shared.ts';
import { p0, p1, SinkTable } from './sink-on-table.ts';

const url = stackAddress('postgres');

/** `reached`: the commit is passed on and its answer cut off. `lost`: it is cut off itself. */
type Fate = 'reached' | 'lost' | null;

/** Stands between a client and the server, and cuts the connection at its next COMMIT. */
async function proxy() {
  const state: { fate: Fate; cuts: number } = { fate: null, cuts: 0 };
  const sockets = new Set<Socket>();
  const { hostname, port } = new URL(url);
  const server = createServer((client) => {
    const upstream = connect({ host: hostname, port: Number(port) });
    for (const socket of [client, upstream]) sockets.add(socket.on('error', () => {}));
    let deaf = false;
    client.on('data', (data) => {
      const { fate } = state;
      if (fate === null || !data.includes('COMMIT')) return void upstream.write(data);
      state.fate = null;
      state.cuts++;
      deaf = true;
      if (fate === 'lost') return void (client.destroy(), upstream.destroy());
      upstream.write(data);
    });
    upstream.on('data', (data) => (deaf ? client.destroy() : client.write(data)));
    client.on('close', () => upstream.end());
    upstream.on('close', () => client.destroy());
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const through = new URL(url);
  through.host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    state,
    url: through.href,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      await new Promise((closed) => server.close(closed));
    },
  };
}

describe.each(['upsert', 'append'] as const)('a commit without an answer (%s)', (mode) => {
  test.each(['reached', 'lost'] as const)('that was %s: the batch is written again and counts once', async (fate) => {
    await using between = await proxy();
    await using on = await SinkTable.make(url, 'id bigint, text text, UNIQUE (id)');
    const sink = await on.open({ connection: { url: between.url }, options: { mode } });
    const prepared = sink.prepare(batchOf(p0, 0, [{ id: 1, text: 'a' }, { id: 'refused' }, { id: 2, text: 'b' }]));
    await sink.write(prepared, 64);
    between.state.fate = fate;
    await expect(sink.commit()).rejects.toBeInstanceOf(SinkUnavailable);
    await sink.rollback();
    expect(between.state.cuts).toBe(1);
    const again = await sink.write(prepared, 64);
    expect(again).toMatchObject(
      fate === 'reached' ? { written: 0, skippedOffset: 3, rejected: [] } : { written: 2, skippedOffset: 0 },
    );
    await sink.commit();
    expect(await on.read()).toEqual([
      ['1', 'a'],
      ['2', 'b'],
    ]);
    expect((await sink.claim([p0, p1])).get(p0)).toBe(3);
  });

  test('that is still on its way: the position is read only when it has come through', async () => {
    await using on = await SinkTable.make(url, 'id bigint, text text, UNIQUE (id)');
    const sink = await on.open({ options: { mode, idle_transaction_timeout: '20s', lock_timeout: '20s' } });
    const prepared = sink.prepare(batchOf(p0, 0, [{ id: 1, text: 'a' }]));
    // What the server has of a commit that it has not come to yet: the open transaction of a connection that is gone.
    const pid = `SELECT pid FROM pg_stat_activity WHERE application_name = 'pipectl/${on.table}/postgres'`;
    await on.admin.query(
      `BEGIN; SELECT * FROM pipectl.positions WHERE pipeline = '${on.table}' FOR UPDATE;
       INSERT INTO ${on.table} VALUES (1, 'a');
       UPDATE pipectl.positions SET position = 1 WHERE pipeline = '${on.table}' AND partition = 0`,
    );
    const writing = sink.write(prepared, 64);
    await expect
      .poll(() => on.read(`SELECT wait_event_type FROM pg_stat_activity WHERE pid IN (${pid})`))
      .toEqual([['Lock']]);
    await on.admin.query('COMMIT');
    expect(await writing).toMatchObject({ written: 0, skippedOffset: 1 });
    await sink.commit();
    expect(await on.read()).toEqual([['1', 'a']]);
  });
});
