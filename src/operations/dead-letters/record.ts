/** Dead letters as they lie in the queue: the original record, and text headers that say where it failed and why. */
import { createHash } from 'node:crypto';
import type { LetterForm } from '../../definition/letter-form.ts';
import type { DeadLetter, HeaderValue, LetterHistory } from '../../engine/ports.ts';
import { redact } from '../../runtime/log.ts';
import { redactedLetter } from '../../plan/redact.ts';

export interface DeadLetterContext {
  readonly pipeline: string;
  readonly pipelineHash: string;
  /** Values that must not appear in a message. */
  readonly secrets: readonly string[];
  readonly form: LetterForm;
}

export interface DeadLetterRecord {
  readonly key: Uint8Array | null;
  readonly value: Uint8Array | null;
  /** The original's, byte for byte, then ours. */
  readonly headers: Readonly<Record<string, HeaderValue>>;
  /**
   * When it failed. With the original's timestamp, which a header keeps, a broker's retention would delete the dead
   * letter of an old record at once.
   */
  readonly timestampMs: number;
}

export const headerPrefix = 'pipectl-';
/** Of Kafka Connect's dead letters (KIP-298). */
export const connectPrefix = '__connect.errors.';
const replayCountHeader = 'pipectl-replay-count';
const messageBytesMax = 1024;
/** Of what is looked through for secrets: far more than is kept. */
const messageCharactersMax = 16 * 1024;

/** What a dead letter becomes, in a topic or in a file. */
export function deadLetterRecord(whole: DeadLetter, context: DeadLetterContext): DeadLetterRecord {
  const { letter, redaction } = redactedLetter(whole, context.form);
  const { raw, partition } = letter;
  const message = publicMessage(letter.message, context.secrets);
  const failedAt = new Date(letter.failedAtMs).toISOString();
  const { attempts, replayCount, firstFailedAtMs } = letter.history ?? historyOf(letter);
  return {
    key: raw.key,
    value: raw.value,
    timestampMs: Math.floor(letter.failedAtMs),
    headers: {
      ...raw.headers,
      ...(context.form.compat === 'connect' && connectHeaders(letter, message, context.pipeline)),
      'pipectl-dlq-id': deadLetterId(letter, context.pipeline),
      'pipectl-pipeline': context.pipeline,
      'pipectl-pipeline-hash': context.pipelineHash,
      'pipectl-source': partition.source,
      'pipectl-source-cluster': partition.cluster,
      'pipectl-source-topic': partition.topic,
      'pipectl-source-topic-id': partition.topicId,
      'pipectl-source-partition': String(partition.partition),
      'pipectl-source-offset': String(raw.offset),
      'pipectl-source-timestamp': String(raw.timestampMs),
      ...(letter.element === '' ? {} : { 'pipectl-source-element': letter.element }),
      'pipectl-stage': letter.stage,
      'pipectl-error-code': letter.code,
      'pipectl-error-message': message,
      'pipectl-error-fingerprint': fingerprintOf(letter.stage, letter.code, message),
      'pipectl-attempts': String(attempts),
      'pipectl-first-failed-at': new Date(firstFailedAtMs).toISOString(),
      'pipectl-failed-at': failedAt,
      [replayCountHeader]: String(replayCount),
      ...(redaction !== null && {
        'pipectl-payload': redaction,
        'pipectl-redacted': context.form.redact.map((path) => path.join('.')).join(', '),
      }),
    },
  };
}

/** A record that was sent back to its topic says how often; nothing else tells it from a new one. */
function historyOf({ raw, failedAtMs }: DeadLetter): LetterHistory {
  const replayCount = replayCountOf(raw.headers) ?? 0;
  return { attempts: replayCount + 1, replayCount, firstFailedAtMs: failedAtMs };
}

/** How often a record was sent back to its topic; null where it does not say. */
export function replayCountOf(headers: DeadLetter['raw']['headers']): number | null {
  const text = textOf(headers?.[replayCountHeader]);
  return text !== null && /^\d{1,6}$/.test(text) ? Number(text) : null;
}

/** Headers of a record that is sent back: its own, that it is, and from which letter. */
export const sentBackHeaders = (
  headers: Readonly<Record<string, HeaderValue>>,
  { id, replayCount }: { readonly id: string; readonly replayCount: number },
): Record<string, HeaderValue> => ({
  ...Object.fromEntries(Object.entries(headers).filter(([name]) => !name.startsWith(headerPrefix))),
  [replayCountHeader]: String(replayCount),
  'pipectl-replay-of': id,
});

