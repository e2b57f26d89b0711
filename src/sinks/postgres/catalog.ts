/** What the database says about a table: its columns, their types, and what is unique. */
import type { Client } from 'pg';
import { quoteIdentifier } from '../../connections/postgres/client.ts';
import { type CatalogType, type ColumnType, columnType } from './types.ts';

export interface Column extends ColumnType {
  readonly name: string;
  /** As SQL writes it: `numeric(10,2)`. */
  readonly type: string;
  readonly notNull: boolean;
  /** A row may leave it out. */
  readonly hasDefault: boolean;
  /** `GENERATED ALWAYS AS (...)`: nothing can be written to it. */
  readonly generated: boolean;
  /** `GENERATED ALWAYS AS IDENTITY`: only an insert that says so may give a value. */
  readonly identityAlways: boolean;
  readonly collatable: boolean;
}

export interface Table {
  readonly schema: string;
  readonly name: string;
  /** `"public"."orders"` */
  readonly sql: string;
  readonly columns: readonly Column[];
  /** Column names of each unique index that an upsert can rest on. */
  readonly uniqueKeys: readonly (readonly string[])[];
  readonly rights: { readonly insert: boolean; readonly update: boolean; readonly select: boolean };
}

/** A table as a pipeline file names it: `orders`, `shop.orders`, `"odd.name"`. Names are taken as they are written. */
export interface TableName {
  readonly schema: string | undefined;
  readonly name: string;
}

/** Undefined where the text is no name of a table. */
export function parseTableName(text: string): TableName | undefined {
  const match = /^(?:(?:"((?:[^"]|"")+)"|([^".]+))\.)?(?:"((?:[^"]|"")+)"|([^".]+))$/.exec(text);
  if (match === null) return undefined;
  const [, quotedSchema, schema, quotedName, name] = match;
  return {
    schema: quotedSchema?.replaceAll('""', '"') ?? schema,
    name: quotedName?.replaceAll('""', '"') ?? name!,
  };
}

export const tableSql = ({ schema, name }: TableName): string =>
  schema === undefined ? quoteIdentifier(name) : `${quoteIdentifier(schema)}.${quoteIdentifier(name)}`;

/** The table with its columns in the order of the table; null where there is none of that name. */
export async function readTable(client: Client, name: TableName): Promise<Table | null> {
  const found = await client.query<{
    oid: number;
    schema: string;
    name: string;
    insert: boolean;
    update: boolean;
    select: boolean;
  }>(
    `SELECT c.oid, n.nspname AS schema, c.relname AS name,
            has_any_column_privilege(c.oid, 'INSERT') AS insert,
            has_any_column_privilege(c.oid, 'UPDATE') AS update,
            has_any_column_privilege(c.oid, 'SELECT') AS select
       FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
      WHERE c.oid = to_regclass($1) AND c.relkind IN ('r', 'p', 'f', 'v')`,
    [tableSql(name)],
  );
  const table = found.rows[0];
  if (table === undefined) return null;
  const { schema, name: relation, oid, ...rights } = table;
  return {
    schema,
    name: relation,
    sql: tableSql({ schema, name: relation }),
    columns: await readColumns(client, oid),
    uniqueKeys: await readUniqueKeys(client, oid),
    rights,
  };
}

interface ColumnRow {
  name: string;
  type: string;
  type_oid: number;
  modifier: number;
  not_null: boolean;
  has_default: boolean;
  generated: boolean;
  identity_always: boolean;
  collatable: boolean;
}

async function readColumns(client: Client, table: number): Promise<Column[]> {
  const types = await readTypes(client, table);
  const { rows } = await client.query<ColumnRow>(
    `SELECT a.attname AS name, format_type(a.atttypid, a.atttypmod) AS type, a.atttypid AS type_oid, a.atttypmod AS modifier,
            a.attnotnull AS not_null, a.atthasdef OR a.attidentity <> '' OR t.typdefault IS NOT NULL AS has_default,
            a.attgenerated <> '' AS generated, a.attidentity = 'a' AS identity_always, a.attcollation <> 0 AS collatable
       FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
      WHERE a.attrelid = $1 AND a.attnum > 0 AND NOT a.attisdropped
      ORDER BY a.attnum`,
    [table],
  );
  return rows.map((row) => ({
    ...columnType(row.type_oid, row.modifier, types),
    name: row.name,
    type: row.type,
    notNull: row.not_null,
    hasDefault: row.has_default,
    generated: row.generated,
    identityAlways: row.identity_always,
    collatable: row.collatable,
  }));
}

