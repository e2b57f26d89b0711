/** One row a letter, found by a key: columns of numbers, since a million objects would be a quarter of a gigabyte. */

const firstCapacity = 1024;

const columnsOf = (capacity: number) => ({
  key: new BigUint64Array(capacity),
  failedAtMs: new Float64Array(capacity),
  /** Where the letter lies in its queue. */
  offset: new Float64Array(capacity),
  partition: new Int32Array(capacity),
  cause: new Uint16Array(capacity),
  /** What its state says, 0 where it has none, and when the letter failed that it speaks of. */
  status: new Uint8Array(capacity),
  stateFailedAtMs: new Float64Array(capacity),
});

type Columns = ReturnType<typeof columnsOf>;
const names = Object.keys(columnsOf(0)) as readonly (keyof Columns)[];

export class LetterTable {
  columns: Columns = columnsOf(firstCapacity);
  /** Rows, `[0, size)`. */
  size = 0;
  /** By the low bits of the key, then the next free place: row + 1, 0 for none. Never more than half full. */
  #places = new Int32Array(2 * firstCapacity);

  /** -1 where there is none. */
  find(key: bigint): number {
    for (let at = this.#placeOf(key); ; at = this.#after(at)) {
      const row = this.#places[at]! - 1;
      if (row < 0 || this.columns.key[row] === key) return row;
    }
  }

  /** A row for a key that has none; without a state, its other columns are to be set. */
  add(key: bigint): number {
    if (this.size === this.columns.key.length) this.#grow();
    const row = this.size++;
    this.columns.key[row] = key;
    this.columns.status[row] = 0;
    this.#place(row);
    return row;
  }

  /** Keeps some rows, which get other numbers. */
  retain(keeps: (row: number) => boolean): void {
    const { columns } = this;
    let kept = 0;
    for (let row = 0; row < this.size; row++) {
      if (!keeps(row)) continue;
      if (kept !== row) for (const name of names) columns[name].copyWithin(kept, row, row + 1);
      kept++;
    }
    this.size = kept;
    this.#placeAll();
  }

  #grow(): void {
    const grown = columnsOf(2 * this.size);
    for (const name of names) grown[name].set(this.columns[name] as never);
    this.columns = grown;
    this.#places = new Int32Array(2 * this.#places.length);
    this.#placeAll();
  }

  #placeAll(): void {
    this.#places.fill(0);
    for (let row = 0; row < this.size; row++) this.#place(row);
  }

  #place(row: number): void {
    let at = this.#placeOf(this.columns.key[row]!);
    while (this.#places[at] !== 0) at = this.#after(at);
    this.#places[at] = row + 1;
  }

  #placeOf = (key: bigint): number => Number(key & 0xffff_ffffn) & (this.#places.length - 1);
  #after = (at: number): number => (at + 1) & (this.#places.length - 1);
}
