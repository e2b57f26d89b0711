/** What `dlq ls` and `dlq inspect` show: a dead-letter queue read through once, with bounded memory. */
import { createReadStream } from 'node:fs';
import { createInterface } from 'node:readline';
import type { Log } from '../../engine/ports.ts';
import { errorTable, PipectlError } from '../../errors.ts';
import { readQueuedLine } from './file-queue.ts';
import type { DeadLetterPlace } from './queue.ts';
import { readDeadLetter, type DeadLetterView } from './view.ts';

/** All given conditions must hold. */
export interface DeadLetterFilter {
  /** A fingerprint or its beginning. */
  readonly fingerprint?: string;
  /** `decode`, `sink:orders`, or `sink` for all sinks. */
  readonly stage?: string;
  readonly sinceMs?: number;
  readonly untilMs?: number;
  /** The record's key as text. */
  readonly key?: string;
  /** A dead letter's id or its beginning. */
  readonly id?: string;
}

export interface CauseSummary {
  readonly fingerprint: string;
  readonly count: number;
  readonly stage: string | null;
  readonly code: string | null;
  /** Message of the newest one. */
  readonly message: string | null;
  readonly firstAtMs: number;
  readonly lastAtMs: number;
  /** Dead letters a minute over the last five. */
  readonly perMinute: number;
}

export interface CauseList {
  readonly total: number;
  /** The most frequent first, at most 10,000. */
  readonly causes: readonly CauseSummary[];
  /** Dead letters of further causes. */
  readonly uncounted: number;
}

const causesMax = 10_000;
const growthMs = 5 * 60_000;

export function matches(view: DeadLetterView, filter: DeadLetterFilter): boolean {
  const { fingerprint, stage, sinceMs, untilMs, key, id } = filter;
  if (fingerprint !== undefined && !view.fingerprint.startsWith(fingerprint)) return false;
  if (stage !== undefined && view.stage !== stage && !(view.stage ?? '').startsWith(`${stage}:`)) return false;
  if (sinceMs !== undefined && view.failedAtMs < sinceMs) return false;
  if (untilMs !== undefined && view.failedAtMs >= untilMs) return false;
  if (id !== undefined && !(view.id ?? '').startsWith(id)) return false;
  return key === undefined || (view.record.key !== null && Buffer.from(view.record.key).toString('utf8') === key);
}

/** Counts dead letters by cause. `nowMs` is the time growth is told for. */
export async function listCauses(
  place: DeadLetterPlace,
  filter: DeadLetterFilter,
  nowMs: number,
  log: Log,
): Promise<CauseList> {
  const causes = new Map<string, CauseSummary & { recent: number }>();
  let total = 0;
  let uncounted = 0;
  await readDeadLetters(place, filter, log, (view) => {
    total++;
    const { fingerprint, failedAtMs, stage, code, message } = view;
    const former = causes.get(fingerprint);
    if (former === undefined && causes.size >= causesMax) {
      uncounted++;
      return;
    }
    const isNewest = former === undefined || failedAtMs >= former.lastAtMs;
    causes.set(fingerprint, {
      fingerprint,
      stage,
      code,
      message: isNewest ? message : former.message,
      count: (former?.count ?? 0) + 1,
      firstAtMs: Math.min(former?.firstAtMs ?? failedAtMs, failedAtMs),
      lastAtMs: Math.max(former?.lastAtMs ?? failedAtMs, failedAtMs),
      perMinute: 0,
      recent: (former?.recent ?? 0) + (failedAtMs > nowMs - growthMs ? 1 : 0),
    });
  });
  return {
    total,
    uncounted,
    causes: [...causes.values()]
      .map(({ recent, ...cause }) => ({ ...cause, perMinute: recent / (growthMs / 60_000) }))
      .toSorted((a, b) => b.count - a.count),
  };
}

/** The newest `limit` dead letters, the newest first. */
export async function newestDeadLetters(
  place: DeadLetterPlace,
  filter: DeadLetterFilter,
  limit: number,
  log: Log,
): Promise<DeadLetterView[]> {
  // Sorted by time, the oldest first.
  const newest: DeadLetterView[] = [];
  await readDeadLetters(place, filter, log, (view) => {
    if (newest.length === limit && view.failedAtMs < newest[0]!.failedAtMs) return;
    const at = newest.findLastIndex((other) => other.failedAtMs <= view.failedAtMs);
    newest.splice(at + 1, 0, view);
    if (newest.length > limit) newest.shift();
  });
  return newest.toReversed();
}

async function readDeadLetters(
  place: DeadLetterPlace,
  filter: DeadLetterFilter,
  log: Log,
  onLetter: (view: DeadLetterView) => void,
): Promise<void> {
  const onView = (view: DeadLetterView): void => {
    if (matches(view, filter)) onLetter(view);
  };
  if ('file' in place) await readFile(place.file, onView);
  else await readTopic(place, filter.sinceMs, log, onView);
}

async function readFile(path: string, onView: (view: DeadLetterView) => void): Promise<void> {
  const stream = createReadStream(path);
  let number = 0;
  try {
    for await (const line of createInterface({ input: stream, crlfDelay: Infinity })) {
      const record = readQueuedLine(line, path, ++number);
      if (record !== undefined) onView(readDeadLetter(record));
    }
  } catch (error) {
    // A pipeline without a dead letter has not made its file.
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return;
    throw new PipectlError('file_unreadable', `${path} can't be read: ${(error as Error).message}`, {
      hint: errorTable.file_unreadable.hint,
      cause: error,
    });
  } finally {
    stream.destroy();
  }
}

async function readTopic(
  { topic, connection, isLazy }: Extract<DeadLetterPlace, { topic: string }>,
  sinceMs: number | undefined,
  log: Log,
  onView: (view: DeadLetterView) => void,
): Promise<void> {
  const { openKafkaAdmin } = await import('../../connections/kafka/admin.ts');
  const admin = await openKafkaAdmin(connection, log);
  try {
    if (isLazy && !(await admin.describeTopics([topic])).has(topic)) return;
    await admin.readTopic(topic, {
      // A record's timestamp in the queue is the time it failed, so the broker's time index finds the first.
      ...(sinceMs === undefined ? {} : { fromTimestampMs: sinceMs }),
      onRecord: ({ offset, timestampMs, key, value, headers }, partition) => {
        const place = { queue: topic, partition, offset: String(offset) };
        onView(readDeadLetter({ place, timestampMs, key, value, headers: headers ?? {} }));
      },
    });
  } finally {
    await admin.close();
  }
}
