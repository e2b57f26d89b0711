/**
 * How fast the PostgreSQL sink alone writes, and what of it is the client's CPU: batches of orders made in memory, 8
 * columns, no Kafka. `PG_URL=postgres://... node --import tsx bench/postgres-sink.ts [records]`.
 */
import { randomBytes } from 'node:crypto';
import { Client } from 'pg';
import { decodeJson } from '../src/codecs/json.ts';
import type { SinkContext } from '../src/declaration/component.ts';
import type { EventRecord, Partition, SinkBatch } from '../src/engine/ports.ts';
import { Timestamp } from '../src/expressions/timestamp.ts';
import { PostgresSink } from '../src/sinks/postgres/sink.ts';

const url = process.env['PG_URL'];
if (url === undefined) throw new Error('set PG_URL');
const total = Number(process.argv[2] ?? 400_000);
const table = `bench_${randomBytes(4).toString('hex')}`;

const partitions: Partition[] = Array.from({ length: 8 }, (_, partition) => ({
  cluster: 'bench',
  topic: 'orders',
  topicId: table,
  partition,
  source: 'kafka',
}));

function batchOf(first: number, size: number): SinkBatch {
  const perPartition = size / partitions.length;
  const records: EventRecord[] = [];
  for (const partition of partitions) {
    for (let i = 0; i < perPartition; i++) {
      const offset = first / partitions.length + i;
      const id = offset * partitions.length + partition.partition;
      const event = decodeJson(
        Buffer.from(
          `{"id":${id},"customer":"customer-${id % 5000}","country":"${id % 3 === 0 ? 'ES' : 'DE'}","qty":${id % 9},"price_cents":${id % 10_000},"paid":true,"total_cents":${id * 3}}`,
        ),
      ) as Record<string, unknown>;
      event['placed_at'] = new Timestamp(1_763_800_000_000_000 + id * 1000);
      const raw = { offset, timestampMs: 0, key: null, value: null, headers: undefined };
      records.push({ event, raw, partition, element: '', key: null, meta: null });
    }
  }
  const from = first / partitions.length;
  return { records, ranges: partitions.map((partition) => ({ partition, from, to: from + perPartition })) };
}

const context: SinkContext = {
  name: 'postgres',
  pipeline: table,
  pipelineHash: 'bench',
  clock: { now: () => Date.now(), sleep: () => Promise.reject(new Error('not used')) },
  random: Math.random,
  log: { info() {}, warn: (_, message) => process.stderr.write(`${message}\n`), error() {} },
  connection: () => ({ url }),
  directory: '.',
  fields: null,
  versioned: false,
};

const admin = new Client({ connectionString: url });
await admin.connect();
const columns = {
  id: 'bigint',
  customer: 'text',
  country: 'text',
  qty: 'integer',
  price_cents: 'bigint',
  paid: 'boolean',
  placed_at: 'timestamptz',
  total_cents: 'numeric',
};

async function measure(size: number, mode: 'upsert' | 'append', sameKeys: boolean): Promise<void> {
  await admin.query(`DROP TABLE IF EXISTS ${table}`);
  const timeouts = {
    on_new_field: 'ignore' as const,
    columns_max: 200,
    parent_wait: '5s',
    statement_timeout: '25s',
    lock_timeout: '10s',
    idle_transaction_timeout: '25s',
  };
  const sink = new PostgresSink(
    { table, mode, key: ['id'], create: true, columns, ...timeouts },
    { ...context, pipeline: `${table}_${size}_${mode}_${sameKeys}` },
  );
  await sink.open();
  await sink.claim(partitions);
  let writeMs = 0;
  const cpu = { user: 0, system: 0 };
  const latencies: number[] = [];
  for (let first = 0; first < total; first += size) {
    const batch = batchOf(first, size);
    if (sameKeys) for (const { event } of batch.records) (event as { id: number }).id %= 50_000;
    const cpuBefore = process.cpuUsage();
    const startedMs = performance.now();
    const prepared = sink.prepare(batch);
    await sink.write(prepared, Infinity);
    await sink.commit();
    latencies.push(performance.now() - startedMs);
    const used = process.cpuUsage(cpuBefore);
    // The first batches warm the code up.
    if (first < total / 5) continue;
    writeMs += latencies.at(-1)!;
    cpu.user += used.user;
    cpu.system += used.system;
  }
  await sink.close();
  const measured = total * 0.8;
  latencies.sort((a, b) => a - b);
  const percentile = (share: number): string => latencies[Math.floor(latencies.length * share)]!.toFixed(1);
  process.stdout.write(
    `${mode.padEnd(6)} ${sameKeys ? 'update' : 'insert'} batch ${String(size).padStart(4)}: ${Math.round((measured / writeMs) * 1000)} rows/s, ` +
      `client ${((cpu.user + cpu.system) / measured).toFixed(2)} us/row, batch p50 ${percentile(0.5)} ms, p99 ${percentile(0.99)} ms\n`,
  );
}

for (const size of [2000, 8000]) {
  await measure(size, 'upsert', false);
  await measure(size, 'upsert', true);
  await measure(size, 'append', false);
}
await admin.query(
  `DROP TABLE IF EXISTS ${table}; DELETE FROM pipectl.positions WHERE topic_id = '${table}'; DELETE FROM pipectl.logs WHERE topic_id = '${table}'`,
);
await admin.end();
