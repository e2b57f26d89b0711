/**
 * Writes to topics, plainly or in transactions, always acknowledged by all in-sync replicas. Two client libraries can do
 * the work (`client:` of the connection); `test/contract/kafka-producer.ts` holds both to this.
 */
import type { Log } from '../../engine/ports.ts';
import { PipectlError } from '../../errors.ts';
import { withinMs } from '../time-limit.ts';
import { openKafkaAdmin } from './admin.ts';
import { explainKafkaError, isTransient, kafkaErrorType } from './client.ts';
import { readConnection, type KafkaConnection, type ProducingClient } from './connection.ts';
import type {
  ProducerClient,
  ProducerDriver,
  ProducerMessage,
  TopicOffset,
  TransactionClient,
} from './producer-driver.ts';

export type { ProducerMessage, TopicOffset } from './producer-driver.ts';

/** A message no broker takes: it stands at `index` of what was given, and is not written. The others are. */
export interface TooLarge {
  readonly index: number;
  readonly bytes: number;
  readonly bytesMax: number;
}

export interface KafkaProducer {
  /**
   * Resolves when every message is acknowledged by all in-sync replicas, with those that are too large for the topic.
   * In order per partition. Tries again for about 5 seconds and never waits longer than `request_timeout` and that; then
   * rejects with a `PipectlError`. Messages may then be written in part, and a repeat writes them twice: give them an id.
   */
  produceAll(topic: string, messages: readonly ProducerMessage[]): Promise<readonly TooLarge[]>;
  /** Never rejects. */
  close(): Promise<void>;
}

/**
 * A producer with a transactional id, which has one owner: who claims it last. Calls come one after the other. Any of
 * them rejects with `ProducerFenced` when another one has claimed the id, and with `TransactionLost` when the outcome is
 * not known; both end the claim.
 */
export interface TransactionalProducer {
  /**
   * Takes the id over: a transaction its former owner left open is aborted, or committed when that was already decided,
   * and that owner is fenced. Positions that stand in a transaction have to be read after it, not before.
   */
  claim(): Promise<void>;
  /** Begins a transaction with the first message. Resolves with the messages that are too large; they are not written. */
  produceAll(topic: string, messages: readonly ProducerMessage[]): Promise<readonly TooLarge[]>;
  /** The group's offsets move with the transaction, whichever client its members use. Next-to-read offsets. */
  sendOffsets(group: string, offsets: readonly TopicOffset[]): Promise<void>;
  /** All of it becomes visible to readers of committed records, or (rejected) the next claim decides it. */
  commit(): Promise<void>;
  /** Nothing of it becomes visible. After a call that was rejected there is nothing to abort: the next claim does it. */
  abort(): Promise<void>;
  /** Never rejects. An open transaction is left to its timeout, or to the next claim. */
  close(): Promise<void>;
}

/** Another producer has claimed the transactional id, or the broker ended a transaction that was open for too long. */
export class ProducerFenced extends Error {
  override name = 'ProducerFenced';
}

/** Whether the transaction was committed is not known. `claim` decides it; positions have to be read again after it. */
export class TransactionLost extends Error {
  override name = 'TransactionLost';
}

/** Of one request; a message may be larger where its topic takes it. */
const requestBytesMax = 1_000_000;
/** `max.message.bytes` where it may not be asked for: the broker's default. */
const topicBytesMaxDefault = 1_048_588;
/** What a batch takes beside its records. */
const batchBytes = 100;
const triesMs = 5000;

const fencings = new Set(['INVALID_PRODUCER_EPOCH', 'PRODUCER_FENCED', 'INVALID_PRODUCER_ID_MAPPING']);
const sizeRefusals = new Set(['MESSAGE_TOO_LARGE', 'RECORD_LIST_TOO_LARGE']);

/**
 * Connects on first use. `options` are those of a `kafka` connection. By kafkajs where they do not say: for few messages,
 * in a process that reads with it anyway.
 */
export function openKafkaProducer(options: Readonly<Record<string, unknown>>, log: Log): KafkaProducer {
  return new LazyProducer(new Setting(options, log, 'kafkajs'));
}

/** Connects with the first claim. By `@platformatic/kafka` where `options` do not say: for everything a pipeline writes. */
export function openTransactionalProducer(
  options: Readonly<Record<string, unknown>>,
  transactionalId: string,
  log: Log,
): TransactionalProducer {
  return new ClaimedProducer(new Setting(options, log, 'platformatic'), transactionalId);
}

