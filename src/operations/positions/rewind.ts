/**
 * Moves where a pipeline goes on: the positions of its sinks, and the group's offsets. Sinks first, each in a transaction
 * of its own. Killed in between, every sink goes on from where it then stands, which is consistent, and the same command
 * moves the rest. The other way round a sink that keeps positions would not notice that anything was moved.
 */
import type { GroupOffsets } from '../../connections/kafka/group-admin.ts';
import { isReplaced, type PositionTarget, type StoredPosition } from '../../declaration/positions.ts';
import type { AssignedPartition, Partition } from '../../engine/ports.ts';
import { exitCodes, PipectlError } from '../../errors.ts';
import type { Plan } from '../../plan/index.ts';
import type { GroupPlace, Places, SinkPlace } from './places.ts';
import type { RewindTarget } from './target.ts';

/** One partition of one place. Counts are in offsets: with gaps in the log there are fewer records. */
export interface Move {
  readonly partition: Partition;
  /** Null where nothing of this log was written yet. */
  readonly from: number | null;
  readonly to: number;
  /** Offsets that are read again. */
  readonly again: number;
  /** Offsets that will never be written. */
  readonly skipped: number;
}

/** What is moved together. */
export interface MovedPlace {
  readonly group: string;
  /** Name of a sink; null for the offsets of the group, by which sinks without positions go. */
  readonly sink: string | null;
  readonly appends: boolean;
  readonly moves: readonly Move[];
  /** Positions of logs that are gone, which are forgotten. */
  readonly replaced: readonly StoredPosition[];
}

export interface Rewind {
  readonly places: readonly MovedPlace[];
  readonly again: number;
  readonly skipped: number;
  /** Also what the group shows is as it would be. */
  readonly isNothing: boolean;
  /** Does it. Rejects with `group_not_empty` where members have come meanwhile. */
  carryOut(): Promise<void>;
}

/** Works out what `rewind` would do and changes nothing. Rejects with `group_not_empty` where members run. */
export async function planRewind(
  plan: Plan,
  places: Places,
  target: RewindTarget,
  only: string | null,
): Promise<Rewind> {
  const chosen = chooseSinks(places, only);
  await places.refuseMembers('moved');
  const targets = await targetsOf(plan, places, target);
  const groups = await Promise.all(places.groups.map((one) => planGroup(places, one, chosen, only === null, targets)));
  const changed = groups.flatMap(({ moved }) => moved);
  const count = (pick: (move: Move) => number): number =>
    Math.max(0, ...changed.map(({ moves }) => moves.reduce((sum, move) => sum + pick(move), 0)));
  return {
    places: changed,
    again: count(({ again }) => again),
    skipped: count(({ skipped }) => skipped),
    isNothing: changed.length === 0 && groups.every(({ isShown }) => isShown),
    async carryOut() {
      await places.refuseMembers('moved');
      for (const { moveSinks } of groups) await moveSinks();
      for (const { moveOffsets } of groups) await moveOffsets();
    },
  };
}

/** The part of one group. `isWhole`: all sinks of the pipeline are moved. */
async function planGroup(
  { kafka }: Places,
  { group, sinks }: GroupPlace,
  all: readonly SinkPlace[],
  isWhole: boolean,
  targets: readonly Target[],
) {
  const chosen = sinks.filter((sink) => all.includes(sink));
  const listed = await Promise.all(
    sinks.map(async (sink) => ({ ...sink, stored: (await sink.positions?.list()) ?? [] })),
  );
  const topics = [...new Set(targets.map(({ partition }) => partition.topic))];
  const commits = (await kafka?.groupCommits(group, topics)) ?? null;
  const committed = ({ topic, partition }: Partition) => commits?.get(topic)?.get(partition);
  const moving = listed.flatMap(({ name, positions, stored }) =>
    positions !== null && chosen.some((one) => one.name === name)
      ? [{ positions, place: { group, ...sinkPlace(name, positions.appends, targets, stored) } }]
      : [],
  );
  // A group without sinks still reads, for the others.
  const groupGoes = chosen.some(({ positions }) => positions === null) || (isWhole && sinks.length === 0);
  const moves = targets.map((one) => moveOf(one, committed(one.partition)?.offset ?? null));
  const groupPlace: MovedPlace = { group, sink: null, appends: sinks.length > 0, replaced: [], moves };
  const shown = groupGoes ? targets : chosen.length === 0 ? null : displayed(listed, chosen, targets);
  const isShown =
    commits === null ||
    shown === null ||
    shown.every(({ partition, position }) => {
      const commit = committed(partition);
      return commit?.offset === position && commit.isOwn;
    });
  return {
    moved: [...moving.map(({ place }) => place), ...(groupGoes && commits !== null ? [groupPlace] : [])].filter(
      isChange,
    ),
    isShown,
    async moveSinks() {
      for (const { positions, place } of moving) {
        if (isChange(place))
          await positions.move(place.moves.map(({ partition, to }) => ({ partition, position: to })));
      }
    },
    async moveOffsets() {
      if (!isShown && kafka !== null && shown !== null) await kafka.commitGroupOffsets(group, offsetsOf(shown));
    },
  };
}

/** A partition, what its log holds, and where to go. */
interface Target extends PositionTarget {
  readonly partition: Partition;
  readonly logStart: number;
  readonly logEnd: number;
}

