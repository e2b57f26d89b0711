import type { LetterForm } from '../../definition/letter-form.ts';
import type { DeadLetter } from '../../engine/ports.ts';
import { redact } from '../../runtime/log.ts';
import type { DeadLetterCause, DeadLetterSample } from '../../runtime/status.ts';
import { fingerprintOf, publicMessage } from './record.ts';
import { redactedLetter } from '../../plan/redact.ts';

const causesMax = 100;
const windowSeconds = 60;
/** A record is copied for the status at most so often for a cause, and so much of it. */
const sampleEveryMs = 1000;
const sampleBytesMax = 2048;

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
  sample: Sample | null;
}

/** Copies: what a record refers to is a whole fetch. */
interface Sample extends Omit<DeadLetterSample, 'key' | 'value' | 'message'> {
  readonly key: Buffer | null;
  readonly value: Buffer | null;
}

/** Counts dead letters by cause, for the status: the 100 causes seen last, each with its rate over the last minute. */
export class DeadLetterCauses {
  readonly #secrets: readonly string[];
  readonly #form: Pick<LetterForm, 'redact'>;
  /** Least recently seen first. */
  readonly #causes = new Map<string, Cause>();
  /** By stage and code, of which there are few: never forgotten. */
  readonly #counts = new Map<string, { readonly stage: string; readonly code: string; count: number }>();

  constructor(secrets: readonly string[], form: Pick<LetterForm, 'redact'>) {
    this.#secrets = secrets;
    this.#form = form;
  }

  add(whole: DeadLetter): void {
    const { letter } = redactedLetter(whole, this.#form);
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
      sample: null,
    };
    moveTo(cause, failedAtMs);
    cause.count++;
    cause.perSecond[cause.second % windowSeconds]!++;
    cause.lastAtMs = Math.max(cause.lastAtMs, failedAtMs);
    cause.message = message;
    if (cause.sample === null || failedAtMs - cause.sample.failedAtMs >= sampleEveryMs) cause.sample = sampleOf(letter);

    this.#causes.delete(fingerprint);
    this.#causes.set(fingerprint, cause);
    if (this.#causes.size > causesMax) this.#causes.delete(this.#causes.keys().next().value!);
  }

  /** All letters so far, by stage and error code. */
  counts(): { readonly stage: string; readonly code: string; readonly count: number }[] {
    return [...this.#counts.values()].map((counted) => ({ ...counted }));
  }

  /** A record of a cause, null where the cause is not among those that are kept. */
  sample(fingerprint: string): DeadLetterSample | null {
    const { sample = null, message = '' } = this.#causes.get(fingerprint) ?? {};
    return sample && { ...sample, message, key: this.#text(sample.key), value: this.#text(sample.value) };
  }

  #text(bytes: Buffer | null): string | null {
    if (bytes === null) return null;
    // What was cut may end within a character.
    const text = bytes.toString('utf8').replace(/\uFFFD{1,3}$/, '');
    return text.includes('\uFFFD') ? `0x${bytes.toString('hex')}` : redact(text, this.#secrets);
  }

  /** The most frequent first. */
  snapshot(nowMs: number): Omit<DeadLetterCause, 'letters'>[] {
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

function sampleOf({ raw, partition, failedAtMs }: DeadLetter): Sample {
  const copy = (bytes: Uint8Array | null): Buffer | null => bytes && Buffer.from(bytes.subarray(0, sampleBytesMax));
  return {
    topic: partition.topic,
    partition: partition.partition,
    offset: String(raw.offset),
    timestampMs: raw.timestampMs,
    failedAtMs,
    key: copy(raw.key),
    value: copy(raw.value),
    valueBytes: raw.value?.length ?? 0,
  };
}

/** Forgets the seconds that have left the window. */
function moveTo(cause: Cause, nowMs: number): void {
  const now = Math.floor(nowMs / 1000);
  const steps = Math.min(now - cause.second, windowSeconds);
  for (let step = 0; step < steps; step++) cause.perSecond[(now - step) % windowSeconds] = 0;
  if (now > cause.second) cause.second = now;
}
