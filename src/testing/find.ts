/** Test files among what was named on the command line. */
import { existsSync } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { exitCodes, PipectlError } from '../errors.ts';

const usage = { exitCode: exitCodes.usage };
const isTest = (name: string): boolean => /\.test\.ya?ml$/.test(name);

/**
 * The test files that `named` stands for, in order: test files, pipelines that have one beside them, and directories
 * with all below them; nothing named means the current directory. Rejects with `PipectlError` where there is none.
 */
export async function findTests(named: readonly string[]): Promise<readonly string[]> {
  const files: string[] = [];
  for (const path of named.length === 0 ? ['.'] : named) {
    const found = await stat(path).catch(() => null);
    if (found === null) throw new PipectlError('file_not_found', `there is no file ${path}`, usage);
    const tests = found.isDirectory() ? await testsBelow(path) : [isTest(path) ? path : testBeside(path)];
    if (tests.length === 0) {
      const hint = 'tests of orders.yaml stand in orders.test.yaml beside it';
      throw new PipectlError('file_not_found', `there is no test file in ${path}`, { ...usage, hint });
    }
    files.push(...tests);
  }
  return [...new Set(files)];
}

function testBeside(pipeline: string): string {
  const stem = pipeline.replace(/\.ya?ml$/, '');
  const found = [`${stem}.test.yaml`, `${stem}.test.yml`].find((path) => existsSync(path));
  if (found !== undefined) return found;
  throw new PipectlError('file_not_found', `${pipeline} has no tests`, { ...usage, hint: `write ${stem}.test.yaml` });
}

async function testsBelow(directory: string): Promise<string[]> {
  const files: string[] = [];
  const entries = await readdir(directory, { withFileTypes: true });
  for (const entry of entries.toSorted((a, b) => (a.name < b.name ? -1 : 1))) {
    const path = join(directory, entry.name);
    if (entry.isDirectory() && entry.name !== 'node_modules' && !entry.name.startsWith('.'))
      files.push(...(await testsBelow(path)));
    else if (entry.isFile() && isTest(entry.name)) files.push(path);
  }
  return files;
}
