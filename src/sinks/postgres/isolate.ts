/** Finds the rows the server refuses, so that all others land. */
import { isTransient, reasonOf, sqlState } from '../../connections/postgres/client.ts';
import { type Rejection, SinkUnavailable, TooManyRejections } from '../../engine/ports.ts';
import type { Group, Row, Shape } from './rows.ts';

export interface Search {
  /** Writes rows of one shape inside a savepoint: the number the server wrote, or its error with nothing written. */
  apply(shape: Shape, rows: readonly Row[]): Promise<number | Error>;
  /** Told of a row whose parent is missing before it is refused. Throws where it is to be waited for. */
  orphaned(error: Error): void;
  /** Refused before, by the encoder. */
  readonly rejected: readonly Rejection[];
  /** Most refusals, those of the encoder included, before the search is given up. */
  readonly rejectionsMax: number;
}

export interface Isolated {
  readonly written: number;
  /** Rows the server took but left as they were: theirs has a higher version. */
  readonly unchanged: number;
  /** Rows that stood in for a refused one of their key; they no longer count as superseded. */
  readonly restored: number;
  /** Those of the encoder and those of the server. */
  readonly rejected: readonly Rejection[];
}

/** What a refusal of the server means. */
export function refusal(error: unknown): 'row' | 'batch' | undefined {
  const state = sqlState(error);
  if (state === undefined || isTransient(error)) return undefined;
  // Two rows of one key in a statement (their texts differ, the server calls them equal), or too long a statement.
  if (state === '21000' || state === tookTooLong) return 'batch';
  return rowClasses.has(state.slice(0, 2)) || state === 'P0001' ? 'row' : undefined;
}

/** Data exception, integrity constraint violation, WITH CHECK OPTION violation, program limit exceeded. */
const rowClasses = new Set(['22', '23', '44', '54']);
const tookTooLong = '57014';
const parentMissing = '23503';
/** NOT NULL and CHECK look at the row alone: no other row mends them. */
const ownFault = new Set(['23502', '23514']);

interface Suspect {
  readonly row: Row;
  readonly error: Error;
}

/** Rounds in which suspects that are left are tried again, as long as each lands some: one may be the parent of another. */
const roundsMax = 8;

/**
 * Applies the groups in order, halving what is refused until the bad rows stand alone. Rows that broke a constraint which
 * rests on other rows get more chances, one by one in the order they came: a unique value may have changed hands, and a
 * parent may come in a later group. Throws `TooManyRejections`, and what is no row's fault.
 */
export async function isolate(groups: readonly Group[], search: Search): Promise<Isolated> {
  const rejected: Rejection[] = [...search.rejected];
  let suspects: Suspect[] = [];
  let written = 0;
  let unchanged = 0;
  let restored = 0;

  const land = async (shape: Shape, rows: readonly Row[]): Promise<Error | undefined> => {
    const outcome = await search.apply(shape, rows);
    if (outcome instanceof Error) return outcome;
    written += outcome;
    unchanged += rows.length - outcome;
    return undefined;
  };

  const checkCount = (): void => {
    if (rejected.length > search.rejectionsMax) throw new TooManyRejections(rejected);
  };
  const reject = ({ row, error }: Suspect): void => {
    if (sqlState(error) === parentMissing) search.orphaned(error);
    rejected.push(rejectionOf(row, error));
    checkCount();
  };

  const halve = async (shape: Shape, rows: readonly Row[]): Promise<void> => {
    const error = await land(shape, rows);
    if (error === undefined) return;
    if (rows.length > 1) {
      const middle = rows.length >> 1;
      await halve(shape, rows.slice(0, middle));
      await halve(shape, rows.slice(middle));
      return;
    }
    if (refusal(error) !== 'row') throw aloneAtFault(error);
    const row = rows[0]!;
    const state = sqlState(error)!;
    if (state.startsWith('23') && !ownFault.has(state)) suspects.push({ row, error });
    else reject({ row, error });
    if (row.older !== undefined) {
      restored++;
      await halve(row.older.shape, [row.older]);
    }
  };

  /** Whether any of the suspects landed. */
  const retry = async (): Promise<boolean> => {
    const trying = suspects.toSorted((one, other) => one.row.at - other.row.at);
    suspects = [];
    for (const suspect of trying) {
      const again = await land(suspect.row.shape, [suspect.row]);
      if (again === undefined) {
        // An older row of its key stood in for it in vain, and must not replace it now.
        const others = suspects.filter(({ row }) => !isOlder(row, suspect.row));
        restored -= suspects.length - others.length;
        suspects = others;
        continue;
      }
      if (refusal(again) !== 'row') throw aloneAtFault(again);
      suspects.push(suspect);
    }
    return suspects.length < trying.length;
  };

  checkCount();
  for (const [i, { shape, rows }] of groups.entries()) {
    await halve(shape, rows);
    if (suspects.length === 0) continue;
    await retry();
    // A later row of the same key comes after it, so for these it is now or never.
    const followed = new Set(groups.slice(i + 1).flatMap((later) => later.rows.map(keyAndPass)));
    const isFollowed = ({ row }: Suspect): boolean => followed.has(keyAndPass({ key: row.key, pass: row.pass + 1 }));
    const last = suspects.filter(isFollowed);
    suspects = suspects.filter((suspect) => !isFollowed(suspect));
    last.forEach(reject);
  }
  for (let round = 0; round < roundsMax && suspects.length > 0; round++) if (!(await retry())) break;
  suspects.forEach(reject);
  return { written, unchanged, restored, rejected };
}

const keyAndPass = ({ key, pass }: Pick<Row, 'key' | 'pass'>): string => `${pass}\t${key}`;

function isOlder(row: Row, than: Row): boolean {
  for (let older = than.older; older !== undefined; older = older.older) if (older === row) return true;
  return false;
}

/** A row that takes too long does so since the database is slow, or waits: it may be quick later. Anything else is told. */
const aloneAtFault = (error: Error): Error =>
  sqlState(error) === tookTooLong
    ? new SinkUnavailable(`writing a single row: ${reasonOf(error)}`, { cause: error })
    : error;

function rejectionOf({ record }: Row, error: Error): Rejection {
  const code = sqlState(error)!.startsWith('23') ? 'sink_constraint' : 'sink_refused';
  return { record, code, message: reasonOf(error) };
}
