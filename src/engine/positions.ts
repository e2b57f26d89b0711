/** Where reading begins after an assignment. */
import type { Route } from './epoch.ts';
import { type AssignedPartition, type Assignment, type Partition, type Sink, SourceFailed } from './ports.ts';

export interface Claimed {
  /** The lowest position of all sinks, for every partition of the assignment. */
  readonly positions: ReadonlyMap<Partition, number>;
  /** Where sinks that keep no positions go on; they skip what lies below while others catch up. */
  readonly floors: ReadonlyMap<Partition, number>;
}

/**
 * Claims the partitions at every sink that keeps positions, by `claim`, and tells where to begin. Rejects with
 * `SourceFailed` where the log no longer holds what is to be read: a silent reset would lose records.
 */
export async function claimPositions(
  assignment: Assignment,
  routes: readonly Route[],
  claim: (sink: Sink, partitions: readonly Partition[]) => Promise<ReadonlyMap<Partition, number>>,
): Promise<Claimed> {
  const partitions = assignment.partitions.map(({ partition }) => partition);
  const stored: ReadonlyMap<Partition, number>[] = [];
  for (const { sink } of routes) if (sink.storesPositions) stored.push(await claim(sink, partitions));
  const anyWithout = routes.some(({ sink }) => !sink.storesPositions);
  const floors = new Map<Partition, number>();
  const positions = new Map<Partition, number>();
  for (const assigned of assignment.partitions) {
    const { partition, committed, initial } = assigned;
    // A sink that has written nothing yet begins where this group began: `latest` was another place then.
    const first = Math.min(initial, committed ?? initial);
    const known = stored.map((of) => of.get(partition) ?? first);
    if (anyWithout) {
      floors.set(partition, committed ?? initial);
      known.push(committed ?? initial);
    }
    positions.set(partition, stillThere(assigned, Math.min(...known)));
  }
  return { positions, floors };
}

/**
 * The position, once it is certain that its record was not deleted. Whether it lies beyond the end is for the source to
 * judge: another member may have written records that came after `logEnd` was looked up.
 */
function stillThere({ partition, logStart }: AssignedPartition, position: number): number {
  if (position >= logStart) return position;
  const name = `${partition.topic} partition ${partition.partition}`;
  throw new SourceFailed(
    'data_loss',
    `${name}: the next record to write is ${position}, but the log begins at ${logStart}: ${logStart - position} records were deleted before they were written`,
  );
}

/** Knows which log each topic was when it was first seen. */
export class KnownTopics {
  readonly #ids = new Map<string, string>();

  /** A topic that was created anew is another log: read from its beginning, its records would count as new ones. */
  recognise({ cluster, topic, topicId }: Partition): void {
    const name = `${cluster}/${topic}`;
    const known = this.#ids.get(name) ?? topicId;
    if (known !== topicId) {
      throw new SourceFailed('topic_recreated', `${topic} was created anew while it was read: it is another log now`);
    }
    this.#ids.set(name, topicId);
  }
}
