/**
 * Holds the pipeline when too large a share of what is read becomes dead letters: a schema break must not move a million
 * records to the dead-letter queue. Judged before anything of an epoch becomes durable; once open it stays so until
 * somebody resumes.
 */
import type { DeadLetter, Rejection } from './ports.ts';

export interface BreakerLimits {
  /** Dead letters per record read, from 0 to 1. It opens above that. */
  readonly ratio: number;
  /** The window in which both are counted. */
  readonly overMs: number;
  /** It does not open before there are so many dead letters in the window. */
  readonly min: number;
}

/** Why records became dead letters, the most frequent reason first. */
export interface BreakerCause {
  readonly stage: string;
  readonly code: string;
  /** Of the first of them. */
  readonly message: string;
  readonly count: number;
}

/** What it opened for. */
export interface BreakerOpening {
  readonly atMs: number;
  /** In the window, the epoch that is held included. */
  readonly ratio: number;
  readonly dead: number;
  readonly read: number;
  readonly causes: readonly BreakerCause[];
}

/** The breaker has opened where nobody is to wait for: the run ends. */
export class BreakerOpened extends Error {
  override name = 'BreakerOpened';
  readonly code = 'breaker_open';
}

/** What one epoch costs in dead letters, as far as it is known. */
export interface Toll {
  /** Somebody has resumed while it was held: it is not held again, however long its writing takes. */
  isReleased: boolean;
  readonly read: number;
  /** Of decode, steps and routing. */
  readonly letters: readonly DeadLetter[];
  /** What each sink has refused of it. */
  readonly refused: readonly { readonly sink: string; rejected: readonly Rejection[] }[];
}

export const tollOf = ({ letters, refused }: Toll): number =>
  refused.reduce((sum, { rejected }) => sum + rejected.length, letters.length);

/** The window is counted in so many parts: what is too old leaves it one part at a time. */
const PARTS = 60;
/** Refusals a batch is always searched for: to take so many apart is quick, and tells more than "too many". */
const REFUSALS_MIN = 64;
const CAUSES_MAX = 5;

export class Breaker {
  readonly limits: BreakerLimits;
  /** False: whoever meets it open ends the run with `BreakerOpened`, since nobody is there to resume it. */
  readonly waits: boolean;
  /** Oldest first. */
  #parts: { readonly number: number; read: number; dead: number }[] = [];
  #armedFromMs = Number.NEGATIVE_INFINITY;
  #opening: BreakerOpening | null = null;
  #closing = Promise.withResolvers<void>();

  constructor(limits: BreakerLimits, waits: boolean) {
    this.limits = limits;
    this.waits = waits;
  }

  /** What it is open for; null while it is closed. */
  get opening(): BreakerOpening | null {
    return this.#opening;
  }

  /** False for one window after it was resumed: what somebody has looked at must not stop the pipeline again at once. */
  isArmed(nowMs: number): boolean {
    return nowMs >= this.#armedFromMs;
  }

  /** Share of dead letters in the window. */
  ratio(nowMs: number): number {
    const { read, dead } = this.#window(nowMs);
    return dead === 0 ? 0 : dead / Math.max(read, dead);
  }

  /** An epoch is written. */
  add(nowMs: number, { read, dead }: { readonly read: number; readonly dead: number }): void {
    const last = this.#parts.at(-1);
    // A clock that was set back does not make the window older.
    const number = Math.max(this.#partAt(nowMs), last?.number ?? 0);
    if (last?.number === number) {
      last.read += read;
      last.dead += dead;
    } else this.#parts.push({ number, read, dead });
  }

  /** Opens it where the window and this epoch together hold too many. True while it is open. */
  holds(nowMs: number, toll: Toll): boolean {
    if (this.#opening !== null) return true;
    const dead = tollOf(toll);
    if (dead === 0 || !this.isArmed(nowMs)) return false;
    const before = this.#window(nowMs);
    if (before.dead + dead <= this.#deadMax(before.read + toll.read)) return false;
    this.open(nowMs, toll);
    return true;
  }

  open(nowMs: number, toll: Toll): void {
    const before = this.#window(nowMs);
    const dead = before.dead + tollOf(toll);
    const read = before.read + toll.read;
    this.#opening = { atMs: nowMs, ratio: dead / Math.max(read, dead, 1), dead, read, causes: causesOf(toll) };
  }

  /** So many rows a sink may refuse of this epoch, beside those the others have refused, before it is to give up. */
  refusalsMax(nowMs: number, toll: Toll): number {
    if (toll.isReleased || !this.isArmed(nowMs)) return Number.POSITIVE_INFINITY;
    const before = this.#window(nowMs);
    return Math.max(REFUSALS_MIN, this.#deadMax(before.read + toll.read) - before.dead - tollOf(toll));
  }

  /** Closes it, with an empty window. Tells what it was open for; null where it was not. */
  resume(nowMs: number): BreakerOpening | null {
    const opening = this.#opening;
    if (opening === null) return null;
    this.#opening = null;
    this.#parts = [];
    this.#armedFromMs = nowMs + this.limits.overMs;
    this.#closing.resolve();
    this.#closing = Promise.withResolvers();
    return opening;
  }

  /** Resolves when it was resumed, or `signal` aborts. */
  async resumed(signal: AbortSignal): Promise<void> {
    if (this.#opening === null || signal.aborted) return;
    const aborted = Promise.withResolvers<void>();
    const abort = (): void => aborted.resolve();
    signal.addEventListener('abort', abort, { once: true });
    await Promise.race([this.#closing.promise, aborted.promise]);
    signal.removeEventListener('abort', abort);
  }

  /** The most dead letters there may be among so many records. */
  #deadMax(read: number): number {
    return Math.max(this.limits.min - 1, Math.floor(this.limits.ratio * read));
  }

  #window(nowMs: number): { read: number; dead: number } {
    const oldest = this.#partAt(nowMs) - PARTS;
    this.#parts = this.#parts.filter(({ number }) => number > oldest);
    const sum = { read: 0, dead: 0 };
    for (const { read, dead } of this.#parts) {
      sum.read += read;
      sum.dead += dead;
    }
    return sum;
  }

  #partAt(nowMs: number): number {
    return Math.floor((nowMs * PARTS) / this.limits.overMs);
  }
}

function causesOf({ letters, refused }: Toll): readonly BreakerCause[] {
  const causes = new Map<string, BreakerCause & { count: number }>();
  const count = (stage: string, { code, message }: { readonly code: string; readonly message: string }): void => {
    const key = `${stage} ${code}`;
    const cause = causes.get(key) ?? { stage, code, message, count: 0 };
    causes.set(key, cause);
    cause.count++;
  };
  for (const letter of letters) count(letter.stage, letter);
  for (const { sink, rejected } of refused) for (const rejection of rejected) count(`sink:${sink}`, rejection);
  return [...causes.values()].toSorted((a, b) => b.count - a.count).slice(0, CAUSES_MAX);
}
