import { Consumer as NewProtocolConsumer } from '@platformatic/kafka';
import type { Kafka } from 'kafkajs';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { openKafkaAdmin, type KafkaAdmin } from '../../src/connections/kafka/admin.ts';
import { kafkajs } from '../../src/connections/kafka/kafkajs.ts';
import { type GroupLag, LagMonitor } from '../../src/operations/lag.ts';
import { runKafkaTool } from '../stack/kafka-tool.ts';
import { stackAddress, uniqueName } from '../stack/shared.ts';
import { Bench, eventually } from './pipeline.ts';

const brokers = stackAddress('kafka');
const hourMs = 3_600_000;
let bench: Bench;
let admin: KafkaAdmin;
let group: string;
const leaving: (() => Promise<unknown>)[] = [];
/** Deleted at the end: the producer asks for all its topics each time it meets a new one. */
const made: string[] = [];
beforeAll(async () => {
  bench = await Bench.open({ brokers, url: stackAddress('postgres') });
  admin = await openKafkaAdmin({ brokers }, { info() {}, warn() {}, error() {} });
});
afterAll(async () => {
  await bench[Symbol.asyncDispose]();
  for (const topic of made) await admin.deleteTopic(topic);
  await admin.close();
});
beforeEach(() => {
  group = uniqueName('group');
});
afterEach(async () => {
  for (const leave of leaving.splice(0)) await leave();
});

const client = () =>
  new (kafkajs().Kafka as unknown as typeof Kafka)({
    clientId: 'billing',
    brokers: [brokers],
    logCreator: () => () => {},
  });

/** An hour old each, so that an age is told from a moment. */
const send = (topic: string, count: number, partition = 0) =>
  bench.send(
    topic,
    Array.from({ length: count }, (_, index) => ({
      partition,
      key: `${index % 3}`,
      value: `${index}`,
      timestamp: `${Date.now() - hourMs}`,
    })),
  );

/** A member of some application that commits what it is told to. */
async function join(topic: string): Promise<(offset: number) => Promise<void>> {
  const consumer = client().consumer({ groupId: group });
  leaving.push(() => consumer.disconnect());
  await consumer.connect();
  await consumer.subscribe({ topic });
  const joined = new Promise<void>((resolve) => consumer.on(consumer.events.GROUP_JOIN, () => resolve()));
  await consumer.run({ autoCommit: false, eachMessage: async () => {} });
  await joined;
  return (offset) => consumer.commitOffsets([{ topic, partition: 0, offset: String(offset) }]);
}

/** Commits for a group without members. */
const commit = (topic: string, offsets: readonly number[]) =>
  admin.commitGroupOffsets(group, new Map([[topic, new Map(offsets.map((offset, partition) => [partition, offset]))]]));

async function lookOnce(): Promise<GroupLag> {
  const monitor = new LagMonitor(admin, group);
  await monitor.sample(Date.now);
  return monitor.report();
}

describe('verdicts as the offsets of a member move', () => {
  interface Look {
    readonly atSecond: number;
    readonly committed: number;
    readonly produced?: number;
    readonly verdict: string;
  }
  test.each<[string, readonly Look[]]>([
    [
      'OK while the lag falls, also after it was zero',
      [
        { atSecond: 0, committed: 10, verdict: 'WARN' },
        { atSecond: 5, committed: 15, verdict: 'OK' },
        { atSecond: 10, committed: 20, verdict: 'OK' },
        { atSecond: 15, committed: 20, produced: 5, verdict: 'OK' },
      ],
    ],
    [
      'WARN while it moves and the lag does not fall',
      [
        { atSecond: 0, committed: 10, verdict: 'WARN' },
        { atSecond: 20, committed: 11, produced: 5, verdict: 'WARN' },
        { atSecond: 40, committed: 12, produced: 5, verdict: 'WARN' },
      ],
    ],
    [
      'STALL where it does not move',
      [
        { atSecond: 0, committed: 10, verdict: 'WARN' },
        { atSecond: 11, committed: 10, verdict: 'STALL' },
      ],
    ],
    [
      'STOP where it moved once and not for longer than the window',
      [
        { atSecond: 0, committed: 5, verdict: 'WARN' },
        { atSecond: 1, committed: 10, verdict: 'OK' },
        { atSecond: 62, committed: 10, verdict: 'STOP' },
      ],
    ],
    [
      'REWIND where it went back',
      [
        { atSecond: 0, committed: 10, verdict: 'WARN' },
        { atSecond: 1, committed: 3, verdict: 'REWIND' },
      ],
    ],
  ])('%s', async (_, looks) => {
    const topic = await bench.topic();
    await send(topic, 20);
    const commitAs = await join(topic);
    const monitor = new LagMonitor(admin, group);
    for (const { atSecond, committed, produced, verdict } of looks) {
      if (produced !== undefined) await send(topic, produced);
      await commitAs(committed);
      await monitor.sample(() => 1_700_000_000_000 + atSecond * 1000);
      expect(monitor.report().partitions).toMatchObject([{ committed, verdict }]);
    }
  });
});

