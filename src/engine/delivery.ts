/**
 * Writes one epoch to all its sinks in the order on which the delivery promise rests:
 * (a) open the sink's transaction and write, (b) make the epoch's dead letters durable, rejections included,
 * (c) commit the sink's transaction, which moves its position. Committing the group's offsets (d) comes after, in
 * `stage.ts`. Each sink goes this way on its own; a transient failure repeats the sink's whole batch.
 */
import { backoffMs } from './backoff.ts';
import { type Breaker, BreakerOpened, type Toll, tollOf } from './breaker.ts';
import { type Epoch, type RetryPolicy, type Route, type RouteBatch, deadLetter } from './epoch.ts';
import {
  type Clock,
  type DeadLetter,
  type DeadLetterQueue,
  type EventRecord,
  Fenced,
  type Log,
  SinkUnavailable,
  TooManyRejections,
  type WriteResult,
} from './ports.ts';

/** How one sink is doing, for the status. */
export interface RouteHealth {
  state: 'OK' | 'RETRYING' | 'DOWN' | 'FENCED';
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
  /** Judges each epoch before anything of it is durable. Default: none. */
  readonly breaker?: Breaker;
  /** Aborted when the run is to stop: nobody waits for a breaker any more. */
  readonly stopping: AbortSignal;
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

/** The run stops while the breaker holds the epoch. Nothing was moved, and that is no failure. */
export class HeldByBreaker extends DeliveryAbandoned {
  override name = 'HeldByBreaker';
}

/** A sink has been away for as long as `retry.for` allows, and `retry.then` is `stop`. */
export class SinkGivenUp extends Error {
  override name = 'SinkGivenUp';
  readonly code = 'sink_unavailable';
}

/** Inside a delivery: the breaker has opened, so the sink rolls back and waits. */
class Held extends Error {}

/** Inside a delivery: the sink has been away for as long as its policy allows, which goes on without it. */
class Exhausted extends Error {
  override readonly cause: SinkUnavailable;
  constructor(cause: SinkUnavailable) {
    super(cause.message);
    this.cause = cause;
  }
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
  const { read, letters, batches } = epoch;
  const toll: Toll = {
    isReleased: false,
    read,
    letters,
    refused: options.routes.map(({ sink }) => ({ sink: sink.name, rejected: [] })),
  };
  await passBreaker(toll, options, signal);
  const durable = appendDeadLetters(letters, options, signal);
  const deliveries = batches.map((batch, i) => {
    const delivery = new SinkDelivery(i, batch, prepared[i], toll, durable, options, signal);
    return delivery.run();
  });
  const outcomes = await Promise.allSettled([durable, ...deliveries]);
  const errors = outcomes.flatMap((outcome) => (outcome.status === 'rejected' ? [outcome.reason as unknown] : []));
  if (errors.length === 0) {
    options.breaker?.add(options.clock.now(), { read, dead: tollOf(toll) });
    return;
  }
  throw errors.find(isFatal) ?? errors.find((error) => error instanceof Fenced) ?? errors[0];
}

const isFatal = (error: unknown): boolean => !(error instanceof Fenced || error instanceof DeliveryAbandoned);

/** Waits while the breaker is open, which it may be from now on because of this epoch. */
async function passBreaker(toll: Toll, options: DeliveryOptions, signal: AbortSignal): Promise<void> {
  const { breaker, stopping } = options;
  while (breaker !== undefined && isHeld(toll, options)) {
    if (!breaker.waits) throw new BreakerOpened(openingWords(breaker));
    await breaker.resumed(AbortSignal.any([signal, stopping]));
    if (stopping.aborted && breaker.opening !== null) throw new HeldByBreaker('the breaker is open');
    if (signal.aborted) throw new DeliveryAbandoned('the breaker was open');
    toll.isReleased = true;
  }
}

/** True while the breaker is open; says so when it opens. `anyway`: it opens whatever the ratio is. */
function isHeld(toll: Toll, { breaker, clock, log }: DeliveryOptions, anyway = false): boolean {
  if (breaker === undefined || breaker.opening !== null) return breaker !== undefined;
  if (toll.isReleased) return false;
  if (anyway) breaker.open(clock.now(), toll);
  const holds = breaker.holds(clock.now(), toll);
  if (holds) log.error('breaker_open', openingWords(breaker));
  return holds;
}

/** `62% of 5000 records would become dead letters, more than 20%: 3100 x sink:orders sink_constraint`. */
function openingWords({ opening, limits }: Breaker): string {
  const { ratio, read, causes } = opening!;
  const percent = (share: number): string => `${Math.round(share * 10_000) / 100}%`;
  const why = causes.map(({ count, stage, code }) => `${count} x ${stage} ${code}`).join(', ');
  return `${percent(ratio)} of ${read} records would become dead letters, more than ${percent(limits.ratio)}: ${why}`;
}

/** One sink's part of an epoch. */
class SinkDelivery {
  readonly #index: number;
  readonly #batch: RouteBatch;
  readonly #prepared: unknown;
  readonly #toll: Toll;
  readonly #epochLettersDurable: Promise<void>;
  readonly #options: DeliveryOptions;
  readonly #signal: AbortSignal;
  #commitUnknown = false;
  /** Those of its rejections that are durable already: a repeat of the batch refuses the same records. */
  readonly #buried = new Set<EventRecord>();

  constructor(
    index: number,
    batch: RouteBatch,
    prepared: unknown,
    toll: Toll,
    epochLettersDurable: Promise<void>,
    options: DeliveryOptions,
    signal: AbortSignal,
  ) {
    this.#index = index;
    this.#batch = batch;
    this.#prepared = prepared;
    this.#toll = toll;
    this.#epochLettersDurable = epochLettersDurable;
    this.#options = options;
    this.#signal = signal;
  }

