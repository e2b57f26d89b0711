/** What became of the letters of a queue, counted as letters and states come: the numbers of `dlq stats`. */
import { createHash } from 'node:crypto';
import { LetterTable } from './letter-table.ts';
import { lettersMax } from './list.ts';
import { type LetterState, type LetterStatus, statusAfter } from './state.ts';
import type { LetterSeen } from './view.ts';

export type StatusCounts = Readonly<Record<LetterStatus, number>>;

const statuses = ['open', 'replayed', 'resolved', 'quarantined'] as const satisfies readonly LetterStatus[];
const noCounts = (): Record<LetterStatus, number> => ({ open: 0, replayed: 0, resolved: 0, quarantined: 0 });

/** Messages that differ in words from letter to letter make a cause of each: those beyond are counted in the whole alone. */
const causesMax = 10_000;
/** States whose letters are not there: in the moment between a letter and its state, and of letters that were deleted. */
const earlyMax = 10_000;
const uncountedCause = 0;

export class LetterCounts {
  readonly #lettersMax: number;
  readonly #table = new LetterTable();
  readonly #whole = noCounts();
  readonly #causes = new Map<string, number>();
  readonly #byCause: Record<LetterStatus, number>[] = [noCounts()];
  readonly #early = new Map<string, Pick<LetterState, 'status' | 'failedAt'>>();
  #uncounted = 0;

  /** Of `dlq stats` by default. */
  constructor(max: number = lettersMax) {
    this.#lettersMax = max;
  }

  /** Of several letters with one id the newest counts, wherever they lie. */
  add({ id, fingerprint, failedAtMs, record: { place } }: LetterSeen): void {
    const key = keyOf(id);
    const { columns } = this.#table;
    let row = this.#table.find(key);
    if (row >= 0) {
      if (columns.failedAtMs[row]! > failedAtMs) return;
      this.#count(row, -1);
    } else {
      if (this.#table.size >= this.#lettersMax) {
        this.#uncounted++;
        return;
      }
      row = this.#table.add(key);
      const state = this.#early.get(id);
      if (state !== undefined) this.#setState(row, state);
      this.#early.delete(id);
    }
    const at = this.#table.columns;
    at.failedAtMs[row] = failedAtMs;
    at.partition[row] = place.partition;
    at.offset[row] = Number(place.offset);
    at.cause[row] = this.#causeOf(fingerprint);
    this.#count(row, 1);
  }

  /** Of several states of one letter the one that comes last holds. */
  act(state: Pick<LetterState, 'id' | 'status' | 'failedAt'>): void {
    const row = this.#table.find(keyOf(state.id));
    if (row >= 0) {
      this.#count(row, -1);
      this.#setState(row, state);
      this.#count(row, 1);
      return;
    }
    this.#early.delete(state.id);
    this.#early.set(state.id, { status: state.status, failedAt: state.failedAt });
    if (this.#early.size > earlyMax) this.#early.delete(this.#early.keys().next().value!);
  }

  /**
   * The queue has deleted the letters of a partition below an offset. False where that can't be followed, since there are
   * more letters than are kept: only counting anew tells then.
   */
  forget(partition: number, below: number): boolean {
    if (this.#uncounted > 0) return false;
    this.#table.retain((row) => {
      const { columns } = this.#table;
      const stays = columns.partition[row] !== partition || columns.offset[row]! >= below;
      if (!stays) this.#count(row, -1);
      return stays;
    });
    return true;
  }

  get whole(): StatusCounts & { readonly uncounted: number } {
    return { ...this.#whole, uncounted: this.#uncounted };
  }

  /** Null of a cause without letters, and of one among too many. */
  ofCause(fingerprint: string): StatusCounts | null {
    const cause = this.#causes.get(fingerprint);
    return cause === undefined ? null : { ...this.#byCause[cause]! };
  }

  #setState(row: number, { status, failedAt }: Pick<LetterState, 'status' | 'failedAt'>): void {
    const { columns } = this.#table;
    columns.status[row] = statuses.indexOf(status) + 1;
    columns.stateFailedAtMs[row] = Date.parse(failedAt);
  }

  #count(row: number, by: 1 | -1): void {
    const { columns } = this.#table;
    const said = columns.status[row]!;
    const status =
      said === 0 ? 'open' : statusAfter(columns.failedAtMs[row]!, statuses[said - 1]!, columns.stateFailedAtMs[row]!);
    this.#whole[status] += by;
    this.#byCause[columns.cause[row]!]![status] += by;
  }

  #causeOf(fingerprint: string): number {
    const known = this.#causes.get(fingerprint);
    if (known !== undefined) return known;
    if (this.#causes.size >= causesMax) return uncountedCause;
    this.#causes.set(fingerprint, this.#byCause.length);
    return this.#byCause.push(noCounts()) - 1;
  }
}

/** 64 bits, so that a million letters practically never meet; a hash of the id, whoever chose it. */
const keyOf = (name: string): bigint => createHash('sha256').update(name).digest().readBigUInt64BE();