/** What both kinds of producers need: the driver, bounded calls, and what each topic takes. */
class Setting {
  readonly connection: KafkaConnection;
  readonly #options: Readonly<Record<string, unknown>>;
  readonly #log: Log;
  readonly #client: ProducingClient;
  readonly #topics = new Map<string, TopicLimits>();

  constructor(options: Readonly<Record<string, unknown>>, log: Log, preferred: ProducingClient) {
    this.connection = readConnection(options);
    this.#client = this.connection.client ?? preferred;
    this.#options = options;
    this.#log = log;
  }

  async driver(): Promise<ProducerDriver> {
    if (this.#client === 'kafkajs') {
      return (await import('./kafkajs-producer.ts')).kafkajsProducer(this.connection, this.#log);
    }
    return (await import('./platformatic-producer.ts')).platformaticProducer(this.connection, this.#log);
  }

  /** Clients try again for long, each time with a timeout of its own: what is too long is decided here. */
  bounded<T>(call: () => Promise<T>): Promise<T> {
    const waitMs = this.connection.requestTimeoutMs + triesMs;
    return withinMs(waitMs, call, () => new Error(`no answer within ${Math.round(waitMs / 1000)} s`));
  }

  /** Rejects with `kafka_topic_missing` where a message is meant for a partition that is not there: clients lose it. */
  async split(topic: string, messages: readonly ProducerMessage[]) {
    const partition = messages.reduce((most, one) => Math.max(most, one.partition ?? 0), 0);
    // Some may have been added since.
    if (partition >= (await this.#limitsOf(topic)).partitions) this.forget(topic);
    const { bytesMax, partitions } = await this.#limitsOf(topic);
    if (partition >= partitions) {
      const message = `topic ${topic} has no partition ${partition}: it has ${partitions}`;
      throw new PipectlError('kafka_topic_missing', message);
    }
    return splitRequests(messages, Math.min(requestBytesMax, bytesMax - batchBytes), bytesMax - batchBytes);
  }

  /** Its limits may have been changed since. */
  forget(topic: string): void {
    this.#topics.delete(topic);
  }

  async #limitsOf(topic: string): Promise<TopicLimits> {
    const known = this.#topics.get(topic);
    if (known !== undefined) return known;
    const admin = await openKafkaAdmin(this.#options, this.#log);
    try {
      const bytesMax = (await admin.messageBytesMax(topic)) ?? topicBytesMaxDefault;
      const described = (await admin.describeTopics([topic])).get(topic);
      const limits = { bytesMax, partitions: described?.partitions.length ?? 0 };
      this.#topics.set(topic, limits);
      return limits;
    } finally {
      await admin.close();
    }
  }
}

/** What a topic takes. */
interface TopicLimits {
  readonly bytesMax: number;
  readonly partitions: number;
}

class LazyProducer implements KafkaProducer {
  readonly #setting: Setting;
  #connected: Promise<ProducerClient> | null = null;

  constructor(setting: Setting) {
    this.#setting = setting;
  }

  async produceAll(topic: string, messages: readonly ProducerMessage[]): Promise<readonly TooLarge[]> {
    const { requests, tooLarge } = await this.#setting.split(topic, messages);
    for (const request of requests) {
      try {
        await this.#setting.bounded(async () => (await this.#connect()).send(topic, request));
      } catch (error) {
        const type = kafkaErrorType(error);
        // A client that could not write is made anew: how far it counted is not known.
        if (isTransient(error)) void this.#drop();
        if (sizeRefusals.has(type)) {
          this.#setting.forget(topic);
          // The topic takes less than it said: the one that breaks its limit is found by sending them one by one.
          if (request.length > 1) tooLarge.push(...(await this.#oneByOne(topic, messages, request)));
          else tooLarge.push(asTooLarge(messages, request[0]!));
          continue;
        }
        throw explainKafkaError(error, this.#setting.connection, `writing to topic ${topic}`);
      }
    }
    return tooLarge;
  }

  close(): Promise<void> {
    return this.#drop();
  }

  async #oneByOne(
    topic: string,
    all: readonly ProducerMessage[],
    request: readonly ProducerMessage[],
  ): Promise<TooLarge[]> {
    const refused: TooLarge[] = [];
    for (const message of request) {
      const answer = await this.produceAll(topic, [message]);
      if (answer.length > 0) refused.push(asTooLarge(all, message));
    }
    return refused;
  }

  #connect(): Promise<ProducerClient> {
    if (this.#connected === null) {
      const connecting = this.#setting.driver().then((driver) => driver.connect());
      // A connection that failed is not kept: the next call tries anew.
      connecting.catch(() => {
        if (this.#connected === connecting) this.#connected = null;
      });
      this.#connected = connecting;
    }
    return this.#connected;
  }

  async #drop(): Promise<void> {
    const connected = this.#connected;
    this.#connected = null;
    await connected?.then((producer) => producer.close()).catch(() => undefined);
  }
}

class ClaimedProducer implements TransactionalProducer {
  readonly #setting: Setting;
  readonly #transactionalId: string;
  /** Null: not claimed, or lost. */
  #client: TransactionClient | null = null;
  #open = false;

  constructor(setting: Setting, transactionalId: string) {
    this.#setting = setting;
    this.#transactionalId = transactionalId;
  }

  async claim(): Promise<void> {
    this.#drop();
    try {
      const driver = await this.#setting.driver();
      this.#client = await this.#setting.bounded(() => driver.claim(this.#transactionalId));
    } catch (error) {
      throw explainKafkaError(error, this.#setting.connection, `claiming transactional id ${this.#transactionalId}`);
    }
  }

  async produceAll(topic: string, messages: readonly ProducerMessage[]): Promise<readonly TooLarge[]> {
    const { requests, tooLarge } = await this.#setting.split(topic, messages);
    for (const request of requests) {
      await this.#within(`writing to topic ${topic}`, (client) => client.send(topic, request)).catch(
        (error: unknown) => {
          if (sizeRefusals.has(kafkaErrorType(error))) this.#setting.forget(topic);
          throw error;
        },
      );
    }
    return tooLarge;
  }

  async sendOffsets(group: string, offsets: readonly TopicOffset[]): Promise<void> {
    if (offsets.length === 0) return;
    await this.#within(`sending offsets of group ${group}`, (client) => client.sendOffsets(group, offsets));
  }

  async commit(): Promise<void> {
    if (!this.#open && this.#client !== null) return;
    await this.#within('committing the transaction', (client) => client.commit());
    this.#open = false;
  }

  async abort(): Promise<void> {
    if (!this.#open) return;
    await this.#within('aborting the transaction', (client) => client.abort());
    this.#open = false;
  }

  async close(): Promise<void> {
    const client = this.#client;
    this.#client = null;
    this.#open = false;
    await client?.close().catch(() => undefined);
  }

  async #within(doing: string, call: (client: TransactionClient) => Promise<void>): Promise<void> {
    const client = this.#client;
    if (client === null) throw new TransactionLost(`${doing}: ${this.#transactionalId} is not claimed`);
    this.#open = true;
    try {
      await this.#setting.bounded(() => call(client));
    } catch (error) {
      this.#drop();
      throw this.#failure(error, doing);
    }
  }

  #failure(error: unknown, doing: string): Error {
    const explained = explainKafkaError(error, this.#setting.connection, doing);
    if (fencings.has(kafkaErrorType(error))) return new ProducerFenced(explained.message, { cause: error });
    // What no repeat mends is told as it is.
    const final = !isTransient(error) || explained.code === 'kafka_topic_missing';
    return final ? explained : new TransactionLost(explained.message, { cause: error });
  }

  #drop(): void {
    void this.close();
  }
}

/**
 * Cuts messages into requests of up to `bytesMax`, in order. One that is larger has a request of its own, and above
 * `messageBytesMax` it is in none.
 */
export function splitRequests(messages: readonly ProducerMessage[], bytesMax: number, messageBytesMax = bytesMax) {
  const requests: ProducerMessage[][] = [];
  const tooLarge: TooLarge[] = [];
  let room = 0;
  for (const [index, message] of messages.entries()) {
    const bytes = messageBytes(message);
    if (bytes > messageBytesMax) {
      tooLarge.push({ index, bytes, bytesMax: messageBytesMax });
      continue;
    }
    if (bytes > room || requests.length === 0) {
      requests.push([]);
      room = bytesMax;
    }
    requests.at(-1)!.push(message);
    room -= bytes;
  }
  return { requests, tooLarge };
}

/** Never less than it takes in a request. */
function messageBytes({ key, value, headers }: ProducerMessage): number {
  const perRecord = 40;
  let bytes = perRecord + (key?.length ?? 0) + (value?.length ?? 0);
  for (const [name, header] of Object.entries(headers)) {
    for (const one of Array.isArray(header) ? (header as readonly (Uint8Array | string)[]) : [header]) {
      bytes += 10 + Buffer.byteLength(name) + (one === undefined ? 0 : Buffer.byteLength(one as Uint8Array | string));
    }
  }
  return bytes;
}

function asTooLarge(messages: readonly ProducerMessage[], message: ProducerMessage): TooLarge {
  const bytes = messageBytes(message);
  return { index: messages.indexOf(message), bytes, bytesMax: bytes - 1 };
}
