/** Three brokers, one of which is killed while a group reads and transactions are written. */
import { Admin } from '@platformatic/kafka';
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest';
import { openKafkaAdmin } from '../../src/connections/kafka/admin.ts';
import { createCluster } from '../../src/connections/kafka/client.ts';
import { readConnection } from '../../src/connections/kafka/connection.ts';
import { GroupSource } from '../../src/connections/kafka/group-source.ts';
import {
  openKafkaProducer,
  openTransactionalProducer,
  ProducerFenced,
  TransactionLost,
} from '../../src/connections/kafka/producer.ts';
import { message } from '../contract/kafka-producer.ts';
import { groupSettings, Member, silent, unique } from '../contract/kafka-source.ts';
import { startStack, type Stack } from '../stack/stack.ts';

let stack: Stack<'kafka'>;
beforeAll(async () => {
  stack = await startStack({ services: ['kafka'], kafkaNodes: 3, print: () => {} });
}, 60_000);
afterAll(() => stack?.stop());

const connection = () => ({ brokers: stack.kafka.brokers });
const goesOnWithinMs = 10_000;
const settled = { timeout: 40_000, interval: 100 };

async function newTopic(partitions: number): Promise<string> {
  const admin = await openKafkaAdmin(connection(), silent);
  const topic = unique('cluster');
  await admin.createTopic({ topic, partitions, replicas: 3 });
  await admin.close();
  return topic;
}

/** Node of the leader of partition 0. */
async function leaderOf(topic: string): Promise<number> {
  const admin = new Admin({ clientId: 'test', bootstrapBrokers: stack.kafka.brokers.split(',') });
  const { topics } = await admin.metadata({ topics: [topic] });
  await admin.close();
  return topics.get(topic)!.partitions[0]!.leader;
}

async function coordinatorOf(group: string): Promise<number> {
  const cluster = createCluster(readConnection(connection()), silent);
  await cluster.connect();
  const { nodeId } = await cluster.findGroupCoordinator({ groupId: group });
  await cluster.disconnect();
  return nodeId;
}

/** Kills a broker and starts it again when the test is over. */
async function kill(nodeId: number): Promise<void> {
  const node = stack.kafka.nodes[nodeId - 1]!;
  onTestFinished(() => node.restart());
  await node.kill();
}

/** A member whose positions a sink keeps: what it has taken is not read again, whatever happens to the group. */
async function readingMember(topic: string, group: string) {
  const kept = new Map<number, number>();
  const settings = groupSettings(connection(), { topics: [topic], group });
  const member: Member = new Member(new GroupSource(settings), ({ partitions }) => {
    for (const [{ partition }, offset] of member.positions) kept.set(partition, offset);
    return new Map(partitions.map(({ partition, initial }) => [partition, kept.get(partition.partition) ?? initial]));
  });
  onTestFinished(() => member.source.close());
  await member.source.start();
  return { member, running: member.run() };
}

/** Sends `from` to `to` as the values of all partitions; each is sent again, with the same value, until it is there. */
async function send(topic: string, from: number, to: number): Promise<void> {
  const producer = openKafkaProducer(connection(), silent);
  for (let value = from; value < to; value++) {
    await vi.waitFor(() => producer.produceAll(topic, [message(String(value), { partition: value % 3 })]), settled);
  }
  await producer.close();
}

describe('a member goes on within ten seconds, and nothing is lost or read twice', () => {
  test.each(['the leader of a partition', 'the group coordinator'])(
    'when %s is killed',
    async (which) => {
      const [topic, group] = [await newTopic(3), unique('group')];
      const { member, running } = await readingMember(topic, group);
      await send(topic, 0, 30);
      await vi.waitFor(() => expect(member.values).toHaveLength(30), settled);
      await vi.waitFor(async () => expect(await member.commit()).toBe('committed'), settled);
      const nodeId = which === 'the group coordinator' ? await coordinatorOf(group) : await leaderOf(topic);
      const began = performance.now();
      await kill(nodeId);
      await send(topic, 30, 60);
      await vi.waitFor(() => expect(new Set(member.values).size).toBe(60), settled);
      await vi.waitFor(async () => expect(await member.commit()).toBe('committed'), settled);
      const tookMs = performance.now() - began;
      // Each record of the log was taken once: values may be in the log twice, offsets are not.
      const admin = await openKafkaAdmin(connection(), silent);
      const ends = (await admin.topicOffsets(topic)).reduce((sum, { end }) => sum + end, 0);
      await admin.close();
      expect(member.values).toHaveLength(ends);
      expect(member.failure).toBeNull();
      expect(tookMs).toBeLessThan(goesOnWithinMs);
      await member.source.close();
      await running;
    },
    90_000,
  );
});

