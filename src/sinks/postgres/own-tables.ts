/** The tables this program keeps for itself beside those it writes: positions, logs, versions. */
import type { Client } from 'pg';
import { isTransient, quoteIdentifier, quoteLiteral, reasonOf, sqlState } from '../../connections/postgres/client.ts';
import { runScript } from '../../connections/postgres/script.ts';
import { PipectlError } from '../../errors.ts';

export const ownTable = (
  schema: string,
  name: 'logs' | 'positions' | 'replays' | 'schema_version' | 'versions',
): string => `${quoteIdentifier(schema)}.${name}`;

/**
 * What each version of the tables adds to the one before it. Only adds: members of the former version go on writing while
 * the first one of the next is there. Each may run twice.
 */
const migrations: readonly ((schema: string) => readonly string[])[] = [
  (schema) => [
    `CREATE SCHEMA IF NOT EXISTS ${quoteIdentifier(schema)};`,
    `CREATE TABLE IF NOT EXISTS ${ownTable(schema, 'logs')} (`,
    '  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,',
    '  cluster text NOT NULL, topic_id text NOT NULL, partition integer NOT NULL,',
    '  UNIQUE (cluster, topic_id, partition)',
    ');',
    `CREATE TABLE IF NOT EXISTS ${ownTable(schema, 'positions')} (`,
    '  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,',
    '  cluster text NOT NULL, pipeline text NOT NULL, sink text NOT NULL, topic_id text NOT NULL, partition integer NOT NULL,',
    `  topic text NOT NULL, log bigint NOT NULL REFERENCES ${ownTable(schema, 'logs')},`,
    '  position bigint, owner_epoch bigint NOT NULL, pipeline_hash text NOT NULL, rebuild bigint NOT NULL DEFAULT 0,',
    '  updated_at timestamptz NOT NULL DEFAULT now(),',
    '  UNIQUE (cluster, pipeline, sink, topic_id, partition)',
    ') WITH (fillfactor = 50);',
  ],
  (schema) => [
    `CREATE TABLE IF NOT EXISTS ${ownTable(schema, 'schema_version')} (`,
    '  one boolean PRIMARY KEY DEFAULT true CHECK (one), version integer NOT NULL',
    ');',
    `CREATE TABLE IF NOT EXISTS ${ownTable(schema, 'versions')} (`,
    '  target text NOT NULL, key jsonb NOT NULL, version bigint[],',
    '  PRIMARY KEY (target, key)',
    ') WITH (fillfactor = 70);',
  ],
  // Elements that a replay of dead letters has added to a table without a key.
  (schema) => [
    `CREATE TABLE IF NOT EXISTS ${ownTable(schema, 'replays')} (`,
    '  pipeline text NOT NULL, sink text NOT NULL, rebuild bigint NOT NULL,',
    `  log bigint NOT NULL REFERENCES ${ownTable(schema, 'logs')}, "offset" bigint NOT NULL, element text NOT NULL,`,
    '  replayed_at timestamptz NOT NULL DEFAULT now(),',
    '  PRIMARY KEY (pipeline, sink, rebuild, log, "offset", element)',
    ');',
  ],
];

/** Version of the tables this program makes and knows. */
export const tablesVersion = migrations.length;

/** Statements that bring the tables of `schema` from version `from` (0: there are none) to ours, for a person or for us. */
export function ownTablesDdl(schema: string, from = 0): string {
  return [
    ...migrations.slice(from).flatMap((migration) => migration(schema)),
    `INSERT INTO ${ownTable(schema, 'schema_version')} AS t (version) VALUES (${tablesVersion})`,
    '  ON CONFLICT (one) DO UPDATE SET version = greatest(t.version, excluded.version);',
  ].join('\n');
}

/**
 * Makes the tables where they are missing, and brings older ones up to date. Several members may do so at once. Throws
 * `PipectlError` with the statements where the role may not, and where the tables are a newer program's.
 */
export async function ensureOwnTables(client: Client, schema: string): Promise<void> {
  const found = await foundVersion(client, schema);
  if (found < tablesVersion) {
    await migrate(client, schema, found);
    // A newer program may have done so at the same time.
    return refuseNewer(schema, await foundVersion(client, schema));
  }
  refuseNewer(schema, found);
}

function refuseNewer(schema: string, found: number): void {
  if (found <= tablesVersion) return;
  throw new PipectlError(
    'sink_positions_newer',
    `the tables with the positions, in schema ${schema}, are of version ${found}; this program knows them up to version ${tablesVersion}`,
    { hint: 'run the newer pipectl that made them; or give this pipeline a place of its own: guard: { schema: ... }' },
  );
}

/** Version 1 did not say so. */
async function foundVersion(client: Client, schema: string): Promise<number> {
  const { rows } = await client.query<{ positions: boolean; version: boolean }>(
    'SELECT to_regclass($1) IS NOT NULL AS positions, to_regclass($2) IS NOT NULL AS version',
    [ownTable(schema, 'positions'), ownTable(schema, 'schema_version')],
  );
  const { positions, version } = rows[0]!;
  if (!positions) return 0;
  if (!version) return 1;
  const stored = await client.query<{ version: number }>(`SELECT version FROM ${ownTable(schema, 'schema_version')}`);
  return stored.rows[0]?.version ?? 1;
}

async function migrate(client: Client, schema: string, from: number): Promise<void> {
  const ddl = ownTablesDdl(schema, from);
  const lock = `SELECT pg_advisory_xact_lock(hashtext(${quoteLiteral(`pipectl ${schema}`)}))`;
  try {
    await runScript(client, `BEGIN; ${lock}; ${ddl} COMMIT`);
  } catch (error) {
    if (isTransient(error)) throw error;
    await client.query('ROLLBACK');
    if (sqlState(error) !== '42501') throw error;
    const doing =
      from === 0 ? 'create the tables in which positions are kept' : 'bring the tables with the positions up to date';
    throw new PipectlError('sink_positions_rights', `the role may not ${doing}: ${reasonOf(error)}`, {
      hint: `have this done once, and grant SELECT, INSERT and UPDATE on the tables:\n${ddl}`,
    });
  }
}
