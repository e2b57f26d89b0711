/** Reads dead letters back: ours, those of Kafka Connect and of Spring for Apache Kafka. */
import { createHash } from 'node:crypto';
import type { HeaderValue } from '../../engine/ports.ts';
import { connectPrefix, fingerprintOf, headerPrefix, lastOf, publicMessage, replayCountOf, textOf } from './record.ts';

/** A record of any dead-letter queue. */
export interface QueuedRecord {
  /** Where it lies in the queue itself. */
  readonly place: { readonly queue: string; readonly partition: number; readonly offset: string };
  readonly timestampMs: number;
  readonly key: Uint8Array | null;
  readonly value: Uint8Array | null;
  readonly headers: Readonly<Record<string, HeaderValue>>;
}

/** What is known about a dead letter; null where its writer does not say. */
export interface DeadLetterView {
  readonly writer: 'pipectl' | 'connect' | 'spring' | 'unknown';
  /** Ours is in its headers; that of another program's letter is made of its place in the queue. */
  readonly id: string;
  readonly pipeline: string | null;
  readonly stage: string | null;
  readonly code: string | null;
  readonly message: string | null;
  readonly fingerprint: string;
  readonly source: {
    /** Of the pipeline file. */
    readonly name: string | null;
    readonly cluster: string | null;
    readonly topic: string | null;
    readonly topicId: string | null;
    readonly partition: number | null;
    readonly offset: string | null;
    readonly element: string | null;
    readonly timestampMs: number | null;
  };
  readonly attempts: number | null;
  readonly replayCount: number | null;
  readonly firstFailedAtMs: number | null;
  /** When it failed; where that is not said, when it was put into the queue. */
  readonly failedAtMs: number;
  /** Its value is missing, and perhaps headers and key: too large for the queue, or not to be redacted. */
  readonly payloadOmitted: boolean;
  /** Fields that were to be redacted (`dlq.redact`); empty where the value is whole. */
  readonly redacted: readonly string[];
  /** Its value was removed by `dlq purge`. */
  readonly isPurged: boolean;
  /** Headers of the original record. */
  readonly headers: Readonly<Record<string, HeaderValue>>;
  readonly record: QueuedRecord;
}

const springPrefix = 'kafka_dlt-';

/** Never throws: what a header does not hold in the expected form is null. */
export function readDeadLetter(record: QueuedRecord): DeadLetterView {
  const names = Object.keys(record.headers);
  if (names.includes('pipectl-dlq-id')) return readPipectl(record);
  if (names.some((name) => name.startsWith(connectPrefix))) return readConnect(record);
  if (names.some((name) => name.startsWith(springPrefix))) return readSpring(record);
  return known(record, 'unknown', [], {});
}

/** What is counted of a letter. */
export type LetterSeen = Pick<DeadLetterView, 'id' | 'fingerprint' | 'failedAtMs'> & {
  readonly record: { readonly place: Pick<QueuedRecord['place'], 'partition' | 'offset'> };
};

/** That part of `readDeadLetter`, without the work for the rest. */
export function seeLetter(record: QueuedRecord): LetterSeen {
  const header = (name: string) => textOf(record.headers[headerPrefix + name]);
  const id = header('dlq-id');
  const fingerprint = header('error-fingerprint');
  if (id === null || fingerprint === null) return readDeadLetter(record);
  return { id, fingerprint, failedAtMs: timeOf(header('failed-at')) ?? record.timestampMs, record };
}

function readPipectl(record: QueuedRecord): DeadLetterView {
  const header = (name: string) => textOf(record.headers[headerPrefix + name]);
  const isCompatible = header('compat') === 'connect';
  const view = known(record, 'pipectl', isCompatible ? [connectPrefix] : [], {
    stage: header('stage'),
    code: header('error-code'),
    message: header('error-message'),
    fingerprint: header('error-fingerprint'),
  });
  return {
    ...view,
    id: header('dlq-id') ?? '',
    pipeline: header('pipeline'),
    source: {
      name: header('source'),
      cluster: header('source-cluster'),
      topic: header('source-topic'),
      topicId: header('source-topic-id'),
      partition: numberOf(header('source-partition')),
      offset: header('source-offset'),
      element: header('source-element'),
      timestampMs: numberOf(header('source-timestamp')),
    },
    attempts: numberOf(header('attempts')),
    replayCount: numberOf(header('replay-count')),
    firstFailedAtMs: timeOf(header('first-failed-at')),
    failedAtMs: timeOf(header('failed-at')) ?? record.timestampMs,
    payloadOmitted: header('payload') === 'omitted',
    redacted: header('redacted')?.split(', ') ?? [],
    isPurged: header('payload') === 'purged',
  };
}

