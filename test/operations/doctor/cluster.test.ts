import { describe, expect, it } from 'vitest';
import type { BrokerDescription, TopicDescription } from '../../../src/connections/kafka/cluster-description.ts';
import { type ClusterFacts, clusterFindings } from '../../../src/operations/doctor/cluster.ts';

const GiB = 1024 ** 3;

const broker = (id: number, changes: Partial<BrokerDescription> = {}): BrokerDescription => ({
  id,
  host: `kafka-${id}`,
  port: 9092,
  failure: null,
  fetchVersion: 17,
  disks: [
    { path: '/data', failed: false, totalBytes: 100 * GiB, usableBytes: 60 * GiB, topics: new Map([['orders', GiB]]) },
  ],
  ...changes,
});

const copy = (partition: number, inSync = [1, 2, 3], leader: number | null = 1, replicas = [1, 2, 3]) => ({
  partition,
  leader,
  replicas,
  inSync,
});

const topic = (changes: Partial<TopicDescription> = {}): TopicDescription => ({
  topic: 'orders',
  topicId: 'id',
  internal: false,
  partitions: [0, 1],
  forbidden: false,
  copies: [copy(0), copy(1)],
  rights: { read: true, write: true },
  settings: new Map([['min.insync.replicas', '2']]),
  ...changes,
});

const facts = (changes: {
  readonly brokers?: readonly BrokerDescription[];
  readonly topics?: readonly TopicDescription[];
  readonly earlier?: ClusterFacts['earlier'];
  readonly ahead?: ReadonlyMap<string, number>;
}): ClusterFacts => ({
  description: {
    clusterId: 'c',
    brokers: changes.brokers ?? [broker(1), broker(2), broker(3)],
    topics: changes.topics ?? [topic()],
  },
  earlier: changes.earlier ?? null,
  ahead: changes.ahead ?? new Map(),
});

/** What is worse than information, as `check severity subject: message`. */
const trouble = (changes: Parameters<typeof facts>[0]): readonly string[] =>
  clusterFindings(facts(changes))
    .filter(({ severity }) => severity === 'warning' || severity === 'error')
    .map(({ check, severity, subject, message }) => `${check} ${severity} ${subject}: ${message}`);

describe('a cluster', () => {
  it('of three brokers with three copies of all is well', () => {
    expect(trouble({})).toEqual([]);
    expect(clusterFindings(facts({})).map(({ check }) => check)).toEqual(
      expect.arrayContaining(['brokers', 'versions', 'disk', 'replication']) as string[],
    );
  });

  it.each([1, 2])('of %i brokers is a risk', (count) => {
    const brokers = [broker(1), broker(2)].slice(0, count);
    const copies = [copy(0, [1], 1, [1]), copy(1, [1], 1, [1])];
    expect(trouble({ brokers, topics: [topic({ copies })] })[0]).toMatch(
      new RegExp(`^brokers warning cluster: ${count} broker`),
    );
  });

  it('names a broker that does not answer, and one that is not up but has copies', () => {
    const silent = broker(2, { failure: 'no answer in 5 s', fetchVersion: null, disks: null });
    const found = trouble({ brokers: [broker(1), silent] });
    expect(found).toContain('brokers error broker 2 (kafka-2:9092): does not answer: no answer in 5 s');
    expect(found).toContain('brokers error broker 3: is not up, and has copies of topics that are used');
    expect(found).toContain(
      'brokers warning cluster: 1 broker: the loss of one stops the pipeline, and may lose records',
    );
  });

  it('of brokers of different releases is half upgraded', () => {
    expect(trouble({ brokers: [broker(1), broker(2), broker(3, { fetchVersion: 16 })] })).toEqual([
      'versions warning cluster: brokers are of different releases (1: Kafka 3.9 or later, 2: Kafka 3.9 or later, 3: Kafka 3.7 or later)',
    ]);
  });
});

