/**
 * How a producer of kafkajs sends the messages of one call and repeats what was not acknowledged, per partition. kafkajs
 * remembers which brokers have answered instead: where a leader dies and its partition moves to a broker that has already
 * answered for others, its messages are left out and the call succeeds. Moved the other way round they are written twice,
 * and while a call is repeated its former requests are still under way.
 */
import type { Broker, Cluster } from './kafkajs.ts';

interface TopicMessages {
  readonly topic: string;
  readonly messages: readonly object[];
}

interface Call {
  readonly acks: number;
  readonly timeout?: number;
  readonly compression?: unknown;
  readonly topicMessages: readonly TopicMessages[];
}

/** Sequence numbers and transactions of a producer. */
interface EosManager {
  acquireBrokerLock(broker: Broker): Promise<void>;
  releaseBrokerLock(broker: Broker): Promise<void>;
  isTransactional(): boolean;
  getTransactionalId(): string | undefined;
  getProducerId(): number;
  getProducerEpoch(): number;
  addPartitionsToTransaction(topicData: readonly TopicData[]): Promise<void>;
  getSequence(topic: string, partition: number): number;
  updateSequence(topic: string, partition: number, by: number): void;
}

interface TopicData {
  readonly topic: string;
  readonly partitions: readonly {
    readonly partition: number;
    readonly firstSequence: number;
    readonly messages: readonly object[];
  }[];
}

export interface Acknowledged {
  readonly topicName: string;
  readonly partition: number;
}

/** What a producer of kafkajs has. */
export interface Producing {
  readonly logger: { error(message: string, details: object): void };
  readonly cluster: Cluster;
  readonly partitioner: (of: {
    readonly topic: string;
    readonly partitionMetadata: readonly unknown[];
    readonly message: object;
  }) => number;
  readonly eosManager: EosManager;
  readonly retrier: <T>(
    attempt: (bail: (error: unknown) => void, retryCount: number, retryTime: number) => Promise<T>,
  ) => Promise<T>;
  /** True for an error that says that another broker leads the partition. */
  readonly staleMetadata: (error: unknown) => boolean;
}

/** The messages of one call for one partition: what is acknowledged as a whole, and repeated as it was. */
interface Part {
  readonly topic: string;
  readonly partition: number;
  readonly messages: object[];
}

/** Another look at the cluster may help. */
const mendedByMetadata = new Set([
  'KafkaJSMetadataNotLoaded',
  'KafkaJSConnectionError',
  'KafkaJSConnectionClosedError',
]);

/** Takes the place of `createSendMessages` of kafkajs. What it gives resolves when every partition has acknowledged. */
export function createSendMessages(producing: Producing) {
  const { cluster, logger, retrier, staleMetadata } = producing;
  return ({ topicMessages, ...how }: Call): Promise<Acknowledged[]> => {
    /** Null until the partitions are known. */
    let missing: readonly Part[] | null = null;
    const acknowledged: Acknowledged[] = [];

    const attempt = async (): Promise<void> => {
      await cluster.refreshMetadataIfNecessary();
      missing ??= topicMessages.flatMap((each) => partsOf(each, producing));
      const outcomes = await Promise.allSettled(
        (await byLeader(missing, cluster)).map(async ([broker, parts]) => {
          acknowledged.push(...(await produce(broker, parts, how, producing)));
          return parts;
        }),
      );
      const done = new Set(outcomes.flatMap((one) => (one.status === 'fulfilled' ? one.value : [])));
      missing = missing.filter((part) => !done.has(part));
      const failed = outcomes.find((one) => one.status === 'rejected');
      if (failed !== undefined) throw failed.reason;
    };

    return retrier(async (bail, retryCount, retryTime) => {
      await cluster.addMultipleTargetTopics(topicMessages.map(({ topic }) => topic));
      try {
        await attempt();
      } catch (given) {
        const error = given as Error & { retriable?: boolean; host?: string; port?: number };
        if (error.name === 'KafkaJSConnectionClosedError') cluster.removeBroker({ host: error.host, port: error.port });
        logger.error(`Failed to send messages: ${error.message}`, { retryCount, retryTime });
        if (!cluster.isConnected()) {
          await cluster.connect();
          await cluster.refreshMetadata();
          throw error;
        }
        const isRetriable = error.retriable === true;
        if (
          staleMetadata(error) ||
          mendedByMetadata.has(error.name) ||
          (error.name === 'KafkaJSProtocolError' && isRetriable)
        ) {
          await cluster.refreshMetadata();
          throw error;
        }
        if (isRetriable) throw error;
        bail(error);
      }
      return acknowledged;
    });
  };
}

