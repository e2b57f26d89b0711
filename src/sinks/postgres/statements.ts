/** The SQL that puts rows into the table. */
import { quoteIdentifier } from '../../connections/postgres/client.ts';
import type { Column } from './catalog.ts';
import { ownVersionColumn, type Plan } from './plan.ts';
import type { Shape } from './rows.ts';

const staging = 'pg_temp._pipectl_rows';
const ownVersion = quoteIdentifier(ownVersionColumn);

/** What one group of rows of a shape takes: its COPY, and what moves the copied rows into the table. */
export interface GroupStatements {
  readonly copy: string;
  /** Its count is the number of rows that were written; empty where COPY itself writes them. */
  readonly move: string;
  /** Empties the staging table for the next group. */
  readonly clear: string;
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

/** `rebuild`: number of the pipeline's present rebuild; rows of a higher one replace those of a lower. */
export function groupStatements(plan: Plan, { columns }: Shape, rebuild: number): GroupStatements {
  const { table, keyCount, guard } = plan;
  const names = columns.map(({ name }) => quoteIdentifier(name)).join(', ');
  if (keyCount === 0) return { copy: `COPY ${table.sql} (${names}) FROM STDIN`, move: '', clear: '' };
  const own = guard.kind === 'own';
  const overriding = columns.some((column) => column.identityAlways) ? ' OVERRIDING SYSTEM VALUE' : '';
  return {
    copy: `COPY ${staging} (${names}${own ? ', _pipectl_log, _pipectl_order' : ''}) FROM STDIN`,
    move:
      `INSERT INTO ${table.sql} AS t (${names}${own ? `, ${ownVersion}` : ''})${overriding} ` +
      `SELECT ${names}${own ? `, ARRAY[${rebuild}, _pipectl_log, _pipectl_order]` : ''} FROM ${staging} ` +
      // One order for all members: two that write the same keys wait for each other instead of dying in a deadlock.
      `ORDER BY ${columns.slice(0, keyCount).map(sortable).join(', ')} ` +
      onConflict(plan, columns, rebuild),
    clear: `DELETE FROM ${staging}`,
  };
}

const sortable = ({ name, collatable }: Column): string =>
  `${quoteIdentifier(name)}${collatable ? ' COLLATE "C"' : ''}`;

function onConflict({ keyCount, guard, columns: all }: Plan, columns: readonly Column[], rebuild: number): string {
  const key = all
    .slice(0, keyCount)
    .map(({ name }) => quoteIdentifier(name))
    .join(', ');
  const changed = columns
    .slice(keyCount)
    .filter((column) => !column.identityAlways)
    .map(({ name }) => quoteIdentifier(name));
  if (guard.kind === 'own') changed.push(ownVersion);
  if (changed.length === 0) return `ON CONFLICT (${key}) DO NOTHING`;
  return `ON CONFLICT (${key}) DO UPDATE SET ${changed.map((name) => `${name} = excluded.${name}`).join(', ')}${newer(guard, rebuild)}`;
}

/**
 * The rule by which a row replaces the one that is there. In `_pipectl_version` stand (rebuild, log, order): a higher
 * rebuild wins; within one, orders are compared only in the same log (0 where `version:` gives the order, which holds
 * across logs), and between two logs the later write wins. Elements of one record share its offset, and the later wins.
 */
function newer(guard: Plan['guard'], rebuild: number): string {
  switch (guard.kind) {
    case 'none':
      return '';
    case 'column': {
      const column = quoteIdentifier(guard.column.name);
      return ` WHERE t.${column} IS NULL OR excluded.${column} ${rebuild > 0 ? '>=' : '>'} t.${column}`;
    }
    case 'own':
      break;
  }
  const part = (row: string, i: number): string => `${row}.${ownVersion}[${i}]`;
  return (
    ` WHERE t.${ownVersion} IS NULL OR ${part('t', 1)} < ${part('excluded', 1)} OR (${part('t', 1)} = ${part('excluded', 1)}` +
    ` AND (${part('t', 2)} <> ${part('excluded', 2)} OR ${part('t', 3)} ${guard.versioned ? '<' : '<='} ${part('excluded', 3)}))`
  );
}
