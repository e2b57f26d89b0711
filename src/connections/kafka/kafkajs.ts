/**
 * kafkajs, pinned to one version, with what this project replaces in it. Everything that knows its inside is in this
 * file; `test/connections/kafka/record-batch.test.ts` holds the reader against kafkajs' own, and the contract suite runs the
 * whole against a broker.
 *
 * 1. A fetched partition is kept as bytes (`FetchedPartition`) and decoded when the engine takes it. kafkajs makes an
 *    object with ten fields and several BigInts of every record as soon as it arrives: twice the CPU (2.1 against 1.2
 *    microseconds a record of 264 bytes, 2 cores, Node 24) and memory for records nobody has asked for yet. Along with
 *    it go four faults: a data record with the key 00000000 ended the filtering of an aborted transaction, a log whose
 *    last records were compacted away was fetched at the same offset for ever, a header called `valueOf` was mixed up
 *    with the function of that name, and end offsets of idle partitions were never seen.
 * 2. An offset out of range ends the consumer. kafkajs would commit -1 or -2 for the group and read from somewhere else.
 * 3. A commit is sent once. kafkajs repeats it after a rejoin under the new generation, with positions of the old one.
 * 4. The timer of an empty request queue is not set. Its delay is negative, which Node 24 warns about.
 * 5. What a producer sends is repeated by partition until each has acknowledged (`send-messages.ts`). kafkajs loses messages
 *    whose partition moves, and what is meant for a partition that it does not know yet it leaves out without a word.
 */
import { createRequire } from 'node:module';
import type { Socket } from 'node:net';
import type { Consumer, ConsumerConfig, KafkaConfig, PartitionAssigner, Producer, ProducerConfig } from 'kafkajs';
import { loadLibrary } from './compression.ts';
import { FetchedPartition, type FetchedPartitionData } from './fetched-partition.ts';
import { optionalCodecIn } from './record-batch.ts';
import { createSendMessages, type Producing } from './send-messages.ts';
import type { GroupRequest } from './static-member.ts';

const pinned = '2.2.4';

/** `Kafka` of kafkajs. */
export interface KafkaClient {
  consumer(config: ConsumerConfig): Consumer;
  producer(config: ProducerConfig): Producer;
}

/** The connections of one client, below consumer and producer. */
export interface Cluster {
  connect(): Promise<void>;
  disconnect(): Promise<void>;
  isConnected(): boolean;
  refreshMetadata(): Promise<void>;
  refreshMetadataIfNecessary(): Promise<void>;
  removeBroker(at: { host: string | undefined; port: number | undefined }): void;
  addMultipleTargetTopics(topics: readonly string[]): Promise<void>;
  findBroker(at: { nodeId: number }): Promise<Broker>;
  findControllerBroker(): Promise<Broker>;
  findGroupCoordinator(of: { groupId: string }): Promise<Broker>;
  findLeaderForPartitions(topic: string, partitions: readonly number[]): Record<string, number[]>;
  findTopicPartitionMetadata(topic: string): readonly { readonly partitionId: number }[];
  readonly brokerPool: BrokerPool;
}

export interface BrokerPool {
  withBroker<T>(use: (at: { broker: Broker }) => Promise<T>): Promise<T | null>;
  /** Whom it asks for metadata. */
  findConnectedBroker: (this: BrokerPool) => Promise<Broker>;
}

export interface TopicRequest<P> {
  readonly topic: string;
  readonly partitions: readonly P[];
}

