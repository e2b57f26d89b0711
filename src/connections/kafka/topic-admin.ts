/** The part of `admin.ts` that is about one topic. Each is asked once; the client must know who leads its partitions. */
import { kafkaErrorType } from './client.ts';
import type { Broker, Cluster } from './kafkajs.ts';

export interface NewTopic {
  readonly topic: string;
  /** Default 1. */
  readonly partitions?: number;
  /** Default: the broker's. */
  readonly replicas?: number;
  /** Topic settings: `{ 'retention.ms': '1209600000' }`. */
  readonly config?: Readonly<Record<string, string>>;
}

/** Of DescribeConfigs. */
const topicResource = 2;
const readCommitted = 1;

/** Timestamps that stand for a log's first offset and for its end. */
export const earliest = -2;
export const latest = -1;

/** The offset of each partition at a timestamp, `earliest` or `latest`; -1 where there is none. */
export async function offsetsAt(cluster: Cluster, topic: string, timestamp: number): Promise<Map<number, number>> {
  const partitions = cluster.findTopicPartitionMetadata(topic).map(({ partitionId }) => partitionId);
  const leaders = cluster.findLeaderForPartitions(topic, partitions);
  const answers = await Promise.all(
    Object.entries(leaders).map(async ([nodeId, led]) => {
      const broker = await cluster.findBroker({ nodeId: Number(nodeId) });
      const { responses } = await broker.listOffsets({
        isolationLevel: readCommitted,
        topics: [{ topic, partitions: led.map((partition) => ({ partition, timestamp })) }],
      });
      return responses.flatMap((response) => response.partitions);
    }),
  );
  return new Map(answers.flat().map(({ partition, offset }) => [partition, Number(offset)]));
}

/** The largest batch a topic that is there takes; null where this user may not ask. */
export async function messageBytesMax(broker: Broker, topic: string): Promise<number | null> {
  const name = 'max.message.bytes';
  try {
    const { resources } = await broker.describeConfigs({
      resources: [{ type: topicResource, name: topic, configNames: [name] }],
    });
    const entry = resources[0]?.configEntries.find(({ configName }) => configName === name);
    return entry === undefined ? null : Number(entry.configValue);
  } catch (error) {
    if (kafkaErrorType(error).endsWith('_AUTHORIZATION_FAILED')) return null;
    throw error;
  }
}

/** `created` once the controller has made it: other brokers learn of it a moment later. */
export async function createTopic(
  cluster: Cluster,
  { topic, partitions, replicas, config = {} }: NewTopic,
  timeoutMs: number,
): Promise<'created' | 'exists'> {
  const controller = await cluster.findControllerBroker();
  const asked = {
    topic,
    numPartitions: partitions ?? 1,
    replicationFactor: replicas ?? -1,
    configEntries: Object.entries(config).map(([name, value]) => ({ name, value })),
  };
  try {
    await controller.createTopics({ topics: [asked], timeout: timeoutMs });
    return 'created';
  } catch (error) {
    if (kafkaErrorType(error) === 'TOPIC_ALREADY_EXISTS') return 'exists';
    throw error;
  }
}

export async function deleteTopic(cluster: Cluster, topic: string, timeoutMs: number): Promise<'deleted' | 'unknown'> {
  const controller = await cluster.findControllerBroker();
  try {
    await controller.deleteTopics({ topics: [topic], timeout: timeoutMs });
    return 'deleted';
  } catch (error) {
    if (kafkaErrorType(error) === 'UNKNOWN_TOPIC_OR_PARTITION') return 'unknown';
    throw error;
  }
}

/** Deletes the records of each partition below an offset, for good. */
export async function deleteRecords(
  cluster: Cluster,
  topic: string,
  before: ReadonlyMap<number, number>,
): Promise<void> {
  const leaders = cluster.findLeaderForPartitions(topic, [...before.keys()]);
  for (const [nodeId, led] of Object.entries(leaders)) {
    const broker = await cluster.findBroker({ nodeId: Number(nodeId) });
    const partitions = led.map((partition) => ({ partition, offset: String(before.get(partition)) }));
    await broker.deleteRecords({ topics: [{ topic, partitions }] });
  }
}
