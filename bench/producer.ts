/**
 * The two libraries that can write to Kafka, beside each other: records a second, CPU a record, a transaction of 100
 * records, and what loading costs. Run: `node --import tsx bench/producer.ts`, with a broker in KAFKA_BROKERS or none.
 */
import { execFileSync } from 'node:child_process';
import { openKafkaAdmin } from '../src/connections/kafka/admin.ts';
import { openKafkaProducer, openTransactionalProducer } from '../src/connections/kafka/producer.ts';
import type { Log } from '../src/engine/ports.ts';
import { startStack } from '../test/stack/stack.ts';

const recordsCount = 100_000;
const batchRecords = 2000;
const recordBytes = 250;
const transactionsCount = 100;
const rounds = 3;
const clients = ['kafkajs', 'platformatic'] as const;
const silent: Log = { info() {}, warn() {}, error() {} };

const messages = Array.from({ length: batchRecords }, (_, at) => ({
  key: Buffer.from(`customer-${at}`),
  value: Buffer.alloc(recordBytes, at),
  headers: {},
}));

const stack = process.env['KAFKA_BROKERS'] ? null : await startStack({ services: ['kafka'], profile: 'bench' });
const brokers = process.env['KAFKA_BROKERS'] ?? stack!.kafka.brokers;
const admin = await openKafkaAdmin({ brokers }, silent);
const topic = `bench-producer-${Date.now()}`;
await admin.createTopic({ topic, partitions: 6, config: { 'retention.bytes': '50000000' } });

type Client = (typeof clients)[number];

async function plain(client: Client): Promise<{ perSecond: number; cpuMicros: number }> {
  const producer = openKafkaProducer({ brokers, client }, silent);
  for (let warm = 0; warm < 5; warm++) await producer.produceAll(topic, messages);
  const began = performance.now();
  const cpu = process.cpuUsage();
  for (let sent = 0; sent < recordsCount; sent += batchRecords) await producer.produceAll(topic, messages);
  const { user, system } = process.cpuUsage(cpu);
  const seconds = (performance.now() - began) / 1000;
  await producer.close();
  return { perSecond: recordsCount / seconds, cpuMicros: (user + system) / recordsCount };
}

async function transactionMs(client: Client): Promise<number> {
  const transactions = openTransactionalProducer({ brokers, client }, `bench-${client}-${Date.now()}`, silent);
  await transactions.claim();
  const batch = messages.slice(0, 100);
  const one = async (number: number) => {
    await transactions.produceAll(topic, batch);
    await transactions.sendOffsets('bench-producer', [{ topic, partition: 0, offset: number }]);
    await transactions.commit();
  };
  for (let warm = 0; warm < 5; warm++) await one(warm);
  const began = performance.now();
  for (let number = 0; number < transactionsCount; number++) await one(number);
  const ms = (performance.now() - began) / transactionsCount;
  await transactions.close();
  return ms;
}

/** In a process of its own, above Node's own. */
function loading(client: Client): { ms: number; megabytes: number } {
  const name = client === 'kafkajs' ? 'kafkajs' : '@platformatic/kafka';
  const script = `const m = process.memoryUsage().rss, t = performance.now(); await import('${name}');
    console.log(JSON.stringify([performance.now() - t, process.memoryUsage().rss - m]));`;
  const [ms, bytes] = JSON.parse(
    execFileSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8' }),
  ) as [number, number];
  return { ms, megabytes: bytes / 1e6 };
}

const best = new Map<Client, { perSecond: number; cpuMicros: number; transaction: number }>();
// In turns, so that what else the machine does meets both.
for (let round = 0; round < rounds; round++) {
  for (const client of clients) {
    const { perSecond, cpuMicros } = await plain(client);
    const transaction = await transactionMs(client);
    const former = best.get(client) ?? { perSecond: 0, cpuMicros: Infinity, transaction: Infinity };
    best.set(client, {
      perSecond: Math.max(former.perSecond, perSecond),
      cpuMicros: Math.min(former.cpuMicros, cpuMicros),
      transaction: Math.min(former.transaction, transaction),
    });
  }
}
for (const client of clients) {
  const { perSecond, cpuMicros, transaction } = best.get(client)!;
  const { ms, megabytes } = loading(client);
  process.stdout.write(
    `${client.padEnd(13)} ${Math.round(perSecond / 1000)}k records/s  ${cpuMicros.toFixed(2)} us CPU a record  ` +
      `${transaction.toFixed(1)} ms a transaction of 100  loading ${Math.round(ms)} ms, ${Math.round(megabytes)} MB\n`,
  );
}
const [one, two] = clients.map((client) => best.get(client)!);
process.stdout.write(
  `platformatic / kafkajs: ${(two!.perSecond / one!.perSecond).toFixed(2)} x records/s, ` +
    `${(two!.cpuMicros / one!.cpuMicros).toFixed(2)} x CPU, ${(two!.transaction / one!.transaction).toFixed(2)} x transaction\n`,
);
await admin.close();
await stack?.stop();