export interface Broker {
  readonly nodeId: number;
  readonly versions: Readonly<Record<number, { readonly maxVersion: number } | undefined>>;
  /** Of all topics where there are none. */
  metadata(topics: readonly string[]): Promise<unknown>;
  /** `coordinatorType`: 0 of a group. */
  findGroupCoordinator(of: { groupId: string; coordinatorType: 0 }): Promise<unknown>;
  /** The request in the newest version that both sides know. */
  lookupRequest(apiKey: number, versions: object): (given: object) => { request: object; response: object };
  readonly connectionPool: {
    send<T>(call: { request: object; response: object }): Promise<T>;
    /** Opens the connection that requests of this kind go over, where it is not open. */
    getConnectionByRequest(call: { request: { apiKey: number } }): Promise<unknown>;
  };
  fetch(request: {
    readonly maxWaitTime: number;
    readonly minBytes: number;
    readonly maxBytes: number;
    readonly isolationLevel: number;
    readonly topics: readonly TopicRequest<{ partition: number; fetchOffset: string; maxBytes: number }>[];
  }): Promise<{
    readonly responses: readonly { readonly topicName: string; readonly partitions: readonly FetchedPartitionData[] }[];
  }>;
  produce(request: {
    readonly acks: number;
    readonly transactionalId: string | undefined;
    readonly producerId: number;
    readonly producerEpoch: number;
    readonly topicData: readonly TopicRequest<{ partition: number; firstSequence: number }>[];
  }): Promise<{
    readonly topics: readonly { readonly topicName: string; readonly partitions: readonly { partition: number }[] }[];
  }>;
  listOffsets(request: {
    readonly isolationLevel: number;
    readonly topics: readonly TopicRequest<{ partition: number; timestamp: number }>[];
  }): Promise<{ readonly responses: readonly TopicRequest<{ partition: number; offset: string }>[] }>;
  offsetFetch(request: {
    readonly groupId: string;
    readonly topics: readonly TopicRequest<{ partition: number }>[];
  }): Promise<{
    readonly responses: readonly TopicRequest<{ partition: number; offset: string; metadata: string | null }>[];
  }>;
  offsetCommit(request: {
    readonly groupId: string;
    readonly groupGenerationId: number;
    readonly memberId: string;
    readonly topics: readonly TopicRequest<{ partition: number; offset: string; metadata: string }>[];
  }): Promise<unknown>;
  deleteGroups(
    groups: readonly string[],
  ): Promise<{ readonly results: readonly { readonly errorCode: number; readonly error?: Error }[] }>;
  deleteRecords(request: {
    readonly topics: readonly TopicRequest<{ partition: number; offset: string }>[];
  }): Promise<unknown>;
  deleteTopics(request: { readonly topics: readonly string[]; readonly timeout: number }): Promise<unknown>;
  describeGroups(request: { readonly groupIds: readonly string[] }): Promise<{
    readonly groups: readonly {
      readonly errorCode: number;
      readonly groupId: string;
      readonly state: string;
      readonly protocol: string;
      readonly members: readonly {
        readonly memberId: string;
        readonly clientId: string;
        readonly clientHost: string;
        readonly memberAssignment: Buffer;
      }[];
    }[];
  }>;
  describeConfigs(request: {
    readonly resources: readonly { type: number; name: string; configNames: readonly string[] }[];
  }): Promise<{
    readonly resources: readonly {
      readonly resourceName: string;
      readonly configEntries: readonly { readonly configName: string; readonly configValue: string | null }[];
    }[];
  }>;
  txnOffsetCommit(request: {
    readonly transactionalId: string;
    readonly groupId: string;
    readonly producerId: string;
    readonly producerEpoch: number;
    readonly topics: readonly TopicRequest<{ partition: number; offset: string }>[];
  }): Promise<unknown>;
  leaveGroup(request: { readonly groupId: string; readonly memberId: string }): Promise<unknown>;
  createTopics(request: {
    readonly topics: readonly {
      topic: string;
      numPartitions: number;
      replicationFactor: number;
      configEntries: readonly { name: string; value: string }[];
    }[];
    readonly timeout: number;
  }): Promise<unknown>;
}

/** kafkajs' writer and reader of the wire format, for a request it does not have. */
export interface Encoder {
  writeInt8(value: number): Encoder;
  writeBoolean(value: boolean): Encoder;
  writeUVarInt(value: number): Encoder;
  writeUVarIntString(value: string | null): Encoder;
  writeUVarIntArray(items: readonly Encoder[]): Encoder;
  writeBuffer(value: Buffer): Encoder;
}

export interface Decoder {
  readInt16(): number;
  readInt32(): number;
  readInt64(): bigint;
  readBoolean(): boolean;
  readBytes(length?: number): Buffer | null;
  readUVarIntString(): string | null;
  readUVarIntArray<T>(read: (decoder: Decoder) => T): T[] | null;
  readTaggedFields(): void;
  canReadBytes(length: number): boolean;
}

interface Kafkajs {
  readonly Kafka: new (config: KafkaConfig) => KafkaClient;
  readonly Cluster: new (config: object) => Cluster;
  /** What all pools inherit from. */
  readonly brokerPool: BrokerPool;
  readonly Encoder: new () => Encoder;
  readonly Decoder: new (bytes: Buffer) => Decoder;
  readonly createRetry: (options: object) => <T>(call: () => Promise<T>) => Promise<T>;
  readonly createLogger: (options: { level: number; logCreator: unknown }) => object;
  readonly createSocket: (address: object) => Socket;
  /** What kafkajs throws for an error code of a broker. */
  readonly createErrorFromCode: (code: number) => Error;
  /** The assigner of a consumer that names none. */
  readonly roundRobin: PartitionAssigner;
  readonly groupRequests: Readonly<Record<'joinGroup' | 'syncGroup' | 'heartbeat', GroupRequest>>;
  /** `{ assignment: { [topic]: partitions } }` of the bytes a group member was given; null for empty bytes. */
  readonly decodeAssignment: (bytes: Buffer) => { readonly assignment: Readonly<Record<string, number[]>> } | null;
}

const load = createRequire(import.meta.url);

