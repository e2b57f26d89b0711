import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { createClient } from '../../src/connections/kafka/client.ts';
import { readConnection } from '../../src/connections/kafka/connection.ts';
import { DetachedSource } from '../../src/connections/kafka/detached-source.ts';
import { GroupSource, type GroupSourceSettings } from '../../src/connections/kafka/group-source.ts';
import { openKafkaAdmin } from '../../src/connections/kafka/admin.ts';
import { openKafkaProducer } from '../../src/connections/kafka/producer.ts';
import { SourceFailed } from '../../src/engine/ports.ts';
import {
  groupSettings,
  kafkaSourceContract,
  Member,
  silent,
  topicWith,
  unique,
  type SourceOptions,
} from '../contract/kafka-source.ts';
import { stackAddress } from '../stack/shared.ts';

const brokers = () => stackAddress('kafka');
const connection = () => ({ brokers: brokers() });
const within = { timeout: 30_000, interval: 50 };
const all = { recordsMax: 1_000_000, bytesMax: 1 << 30 };

const settings = (options: SourceOptions): GroupSourceSettings => groupSettings(connection(), options);

async function groupMember(options: SourceOptions): Promise<Member> {
  const member = new Member(new GroupSource(settings(options)));
  onTestFinished(() => member.source.close());
  await member.source.start();
  return member;
}

describe('a Kafka consumer group', () => {
  kafkaSourceContract({ connection });
});

describe('transactions', () => {
  test('that were aborted are not seen, also with the key that kafkajs takes for an abort marker; markers are passed', async () => {
    const { topic } = await topicWith(connection(), { partitions: 1, count: 2 });
    const producer = createClient(readConnection({ brokers: brokers() }), silent).producer({
      transactionalId: unique('transaction'),
      maxInFlightRequests: 1,
      idempotent: true,
      retry: { initialRetryTime: 5 },
    });
    await producer.connect();
    onTestFinished(() => producer.disconnect());
    const send = async (values: string[], end: 'commit' | 'abort') => {
      const transaction = await producer.transaction();
      for (const value of values) {
        await transaction.send({ topic, messages: [{ key: Buffer.alloc(4), value }] });
      }
      await transaction[end]();
    };
    await send(['10', '11'], 'commit');
    await send(['20', '21', '22'], 'abort');
    await send(['12'], 'commit');
    await send(['23'], 'abort');
    const member = await groupMember({ topics: [topic], group: unique('group'), untilEnd: true });
    await member.run();
    expect(member.values).toEqual(['0', '1', '10', '11', '12']);
    // 2 records, then 3 + 4 + 2 + 2 with the markers.
    expect([...member.positions.values()]).toEqual([13]);
    expect([...member.source.ends().values()]).toEqual([13]);
  });
});

describe('compression', () => {
  test.each(['gzip', 'snappy', 'lz4', 'zstd'] as const)('%s is read', async (compression) => {
    const { topic } = await topicWith(connection(), { partitions: 1, count: 0 });
    const { Producer } = await import('@platformatic/kafka');
    const producer = new Producer({ clientId: 'test', bootstrapBrokers: [brokers()] });
    const values = Array.from({ length: 500 }, (_, at) => `value ${at} ${'again and '.repeat(10)}`);
    await producer.send({ messages: values.map((value) => ({ topic, value: Buffer.from(value) })), compression });
    await producer.close();
    const member = await groupMember({ topics: [topic], group: unique('group'), untilEnd: true });
    await member.run();
    expect(member.failure).toBeNull();
    expect(member.values).toEqual(values);
  });
});

