import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command } from 'commander';
import { afterAll, afterEach, beforeEach, expect, it, vi } from 'vitest';
import { registerQuickstart } from '../../src/cli/quickstart.ts';

let output: string;
let directory: string;
const runtimeDirectory = mkdtempSync(join(tmpdir(), 'pipectl-run-'));
afterAll(() => rmSync(runtimeDirectory, { recursive: true }));
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'pipectl-test-'));
  vi.stubEnv('TMPDIR', directory);
  // Sockets of running pipelines have a directory of their own, which stays.
  vi.stubEnv('XDG_RUNTIME_DIR', runtimeDirectory);
  output = '';
  const keep = (text: string | Uint8Array): boolean => {
    output += String(text);
    return true;
  };
  vi.spyOn(process.stdout, 'write').mockImplementation(keep);
  vi.spyOn(process.stderr, 'write').mockReturnValue(true);
});
afterEach(() => {
  vi.restoreAllMocks();
  vi.unstubAllEnvs();
  rmSync(directory, { recursive: true });
  process.exitCode = undefined;
});

async function quickstart(...argv: readonly string[]) {
  const program = new Command().exitOverride().configureOutput({ writeErr: () => undefined });
  registerQuickstart(program);
  await program.parseAsync(['quickstart', ...argv], { from: 'user' });
}

it('shows a pipeline, runs it, tells what came of it, and leaves nothing behind', async () => {
  await quickstart('--for', '500ms');
  expect(process.exitCode).toBe(0);
  expect(output).toContain('  source:\n    generate:');
  expect(output).toContain('orders reads generate, writes file (effectively once)');
  expect(output).toMatch(/account: read 100 \+ added \d+ = .* difference 0 {2}ok/);
  expect(output).toMatch(/\d+ rows were written, the last of them:\n {2}\{"order_id":/);
  expect(output).toContain('pipectl init --from kafka --topic T');
  expect(readdirSync(directory)).toEqual([]);
});

it('refuses a time without unit', async () => {
  await expect(quickstart('--for', '5')).rejects.toThrow('expected a duration such as 10s');
});
