/** The SQL that puts rows into the table. */
import { quoteIdentifier, quoteLiteral } from '../../connections/postgres/client.ts';
import type { Column } from './catalog.ts';
import { ownTable } from './own-tables.ts';
import { ownVersionColumn, type Plan } from './plan.ts';
import type { Shape } from './rows.ts';

const staging = 'pg_temp._pipectl_rows';
const ownVersion = quoteIdentifier(ownVersionColumn);

/** What one group of rows of a shape takes. */
export interface GroupStatements {
  /** A COPY and what moves the copied rows into the table. The last one's count is the number of rows that were written. */
  readonly write: readonly string[];
  /** Empties the staging table for the next group. */
  readonly clear: readonly string[];
}

/**
 * Where an upsert's rows are copied to first; COPY alone knows no ON CONFLICT. It lives as long as the session, its rows
 * as long as the transaction. An append needs none.
 */
export function createStaging({ table, columns, keyCount }: Plan): string | null {
  if (keyCount === 0) return null;
  const names = columns.map(({ name }) => quoteIdentifier(name)).join(', ');
  return (
    `DROP TABLE IF EXISTS ${staging}; CREATE TEMP TABLE _pipectl_rows ON COMMIT DELETE ROWS AS ` +
    `SELECT ${names}, NULL::bigint AS _pipectl_log, NULL::bigint AS _pipectl_order FROM ${table.sql} WITH NO DATA`
  );
}

/** How the rows that are written stand to those that are there. */
export interface Making {
  /** Number of the pipeline's present rebuild; rows of a higher one replace those of a lower. */
  readonly rebuild: number;
  /** Beside the live pipeline: a row of the same version is the same record, made anew. */
  readonly isBackfill: boolean;
  /** A record from long ago: it replaces only what is surely older, which between two logs nobody can say. */
  readonly isReplay: boolean;
}

/** `guardSchema`: where our own tables are. */
export function groupStatements(plan: Plan, { columns }: Shape, making: Making, guardSchema: string): GroupStatements {
  const { table, keyCount, guard } = plan;
  const names = columns.map(({ name }) => quoteIdentifier(name)).join(', ');
  if (keyCount === 0) return { write: [`COPY ${table.sql} (${names}) FROM STDIN`], clear: [] };
  const own = guard.kind === 'own';
  const inColumn = own && guard.place === 'column';
  const copy = `COPY ${staging} (${names}${own ? ', _pipectl_log, _pipectl_order' : ''}) FROM STDIN`;
  const overriding = columns.some((column) => column.identityAlways) ? ' OVERRIDING SYSTEM VALUE' : '';
  const insertFrom = (source: string): string =>
    `INSERT INTO ${table.sql} AS t (${names}${inColumn ? `, ${ownVersion}` : ''})${overriding} ` +
    `SELECT ${names}${inColumn ? `, ARRAY[${making.rebuild}, _pipectl_log, _pipectl_order]` : ''} FROM ${source} ` +
    // One order for all members: two that write the same keys wait for each other instead of dying in a deadlock.
    `ORDER BY ${columns.slice(0, keyCount).map(sortable).join(', ')} ` +
    onConflict(plan, columns, making);
  const clear = [`DELETE FROM ${staging}`];
  if (!own || inColumn) return { write: [copy, insertFrom(staging)], clear };
  const side = sideStatements(plan, making, guardSchema);
  return { write: [copy, side.lock, `WITH newer AS (${side.take}) ${insertFrom('newer')}`], clear };
}

/**
 * With versions beside the table: `lock` makes and locks the version of every key, in one order for all members, so that
 * `take`, whose snapshot is younger, sees what others have written. It takes the rows that are newer than what is there,
 * and those that are not there: a version protects a row, and not its absence.
 */
function sideStatements(plan: Plan, making: Making, guardSchema: string): { lock: string; take: string } {
  const { table, columns, keyCount } = plan;
  const versions = ownTable(guardSchema, 'versions');
  const target = quoteLiteral(table.sql);
  const key = columns.slice(0, keyCount).map(({ name }) => quoteIdentifier(name));
  const keyOf = (row: string): string => `jsonb_build_array(${key.map((name) => `${row}.${name}`).join(', ')})`;
  const isThere = key.map((name) => `t.${name} = s.${name}`).join(' AND ');
  const given = [String(making.rebuild), 's._pipectl_log', 's._pipectl_order'];
  return {
    lock:
      `INSERT INTO ${versions} AS v (target, key) SELECT ${target}, ${keyOf('s')} FROM ${staging} s ORDER BY 2 ` +
      'ON CONFLICT (target, key) DO UPDATE SET target = excluded.target WHERE false',
    take:
      `UPDATE ${versions} v SET version = ARRAY[${given.join(', ')}] FROM ${staging} s ` +
      `WHERE v.target = ${target} AND v.key = ${keyOf('s')} AND (${isNewer('v.version', given, plan.guard, making)} ` +
      `OR NOT EXISTS (SELECT FROM ${table.sql} t WHERE ${isThere})) RETURNING s.*`,
  };
}

const sortable = ({ name, collatable }: Column): string =>
  `${quoteIdentifier(name)}${collatable ? ' COLLATE "C"' : ''}`;

function onConflict({ keyCount, guard, columns: all }: Plan, columns: readonly Column[], making: Making): string {
  const key = all
    .slice(0, keyCount)
    .map(({ name }) => quoteIdentifier(name))
    .join(', ');
  const changed = columns
    .slice(keyCount)
    .filter((column) => !column.identityAlways)
    .map(({ name }) => quoteIdentifier(name));
  if (guard.kind === 'own' && guard.place === 'column') changed.push(ownVersion);
  if (changed.length === 0) return `ON CONFLICT (${key}) DO NOTHING`;
  return `ON CONFLICT (${key}) DO UPDATE SET ${changed.map((name) => `${name} = excluded.${name}`).join(', ')}${newer(guard, making)}`;
}

/** The rule by which a row replaces the one that is there, where the table holds its version. */
function newer(guard: Plan['guard'], making: Making): string {
  if (guard.kind === 'column') {
    const column = quoteIdentifier(guard.column.name);
    return ` WHERE t.${column} IS NULL OR excluded.${column} ${making.rebuild > 0 || making.isBackfill ? '>=' : '>'} t.${column}`;
  }
  if (guard.kind === 'none' || guard.place === 'side') return '';
  const given = [1, 2, 3].map((i) => `excluded.${ownVersion}[${i}]`);
  return ` WHERE ${isNewer(`t.${ownVersion}`, given, guard, making)}`;
}

/**
 * In our versions stand (rebuild, log, order): a higher rebuild wins; within one, orders are compared only in the same log
 * (0 where `version:` gives the order, which holds across logs), and between two logs the later write wins. Elements of
 * one record share its offset, and the later wins.
 */
function isNewer(stored: string, given: readonly string[], guard: Plan['guard'], making: Making): string {
  const [rebuild, log, order] = given;
  const replaces = guard.kind === 'own' && guard.versioned && !making.isBackfill ? '<' : '<=';
  // Also where the pipeline is making the rows anew: what it has not come to yet was read after this record.
  if (making.isReplay)
    return `${stored}[1] <= ${rebuild} AND ${stored}[2] = ${log} AND ${stored}[3] ${replaces} ${order}`;
  return (
    `${stored} IS NULL OR ${stored}[1] < ${rebuild} OR (${stored}[1] = ${rebuild}` +
    ` AND (${stored}[2] <> ${log} OR ${stored}[3] ${replaces} ${order}))`
  );
}
