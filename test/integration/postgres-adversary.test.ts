/** What a hostile input, a hostile network or a database that forgets could do to the PostgreSQL sink. */
import { createServer, connect as connectSocket, type AddressInfo, type Socket } from 'node:net';
import { array, assert, asyncProperty, constantFrom, integer, option, record } from 'fast-check';
import { Client } from 'pg';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { Fenced, type Sink } from '../../src/engine/ports.ts';
import type { PostgresSinkOptions } from '../../src/sinks/postgres/index.ts';
import { PostgresSink } from '../../src/sinks/postgres/sink.ts';
import { batchOf, deliver, partitionOf } from '../contract/sink.ts';
import { stackAddress, uniqueName } from '../stack/shared.ts';

const url = stackAddress('postgres');
const p0 = partitionOf(0);
let admin: Client;
let table: string;
beforeAll(async () => {
  admin = new Client({ connectionString: url });
  await admin.connect();
});
afterAll(() => admin.end());
beforeEach(() => {
  table = uniqueName('adversary');
});

async function open(options: Partial<PostgresSinkOptions> = {}, log: string[] = [], versioned = false, as = url) {
  const note = (code: string, message: string) => log.push(`${code}: ${message}`);
  const timeouts = {
    on_new_field: 'ignore' as const,
    columns_max: 200,
    parent_wait: '0s',
    statement_timeout: '5s',
    lock_timeout: '2s',
    idle_transaction_timeout: '5s',
  };
  const sink = new PostgresSink(
    { table, mode: 'upsert', key: ['id'], create: false, ...timeouts, ...options },
    {
      name: 'postgres',
      pipeline: table,
      pipelineHash: 'hash',
      clock: { now: () => 0, sleep: () => Promise.resolve() },
      random: () => 0,
      log: { info: note, warn: note, error: note },
      connection: () => ({ url: as }),
      directory: '.',
      fields: null,
      versioned,
    },
  );
  await sink.open();
  await sink.claim([p0]);
  return {
    sink,
    async [Symbol.asyncDispose]() {
      await sink.close();
      await admin.query(`DROP TABLE IF EXISTS ${table}`);
    },
  };
}
const deliverAll = (sink: Sink, from: number, ...events: unknown[]) => deliver(sink, batchOf(p0, from, events));
const read = async (sql = `SELECT * FROM ${table} ORDER BY 1`): Promise<unknown[][]> =>
  (await admin.query<unknown[]>({ text: sql, rowMode: 'array' })).rows;

