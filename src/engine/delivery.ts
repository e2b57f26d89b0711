/**
 * Writes one epoch to all its sinks in the order on which the delivery promise rests:
 * (a) open the sink's transaction and write, (b) make the epoch's dead letters durable, rejections included,
 * (c) commit the sink's transaction, which moves its position. Committing the group's offsets (d) comes after, in
 * `stage.ts`. Each sink goes this way on its own; a transient failure repeats the sink's whole batch.
 */
import { backoffMs } from './backoff.ts';
import { type Epoch, type Route, type RouteBatch, deadLetter } from './epoch.ts';
import {
  type Clock,
  type DeadLetter,
  type DeadLetterQueue,
  type EventRecord,
  Fenced,
  type Log,
  SinkUnavailable,
  type WriteResult,
} from './ports.ts';

/** How one sink is doing, for the status. */
export interface RouteHealth {
  state: 'OK' | 'RETRYING' | 'FENCED';
  /** Attempts that failed since start. */
  retries: number;
  /** Attempts that failed in a row; 0 when the last one succeeded. */
  failures: number;
  /** When the present trouble began; null without trouble. */
  failingSinceMs: number | null;
  nextTryAtMs: number | null;
  /** Why the last attempt failed. */
  cause: string;
  /** Rows of epochs that are not sealed yet. */
  pendingRows: number;
}

/** What a sink is told to be when nothing troubles it. */
export const wellRoute = () =>
  ({ state: 'OK', failures: 0, failingSinceMs: null, nextTryAtMs: null, cause: '' }) satisfies Partial<RouteHealth>;

export const newRouteHealth = (): RouteHealth => ({ ...wellRoute(), retries: 0, pendingRows: 0 });

export interface DeliveryOptions {
  readonly routes: readonly Route[];
  readonly health: readonly RouteHealth[];
  readonly deadLetters: DeadLetterQueue;
  readonly clock: Clock;
  readonly random: () => number;
  readonly log: Log;
  /** Told of every dead letter once it is durable. */
  readonly onDeadLetters: (letters: readonly DeadLetter[]) => void;
  /** Told when rows of a sink became visible: the records and how long `write` to `commit` took. */
  readonly onWritten: (routeIndex: number, records: readonly EventRecord[], elapsedMs: number) => void;
}

/** The delivery was given up between two attempts because its signal aborted. Nothing was moved. */
export class DeliveryAbandoned extends Error {
  override name = 'DeliveryAbandoned';
  readonly code = 'drain_incomplete';
}

/**
 * Delivers `epoch`; `prepared[i]` is what route i's sink made of its batch. Resolves when every sink has committed.
 * Rejects with `Fenced`, `DeliveryAbandoned` (the signal aborted; only ever between attempts), or what stops the
 * pipeline. Always waits for all sinks to come to rest first.
 */
export async function deliver(
  epoch: Epoch,
  prepared: readonly unknown[],
  options: DeliveryOptions,
  signal: AbortSignal,
): Promise<void> {
  const durable = appendDeadLetters(epoch.letters, options, signal);
  const deliveries = epoch.batches.map((batch, i) => deliverToSink(i, batch, prepared[i], durable, options, signal));
  const outcomes = await Promise.allSettled([durable, ...deliveries]);
  const errors = outcomes.flatMap((outcome) => (outcome.status === 'rejected' ? [outcome.reason as unknown] : []));
  if (errors.length === 0) return;
  throw errors.find(isFatal) ?? errors.find((error) => error instanceof Fenced) ?? errors[0];
}

const isFatal = (error: unknown): boolean => !(error instanceof Fenced || error instanceof DeliveryAbandoned);

async function deliverToSink(
  index: number,
  batch: RouteBatch,
  prepared: unknown,
  epochLettersDurable: Promise<void>,
  options: DeliveryOptions,
  signal: AbortSignal,
): Promise<void> {
  const { clock } = options;
  const { sink } = options.routes[index]!;
  let commitUnknown = false;
  /** Those of its rejections that are durable already: a repeat of the batch refuses the same records. */
  const buried = new Set<EventRecord>();
  await retrying(options, signal, options.health[index]!, `sink_unavailable`, `writing to ${sink.name}`, async () => {
    const startedMs = clock.now();
    let committing = false;
    try {
      const result = await sink.write(prepared, Number.POSITIVE_INFINITY);
      await epochLettersDurable;
      const failedAtMs = clock.now();
      const fresh = result.rejected.filter(({ record }) => !buried.has(record));
      await appendDeadLetters(
        fresh.map((reason) => deadLetter(reason.record, `sink:${sink.name}`, reason, failedAtMs)),
        options,
        signal,
      );
      for (const { record } of fresh) buried.add(record);
      committing = true;
      await sink.commit();
      batch.count.settle(commitUnknown ? asWritten(result) : result);
    } catch (error) {
      commitUnknown ||= committing;
      await sink.rollback();
      throw error;
    }
    options.onWritten(index, batch.records, clock.now() - startedMs);
  });
}

/**
 * After a commit whose answer was lost, rows that are found below the sink's position are those of that very commit.
 */
const asWritten = (result: WriteResult): WriteResult => ({
  ...result,
  written: result.written + result.skippedOffset,
  skippedOffset: 0,
});

async function appendDeadLetters(
  letters: readonly DeadLetter[],
  options: DeliveryOptions,
  signal: AbortSignal,
): Promise<void> {
  if (letters.length === 0) return;
  await retrying(options, signal, undefined, 'dlq_unavailable', 'writing dead letters', () =>
    options.deadLetters.append(letters),
  );
  options.onDeadLetters(letters);
}

/** Repeats `attempt` while it is `SinkUnavailable`, with back-off; everything else goes to the caller. */
export async function retrying<T>(
  { clock, random, log }: Pick<DeliveryOptions, 'clock' | 'random' | 'log'>,
  signal: AbortSignal,
  health: RouteHealth | undefined,
  code: string,
  doing: string,
  attempt: () => Promise<T>,
): Promise<T> {
  for (let failures = 1; ; failures++) {
    try {
      const result = await attempt();
      if (failures > 1) log.info(`${code}_ended`, `${doing} works again`, { attempts: failures });
      if (health) Object.assign(health, wellRoute());
      return result;
    } catch (error) {
      if (error instanceof Fenced && health) health.state = 'FENCED';
      if (!(error instanceof SinkUnavailable)) throw error;
      const delayMs = backoffMs(failures, random());
      if (health) {
        health.state = 'RETRYING';
        health.retries++;
        health.failures = failures;
        health.failingSinceMs ??= clock.now();
        health.nextTryAtMs = clock.now() + delayMs;
        health.cause = error.message;
      }
      log.warn(code, `${doing} failed: ${error.message}`, { attempt: failures, delayMs });
      await clock.sleep(delayMs, signal);
      if (signal.aborted) throw new DeliveryAbandoned(`${doing} was given up: ${error.message}`, { cause: error });
    }
  }
}
