import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Clock } from '../engine/ports.ts';

/** How far the precise clock may be from the wall clock before it follows. */
const DRIFT_MS_MAX = 1000;

/** The longest a timer takes, some 25 days: it ends at once after more. */
const DELAY_MS_MAX = 2 ** 31 - 1;

let originMs = performance.timeOrigin;

/** The system's clock: wall time with a fraction of a millisecond. Follows when the wall clock is set. */
export const systemClock: Clock = {
  now() {
    const sinceOriginMs = performance.now();
    const wallMs = Date.now();
    if (Math.abs(originMs + sinceOriginMs - wallMs) > DRIFT_MS_MAX) originMs = wallMs - sinceOriginMs;
    return originMs + sinceOriginMs;
  },

  sleep(delayMs, signal) {
    if (delayMs <= 0) return nextTurn();
    if (signal?.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      const end = () => {
        clearTimeout(timer);
        signal?.removeEventListener('abort', end);
        resolve();
      };
      const timer = setTimeout(end, Math.min(delayMs, DELAY_MS_MAX));
      signal?.addEventListener('abort', end);
    });
  },
};
