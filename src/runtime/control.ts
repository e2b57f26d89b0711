/**
 * How other commands on this machine talk to a pipeline that runs: HTTP over a unix domain socket, one for each process
 * and pipeline, in a directory that nobody else may enter.
 */
import { createHash } from 'node:crypto';
import { chmod, lstat, mkdir, readdir, rmdir, unlink } from 'node:fs/promises';
import { type IncomingMessage, type Server, type ServerResponse, createServer, request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline as piped } from 'node:stream/promises';
import type { Log } from '../engine/ports.ts';
import { PipectlError } from '../errors.ts';

/** What a socket's path may have: 104 bytes with the closing NUL on macOS and BSD, 108 on Linux (unix(7)). */
const PATH_BYTES_MAX = 103;
const BODY_BYTES_MAX = 16 * 1024;
const ANSWER_MS = 5_000;
const NAME_BYTES = 32;

/**
 * Answers one request, by method and path: `POST /resume`. `body` is the JSON that came with it, null without. A `Readable`
 * goes to whoever asked line by line until one of the two ends it; anything else as JSON.
 */
export type ControlHandlers = Readonly<Record<string, (body: unknown, query: URLSearchParams) => unknown>>;

/** A process that runs a pipeline on this machine, as this user. */
export interface ControlSocket {
  readonly path: string;
  readonly pid: number;
}

export interface ControlAnswer {
  readonly status: number;
  readonly body: unknown;
}

/** Where sockets may be, the best place first. */
export function controlDirectories(env: Readonly<Record<string, string | undefined>>): readonly string[] {
  const user = `pipectl-${process.getuid?.() ?? 'user'}`;
  const { XDG_RUNTIME_DIR: runtime } = env;
  const all = [...(runtime ? [join(runtime, 'pipectl')] : []), join(tmpdir(), user), join('/tmp', user)];
  return [...new Set(all)].filter((directory) => Buffer.byteLength(directory) + NAME_BYTES <= PATH_BYTES_MAX);
}

const socketName = /^([0-9a-f]{12})-(\d+)\.sock$/;

/** The same length for every name, and nothing in it that a path could mistake. */
const prefixOf = (pipeline: string): string => createHash('sha256').update(pipeline).digest('hex').slice(0, 12);

/**
 * Listens for a pipeline of this process. Never rejects: where there can be no socket it warns, and the pipeline runs
 * without one. `close` takes the socket away.
 */
export async function openControl(
  pipeline: string,
  handlers: ControlHandlers,
  { env, log }: { readonly env: Readonly<Record<string, string | undefined>>; readonly log: Log },
): Promise<{ close(): Promise<void> }> {
  let reason = 'no directory for it has a path that is short enough';
  for (const directory of controlDirectories(env)) {
    try {
      await ownDirectory(directory);
      await removeStale(directory);
      const server = await listen(join(directory, `${prefixOf(pipeline)}-${process.pid}.sock`), handlers);
      return { close: () => closed(server, directory) };
    } catch (error) {
      reason = error instanceof Error ? error.message : String(error);
    }
  }
  log.warn('control_unavailable', `other commands can't reach this process: ${reason}`);
  return { close: () => Promise.resolve() };
}

/** The sockets of the processes that run a pipeline, or any pipeline, on this machine. Some may have nobody behind them any more. */
export async function controlSockets(
  pipeline: string | null,
  env: Readonly<Record<string, string | undefined>>,
): Promise<readonly ControlSocket[]> {
  const found: ControlSocket[] = [];
  for (const directory of controlDirectories(env)) {
    const names = await readdir(directory).catch(() => []);
    for (const name of names.toSorted()) {
      const [, prefix, pid] = socketName.exec(name) ?? [];
      if (prefix === undefined || (pipeline !== null && prefix !== prefixOf(pipeline))) continue;
      found.push({ path: join(directory, name), pid: Number(pid) });
    }
  }
  return found;
}

/** Asks the process behind a socket. Null where none is there any more. */
export function askControl(
  path: string,
  method: 'GET' | 'POST',
  url: string,
  body?: unknown,
): Promise<ControlAnswer | null> {
  return new Promise((resolve, reject) => {
    const asked = request({ socketPath: path, method, path: url, timeout: ANSWER_MS }, (answer) => {
      readBody(answer, Number.POSITIVE_INFINITY).then(
        (text) => resolve({ status: answer.statusCode ?? 500, body: JSON.parse(text) as unknown }),
        reject,
      );
    });
    asked.on('timeout', () => asked.destroy(new Error(`no answer within ${ANSWER_MS / 1000} s`)));
    asked.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'ECONNREFUSED' || error.code === 'ENOENT') resolve(null);
      else reject(error);
    });
    asked.end(body === undefined ? undefined : JSON.stringify(body));
  });
}

