/** A dead-letter queue read through once: what `dlq` counts, shows and acts on. */
import { createReadStream } from 'node:fs';
import type { Log } from '../../engine/ports.ts';
import { errorTable, PipectlError } from '../../errors.ts';
import { linesOf, readQueuedLine } from './file-queue.ts';
import type { DeadLetterPlace } from './queue.ts';
import { type LetterState, type LetterStatus, statusOf } from './state.ts';
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

/** A letter that somebody acted on, by its id. */
export type States = ReadonlyMap<string, LetterState>;

/** What is kept of each letter of a queue: of several with one id the newest. */
export interface Letter {
  readonly id: string;
  readonly place: DeadLetterView['record']['place'];
  readonly fingerprint: string;
  readonly failedAtMs: number;
  readonly status: LetterStatus;
}

/** What letters have in common. */
interface Cause {
  readonly stage: string | null;
  readonly code: string | null;
  /** Message of the newest one. */
  readonly message: string | null;
  readonly atMs: number;
}

export interface Letters {
  /** Those that match, in the order of the queue. */
  readonly letters: readonly Letter[];
  readonly causes: ReadonlyMap<string, Cause>;
  /** Letters beyond those that are kept. */
  readonly uncounted: number;
}

export interface CauseSummary {
  readonly fingerprint: string;
  readonly count: number;
  /** Those nobody has closed or replayed. */
  readonly open: number;
  readonly quarantined: number;
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
  readonly open: number;
  readonly quarantined: number;
  /** When the oldest open one failed; null without. */
  readonly oldestOpenAtMs: number | null;
  /** Of all causes together. */
  readonly perMinute: number;
  /** The most frequent first. */
  readonly causes: readonly CauseSummary[];
  /** Letters beyond the first million, which are not looked at. */
  readonly uncounted: number;
}

/** Letters beyond are only counted. */
export const lettersMax = 1_000_000;
const growthMs = 5 * 60_000;

export function matches(view: DeadLetterView, filter: DeadLetterFilter): boolean {
  const { fingerprint, stage, sinceMs, untilMs, key, id } = filter;
  if (fingerprint !== undefined && !view.fingerprint.startsWith(fingerprint)) return false;
  if (stage !== undefined && view.stage !== stage && !(view.stage ?? '').startsWith(`${stage}:`)) return false;
  if (sinceMs !== undefined && view.failedAtMs < sinceMs) return false;
  if (untilMs !== undefined && view.failedAtMs >= untilMs) return false;
  if (id !== undefined && !view.id.startsWith(id)) return false;
  return key === undefined || (view.record.key !== null && Buffer.from(view.record.key).toString('utf8') === key);
}

/** Reads the queue through, and keeps what is needed to count and to choose: no values. */
export async function readLetters(
  place: DeadLetterPlace,
  filter: DeadLetterFilter,
  states: States,
  log: Log,
): Promise<Letters> {
  const kept = new Map<string, Letter & { readonly isMeant: boolean }>();
  const causes = new Map<string, Cause>();
  let uncounted = 0;
  await readDeadLetters(place, filter.sinceMs, log, (view) => {
    const { id, fingerprint, failedAtMs, stage, code, message, record } = view;
    const former = kept.get(id);
    if (former !== undefined && former.failedAtMs > failedAtMs) return;
    if (former === undefined && kept.size >= lettersMax) {
      uncounted++;
      return;
    }
    // The newest one decides, also whether it is meant.
    kept.delete(id);
    const cause = causes.get(fingerprint);
    if (cause === undefined || cause.atMs <= failedAtMs)
      causes.set(fingerprint, { stage, code, message, atMs: failedAtMs });
    const status = statusOf(failedAtMs, states.get(id));
    const isMeant = matches(view, filter);
    kept.set(id, { id, place: record.place, fingerprint, failedAtMs, status, isMeant });
  });
  return { letters: [...kept.values()].filter(({ isMeant }) => isMeant), causes, uncounted };
}

/** Counts dead letters by cause. `nowMs` is the time growth is told for. */
export async function listCauses(
  place: DeadLetterPlace,
  filter: DeadLetterFilter,
  states: States,
  nowMs: number,
  log: Log,
): Promise<CauseList> {
  const { letters, causes, uncounted } = await readLetters(place, filter, states, log);
  const isOpen = ({ status }: Letter): boolean => status === 'open';
  const isRecent = ({ failedAtMs }: Letter): boolean => failedAtMs > nowMs - growthMs;
  const isQuarantined = ({ status }: Letter): boolean => status === 'quarantined';
  const count = (of: readonly Letter[], is: (letter: Letter) => boolean): number =>
    of.reduce((sum, letter) => sum + (is(letter) ? 1 : 0), 0);
  const perMinute = (of: readonly Letter[]): number => count(of, isRecent) / (growthMs / 60_000);
  const bounds = (of: readonly Letter[]) =>
    of.reduce(
      ({ first, last }, { failedAtMs }) => ({ first: Math.min(first, failedAtMs), last: Math.max(last, failedAtMs) }),
      { first: Number.POSITIVE_INFINITY, last: Number.NEGATIVE_INFINITY },
    );
  const open = letters.filter(isOpen);
  return {
    total: letters.length,
    open: open.length,
    quarantined: count(letters, isQuarantined),
    oldestOpenAtMs: open.length === 0 ? null : bounds(open).first,
    perMinute: perMinute(letters),
    uncounted,
    causes: [...Map.groupBy(letters, ({ fingerprint }) => fingerprint)]
      .map(([fingerprint, own]): CauseSummary => {
        const { stage, code, message } = causes.get(fingerprint)!;
        const { first, last } = bounds(own);
        return {
          fingerprint,
          count: own.length,
          open: count(own, isOpen),
          quarantined: count(own, isQuarantined),
          stage,
          code,
          message,
          firstAtMs: first,
          lastAtMs: last,
          perMinute: perMinute(own),
        };
      })
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
  await readDeadLetters(place, filter.sinceMs, log, (view) => {
    if (!matches(view, filter)) return;
    if (newest.length === limit && view.failedAtMs < newest[0]!.failedAtMs) return;
    const at = newest.findLastIndex((other) => other.failedAtMs <= view.failedAtMs);
    newest.splice(at + 1, 0, view);
    if (newest.length > limit) newest.shift();
  });
  return newest.toReversed();
}

/** Told of a letter; reading goes on when it resolves. Return false to stop reading. */
type OnLetter = (view: DeadLetterView) => boolean | void | Promise<boolean | void>;

/** Gives every letter that failed since `sinceMs`, as far as the queue can tell, to `onLetter`. */
export async function readDeadLetters(
  place: DeadLetterPlace,
  sinceMs: number | undefined,
  log: Log,
  onLetter: OnLetter,
): Promise<void> {
  if ('file' in place) await readFile(place.file, onLetter);
  else await readTopic(place, sinceMs, log, onLetter);
}

async function readFile(path: string, onView: OnLetter): Promise<void> {
  const stream = createReadStream(path);
  let number = 0;
  try {
    for await (const line of linesOf(stream)) {
      const record = readQueuedLine(line.toString('utf8'), path, ++number);
      if (record !== undefined && (await onView(readDeadLetter(record))) === false) return;
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
  onView: OnLetter,
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
        return onView(readDeadLetter({ place, timestampMs, key, value, headers: headers ?? {} }));
      },
    });
  } finally {
    await admin.close();
  }
}
