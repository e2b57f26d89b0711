import { chmod, lstat, mkdir, mkdtemp, readdir, rm, symlink, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { askControl, controlDirectories, controlSockets, openControl } from '../../src/runtime/control.ts';

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

/** A pid that no process has. */
const noPid = 2 ** 22 + 1;

describe('the control socket', () => {
  it('answers what it has a handler for, and tells what it does not know', async () => {
    const asked: unknown[] = [];
    const handlers = { 'GET /status': () => ({ lag: 1 }), 'POST /resume': (body: unknown) => asked.push(body) };
    const control = await openControl('orders', handlers, options());
    const [path] = await controlSockets('orders', options().env);
    expect(await askControl(path!, 'GET', '/status')).toEqual({ status: 200, body: { lag: 1 } });
    expect(await askControl(path!, 'POST', '/resume', { note: 'ok' })).toEqual({ status: 200, body: 1 });
    expect(asked).toEqual([{ note: 'ok' }]);
    expect(await askControl(path!, 'POST', '/status')).toMatchObject({ status: 404 });
    expect(await askControl(path!, 'POST', '/resume', 'x'.repeat(20_000))).toMatchObject({ status: 400 });
    expect(asked).toHaveLength(1);
    expect(await controlSockets('other', options().env)).toEqual([]);
    await control.close();
    expect(await controlSockets('orders', options().env)).toEqual([]);
    expect(await askControl(path!, 'GET', '/status')).toBeNull();
    expect(warnings).toEqual([]);
  });

  it('lies where nobody else may look, also when the directory was there with wider rights', async () => {
    const [directory] = controlDirectories(options().env);
    await mkdir(directory!);
    await chmod(directory!, 0o755);
    const control = await openControl('orders', {}, options());
    expect((await lstat(directory!)).mode & 0o777).toBe(0o700);
    await control.close();
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
