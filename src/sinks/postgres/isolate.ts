/** Finds the rows the server refuses, so that all others land. */
import { isTransient, reasonOf, sqlState } from '../../connections/postgres/client.ts';
import { type Rejection, SinkUnavailable } from '../../engine/ports.ts';
import type { Group, Row, Shape } from './rows.ts';

/** Writes rows of one shape inside a savepoint: the number the server wrote, or its error with nothing written. */
export type Apply = (shape: Shape, rows: readonly Row[]) => Promise<number | Error>;

export interface Isolated {
  readonly written: number;
  /** Rows the server took but left as they were: theirs has a higher version. */
  readonly unchanged: number;
  /** Rows that stood in for a refused one of their key; they no longer count as superseded. */
  readonly restored: number;
  readonly rejected: readonly Rejection[];
}

/** What a refusal of the server means. */
export function refusal(error: unknown): 'row' | 'batch' | undefined {
  const state = sqlState(error);
  if (state === undefined || isTransient(error)) return undefined;
  // Two rows of one key in a statement (their texts differ, the server calls them equal), or too long a statement.
  if (state === '21000' || state === '57014') return 'batch';
  return rowClasses.has(state.slice(0, 2)) || state === 'P0001' ? 'row' : undefined;
}

/** Data exception, integrity constraint violation, WITH CHECK OPTION violation, program limit exceeded. */
const rowClasses = new Set(['22', '23', '44', '54']);

/**
 * Applies the groups in order, halving what is refused until the bad rows stand alone. Rows that broke a constraint get a
 * second chance after their group, one by one in the order they came: a unique value may have changed hands within it.
 * Throws what is no row's fault.
 */
export async function isolate(groups: readonly Group[], apply: Apply): Promise<Isolated> {
  const rejected: Rejection[] = [];
  let suspects: { row: Row; error: Error }[] = [];
  let written = 0;
  let unchanged = 0;
  let restored = 0;

  const land = async (shape: Shape, rows: readonly Row[]): Promise<Error | undefined> => {
    const outcome = await apply(shape, rows);
    if (outcome instanceof Error) return outcome;
    written += outcome;
    unchanged += rows.length - outcome;
    return undefined;
  };

  const halve = async (shape: Shape, rows: readonly Row[]): Promise<void> => {
    const error = await land(shape, rows);
    if (error === undefined) return;
    const kind = refusal(error);
    if (kind === undefined) throw error;
    if (rows.length > 1) {
      const middle = rows.length >> 1;
      await halve(shape, rows.slice(0, middle));
      await halve(shape, rows.slice(middle));
      return;
    }
    if (kind === 'batch') throw notNow(error);
    const row = rows[0]!;
    if (sqlState(error)!.startsWith('23')) suspects.push({ row, error });
    else rejected.push(rejectionOf(row, error));
    if (row.older !== undefined) {
      restored++;
      await halve(row.older.shape, [row.older]);
    }
  };

  for (const { shape, rows } of groups) {
    await halve(shape, rows);
    for (const { row, error } of suspects) {
      const again = await land(row.shape, [row]);
      if (refusal(again) === 'batch') throw notNow(again);
      if (again !== undefined) rejected.push(rejectionOf(row, error));
    }
    suspects = [];
  }
  return { written, unchanged, restored, rejected };
}

const notNow = (error: unknown): SinkUnavailable =>
  new SinkUnavailable(`writing a single row: ${reasonOf(error)}`, { cause: error });

function rejectionOf({ record }: Row, error: Error): Rejection {
  const code = sqlState(error)!.startsWith('23') ? 'sink_constraint' : 'sink_refused';
  return { record, code, message: reasonOf(error) };
}
