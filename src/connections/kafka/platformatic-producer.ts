/**
 * `@platformatic/kafka` as a producer, pinned to one version. What it needs to be told, found by running it:
 *
 * 1. A transactional id that is known is taken over only when the producer asks with id -1 and epoch -1.
 * 2. The timeout of a transaction is the client's `timeout`.
 * 3. The first tries again must come soon: a transaction can't begin before the former one has settled.
 * 4. One `send` at a time. `addOffset` makes a request for each partition, so offsets go out by a request of kafkajs, all
 *    of a group in one.
 * 5. Its own partitioner takes negative hashes for large ones, where Java cuts the sign off.
 * 6. A partition number at or beyond the count it knows (up to 5 s old) is taken modulo that count without a word, so it is
 *    always given one that it knows.
 */
import {
  findErrorBy,
  Producer,
  type GenericError,
  type MessageToProduce,
  type ProducerOptions,
  type SASLOptions,
} from '@platformatic/kafka';
import type { HeaderValue, Log } from '../../engine/ports.ts';
import { createCluster } from './client.ts';
import type { KafkaConnection } from './connection.ts';
import { byTopic } from './kafkajs-producer.ts';
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

const asNew = { producerId: -1n, producerEpoch: -1 };
const acksAll = -1;

type Message = MessageToProduce<Buffer | undefined, Buffer | undefined>;
type BytesProducer = Producer<Buffer | undefined, Buffer | undefined>;
type BytesTransaction = NonNullable<BytesProducer['transaction']>;

export function platformaticProducer(connection: KafkaConnection, log: Log): ProducerDriver {
  const { brokers, clientId, tls, sasl, connectTimeoutMs, requestTimeoutMs } = connection;
  const open = (transactionalId?: string): BytesProducer => {
    const options: ProducerOptions<Buffer | undefined, Buffer | undefined, Buffer, Buffer> = {
      clientId,
      bootstrapBrokers: [...brokers],
      connectTimeout: connectTimeoutMs,
      requestTimeout: requestTimeoutMs,
      timeout: transactionTimeoutMs,
      retries,
      retryDelay: (_client: object, _operation: string, attempt: number) =>
        Math.min(retryDelayMs.max, retryDelayMs.first * 2 ** (attempt - 1)),
      idempotent: true,
      autocreateTopics: false,
      ...(tls === false ? {} : { tls: tls === true ? {} : tls }),
      ...(sasl === null ? {} : { sasl: { ...sasl, mechanism: sasl.mechanism.toUpperCase() } as SASLOptions }),
      ...(transactionalId === undefined ? {} : { transactionalId }),
    };
    return new Producer(options);
  };
  return {
    async connect() {
      const producer = open();
      await attempt(() => producer.initIdempotentProducer({}));
      return new PlatformaticProducer(producer);
    },
    async claim(transactionalId) {
      const producer = open(transactionalId);
      try {
        const first = await attempt(() => producer.beginTransaction(asNew));
        return new PlatformaticTransactions(producer, first as BytesTransaction, transactionalId, () =>
          createCluster(connection, log),
        );
      } catch (error) {
        void producer.close(true).catch(() => undefined);
        throw error;
      }
    },
  };
}

class PlatformaticProducer implements ProducerClient {
  readonly #producer: BytesProducer;
  readonly #partitions: Partitions;

  constructor(producer: BytesProducer) {
    this.#producer = producer;
    this.#partitions = new Partitions(producer);
  }

  async send(topic: string, messages: readonly ProducerMessage[]): Promise<void> {
    await attempt(async () => {
      const partitioned = await this.#partitions.assign(topic, messages);
      return this.#producer.send({ messages: partitioned, acks: acksAll });
    });
  }

  close(): Promise<void> {
    return this.#producer.close(true);
  }
}

class PlatformaticTransactions implements TransactionClient {
  readonly #producer: BytesProducer;
  readonly #partitions: Partitions;
  readonly #transactionalId: string;
  readonly #createCluster: () => ReturnType<typeof createCluster>;
  #transaction: BytesTransaction | null;
  #cluster: Promise<ReturnType<typeof createCluster>> | null = null;
  /** Something is in the transaction: an empty one must not be ended. */
  #used = false;

  constructor(
    producer: BytesProducer,
    first: BytesTransaction,
    transactionalId: string,
    create: () => ReturnType<typeof createCluster>,
  ) {
    this.#producer = producer;
    this.#partitions = new Partitions(producer);
    this.#transaction = first;
    this.#transactionalId = transactionalId;
    this.#createCluster = create;
  }

  async send(topic: string, messages: readonly ProducerMessage[]): Promise<void> {
    const transaction = await this.#begun();
    this.#used = true;
    await attempt(async () => {
      const partitioned = await this.#partitions.assign(topic, messages);
      return transaction.send({ messages: partitioned, acks: acksAll });
    });
  }

