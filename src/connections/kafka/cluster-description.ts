/** How a cluster is: its brokers and what they have on disk, the settings of topics. For those who look after it. */
import { withinMs } from '../time-limit.ts';
import { kafkajs, type Broker, type Cluster, type Decoder } from './kafkajs.ts';
import type { BrokerAddress, ClusterMetadata, TopicMetadata } from './metadata.ts';
import { sendRequest } from './request.ts';

export interface BrokerDescription extends BrokerAddress {
  /** Null where it answers; else why not. */
  readonly failure: string | null;
  /** The highest version of Fetch it speaks, which tells its release; null where it does not answer. */
  readonly fetchVersion: number | null;
  /** Null where this user may not see them. */
  readonly disks: readonly LogDirectory[] | null;
}

/** One directory of a broker. Bytes. */
export interface LogDirectory {
  readonly path: string;
  /** The directory has failed, and what is in it can't be read. */
  readonly failed: boolean;
  /** Of the whole disk; null before Kafka 3.3. */
  readonly totalBytes: number | null;
  readonly usableBytes: number | null;
  /** What each topic takes here, by name. */
  readonly topics: ReadonlyMap<string, number>;
}

export interface ClusterDescription {
  readonly clusterId: string;
  /** In ascending order of their ids. */
  readonly brokers: readonly BrokerDescription[];
  readonly topics: readonly TopicDescription[];
}

export interface TopicDescription extends TopicMetadata {
  /** Settings by name; null where this user may not see them. */
  readonly settings: ReadonlyMap<string, string> | null;
}

const fetchKey = 1;
const logDirsKey = 35;
const topicResource = 2;
const settingNames = ['min.insync.replicas', 'retention.ms', 'retention.bytes', 'cleanup.policy'];
const brokerAnswersMs = 5000;

/** `metadata`: of the topics to look at. What one broker does not tell does not keep the others from it. */
export async function describeCluster(
  cluster: Cluster,
  { clusterId, brokers, topics }: ClusterMetadata,
): Promise<ClusterDescription> {
  // It fails where a topic that was asked about before has a partition without a leader; brokers are known nevertheless.
  await cluster.refreshMetadata().catch(() => undefined);
  const described = await Promise.all(brokers.map((broker) => describeBroker(cluster, broker)));
  return { clusterId, brokers: described, topics: await withSettings(cluster, topics) };
}

async function describeBroker(cluster: Cluster, address: BrokerAddress): Promise<BrokerDescription> {
  const asked = async (): Promise<BrokerDescription> => {
    const broker = await cluster.findBroker({ nodeId: address.id });
    const fetchVersion = broker.versions[fetchKey]?.maxVersion ?? null;
    return { ...address, failure: null, fetchVersion, disks: await requestLogDirs(broker) };
  };
  try {
    return await withinMs(brokerAnswersMs, asked, () => new Error(`no answer in ${brokerAnswersMs / 1000} s`));
  } catch (error) {
    const failure = error instanceof Error ? error.message : String(error);
    return { ...address, failure, fetchVersion: null, disks: null };
  }
}

async function withSettings(cluster: Cluster, topics: readonly TopicMetadata[]): Promise<TopicDescription[]> {
  const visible = topics.filter(({ forbidden }) => !forbidden);
  const unknown = topics.map((topic) => ({ ...topic, settings: null }));
  if (visible.length === 0) return unknown;
  try {
    const broker = await cluster.findControllerBroker();
    const { resources } = await broker.describeConfigs({
      resources: visible.map(({ topic }) => ({ type: topicResource, name: topic, configNames: settingNames })),
    });
    const settings = new Map(
      resources.map(({ resourceName, configEntries }) => [
        resourceName,
        new Map(configEntries.map(({ configName, configValue }) => [configName, configValue ?? ''])),
      ]),
    );
    return topics.map((topic) => ({ ...topic, settings: settings.get(topic.topic) ?? null }));
  } catch {
    // To see settings is a right of its own; without it the rest is still worth telling.
    return unknown;
  }
}

/** DescribeLogDirs, versions 2 to 4 (KIP-113; KIP-827 adds the size of the disk). Null where it is not allowed. */
async function requestLogDirs(broker: Broker): Promise<readonly LogDirectory[] | null> {
  const version = Math.min(4, broker.versions[logDirsKey]?.maxVersion ?? 0);
  if (version < 2) return null;
  return sendRequest(broker, {
    key: logDirsKey,
    version,
    name: 'DescribeLogDirs',
    encode: () => {
      const withHeader = new (kafkajs().Encoder)().writeUVarInt(0); // header's tagged fields
      return withHeader.writeUVarInt(0).writeUVarInt(0); // all topics; tagged fields
    },
    decode: (decoder) => decodeLogDirs(decoder, version),
  });
}

function decodeLogDirs(decoder: Decoder, version: number): readonly LogDirectory[] | null {
  decoder.readTaggedFields(); // header
  decoder.readInt32(); // throttle time
  const refused = version >= 3 && decoder.readInt16() !== 0;
  const dirs = decoder.readUVarIntArray((dir): LogDirectory => {
    const failed = dir.readInt16() !== 0;
    const path = dir.readUVarIntString() ?? '';
    const topics = new Map(dir.readUVarIntArray(decodeTopicSize) ?? []);
    const [totalBytes, usableBytes] = version >= 4 ? [sizeIn(dir), sizeIn(dir)] : [null, null];
    dir.readTaggedFields();
    return { path, failed, totalBytes, usableBytes, topics };
  });
  // Before version 3 a refusal is an empty list.
  return refused || dirs === null || dirs.length === 0 ? null : dirs;
}

function decodeTopicSize(decoder: Decoder): readonly [topic: string, bytes: number] {
  const topic = decoder.readUVarIntString() ?? '';
  const sizes = decoder.readUVarIntArray((partition) => {
    partition.readInt32(); // partition
    const bytes = Number(partition.readInt64());
    partition.readInt64(); // offset lag
    partition.readBoolean(); // is moving here
    partition.readTaggedFields();
    return bytes;
  });
  decoder.readTaggedFields();
  return [topic, (sizes ?? []).reduce((sum, bytes) => sum + bytes, 0)];
}

/** -1 where the broker can't tell. */
function sizeIn(decoder: Decoder): number | null {
  const bytes = Number(decoder.readInt64());
  return bytes < 0 ? null : bytes;
}

/** `retention.ms` of each topic that deletes old records and tells its settings. */
export function retentionOf({ topics }: ClusterDescription): Map<string, number> {
  const limited = topics.flatMap(({ topic, settings }): readonly (readonly [string, number])[] => {
    const ms = Number(settings?.get('retention.ms') ?? -1);
    return ms > 0 && settings?.get('cleanup.policy')?.includes('delete') ? [[topic, ms]] : [];
  });
  return new Map(limited);
}
