/** What a PostgreSQL sink would find. */
import type { Client } from 'pg';
import {
  connect,
  disconnect,
  isTransient,
  type PostgresOptions,
  quoteIdentifier,
  reasonOf,
} from '../connections/postgres/client.ts';
import type { PipelineDefinition, SinkUse } from '../definition/pipeline.ts';
import { SinkUnavailable } from '../engine/ports.ts';
import { exitCodes, PipectlError } from '../errors.ts';
import { closest } from '../expressions/closest.ts';
import { keepFromPath, parseTableName, readTable, readTableNames, tableSql } from '../sinks/postgres/catalog.ts';
import { createTableSql, declaredTypes } from '../sinks/postgres/create.ts';
import type { PostgresSinkOptions } from '../sinks/postgres/index.ts';
import { type Expectation, planFor } from '../sinks/postgres/plan.ts';
import { type LiveCheck, missing } from './live-check.ts';

const settings = {
  applicationName: 'pipectl/explain',
  statementTimeoutMs: 10_000,
  lockTimeoutMs: 5000,
  idleInTransactionTimeoutMs: 10_000,
} as const;

/** Rejects with `PipectlError`, exit code 3 where the database can't be reached. */
export async function checkPostgresSink(
  use: SinkUse,
  { connections }: PipelineDefinition,
  expected: Expectation,
  signal?: AbortSignal,
): Promise<LiveCheck[]> {
  const options = use.options as PostgresSinkOptions & { readonly connection: string };
  const connection = (connections[options.connection]?.options ?? {}) as PostgresOptions;
  let client: Client | null = null;
  const giveUp = () => client && disconnect(client);
  signal?.addEventListener('abort', giveUp);
  try {
    client = await connect(connection, settings, signal);
    await keepFromPath(client, options.guard?.schema ?? 'pipectl');
    return [await tableCheck(client, use, expected), ...(await positionChecks(client, use))];
  } catch (error) {
    if (error instanceof PipectlError) throw error;
    const isAway = error instanceof SinkUnavailable || isTransient(error);
    const message =
      error instanceof SinkUnavailable ? error.message : `looking at ${options.table}: ${reasonOf(error)}`;
    throw new PipectlError(isAway ? 'sink_unavailable' : 'sink_failed', message, {
      cause: error,
      exitCode: isAway ? exitCodes.unreachable : exitCodes.failed,
    });
  } finally {
    signal?.removeEventListener('abort', giveUp);
    if (client !== null) disconnect(client);
  }
}

async function tableCheck(
  client: Client,
  { options: given, path }: SinkUse,
  expected: Expectation,
): Promise<LiveCheck> {
  const options = given as PostgresSinkOptions;
  const name = parseTableName(options.table);
  const at = [...path, 'table'];
  if (name === undefined) {
    const message = `${options.table} is no name of a table`;
    const hint = 'write orders or shop.orders';
    return missing(`table ${options.table}`, { code: 'sink_table_missing', message, hint, path: at });
  }
  const subject = `table ${tableSql(name)}`;
  const table = await readTable(client, name);
  if (table === null) {
    if (!options.create) {
      const near = closest(name.name, await readTableNames(client, name.schema));
      const message = `there is no table ${tableSql(name)}${near === undefined ? '' : `; did you mean ${near}?`}`;
      const hint = 'correct the name, create it, or say `create: true`';
      return missing(subject, { code: 'sink_table_missing', message, hint, path: at });
    }
    const types = declaredTypes(options);
    const how = types === null ? 'with the types of the first batch' : createTableSql(name, types, options);
    return { status: 'created', subject, message: how };
  }
  try {
    const { guard, columns } = planFor(table, options, expected);
    const isBeside = guard.kind === 'own' && guard.place === 'side';
    const inTable = guard.kind === 'none' ? 'no column for the version' : 'a column for the version';
    const version = isBeside ? 'versions beside it' : inTable;
    return { status: 'exists', subject, message: `${columns.length} columns to write, ${version}` };
  } catch (error) {
    if (!(error instanceof PipectlError)) throw error;
    const { code, message, hint } = error;
    return missing(subject, { code, message, hint, path: [...path, ...placeOf(code, options)] });
  }
}

/** The option an error of the table is about; the table itself where it is none. */
function placeOf(code: string, { version_column: column }: PostgresSinkOptions): readonly string[] {
  if (code === 'sink_key_not_unique') return ['key'];
  return code === 'sink_column_unknown' && column !== undefined ? ['version_column'] : ['table'];
}

/** Positions are kept in two tables, and versions beside a table in a third, which `run` creates where it may. */
async function positionChecks(client: Client, { options, path }: SinkUse): Promise<LiveCheck[]> {
  const { guard } = options as PostgresSinkOptions;
  const name = guard?.schema ?? 'pipectl';
  const schema = quoteIdentifier(name);
  const { rows } = await client.query<{ may: boolean }>(
    `SELECT CASE WHEN to_regnamespace($1) IS NULL THEN has_database_privilege(current_database(), 'CREATE')
                 ELSE has_schema_privilege($2, 'USAGE') AND has_schema_privilege($2, 'CREATE') END AS may`,
    [schema, name],
  );
  const checks: LiveCheck[] = [];
  for (const table of guard?.versions === 'side' ? ['logs', 'positions', 'versions'] : ['logs', 'positions']) {
    const what = table === 'versions' ? 'keeps the versions of rows' : 'keeps positions';
    const subject = `table ${schema}.${table}`;
    const kept = await client.query<{ there: boolean; used: boolean }>(
      `SELECT c.oid IS NOT NULL AS there, has_table_privilege(c.oid, 'SELECT') AND has_table_privilege(c.oid, 'INSERT')
              AND has_table_privilege(c.oid, 'UPDATE') AS used FROM to_regclass($1) AS c(oid)`,
      [`${schema}.${table}`],
    );
    const { there, used } = kept.rows[0]!;
    if (there ? used : rows[0]!.may) {
      const message = there ? what : `${what}; \`run\` needs the right to create it`;
      checks.push({ status: there ? 'exists' : 'created', subject, message });
      continue;
    }
    const message = `the role may not ${there ? 'use' : 'create'} ${schema}.${table}, where positions are kept`;
    const hint = there
      ? `GRANT SELECT, INSERT, UPDATE ON ${schema}.${table} TO the role of the connection`
      : `have schema and tables created once, or: GRANT CREATE ON DATABASE ... TO the role of the connection`;
    checks.push(missing(subject, { code: 'sink_positions_rights', message, hint, path: [...path, 'table'] }));
  }
  return checks;
}