/** KIP-298: every header is text. The letter has the timestamp of its record. */
function readConnect(record: QueuedRecord): DeadLetterView {
  const header = (name: string) => textOf(record.headers[connectPrefix + name]);
  const view = known(record, 'connect', [connectPrefix], {
    stage: header('stage'),
    code: header('exception.class.name'),
    message: header('exception.message'),
  });
  return {
    ...view,
    pipeline: header('connector.name'),
    source: {
      ...view.source,
      topic: header('topic'),
      partition: numberOf(header('partition')),
      offset: header('offset'),
      timestampMs: record.timestampMs,
    },
  };
}

/** `DeadLetterPublishingRecoverer`: numbers are big-endian bytes. */
function readSpring(record: QueuedRecord): DeadLetterView {
  const header = (name: string) => record.headers[springPrefix + name];
  const view = known(record, 'spring', [springPrefix], {
    stage: textOf(header('original-consumer-group')),
    code: textOf(header('exception-cause-fqcn')) ?? textOf(header('exception-fqcn')),
    message: textOf(header('exception-message')),
  });
  const timestamp = bigEndian(header('original-timestamp'));
  return {
    ...view,
    source: {
      ...view.source,
      topic: textOf(header('original-topic')),
      partition: numberOf(bigEndian(header('original-partition'))),
      offset: bigEndian(header('original-offset')),
      timestampMs: numberOf(timestamp),
    },
  };
}

interface Why {
  readonly stage?: string | null;
  readonly code?: string | null;
  readonly message?: string | null;
  readonly fingerprint?: string | null;
}

/** The same as long as the letter lies there. */
function idOfPlace({ queue, partition, offset }: QueuedRecord['place']): string {
  return createHash('sha256')
    .update(JSON.stringify([queue, partition, offset]))
    .digest('hex');
}

/** `prefixes`: of headers that the writer has added; ours, which a record that was sent back has, are no part of it. */
function known(
  record: QueuedRecord,
  writer: DeadLetterView['writer'],
  prefixes: readonly string[],
  why: Why,
): DeadLetterView {
  const { stage = null, code = null, fingerprint = null } = why;
  // Others put whole exception texts there, with line breaks and more.
  const message = why.message === null || why.message === undefined ? null : publicMessage(why.message, []);
  const added = [headerPrefix, ...prefixes];
  const replayCount = replayCountOf(record.headers);
  return {
    writer,
    id: writer === 'pipectl' ? '' : idOfPlace(record.place),
    pipeline: null,
    stage,
    code,
    message,
    fingerprint: fingerprint ?? fingerprintOf(stage ?? '', code ?? '', message ?? ''),
    source: {
      name: null,
      cluster: null,
      topic: null,
      topicId: null,
      partition: null,
      offset: null,
      element: null,
      timestampMs: null,
    },
    attempts: replayCount === null ? null : replayCount + 1,
    replayCount,
    firstFailedAtMs: null,
    failedAtMs: record.timestampMs,
    payloadOmitted: false,
    redacted: [],
    isPurged: false,
    headers: Object.fromEntries(
      Object.entries(record.headers).filter(([name]) => !added.some((prefix) => name.startsWith(prefix))),
    ),
    record,
  };
}

function numberOf(text: string | null): number | null {
  if (text === null || !/^-?\d{1,16}$/.test(text)) return null;
  return Number(text);
}

function timeOf(text: string | null): number | null {
  const time = Date.parse(text ?? '');
  return Number.isNaN(time) ? null : time;
}

function bigEndian(value: HeaderValue): string | null {
  const last = lastOf(value);
  if (last === undefined || typeof last === 'string') return null;
  const bytes = Buffer.from(last);
  if (bytes.length === 4) return String(bytes.readInt32BE());
  return bytes.length === 8 ? String(bytes.readBigInt64BE()) : null;
}