/** Kafka Connect's names (KIP-298, `DeadLetterQueueReporter`). There are no tasks, and no stack traces in a queue. */
function connectHeaders(
  { partition, raw, stage, code }: DeadLetter,
  message: string,
  pipeline: string,
): Record<string, string> {
  const [kind] = stage.split(':');
  const values = {
    topic: partition.topic,
    partition: String(partition.partition),
    offset: String(raw.offset),
    'connector.name': pipeline,
    'task.id': '0',
    stage: kind === 'decode' ? 'VALUE_CONVERTER' : kind === 'sink' ? 'TASK_PUT' : 'TRANSFORMATION',
    'class.name': stage,
    'exception.class.name': code,
    'exception.message': message,
  };
  const named = Object.entries(values).map(([name, value]) => [connectPrefix + name, value]);
  return { ...(Object.fromEntries(named) as Record<string, string>), 'pipectl-compat': 'connect' };
}

/** The same for every redelivery of the same failure. */
export function deadLetterId(
  {
    partition,
    raw,
    element,
    stage,
  }: Pick<DeadLetter, 'element' | 'stage'> & {
    readonly partition: Pick<DeadLetter['partition'], 'topicId' | 'partition'>;
    readonly raw: Pick<DeadLetter['raw'], 'offset'>;
  },
  pipeline: string,
): string {
  const parts = [pipeline, partition.topicId, partition.partition, raw.offset, element, stage];
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex');
}

/**
 * Groups dead letters by cause: what differs from record to record (numbers, ids, quoted values) does not count. Eight
 * hexadecimal digits, so that a hundred causes practically never meet.
 */
export function fingerprintOf(stage: string, code: string, message: string): string {
  const cause = message
    .replace(/"[^"]*"|'[^']*'|`[^`]*`/g, '""')
    .replace(/\b[0-9a-f]{8}-[0-9a-f-]{27}\b/gi, '0')
    .replace(/\b(?=[a-f]*\d)[0-9a-f]{8,}\b/gi, '0')
    .replace(/\d+(?:[.,:]\d+)*/g, '0');
  return createHash('sha256')
    .update(JSON.stringify([stage, code, cause]))
    .digest('hex')
    .slice(0, 8);
}

/** One line, without secrets, at most 1 KiB of UTF-8. */
export function publicMessage(message: string, secrets: readonly string[]): string {
  const redacted = redact(message.slice(0, messageCharactersMax), secrets);
  const text = stripControls(redacted).replace(/\s+/g, ' ').trim();
  const bytes = Buffer.from(text);
  if (bytes.length <= messageBytesMax) return text;
  let end = messageBytesMax - 3;
  while ((bytes[end]! & 0xc0) === 0x80) end--;
  return `${bytes.toString('utf8', 0, end)}...`;
}

/**
 * Text that can't move a cursor, colour a terminal or turn around what stands beside it: control characters and
 * directional overrides become spaces, except line feed and tab.
 */
export function stripControls(text: string): string {
  // eslint-disable-next-line no-control-regex
  return text.replace(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200e\u200f\u2028-\u202e\u2066-\u2069]/g, ' ');
}

/** The same with less in it, for a queue that finds it too large: without the value, then the original headers, then the key. */
export function lighterDeadLetter(record: DeadLetterRecord): DeadLetterRecord | null {
  const { headers } = record;
  if (headers['pipectl-payload'] !== 'omitted') {
    return { ...record, value: null, headers: { ...headers, 'pipectl-payload': 'omitted' } };
  }
  if (headers['pipectl-headers'] === undefined) {
    const own = Object.entries(headers).filter(([name]) => name.startsWith(headerPrefix));
    return { ...record, headers: { ...Object.fromEntries(own), 'pipectl-headers': 'omitted' } };
  }
  if (headers['pipectl-key'] === undefined)
    return { ...record, key: null, headers: { ...headers, 'pipectl-key': 'omitted' } };
  return null;
}

export const isList = (value: HeaderValue): value is readonly (Uint8Array | string)[] => Array.isArray(value);

/** The last one where a header occurs more than once, as consumers read it. */
export function lastOf(value: HeaderValue): Uint8Array | string | undefined {
  return isList(value) ? value.at(-1) : value;
}

export function textOf(value: HeaderValue): string | null {
  const last = lastOf(value);
  if (last === undefined) return null;
  return typeof last === 'string' ? last : Buffer.from(last).toString('utf8');
}