describe.each(['kafkajs', 'platformatic'] as const)('messages by %s', (client) => {
  test('for partitions of three brokers, in one call, are all there when one of the brokers is killed meanwhile', async () => {
    const topic = await newTopic(3);
    const producer = openKafkaProducer({ ...connection(), client }, silent);
    onTestFinished(() => producer.close());
    const acknowledged: string[] = [];
    const sendTo = async (calls: number): Promise<void> => {
      for (let sent = 0; sent < calls; sent++) {
        const values = [0, 1, 2].map((partition) => ({ partition, value: `${acknowledged.length}-${partition}` }));
        const call = values.map(({ partition, value }) => message(value, { partition }));
        await vi.waitFor(() => producer.produceAll(topic, call), settled);
        acknowledged.push(...values.map(({ value }) => value));
      }
    };
    await sendTo(5);
    const lost = await leaderOf(topic);
    // It has the request and does not answer, the others do; its partition moves to one of them before it is gone.
    await stack.kafka.nodes[lost - 1]!.pause();
    const sending = sendTo(1);
    await vi.waitFor(async () => expect(await leaderOf(topic)).not.toBe(lost), settled);
    await kill(lost);
    await sending;
    await sendTo(5);
    const admin = await openKafkaAdmin(connection(), silent);
    onTestFinished(() => admin.close());
    const values = new Set<string>();
    await admin.readTopic(topic, { onRecord: ({ value }) => void values.add(Buffer.from(value!).toString()) });
    expect(acknowledged.filter((value) => !values.has(value))).toEqual([]);
  }, 120_000);
});

describe.each(['kafkajs', 'platformatic'] as const)('transactions by %s', (client) => {
  test('are each written once, as a whole, while the leader of the partition is killed', async () => {
    const [topic, group] = [await newTopic(1), unique('group')];
    const transactions = openTransactionalProducer({ ...connection(), client }, unique('transactions'), silent);
    onTestFinished(() => transactions.close());
    const admin = await openKafkaAdmin(connection(), silent);
    onTestFinished(() => admin.close());
    // What a stage does: the position moves with the output, and is read again after every claim.
    let next: number | null = null;
    let claims = 0;
    const step = async (): Promise<void> => {
      try {
        if (next === null) {
          await transactions.claim();
          claims++;
          next = (await admin.groupOffsets(group, [topic])).get(topic)?.get(0) ?? 0;
        }
        await transactions.produceAll(topic, [message(`${next}a`), message(`${next}b`)]);
        await transactions.sendOffsets(group, [{ topic, partition: 0, offset: next + 1 }]);
        await transactions.commit();
        next++;
      } catch (error) {
        expect(error).toSatisfy(
          (one) => one instanceof TransactionLost || one instanceof ProducerFenced || 'code' in (one as object),
        );
        next = null;
      }
    };
    while ((next ?? 0) < 20) await step();
    await kill(await leaderOf(topic));
    const began = performance.now();
    while ((next ?? 0) < 40 && performance.now() - began < 60_000) await step();
    const values: string[] = [];
    await admin.readTopic(topic, { onRecord: ({ value }) => void values.push(Buffer.from(value!).toString()) });
    expect(claims).toBeGreaterThanOrEqual(1);
    expect(values).toEqual(Array.from({ length: 40 }, (_, at) => [`${at}a`, `${at}b`]).flat());
  }, 120_000);
});
