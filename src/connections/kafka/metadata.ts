/**
 * Metadata with topic ids (version 10, Kafka 2.8, KIP-516). kafkajs stops at version 6, which has none, and without an
 * id a topic that was deleted and created again looks like the old one.
 */
import { kafkajs, type Broker, type Decoder, type Encoder } from './kafkajs.ts';

export interface TopicMetadata {
  readonly topic: string;
  /** UUID without dashes; `name:TOPIC` where the broker gives none. */
  readonly topicId: string;
  readonly internal: boolean;
  /** In ascending order. */
  readonly partitions: readonly number[];
  /** The reader may not see it. */
  readonly forbidden: boolean;
}

export interface ClusterMetadata {
  readonly clusterId: string;
  /** Topics that exist; those asked for in vain are left out. */
  readonly topics: readonly TopicMetadata[];
}

const metadataKey = 3;
const version = 10;
const unknownTopic = 3;
const topicForbidden = 29;
const noId = Buffer.alloc(16);

/** `topics: null` asks for all that this user may see. Never creates one. */
export async function requestMetadata(broker: Broker, topics: readonly string[] | null): Promise<ClusterMetadata> {
  const newest = broker.versions[metadataKey]?.maxVersion ?? 0;
  if (newest < version) {
    throw new Error(`the broker speaks Metadata up to version ${newest}: pipectl needs Kafka 2.8 or later`);
  }
  return broker.connectionPool.send({
    request: {
      apiKey: metadataKey,
      apiVersion: version,
      apiName: 'Metadata',
      encode: () => Promise.resolve(encodeRequest(topics)),
    },
    response: {
      decode: (bytes: Buffer) => Promise.resolve(decodeResponse(new (kafkajs().Decoder)(bytes))),
      parse: (metadata: ClusterMetadata) => Promise.resolve(metadata),
    },
  });
}

function encodeRequest(topics: readonly string[] | null): Encoder {
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
    .writeBoolean(false) // authorized operations of topics
    .writeUVarInt(0);
}

function decodeResponse(decoder: Decoder): ClusterMetadata {
  decoder.readTaggedFields(); // header
  decoder.readInt32(); // throttle time
  decoder.readUVarIntArray((broker) => {
    broker.readInt32();
    broker.readUVarIntString();
    broker.readInt32();
    broker.readUVarIntString();
    broker.readTaggedFields();
  });
  const clusterId = decoder.readUVarIntString() ?? '';
  decoder.readInt32(); // controller
  const topics = decoder.readUVarIntArray(decodeTopic) ?? [];
  return { clusterId, topics: topics.filter(({ errorCode }) => errorCode !== unknownTopic) };
}

function decodeTopic(decoder: Decoder): TopicMetadata & { errorCode: number } {
  const errorCode = decoder.readInt16();
  const topic = decoder.readUVarIntString() ?? '';
  const id = decoder.readBytes(16) ?? noId;
  const internal = decoder.readBoolean();
  const partitions = decoder.readUVarIntArray(decodePartition) ?? [];
  decoder.readInt32(); // authorized operations
  decoder.readTaggedFields();
  const topicId = id.equals(noId) ? `name:${topic}` : id.toString('hex');
  return {
    errorCode,
    forbidden: errorCode === topicForbidden,
    topic,
    topicId,
    internal,
    partitions: partitions.toSorted((a, b) => a - b),
  };
}

function decodePartition(decoder: Decoder): number {
  decoder.readInt16(); // error: a partition without a leader is still a partition
  const partition = decoder.readInt32();
  decoder.readInt32(); // leader
  decoder.readInt32(); // leader epoch
  for (let list = 0; list < 3; list++) decoder.readUVarIntArray((replicas) => replicas.readInt32());
  decoder.readTaggedFields();
  return partition;
}
