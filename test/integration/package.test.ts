/** The published package: packed, installed into an empty folder, and run there. */
import { execFile } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { components } from '../../src/definition/components.ts';
import { partSchemas } from '../../src/definition/schema.ts';

const exec = promisify(execFile);
const root = path.resolve(import.meta.dirname, '../..');
let folder: string;
let pipectl: string;

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'pipectl-package-'));
  const { stdout } = await exec('npm', ['pack', '--json', '--ignore-scripts', '--pack-destination', folder], {
    cwd: root,
  });
  const [{ filename }] = JSON.parse(stdout) as [{ filename: string }];
  await writeFile(path.join(folder, 'package.json'), '{ "private": true }');
  await exec('npm', ['install', '--no-audit', '--no-fund', path.join(folder, filename)], { cwd: folder });
  pipectl = path.join(folder, 'node_modules/.bin/pipectl');
}, 180_000);

afterAll(() => rm(folder, { recursive: true, force: true }));

test('knows its version and where to find help', async () => {
  const { version } = JSON.parse(await readFile(path.join(root, 'package.json'), 'utf8')) as { version: string };
  expect((await exec(pipectl, ['--version'])).stdout).toBe(`${version}\n`);
  expect((await exec(pipectl, ['--help'])).stdout).toMatch(/validate .*pipeline[^]*run .*pipeline/);
});

test('runs a pipeline from a file to a file', async () => {
  await writeFile(path.join(folder, 'numbers.ndjson'), '{"n": 1}\nbroken\n{"n": 2}\n');
  await writeFile(
    path.join(folder, 'numbers.yaml'),
    'source: { file: { path: numbers.ndjson } }\nsteps: [ { map: { twice: event.n * 2 } } ]\nsinks: [ { file: { path: out.ndjson } } ]\n',
  );
  await exec(pipectl, ['validate', 'numbers.yaml'], { cwd: folder });
  await exec(pipectl, ['run', 'numbers.yaml'], { cwd: folder });
  expect(await readFile(path.join(folder, 'out.ndjson'), 'utf8')).toBe('{"twice":2}\n{"twice":4}\n');
  const { stdout } = await exec(pipectl, ['dlq', 'ls', 'numbers.yaml'], { cwd: folder });
  expect(stdout).toMatch(/decode .*json_syntax/);
});

test('shows a moving pipeline in seconds, without a clone and without services', async () => {
  const { stdout, stderr } = await exec(pipectl, ['quickstart', '--for', '1s'], { cwd: folder });
  expect(stdout + stderr).toMatch(/difference 0 {2}ok/);
});

test('carries a compiled validator for every schema, so that checking a file needs no compiler', async () => {
  const cli = path.join(folder, 'node_modules/pipectl/dist/cli');
  const code = (await Promise.all((await readdir(cli)).map((file) => readFile(path.join(cli, file), 'utf8')))).join('');
  for (const id of partSchemas(components).keys())
    expect(code).toMatch(new RegExp(`: ?validate_${id.replaceAll('.', '_')}\\b`));
});

test('ships no tests, sources or tools', async () => {
  const { stdout } = await exec('npm', ['pack', '--json', '--dry-run', '--ignore-scripts'], { cwd: root });
  const [{ files }] = JSON.parse(stdout) as [{ files: readonly { path: string }[] }];
  const folders = new Set(files.map((file) => file.path.split('/')[0]));
  expect([...folders].sort()).toEqual([
    'LICENSE',
    'README.md',
    'bin',
    'dist',
    'docs',
    'package.json',
    'pipelines',
    'schemas',
  ]);
  // `pipectl runbook` prints them.
  const docs = files.filter((file) => file.path.startsWith('docs/'));
  expect(docs.filter((file) => !file.path.startsWith('docs/runbooks/'))).toEqual([]);
  expect(files.filter((file) => file.path.endsWith('.ts')).map((file) => file.path)).toEqual([]);
});
