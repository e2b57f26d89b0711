/**
 * Questions to a Kafka cluster, and the few changes pipectl makes to it. None of them joins a group.
 *
 *     const admin = await openKafkaAdmin(context.connection('kafka'), log);
 *     const offsets = await admin.topicOffsets('orders');
 *     await admin.close();
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { Log, RawRecord } from '../../engine/ports.ts';
import { PipectlError } from '../../errors.ts';
import { createCluster, explainKafkaError, isFinalAtStart, isTransient, kafkaErrorType } from './client.ts';
import { describeCluster, type ClusterDescription } from './cluster-description.ts';
import { readConnection, type KafkaConnection } from './connection.ts';
import {
  commitGroupOffsets,
  deleteGroup,
  describeGroup,
  groupCommits,
  removeMember,
  type GroupCommits,
  type GroupDescription,
  type GroupOffsets,
} from './group-admin.ts';
import type { Broker, Cluster } from './kafkajs.ts';
import { type OffsetSpan, readFirst, readToEnd, type TopicRead } from './log-reader.ts';
import { requestMetadata, type ClusterMetadata, type TopicMetadata } from './metadata.ts';
import {
  createTopic,
  deleteRecords,
  deleteTopic,
  earliest,
  latest,
  messageBytesMax,
  offsetsAt,
  type NewTopic,
} from './topic-admin.ts';

/** Offsets of one partition: `[start, end)` can be read. `end` is the last stable offset: no open transaction in it. */
export interface PartitionOffsets {
  readonly partition: number;
  readonly start: number;
  readonly end: number;
}

/**
 * Every call may reject with a `PipectlError`: `kafka_unreachable` (exit code 3), `kafka_login_failed`,
 * `kafka_not_authorized`, `kafka_topic_missing`.
 */
export interface KafkaAdmin {
  clusterId(): Promise<string>;
  /** Names of all topics, internal ones (`__consumer_offsets`) left out, sorted. */
  topics(): Promise<string[]>;
  /** Those of `names` that exist, by name, with what this user may do with them. */
  describeTopics(names: readonly string[]): Promise<ReadonlyMap<string, TopicMetadata>>;
  /** Brokers, their disks, and the copies and settings of those of `topics` that exist. */
  describeCluster(topics: readonly string[]): Promise<ClusterDescription>;
  /** First and end offset of every partition, by partition number. */
  topicOffsets(topic: string): Promise<readonly PartitionOffsets[]>;
  /** Per partition the first offset whose timestamp is at or after `timestampMs`; the end where there is none. */
  offsetsAt(topic: string, timestampMs: number): Promise<ReadonlyMap<number, number>>;
  /** Committed offsets of a group, of all topics it ever committed or of `topics`. Empty for an unknown group. */
  groupOffsets(group: string, topics?: readonly string[]): Promise<GroupOffsets>;
  /** The same with who committed them. */
  groupCommits(group: string, topics?: readonly string[]): Promise<GroupCommits>;
  /** Commits offsets for a group without members; rejects with `group_not_empty` where it has some. */
  commitGroupOffsets(group: string, offsets: GroupOffsets): Promise<void>;
  /** Forgets a group without members, its offsets too; rejects with `group_not_empty` where it has some. */
  deleteGroup(group: string): Promise<'deleted' | 'unknown'>;
  groupDescription(group: string): Promise<GroupDescription>;
  /** Per partition the first readable record at or after its offset; null where there is none before the end. */
  recordsAt(topic: string, offsets: ReadonlyMap<number, number>): Promise<ReadonlyMap<number, RawRecord | null>>;
  /** Reads a topic up to the end offsets seen now, without a group. See `TopicRead`. */
  readTopic(topic: string, read: TopicRead): Promise<void>;
  /** The same for offsets between those that `topicOffsets` has just told. */
  readSpans(topic: string, spans: readonly OffsetSpan[], read: Omit<TopicRead, 'fromTimestampMs'>): Promise<void>;
  /** Makes a group forget a member that died, once, without trying again. Resolves also when it is not known. */
  removeMember(group: string, memberId: string): Promise<void>;
  /** The largest batch the topic takes (`max.message.bytes`); null where this user may not ask. */
  messageBytesMax(topic: string): Promise<number | null>;
  /** Creates a topic unless it exists. */
  createTopic(topic: NewTopic): Promise<'created' | 'exists'>;
  deleteTopic(topic: string): Promise<'deleted' | 'unknown'>;
  /** Deletes the records of each partition below an offset, for good. */
  deleteRecords(topic: string, before: ReadonlyMap<number, number>): Promise<void>;
  /** Never rejects. */
  close(): Promise<void>;
}

const createdDelaysMs = [20, 50, 100, 300, 1000, 1000];
const firstConnectMs = 15_000;
const reconnectMs = 250;

/**
 * Connects within 15 seconds, else rejects with `kafka_unreachable`; at once when `signal` aborts before. `options` are
 * those of a `kafka` connection.
 */
