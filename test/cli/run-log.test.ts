import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';

const root = join(import.meta.dirname, '../..');

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'pipectl-run-log-'));
  writeFileSync(join(directory, 'in.ndjson'), '{"n":1}\n');
  writeFileSync(
    join(directory, 'copy.yaml'),
    'source: { file: { path: in.ndjson } }\nsinks: [ { file: { path: out.ndjson } } ]\n',
  );
});
afterEach(() => rmSync(directory, { recursive: true }));

/** Codes of what a run logs on stderr, and how it ended. */
function run(...flags: readonly string[]) {
  const { status, stderr } = spawnSync(
    process.execPath,
    [
      '--import',
      join(root, 'node_modules/tsx/dist/loader.mjs'),
      join(root, 'src/cli/main.ts'),
      'run',
      '--until-end',
      '--view=none',
      ...flags,
    ],
    { cwd: directory, encoding: 'utf8', env: { PATH: process.env.PATH, XDG_RUNTIME_DIR: directory } },
  );
  const lines = stderr.split('\n').filter((line) => line !== '');
  return { status, codes: lines.map((line) => (JSON.parse(line) as { code: string }).code) };
}

it('a run logs what happens, one JSON object a line; with --quiet nothing but errors', () => {
  expect(run()).toEqual({ status: 0, codes: expect.arrayContaining(['started', 'stopped']) as string[] });
  expect(run('--quiet')).toEqual({ status: 0, codes: [] });
});
