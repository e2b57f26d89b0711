/** Rates that alerts compare, of the group where Kafka tells them, else of this process. */
import type { AlertInput } from './evaluate.ts';

const windowMs = 60_000;
/** Below this many records a second a share of them is chance. */
const perSecondMin = 0.1;
/** While the rate is low what is usual is learned so much slower: an outage must not become the new usual. */
const lowSlowdown = 6;

interface Counts {
  readonly atMs: number;
  readonly dead: number;
  readonly read: number;
}

export class RecentRates {
  readonly #overMs: number;
  #counts: Counts[] = [];
  #isOfGroup = false;
  /** Mean rate over about the last `overMs`, and for how long it was learned. */
  #usual: number | null = null;
  #learnedMs = 0;
  #below = 0;

  constructor(overMs: number) {
    this.#overMs = overMs;
  }

  /** `stepMs`: since the last call. */
  add({ snapshot, group }: AlertInput, nowMs: number, stepMs: number): void {
    const dead = group?.deadLetters ?? null;
    const isOfGroup = group !== null && dead !== null;
    // The two count differently: what one said is no beginning for the other.
    if (isOfGroup !== this.#isOfGroup) this.#counts = [];
    this.#isOfGroup = isOfGroup;
    const read = isOfGroup
      ? group.lag.partitions.reduce((sum, { committed }) => sum + (committed ?? 0), 0)
      : snapshot.account.read;
    const atMs = isOfGroup ? group.atMs : nowMs;
    if (this.#counts.at(-1)?.atMs !== atMs)
      this.#counts.push({ atMs, dead: isOfGroup ? dead : snapshot.deadLetters.total, read });
    while (this.#counts.length > 2 && this.#counts[1]!.atMs <= atMs - windowMs) this.#counts.shift();
    this.#learn(stepMs);
  }

  get deadPerSecond(): number | null {
    return this.#perSecond('dead');
  }

  /** Dead letters per record read, over the last minute. */
  get errorRatio(): number | null {
    const [dead, read] = [this.#perSecond('dead'), this.#perSecond('read')];
    if (dead === null || read === null) return null;
    return read < perSecondMin ? (dead > 0 ? 1 : 0) : Math.min(1, dead / read);
  }

  /** The present rate as a share of the recent one; null while there is none yet. `below`: from which on it counts as low. */
  throughputRatio(below: number): number | null {
    this.#below = below;
    const now = this.#perSecond('read');
    if (now === null || this.#usual === null || this.#learnedMs < this.#overMs || this.#usual < perSecondMin)
      return null;
    return now / this.#usual;
  }

  #learn(stepMs: number): void {
    const now = this.#perSecond('read');
    if (now === null) return;
    this.#learnedMs += stepMs;
    if (this.#usual === null) {
      this.#usual = now;
      return;
    }
    const isLow = now < this.#usual * this.#below;
    const share = 1 - Math.exp(-stepMs / (this.#overMs * (isLow ? lowSlowdown : 1)));
    this.#usual += (now - this.#usual) * share;
  }

  /** Growth over the last minute; a count that fell (a topic made anew) is not known. */
  #perSecond(of: 'dead' | 'read'): number | null {
    const first = this.#counts[0];
    const last = this.#counts.at(-1);
    if (first === undefined || last === undefined || last.atMs <= first.atMs) return null;
    const grown = last[of] - first[of];
    return grown < 0 ? null : (grown * 1000) / (last.atMs - first.atMs);
  }
}
