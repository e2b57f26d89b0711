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
import { keepFromPath, parseTableName, readTable, tableSql } from '../sinks/postgres/catalog.ts';
import { createTableSql, declaredTypes } from '../sinks/postgres/create.ts';
import type { PostgresSinkOptions } from '../sinks/postgres/index.ts';
import { type Expectation, planFor } from '../sinks/postgres/plan.ts';
import type { LiveCheck } from './live-check.ts';

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
): Promise<LiveCheck[]> {
  const options = use.options as PostgresSinkOptions & { readonly connection: string };
  const connection = (connections[options.connection]?.options ?? {}) as PostgresOptions;
  let client: Client | null = null;
  try {
    client = await connect(connection, settings);
    await keepFromPath(client, options.guard?.schema ?? 'pipectl');
    return [await tableCheck(client, options, expected), ...(await positionChecks(client, options))];
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
    if (client !== null) disconnect(client);
  }
}

async function tableCheck(client: Client, options: PostgresSinkOptions, expected: Expectation): Promise<LiveCheck> {
  const name = parseTableName(options.table);
  if (name === undefined)
    return { status: 'missing', subject: `table ${options.table}`, message: 'is no name of a table' };
  const subject = `table ${tableSql(name)}`;
  const table = await readTable(client, name);
  if (table === null) {
    if (!options.create)
      return { status: 'missing', subject, message: 'does not exist: create it, or say `create: true`' };
    const types = declaredTypes(options);
    const how = types === null ? 'with the types of the first batch' : createTableSql(name, types, options);
    return { status: 'created', subject, message: how };
  }
  try {
    const { guard, columns } = planFor(table, options, expected);
    const version = guard.kind === 'none' ? 'no column for the version' : 'a column for the version';
    return { status: 'exists', subject, message: `${columns.length} columns to write, ${version}` };
  } catch (error) {
    if (!(error instanceof PipectlError)) throw error;
    return {
      status: 'missing',
      subject,
      message: `${error.message}${error.hint === undefined ? '' : `; ${error.hint}`}`,
    };
  }
}

async function positionChecks(client: Client, { guard }: PostgresSinkOptions): Promise<LiveCheck[]> {
  const schema = quoteIdentifier(guard?.schema ?? 'pipectl');
  const checks: LiveCheck[] = [];
  for (const table of ['logs', 'positions']) {
    const subject = `table ${schema}.${table}`;
    const { rows } = await client.query<{ there: boolean }>('SELECT to_regclass($1) IS NOT NULL AS there', [
      `${schema}.${table}`,
    ]);
    checks.push(
      rows[0]?.there === true
        ? { status: 'exists', subject, message: 'keeps positions' }
        : { status: 'created', subject, message: 'keeps positions; `run` needs the right to create it' },
    );
  }
  return checks;
}