describe('a hostile event', () => {
  test('with no field of an appended table is rejected alone', async () => {
    await admin.query(`CREATE TABLE ${table} (id bigint, text text)`);
    await using opened = await open({ mode: 'append' });
    const result = await deliverAll(opened.sink, 0, { id: 1 }, {}, { other: 1 }, { text: 'x' });
    expect(result).toMatchObject({ written: 2 });
    expect(result.rejected.map(({ record: { raw }, code }) => [raw.offset, code])).toEqual([
      [1, 'sink_event_shape'],
      [2, 'sink_event_shape'],
    ]);
    expect(await read()).toEqual([
      ['1', null],
      [null, 'x'],
    ]);
  });

  test('with half a surrogate pair is rejected, and never written as another text', async () => {
    await admin.query(`CREATE TABLE ${table} (id text PRIMARY KEY, doc jsonb, tags text[])`);
    await using opened = await open();
    const result = await deliverAll(
      opened.sink,
      0,
      { id: '\ud83d' },
      { id: 'a', doc: { x: '\udc00' } },
      { id: 'b', tags: ['\ud83d'] },
      { id: '😀', doc: { x: '😀' }, tags: ['😀'] },
    );
    expect(result.rejected.map(({ record: { raw } }) => raw.offset).sort()).toEqual([0, 1, 2]);
    expect(await read()).toEqual([['😀', { x: '😀' }, ['😀']]]);
  });

  test('with a version that is no number is the same however it falls into batches', async () => {
    await admin.query(`CREATE TABLE ${table} (id bigint PRIMARY KEY, at float8)`);
    await using opened = await open({ version_column: 'at' });
    const events = [
      { id: 1, at: 5 },
      { id: 1, at: Number.NaN },
      { id: 1, at: 7 },
    ];
    await deliverAll(opened.sink, 0, ...events);
    await deliverAll(opened.sink, 3, ...events.map(({ at }) => ({ id: 2, at })).slice(0, 2));
    await deliverAll(opened.sink, 5, { id: 2, at: 7 });
    const [one, two] = await read(`SELECT at FROM ${table} ORDER BY id`);
    expect(one).toEqual(two);
  });

  test('with ever new fields is told of a bounded number of times', async () => {
    const log: string[] = [];
    await admin.query(`CREATE TABLE ${table} (id bigint PRIMARY KEY)`);
    await using opened = await open({}, log);
    for (let i = 0; i < 300; i++) opened.sink.prepare(batchOf(p0, i, [{ id: i, [`user-${i}`]: 1 }]));
    expect(log.length).toBeLessThan(150);
  });

  const nasty = [
    'a',
    '',
    ' ',
    '\\N',
    '\\.',
    '\\',
    '\\\\t',
    '\t',
    '\n',
    '\r\n',
    '"',
    "'",
    '{}',
    '😀',
    'é',
    '\u0000',
    '\u2028',
  ];
  const event = record(
    {
      k1: constantFrom(...nasty.slice(0, 10)),
      k2: constantFrom<unknown>('1', 1, 1n, '1.0', 'a\tb', 'a', 'b'),
      text: option(constantFrom(...nasty)),
      doc: option(constantFrom<unknown>(...nasty.map((text) => ({ [text]: [text, 1n, Number.NaN, true] })), null)),
      n: option(constantFrom<unknown>(0, -0, 1e21, 5e-324, 2n ** 70n, Number.NaN, Number.POSITIVE_INFINITY, '1')),
      small: option(integer({ min: 10, max: 14 })),
    },
    { requiredKeys: ['k1', 'k2'] },
  );

  test('leaves the fold of all others, whatever the batches, refusals and repeats', async () => {
    await assert(
      asyncProperty(array(array(event, { minLength: 1, maxLength: 12 }), { maxLength: 4 }), async (batches) => {
        await admin.query(`DROP TABLE IF EXISTS ${table}`);
        await admin.query(
          `CREATE TABLE ${table} (k1 text, k2 text, text text, doc jsonb, n numeric, small int CHECK (small <> 13), PRIMARY KEY (k1, k2))`,
        );
        await admin.query(`DELETE FROM pipectl.positions WHERE pipeline = '${table}'`);
        await using opened = await open({ key: ['k1', 'k2'] });
        const { sink } = opened;
        const rows = new Map<string, Record<string, unknown>>();
        let at = 0;
        for (const events of batches) {
          const prepared = sink.prepare(batchOf(p0, at, events));
          await sink.write(prepared, Infinity);
          await sink.rollback();
          const result = await sink.write(prepared, Infinity);
          await sink.commit();
          at += events.length;
          const { written, supersededInBatch, rejected } = result;
          expect(written + supersededInBatch + rejected.length).toBe(events.length);
          const refused = new Set(rejected.map(({ record: { event: row } }) => row));
          for (const one of events) {
            const unencodable =
              one.n === '1' || one.n === Number.POSITIVE_INFINITY || one.text === '\u0000' || docHasNul(one.doc);
            // The server need not see a row that a later one of the batch covers.
            if (one.small !== 13 || unencodable) expect(refused.has(one)).toBe(unencodable);
            if (one.small === 13 || unencodable) continue;
            const key = JSON.stringify([one.k1, String(one.k2)]);
            rows.set(key, { ...rows.get(key), ...one, k2: String(one.k2) });
          }
        }
        const found = await read(`SELECT k1, k2, text, doc::text, n::text, small FROM ${table}`);
        const expected = [...rows.values()].map(({ k1, k2, text, doc, n, small }) => [
          k1,
          k2,
          text ?? null,
          doc ?? null,
          n ?? null,
          small ?? null,
        ]);
        const plain = (row: readonly unknown[]) => [row[0], row[1], row[2], row[3] === null, row[4] === null, row[5]];
        expect(found.map(plain).map(text).sort()).toEqual(expected.map(plain).map(text).sort());
      }),
      { numRuns: 60 },
    );
    await admin.query(`DROP TABLE IF EXISTS ${table}`);
  }, 60_000);
  const text = (row: readonly unknown[]) => JSON.stringify(row);
  const docHasNul = (doc: unknown) => doc !== undefined && doc !== null && Object.hasOwn(doc, '\u0000');
});

describe('a database that forgets', () => {
  test('what was committed makes the owner ask anew where to go on, instead of leaving a hole', async () => {
    await admin.query(`CREATE TABLE ${table} (id bigint PRIMARY KEY)`);
    await using opened = await open();
    await deliverAll(opened.sink, 0, { id: 0 }, { id: 1 });
    // A replica that had not seen the last commit took over; the owner epoch is the same.
    await admin.query(`DELETE FROM ${table} WHERE id = 1`);
    await admin.query(`UPDATE pipectl.positions SET position = 1 WHERE pipeline = '${table}'`);
    await expect(deliverAll(opened.sink, 2, { id: 2 })).rejects.toBeInstanceOf(Fenced);
    await opened.sink.rollback();
    expect((await opened.sink.claim([p0])).get(p0)).toBe(1);
    await deliverAll(opened.sink, 1, { id: 1 }, { id: 2 });
    expect(await read()).toEqual([['0'], ['1'], ['2']]);
  });
});

describe('a network that swallows everything', () => {
  test('does not keep the sink from closing', async () => {
    await admin.query(`CREATE TABLE ${table} (id bigint PRIMARY KEY)`);
    const { hostname, port } = new URL(url);
    const sockets: Socket[] = [];
    let swallowing = false;
    const server = createServer({ allowHalfOpen: true }, (client) => {
      const upstream = connectSocket({ host: hostname, port: Number(port), allowHalfOpen: true });
      sockets.push(client, upstream);
      client.on('error', () => {}).on('data', (data) => swallowing || upstream.write(data));
      upstream.on('error', () => {}).on('data', (data) => swallowing || client.write(data));
      client.on('end', () => swallowing || upstream.end());
      upstream.on('end', () => swallowing || client.end());
    });
    server.listen(0, '127.0.0.1');
    await new Promise((resolve) => server.once('listening', resolve));
    const through = new URL(url);
    through.host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
    const opened = await open({}, [], false, through.href);
    await deliverAll(opened.sink, 0, { id: 0 });
    swallowing = true;
    for (const socket of sockets) socket.pause();
    const startedMs = performance.now();
    await opened.sink.close();
    expect(performance.now() - startedMs).toBeLessThan(5000);
    for (const socket of sockets) socket.destroy();
    server.close();
    await admin.query(`DROP TABLE ${table}`);
  }, 20_000);
});