describe('a topic', () => {
  const of = (changes: Partial<TopicDescription>) => trouble({ topics: [topic(changes)] });

  it.each<[string, Partial<TopicDescription>, readonly string[]]>([
    [
      'without a leader',
      { copies: [copy(0), copy(1, [2, 3], null)] },
      ['offline error', 'under-replicated warning', 'min-insync warning'],
    ],
    ['whose leader is gone', { copies: [copy(0), copy(1, [1, 2, 3], 9)] }, ['offline error']],
    [
      'with a copy out of sync, and none to spare',
      { copies: [copy(0), copy(1, [1, 2])] },
      ['under-replicated warning', 'min-insync warning'],
    ],
    ['with too few in sync', { copies: [copy(0, [1])] }, ['under-replicated warning', 'min-insync error']],
    ['with one copy', { copies: [copy(0, [1], 1, [1])], settings: null }, ['replication warning']],
    [
      'with two copies and both required',
      { copies: [copy(0, [1, 2], 1, [1, 2])] },
      ['replication warning', 'min-insync warning'],
    ],
    ['that acknowledges with one copy', { settings: new Map([['min.insync.replicas', '1']]) }, ['min-insync warning']],
    ['that this user may not see', { forbidden: true, copies: [], rights: null }, []],
    ['of which the settings are not known', { settings: null }, []],
  ])('%s', (_, changes, expected) => {
    expect(of(changes).map((text) => text.split(' ').slice(0, 2).join(' '))).toEqual(expected);
  });

  it('with records from the future tells how far, since one of the clocks is wrong', () => {
    expect(trouble({ ahead: new Map([['orders', 90_000]]) })).toEqual([
      'clock warning topic orders: newest records are 90 s ahead of the clock of this machine',
    ]);
  });

  it('names no more partitions than one reads', () => {
    const copies = Array.from({ length: 9 }, (_, partition) => copy(partition, [2], null));
    expect(of({ copies })[0]).toContain('p0, p1, p2, p3, p4 and 4 more');
  });
});

describe('a disk of a broker', () => {
  const disk = (usedGiB: number, orders = GiB) => ({
    path: '/data',
    failed: false,
    totalBytes: 100 * GiB,
    usableBytes: (100 - usedGiB) * GiB,
    topics: new Map([['orders', orders]]),
  });
  const withDisk = (now: BrokerDescription['disks'], before: BrokerDescription['disks'] | null = null) => {
    const others = [broker(2), broker(3)];
    const description = { clusterId: 'c', brokers: [broker(1, { disks: before }), ...others], topics: [] };
    return trouble({
      brokers: [broker(1, { disks: now }), ...others],
      earlier: before === null ? null : { description, secondsBefore: 10 },
    });
  };

  it.each([
    [79, []],
    [80, ['disk warning broker 1 (kafka-1:9092) /data: 80 % used, 20 GiB free']],
    [90, ['disk error broker 1 (kafka-1:9092) /data: 90 % used, 10 GiB free']],
  ])('that is used by %i percent', (used, expected) => {
    expect(withDisk([disk(used)])).toEqual(expected);
  });

  it('that will be full within a day is a warning, within four hours an error', () => {
    // 50 GiB are free: at 1 MiB/s that lasts 14 hours, at 10 MiB/s less than two.
    const grows = (bytesPerSecond: number) => withDisk([disk(50, GiB + bytesPerSecond * 10)], [disk(50)]);
    expect(grows(1024)).toEqual([]);
    expect(grows(1024 ** 2)).toEqual([
      'disk warning broker 1 (kafka-1:9092) /data: 50 % used, 50 GiB free, grows by 1.0 MiB/s: full in 14 hours',
    ]);
    expect(grows(10 * 1024 ** 2)).toEqual([
      'disk error broker 1 (kafka-1:9092) /data: 50 % used, 50 GiB free, grows by 10 MiB/s: full in 85 minutes',
    ]);
  });

  it('that has failed is an error; one that is not shown or tells no size is none', () => {
    expect(withDisk([{ ...disk(1), failed: true }])[0]).toMatch(/^disk error .* the directory has failed/);
    expect(withDisk(null)).toEqual([]);
    expect(withDisk([{ ...disk(1), totalBytes: null, usableBytes: null }])).toEqual([]);
  });
});