export async function openKafkaAdmin(
  options: Readonly<Record<string, unknown>>,
  log: Log,
  signal?: AbortSignal,
): Promise<KafkaAdmin> {
  const connection = readConnection(options);
  const cut = new AbortController();
  const cluster = createCluster(connection, log, cut.signal);
  const over = AbortSignal.any([AbortSignal.timeout(firstConnectMs), ...(signal === undefined ? [] : [signal])]);
  const giveUp = () => cut.abort();
  over.addEventListener('abort', giveUp);
  try {
    await connect(cluster, over);
  } catch (error) {
    await cluster.disconnect().catch(() => undefined);
    throw explainKafkaError(error, connection, 'connecting to Kafka');
  } finally {
    over.removeEventListener('abort', giveUp);
  }
  return new Admin(cluster, connection, cut);
}

/** Rejects with the last real answer: that it was given up is no reason. */
async function connect(cluster: Cluster, over: AbortSignal): Promise<void> {
  let reason: unknown = new Error('no answer');
  while (!over.aborted) {
    try {
      await cluster.connect();
      // Metadata of no topic in particular: who the brokers are.
      await cluster.addMultipleTargetTopics([]);
      return;
    } catch (error) {
      if (!over.aborted) reason = error;
      if (isFinalAtStart(error)) break;
      await delay(reconnectMs, undefined, { signal: over }).catch(() => undefined);
    }
  }
  throw reason;
}

class Admin implements KafkaAdmin {
  readonly #cluster: Cluster;
  readonly #connection: KafkaConnection;
  readonly #cut: AbortController;

  /** `cut` is that of the cluster's connections. */
  constructor(cluster: Cluster, connection: KafkaConnection, cut: AbortController) {
    this.#cluster = cluster;
    this.#connection = connection;
    this.#cut = cut;
  }

  async clusterId(): Promise<string> {
    return (await this.#metadata([])).clusterId;
  }

  async topics(): Promise<string[]> {
    const { topics } = await this.#metadata(null);
    return topics
      .filter(({ internal }) => !internal)
      .map(({ topic }) => topic)
      .toSorted();
  }

  async describeTopics(names: readonly string[]): Promise<ReadonlyMap<string, TopicMetadata>> {
    const { topics } = await this.#metadata(names);
    const forbidden = topics.find((topic) => topic.forbidden);
    if (forbidden !== undefined) {
      throw new PipectlError('kafka_not_authorized', `this user may not read topic ${forbidden.topic}`);
    }
    return new Map(topics.map((topic) => [topic.topic, topic]));
  }

  describeCluster(topics: readonly string[]): Promise<ClusterDescription> {
    return this.#asking('the state of the cluster', async () =>
      describeCluster(this.#cluster, await requestMetadata(await this.#anyBroker(), topics, { withRights: true })),
    );
  }

  topicOffsets(topic: string): Promise<readonly PartitionOffsets[]> {
    return this.#asking(`offsets of topic ${topic}`, async () => {
      const [starts, ends] = await Promise.all([this.#offsets(topic, earliest), this.#offsets(topic, latest)]);
      return [...ends]
        .map(([partition, end]) => ({ partition, start: starts.get(partition) ?? 0, end }))
        .sort((a, b) => a.partition - b.partition);
    });
  }

  offsetsAt(topic: string, timestampMs: number): Promise<ReadonlyMap<number, number>> {
    return this.#asking(`offsets of topic ${topic} by time`, async () => {
      const [found, ends] = await Promise.all([this.#offsets(topic, timestampMs), this.#offsets(topic, latest)]);
      return new Map([...ends].map(([partition, end]) => [partition, existing(found.get(partition)) ?? end]));
    });
  }

  async groupOffsets(group: string, topics?: readonly string[]): Promise<GroupOffsets> {
    const commits = await this.groupCommits(group, topics);
    return new Map(
      [...commits].map(([topic, partitions]) => [
        topic,
        new Map([...partitions].map(([partition, { offset }]) => [partition, offset])),
      ]),
    );
  }

  groupCommits(group: string, topics?: readonly string[]): Promise<GroupCommits> {
    return this.#asking(`offsets of group ${group}`, async () => {
      const asked = topics === undefined ? null : [...(await this.describeTopics(topics)).values()];
      return groupCommits(this.#cluster, group, asked);
    });
  }

  commitGroupOffsets(group: string, offsets: GroupOffsets): Promise<void> {
    return this.#asking(`moving offsets of group ${group}`, () => commitGroupOffsets(this.#cluster, group, offsets));
  }

  deleteGroup(group: string): Promise<'deleted' | 'unknown'> {
    return this.#asking(`deleting group ${group}`, () => deleteGroup(this.#cluster, group));
  }

  groupDescription(group: string): Promise<GroupDescription> {
    return this.#asking(`members of group ${group}`, () => describeGroup(this.#cluster, group));
  }