/** The partition of a message is chosen once: a batch that differs under the same sequence numbers would be refused. */
function partsOf({ topic, messages }: TopicMessages, { cluster, partitioner }: Producing): Part[] {
  const partitionMetadata = cluster.findTopicPartitionMetadata(topic);
  const parts = new Map<number, Part>();
  for (const message of messages) {
    const partition = partitionMetadata.length === 0 ? 0 : partitioner({ topic, partitionMetadata, message });
    if (partition >= partitionMetadata.length) throw unknownPartition(topic, partition, partitionMetadata.length);
    const part = parts.get(partition);
    if (part === undefined) parts.set(partition, { topic, partition, messages: [message] });
    else part.messages.push(message);
  }
  return [...parts.values()];
}

async function byLeader(parts: readonly Part[], cluster: Cluster): Promise<[Broker, Part[]][]> {
  const found = new Map<string, Part[]>();
  for (const part of parts) {
    const { topic, partition } = part;
    const leader = Object.keys(cluster.findLeaderForPartitions(topic, [partition]))[0];
    if (leader === undefined)
      throw unknownPartition(topic, partition, cluster.findTopicPartitionMetadata(topic).length);
    const own = found.get(leader);
    if (own === undefined) found.set(leader, [part]);
    else own.push(part);
  }
  return Promise.all(
    [...found].map(async ([leader, own]): Promise<[Broker, Part[]]> => [
      await cluster.findBroker({ nodeId: Number(leader) }),
      own,
    ]),
  );
}

/** kafkajs reads the metadata again and repeats the call. */
const unknownPartition = (topic: string, partition: number, count: number): Error =>
  Object.assign(new Error(`topic ${topic} has ${count} partitions, none with number ${partition}`), {
    name: 'KafkaJSMetadataNotLoaded',
  });

/** One request: acknowledged as a whole or not at all, and then its sequence numbers are used again. */
async function produce(
  broker: Broker,
  parts: readonly Part[],
  how: Omit<Call, 'topicMessages'>,
  { eosManager }: Producing,
): Promise<Acknowledged[]> {
  await eosManager.acquireBrokerLock(broker);
  try {
    const topicData: TopicData[] = [...Map.groupBy(parts, ({ topic }) => topic)].map(([topic, own]) => ({
      topic,
      partitions: own.map(({ partition, messages }) => ({
        partition,
        firstSequence: eosManager.getSequence(topic, partition),
        messages,
      })),
    }));
    const isTransactional = eosManager.isTransactional();
    if (isTransactional) await eosManager.addPartitionsToTransaction(topicData);
    const count = (sign: 1 | -1): void => {
      for (const { topic, partition, messages } of parts)
        eosManager.updateSequence(topic, partition, sign * messages.length);
    };
    count(1);
    try {
      const { topics } = await broker.produce({
        ...how,
        transactionalId: isTransactional ? eosManager.getTransactionalId() : undefined,
        producerId: eosManager.getProducerId(),
        producerEpoch: eosManager.getProducerEpoch(),
        topicData,
      });
      return topics.flatMap(({ topicName, partitions }) => partitions.map((one) => ({ topicName, ...one })));
    } catch (error) {
      count(-1);
      throw error;
    }
  } finally {
    await eosManager.releaseBrokerLock(broker);
  }
}
