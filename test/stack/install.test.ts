import { execFileSync } from 'node:child_process';
import { chmod, mkdir, mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { installed } from './install.ts';
import { findJava } from './java.ts';

let root: string;
beforeEach(async () => (root = await mkdtemp(path.join(tmpdir(), 'install-'))));
afterEach(() => rm(root, { recursive: true }));

test('two installations of the same key at once build once and share the folder', async () => {
  let built = 0;
  const build = async (directory: string): Promise<void> => {
    built += 1;
    await writeFile(path.join(directory, 'part'), 'whole');
  };
  const [one, two] = await Promise.all([installed('x', ['1'], build, root), installed('x', ['1'], build, root)]);
  expect(built).toBe(1);
  expect(one).toBe(two);
  expect(await readFile(path.join(one, 'part'), 'utf8')).toBe('whole');
  expect(await readdir(root)).toEqual([path.basename(one)]);
});

test('another version is another folder', async () => {
  const build = async (): Promise<void> => {};
  expect(await installed('x', ['1'], build, root)).not.toBe(await installed('x', ['2'], build, root));
});

test('an installation that fails leaves nothing, and the next one builds anew', async () => {
  const failing = installed('x', ['1'], () => Promise.reject(new Error('the network is down')), root);
  await expect(failing).rejects.toThrow('the network is down');
  expect(await readdir(root)).toEqual([]);
  const folder = await installed('x', ['1'], (directory) => writeFile(path.join(directory, 'part'), ''), root);
  expect(await readdir(folder)).toEqual(['part']);
});

test('the lock of a process that has died is taken over', async () => {
  const folder = await installed('x', ['1'], async () => {}, root);
  await rm(folder, { recursive: true });
  const deadPid = execFileSync(process.execPath, ['-p', 'process.pid'], { encoding: 'utf8' }).trim();
  await writeFile(`${folder}.lock`, deadPid);
  expect(await installed('x', ['1'], async () => {}, root)).toBe(folder);
});

test('a machine without Java is told so in one sentence with the remedy', async () => {
  const error = await findJava({ PATH: root }).catch((thrown: unknown) => thrown);
  expect(error).toMatchObject({
    code: 'java_missing',
    message: expect.stringMatching(/^Kafka needs Java and none was found: install .* 17/),
  });
});

test('a Java that is too old is named together with the one that is needed', async () => {
  await mkdir(path.join(root, 'bin'));
  const command = path.join(root, 'bin', 'java');
  await writeFile(command, `#!/bin/sh\necho 'openjdk version "1.8.0_402"' >&2\n`);
  await chmod(command, 0o755);
  const error = await findJava({ JAVA_HOME: root }).catch((thrown: unknown) => thrown);
  expect(error).toMatchObject({
    code: 'java_too_old',
    message: expect.stringContaining('found openjdk version "1.8.0_402": install'),
  });
});
