import { execFileSync, spawnSync } from 'node:child_process';
import path from 'node:path';
import { expect, it } from 'vitest';

const check = path.resolve(import.meta.dirname, '../../bin/node-version.cjs');

/** Runs the check as if Node had that version. */
const underNode = (version: string) =>
  spawnSync(process.execPath, [
    '-e',
    `Object.defineProperty(process.versions, 'node', { value: '${version}' }); require(${JSON.stringify(check)})`,
  ]);

it('says in one sentence which Node it needs, on an older one', () => {
  const { status, stdout, stderr } = underNode('20.19.0');
  expect(status).toBe(1);
  expect(String(stdout)).toBe('');
  expect(String(stderr)).toMatch(/^pipectl needs Node 24 or newer, and this is Node 20\.19\.0: install it from .*\n$/);
});

it('is silent on the Node it needs', () => {
  expect(underNode('24.0.0')).toMatchObject({ status: 0 });
  expect(String(execFileSync(process.execPath, [check]))).toBe('');
});
