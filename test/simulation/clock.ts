import type { Clock } from '../../src/engine/ports.ts';

interface Timer {
  readonly atMs: number;
  readonly order: number;
  readonly fire: () => void;
}

const PARTS = 16;

/** Resolves when everything that is ready has run: a tick comes when no promise has anything left to do. */
export const allAtRest = (): Promise<void> => new Promise((resolve) => process.nextTick(resolve));

/** A clock that stands still until `advance` moves it to the next timer: virtual time decides all interleavings. */
export class VirtualClock implements Clock {
  #nowMs = 1_700_000_000_000;
  /** The next one last. */
  readonly #timers: Timer[] = [];
  #order = 0;

  now(): number {
    return this.#nowMs;
  }

  sleep(delayMs: number, signal?: AbortSignal): Promise<void> {
    if (signal?.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      const end = () => {
        signal?.removeEventListener('abort', end);
        const at = this.#timers.indexOf(timer);
        if (at >= 0) this.#timers.splice(at, 1);
        resolve();
      };
      // In parts a double holds exactly, so that a wait to a given time ends at it and not a little before.
      const atMs = this.#nowMs + Math.max(0, Math.ceil(delayMs * PARTS) / PARTS);
      const timer = { atMs, order: this.#order++, fire: signal ? end : resolve };
      // What never fires must not be what the clock moves to.
      if (delayMs !== Number.POSITIVE_INFINITY) this.#insert(timer);
      signal?.addEventListener('abort', end);
    });
  }

  /** Lets everything that is ready run, then moves to the next timer. False when nobody waits for one. */
  async advance(): Promise<boolean> {
    await allAtRest();
    const next = this.#timers.pop();
    if (next === undefined) return false;
    this.#nowMs = next.atMs;
    next.fire();
    return true;
  }

  #insert(timer: Timer): void {
    let at = this.#timers.length;
    // Of those that are due together the first one that was set comes first.
    while (at > 0 && this.#timers[at - 1]!.atMs <= timer.atMs) at--;
    this.#timers.splice(at, 0, timer);
  }
}

/** Reproducible chance: the same seed gives the same run. (mulberry32, T. Ettinger, public domain) */
export function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