describe('records that were deleted before they were read', () => {
  test('end the source when it is to begin below them', async () => {
    const { topic } = await topicWith(connection(), { partitions: 1, count: 20 });
    const group = unique('group');
    const first = await groupMember({ topics: [topic], group });
    first.take(await first.source.next(all));
    first.take(await first.source.next(all));
    first.positions = new Map([...first.positions.keys()].map((partition) => [partition, 5]));
    expect(await first.commit()).toBe('committed');
    await first.source.close();
    await deleteRecords(topic, 12);
    const second = await groupMember({ topics: [topic], group });
    await second.run();
    expect(second.failure).toMatchObject({ code: 'data_loss', message: expect.stringContaining('offset 5 is next') });
  });

  test('end the source when they go while it reads, and the offsets of the group stay where they were', async () => {
    const { topic, admin, produce } = await topicWith(connection(), { partitions: 1, count: 3000, bytes: 1000 });
    const group = unique('group');
    const member = await groupMember({ topics: [topic], group, bufferBytesMax: 1 << 18, fetchBytesMax: 1 << 18 });
    member.take(await member.source.next(all));
    member.take(await member.source.next(all));
    expect(await member.commit()).toBe('committed');
    const committed = await admin.groupOffsets(group);
    await produce(3000, 3001);
    await deleteRecords(topic, 3000);
    await member.run();
    expect(member.failure).toBeInstanceOf(SourceFailed);
    expect(member.failure).toMatchObject({ code: 'data_loss' });
    expect(await admin.groupOffsets(group)).toEqual(committed);
  });
});

test('a topic that was created anew before the end of it was taken ends a run to the end with that', async () => {
  const { topic, admin, produce } = await topicWith(connection(), { partitions: 1, count: 20 });
  const member = await groupMember({ topics: [topic], group: unique('group'), untilEnd: true });
  member.take(await member.source.next(all));
  // All 20 are fetched, and few of them taken.
  member.take(await member.source.next({ ...all, recordsMax: 5 }));
  await admin.deleteTopic(topic);
  await vi.waitFor(async () => expect(await admin.topics()).not.toContain(topic), within);
  await admin.createTopic({ topic });
  await produce(100, 130);
  await member.run();
  expect(member.failure).toMatchObject({ code: 'topic_recreated', message: expect.stringContaining(topic) });
  expect(member.ended).toBe(false);
});

describe('a source that can not start', () => {
  test('names topics that are near the one that is missing', async () => {
    const { topic } = await topicWith(connection(), { partitions: 1, count: 0 });
    const source = new GroupSource(settings({ topics: [`${topic}x`], group: unique('group') }));
    await expect(source.start()).rejects.toMatchObject({
      code: 'kafka_topic_missing',
      message: expect.stringContaining(`there is ${topic}`),
    });
  });

  test('names the brokers it could not reach, and the exit code says so', async () => {
    const options = { ...settings({ topics: ['any'], group: 'any' }), connection: { brokers: '127.0.0.1:1' } };
    await expect(new GroupSource(options).start()).rejects.toMatchObject({
      code: 'kafka_unreachable',
      exitCode: 3,
      message: expect.stringMatching(/connecting to Kafka at 127\.0\.0\.1:1: .*ECONNREFUSED/),
    });
  }, 30_000);
});

describe('topics by regular expression', () => {
  test('are all that fit', async () => {
    const [one, two] = [
      await topicWith(connection(), { partitions: 1, count: 3 }),
      await topicWith(connection(), { partitions: 2, count: 4 }),
    ];
    const topics = new RegExp(`^(${one.topic}|${two.topic})$`, 'u');
    const member = new Member(
      new GroupSource({
        ...settings({ topics: [], group: unique('group'), untilEnd: true }),
        inputs: [{ source: 'orders', topics, start: 'earliest' }],
      }),
    );
    onTestFinished(() => member.source.close());
    await member.source.start();
    await member.run();
    expect(member.values.toSorted()).toEqual(['0', '0', '1', '1', '2', '2', '3']);
  });
});

