import type { DeadLetter } from '../../engine/ports.ts';
import type { DeadLetterCause } from '../../runtime/status.ts';
import { fingerprintOf, publicMessage } from './record.ts';

const causesMax = 100;
const windowSeconds = 60;

interface Cause {
  readonly fingerprint: string;
  readonly stage: string;
  readonly code: string;
  readonly firstAtMs: number;
  message: string;
  count: number;
  lastAtMs: number;
  /** Letters in each of the last `windowSeconds` seconds, a ring by second. */
  readonly perSecond: Uint32Array;
  /** Second the ring was last moved to. */
  second: number;
}

/** Counts dead letters by cause, for the status: the 100 causes seen last, each with its rate over the last minute. */
export class DeadLetterCauses {
  readonly #secrets: readonly string[];
  /** Least recently seen first. */
  readonly #causes = new Map<string, Cause>();
  /** By stage and code, of which there are few: never forgotten. */
  readonly #counts = new Map<string, { readonly stage: string; readonly code: string; count: number }>();

  constructor(secrets: readonly string[]) {
    this.#secrets = secrets;
  }

  add(letter: DeadLetter): void {
    const { stage, code, failedAtMs } = letter;
    const counted = this.#counts.get(`${stage} ${code}`) ?? { stage, code, count: 0 };
    counted.count++;
    this.#counts.set(`${stage} ${code}`, counted);
    const message = publicMessage(letter.message, this.#secrets);
    const fingerprint = fingerprintOf(stage, code, message);
    const cause = this.#causes.get(fingerprint) ?? {
      fingerprint,
      stage,
      code,
      message,
      firstAtMs: failedAtMs,
      lastAtMs: failedAtMs,
      count: 0,
      perSecond: new Uint32Array(windowSeconds),
      second: Math.floor(failedAtMs / 1000),
    };
    moveTo(cause, failedAtMs);
    cause.count++;
    cause.perSecond[cause.second % windowSeconds]!++;
    cause.lastAtMs = Math.max(cause.lastAtMs, failedAtMs);
    cause.message = message;

    this.#causes.delete(fingerprint);
    this.#causes.set(fingerprint, cause);
    if (this.#causes.size > causesMax) this.#causes.delete(this.#causes.keys().next().value!);
  }

  /** All letters so far, by stage and error code. */
  counts(): { readonly stage: string; readonly code: string; readonly count: number }[] {
    return [...this.#counts.values()].map((counted) => ({ ...counted }));
  }

  /** The most frequent first. */
  snapshot(nowMs: number): DeadLetterCause[] {
    return [...this.#causes.values()]
      .map((cause) => {
        moveTo(cause, nowMs);
        const recent = cause.perSecond.reduce((sum, count) => sum + count, 0);
        const seconds = Math.min(windowSeconds, Math.max(1, (nowMs - cause.firstAtMs) / 1000));
        const { fingerprint, count, stage, code, message, firstAtMs, lastAtMs } = cause;
        return { fingerprint, count, perSecond: recent / seconds, stage, code, message, firstAtMs, lastAtMs };
      })
      .toSorted((a, b) => b.count - a.count);
  }
}

/** Forgets the seconds that have left the window. */
function moveTo(cause: Cause, nowMs: number): void {
  const now = Math.floor(nowMs / 1000);
  const steps = Math.min(now - cause.second, windowSeconds);
  for (let step = 0; step < steps; step++) cause.perSecond[(now - step) % windowSeconds] = 0;
  if (now > cause.second) cause.second = now;
}
