import { chmod, lstat, mkdir, mkdtemp, readdir, rm, symlink, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { PipectlError } from '../../src/errors.ts';
import {
  type ControlSocket,
  askControl,
  controlDirectories,
  controlSockets,
  followControl,
  openControl,
} from '../../src/runtime/control.ts';

let root: string;
let warnings: string[];
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'ctl-'));
  warnings = [];
});
afterEach(() => rm(root, { recursive: true, force: true }));

const options = () => ({
  env: { XDG_RUNTIME_DIR: root },
  log: { info: () => undefined, warn: (code: string) => void warnings.push(code), error: () => undefined },
});

async function all(lines: AsyncIterable<string>): Promise<readonly string[]> {
  const read: string[] = [];
  for await (const line of lines) read.push(line);
  return read;
}

const found = async (name: string) => (await controlSockets(name, options().env)) as [ControlSocket];

/** A pid that no process has. */
const noPid = 2 ** 22 + 1;

describe('the control socket', () => {
  it('answers what it has a handler for, and tells what it does not know', async () => {
    const asked: unknown[] = [];
    const handlers = { 'GET /status': () => ({ lag: 1 }), 'POST /resume': (body: unknown) => asked.push(body) };
    const control = await openControl('orders', handlers, options());
    const [{ path, pid }] = await found('orders');
    expect(pid).toBe(process.pid);
    expect(await askControl(path, 'GET', '/status')).toEqual({ status: 200, body: { lag: 1 } });
    expect(await askControl(path, 'POST', '/resume', { note: 'ok' })).toEqual({ status: 200, body: 1 });
    expect(asked).toEqual([{ note: 'ok' }]);
    expect(await askControl(path, 'POST', '/status')).toMatchObject({ status: 404 });
    expect(await askControl(path, 'POST', '/resume', 'x'.repeat(20_000))).toMatchObject({ status: 400 });
    expect(asked).toHaveLength(1);
    expect(await controlSockets('other', options().env)).toEqual([]);
    await control.close();
    expect(await controlSockets('orders', options().env)).toEqual([]);
    expect(await askControl(path, 'GET', '/status')).toBeNull();
    expect(warnings).toEqual([]);
  });

  it('streams lines until either side ends them, and says no in words', async () => {
    let closed = 0;
    const handlers = {
      'GET /tap': (_: unknown, query: URLSearchParams) => {
        if (query.get('after') !== 'a b')
          throw new PipectlError('tap_step_unknown', 'no such step', { hint: 'try a b' });
        const lines = new Readable({ read: () => undefined });
        lines.push('one\ntwo\n');
        if (query.has('ends')) lines.push(null);
        return lines.on('close', () => closed++);
      },
    };
    const control = await openControl('orders', handlers, options());
    const [{ path }] = await found('orders');
    const follow = async (url: string, signal = new AbortController().signal) => {
      const answer = await followControl(path, url, signal);
      if (answer === null || !('lines' in answer)) throw new Error('no lines');
      return answer.lines;
    };
    expect(await all(await follow('/tap?after=a+b&ends='))).toEqual(['one', 'two']);
    await expect.poll(() => closed).toBe(1);
    const leaving = new AbortController();
    for await (const line of await follow('/tap?after=a+b', leaving.signal)) {
      if (line === 'two') break;
    }
    leaving.abort();
    await expect.poll(() => closed).toBe(2);
    expect(await askControl(path, 'GET', '/tap?after=x')).toEqual({
      status: 400,
      body: { error: 'no such step', code: 'tap_step_unknown', hint: 'try a b' },
    });
    const going = await follow('/tap?after=a+b');
    await control.close();
    await all(going).catch(() => undefined);
    await expect.poll(() => closed).toBe(3);
    expect(await followControl(path, '/tap', new AbortController().signal)).toBeNull();
  });

  it('finds the sockets of every pipeline, with the process behind each', async () => {
    const one = await openControl('orders', {}, options());
    const other = await openControl('payments', {}, options());
    const sockets = (await controlSockets(null, options().env)).filter((socket) => socket.path.startsWith(root));
    expect(sockets.map(({ pid }) => pid)).toEqual([process.pid, process.pid]);
    expect(new Set(sockets.map(({ path }) => path)).size).toBe(2);
    await Promise.all([one.close(), other.close()]);
  });

  it('lies where nobody else may look, also when the directory was there with wider rights', async () => {
    const [directory] = controlDirectories(options().env);
    await mkdir(directory!);
    await chmod(directory!, 0o755);
    const control = await openControl('orders', {}, options());
    expect((await lstat(directory!)).mode & 0o777).toBe(0o700);
    await control.close();
    expect(await readdir(root)).toEqual([]);
  });

  it('takes away what a killed process left behind, and nothing that still answers', async () => {
    const [directory] = controlDirectories(options().env);
    await mkdir(directory!, { mode: 0o700 });
    const stale = join(directory!, `0123456789ab-${noPid}.sock`);
    await writeFile(stale, '');
    const alive = createServer((_, answer) => answer.end('{}'));
    const inUse = join(directory!, `0123456789ab-${noPid + 1}.sock`);
    await new Promise<void>((resolve) => alive.listen(inUse, resolve));
    const control = await openControl('orders', {}, options());
    const left = await readdir(directory!);
    expect(left).toHaveLength(2);
    expect(left).toContain(`0123456789ab-${noPid + 1}.sock`);
    await control.close();
    alive.closeAllConnections();
    await new Promise((resolve) => alive.close(resolve));
  });

  it('goes elsewhere where the path would be too long or the directory is a link, and never fails', async () => {
    const long = join(root, 'x'.repeat(90));
    expect(controlDirectories({ XDG_RUNTIME_DIR: long })).toEqual(controlDirectories({}));
    await mkdir(join(root, 'elsewhere'));
    await symlink(join(root, 'elsewhere'), join(root, 'pipectl'));
    const control = await openControl('linked', {}, options());
    expect(await readdir(join(root, 'elsewhere'))).toEqual([]);
    await control.close();
  });
});
