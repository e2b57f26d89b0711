/** Connecting to PostgreSQL, and what its errors mean. */
import type { ConnectionOptions } from 'node:tls';
import { Client, type ClientConfig, DatabaseError, escapeIdentifier, escapeLiteral } from 'pg';
import { SinkUnavailable } from '../../engine/ports.ts';
import { PipectlError } from '../../errors.ts';

/** Options of a `postgres` connection, as its declaration describes them. */
export interface PostgresOptions {
  readonly url?: string;
  readonly host?: string;
  readonly port?: number;
  readonly database?: string;
  readonly user?: string;
  readonly password?: string;
  /** Where it is given, what the url says about TLS has no meaning. */
  readonly tls?: boolean | TlsOptions;
}

interface TlsOptions {
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
  readonly reject_unauthorized?: boolean;
}

/** Settings of a session. */
export interface SessionSettings {
  /** Shown in `pg_stat_activity`. */
  readonly applicationName: string;
  readonly statementTimeoutMs: number;
  readonly lockTimeoutMs: number;
  /** A frozen owner's locks end with this. */
  readonly idleInTransactionTimeoutMs: number;
}

const connectTimeoutMs = 10_000;
const goodbyeMs = 2000;
const keepAliveDelayMs = 10_000;
/** A connection counts as lost when the answer takes two statement timeouts (some round trips hold several) and this. */
const answerGraceMs = 5_000;

/** Quotes a name so that it is taken as it is written. */
export const quoteIdentifier = (name: string): string => escapeIdentifier(name);
export const quoteLiteral = (text: string): string => escapeLiteral(text);

/**
 * Connects and sets the session up. Rejects with `SinkUnavailable` where waiting may mend it and as soon as `signal`
 * aborts, else with `PipectlError`. A connection that breaks later fails the query that runs on it, or the next one.
 */
export async function connect(
  options: PostgresOptions,
  settings: SessionSettings,
  signal?: AbortSignal,
): Promise<Client> {
  const client = newClient(clientConfig(options, settings));
  const place = `${client.host}:${client.port}`;
  const giveUp = () => disconnect(client);
  signal?.addEventListener('abort', giveUp);
  // Without a listener an error between two queries would end the process; the next query reports it.
  client.on('error', () => {});
  try {
    await client.connect();
    await client.query(
      `SET statement_timeout = ${settings.statementTimeoutMs}; SET lock_timeout = ${settings.lockTimeoutMs}; ` +
        `SET idle_in_transaction_session_timeout = ${settings.idleInTransactionTimeoutMs}; ` +
        `SET TimeZone = 'UTC'; SET DateStyle = 'ISO, YMD'; SET client_encoding = 'UTF8'; SET standard_conforming_strings = on`,
    );
    return client;
  } catch (error) {
    disconnect(client);
    if (signal?.aborted) throw new SinkUnavailable(`connecting to PostgreSQL at ${place}: no answer`, { cause: error });
    throw connectFailure(error, place, client.database);
  } finally {
    signal?.removeEventListener('abort', giveUp);
  }
}

/** `pg` reads the URL here, and the files it names. */
function newClient(config: ClientConfig): Client {
  try {
    return new Client(config);
  } catch (error) {
    // Without its cause, which has the URL with the password.
    throw new PipectlError('postgres_connection', `the connection to PostgreSQL: ${(error as Error).message}`, {
      hint: 'write the URL as postgres://USER:PASSWORD@HOST:PORT/DATABASE, with %40 for an @ in the password',
    });
  }
}

/** Where the server is; `host` is a directory where it is reached by a socket of this machine. */
export function serverOf(options: PostgresOptions): { readonly host: string; readonly port: number } {
  const { host, port } = newClient(placeOf(options));
  return { host, port };
}

/** Where, and as whom. */
function placeOf({ url, tls, ...parts }: PostgresOptions): ClientConfig {
  return {
    ...(url === undefined
      ? { host: 'localhost', ...parts }
      : { connectionString: tls === undefined ? url : plainUrl(url) }),
    ...(tls === undefined ? {} : { ssl: readTls(tls) }),
  };
}

function clientConfig(options: PostgresOptions, settings: SessionSettings): ClientConfig {
  return {
    ...placeOf(options),
    application_name: settings.applicationName,
    connectionTimeoutMillis: connectTimeoutMs,
    query_timeout: settings.statementTimeoutMs * 2 + answerGraceMs,
    keepAlive: true,
    keepAliveInitialDelayMillis: keepAliveDelayMs,
  };
}