  async run(): Promise<void> {
    const { health, routes } = this.#options;
    const { sink, retry } = routes[this.#index]!;
    for (;;) {
      try {
        await retrying(
          this.#options,
          this.#signal,
          health[this.#index],
          'sink_unavailable',
          `writing to ${sink.name}`,
          () => this.#attempt(),
          retry,
        );
        return;
      } catch (error) {
        if (error instanceof Exhausted) return this.#giveUp(error.cause);
        if (!(error instanceof Held)) throw error;
        // Found anew when it is tried again.
        this.#toll.refused[this.#index]!.rejected = [];
        await passBreaker(this.#toll, this.#options, this.#signal);
      }
    }
  }

  async #attempt(): Promise<void> {
    const { clock, routes } = this.#options;
    const { sink } = routes[this.#index]!;
    const startedMs = clock.now();
    let committing = false;
    try {
      const result = await this.#write();
      await this.#epochLettersDurable;
      await this.#bury(result.rejected);
      committing = true;
      await sink.commit();
      this.#batch.count.settle(this.#commitUnknown ? asWritten(result) : result);
    } catch (error) {
      this.#commitUnknown ||= committing;
      await sink.rollback();
      throw error;
    }
    this.#options.onWritten(this.#index, this.#batch.records, clock.now() - startedMs);
  }

  /** Judged before the commit, and before a rejection is durable. */
  async #write(): Promise<WriteResult> {
    const { breaker, clock, routes } = this.#options;
    const { sink } = routes[this.#index]!;
    const mine = this.#toll.refused[this.#index]!;
    mine.rejected = [];
    try {
      const most = breaker?.refusalsMax(clock.now(), this.#toll) ?? Number.POSITIVE_INFINITY;
      const result = await sink.write(this.#prepared, most);
      mine.rejected = result.rejected;
      if (!isHeld(this.#toll, this.#options)) return result;
    } catch (error) {
      if (!(error instanceof TooManyRejections) || breaker === undefined) throw error;
      mine.rejected = error.rejected;
      // Resumed since it was told how many it may refuse: it is asked again, without a bound.
      if (breaker.isArmed(clock.now())) isHeld(this.#toll, this.#options, true);
    }
    throw new Held();
  }

  /** Makes rejections durable. */
  async #bury(rejected: WriteResult['rejected']): Promise<void> {
    const { clock, routes } = this.#options;
    const stage = `sink:${routes[this.#index]!.sink.name}`;
    const failedAtMs = clock.now();
    const fresh = rejected.filter(({ record }) => !this.#buried.has(record));
    const letters = fresh.map((reason) => deadLetter(reason.record, stage, reason, failedAtMs));
    await appendDeadLetters(letters, this.#options, this.#signal);
    for (const { record } of fresh) this.#buried.add(record);
  }

  /** The sink has been away for too long: its rows become dead letters. Its position stays. */
  async #giveUp({ message }: SinkUnavailable): Promise<void> {
    const { log, routes } = this.#options;
    const { sink } = routes[this.#index]!;
    const { records, count } = this.#batch;
    const reason = { code: 'sink_unavailable', message };
    await this.#epochLettersDurable;
    await this.#bury(records.map((record) => ({ record, ...reason })));
    // Not among what the breaker counts: whoever asks for this wants the pipeline to go on.
    this.#toll.refused[this.#index]!.rejected = [];
    count.rejected += records.length;
    if (records.length > 0) log.warn('sink_given_up', `${sink.name}: ${records.length} rows became dead letters`);
  }
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

/**
 * Repeats `attempt` while it is `SinkUnavailable`, with back-off; everything else goes to the caller. Where `policy` does
 * not wait for ever, the trouble is counted from its first failure on, over as many calls as it lasts; `stop` then
 * rejects with `SinkGivenUp`.
 */
export async function retrying<T>(
  { clock, random, log }: Pick<DeliveryOptions, 'clock' | 'random' | 'log'>,
  signal: AbortSignal,
  health: RouteHealth | undefined,
  code: string,
  doing: string,
  attempt: () => Promise<T>,
  policy: RetryPolicy = { action: 'wait' },
): Promise<T> {
  for (let failures = 1; ; failures++) {
    try {
      const result = await attempt();
      if (failures > 1) log.info(`${code}_ended`, `${doing} works again`, { attempts: failures });
      if (health) Object.assign(health, wellRoute());
      return result;
    } catch (error) {
      if (error instanceof Fenced && health) {
        Object.assign(health, { state: 'FENCED', nextTryAtMs: null, cause: error.message });
      }
      if (!(error instanceof SinkUnavailable)) throw error;
      const nowMs = clock.now();
      const sinceMs = health?.failingSinceMs ?? nowMs;
      const leftMs = policy.action === 'wait' ? Number.POSITIVE_INFINITY : sinceMs + policy.forMs - nowMs;
      const delayMs = Math.min(backoffMs(failures, random()), leftMs);
      if (health) {
        health.state = 'RETRYING';
        health.retries++;
        health.failures = failures;
        health.failingSinceMs = sinceMs;
        health.nextTryAtMs = delayMs > 0 ? nowMs + delayMs : null;
        health.cause = error.message;
      }
      if (leftMs <= 0 && policy.action === 'stop') throw new SinkGivenUp(`${doing} failed: ${error.message}`);
      if (leftMs <= 0) throw new Exhausted(error);
      log.warn(code, `${doing} failed: ${error.message}`, { attempt: failures, delayMs });
      await clock.sleep(delayMs, signal);
      if (signal.aborted) throw new DeliveryAbandoned(`${doing} was given up: ${error.message}`, { cause: error });
    }
  }
}
