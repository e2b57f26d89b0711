/** Rates of growing numbers over the last few seconds. */
const WINDOW_MS = 5_000;
const SAMPLES_MAX = 32;

/**
 * Keeps a number's recent values. `perSecond` is its growth over about the last five seconds: long enough to be steady,
 * short enough to follow what happens.
 */
export class Samples {
  readonly #samples: { readonly atMs: number; readonly value: number }[] = [];

  add(atMs: number, value: number): void {
    this.#samples.push({ atMs, value });
    while (
      this.#samples.length > 2 &&
      (this.#samples.length > SAMPLES_MAX || this.#samples[1]!.atMs <= atMs - WINDOW_MS)
    ) {
      this.#samples.shift();
    }
  }

  /** Growth per second; null before there are two samples. */
  get perSecond(): number | null {
    const first = this.#samples[0];
    const last = this.#samples.at(-1);
    if (!first || !last || last.atMs <= first.atMs) return null;
    return ((last.value - first.value) * 1000) / (last.atMs - first.atMs);
  }
}
