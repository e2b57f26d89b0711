import type { Clock } from '../../src/engine/ports.ts';

/** A clock that stands still until `advance` moves it to the next timer: virtual time decides all interleavings. */
export class VirtualClock implements Clock {
  #nowMs = 1_700_000_000_000;
  #timers: { readonly atMs: number; readonly order: number; readonly fire: () => void }[] = [];
  #order = 0;

  now(): number {
    return this.#nowMs;
  }

  sleep(delayMs: number, signal?: AbortSignal): Promise<void> {
    if (signal?.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = { atMs: this.#nowMs + Math.max(0, delayMs), order: this.#order++, fire: resolve };
      // What never fires must not be what the clock moves to.
      if (delayMs !== Number.POSITIVE_INFINITY) this.#timers.push(timer);
      signal?.addEventListener(
        'abort',
        () => {
          this.#timers = this.#timers.filter((other) => other !== timer);
          resolve();
        },
        { once: true },
      );
    });
  }

  /** Lets everything that is ready run, then moves to the next timer. False when nobody waits for one. */
  async advance(): Promise<boolean> {
    await new Promise((resolve) => setImmediate(resolve));
    if (this.#timers.length === 0) return false;
    this.#timers.sort((a, b) => a.atMs - b.atMs || a.order - b.order);
    const next = this.#timers.shift()!;
    this.#nowMs = Math.max(this.#nowMs, next.atMs);
    next.fire();
    return true;
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
