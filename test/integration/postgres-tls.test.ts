/** TLS to PostgreSQL, with certificates made for this test, on a server of its own. */
import { execFile } from 'node:child_process';
import { chmod, chown, copyFile, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { connect, disconnect, type PostgresOptions } from '../../src/connections/postgres/client.ts';
import { type Stack, startStack } from '../stack/stack.ts';

const settings = {
  applicationName: 'tls',
  statementTimeoutMs: 5000,
  lockTimeoutMs: 5000,
  idleInTransactionTimeoutMs: 5000,
};
let stack: Stack<'postgres'>;
let directory: string;
let url: string;

/** A certificate that vouches for itself. */
async function certificate(name: string, subject: string, more: readonly string[] = []) {
  const at = (ending: string) => path.join(directory, `${name}.${ending}`);
  const key = ['-newkey', 'rsa:2048', '-nodes', '-keyout', at('key'), '-out', at('crt')];
  await promisify(execFile)('openssl', ['req', '-x509', '-days', '1', '-subj', subject, ...key, ...more]);
  return { cert: await readFile(at('crt'), 'utf8'), key: await readFile(at('key'), 'utf8') };
}

async function admin(sql: string): Promise<Record<string, string>[]> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query<Record<string, string>>(sql)).rows;
  } finally {
    await client.end();
  }
}

/** The cipher of the session, null without TLS. */
async function cipher(options: PostgresOptions): Promise<string | null> {
  const client = await connect(options, settings);
  try {
    const { rows } = await client.query<{ cipher: string | null }>(
      'SELECT cipher FROM pg_stat_ssl WHERE pid = pg_backend_pid()',
    );
    return rows[0]!.cipher;
  } finally {
    disconnect(client);
  }
}

beforeAll(async () => {
  directory = await mkdtemp(path.join(tmpdir(), 'pipectl-tls-'));
  stack = await startStack({ services: ['postgres'], print: () => {} });
  url = stack.addresses.postgres;
  await certificate('server', '/CN=database', ['-addext', 'subjectAltName=IP:127.0.0.1']);
  await certificate('client', '/CN=pipectl');
  await certificate('other', '/CN=other', ['-addext', 'subjectAltName=IP:127.0.0.1']);
  const data = (await admin('SHOW data_directory'))[0]!.data_directory!;
  const { uid, gid } = await stat(data);
  for (const name of ['server.crt', 'server.key', 'client.crt']) {
    const file = path.join(data, name);
    await copyFile(path.join(directory, name), file);
    await chmod(file, 0o600);
    if (process.getuid?.() === 0) await chown(file, uid, gid);
  }
  await admin("ALTER SYSTEM SET ssl_ca_file = 'client.crt'");
  await admin('ALTER SYSTEM SET ssl = on');
  await admin('CREATE ROLE certified LOGIN SUPERUSER');
  await writeFile(
    path.join(data, 'pg_hba.conf'),
    `hostssl all certified 127.0.0.1/32 trust clientcert=verify-ca\nhost all all 127.0.0.1/32 scram-sha-256\n`,
  );
  await admin('SELECT pg_reload_conf()');
  await vi.waitFor(async () => expect(await admin('SHOW ssl')).toEqual([{ ssl: 'on' }]), { timeout: 10_000 });
});
afterAll(async () => {
  await stack.stop();
  await rm(directory, { recursive: true });
});
const pem = (name: string) => readFile(path.join(directory, name), 'utf8');

describe('a connection over TLS', () => {
  test('is encrypted and verified with the authority that is given, whatever the url says', async () => {
    const ca = await pem('server.crt');
    expect(await cipher({ url })).toBeNull();
    expect(await cipher({ url, tls: { ca } })).toMatch(/TLS|AES/);
    expect(await cipher({ url: `${url}?sslmode=disable`, tls: { ca } })).toMatch(/TLS|AES/);
    expect(await cipher({ url: `${url}?sslmode=require`, tls: false })).toBeNull();
    const { hostname, port, username, password, pathname } = new URL(url);
    const parts = { host: hostname, port: Number(port), user: username, password, database: pathname.slice(1) };
    expect(await cipher({ ...parts, tls: { ca } })).toMatch(/TLS|AES/);
  });

  test('to a server whose certificate nobody vouches for is refused, unless that is said', async () => {
    const ca = await pem('other.crt');
    for (const tls of [true, { ca }]) {
      await expect(cipher({ url, tls })).rejects.toMatchObject({
        code: 'postgres_connection',
        message: expect.stringMatching(/self-signed/i),
      });
    }
    expect(await cipher({ url, tls: { reject_unauthorized: false } })).toMatch(/TLS|AES/);
  });

  test('to a name that is not in the certificate is refused', async () => {
    const named = new URL(url);
    named.hostname = 'localhost';
    await expect(cipher({ url: named.href, tls: { ca: await pem('server.crt') } })).rejects.toMatchObject({
      code: 'postgres_connection',
      message: expect.stringContaining('localhost'),
    });
  });

  test('shows the certificate of the client where the server asks for one', async () => {
    const certified = new URL(url);
    certified.username = 'certified';
    certified.password = '';
    const ca = await pem('server.crt');
    await expect(cipher({ url: certified.href, tls: { ca } })).rejects.toMatchObject({ code: 'postgres_login' });
    const client = { cert: await pem('client.crt'), key: await pem('client.key') };
    expect(await cipher({ url: certified.href, tls: { ca, ...client } })).toMatch(/TLS|AES/);
  });

  test('to a server without TLS is refused', async () => {
    await admin('ALTER SYSTEM SET ssl = off');
    await admin('SELECT pg_reload_conf()');
    await expect.poll(() => admin('SHOW ssl'), { timeout: 10_000 }).toEqual([{ ssl: 'off' }]);
    await expect(cipher({ url, tls: { ca: await pem('server.crt') } })).rejects.toMatchObject({
      code: 'postgres_connection',
      message: expect.stringContaining('does not support SSL'),
    });
  });
});
