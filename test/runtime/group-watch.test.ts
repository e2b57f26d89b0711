/** What is known of a running pipeline's group and cluster, over one connection that is made anew after trouble. */
import { expect, it, onTestFinished } from 'vitest';
import type { KafkaAdmin } from '../../src/connections/kafka/admin.ts';
import { GroupWatch } from '../../src/runtime/group-watch.ts';
import { SharedAdmin } from '../../src/runtime/shared-admin.ts';
import { CaseClock } from '../../src/testing/clock.ts';

const silent = { info() {}, warn() {}, error() {} };

/** A cluster with topic `t`, whose only partition the first of `members` owns; counts who asks it for what. */
class Cluster {
  members = ['me'];
  isAway = false;
  opened = 0;
  open = 0;
  asked = 0;

  readonly connect = (): Promise<KafkaAdmin> => {
    if (this.isAway) return Promise.reject(new Error('away'));
    this.opened++;
    this.open++;
    const admin: Partial<KafkaAdmin> = {
      groupDescription: (group) => {
        this.asked++;
        if (this.isAway) return Promise.reject(new Error('away'));
        const members = this.members.map((memberId, index) => ({
          memberId,
          clientId: memberId,
          clientHost: '/10.0.0.1',
          assignment: new Map([['t', index === 0 ? [0] : []]]),
        }));
        return Promise.resolve({ group, state: 'Stable', members });
      },
      groupOffsets: () => Promise.resolve(new Map([['t', new Map([[0, 10]])]])),
      describeTopics: (names) => Promise.resolve(new Map(names.map((name) => [name, {} as never]))),
      topicOffsets: () => Promise.resolve([{ partition: 0, start: 0, end: 10 }]),
      describeCluster: () => Promise.resolve({ clusterId: 'c', brokers: [], topics: [] }),
      close: () => {
        this.open--;
        return Promise.resolve();
      },
    };
    return Promise.resolve(admin as KafkaAdmin);
  };
}

function watching() {
  const cluster = new Cluster();
  const clock = new CaseClock(1_700_000_000_000);
  const state = { assignments: 0, owns: true };
  const shared = new SharedAdmin({}, cluster.connect);
  const watch = new GroupWatch({
    cluster: shared,
    group: 'g',
    topics: ['t'],
    deadLetterTopic: null,
    clock,
    log: silent,
    assignments: () => state.assignments,
    owns: () => state.owns,
  });
  const close = () => Promise.all([watch.close(), shared.close()]);
  onTestFinished(() => void close());
  return { cluster, clock, state, shared, watch, close };
}

it('looks when partitions were given to this member, again at each assignment, and every ten seconds in between', async () => {
  const { cluster, clock, state, watch } = watching();
  await clock.advance(5000);
  expect([cluster.asked, watch.group]).toEqual([0, null]);
  state.assignments = 1;
  await clock.advance(400);
  expect(cluster.asked).toBe(1);
  expect(watch.group).toMatchObject({ speaks: true, lag: { members: 1, lag: 0 } });
  cluster.members = ['me', 'other'];
  await clock.advance(5000);
  expect(watch.group?.lag.members).toBe(1);
  state.assignments = 2;
  await clock.advance(400);
  expect(watch.group?.lag.members).toBe(2);
  await clock.advance(30_000);
  expect(cluster.asked).toBe(5);
});

it('the member that owns the first owned partition speaks', async () => {
  const { clock, state, watch } = watching();
  state.owns = false;
  state.assignments = 1;
  await clock.advance(400);
  expect(watch.speaks).toBe(false);
});

it('while the cluster is away what was known grows old, and then it is seen again over a new connection', async () => {
  const { cluster, clock, state, watch } = watching();
  state.assignments = 1;
  await clock.advance(400);
  cluster.isAway = true;
  await clock.advance(30_000);
  expect(watch.group).not.toBeNull();
  await clock.advance(40_000);
  expect(watch.group).toBeNull();
  expect(cluster.open).toBe(0);
  cluster.isAway = false;
  await clock.advance(10_400);
  expect(watch.group?.lag.members).toBe(1);
  expect([cluster.opened, cluster.open]).toEqual([2, 1]);
});

it('all who look share one connection, which ends with the last look', async () => {
  const { cluster, clock, state, shared, close } = watching();
  const [one, other] = await Promise.all([shared.get(), shared.get()]);
  state.assignments = 1;
  await clock.advance(11_000);
  expect(one).toBe(other);
  expect(cluster.opened).toBe(1);
  await close();
  expect(cluster.open).toBe(0);
  expect(() => shared.get()).toThrow('aborted');
  const { asked } = cluster;
  await clock.advance(60_000);
  expect(cluster.asked).toBe(asked);
});
