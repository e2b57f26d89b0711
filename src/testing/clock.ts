import { setImmediate as turn } from 'node:timers/promises';
import type { Clock } from '../engine/ports.ts';

interface Timer {
  readonly atMs: number;
  readonly fire: () => void;
}

/** A clock that stands still until a case moves it. */
export class CaseClock implements Clock {
  #nowMs: number;
  #timers: Timer[] = [];

  constructor(nowMs: number) {
    this.#nowMs = nowMs;
  }

  now(): number {
    return this.#nowMs;
  }

  sleep(delayMs: number, signal?: AbortSignal): Promise<void> {
    if (delayMs <= 0 || signal?.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = { atMs: this.#nowMs + delayMs, fire: resolve };
      this.#timers.push(timer);
      const leave = () => {
        this.#timers = this.#timers.filter((other) => other !== timer);
        resolve();
      };
      signal?.addEventListener('abort', leave, { once: true });
    });
  }

  /** Lets all that can go on without time go on, then moves on by `byMs`, stopping at every timer on the way. */
  async advance(byMs: number): Promise<void> {
    const untilMs = this.#nowMs + byMs;
    for (;;) {
      // Everything a case talks to lies in memory, so one turn of the event loop ends every chain of promises.
      await turn();
      const due = this.#timers.filter(({ atMs }) => atMs <= untilMs).toSorted((a, b) => a.atMs - b.atMs)[0];
      if (due === undefined) break;
      this.#timers = this.#timers.filter((other) => other !== due);
      this.#nowMs = due.atMs;
      due.fire();
    }
    this.#nowMs = untilMs;
  }
}