test('DATA_LOSS where records were deleted before they were read; the age is that of the oldest left', async () => {
  const topic = await bench.topic();
  await send(topic, 20);
  await commit(topic, [5]);
  await bench.truncate(topic, 12);
  const { partitions } = await lookOnce();
  expect(partitions).toMatchObject([
    { committed: 5, logStart: 12, end: 20, lag: 15, verdict: 'DATA_LOSS', behindEstimated: true },
  ]);
  expect(partitions[0]!.behindMs).toBeGreaterThanOrEqual(hourMs);
});

test('a log that is empty up to the committed offset is not lost', async () => {
  const topic = await bench.topic();
  await send(topic, 20);
  await commit(topic, [20]);
  await bench.truncate(topic, 20);
  expect((await lookOnce()).partitions).toMatchObject([{ logStart: 20, lag: 0, behindMs: 0, verdict: 'NO_MEMBERS' }]);
});

describe('transactions', () => {
  test('an open one is no lag: its records cannot be read yet', async () => {
    const topic = await bench.topic();
    await send(topic, 3);
    await commit(topic, [3]);
    const producer = client().producer({ transactionalId: uniqueName('tx'), maxInFlightRequests: 1, idempotent: true });
    await producer.connect();
    leaving.push(() => producer.disconnect());
    const transaction = await producer.transaction();
    await transaction.send({ topic, messages: [{ value: 'a', partition: 0 }, { value: 'b', partition: 0 }] }); // prettier-ignore
    expect((await lookOnce()).partitions).toMatchObject([{ committed: 3, end: 3, lag: 0 }]);
    await transaction.commit();
    const { partitions } = await eventually('the transaction is there', async () => {
      const report = await lookOnce();
      return report.partitions[0]!.end > 3 && report;
    });
    expect(partitions).toMatchObject([{ lag: 3, end: 6 }]);
    expect(partitions[0]!.behindMs).toBeLessThan(hourMs);
  });

  test('markers and aborted records alone are offsets of lag, and nothing is behind', async () => {
    const topic = await bench.topic();
    await send(topic, 3);
    const commitAs = await join(topic);
    await commitAs(3);
    const producer = client().producer({ transactionalId: uniqueName('tx'), maxInFlightRequests: 1, idempotent: true });
    await producer.connect();
    leaving.push(() => producer.disconnect());
    const transaction = await producer.transaction();
    await transaction.send({ topic, messages: [{ value: 'a', partition: 0 }] });
    await transaction.abort();
    await eventually('the marker is there', async () => (await admin.topicOffsets(topic))[0]!.end === 5);
    const monitor = new LagMonitor(admin, group);
    for (const second of [0, 30, 62]) await monitor.sample(() => Date.now() + second * 1000);
    expect(monitor.report().partitions).toMatchObject([{ lag: 2, behindMs: 0, etaMs: 0, verdict: 'OK' }]);
  });
});

test('on a compacted topic the age is that of the next record that is left', async () => {
  const topic = uniqueName('compacted');
  await admin.createTopic({
    topic,
    config: { 'cleanup.policy': 'compact', 'segment.ms': '100', 'min.cleanable.dirty.ratio': '0.001' },
  });
  made.push(topic);
  await commit(topic, [1]);
  const keyed = (key: string, ageMs: number) => [{ partition: 0, key, value: 'x', timestamp: `${Date.now() - ageMs}` }];
  await bench.send(topic, keyed('a', 3 * hourMs));
  await bench.send(topic, keyed('b', 3 * hourMs));
  await bench.send(topic, keyed('c', 2 * hourMs));
  // The segment with the first three is rolled, and `b` is there again in a later one.
  await eventually(
    'the old b is compacted away',
    async () => {
      await bench.send(topic, keyed('b', hourMs));
      const next = (await admin.recordsAt(topic, new Map([[0, 1]]))).get(0);
      return next?.offset === 2;
    },
    { withinMs: 50_000 },
  );
  const [partition] = (await lookOnce()).partitions;
  expect(partition).toMatchObject({ committed: 1, logStart: 0, behindEstimated: false });
  expect(partition!.lag).toBe(partition!.end - 1);
  expect(Math.round(partition!.behindMs! / hourMs)).toBe(2);
});