/** Follows an answer that goes on: its lines until it ends or `signal` aborts. Null where no process is there any more. */
export function followControl(
  path: string,
  url: string,
  signal: AbortSignal,
): Promise<{ readonly status: 200; readonly lines: AsyncIterable<string> } | ControlAnswer | null> {
  return new Promise((resolve, reject) => {
    const asked = request({ socketPath: path, path: url, signal }, (answer) => {
      if (answer.statusCode === 200) return resolve({ status: 200, lines: linesOf(answer) });
      readBody(answer, BODY_BYTES_MAX).then(
        (text) => resolve({ status: answer.statusCode ?? 500, body: JSON.parse(text) as unknown }),
        reject,
      );
    });
    asked.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'ECONNREFUSED' || error.code === 'ENOENT') resolve(null);
      else reject(error);
    });
    asked.end();
  });
}

/** Whoever could put a socket here could pretend to be the pipeline. */
async function ownDirectory(directory: string): Promise<void> {
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const stats = await lstat(directory);
  if (!stats.isDirectory() || stats.uid !== process.getuid?.())
    throw new Error(`${directory} belongs to somebody else`);
  if ((stats.mode & 0o077) !== 0) await chmod(directory, 0o700);
}

/** Of processes that were killed. One that is alive elsewhere (a container with the same directory) still answers. */
async function removeStale(directory: string): Promise<void> {
  for (const name of await readdir(directory)) {
    const pid = Number(socketName.exec(name)?.[2]);
    if (Number.isNaN(pid) || (isAlive(pid) && pid !== process.pid)) continue;
    const path = join(directory, name);
    const answer = await askControl(path, 'GET', '/').catch(() => undefined);
    if (answer === null) await unlink(path).catch(() => undefined);
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'ESRCH';
  }
}

function listen(path: string, handlers: ControlHandlers): Promise<Server> {
  const server = createServer((asked, answer) => void respond(asked, answer, handlers));
  // It must not keep a process alive that is done.
  server.unref();
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(path, () => resolve(server));
  });
}

async function respond(asked: IncomingMessage, answer: ServerResponse, handlers: ControlHandlers): Promise<void> {
  const send = (status: number, body: unknown): void => {
    answer.writeHead(status, { 'content-type': 'application/json' }).end(`${JSON.stringify(body)}\n`);
  };
  const [path = '', query = ''] = (asked.url ?? '').split('?', 2);
  const name = `${asked.method} ${path}`;
  const handler = Object.hasOwn(handlers, name) ? handlers[name] : undefined;
  if (handler === undefined) return send(404, { error: `${name} is not known here` });
  try {
    const text = await readBody(asked, BODY_BYTES_MAX);
    const said = await handler(text === '' ? null : (JSON.parse(text) as unknown), new URLSearchParams(query));
    if (!(said instanceof Readable)) return send(200, said);
    answer.writeHead(200, { 'content-type': 'application/x-ndjson' }).flushHeaders();
    // Whoever asked may leave at any time, and so may the pipeline.
    await piped(said, answer).catch(() => undefined);
  } catch (error) {
    const { code = null, hint = null } = error instanceof PipectlError ? error : {};
    send(400, { error: error instanceof Error ? error.message : String(error), code, hint });
  }
}

async function* linesOf(message: IncomingMessage): AsyncGenerator<string> {
  let begun = '';
  for await (const chunk of message.setEncoding('utf8') as AsyncIterable<string>) {
    const [first = '', ...others] = chunk.split('\n');
    begun += first;
    for (const next of others) {
      yield begun;
      begun = next;
    }
  }
}

async function readBody(message: IncomingMessage, bytesMax: number): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of message as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > bytesMax) throw new Error(`more than ${bytesMax} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

async function closed(server: Server, directory: string): Promise<void> {
  server.closeAllConnections();
  await new Promise<void>((resolve) => server.close(() => resolve()));
  // The last one takes it away; whoever is just about to use it goes to the next place, where it is found as well.
  await rmdir(directory).catch(() => undefined);
}
