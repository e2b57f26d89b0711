/** The part of `admin.ts` that a group's coordinator answers: committed offsets and members. Each is asked once. */
import { PipectlError } from '../../errors.ts';
import { kafkaErrorType } from './client.ts';
import { describeNewProtocolGroup } from './consumer-group-describe.ts';
import { type Broker, type Cluster, kafkajs } from './kafkajs.ts';
import type { TopicMetadata } from './metadata.ts';

/** Committed offsets by topic and partition; partitions without one are left out. */
export type GroupOffsets = ReadonlyMap<string, ReadonlyMap<number, number>>;

/** A committed offset. `isOwn`: committed by pipectl, else by something else, such as a tool that moves offsets. */
export interface GroupCommit {
  readonly offset: number;
  readonly isOwn: boolean;
}

/** Committed offsets by topic and partition; partitions without one are left out. */
export type GroupCommits = ReadonlyMap<string, ReadonlyMap<number, GroupCommit>>;

export interface GroupMember {
  readonly memberId: string;
  readonly clientId: string;
  readonly clientHost: string;
  /** What it owns: topic -> partitions. */
  readonly assignment: ReadonlyMap<string, readonly number[]>;
}

export interface GroupDescription {
  readonly group: string;
  /** `Dead` is a group that does not exist. Assigning and Reconciling: rebalances of the new protocol (KIP-848). */
  readonly state:
    | 'Stable'
    | 'PreparingRebalance'
    | 'CompletingRebalance'
    | 'Assigning'
    | 'Reconciling'
    | 'Empty'
    | 'Dead'
    | 'Unknown';
  readonly members: readonly GroupMember[];
}

/** Beside every offset pipectl commits: one without it was moved by something else. */
export const ownCommit = 'pipectl';

/** Rejects with the broker's answer where this user may not ask for it: kafkajs goes on to the next broker, and loses it. */
async function coordinatorOf(cluster: Cluster, group: string): Promise<Broker> {
  try {
    return await cluster.findGroupCoordinator({ groupId: group });
  } catch (error) {
    if (kafkaErrorType(error) !== 'KafkaJSGroupCoordinatorNotFound') throw error;
    const broker = await cluster.brokerPool.withBroker(({ broker: any }) => Promise.resolve(any));
    await broker?.findGroupCoordinator({ groupId: group, coordinatorType: 0 });
    throw error;
  }
}

/** Those of `topics`; of all that the group ever committed where it is null. */
export async function groupCommits(
  cluster: Cluster,
  group: string,
  topics: readonly TopicMetadata[] | null,
): Promise<GroupCommits> {
  // An empty list asks for everything the group has: not what was asked when none of the topics exists.
  if (topics?.length === 0) return new Map();
  const coordinator = await coordinatorOf(cluster, group);
  const { responses } = await coordinator.offsetFetch({
    groupId: group,
    topics: (topics ?? []).map(({ topic, partitions }) => ({
      topic,
      partitions: partitions.map((partition) => ({ partition })),
    })),
  });
  return new Map(
    responses.map(({ topic, partitions }) => [
      topic,
      new Map(
        partitions
          .map(({ partition, offset, metadata }) => {
            const commit = { offset: Number(offset), isOwn: metadata === ownCommit };
            return [partition, commit] as const;
          })
          .filter(([, { offset }]) => offset >= 0),
      ),
    ]),
  );
}

/** Rejects with `group_not_empty` where the group has members. */
export async function commitGroupOffsets(cluster: Cluster, group: string, offsets: GroupOffsets): Promise<void> {
  const coordinator = await coordinatorOf(cluster, group);
  const topics = [...offsets].map(([topic, partitions]) => ({
    topic,
    partitions: [...partitions].map(([partition, offset]) => ({
      partition,
      offset: String(offset),
      metadata: ownCommit,
    })),
  }));
  try {
    // Without generation and member: the coordinator takes it only for a group that has no members.
    await coordinator.offsetCommit({ groupId: group, groupGenerationId: -1, memberId: '', topics });
  } catch (error) {
    throw isOccupied(error) ? notEmpty(group) : error;
  }
}

/** Rejects with `group_not_empty` where the group has members. */
export async function deleteGroup(cluster: Cluster, group: string): Promise<'deleted' | 'unknown'> {
  const coordinator = await coordinatorOf(cluster, group);
  const [result] = (await coordinator.deleteGroups([group])).results;
  if (result?.error === undefined) return 'deleted';
  if (kafkaErrorType(result.error) === 'GROUP_ID_NOT_FOUND') return 'unknown';
  throw isOccupied(result.error) ? notEmpty(group) : result.error;
}

export async function describeGroup(cluster: Cluster, group: string): Promise<GroupDescription> {
  const coordinator = await coordinatorOf(cluster, group);
  const { groups } = await coordinator.describeGroups({ groupIds: [group] });
  const found = groups.find(({ groupId }) => groupId === group);
  if ((found?.state || 'Dead') === 'Dead') {
    const ofNewProtocol = await describeNewProtocolGroup(coordinator, group);
    if (ofNewProtocol !== null) return { group, ...ofNewProtocol };
  }
  return {
    group,
    state: (found?.state || 'Dead') as GroupDescription['state'],
    members: (found?.members ?? []).map(({ memberId, clientId, clientHost, memberAssignment }) => ({
      memberId,
      clientId,
      clientHost,
      assignment: new Map(Object.entries(kafkajs().decodeAssignment(memberAssignment)?.assignment ?? {})),
    })),
  };
}

/** Resolves also when the member is not known. */
export async function removeMember(cluster: Cluster, group: string, memberId: string): Promise<void> {
  const coordinator = await coordinatorOf(cluster, group);
  await coordinator.leaveGroup({ groupId: group, memberId }).catch((error: unknown) => {
    if (kafkaErrorType(error) !== 'UNKNOWN_MEMBER_ID') throw error;
  });
}

/** How the coordinator refuses what is not for groups with members. */
const isOccupied = (error: unknown): boolean =>
  ['UNKNOWN_MEMBER_ID', 'ILLEGAL_GENERATION', 'REBALANCE_IN_PROGRESS', 'NON_EMPTY_GROUP'].includes(
    kafkaErrorType(error),
  );

const notEmpty = (group: string): PipectlError =>
  new PipectlError('group_not_empty', `group ${group} has members: a pipeline runs in it`);
