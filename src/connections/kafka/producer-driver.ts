/** What a client library has to do for `producer.ts`; one file for each library. */
import type { HeaderValue } from '../../engine/ports.ts';

export interface ProducerMessage {
  readonly key: Uint8Array | null;
  readonly value: Uint8Array | null;
  readonly headers: Readonly<Record<string, HeaderValue>>;
  /** Default: the time of the call. */
  readonly timestampMs?: number;
  /** Default: by the key, as Java clients do it (murmur2); without a key any. */
  readonly partition?: number;
}

/** Next-to-read offsets. */
export interface TopicOffset {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
}

/**
 * A connected client. Errors carry the protocol's name in `type` (`MESSAGE_TOO_LARGE`) as far as a broker has answered.
 * Calls come one after the other.
 */
export interface ProducerClient {
  /** Resolves when all in-sync replicas have the messages; each is small enough, and so are all of them together. */
  send(topic: string, messages: readonly ProducerMessage[]): Promise<void>;
  /** May take as long as it likes. */
  close(): Promise<void>;
}

/** One that has claimed a transactional id. A transaction begins with the first call and ends with `commit` or `abort`. */
export interface TransactionClient extends ProducerClient {
  sendOffsets(group: string, offsets: readonly TopicOffset[]): Promise<void>;
  commit(): Promise<void>;
  abort(): Promise<void>;
}

export interface ProducerDriver {
  /** Idempotent: a request that is repeated by the client is written once. */
  connect(): Promise<ProducerClient>;
  claim(transactionalId: string): Promise<TransactionClient>;
}

/** A transaction that is open for longer is aborted by the broker. */
export const transactionTimeoutMs = 15_000;
/** Trying again inside of one call: soon at first, since a transaction's end needs a few milliseconds to settle. */
export const retryDelayMs = { first: 5, max: 500 };
export const retries = 15;

/** A view: clients take nothing but a Buffer for bytes. */
export function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