function chooseSinks({ sinks, groups }: Places, only: string | null): readonly SinkPlace[] {
  if (only === null) return sinks;
  const sink = sinks.find(({ name }) => name === only);
  if (sink === undefined) {
    const names = sinks.map(({ name }) => name).join(', ');
    throw new PipectlError('usage', `there is no sink ${only}`, {
      hint: `the sinks of this pipeline are ${names}`,
      exitCode: exitCodes.usage,
    });
  }
  const together = groups.find((group) => group.sinks.includes(sink))!.sinks;
  const others = together.filter(({ positions }) => positions === null);
  if (sink.positions === null && others.length > 1) {
    throw new PipectlError(
      'usage',
      `${others.map(({ name }) => name).join(' and ')} keep no positions and go by the offsets of one group: they can only be moved together`,
      { hint: 'leave --sink out', exitCode: exitCodes.usage },
    );
  }
  return [sink];
}

async function targetsOf(plan: Plan, places: Places, target: RewindTarget): Promise<readonly Target[]> {
  if (target.kind === 'time' && places.kafka === null) {
    throw new PipectlError(
      'usage',
      `the records of a ${plan.definition.sources[0].component} source can't be found by time`,
      { hint: 'use --to earliest, latest or topic:partition=offset', exitCode: exitCodes.usage },
    );
  }
  const start = target.kind === 'time' ? new Date(target.atMs).toISOString() : 'earliest';
  const partitions = await places.partitions(start);
  if (target.kind === 'latest' && partitions.some(({ logEnd }) => logEnd === Number.MAX_SAFE_INTEGER)) {
    throw new PipectlError('usage', `a ${plan.definition.sources[0].component} source has no end to go to`, {
      hint: 'use --to earliest or topic:partition=offset',
      exitCode: exitCodes.usage,
    });
  }
  if (target.kind !== 'offsets') {
    return partitions.map((one) => ({
      ...one,
      position: target.kind === 'latest' ? one.logEnd : target.kind === 'earliest' ? one.logStart : one.initial,
    }));
  }
  return target.offsets.map(({ topic, partition, offset }) => {
    const found = partitions.find((one) => one.partition.topic === topic && one.partition.partition === partition);
    if (found === undefined) throw unknownPartition(topic, partition, partitions);
    if (offset >= found.logStart && offset <= found.logEnd) return { ...found, position: offset };
    throw new PipectlError(
      'rewind_out_of_range',
      `${topic} partition ${partition} holds ${found.logStart} to ${found.logEnd}: ${offset} is not in it`,
      { hint: `name an offset in between: --to ${topic}:${partition}=${found.logStart}` },
    );
  });
}

function unknownPartition(topic: string, partition: number, all: readonly AssignedPartition[]): PipectlError {
  const topics = [...new Set(all.map((one) => one.partition.topic))];
  const has = all.filter((one) => one.partition.topic === topic).length;
  const message = has === 0 ? `the pipeline does not read ${topic}` : `${topic} has no partition ${partition}`;
  const hint = has === 0 ? `it reads ${topics.join(', ')}` : `its partitions are 0 to ${has - 1}`;
  return new PipectlError('usage', message, { hint, exitCode: exitCodes.usage });
}

function sinkPlace(
  sink: string,
  appends: boolean,
  targets: readonly Target[],
  stored: readonly StoredPosition[],
): Omit<MovedPlace, 'group'> {
  return {
    sink,
    appends,
    replaced: stored.filter(
      (one) => one.position !== null && targets.some(({ partition }) => isReplaced(one, partition)),
    ),
    moves: targets.map((target) => {
      const { cluster, topicId, partition } = target.partition;
      const found = stored.find(
        (one) => one.cluster === cluster && one.topicId === topicId && one.partition === partition,
      );
      return moveOf(target, found?.position ?? null);
    }),
  };
}

function moveOf({ partition, position: to, logStart, logEnd }: Target, from: number | null): Move {
  return {
    partition,
    from,
    to,
    again: Math.max(0, Math.min(from ?? to, logEnd) - to),
    skipped: Math.max(0, to - (from ?? logStart)),
  };
}

const isChange = ({ moves, replaced }: MovedPlace): boolean =>
  replaced.length > 0 || moves.some(({ from, to }) => from !== to);

/**
 * What the group shows where every sink keeps positions: the lowest of them. Null where a sink that is not moved goes by
 * the group's offsets.
 */
function displayed(
  listed: readonly (SinkPlace & { readonly stored: readonly StoredPosition[] })[],
  chosen: readonly SinkPlace[],
  targets: readonly Target[],
): readonly Target[] | null {
  if (listed.some(({ positions }) => positions === null)) return null;
  const staying = listed.filter(({ name }) => !chosen.some((one) => one.name === name));
  return targets.map((target) => {
    const { cluster, topicId, partition } = target.partition;
    const others = staying.flatMap(({ stored }) =>
      stored
        .filter((one) => one.cluster === cluster && one.topicId === topicId && one.partition === partition)
        .flatMap(({ position }) => position ?? []),
    );
    return { ...target, position: Math.min(target.position, ...others) };
  });
}

function offsetsOf(targets: readonly PositionTarget[]): GroupOffsets {
  const offsets = new Map<string, Map<number, number>>();
  for (const { partition, position } of targets) {
    const ofTopic = offsets.get(partition.topic) ?? new Map<number, number>();
    offsets.set(partition.topic, ofTopic.set(partition.partition, position));
  }
  return offsets;
}