describe('what comes while a member reads', () => {
  test('partitions that are added to a topic are read within ten seconds or so', async () => {
    const { topic, produce } = await topicWith(connection(), { partitions: 1, count: 2 });
    const member = await groupMember({ topics: [topic], group: unique('group'), start: 'latest' });
    const running = member.run();
    await vi.waitFor(() => expect(member.partitions).toEqual([0]), within);
    await addPartitions(topic, 3);
    await vi.waitFor(() => produce(9, 12, 3), within);
    await vi.waitFor(() => expect(member.partitions).toEqual([0, 1, 2]), { timeout: 15_000, interval: 50 });
    // From their first record, although the source starts at the latest.
    await vi.waitFor(() => expect(member.values.toSorted()).toEqual(['10', '11', '9']), within);
    await member.source.close();
    await running;
  });

  test('topics that fit the pattern and are new are read from their first record', async () => {
    const { topic } = await topicWith(connection(), { partitions: 1, count: 2 });
    const { admin } = await topicWith(connection(), { partitions: 1, count: 0 });
    const topics = new RegExp(`^${topic}`, 'u');
    const member = new Member(
      new GroupSource({
        ...settings({ topics: [], group: unique('group') }),
        inputs: [{ source: 'orders', topics, start: 'latest' }],
      }),
    );
    onTestFinished(() => member.source.close());
    await member.source.start();
    const running = member.run();
    await vi.waitFor(() => expect(member.assignments).toHaveLength(1), within);
    const added = `${topic}-added`;
    await admin.createTopic({ topic: added });
    const producer = openKafkaProducer(connection(), silent);
    await vi.waitFor(() => producer.produceAll(added, [{ key: null, value: Buffer.from('new'), headers: {} }]), within);
    await producer.close();
    await vi.waitFor(() => expect(member.values).toEqual(['new']), { timeout: 20_000, interval: 50 });
    expect([...member.positions.keys()].map((partition) => partition.topic).toSorted()).toEqual([topic, added]);
    await member.source.close();
    await running;
  });
});

test(
  'a new topic that fits the patterns of two sources is told of once and left out; others are read',
  { timeout: 60_000 },
  async () => {
    const { topic, admin } = await topicWith(connection(), { partitions: 1, count: 1 });
    const other = await topicWith(connection(), { partitions: 1, count: 1 });
    const told: string[] = [];
    const log = { ...silent, warn: (code: string, text: string) => void told.push(`${code}: ${text}`) };
    const member = new Member(
      new GroupSource({
        ...settings({ topics: [], group: unique('group') }),
        log,
        inputs: [
          { source: 'shops', topics: new RegExp(`^${topic}`, 'u'), start: 'earliest' },
          { source: 'europe', topics: new RegExp(`^(${other.topic}|${topic}-eu$)`, 'u'), start: 'earliest' },
        ],
      }),
    );
    onTestFinished(() => member.source.close());
    await member.source.start();
    const running = member.run();
    await vi.waitFor(() => expect(member.partitions).toHaveLength(2), within);
    await admin.createTopic({ topic: `${topic}-eu` });
    await admin.createTopic({ topic: `${topic}-us` });
    await vi.waitFor(() => expect(member.partitions).toHaveLength(3), within);
    expect([...member.positions.keys()].map((one) => one.topic)).not.toContain(`${topic}-eu`);
    expect(told.filter((line) => line.startsWith('source_topics'))).toEqual([
      `source_topics: topic ${topic}-eu is read by two sources, shops and europe: it is left out until the next start, which it stops`,
    ]);
    await member.source.close();
    await running;
  },
);

