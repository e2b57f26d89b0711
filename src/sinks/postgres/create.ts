/** The table that `create: true` makes, and the columns that `on_new_field: add_column` adds. */
import { quoteIdentifier } from '../../connections/postgres/client.ts';
import type { EventRecord } from '../../engine/ports.ts';
import { isDecimal } from '../../expressions/decimal.ts';
import { kindOf } from '../../expressions/values.ts';
import { type Table, type TableName, tableSql } from './catalog.ts';
import type { PostgresSinkOptions } from './index.ts';
import { ownVersionColumn } from './plan.ts';

/** Column types by name, in order; null where neither `columns` nor a value tells one. */
export type ColumnTypes = ReadonlyMap<string, string>;

export const declaredTypes = (options: PostgresSinkOptions): ColumnTypes | null =>
  options.columns === undefined ? null : new Map(Object.entries(options.columns));

/**
 * Types that hold all values of a batch: whole numbers become bigint (or numeric beyond 64 bits), other numbers double
 * precision, or numeric where decimals are among them; lists and maps jsonb; what does not go together, and what is
 * always null, text. Only events that have the key count. Null where the batch holds none.
 */
export function inferTypes(
  records: readonly EventRecord[],
  fields: readonly string[] | null,
  key: readonly string[],
): ColumnTypes | null {
  const types = valueTypes(records, key);
  if (types.size === 0) return null;
  for (const field of fields ?? []) if (!types.has(field)) types.set(field, undefined);
  return new Map([...types].map(([field, type]) => [field, type ?? 'text']));
}

/** Types of the columns `table` lacks for `records`: as declared, else such that they hold all values. Null tells no type. */
export function addedTypes(
  records: readonly EventRecord[],
  { columns }: Table,
  key: readonly string[],
  declared: ColumnTypes | null,
): ColumnTypes {
  const added = new Map<string, string>();
  for (const [field, type] of valueTypes(records, key)) {
    if (type === undefined || columns.some(({ name }) => name === field)) continue;
    added.set(field, declared?.get(field) ?? type);
  }
  return added;
}

function valueTypes(records: readonly EventRecord[], key: readonly string[]): Map<string, ValueType | undefined> {
  const types = new Map<string, ValueType | undefined>();
  for (const { event } of records) {
    if (kindOf(event) !== 'map') continue;
    const values = event as Record<string, unknown>;
    if (!key.every((column) => Object.hasOwn(values, column) && values[column] !== null)) continue;
    for (const [field, value] of Object.entries(values)) {
      if (value === undefined) continue;
      const type = typeOf(value);
      const former = types.get(field);
      types.set(field, former === undefined ? type : type === undefined ? former : both(former, type));
    }
  }
  return types;
}

type ValueType = 'bigint' | 'double precision' | 'numeric' | 'boolean' | 'text' | 'timestamptz' | 'jsonb' | 'bytea';

function typeOf(value: unknown): ValueType | undefined {
  switch (kindOf(value)) {
    case 'null':
      return undefined;
    case 'bool':
      return 'boolean';
    case 'number':
      if (isDecimal(value)) return 'numeric';
      if (typeof value === 'bigint') return BigInt.asIntN(64, value) === value ? 'bigint' : 'numeric';
      return Number.isSafeInteger(value) ? 'bigint' : 'double precision';
    case 'string':
      return 'text';
    case 'bytes':
      return 'bytea';
    case 'timestamp':
      return 'timestamptz';
    case 'duration':
      return 'text';
    case 'list':
    case 'map':
      break;
  }
  return 'jsonb';
}

const width: Partial<Record<ValueType, number>> = { bigint: 1, 'double precision': 2, numeric: 3 };

function both(a: ValueType, b: ValueType): ValueType {
  if (a === b) return a;
  const [x, y] = [width[a], width[b]];
  if (x !== undefined && y !== undefined) return x > y ? a : b;
  return a === 'jsonb' || b === 'jsonb' ? 'jsonb' : 'text';
}

/** The statement that makes the table. Key columns must be among `types`. */
export function createTableSql(name: TableName, types: ColumnTypes, options: PostgresSinkOptions): string {
  const upsert = options.mode !== 'append';
  const columns = [...types].map(([column, type]) => `  ${quoteIdentifier(column)} ${type}`);
  const ownColumn = upsert && options.version_column === undefined && options.guard?.versions !== 'side';
  if (ownColumn) columns.push(`  ${quoteIdentifier(ownVersionColumn)} bigint[]`);
  if (upsert) columns.push(`  PRIMARY KEY (${(options.key ?? []).map(quoteIdentifier).join(', ')})`);
  return `CREATE TABLE IF NOT EXISTS ${tableSql(name)} (\n${columns.join(',\n')}\n)`;
}

/** The statement that adds the columns; those another member has added meanwhile stay as they are. */
export const addColumnsSql = (table: string, types: ColumnTypes): string =>
  `ALTER TABLE ${table} ${[...types].map(([column, type]) => `ADD COLUMN IF NOT EXISTS ${quoteIdentifier(column)} ${type}`).join(', ')}`;
