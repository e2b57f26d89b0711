/** What a sink writes to, worked out and checked once: the table, its key, the columns and where a row's version lives. */
import { quoteIdentifier } from '../../connections/postgres/client.ts';
import { PipectlError } from '../../errors.ts';
import { closest } from '../../expressions/closest.ts';
import type { Column, Table } from './catalog.ts';
import type { PostgresSinkOptions } from './index.ts';

/** Where tables made by this program keep a row's version: rebuild number, log, order within the log. */
export const ownVersionColumn = '_pipectl_version';

/** How a row that is there is kept from being replaced by an older one. */
export type VersionGuard =
  | { readonly kind: 'none' }
  /**
   * Rebuild number, log and order in `_pipectl_version`, or in the table of versions beside the positions (`side`).
   * `versioned`: the order is that of `version:`, else of offsets.
   */
  | { readonly kind: 'own'; readonly versioned: boolean; readonly place: 'column' | 'side' }
  /** The column holds the version itself. */
  | { readonly kind: 'column'; readonly column: Column };

export interface Plan {
  readonly table: Table;
  /** Key columns first, in the order of the option, then the others. Empty key: append. */
  readonly columns: readonly Column[];
  readonly keyCount: number;
  readonly guard: VersionGuard;
}

/** What is known about the events before the first one arrives. */
export interface Expectation {
  readonly fields: readonly string[] | null;
  readonly versioned: boolean;
}

/** Throws `PipectlError` with the statement that mends it where the table does not fit. */
export function planFor(table: Table, options: PostgresSinkOptions, { fields, versioned }: Expectation): Plan {
  const upsert = options.mode !== 'append';
  const key = upsert ? (options.key ?? []).map((name) => keyColumn(table, name)) : [];
  if (upsert) checkUnique(table, options.key ?? []);
  checkRights(table, upsert);
  const guard = upsert ? versionGuard(table, options, versioned) : ({ kind: 'none' } as const);
  const others = table.columns.filter(
    (column) => !key.includes(column) && !column.generated && column.name !== ownVersionColumn,
  );
  const columns = [...key, ...others];
  const plan = { table, columns, keyCount: key.length, guard };
  if (fields !== null) checkFields(plan, fields, versioned, options.on_new_field === 'add_column');
  return plan;
}

function keyColumn(table: Table, name: string): Column {
  const column = table.columns.find((candidate) => candidate.name === name);
  if (column !== undefined && !column.generated) return column;
  throw unknownColumn(table, name, `key column ${name}`);
}

function unknownColumn(table: Table, name: string, subject: string): PipectlError {
  const column = table.columns.find((candidate) => candidate.name === name);
  if (column?.generated) {
    return new PipectlError(
      'sink_column_unknown',
      `${subject}: the database computes column ${name} of ${table.sql} itself`,
      {
        hint: `drop the field ${name} before the sink`,
      },
    );
  }
  const meant = closest(
    name,
    table.columns.map((candidate) => candidate.name),
  );
  return new PipectlError(
    'sink_column_unknown',
    `${subject}: table ${table.sql} has no column ${name}${meant === undefined ? '' : `; did you mean ${meant}?`}`,
    { hint: `rename the field, drop it, or: ALTER TABLE ${table.sql} ADD COLUMN ${quoteIdentifier(name)} ...` },
  );
}

function checkUnique(table: Table, key: readonly string[]): void {
  const fits = table.uniqueKeys.some(
    (unique) => unique.length === key.length && key.every((name) => unique.includes(name)),
  );
  if (fits) return;
  const columns = key.map(quoteIdentifier).join(', ');
  const others = table.uniqueKeys.map((unique) => `[${unique.join(', ')}]`).join(', ');
  throw new PipectlError(
    'sink_key_not_unique',
    `no unique index of ${table.sql} covers exactly its key [${key.join(', ')}]${others === '' ? '' : `; there is one on ${others}`}`,
    { hint: `CREATE UNIQUE INDEX CONCURRENTLY ON ${table.sql} (${columns}); or correct key, or use mode: append` },
  );
}

function checkRights(table: Table, upsert: boolean): void {
  const needed = upsert ? (['select', 'insert', 'update'] as const) : (['insert'] as const);
  const missing = needed.filter((right) => !table.rights[right]).map((right) => right.toUpperCase());
  if (missing.length === 0) return;
  throw new PipectlError('sink_rights', `the role may not ${missing.join(', ')} on ${table.sql}`, {
    hint: `GRANT ${missing.join(', ')} ON ${table.sql} TO the role of the connection`,
  });
}

function versionGuard(table: Table, options: PostgresSinkOptions, versioned: boolean): VersionGuard {
  if (options.guard?.versions === 'side') return { kind: 'own', versioned, place: 'side' };
  if (options.version_column !== undefined) {
    const column = table.columns.find((candidate) => candidate.name === options.version_column);
    if (column === undefined || column.generated) throw unknownColumn(table, options.version_column, 'version_column');
    return { kind: 'column', column };
  }
  const own = table.columns.find((column) => column.name === ownVersionColumn);
  if (own?.type === 'bigint[]') return { kind: 'own', versioned, place: 'column' };
  if (!versioned) return { kind: 'none' };
  throw new PipectlError(
    'sink_version_place',
    `the sink has a version:, but ${table.sql} has no column to keep it in, so an older row could replace a newer one`,
    {
      hint: `ALTER TABLE ${table.sql} ADD COLUMN ${quoteIdentifier(ownVersionColumn)} bigint[]; or name the column that holds the version by version_column; or keep versions beside the table: guard: { versions: side }`,
    },
  );
}

function checkFields(
  { table, columns, keyCount, guard }: Plan,
  fields: readonly string[],
  versioned: boolean,
  addsColumns: boolean,
): void {
  for (const field of fields) {
    const isNamed = ({ name }: Column): boolean => name === field;
    const isToCome = addsColumns && !table.columns.some(isNamed);
    if (!isToCome && !columns.some(isNamed)) throw unknownColumn(table, field, `field ${field}`);
  }
  const given = ({ name }: Column): boolean =>
    fields.includes(name) || (versioned && guard.kind === 'column' && guard.column.name === name);
  const missing = columns.findIndex((column, i) => (i < keyCount || isRequired(column)) && !given(column));
  if (missing < 0) return;
  const { name, type } = columns[missing]!;
  const nullable = `ALTER TABLE ${table.sql} ALTER COLUMN ${quoteIdentifier(name)} DROP NOT NULL`;
  throw new PipectlError(
    'sink_column_missing',
    `column ${name} (${type}) of ${table.sql} needs a value and no field of the event has its name`,
    { hint: `add it by a step: set: { ${name}: ... }${missing < keyCount ? '' : `; or: ${nullable}`}` },
  );
}

/** A row must give it a value. */
export const isRequired = (column: Column): boolean => column.notNull && !column.hasDefault;