describe('a log whose records were compacted away', () => {
  /** Keys 0 to 4 again and again, in segments of their own, until the cleaner has left only the last of each. */
  async function compactedTopic() {
    const { admin } = await topicWith(connection(), { partitions: 1, count: 0 });
    const topic = unique('compacted');
    const config = {
      'cleanup.policy': 'compact',
      'segment.ms': '100',
      'min.cleanable.dirty.ratio': '0.001',
      'delete.retention.ms': '0',
      'max.compaction.lag.ms': '100',
    };
    await admin.createTopic({ topic, config });
    const producer = openKafkaProducer(connection(), silent);
    onTestFinished(() => producer.close());
    const produce = async (from: number, to: number, tombstone = false) =>
      producer.produceAll(
        topic,
        Array.from({ length: to - from }, (_, at) => ({
          key: Buffer.from(String((from + at) % 5)),
          value: tombstone ? null : Buffer.from(String(from + at)),
          headers: {},
        })),
      );
    const read = async () => {
      const offsets: number[] = [];
      await admin.readTopic(topic, { onRecord: ({ offset }) => void offsets.push(offset) });
      return offsets;
    };
    return { topic, admin, produce, read };
  }

  test('is read to its end across the gaps, from its start and from inside of one', { timeout: 120_000 }, async () => {
    const { topic, admin, produce, read } = await compactedTopic();
    for (const from of [0, 100, 200]) await produce(from, from + 100);
    // Keys that are gone altogether leave a whole range empty; the last segment is never compacted.
    await produce(300, 305, true);
    const nudge = { from: 400 };
    const gaps = await vi.waitFor(
      async () => {
        // A segment is closed when a record comes after its time.
        await produce(nudge.from, nudge.from + 1);
        nudge.from += 5;
        const offsets = await read();
        expect(offsets.filter((offset) => offset < 300)).toEqual([]);
        return offsets;
      },
      { timeout: 90_000, interval: 1000 },
    );
    const end = (await admin.topicOffsets(topic))[0]!.end;
    expect(gaps.length).toBeLessThan(end - 300);
    for (const from of [0, 17, 150, 299]) {
      const member = new Member(
        new GroupSource(settings({ topics: [topic], group: unique('group'), untilEnd: true })),
        ({ partitions }) => new Map(partitions.map(({ partition }) => [partition, from])),
      );
      onTestFinished(() => member.source.close());
      await member.source.start();
      await member.run();
      expect(member.failure).toBeNull();
      expect([...member.positions.values()]).toEqual([end]);
      expect(member.values.length).toBeGreaterThan(0);
      expect(await member.commit()).toBe('committed');
    }
  });
});

test('a member that reads, waits, commits and leaves asks for no timer with a negative delay', async () => {
  const warnings: string[] = [];
  const note = ({ name, message }: Error) => void warnings.push(`${name}: ${message}`);
  process.on('warning', note);
  onTestFinished(() => void process.off('warning', note));
  const { topic, produce } = await topicWith(connection(), { partitions: 2, count: 10 });
  const member = await groupMember({ topics: [topic], group: unique('group') });
  const running = member.run();
  for (let round = 1; round <= 5; round++) {
    await produce(10 * round, 10 * round + 10);
    await vi.waitFor(() => expect(member.values).toHaveLength(10 * round + 10), within);
    expect(await member.commit()).toBe('committed');
  }
  await member.source.close();
  await running;
  expect(warnings).toEqual([]);
});

describe('a member with an instance name', () => {
  const instanceMember = async (topic: string, group: string, instance: string): Promise<Member> => {
    const member = new Member(new GroupSource({ ...settings({ topics: [topic], group }), instance }));
    onTestFinished(() => member.source.close());
    await member.source.start();
    return member;
  };

  test('gets its partitions back when it is started again, and the other member is not disturbed', async () => {
    const { topic, produce, admin } = await topicWith(connection(), { partitions: 4, count: 8 });
    const group = unique('group');
    const [one, two] = [await instanceMember(topic, group, 'one'), await instanceMember(topic, group, 'two')];
    const running = [one.run(), two.run()];
    await vi.waitFor(() => expect([one.partitions.length, two.partitions.length]).toEqual([2, 2]), within);
    await vi.waitFor(async () => expect([await one.commit(), await two.commit()]).toEqual(['committed', 'committed']));
    const { generation, partitions, assignments } = two;
    const of = assignments.length;
    await one.source.close();
    // It has not left: it may come back.
    expect((await admin.groupDescription(group)).members).toHaveLength(2);
    const again = await instanceMember(topic, group, 'one');
    running.push(again.run());
    await vi.waitFor(() => expect(again.partitions).toEqual(one.partitions), within);
    await produce(8, 16);
    await vi.waitFor(() => expect(again.values.length + two.values.length).toBeGreaterThanOrEqual(12), within);
    expect(await again.commit()).toBe('committed');
    expect([two.generation, two.partitions, two.assignments.length]).toEqual([generation, partitions, of]);
    expect((await admin.groupDescription(group)).state).toBe('Stable');
    await Promise.all([again.source.close(), two.source.close()]);
    await Promise.all(running);
  });

  test('gives way to another one of the same name, and says so', async () => {
    const { topic } = await topicWith(connection(), { partitions: 2, count: 2 });
    const group = unique('group');
    const older = await instanceMember(topic, group, 'same');
    const reading = older.run();
    await vi.waitFor(() => expect(older.partitions).toEqual([0, 1]), within);
    const newer = await instanceMember(topic, group, 'same');
    const running = newer.run();
    await reading;
    expect(older.failure).toMatchObject({ code: 'kafka_instance_fenced', message: expect.stringContaining('same') });
    await vi.waitFor(() => expect(newer.partitions).toEqual([0, 1]), within);
    expect(newer.failure).toBeNull();
    await newer.source.close();
    await running;
  });
});

