/**
 * Knows what became of the letters of the pipeline's queue, of all members and all runs, for the status and metrics. Read
 * beside the source's connections and in small portions, so that it never stands in the way of records; what can't be read is
 * not known, and stops nothing.
 */
import type { Clock, Log } from '../engine/ports.ts';
import { LetterFollower, type Pace } from '../operations/dead-letters/follow.ts';
import { deadLetterPlace } from '../operations/dead-letters/queue.ts';
import type { Plan } from '../plan/index.ts';
import { Samples } from './samples.ts';
import type { SharedAdmin } from './shared-admin.ts';
import type { LettersByStatus, LettersStatus } from './status.ts';

export interface LetterWatchOptions {
  readonly clock: Clock;
  readonly log: Log;
  /** Default: 2 s. */
  readonly everyMs?: number;
}

const lookEveryMs = 2_000;
/** What was counted longer ago is not known any more. */
const staleMs = 60_000;
/** Some milliseconds of work, then ten times the rest: a queue of a million letters is read in about three minutes. */
const portion = { recordsMax: 250, bytesMax: 1024 * 1024 };
const restMs = 40;

export class LetterWatch {
  readonly #follower: LetterFollower;
  readonly #options: LetterWatchOptions;
  readonly #closing = new AbortController();
  readonly #open = new Samples();
  #countedAtMs: number | null = null;

  constructor(follower: LetterFollower, options: LetterWatchOptions) {
    this.#follower = follower;
    this.#options = options;
  }

  /** `cluster`: that the pipeline reads from, where its queue is a topic. Null where nobody can look. */
  static of({ definition }: Plan, cluster: SharedAdmin | null, options: LetterWatchOptions): LetterWatch | null {
    const place = deadLetterPlace(definition);
    if ('file' in place) return new LetterWatch(LetterFollower.ofFile(place.file), options);
    return (
      cluster &&
      new LetterWatch(
        LetterFollower.ofTopic(place.topic, () => cluster.get()),
        options,
      )
    );
  }

  /** Null before the first count, and when the last one is long ago. */
  get letters(): LettersStatus | null {
    const whole = this.#counts?.whole;
    return whole === undefined ? null : { ...whole, openChangePerSecond: this.#open.perSecond };
  }

  /** Null where that is not known. */
  ofCause(fingerprint: string): LettersByStatus | null {
    return this.#counts?.ofCause(fingerprint) ?? null;
  }

  /** Runs until `stop`. Never rejects. */
  async run(): Promise<void> {
    const { clock, log, everyMs = lookEveryMs } = this.#options;
    const { signal } = this.#closing;
    const pace = this.#pace();
    let knownAtMs = clock.now();
    let isSaid = false;
    for (;;) {
      await clock.sleep(everyMs, signal);
      if (signal.aborted) return;
      try {
        await unlessStopped(this.#follower.look(pace), signal);
        this.#countedAtMs = knownAtMs = clock.now();
        this.#open.add(knownAtMs, this.#follower.counts!.whole.open);
        isSaid = false;
      } catch (error) {
        if (signal.aborted) return;
        // Brokers come and go; only what lasts is worth a line.
        if (isSaid || clock.now() - knownAtMs < staleMs) continue;
        isSaid = true;
        log.warn('dead_letters_unknown', `the dead letters can't be counted: ${(error as Error).message}`);
      }
    }
  }

  stop(): void {
    this.#closing.abort();
  }

  get #counts() {
    const isFresh = this.#countedAtMs !== null && this.#options.clock.now() - this.#countedAtMs < staleMs;
    return isFresh ? this.#follower.counts : null;
  }

  #pace(): Pace {
    const { clock } = this.#options;
    const { signal } = this.#closing;
    let records = 0;
    let bytes = 0;
    return (more) => {
      records++;
      bytes += more;
      if (records < portion.recordsMax && bytes < portion.bytesMax) return undefined;
      records = 0;
      bytes = 0;
      return clock.sleep(restMs, signal).then(() => signal.throwIfAborted());
    };
  }
}

/** A look has no time limit, and may be in the middle of a request that has no answer. */
async function unlessStopped(work: Promise<void>, signal: AbortSignal): Promise<void> {
  const stopped = Promise.withResolvers<never>();
  const stop = (): void => stopped.reject(new Error('stopped'));
  signal.addEventListener('abort', stop, { once: true });
  try {
    await Promise.race([work, stopped.promise]);
  } finally {
    signal.removeEventListener('abort', stop);
  }
}
