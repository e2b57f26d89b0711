/** kafkajs as a producer. */
import type { IHeaders, Message, Offsets, Producer, Transaction } from 'kafkajs';
import type { HeaderValue, Log } from '../../engine/ports.ts';
import { ownCommit } from './group-admin.ts';
import { createClient } from './client.ts';
import type { KafkaConnection } from './connection.ts';
import { createPartitioner } from './partitioner.ts';
import {
  asBuffer,
  retries,
  retryDelayMs,
  transactionTimeoutMs,
  type ProducerClient,
  type ProducerDriver,
  type ProducerMessage,
  type TopicOffset,
  type TransactionClient,
} from './producer-driver.ts';

const acksAll = -1;

interface Opened {
  readonly producer: Producer;
  /** Leaves no connection behind, also where a call is still under way. */
  close(): Promise<void>;
}

export function kafkajsProducer(connection: KafkaConnection, log: Log): ProducerDriver {
  const open = async (transactionalId?: string): Promise<Opened> => {
    const cut = new AbortController();
    const producer = createClient(connection, log, cut.signal).producer({
      createPartitioner: () => {
        const partitionOf = createPartitioner();
        return ({ message, partitionMetadata }) =>
          message.partition ?? partitionOf(message.key as Buffer | null) % partitionMetadata.length;
      },
      allowAutoTopicCreation: false,
      // A request is repeated as a whole when one of its partitions was not ready: the broker knows the others by number.
      idempotent: transactionalId === undefined,
      maxInFlightRequests: 1,
      transactionTimeout: transactionTimeoutMs,
      retry: { initialRetryTime: retryDelayMs.first, maxRetryTime: retryDelayMs.max, retries },
      ...(transactionalId === undefined ? {} : { transactionalId }),
    });
    const close = (): Promise<void> => producer.disconnect().finally(() => cut.abort());
    try {
      await producer.connect();
      return { producer, close };
    } catch (error) {
      void close().catch(() => undefined);
      throw error;
    }
  };
  return {
    connect: async () => new KafkajsProducer(await open()),
    claim: async (transactionalId) => {
      const opened = await open(transactionalId);
      // kafkajs asks for the producer id with the first transaction, which is what takes the id over.
      return new KafkajsTransactions(opened, await opened.producer.transaction());
    },
  };
}

class KafkajsProducer implements ProducerClient {
  readonly #producer: Producer;
  readonly close: () => Promise<void>;

  constructor({ producer, close }: Opened) {
    this.#producer = producer;
    this.close = close;
  }

  async send(topic: string, messages: readonly ProducerMessage[]): Promise<void> {
    await this.#producer.send({
      topic,
      acks: acksAll,
      messages: messages.map(toKafkajs),
    });
  }
}

class KafkajsTransactions implements TransactionClient {
  readonly #producer: Producer;
  readonly close: () => Promise<void>;
  #transaction: Transaction | null;

  constructor({ producer, close }: Opened, first: Transaction) {
    this.#producer = producer;
    this.close = close;
    this.#transaction = first;
  }

  async send(topic: string, messages: readonly ProducerMessage[]): Promise<void> {
    const transaction = await this.#begun();
    await transaction.send({
      topic,
      acks: acksAll,
      messages: messages.map(toKafkajs),
    });
  }

  async sendOffsets(group: string, offsets: readonly TopicOffset[]): Promise<void> {
    const transaction = await this.#begun();
    await transaction.sendOffsets({ consumerGroupId: group, topics: byTopic(offsets) });
  }

  async commit(): Promise<void> {
    await (await this.#begun()).commit();
    this.#transaction = null;
  }

  async abort(): Promise<void> {
    await (await this.#begun()).abort();
    this.#transaction = null;
  }

  async #begun(): Promise<Transaction> {
    this.#transaction ??= await this.#producer.transaction();
    return this.#transaction;
  }
}

/** As kafkajs takes offsets. */
export function byTopic(offsets: readonly TopicOffset[]): Offsets['topics'] {
  return [...Map.groupBy(offsets, ({ topic }) => topic)].map(([topic, partitions]) => ({
    topic,
    partitions: partitions.map(({ partition, offset }) => ({ partition, offset: String(offset), metadata: ownCommit })),
  }));
}

function toKafkajs({ key, value, headers, timestampMs, partition }: ProducerMessage): Message {
  return {
    key: key === null ? null : asBuffer(key),
    value: value === null ? null : asBuffer(value),
    headers: Object.fromEntries(Object.entries(headers).map(([name, header]) => [name, asHeader(header)])) as IHeaders,
    ...(timestampMs === undefined ? {} : { timestamp: String(timestampMs) }),
    ...(partition === undefined ? {} : { partition }),
  };
}

function asHeader(value: HeaderValue): string | Buffer | (string | Buffer)[] {
  if (Array.isArray(value))
    return (value as readonly (Uint8Array | string)[]).map((one) => asHeader(one) as string | Buffer);
  if (value === undefined || typeof value === 'string') return value ?? '';
  return asBuffer(value as Uint8Array);
}