  recordsAt(topic: string, offsets: ReadonlyMap<number, number>): Promise<ReadonlyMap<number, RawRecord | null>> {
    return this.#asking(`records of topic ${topic}`, async () => {
      const bounds = await this.topicOffsets(topic);
      const spans = bounds
        .filter(({ partition }) => offsets.has(partition))
        .map(({ partition, start, end }) => ({ partition, from: Math.max(offsets.get(partition)!, start), to: end }));
      return readFirst(this.#cluster, topic, spans);
    });
  }

  async readTopic(topic: string, read: TopicRead): Promise<void> {
    const bounds = await this.topicOffsets(topic);
    const { fromTimestampMs } = read;
    const from = fromTimestampMs === undefined ? null : await this.offsetsAt(topic, fromTimestampMs);
    const spans = bounds.map(({ partition, start, end }) => ({
      partition,
      from: Math.max(start, from?.get(partition) ?? start),
      to: end,
    }));
    await this.readSpans(topic, spans, read);
  }

  async readSpans(
    topic: string,
    spans: readonly OffsetSpan[],
    read: Omit<TopicRead, 'fromTimestampMs'>,
  ): Promise<void> {
    try {
      await readToEnd(this.#cluster, topic, spans, read);
    } catch (error) {
      // What the caller's own function threw is the caller's.
      if (kafkaErrorType(error).startsWith('KafkaJS') || (error as { type?: unknown }).type !== undefined) {
        throw explainKafkaError(error, this.#connection, `reading topic ${topic}`);
      }
      throw error;
    }
  }

  removeMember(group: string, memberId: string): Promise<void> {
    return removeMember(this.#cluster, group, memberId);
  }

  messageBytesMax(topic: string): Promise<number | null> {
    return this.#asking(`the settings of topic ${topic}`, async () => {
      await this.#existing(topic);
      return messageBytesMax(await this.#anyBroker(), topic);
    });
  }

  createTopic(topic: NewTopic): Promise<'created' | 'exists'> {
    return this.#asking(`creating topic ${topic.topic}`, async () => {
      const { requestTimeoutMs } = this.#connection;
      if ((await createTopic(this.#cluster, topic, requestTimeoutMs)) === 'exists') return 'exists';
      // The controller has made it; a broker learns of it a moment later.
      for (const waitMs of createdDelaysMs) {
        if ((await this.describeTopics([topic.topic])).has(topic.topic)) break;
        await delay(waitMs);
      }
      return 'created';
    });
  }

  deleteTopic(topic: string): Promise<'deleted' | 'unknown'> {
    const { requestTimeoutMs } = this.#connection;
    return this.#asking(`deleting topic ${topic}`, () => deleteTopic(this.#cluster, topic, requestTimeoutMs));
  }

  deleteRecords(topic: string, before: ReadonlyMap<number, number>): Promise<void> {
    return this.#asking(`deleting records of topic ${topic}`, async () => {
      if (before.size === 0) return;
      await this.#target(topic);
      await deleteRecords(this.#cluster, topic, before);
    });
  }

  async close(): Promise<void> {
    await this.#cluster.disconnect().catch(() => undefined);
    // A call that is still under way would connect again.
    this.#cut.abort();
  }

  #metadata(topics: readonly string[] | null): Promise<ClusterMetadata> {
    return this.#asking('metadata', async () =>
      requestMetadata(await this.#anyBroker(), topics, { withRights: topics !== null }),
    );
  }

  async #anyBroker(): Promise<Broker> {
    const broker = await this.#cluster.brokerPool.withBroker(({ broker }) => Promise.resolve(broker));
    if (broker === null) throw new Error('no broker is connected');
    return broker;
  }

  async #offsets(topic: string, timestamp: number): Promise<Map<number, number>> {
    await this.#target(topic);
    return offsetsAt(this.#cluster, topic, timestamp);
  }

  /** Loads who leads the topic's partitions. */
  async #target(topic: string): Promise<void> {
    const { partitions } = await this.#existing(topic);
    await this.#cluster.addMultipleTargetTopics([topic]);
    // What kafkajs knows of a topic is up to a minute old, and partitions may have been added since.
    if (this.#cluster.findTopicPartitionMetadata(topic).length !== partitions.length) {
      await this.#cluster.refreshMetadata();
    }
  }

  /** Asked first: kafkajs would ask for a missing topic again and again. */
  async #existing(topic: string): Promise<TopicMetadata> {
    const found = (await this.describeTopics([topic])).get(topic);
    if (found === undefined) {
      throw new PipectlError(
        'kafka_topic_missing',
        `topic ${topic} not found at ${this.#connection.brokers.join(', ')}`,
      );
    }
    return found;
  }

  /** Asks again while the cluster moves (leaders, coordinators, connections), for a few seconds. */
  async #asking<T>(what: string, ask: () => Promise<T>): Promise<T> {
    const delaysMs = [100, 300, 1000, 2000, 3000];
    for (const delayMs of [...delaysMs, null]) {
      try {
        return await ask();
      } catch (error) {
        if (error instanceof PipectlError) throw error;
        if (delayMs === null || !isTransient(error) || this.#cut.signal.aborted)
          throw explainKafkaError(error, this.#connection, `asking Kafka for ${what}`);
        await delay(delayMs);
        await this.#cluster.refreshMetadata().catch(() => undefined);
      }
    }
    throw new Error('unreachable');
  }
}

function existing(offset: number | undefined): number | undefined {
  return offset === undefined || offset < 0 ? undefined : offset;
}
