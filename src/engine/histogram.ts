/**
 * Counts of durations in log-linear buckets, as HdrHistogram does it: every power of two is cut into 64 equal parts, so a
 * quantile is off by at most 1/64 (1.6 %) of its value, whatever its size. Constant memory; adding costs a few
 * nanoseconds. Unit: milliseconds with a resolution of 1/64 ms.
 * Source: G. Tene, HdrHistogram (http://hdrhistogram.org).
 */
const PARTS = 64;
const PARTS_LOG2 = 6;
/** Powers of two above the linear range: up to 2^30 parts of 1/64 ms, about 194 days. */
const OCTAVES = 34;
const BUCKETS = PARTS * (OCTAVES + 1);

export class Histogram {
  /** Without buckets while it is empty: most of those a pipeline has never hold anything. */
  #counts = new Float64Array();
  #total = 0;
  #sumMs = 0;

  /** Of all durations together, in ms. */
  get sumMs(): number {
    return this.#sumMs;
  }

  get total(): number {
    return this.#total;
  }

  /** Adds one duration; a negative one (clocks that disagree) counts as 0. */
  add(durationMs: number, times = 1): void {
    if (this.#counts.length === 0) this.#counts = new Float64Array(BUCKETS);
    const index = bucketOf(durationMs);
    this.#counts[index] = this.#counts[index]! + times;
    this.#total += times;
    if (durationMs > 0) this.#sumMs += durationMs * times;
  }

  merge(other: Histogram): void {
    if (other.#total === 0) return;
    if (this.#counts.length === 0) this.#counts = new Float64Array(BUCKETS);
    for (let i = 0; i < this.#counts.length; i++) this.#counts[i] = this.#counts[i]! + other.#counts[i]!;
    this.#total += other.#total;
    this.#sumMs += other.#sumMs;
  }

  clear(): void {
    this.#counts.fill(0);
    this.#total = 0;
    this.#sumMs = 0;
  }

  /**
   * How many durations lie below each of `boundsMs`, in ascending order. Exact where a bound is the edge of a bucket: an
   * eighth of a power of two, such as 1, 1.25 or 1.5.
   */
  below(boundsMs: readonly number[]): number[] {
    if (this.#total === 0) return boundsMs.map(() => 0);
    let index = 0;
    let seen = 0;
    return boundsMs.map((boundMs) => {
      for (const end = bucketOf(boundMs); index < end; index++) seen += this.#counts[index]!;
      return seen;
    });
  }

  /** The duration below which the share `quantile` (0 to 1) of all lies, in ms; null when empty. */
  quantile(quantile: number): number | null {
    if (this.#total === 0) return null;
    const rank = Math.max(1, Math.ceil(quantile * this.#total));
    let seen = 0;
    for (let i = 0; i < this.#counts.length; i++) {
      seen += this.#counts[i]!;
      if (seen >= rank) return middleOf(i);
    }
    return middleOf(this.#counts.length - 1);
  }
}

function bucketOf(durationMs: number): number {
  const units = durationMs * PARTS;
  if (!(units >= 1)) return 0;
  if (units < PARTS) return Math.floor(units);
  const octave = Math.min(Math.floor(Math.log2(units)) - PARTS_LOG2, OCTAVES - 1);
  return Math.min(PARTS * (octave + 1) + Math.floor(units / 2 ** octave) - PARTS, PARTS * (OCTAVES + 1) - 1);
}

function middleOf(index: number): number {
  if (index < PARTS) return (index + 0.5) / PARTS;
  const octave = Math.floor(index / PARTS) - 1;
  const lower = (PARTS + (index % PARTS)) * 2 ** octave;
  return (lower + 2 ** octave / 2) / PARTS;
}

/** Quantiles of about the last `slots * slotMs`: a ring of histograms, the oldest goes into the total of all time. */
export class RecentHistogram {
  readonly #slots: Histogram[];
  readonly #former = new Histogram();
  readonly #slotMs: number;
  #current = 0;
  #currentUntilMs = 0;

  constructor(slots: number, slotMs: number) {
    this.#slots = Array.from({ length: slots }, () => new Histogram());
    this.#slotMs = slotMs;
  }

  /** The histogram to add to at `nowMs`. */
  at(nowMs: number): Histogram {
    if (nowMs >= this.#currentUntilMs) {
      // After a long silence every slot is stale, so turn the ring at most once around.
      const turns = Math.min(this.#slots.length, 1 + Math.floor((nowMs - this.#currentUntilMs) / this.#slotMs));
      for (let i = 0; i < turns; i++) {
        this.#current = (this.#current + 1) % this.#slots.length;
        const slot = this.#slots[this.#current]!;
        if (slot.total > 0) this.#former.merge(slot);
        slot.clear();
      }
      this.#currentUntilMs = nowMs + this.#slotMs;
    }
    return this.#slots[this.#current]!;
  }

  /** All slots that are still recent, merged. */
  merged(nowMs: number): Histogram {
    this.at(nowMs);
    const all = new Histogram();
    for (const slot of this.#slots) all.merge(slot);
    return all;
  }

  /** Everything that was ever added. */
  total(): Histogram {
    const all = new Histogram();
    for (const one of [this.#former, ...this.#slots]) all.merge(one);
    return all;
  }
}
