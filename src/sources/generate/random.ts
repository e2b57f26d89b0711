/**
 * Chance that depends on its place alone: seed, event, field. So event n is the same whatever was generated before it, and
 * a field keeps its values when others are added.
 *
 * The generator is sfc32 by Chris Doty-Humphrey (PractRand): 128 bits of state, a bijective step, so that two places never
 * fall together.
 */
export class Random {
  #a = 0;
  #b = 0;
  #c = 0;
  #counter = 1;
  readonly #seed: number;

  constructor(seed: number) {
    this.#seed = hashText(String(seed));
  }

  /** Goes to a place: event `n`, the `salt` of a field, the number of an element within it. */
  moveTo(n: number, salt: number, element = 0): void {
    this.#a = n >>> 0;
    this.#b = Math.floor(n / 0x1_0000_0000) ^ Math.imul(element, 0x9e37_79b1);
    this.#c = salt ^ this.#seed;
    this.#counter = this.#seed | 1;
    for (let i = 0; i < 12; i++) this.uint32();
  }

  uint32(): number {
    const sum = (this.#a + this.#b + this.#counter++) >>> 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) >>> 0;
    this.#c = (((this.#c << 21) | (this.#c >>> 11)) + sum) >>> 0;
    return sum;
  }

  /** In [0, 1), with 53 bits. */
  fraction(): number {
    return ((this.uint32() >>> 5) * 0x400_0000 + (this.uint32() >>> 6)) / 0x20_0000_0000_0000;
  }

  /** A whole number from `min` to `max`, both included. */
  int(min: number, max: number): number {
    return min + Math.floor(this.fraction() * (max - min + 1));
  }

  pick<T>(values: readonly T[]): T {
    return values[this.int(0, values.length - 1)]!;
  }
}

/** FNV-1a, 32 bits. */
export function hashText(text: string): number {
  let hash = 0x811c_9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x0100_0193);
  return hash >>> 0;
}
