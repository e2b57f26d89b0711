/** A cluster of three brokers that loses one: the leader of the partitions, or the coordinator of the group. */
import { setTimeout as delay } from 'node:timers/promises';
import { Admin as KafkaTools, FindCoordinatorKeyTypes } from '@platformatic/kafka';
import { expect } from 'vitest';
import { benchOfItsOwn } from '../integration/bench.ts';
import { type Bench, eventually } from '../integration/pipeline.ts';
import type { Stack } from '../stack/stack.ts';
import { type Fault, faultTest } from './fault.ts';
import { Load } from './load.ts';

let stack: Stack;
let bench: Bench;
benchOfItsOwn((opened, started) => ([bench, stack] = [opened, started]), { kafkaNodes: 3 });

/** Number of the broker that leads partition 0. */
async function leaderOf({ topic }: Load): Promise<number> {
  const { topics } = await bench.kafka.fetchTopicMetadata({ topics: [topic] });
  const leader = topics[0]!.partitions.find(({ partitionId }) => partitionId === 0)!.leader;
  expect(leader).toBeGreaterThan(0);
  return leader;
}

async function coordinatorOf({ file }: Load): Promise<number> {
  const admin = new KafkaTools({ clientId: 'test', bootstrapBrokers: bench.brokers.split(',') });
  try {
    const [found] = await admin.findCoordinator({ keyType: FindCoordinatorKeyTypes.GROUP, keys: [file.name] });
    return found!.nodeId;
  } finally {
    await admin.close();
  }
}

/** Every partition has all its replicas again, so that the next broker may fail. */
const whole = ({ topic }: Load): Promise<true> =>
  eventually(
    'all replicas are in sync',
    async () => {
      const { topics } = await bench.kafka.fetchTopicMetadata({ topics: [topic, '__consumer_offsets'] });
      return topics.every(({ partitions }) => partitions.every(({ isr }) => isr.length === 3)) || undefined;
    },
    { withinMs: 90_000 },
  );

async function losing(fault: Fault, find: (load: Load) => Promise<number>): Promise<void> {
  await using load = await Load.open(bench);
  const child = load.start();
  load.keepProducing();
  await load.runs([child]);
  for (let round = 1; round <= 3; round++) {
    await whole(load);
    const lost = await find(load);
    const broker = stack.kafka.nodes[lost - 1]!;
    const sinceMs = performance.now();
    await broker.kill('SIGKILL');
    fault.fired();
    await eventually('another one does its work', async () => (await find(load)) !== lost, { withinMs: 60_000 });
    // The fault is the loss itself: the broker stays away, and the two others go on.
    await fault.recovers(await load.goesOn(), [child], sinceMs);
    await delay(3000);
    await broker.start();
  }
  await load.expectAll(fault, [child]);
}

faultTest('a cluster of three loses the leader of partition 0 (kill -9), three times', 400_000, (fault) =>
  losing(fault, leaderOf),
);

faultTest('a cluster of three loses the coordinator of the group (kill -9), three times', 400_000, (fault) =>
  losing(fault, coordinatorOf),
);
