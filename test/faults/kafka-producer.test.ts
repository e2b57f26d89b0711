/** Producers against a cluster that stands still, comes back, or has given a transaction up. */
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest';
import { openKafkaAdmin } from '../../src/connections/kafka/admin.ts';
import {
  openKafkaProducer,
  openTransactionalProducer,
  ProducerFenced,
  TransactionLost,
} from '../../src/connections/kafka/producer.ts';
import { message } from '../contract/kafka-producer.ts';
import { silent, unique } from '../contract/kafka-source.ts';
import { startStack, type Stack } from '../stack/stack.ts';

let stack: Stack<'kafka'>;
beforeAll(async () => {
  stack = await startStack({ services: ['kafka'], print: () => {} });
}, 60_000);
afterAll(() => stack?.stop());

describe.each(['kafkajs', 'platformatic'] as const)('producing by %s', (client) => {
  const connection = () => ({ brokers: stack.kafka.brokers, client, request_timeout: '3s' });

  async function opened() {
    const admin = await openKafkaAdmin(connection(), silent);
    onTestFinished(() => admin.close());
    const topic = unique('faults');
    await admin.createTopic({ topic });
    const values = async (): Promise<string[]> => {
      const read: string[] = [];
      await admin.readTopic(topic, { onRecord: ({ value }) => void read.push(Buffer.from(value!).toString()) });
      return read;
    };
    return { admin, topic, values };
  }

  async function claimed() {
    const transactions = openTransactionalProducer(connection(), unique('transactions'), silent);
    onTestFinished(() => transactions.close());
    await transactions.claim();
    return transactions;
  }

  test('a transaction that stays open for longer than the broker allows is refused at its end', async () => {
    const { admin, topic, values } = await opened();
    const transactions = await claimed();
    await transactions.produceAll(topic, [message('late')]);
    // The end a reader of committed records sees is held back while the transaction is open.
    const passed = async () => expect((await admin.topicOffsets(topic))[0]?.end).toBeGreaterThan(0);
    await vi.waitFor(passed, { timeout: 60_000, interval: 500 });
    await expect(transactions.commit()).rejects.toBeInstanceOf(ProducerFenced);
    expect(await values()).toEqual([]);
  }, 90_000);

  test('a broker that is killed in the middle of a transaction costs the transaction, and the next claim goes on', async () => {
    const { topic, values } = await opened();
    const transactions = await claimed();
    await transactions.produceAll(topic, [message('before')]);
    await transactions.commit();
    await transactions.produceAll(topic, [message('lost')]);
    await stack.kafka.nodes[0]!.kill();
    await expect(transactions.produceAll(topic, [message('lost, too')])).rejects.toBeInstanceOf(TransactionLost);
    await stack.kafka.nodes[0]!.restart();
    await vi.waitFor(() => transactions.claim(), { timeout: 30_000, interval: 500 });
    await transactions.produceAll(topic, [message('after')]);
    await transactions.commit();
    await vi.waitFor(async () => expect(await values()).toEqual(['before', 'after']), {
      timeout: 10_000,
      interval: 200,
    });
  }, 90_000);

  test('a broker that stands still is waited for no longer than the request timeout and a few seconds', async () => {
    const { topic, values } = await opened();
    const producer = openKafkaProducer(connection(), silent);
    onTestFinished(() => producer.close());
    await producer.produceAll(topic, [message('before')]);
    const transactions = await claimed();
    // Of its own: what is open holds back the readers of a topic.
    const { topic: other } = await opened();
    await transactions.produceAll(other, [message('open')]);
    await stack.kafka.nodes[0]!.pause();
    try {
      const began = performance.now();
      const answers = await Promise.allSettled([
        producer.produceAll(topic, [message('meanwhile')]),
        transactions.commit(),
      ]);
      expect(performance.now() - began).toBeLessThan(10_000);
      expect(answers).toMatchObject([
        { status: 'rejected', reason: { code: 'kafka_unreachable' } },
        { status: 'rejected', reason: expect.any(TransactionLost) },
      ]);
    } finally {
      await stack.kafka.nodes[0]!.resume();
    }
    await vi.waitFor(() => producer.produceAll(topic, [message('after')]), { timeout: 30_000, interval: 200 });
    expect(await values()).toEqual(expect.arrayContaining(['before', 'after']));
  }, 90_000);
});
