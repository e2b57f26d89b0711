/**
 * Metadata with topic ids (version 10, Kafka 2.8, KIP-516). kafkajs stops at version 6, which has none, and without an
 * id a topic that was deleted and created again looks like the old one.
 */
import { kafkajs, type Broker, type Decoder, type Encoder } from './kafkajs.ts';
import { sendRequest } from './request.ts';

export interface TopicMetadata {
  readonly topic: string;
  /** UUID without dashes; `name:TOPIC` where the broker gives none. */
  readonly topicId: string;
  readonly internal: boolean;
  /** In ascending order. */
  readonly partitions: readonly number[];
  /** The reader may not see it. */
  readonly forbidden: boolean;
  /** Where the copies of each partition are, in the order of `partitions`. */
  readonly copies: readonly PartitionCopies[];
  /** What this user may do with it; null where it was not asked for, or the broker does not say. */
  readonly rights: { readonly read: boolean; readonly write: boolean } | null;
}

/** Brokers by their ids. */
export interface PartitionCopies {
  readonly partition: number;
  /** Null where it has none: nobody can read or write. */
  readonly leader: number | null;
  readonly replicas: readonly number[];
  readonly inSync: readonly number[];
}

export interface BrokerAddress {
  readonly id: number;
  readonly host: string;
  readonly port: number;
  readonly rack?: string | null;
}

export interface ClusterMetadata {
  readonly clusterId: string;
  readonly controllerId: number;
  /** Those that are up. */
  readonly brokers: readonly BrokerAddress[];
  /** Topics that exist; those asked for in vain are left out. */
  readonly topics: readonly TopicMetadata[];
}

const metadataKey = 3;
const version = 10;
const unknownTopic = 3;
const topicForbidden = 29;
const noId = Buffer.alloc(16);
/** Brokers that do not tell what is allowed. */
const notAsked = -(2 ** 31);

/** `topics: null` asks for all that this user may see. Never creates one. */
export async function requestMetadata(
  broker: Broker,
  topics: readonly string[] | null,
  { withRights = false } = {},
): Promise<ClusterMetadata> {
  const newest = broker.versions[metadataKey]?.maxVersion ?? 0;
  if (newest < version) {
    throw new Error(`the broker speaks Metadata up to version ${newest}: pipectl needs Kafka 2.8 or later`);
  }
  return sendRequest(broker, {
    key: metadataKey,
    version,
    name: 'Metadata',
    encode: () => encodeRequest(topics, withRights),
    decode: decodeResponse,
  });
}

function encodeRequest(topics: readonly string[] | null, withRights: boolean): Encoder {
  const { Encoder } = kafkajs();
  const withHeader = new Encoder().writeUVarInt(0); // header's tagged fields
  const listed =
    topics === null
      ? withHeader.writeUVarInt(0)
      : withHeader.writeUVarIntArray(
          topics.map((topic) => new Encoder().writeBuffer(noId).writeUVarIntString(topic).writeUVarInt(0)),
        );
  return listed
    .writeBoolean(false) // create topics
    .writeBoolean(false) // authorized operations of the cluster
    .writeBoolean(withRights) // authorized operations of topics
    .writeUVarInt(0);
}

function decodeResponse(decoder: Decoder): ClusterMetadata {
  decoder.readTaggedFields(); // header
  decoder.readInt32(); // throttle time
  const brokers = decoder.readUVarIntArray((broker): BrokerAddress => {
    const address = { id: broker.readInt32(), host: broker.readUVarIntString() ?? '', port: broker.readInt32() };
    const rack = broker.readUVarIntString();
    broker.readTaggedFields();
    return { ...address, rack };
  });
  const clusterId = decoder.readUVarIntString() ?? '';
  const controllerId = decoder.readInt32();
  const topics = decoder.readUVarIntArray(decodeTopic) ?? [];
  return {
    clusterId,
    controllerId,
    brokers: (brokers ?? []).toSorted((a, b) => a.id - b.id),
    topics: topics.filter(({ errorCode }) => errorCode !== unknownTopic),
  };
}

function decodeTopic(decoder: Decoder): TopicMetadata & { errorCode: number } {
  const errorCode = decoder.readInt16();
  const topic = decoder.readUVarIntString() ?? '';
  const id = decoder.readBytes(16) ?? noId;
  const internal = decoder.readBoolean();
  const copies = (decoder.readUVarIntArray(decodePartition) ?? []).toSorted((a, b) => a.partition - b.partition);
  const operations = decoder.readInt32();
  decoder.readTaggedFields();
  const topicId = id.equals(noId) ? `name:${topic}` : id.toString('hex');
  return {
    errorCode,
    forbidden: errorCode === topicForbidden,
    topic,
    topicId,
    internal,
    partitions: copies.map(({ partition }) => partition),
    copies,
    rights: operations === notAsked ? null : { read: allows(operations, 3), write: allows(operations, 4) },
  };
}

/** AclOperation: 3 is READ, 4 is WRITE. */
const allows = (operations: number, operation: number): boolean => (operations & (1 << operation)) !== 0;

function decodePartition(decoder: Decoder): PartitionCopies {
  const ids = () => decoder.readUVarIntArray((replicas) => replicas.readInt32()) ?? [];
  decoder.readInt16(); // error: a partition without a leader is still a partition
  const partition = decoder.readInt32();
  const leader = decoder.readInt32();
  decoder.readInt32(); // leader epoch
  const [replicas, inSync] = [ids(), ids()];
  ids(); // offline replicas
  decoder.readTaggedFields();
  return { partition, leader: leader < 0 ? null : leader, replicas, inSync };
}