test('a group of the new protocol (KIP-848): state, members, owners and offsets', async () => {
  const topic = await bench.topic(2);
  await send(topic, 20);
  const consumer = new NewProtocolConsumer({
    clientId: 'modern',
    groupId: group,
    bootstrapBrokers: [brokers],
    groupProtocol: 'consumer',
  });
  const stream = await consumer.consume({ topics: [topic], autocommit: false, mode: 'earliest' });
  stream.on('data', () => {});
  leaving.push(async () => {
    await stream.close();
    await consumer.close();
  });
  await eventually('it owns both partitions', async () => {
    const { members } = await admin.groupDescription(group);
    return members[0]?.assignment.get(topic)?.length === 2;
  });
  await consumer.commit({ offsets: [{ topic, partition: 0, offset: 5n, leaderEpoch: 0 }] });
  const report = await lookOnce();
  expect(report).toMatchObject({ state: 'Stable', members: 1, lag: 15 });
  expect(report.partitions).toMatchObject([
    { committed: 5, lag: 15, verdict: 'WARN', owner: expect.stringMatching(/^modern\/127\.0\.0\.1$/) as string },
    { committed: null, lag: 0, verdict: 'OK', owner: expect.stringMatching(/^modern/) as string },
  ]);
});

test("agrees with Kafka's own tool, with a member and without", async () => {
  const topic = await bench.topic(3);
  for (const partition of [0, 1]) await send(topic, 20 * (partition + 1), partition);
  const commitAs = await join(topic);
  await commitAs(7);
  const told = async () => {
    const printed = await runKafkaTool('org.apache.kafka.tools.consumer.group.ConsumerGroupCommand', [
      '--bootstrap-server',
      brokers,
      '--describe',
      '--group',
      group,
    ]);
    return printed
      .split('\n')
      .map((line) => line.trim().split(/\s+/))
      .filter(([name]) => name === group)
      .map(([, of, partition, committed, end, lag, , host, clientId]) => ({
        of,
        partition,
        committed,
        end,
        lag,
        host,
        clientId,
      })) // prettier-ignore
      .toSorted((a, b) => Number(a.partition) - Number(b.partition));
  };
  const dash = (value: number | null) => (value === null ? '-' : String(value));
  const shown = async () =>
    (await lookOnce()).partitions.map(({ topic: of, partition, committed, end, lag, owner }) => ({
      of,
      partition: String(partition),
      committed: dash(committed),
      end: String(end),
      // Kafka's tool does not know the lag where nothing was committed; an empty log has none.
      lag: committed === null ? '-' : dash(lag),
      host: owner === null ? '-' : owner.slice(owner.indexOf('/')),
      clientId: owner === null ? '-' : owner.slice(0, owner.indexOf('/')),
    }));
  const withMember = await told();
  expect(withMember).toHaveLength(3);
  expect(await shown()).toEqual(withMember);
  for (const leave of leaving.splice(0)) await leave();
  const withoutMember = await told();
  expect(withoutMember.length).toBeGreaterThan(0);
  const partitions = await shown();
  expect(withoutMember.map(({ partition }) => partitions[Number(partition)])).toEqual(withoutMember);
});

test('200 partitions that are behind are looked at with a few requests', async () => {
  const topic = await bench.topic(200);
  await bench.send(
    topic,
    Array.from({ length: 2000 }, (_, index) => ({ partition: index % 200, key: null, value: 'x'.repeat(500) })),
  );
  // One batch larger than what a fetch asks of a partition at first.
  await bench.send(topic, [{ partition: 150, key: null, value: 'x'.repeat(300_000) }]);
  await commit(
    topic,
    Array.from({ length: 200 }, (_, partition) => (partition === 150 ? 10 : 4)),
  );
  await lookOnce();
  const startedMs = performance.now();
  const { partitions, lag } = await lookOnce();
  const tookMs = performance.now() - startedMs;
  expect(lag).toBe(199 * 6 + 1);
  expect(partitions.filter(({ behindMs }) => behindMs === null)).toEqual([]);
  // 31 ms on a busy machine with two processors.
  expect(tookMs).toBeLessThan(1000);
});