/** The types of the table's columns, with what domains and arrays are made of. */
async function readTypes(client: Client, table: number): Promise<Map<number, CatalogType>> {
  const { rows } = await client.query<CatalogType>(
    `WITH RECURSIVE used(oid) AS (
       SELECT atttypid FROM pg_catalog.pg_attribute WHERE attrelid = $1 AND attnum > 0 AND NOT attisdropped
       UNION
       SELECT CASE WHEN t.typtype = 'd' THEN t.typbasetype ELSE t.typelem END
         FROM used JOIN pg_catalog.pg_type t USING (oid) WHERE t.typtype = 'd' OR t.typcategory = 'A'
     )
     SELECT t.oid, t.typname AS name,
            CASE WHEN t.typtype = 'd' THEN 'domain' WHEN t.typtype = 'e' THEN 'enum' WHEN t.typcategory = 'A' THEN 'array'
                 WHEN t.typtype = 'b' THEN 'base' ELSE 'other' END AS kind,
            CASE WHEN t.typtype = 'd' THEN t.typbasetype WHEN t.typcategory = 'A' THEN t.typelem ELSE 0 END AS of,
            t.typtypmod AS modifier,
            ARRAY(SELECT e.enumlabel::text FROM pg_catalog.pg_enum e WHERE e.enumtypid = t.oid ORDER BY e.enumsortorder) AS labels
       FROM used JOIN pg_catalog.pg_type t USING (oid)`,
    [table],
  );
  return new Map(rows.map((type) => [type.oid, type]));
}

/** Partial, deferred and invalid indexes and those over expressions can't carry ON CONFLICT. */
async function readUniqueKeys(client: Client, table: number): Promise<string[][]> {
  const { rows } = await client.query<{ columns: string[] }>(
    `SELECT ARRAY(SELECT a.attname::text FROM pg_catalog.pg_attribute a
                   WHERE a.attrelid = i.indrelid AND a.attnum = ANY ((i.indkey::int2[])[0:i.indnkeyatts - 1])) AS columns
       FROM pg_catalog.pg_index i
      WHERE i.indrelid = $1 AND i.indisunique AND i.indisvalid AND i.indimmediate AND i.indpred IS NULL AND i.indexprs IS NULL`,
    [table],
  );
  return rows.map((row) => row.columns);
}

/** Names of the tables a user may have meant: of the given schema, or of the search path. */
export async function readTableNames(client: Client, schema: string | undefined): Promise<string[]> {
  const { rows } = await client.query<{ name: string }>(
    `SELECT c.relname AS name FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
      WHERE c.relkind IN ('r', 'p', 'f', 'v') AND n.nspname NOT IN ('pg_catalog', 'information_schema')
        AND CASE WHEN $1::text IS NULL THEN pg_catalog.pg_table_is_visible(c.oid) ELSE n.nspname = $1 END
      ORDER BY 1 LIMIT 1000`,
    [schema ?? null],
  );
  return rows.map((row) => row.name);
}

/**
 * A role named like the schema of the positions has it in its path (`"$user"`): a table named without a schema must
 * neither be found nor made there. Who keeps positions in `public` has said so.
 */
export async function keepFromPath(client: Client, guardSchema: string): Promise<void> {
  if (guardSchema === 'public') return;
  await client.query(
    `SELECT set_config('search_path', coalesce(string_agg(quote_ident(name), ', ' ORDER BY place), '""'), false)
       FROM unnest(current_schemas(false)) WITH ORDINALITY AS path(name, place) WHERE name <> $1`,
    [guardSchema],
  );
}