describe('without a group', () => {
  test('every partition is read and the cluster knows of no group', async () => {
    const { topic, admin } = await topicWith(connection(), { partitions: 3, count: 300 });
    const group = unique('group');
    const member = new Member(new DetachedSource(settings({ topics: [topic], group, untilEnd: true })));
    onTestFinished(() => member.source.close());
    await member.source.start();
    await member.run();
    expect(new Set(member.values).size).toBe(300);
    expect(member.values).toHaveLength(300);
    expect(await member.commit()).toBe('committed');
    expect(await admin.groupDescription(group)).toMatchObject({ state: 'Dead', members: [] });
  });

  test('new records are followed', async () => {
    const { topic, produce } = await topicWith(connection(), { partitions: 2, count: 2 });
    const member = new Member(new DetachedSource(settings({ topics: [topic], group: 'none', start: 'latest' })));
    onTestFinished(() => member.source.close());
    await member.source.start();
    const running = member.run();
    await vi.waitFor(() => expect(member.partitions).toEqual([0, 1]), within);
    await produce(2, 6);
    await vi.waitFor(() => expect(member.values.toSorted()).toEqual(['2', '3', '4', '5']), within);
    await member.source.close();
    await running;
  });
});

describe('questions to the cluster', () => {
  test('a topic is read to its end, or from a time on, and one record by its offset', async () => {
    const { topic, admin } = await topicWith(connection(), { partitions: 2, count: 10 });
    const seen: string[] = [];
    await admin.readTopic(topic, {
      onRecord: ({ value }, partition) => void seen.push(`${partition}:${Buffer.from(value!).toString()}`),
    });
    expect(seen.toSorted()).toEqual(['0:0', '0:2', '0:4', '0:6', '0:8', '1:1', '1:3', '1:5', '1:7', '1:9']);
    const later: unknown[] = [];
    await admin.readTopic(topic, {
      fromTimestampMs: Date.now() + 60_000,
      onRecord: (record) => void later.push(record),
    });
    expect(later).toEqual([]);
    const records = await admin.recordsAt(topic, new Map([[0, 99], [1, 3]])); // prettier-ignore
    expect(records.get(0)).toBeNull();
    expect(records.get(1)).toMatchObject({ offset: 3, value: Buffer.from('7') });
    await expect(admin.topicOffsets(`${topic}-missing`)).rejects.toMatchObject({ code: 'kafka_topic_missing' });
  });

  test('a group that is not there has no members and no offsets', async () => {
    const admin = await openKafkaAdmin({ brokers: brokers() }, silent);
    onTestFinished(() => admin.close());
    expect(await admin.groupDescription('nobody')).toEqual({ group: 'nobody', state: 'Dead', members: [] });
    expect(await admin.groupOffsets('nobody')).toEqual(new Map());
  });
});

async function addPartitions(topic: string, count: number): Promise<void> {
  const { Admin } = await import('@platformatic/kafka');
  const admin = new Admin({ clientId: 'test', bootstrapBrokers: [brokers()] });
  await admin.createPartitions({ topics: [{ name: topic, count }] });
  await admin.close();
}

async function deleteRecords(topic: string, before: number): Promise<void> {
  const { Admin } = await import('@platformatic/kafka');
  const admin = new Admin({ clientId: 'test', bootstrapBrokers: [brokers()] });
  await admin.deleteRecords({ topics: [{ name: topic, partitions: [{ partition: 0, offset: BigInt(before) }] }] });
  await admin.close();
}
