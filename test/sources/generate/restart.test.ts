import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';

let directory: string;
let running: ChildProcess | undefined;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'pipectl-generate-'));
});
afterEach(async () => {
  running?.kill('SIGKILL');
  await rm(directory, { recursive: true });
});

const main = join(import.meta.dirname, '../../../src/cli/main.ts');
const rows = async () =>
  (await readFile(join(directory, 'rows.ndjson'), 'utf8').catch(() => '')).split('\n').filter((line) => line !== '');

function run(...args: readonly string[]): ChildProcess {
  const argv = ['--import', 'tsx', main, 'run', join(directory, 'p.yaml'), ...args];
  return spawn(process.execPath, argv, { stdio: 'ignore' });
}

it('gives every event exactly once to a sink that keeps positions, when killed and started again', async () => {
  const pipeline = `source:
  generate: { rate: 4000/s, count: 6000, partitions: 3, event: { n: sequence, id: uuid } }
sinks: [ { file: { path: rows.ndjson } } ]
`;
  await writeFile(join(directory, 'p.yaml'), pipeline);
  running = run();
  await vi.waitFor(async () => expect((await rows()).length).toBeGreaterThan(300), { timeout: 20_000, interval: 20 });
  running.kill('SIGKILL');
  await once(running, 'exit');
  expect((await rows()).length).toBeLessThan(6000);

  // Without a rate it does not wait; what an event holds does not depend on it.
  running = run('--set', 'source.generate.rate=1000000/s');
  const [code] = (await once(running, 'exit')) as [number];
  expect(code).toBe(0);
  const events = (await rows()).map((line) => JSON.parse(line) as { readonly n: number; readonly id: string });
  expect(events.map(({ n }) => n).toSorted((a, b) => a - b)).toEqual(Array.from({ length: 6000 }, (_, i) => i + 1));
  expect(new Set(events.map(({ id }) => id)).size).toBe(6000);
}, 40_000);
