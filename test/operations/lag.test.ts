import { expect, it } from 'vitest';
import type { KafkaAdmin } from '../../src/connections/kafka/admin.ts';
import type { GroupDescription } from '../../src/connections/kafka/group-admin.ts';
import { LagMonitor } from '../../src/operations/lag.ts';

interface Cluster {
  state: GroupDescription['state'];
  /** What the one member owns of topic `t`. */
  owned: number[];
  committed: Record<number, number>;
  /** `[start, end)` by partition. */
  log: readonly (readonly [start: number, end: number])[];
  reads: number;
  /** How many of the last offsets are no records. */
  markers?: number;
  noTimestamps?: boolean;
}

const startMs = 1_700_000_000_000;

/** One topic `t` and one group; the record at offset n has the timestamp `startMs - 1000 * n`. */
function adminOf(cluster: Cluster): KafkaAdmin {
  const admin: Partial<KafkaAdmin> = {
    groupDescription: async (group) => ({
      group,
      state: cluster.state,
      members:
        cluster.owned.length === 0
          ? []
          : [
              {
                memberId: 'm',
                clientId: 'billing',
                clientHost: '/10.0.0.1',
                assignment: new Map([['t', cluster.owned]]),
              },
            ],
    }),
    groupOffsets: async () =>
      new Map(
        Object.keys(cluster.committed).length === 0
          ? []
          : [
              [
                't',
                new Map(Object.entries(cluster.committed).map(([partition, offset]) => [Number(partition), offset])),
              ],
            ],
      ),
    describeTopics: async (names) => new Map(names.filter((name) => name === 't').map((name) => [name, {} as never])),
    topicOffsets: async () => cluster.log.map(([start, end], partition) => ({ partition, start, end })),
    recordsAt: async (_topic, offsets) => {
      cluster.reads++;
      return new Map(
        [...offsets].map(([partition, committed]) => {
          const [start, end] = cluster.log[partition]!;
          const offset = Math.max(committed, start);
          if (offset + (cluster.markers ?? 0) >= end) return [partition, null];
          const timestampMs = cluster.noTimestamps === true ? -1 : startMs - 1000 * offset;
          return [partition, { offset, timestampMs, key: null, value: null, headers: undefined }];
        }),
      );
    },
  };
  return admin as KafkaAdmin;
}

const stable = (change: Partial<Cluster>): Cluster => ({
  state: 'Stable',
  owned: [0],
  committed: {},
  log: [],
  reads: 0,
  ...change,
});

it('tells lag, rates, age and time to catch up from two looks', async () => {
  const cluster = stable({ committed: { 0: 10 }, log: [[0, 100]] });
  const monitor = new LagMonitor(adminOf(cluster), 'g');
  await monitor.sample(() => startMs);
  cluster.committed = { 0: 50 };
  cluster.log = [[0, 120]];
  await monitor.sample(() => startMs + 2000);
  expect(monitor.report()).toMatchObject({
    lag: 70,
    changePerSecond: -10,
    members: 1,
    partitions: [
      {
        topic: 't',
        partition: 0,
        owner: 'billing/10.0.0.1',
        committed: 50,
        end: 120,
        lag: 70,
        changePerSecond: -10,
        producePerSecond: 10,
        consumePerSecond: 20,
        behindMs: 52_000,
        etaMs: 7000,
        verdict: 'OK',
      },
    ],
  });
});

it('what is not known is null: rates after one look, lag without a commit, catching up while it grows', async () => {
  const cluster = stable({
    committed: { 0: 10 },
    log: [
      [0, 100],
      [0, 5],
      [7, 7],
    ],
  });
  const monitor = new LagMonitor(adminOf(cluster), 'g');
  await monitor.sample(() => startMs);
  expect(monitor.report().partitions).toMatchObject([
    { lag: 90, changePerSecond: null, consumePerSecond: null, etaMs: null },
    { lag: null, committed: null, behindMs: null, verdict: 'NEVER_COMMITTED', owner: null },
    { lag: 0, behindMs: 0, verdict: 'OK' },
  ]);
  cluster.log = [
    [0, 200],
    [0, 5],
    [7, 7],
  ];
  await monitor.sample(() => startMs + 1000);
  expect(monitor.report().partitions[0]).toMatchObject({ changePerSecond: 100, etaMs: null });
});

