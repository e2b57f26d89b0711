/** Writes to topics with acks=all. For dead letters: few, never to be lost, a repeat is known by its id. */
import type { IHeaders, Producer } from 'kafkajs';
import type { HeaderValue, Log } from '../../engine/ports.ts';
import { createClient, explainKafkaError, isTransient, kafkaErrorType } from './client.ts';
import { readConnection, type KafkaConnection } from './connection.ts';
import { kafkajs } from './kafkajs.ts';

export interface ProducerMessage {
  readonly key: Uint8Array | null;
  readonly value: Uint8Array | null;
  readonly headers: Readonly<Record<string, HeaderValue>>;
  /** Default: the time of the call. */
  readonly timestampMs?: number;
  /** Default: by the key, as Java clients do it (murmur2); without a key any. */
  readonly partition?: number;
}

/** A message no broker takes: it stands at `index` of what was given, and is not written. The others are. */
export interface TooLarge {
  readonly index: number;
  readonly bytes: number;
  readonly bytesMax: number;
}

export interface KafkaProducer {
  /**
   * Resolves when every message is acknowledged by all in-sync replicas, with those that are too large for any request.
   * In order per partition. Tries again for about 5 seconds, then rejects with a `PipectlError`; messages may then be
   * written in part, and a repeat writes them twice: give them an id.
   */
  produceAll(topic: string, messages: readonly ProducerMessage[]): Promise<readonly TooLarge[]>;
  /** Never rejects. */
  close(): Promise<void>;
}

/** The broker's default `message.max.bytes` is 1,048,588 with 12 bytes of batch overhead and more for each record. */
const requestBytesMax = 1_000_000;
const acksAll = -1;

/** Connects on first use. `options` are those of a `kafka` connection. */
export function openKafkaProducer(options: Readonly<Record<string, unknown>>, log: Log): KafkaProducer {
  return new LazyProducer(readConnection(options), log);
}

class LazyProducer implements KafkaProducer {
  readonly #connection: KafkaConnection;
  readonly #log: Log;
  #connected: Promise<Producer> | null = null;

  constructor(connection: KafkaConnection, log: Log) {
    this.#connection = connection;
    this.#log = log;
  }

  async produceAll(topic: string, messages: readonly ProducerMessage[]): Promise<readonly TooLarge[]> {
    const { requests, tooLarge } = splitRequests(messages, requestBytesMax);
    for (const request of requests) {
      try {
        const producer = await this.#connect();
        await producer.send({ topic, acks: acksAll, messages: request.map(toKafkajs) });
      } catch (error) {
        if (kafkaErrorType(error) === 'MESSAGE_TOO_LARGE' && request.length > 1) {
          // The topic's own limit is below ours: the one that breaks it is found by sending them one by one.
          tooLarge.push(...(await this.#oneByOne(topic, messages, request)));
          continue;
        }
        if (kafkaErrorType(error) === 'MESSAGE_TOO_LARGE') {
          tooLarge.push(asTooLarge(messages, request[0]!));
          continue;
        }
        if (isTransient(error)) await this.#drop();
        throw explainKafkaError(error, this.#connection, `writing to topic ${topic}`);
      }
    }
    return tooLarge;
  }

  async close(): Promise<void> {
    await this.#drop();
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

  #connect(): Promise<Producer> {
    if (this.#connected === null) {
      const connecting = connect(this.#connection, this.#log);
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
    await connected?.then((producer) => producer.disconnect()).catch(() => undefined);
  }
}

async function connect(connection: KafkaConnection, log: Log): Promise<Producer> {
  const producer = createClient(connection, log).producer({
    createPartitioner: kafkajs().javaPartitioner,
    allowAutoTopicCreation: false,
    // A request is repeated as a whole when one of its partitions was not ready: the broker knows the others by number.
    idempotent: true,
    maxInFlightRequests: 1,
  });
  await producer.connect();
  return producer;
}

/** Cuts messages into requests below `bytesMax`, in order; a message above it is in none. */
export function splitRequests(messages: readonly ProducerMessage[], bytesMax: number) {
  const requests: ProducerMessage[][] = [];
  const tooLarge: TooLarge[] = [];
  let room = 0;
  for (const [index, message] of messages.entries()) {
    const bytes = messageBytes(message);
    if (bytes > bytesMax) {
      tooLarge.push({ index, bytes, bytesMax });
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
  return { index: messages.indexOf(message), bytes: messageBytes(message), bytesMax: requestBytesMax };
}

function toKafkajs({ key, value, headers, timestampMs, partition }: ProducerMessage) {
  return {
    key: asBuffer(key),
    value: asBuffer(value),
    headers: Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, asHeader(value)])) as IHeaders,
    ...(timestampMs === undefined ? {} : { timestamp: String(timestampMs) }),
    ...(partition === undefined ? {} : { partition }),
  };
}

/** A view: kafkajs takes nothing but a Buffer for bytes. */
function asBuffer(bytes: Uint8Array | null): Buffer | null {
  return bytes === null ? null : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function asHeader(value: HeaderValue): string | Buffer | (string | Buffer)[] {
  if (Array.isArray(value))
    return (value as readonly (Uint8Array | string)[]).map((one) => asHeader(one) as string | Buffer);
  if (value === undefined || typeof value === 'string') return value ?? '';
  return asBuffer(value as Uint8Array)!;
}
