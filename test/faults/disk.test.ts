/** A disk that is full: a small tmpfs of this file's own, which takes root to mount. */
import { execFile } from 'node:child_process';
import { appendFile, mkdir, readFile, rm } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import { expect } from 'vitest';
import { readQueuedLine } from '../../src/operations/dead-letters/file-queue.ts';
import { sharedBench } from '../integration/bench.ts';
import { appended } from '../integration/orders.ts';
import { type Bench, eventually } from '../integration/pipeline.ts';
import { type Fault, faultTest } from './fault.ts';
import { Load, logged, readable } from './load.ts';

let bench: Bench;
sharedBench((opened) => (bench = opened));

const run = promisify(execFile);

/** A disk of 32 MiB. */
async function smallDisk(name: string) {
  const directory = path.join(bench.directory, name);
  await mkdir(directory);
  await run('mount', ['-t', 'tmpfs', '-o', 'size=32m', 'tmpfs', directory]);
  const filler = path.join(directory, 'filler');
  return {
    directory,
    /** Until nothing more fits. */
    async fill(): Promise<void> {
      for (const bytes of [1 << 20, 1 << 12]) {
        for (;;) {
          try {
            await appendFile(filler, Buffer.alloc(bytes));
          } catch (error) {
            if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
            break;
          }
        }
      }
    },
    free: (): Promise<void> => rm(filler),
    async [Symbol.asyncDispose]() {
      // Whoever still has a file open there must not keep the folder.
      await run('umount', ['--lazy', directory]);
    },
  };
}

/** Fills the disk five times, each time until something was refused for that. */
async function fillAgainAndAgain(
  fault: Fault,
  load: Load,
  disk: Awaited<ReturnType<typeof smallDisk>>,
  code: string,
): Promise<void> {
  const child = load.start();
  load.keepProducing();
  await load.runs([child]);
  for (let round = 1; round <= 5; round++) {
    const before = logged(child, code);
    await disk.fill();
    await eventually('the full disk is noticed', () => logged(child, code) > before + 1 || undefined, {
      running: [child],
      withinMs: 60_000,
    });
    fault.fired();
    const goesOn = await load.goesOn();
    await disk.free();
    await fault.recovers(goesOn, [child]);
  }
  expect(child.log.filter((line) => line.code === code && line.message.includes('ENOSPC')).length).toBeGreaterThan(4);
  await load.expectAll(fault, [child]);
}

faultTest('the disk of the file sink is full, five times', 300_000, async (fault) => {
  await using disk = await smallDisk('rows');
  const rows = path.join(disk.directory, 'rows.ndjson');
  await using load = await Load.open(bench, { moreSinks: [{ file: { path: rows }, name: 'file' }] });
  await fillAgainAndAgain(fault, load, disk, 'sink_unavailable');
  const lines = (await readFile(rows, 'utf8')).trimEnd().split('\n');
  const expected = appended(readable(await bench.read(load.topic))).map(([id, n, total]) => ({ id, n, total }));
  expect(lines.toSorted()).toEqual(expected.map((row) => JSON.stringify(row)).toSorted());
  fault.holds('file has every row once');
});

faultTest('the disk of the file of dead letters is full, five times', 300_000, async (fault) => {
  await using disk = await smallDisk('letters');
  const file = path.join(disk.directory, 'letters.ndjson');
  await using load = await Load.open(bench, { definition: { dlq: { file } } });
  load.readLetters = async () => {
    const lines = (await readFile(file, 'utf8')).trimEnd().split('\n');
    return lines.map((line, at) => {
      const letter = readQueuedLine(line, file, at);
      if (letter === undefined) throw new Error(`line ${at + 1} is no dead letter: ${line.slice(0, 200)}`);
      return { ...letter, offset: at };
    });
  };
  await fillAgainAndAgain(fault, load, disk, 'dlq_unavailable');
});