it('looks the next record up once while the committed offset stands still', async () => {
  const cluster = stable({ committed: { 0: 10 }, log: [[0, 100]] });
  const monitor = new LagMonitor(adminOf(cluster), 'g');
  for (const second of [0, 1, 2]) await monitor.sample(() => startMs + second * 1000);
  expect(cluster.reads).toBe(1);
  expect(monitor.report().partitions[0]!.behindMs).toBe(12_000);
});

it('keeps a minute of looks, so that rates are of now', async () => {
  const cluster = stable({ committed: { 0: 0 }, log: [[0, 1000]] });
  const monitor = new LagMonitor(adminOf(cluster), 'g');
  for (let second = 0; second <= 200; second += 10) {
    cluster.committed = { 0: Math.min(second, 120) };
    await monitor.sample(() => startMs + second * 1000);
  }
  expect(monitor.report().partitions[0]).toMatchObject({ consumePerSecond: 0, verdict: 'STOP' });
});

it('an empty group has lag, no owner and the verdict NO_MEMBERS', async () => {
  const monitor = new LagMonitor(
    adminOf(stable({ state: 'Empty', owned: [], committed: { 0: 10 }, log: [[0, 100]] })),
    'g',
  );
  await monitor.sample(() => startMs);
  expect(monitor.report()).toMatchObject({
    state: 'Empty',
    members: 0,
    lag: 90,
    partitions: [{ owner: null, verdict: 'NO_MEMBERS' }],
  });
});

it('a pipeline that never ran is shown by its topics, an unknown group is an error', async () => {
  const nothing = stable({ state: 'Dead', owned: [], log: [[0, 100]] });
  const monitor = new LagMonitor(adminOf(nothing), 'g', ['t']);
  await monitor.sample(() => startMs);
  expect(monitor.report()).toMatchObject({ lag: null, partitions: [{ verdict: 'NEVER_COMMITTED' }] });
  await expect(new LagMonitor(adminOf(nothing), 'g').sample(() => startMs)).rejects.toMatchObject({
    code: 'group_unknown',
  });
});

it('records that are deleted: the age of the oldest that is left, marked as estimated', async () => {
  const monitor = new LagMonitor(adminOf(stable({ committed: { 0: 10 }, log: [[40, 100]] })), 'g');
  await monitor.sample(() => startMs);
  expect(monitor.report().partitions).toMatchObject([
    { lag: 90, behindMs: 40_000, behindEstimated: true, verdict: 'DATA_LOSS' },
  ]);
});

it('markers of transactions up to the end: offsets of lag, and nothing behind until a record comes', async () => {
  const cluster = stable({ committed: { 0: 99 }, log: [[0, 100]], markers: 1 });
  const monitor = new LagMonitor(adminOf(cluster), 'g');
  for (const second of [0, 30, 60, 90]) await monitor.sample(() => startMs + second * 1000);
  expect(cluster.reads).toBe(1);
  expect(monitor.report().partitions).toMatchObject([{ lag: 1, behindMs: 0, etaMs: 0, verdict: 'OK' }]);
  cluster.log = [[0, 101]];
  await monitor.sample(() => startMs + 91_000);
  expect(monitor.report().partitions).toMatchObject([{ lag: 2, behindMs: 91_000 + 99_000 }]);
});

it('records without timestamps are as old as the look before they came, marked as estimated, else unknown', async () => {
  const cluster = stable({ committed: { 0: 10 }, log: [[0, 10]], noTimestamps: true });
  const monitor = new LagMonitor(adminOf(cluster), 'g');
  await monitor.sample(() => startMs);
  cluster.log = [[0, 20]];
  await monitor.sample(() => startMs + 3000);
  await monitor.sample(() => startMs + 5000);
  expect(monitor.report().partitions).toMatchObject([{ behindMs: 5000, behindEstimated: true }]);
  const late = new LagMonitor(adminOf(cluster), 'g');
  await late.sample(() => startMs);
  expect(late.report().partitions).toMatchObject([{ behindMs: null, behindEstimated: false }]);
});

it('a group of an unknown kind has offsets and no verdict on its members', async () => {
  const monitor = new LagMonitor(
    adminOf(stable({ state: 'Dead', owned: [], committed: { 0: 10 }, log: [[0, 100]] })),
    'g',
  );
  await monitor.sample(() => startMs);
  expect(monitor.report()).toMatchObject({ state: 'Unknown', members: null, partitions: [{ verdict: 'WARN' }] });
});
