/** Where reading begins after an assignment. */
import type { Route } from './epoch.ts';
import { type Assignment, type Partition, type Place, SourceFailed } from './ports.ts';

export interface Claimed {
  /** The lowest position of all sinks, for every partition of the assignment. */
  readonly positions: ReadonlyMap<Partition, number>;
  /** Where sinks that keep no positions go on; they skip what lies below while others catch up. */
  readonly floors: ReadonlyMap<Partition, number>;
  readonly behind: readonly Behind[];
}

/** A sink for which records are read again that the group had behind it. */
export interface Behind {
  readonly sink: string;
  /** At most, over all partitions. */
  readonly records: number;
  /** The partition on which it is farthest behind, with both numbers. `position` is null where it has none: it is new. */
  readonly partition: Partition;
  readonly position: number | null;
  readonly committed: number;
}

/**
 * Claims the partitions at every sink that keeps positions, by `claim`, and tells where to begin. Rejects with
 * `SourceFailed` where the log no longer holds what is to be read: a silent reset would lose records.
 */
export async function claimPositions(
  assignment: Assignment,
  routes: readonly Route[],
  claim: (route: Route, partitions: readonly Partition[], index: number) => Promise<ReadonlyMap<Partition, number>>,
): Promise<Claimed> {
  const partitions = assignment.partitions.map(({ partition }) => partition);
  const stored: ReadonlyMap<Partition, number>[] = [];
  for (const [i, route] of routes.entries())
    if (route.sink.storesPositions) stored.push(await claim(route, partitions, i));
  const anyWithout = routes.some(({ sink }) => !sink.storesPositions);
  refuseMoved(assignment, stored);
  const floors = new Map<Partition, number>();
  const positions = new Map<Partition, number>();
  for (const { partition, committed, initial } of assignment.partitions) {
    // A sink that has written nothing yet begins where this group began: `latest` was another place then.
    const first = Math.min(initial, committed ?? initial);
    const known = stored.map((of) => of.get(partition) ?? first);
    if (anyWithout) {
      floors.set(partition, committed ?? initial);
      known.push(committed ?? initial);
    }
    positions.set(partition, Math.min(...known));
  }
  refuseLost(assignment, positions);
  const keeping = routes.filter(({ sink }) => sink.storesPositions);
  return { positions, floors, behind: keeping.flatMap(({ sink }, i) => behindOf(sink.name, assignment, stored[i]!)) };
}

/** The group's offsets follow the sinks: one that stands behind them lacks what was written before. */
function behindOf(sink: string, { partitions }: Assignment, stored: ReadonlyMap<Partition, number>): Behind[] {
  const lacking = partitions.flatMap(({ partition, committed, initial }) => {
    if (committed === null) return [];
    const position = stored.get(partition) ?? null;
    const records = committed - (position ?? Math.min(initial, committed));
    return records > 0 ? [{ partition, position, committed, records }] : [];
  });
  const [first, ...others] = lacking;
  if (first === undefined) return [];
  const farthest = others.reduce((most, one) => (one.records > most.records ? one : most), first);
  return [{ ...farthest, sink, records: lacking.reduce((sum, { records }) => sum + records, 0) }];
}

/**
 * Offsets of the group that somebody else has moved mean something, and where a sink keeps its own position they would do
 * nothing. So it is asked for what is meant.
 */
function refuseMoved({ partitions }: Assignment, stored: readonly ReadonlyMap<Partition, number>[]): void {
  const moved = partitions.flatMap(({ partition, committed, isMoved }) => {
    const position = Math.min(...stored.flatMap((of) => of.get(partition) ?? []));
    const isElsewhere = isMoved === true && committed !== null && position !== Infinity && position !== committed;
    return isElsewhere ? [{ partition, committed, position }] : [];
  });
  const [first] = moved;
  if (first === undefined) return;
  const { topic, partition } = first.partition;
  throw new SourceFailed(
    'offsets_moved',
    `the group's offset of ${topic} partition ${partition} was moved to ${first.committed} by something else, and the sinks stand at ${first.position}`,
    { goOn: moved.map((one) => placeOf(one.partition, one.committed)) },
  );
}

/**
 * Makes certain that no record to be read was deleted. Whether a position lies beyond the end is for the source to judge:
 * another member may have written records that came after `logEnd` was looked up.
 */
function refuseLost({ partitions }: Assignment, positions: ReadonlyMap<Partition, number>): void {
  const lost = partitions.filter(({ partition, logStart }) => positions.get(partition)! < logStart);
  const [first] = lost;
  if (first === undefined) return;
  const { partition, logStart } = first;
  const position = positions.get(partition)!;
  throw new SourceFailed(
    'data_loss',
    `${partition.topic} partition ${partition.partition}: the next record to write is ${position}, but the log begins at ${logStart}: ${logStart - position} records were deleted before they were written`,
    { goOn: lost.map((one) => placeOf(one.partition, one.logStart)) },
  );
}

const placeOf = ({ topic, partition }: Partition, offset: number): Place => ({ topic, partition, offset });

/**
 * Knows where partitions began that have no position yet. `latest` is a later place each time it is looked up, and what was
 * read from the former one on may have been undone before the group heard of it.
 */
export class Beginnings {
  readonly #initial = new Map<string, number>();

  /** The assignment as it would have been when this member first got each of its partitions. */
  keep(assignment: Assignment): Assignment {
    const partitions = assignment.partitions.map((assigned) => {
      const { cluster, topicId, partition } = assigned.partition;
      const log = `${cluster}/${topicId}/${partition}`;
      const initial = Math.min(assigned.initial, this.#initial.get(log) ?? assigned.initial);
      this.#initial.set(log, initial);
      return assigned.committed === null ? { ...assigned, initial } : assigned;
    });
    return { ...assignment, partitions };
  }
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