function readTls(tls: boolean | TlsOptions): boolean | ConnectionOptions {
  if (typeof tls === 'boolean') return tls;
  const { reject_unauthorized: rejectUnauthorized = true, ...certificates } = tls;
  return { ...certificates, rejectUnauthorized };
}

/** Without the parameters of TLS: `pg` would take them before the options. */
function plainUrl(url: string): string {
  if (!URL.canParse(url)) return url;
  const plain = new URL(url);
  const ofTls = [...plain.searchParams.keys()].filter((name) => name.startsWith('ssl') || name === 'uselibpqcompat');
  for (const name of ofTls) plain.searchParams.delete(name);
  return plain.href;
}

/** Says goodbye and closes a connection, in vain for no longer than two seconds. Never rejects. */
export async function end(client: Client): Promise<void> {
  const timer = setTimeout(() => disconnect(client), goodbyeMs);
  await client.end().catch(() => disconnect(client));
  clearTimeout(timer);
}

/** Ends a connection whatever state it is in, without waiting for the server. */
export function disconnect(client: Client): void {
  client.connection.stream.destroy();
}

function connectFailure(error: unknown, place: string, database: string | undefined): Error {
  const doing = `connecting to PostgreSQL at ${place}`;
  if (isTransient(error)) return new SinkUnavailable(`${doing}: ${reasonOf(error)}`, { cause: error });
  const state = sqlState(error);
  if (state?.startsWith('28')) {
    return new PipectlError('postgres_login', `${doing}: ${reasonOf(error)}`, {
      hint: "check user and password of the connection, and the server's pg_hba.conf",
    });
  }
  if (state === '3D000') {
    return new PipectlError('postgres_database', `${doing}: there is no database ${database ?? ''}`, {
      hint: 'correct the database in the connection, or create it',
    });
  }
  return new PipectlError('postgres_connection', `${doing}: ${reasonOf(error)}`, {
    hint: 'check host, port and TLS settings of the connection',
  });
}

/** Five characters that say what went wrong, where the server answered. PostgreSQL manual, appendix A. */
export const sqlState = (error: unknown): string | undefined =>
  error instanceof DatabaseError ? error.code : undefined;

const transientClasses = new Set([
  '08', // connection exception
  '40', // transaction rollback: deadlock, serialization failure
  '53', // insufficient resources
]);
const transientStates = new Set([
  '25006', // read-only transaction: a standby, after a fail-over
  '25P03', // idle in transaction too long
  '55P03', // lock not available
  '57P01', // shut down by an administrator
  '57P02', // crash of another server process
  '57P03', // starting up
  '57P05', // idle too long
]);

/** The service is away, busy or changing hands: the same work may succeed later, on a new connection. */
export function isTransient(error: unknown): boolean {
  const state = sqlState(error);
  if (state !== undefined) return transientStates.has(state) || transientClasses.has(state.slice(0, 2));
  return isConnectionError(error);
}

const lostConnection =
  /^(Connection terminated|timeout expired|timeout exceeded|Query read timeout|Client was closed|Client has encountered a connection error)/;
const networkCodes =
  /^E(CONN\w+|PIPE|TIMEDOUT|HOSTUNREACH|NETUNREACH|HOSTDOWN|NETDOWN|NOTFOUND|AI_AGAIN|MFILE|ADDRNOTAVAIL)$/;

function isConnectionError(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const code = (error as NodeJS.ErrnoException).code;
  return (typeof code === 'string' && networkCodes.test(code)) || lostConnection.test(error.message);
}

/** What an error says, for a person: without values, statements and secrets. */
export function reasonOf(error: unknown): string {
  if (error instanceof AggregateError && error.message === '')
    return (error as NodeJS.ErrnoException).code ?? 'no address answered';
  if (!(error instanceof Error)) return 'unknown error';
  const state = sqlState(error);
  // Data errors quote the value: `invalid input syntax for type inet: "..."`.
  const text = state?.startsWith('22') ? error.message.replaceAll(/"[^]*"/g, '"..."') : error.message;
  const capped = text.length > 300 ? `${text.slice(0, 299)}…` : text;
  return state === undefined ? capped : `${capped} (SQLSTATE ${state})`;
}