function loadReplaced(): Kafkajs {
  const { version } = load('kafkajs/package.json') as { version: string };
  if (version !== pinned) {
    throw new Error(`kafkajs ${version} is installed, but pipectl replaces parts of exactly ${pinned}`);
  }
  // Modules keep what they required: the replacements must be there before the first of them is loaded.
  if (load.cache[load.resolve('kafkajs/src/consumer/consumerGroup')] !== undefined) {
    throw new Error('kafkajs was loaded before src/connections/kafka/kafkajs.ts');
  }
  replaceModule('kafkajs/src/protocol/requests/fetch/v4/decodeMessages', keepRecordBytes);
  replaceModule('kafkajs/src/consumer/batch', FetchedPartition);
  const { createErrorFromCode, staleMetadata } = load('kafkajs/src/protocol/error') as Pick<
    Kafkajs,
    'createErrorFromCode'
  > &
    Pick<Producing, 'staleMetadata'>;
  replaceModule('kafkajs/src/producer/sendMessages', (producing: Omit<Producing, 'staleMetadata'>) =>
    createSendMessages({ ...producing, staleMetadata }),
  );

  const { prototype: group } = load('kafkajs/src/consumer/consumerGroup') as { prototype: ConsumerGroup };
  group.recoverFromOffsetOutOfRange = (error) => Promise.reject(error);
  group.commitOffsets = sendOnce(group.commitOffsets);
  const { prototype: queue } = load('kafkajs/src/network/requestQueue') as { prototype: RequestQueue };
  queue.scheduleCheckPendingRequests = onlyWithPending(queue.scheduleCheckPendingRequests);

  const { Kafka, PartitionAssigners } = load('kafkajs') as Pick<Kafkajs, 'Kafka'> & {
    PartitionAssigners: { roundRobin: PartitionAssigner };
  };
  const apiKeys = load('kafkajs/src/protocol/requests/apiKeys') as Record<string, number>;
  const { requests } = load('kafkajs/src/protocol/requests') as { requests: Record<string, object> };
  const groupRequest = (name: string): GroupRequest => ({ apiKey: apiKeys[name]!, versions: requests[name]! });
  return {
    Kafka,
    roundRobin: PartitionAssigners.roundRobin,
    groupRequests: {
      joinGroup: groupRequest('JoinGroup'),
      syncGroup: groupRequest('SyncGroup'),
      heartbeat: groupRequest('Heartbeat'),
    },
    Cluster: load('kafkajs/src/cluster') as Kafkajs['Cluster'],
    brokerPool: (load('kafkajs/src/cluster/brokerPool') as { readonly prototype: BrokerPool }).prototype,
    Encoder: load('kafkajs/src/protocol/encoder') as Kafkajs['Encoder'],
    Decoder: load('kafkajs/src/protocol/decoder') as Kafkajs['Decoder'],
    createRetry: load('kafkajs/src/retry') as Kafkajs['createRetry'],
    createErrorFromCode,
    createLogger: (load('kafkajs/src/loggers') as Pick<Kafkajs, 'createLogger'>).createLogger,
    createSocket: (load('kafkajs/src/network/socketFactory') as () => Kafkajs['createSocket'])(),
    decodeAssignment: (
      load('kafkajs/src/consumer/assignerProtocol') as { MemberAssignment: { decode: Kafkajs['decodeAssignment'] } }
    ).MemberAssignment.decode,
  };
}

function replaceModule(name: string, exports: unknown): void {
  const path = load.resolve(name);
  load(name);
  const module = load.cache[path];
  if (module === undefined) throw new Error(`${name} is not where kafkajs ${pinned} has it`);
  module.exports = exports;
}

const noBytes = Buffer.alloc(0);

/** Replaces the decoder of a partition's records: the bytes as they came. */
async function keepRecordBytes(decoder: Decoder): Promise<Buffer> {
  const size = decoder.readInt32();
  if (size <= 0 || !decoder.canReadBytes(size)) return noBytes;
  const recordSet = decoder.readBytes(size) ?? noBytes;
  // Here is the last place that may wait: records are read synchronously.
  if (optionalCodecIn(recordSet) !== 0) await loadLibrary();
  return recordSet;
}

interface ConsumerGroup {
  recoverFromOffsetOutOfRange: (error: Error) => Promise<void>;
  commitOffsets: (this: ConsumerGroup, offsets: object) => Promise<void>;
}

function sendOnce(commit: ConsumerGroup['commitOffsets']): ConsumerGroup['commitOffsets'] {
  return async function (this: ConsumerGroup, offsets) {
    try {
      await commit.call(this, offsets);
    } catch (error) {
      // kafkajs' retry loop leaves on this mark.
      (error as { retriable?: boolean }).retriable = false;
      throw error;
    }
  };
}

interface RequestQueue {
  readonly pending: readonly unknown[];
  scheduleCheckPendingRequests: (this: RequestQueue) => void;
}

function onlyWithPending(schedule: RequestQueue['scheduleCheckPendingRequests']) {
  return function (this: RequestQueue) {
    if (this.pending.length > 0) schedule.call(this);
  };
}

let loaded: Kafkajs | undefined;

/** Loads kafkajs once, on first use: importing this module costs nothing. */
export function kafkajs(): Kafkajs {
  loaded ??= loadReplaced();
  return loaded;
}
