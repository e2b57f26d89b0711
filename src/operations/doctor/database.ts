/** A PostgreSQL server as a sink needs it: it writes, has connections left, and its clock agrees with ours. */
import { connect, disconnect, type PostgresOptions } from '../../connections/postgres/client.ts';
import { bytesText, type Finding, fine } from './finding.ts';

export interface DatabaseFacts {
  readonly version: string;
  readonly isStandby: boolean;
  readonly connections: number;
  readonly connectionsMax: number;
  readonly databaseBytes: number;
  /** Its clock minus ours, in milliseconds; off by half of `answerMs` at most. */
  readonly aheadMs: number;
  readonly answerMs: number;
}

const settings = {
  applicationName: 'pipectl/doctor',
  statementTimeoutMs: 10_000,
  lockTimeoutMs: 5000,
  idleInTransactionTimeoutMs: 10_000,
} as const;

/** Rejects as `connect` does, and with the error of the query. */
export async function databaseFacts(
  options: PostgresOptions,
  now: () => number,
  signal?: AbortSignal,
): Promise<DatabaseFacts> {
  const client = await connect(options, settings, signal);
  const giveUp = () => disconnect(client);
  signal?.addEventListener('abort', giveUp);
  try {
    const { rows } = await client.query<Omit<DatabaseFacts, 'aheadMs' | 'answerMs'>>(
      `SELECT current_setting('server_version') AS version, pg_is_in_recovery() AS "isStandby",
              (SELECT count(*)::int FROM pg_stat_activity WHERE backend_type = 'client backend') AS connections,
              current_setting('max_connections')::int AS "connectionsMax",
              pg_database_size(current_database())::float8 AS "databaseBytes"`,
    );
    const askedMs = now();
    const clock = await client.query<{ ms: number }>(
      'SELECT extract(epoch FROM clock_timestamp())::float8 * 1000 AS ms',
    );
    const answeredMs = now();
    const aheadMs = clock.rows[0]!.ms - (askedMs + answeredMs) / 2;
    return { ...rows[0]!, aheadMs, answerMs: answeredMs - askedMs };
  } finally {
    signal?.removeEventListener('abort', giveUp);
    disconnect(client);
  }
}

const fullShare = 0.9;
/** Clocks that are kept by NTP differ by milliseconds; what is beyond this changes results. */
const [clockWarnMs, clockErrorMs] = [5000, 60_000];

export function databaseFindings(subject: string, facts: DatabaseFacts): readonly Finding[] {
  const { version, isStandby, connections, connectionsMax, databaseBytes, aheadMs, answerMs } = facts;
  const findings: Finding[] = [fine('versions', subject, `PostgreSQL ${version}, ${bytesText(databaseBytes)}`)];
  const add = (severity: Finding['severity'], check: string, message: string, remedy: string) =>
    findings.push({ severity, check, subject, message, remedy });
  if (isStandby) add('error', 'sink', 'is a standby and takes no writes', 'point the connection to the primary');
  if (connections >= connectionsMax * fullShare)
    add(
      'warning',
      'connections',
      `${connections} of ${connectionsMax} connections are in use`,
      'close those that idle, or raise max_connections',
    );
  else findings.push(fine('connections', subject, `${connections} of ${connectionsMax} in use`));
  // What may be the way of the question is no difference of clocks.
  const skewMs = Math.max(0, Math.abs(aheadMs) - answerMs / 2);
  const words = `its clock is ${(skewMs / 1000).toFixed(1)} s ${aheadMs > 0 ? 'ahead of' : 'behind'} that of this machine`;
  if (skewMs >= clockWarnMs)
    add(skewMs >= clockErrorMs ? 'error' : 'warning', 'clock', words, 'synchronize both (NTP)');
  else findings.push(fine('clock', subject, 'its clock agrees with that of this machine'));
  return findings;
}
