/** What every client that produces must keep to, on a real broker. `connections/kafka/producer.ts` has it in words. */
import { Admin } from '@platformatic/kafka';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { openKafkaAdmin } from '../../src/connections/kafka/admin.ts';
import { GroupSource } from '../../src/connections/kafka/group-source.ts';
import { murmur2 } from '../../src/connections/kafka/partitioner.ts';
import {
  openKafkaProducer,
  openTransactionalProducer,
  ProducerFenced,
  TransactionLost,
  type KafkaProducer,
  type ProducerMessage,
  type TransactionalProducer,
} from '../../src/connections/kafka/producer.ts';
import type { RawRecord } from '../../src/engine/ports.ts';
import { groupSettings, Member, silent, unique, type Connection } from './kafka-source.ts';

export interface KafkaProducerContract {
  /** Options of the `kafka` connection, with the client to be tested. */
  readonly connection: () => Connection;
}

const within = { timeout: 30_000, interval: 50 };

export const message = (value: string, more: Partial<ProducerMessage> = {}): ProducerMessage => ({
  key: null,
  value: Buffer.from(value),
  headers: {},
  ...more,
});

export function kafkaProducerContract({ connection }: KafkaProducerContract): void {
  async function newTopic(partitions: number, config: Record<string, string> = {}): Promise<string> {
    const admin = await openKafkaAdmin(connection(), silent);
    const topic = unique('produced');
    await admin.createTopic({ topic, partitions, config });
    await admin.close();
    return topic;
  }

  /** What a reader of committed records sees, partition after partition. */
  async function readAll(topic: string): Promise<(RawRecord & { partition: number })[]> {
    const admin = await openKafkaAdmin(connection(), silent);
    const records: (RawRecord & { partition: number })[] = [];
    await admin.readTopic(topic, { onRecord: (record, partition) => void records.push({ ...record, partition }) });
    await admin.close();
    return records.toSorted((a, b) => a.partition - b.partition || a.offset - b.offset);
  }

  async function addPartitions(topic: string, count: number): Promise<void> {
    const admin = new Admin({ clientId: 'test', bootstrapBrokers: [connection().brokers as string] });
    await admin.createPartitions({ topics: [{ name: topic, count }] });
    await admin.close();
  }

  const valuesOf = async (topic: string): Promise<string[]> =>
    (await readAll(topic)).map(({ value }) => Buffer.from(value ?? []).toString());

  async function groupOffsets(group: string) {
    const admin = await openKafkaAdmin(connection(), silent);
    const offsets = await admin.groupOffsets(group);
    await admin.close();
    return offsets;
  }

  function producer(): KafkaProducer {
    const opened = openKafkaProducer(connection(), silent);
    onTestFinished(() => opened.close());
    return opened;
  }

  async function claimed(transactionalId = unique('transactions')): Promise<TransactionalProducer> {
    const opened = openTransactionalProducer(connection(), transactionalId, silent);
    onTestFinished(() => opened.close());
    await opened.claim();
    return opened;
  }

  describe('messages', () => {
    test('come in the order they were given, per partition, over many requests', async () => {
      const topic = await newTopic(3);
      const given = Array.from({ length: 4000 }, (_, at) =>
        message(`${at} `.padEnd(1000, '.'), { partition: at % 3, timestampMs: 1_700_000_000_000 + at }),
      );
      expect(await producer().produceAll(topic, given)).toEqual([]);
      const records = await readAll(topic);
      for (const partition of [0, 1, 2]) {
        const read = records.filter((record) => record.partition === partition);
        expect(read.map(({ value }) => Number.parseInt(Buffer.from(value!).toString(), 10))).toEqual(
          Array.from({ length: Math.ceil((4000 - partition) / 3) }, (_, at) => partition + 3 * at),
        );
      }
      expect(records[1]?.timestampMs).toBe(1_700_000_000_003);
    });

    test('keep key, value and headers, also those that are empty, missing or repeated', async () => {
      const topic = await newTopic(1);
      const bytes = Uint8Array.from([0, 255, 128, 10]);
      const headers = { text: 'ä', bytes, empty: '', twice: ['one', bytes], valueOf: 'x' };
      await producer().produceAll(topic, [
        { key: bytes, value: null, headers },
        { key: new Uint8Array(0), value: new Uint8Array(0), headers: {} },
        { key: null, value: bytes.subarray(1, 3), headers: {} },
      ]);
      const [first, second, third] = await readAll(topic);
      expect(first).toMatchObject({ key: Buffer.from(bytes), value: null });
      const text = (header: unknown): unknown =>
        Array.isArray(header) ? header.map(text) : Buffer.from(header as Uint8Array).toString('latin1');
      expect(Object.fromEntries(Object.entries(first!.headers!).map(([name, header]) => [name, text(header)]))).toEqual(
        {
          text: Buffer.from('ä').toString('latin1'),
          bytes: '\0\xFF\x80\n',
          empty: '',
          twice: ['one', '\0\xFF\x80\n'],
          valueOf: 'x',
        },
      );
      expect(second).toMatchObject({ key: Buffer.alloc(0), value: Buffer.alloc(0) });
      expect(third).toMatchObject({ key: null, value: Buffer.from([255, 128]) });
    });

    test('go to the partition Java clients choose for their key, and without one to all of them', async () => {
      const topic = await newTopic(7);
      const keys = Array.from({ length: 50 }, (_, at) => `customer-${at}`);
      await producer().produceAll(topic, [
        ...keys.map((key) => message(key, { key: Buffer.from(key) })),
        ...keys.map((key) => message(`no key ${key}`)),
      ]);
      const records = await readAll(topic);
      const keyed = records.filter(({ key }) => key !== null);
      expect(keyed.map(({ key, partition }) => [Buffer.from(key!).toString(), partition])).toEqual(
        keyed.map(({ key }) => [Buffer.from(key!).toString(), (murmur2(key!) & 0x7fffffff) % 7]),
      );
      expect(keyed).toHaveLength(50);
      expect(new Set(records.filter(({ key }) => key === null).map(({ partition }) => partition)).size).toBe(7);
    });

    test('without a key are there once, also where a request is repeated since a partition was not ready', async () => {
      const given = Array.from({ length: 100 }, (_, at) => message(String(at)));
      const one = producer();
      for (let round = 0; round < 10; round++) {
        // New topics: their leaders are still taking over.
        const topic = await newTopic(7);
        await one.produceAll(topic, given);
        expect((await valuesOf(topic)).map(Number).toSorted((a, b) => a - b)).toEqual(given.map((_, at) => at));
      }
    });

    test('for a partition the topic does not have are refused by name, and taken as soon as it has it', async () => {
      const topic = await newTopic(2);
      const writing = producer();
      await writing.produceAll(topic, [message('before')]);
      await expect(
        writing.produceAll(topic, [message('kept'), message('beyond', { partition: 2 })]),
      ).rejects.toMatchObject({
        code: 'kafka_topic_missing',
        message: expect.stringContaining(`${topic} has no partition 2: it has 2`),
      });
      expect(await valuesOf(topic)).toEqual(['before']);
      await addPartitions(topic, 3);
      await vi.waitFor(() => writing.produceAll(topic, [message('beyond', { partition: 2 })]), within);
      expect((await readAll(topic)).map(({ partition }) => partition)).toContain(2);
      expect(new Set(await valuesOf(topic))).toEqual(new Set(['before', 'beyond']));
    });

    test('that are too large for the topic are named, and the others are written once', async () => {
      const topic = await newTopic(2, { 'max.message.bytes': '20000' });
      const given = Array.from({ length: 60 }, (_, at) =>
        message(`${at}`.padEnd(at % 20 === 7 ? 30_000 : 1000, ' '), { partition: at % 2 }),
      );
      const tooLarge = await producer().produceAll(topic, given);
      expect(tooLarge.map(({ index }) => index)).toEqual([7, 27, 47]);
      expect(tooLarge[0]).toMatchObject({ bytes: expect.any(Number), bytesMax: 19_900 });
      expect((await valuesOf(topic)).map(Number).toSorted((a, b) => a - b)).toEqual(
        Array.from({ length: 60 }, (_, at) => at).filter((at) => at % 20 !== 7),
      );
    });

    test('may be as large as the topic takes', async () => {
      const topic = await newTopic(1, { 'max.message.bytes': '3000000' });
      const given = ['a', 'b', 'c'].map((letter) => message(letter.repeat(letter === 'b' ? 2_500_000 : 10)));
      expect(await producer().produceAll(topic, given)).toEqual([]);
      expect((await valuesOf(topic)).map(({ length }) => length)).toEqual([10, 2_500_000, 10]);
    });

    test('for a topic that is not there are refused in bounded time, and the producer goes on', async () => {
      const topic = await newTopic(1);
      const one = producer();
      const began = performance.now();
      await expect(one.produceAll(`${topic}-missing`, [message('x')])).rejects.toMatchObject({
        code: 'kafka_topic_missing',
      });
      expect(performance.now() - began).toBeLessThan(10_000);
      await one.produceAll(topic, [message('y')]);
      expect(await valuesOf(topic)).toEqual(['y']);
    });
  });

  describe('a transaction', () => {
    test('is visible as a whole when it is committed, and never when it was aborted', async () => {
      const [one, two] = [await newTopic(2), await newTopic(1)];
      const transactions = await claimed();
      await transactions.commit();
      await transactions.abort();
      await transactions.produceAll(one, [message('a1'), message('a2')]);
      await transactions.produceAll(two, [message('a3')]);
      expect([...(await valuesOf(one)), ...(await valuesOf(two))]).toEqual([]);
      await transactions.commit();
      await transactions.produceAll(two, [message('b1')]);
      await transactions.abort();
      for (const value of ['c1', 'c2', 'c3']) {
        await transactions.produceAll(two, [message(value)]);
        await transactions.commit();
      }
      expect((await valuesOf(one)).toSorted()).toEqual(['a1', 'a2']);
      expect(await valuesOf(two)).toEqual(['a3', 'c1', 'c2', 'c3']);
    });

    test('ends when another producer claims its id, and the former owner is refused at its next call', async () => {
      const topic = await newTopic(1);
      const transactionalId = unique('transactions');
      const former = await claimed(transactionalId);
      await former.produceAll(topic, [message('former, committed')]);
      await former.commit();
      await former.produceAll(topic, [message('former, open')]);
      const owner = await claimed(transactionalId);
      await owner.produceAll(topic, [message('owner')]);
      await owner.commit();
      await expect(former.commit()).rejects.toBeInstanceOf(ProducerFenced);
      // Until it claims again it may not do anything.
      await expect(former.produceAll(topic, [message('zombie')])).rejects.toBeInstanceOf(TransactionLost);
      expect(await valuesOf(topic)).toEqual(['former, committed', 'owner']);
    });

    test('of a former owner is refused while it writes, too', async () => {
      const topic = await newTopic(1);
      const transactionalId = unique('transactions');
      const former = await claimed(transactionalId);
      await former.produceAll(topic, [message('former')]);
      await claimed(transactionalId);
      await expect(former.produceAll(topic, [message('zombie')])).rejects.toBeInstanceOf(ProducerFenced);
      expect(await valuesOf(topic)).toEqual([]);
    });

    test('that was open when its owner died is aborted by the next claim, which does not wait for its timeout', async () => {
      const topic = await newTopic(1);
      const transactionalId = unique('transactions');
      const dead = await claimed(transactionalId);
      await dead.produceAll(topic, [message('dead')]);
      await dead.close();
      const began = performance.now();
      const next = await claimed(transactionalId);
      await next.produceAll(topic, [message('next')]);
      await next.commit();
      expect(performance.now() - began).toBeLessThan(5000);
      expect(await valuesOf(topic)).toEqual(['next']);
    });

    test('moves the offsets of a group whose members are kafkajs, all partitions at once, or leaves them', async () => {
      const topic = await newTopic(3);
      const input = Array.from({ length: 30 }, (_, at) => message(String(at), { partition: at % 3 }));
      await producer().produceAll(topic, input);
      const group = unique('group');
      const member = new Member(new GroupSource(groupSettings(connection(), { topics: [topic], group })));
      onTestFinished(() => member.source.close());
      await member.source.start();
      const running = member.run();
      await vi.waitFor(() => expect(member.values).toHaveLength(30), within);
      const offsets = [0, 1, 2].map((partition) => ({ topic, partition, offset: 4 + partition }));
      const transactions = await claimed();
      await transactions.sendOffsets(group, offsets);
      await transactions.abort();
      expect(await groupOffsets(group)).toEqual(new Map());
      await transactions.sendOffsets(group, offsets);
      await transactions.commit();
      const stored = new Map([[topic, new Map(offsets.map(({ partition, offset }) => [partition, offset]))]]);
      await vi.waitFor(async () => expect(await groupOffsets(group)).toEqual(stored), within);
      await member.source.close();
      await running;
      const settings = groupSettings(connection(), { topics: [topic], group, untilEnd: true });
      const next = new Member(new GroupSource(settings));
      onTestFinished(() => next.source.close());
      await next.source.start();
      await next.run();
      expect(next.values).toHaveLength(6 + 5 + 4);
    });

    test('larger than a fetch is read as a whole, and one as large that was aborted is passed', async () => {
      const topic = await newTopic(1);
      const transactions = await claimed();
      const batch = (name: string) =>
        Array.from({ length: 3000 }, (_, at) => message(`${name}${at}`.padEnd(1000, ' ')));
      await transactions.produceAll(topic, batch('aborted'));
      await transactions.abort();
      await transactions.produceAll(topic, batch('x'));
      await transactions.commit();
      const settings = groupSettings(connection(), {
        topics: [topic],
        group: unique('group'),
        untilEnd: true,
        fetchBytesMax: 1 << 18,
        bufferBytesMax: 1 << 19,
      });
      const member = new Member(new GroupSource(settings));
      onTestFinished(() => member.source.close());
      await member.source.start();
      await member.run();
      expect(member.failure).toBeNull();
      expect(member.values.map((value) => value.trim())).toEqual(Array.from({ length: 3000 }, (_, at) => `x${at}`));
    });

    test('holds no message that is too large, and the others stay in it', async () => {
      const topic = await newTopic(1, { 'max.message.bytes': '20000' });
      const transactions = await claimed();
      const tooLarge = await transactions.produceAll(topic, [
        message('small'),
        message('x'.repeat(50_000)),
        message('too'),
      ]);
      expect(tooLarge.map(({ index }) => index)).toEqual([1]);
      await transactions.commit();
      expect(await valuesOf(topic)).toEqual(['small', 'too']);
    });
  });
}