  async sendOffsets(group: string, offsets: readonly TopicOffset[]): Promise<void> {
    const transaction = await this.#begun();
    this.#used = true;
    // Only the group's name is asked of the consumer.
    await attempt(() => transaction.addConsumer({ groupId: group } as Parameters<typeof transaction.addConsumer>[0]));
    const cluster = await (this.#cluster ??= this.#connected());
    const coordinator = await cluster.findGroupCoordinator({ groupId: group });
    await coordinator.txnOffsetCommit({
      transactionalId: this.#transactionalId,
      groupId: group,
      producerId: String(this.#producer.producerId),
      producerEpoch: this.#producer.producerEpoch!,
      topics: byTopic(offsets),
    });
  }

  commit(): Promise<void> {
    return this.#end('commit');
  }

  abort(): Promise<void> {
    return this.#end('abort');
  }

  async close(): Promise<void> {
    const cluster = await this.#cluster?.catch(() => null);
    await cluster?.disconnect().catch(() => undefined);
    await this.#producer.close(true);
  }

  async #end(how: 'commit' | 'abort'): Promise<void> {
    const transaction = this.#transaction;
    if (transaction === null || !this.#used) return;
    await attempt(() => transaction[how]());
    this.#transaction = null;
    this.#used = false;
  }

  async #begun(): Promise<BytesTransaction> {
    this.#transaction ??= (await attempt(() => this.#producer.beginTransaction())) as BytesTransaction;
    return this.#transaction;
  }

  async #connected(): Promise<ReturnType<typeof createCluster>> {
    const cluster = this.#createCluster();
    await cluster.connect();
    return cluster;
  }
}

/** Decides which partition each message goes to. */
class Partitions {
  readonly #producer: BytesProducer;
  readonly #partitionOf = createPartitioner();

  constructor(producer: BytesProducer) {
    this.#producer = producer;
  }

  async assign(topic: string, messages: readonly ProducerMessage[]): Promise<Message[]> {
    const asked = messages.reduce((most, one) => Math.max(most, one.partition ?? 0), 0);
    let count = await this.#count(topic, false);
    if (asked >= count) count = await this.#count(topic, true);
    if (asked >= count) {
      const type = 'UNKNOWN_TOPIC_OR_PARTITION';
      throw Object.assign(new Error(`topic ${topic} has no partition ${asked}: it has ${count}`), { type });
    }
    return messages.map((one) => asMessage(topic, one, one.partition ?? this.#partitionOf(one.key) % count));
  }

  async #count(topic: string, forceUpdate: boolean): Promise<number> {
    const { topics } = await this.#producer.metadata({ topics: [topic], forceUpdate });
    return topics.get(topic)?.partitionsCount ?? 0;
  }
}

function asMessage(topic: string, { key, value, headers, timestampMs }: ProducerMessage, partition: number): Message {
  return {
    topic,
    partition,
    ...(key === null ? {} : { key: asBuffer(key) }),
    ...(value === null ? {} : { value: asBuffer(value) }),
    headers: new Map(Object.entries(headers).flatMap(([name, header]) => asHeaders(name, header))),
    ...(timestampMs === undefined ? {} : { timestamp: BigInt(Math.floor(timestampMs)) }),
  } as Message;
}

/** A header with several values is several headers: the keys of the map are buffers, each another one. */
function asHeaders(name: string, header: HeaderValue): [Buffer, Buffer][] {
  const values = Array.isArray(header) ? (header as readonly (Uint8Array | string)[]) : [header as Uint8Array | string];
  return values.map((value) => [
    Buffer.from(name),
    typeof value === 'string' || value === undefined ? Buffer.from(value ?? '') : asBuffer(value),
  ]);
}

/** Rejects with an error that has the protocol's name in `type`, as kafkajs' errors have. */
async function attempt<T>(call: () => Promise<T>): Promise<T> {
  try {
    return await call();
  } catch (error) {
    throw asKafkaError(error as GenericError);
  }
}

/** The answer of a broker, or else the last thing that went wrong. */
function asKafkaError(error: GenericError): Error {
  const type = typeIn(error);
  const login = findErrorBy(error, 'code', 'PLT_KFK_AUTHENTICATION');
  const root = lastOf(login ?? error);
  const said = Object.assign(new Error(root.message), { stack: error.stack, code: root['code'] as unknown });
  const found = type ?? (login === null ? undefined : 'SASL_AUTHENTICATION_FAILED');
  return found === undefined ? said : Object.assign(said, { type: found });
}

function typeIn(error: {
  apiId?: unknown;
  type?: unknown;
  errors?: readonly unknown[];
  cause?: unknown;
}): string | undefined {
  const own = error.apiId ?? error.type;
  if (typeof own === 'string') return own;
  for (const below of [...(error.errors ?? []).toReversed(), error.cause]) {
    const found = typeof below === 'object' && below !== null ? typeIn(below) : undefined;
    if (found !== undefined) return found;
  }
  return undefined;
}

function lastOf(error: GenericError): GenericError {
  let last = error;
  for (let depth = 0; depth < 10; depth++) {
    const below = ((last as { errors?: unknown[] }).errors?.at(-1) ?? last.cause) as GenericError | undefined;
    if (!(below instanceof Error)) break;
    last = below;
  }
  return last;
}
