/**
 * `npm run simulate -- --seeds N [--from S]` plays many runs, `--seed S` replays one and prints each of its steps, `--bugs`
 * prints the table of planted bugs. Ends with 0 when all is well, 1 when a run found fault (with `--bugs`: when one was
 * not found), 2 for a wrong command line.
 */
import { parseArgs } from 'node:util';
import { plantedBugs } from './bugs.ts';
import { plant } from './mutant.ts';
import { simulate } from './run.ts';
import { firstToFind, playSeeds } from './seeds.ts';

const FAILURES_MAX = 10;
const print = (line: string) => process.stdout.write(`${line}\n`);

/** Seeds are whole numbers from 1 on. */
function numberOf(text: string, option: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 1) throw new Error(`--${option} needs a whole number from 1 on`);
  return value;
}

async function replay(seed: number): Promise<number> {
  let startMs: number | undefined;
  const { violations, places } = await simulate(seed, {
    trace(atMs, member, doing, outcome) {
      startMs ??= atMs;
      print(`${(atMs - startMs).toFixed(1).padStart(9)} ms  ${member.padEnd(4)} ${doing.padEnd(16)} ${outcome}`);
    },
  });
  print(`\nseed ${seed}: ${violations.length} violations, ${places} places where a member could have been stopped`);
  for (const violation of violations) print(`  ${violation}`);
  return violations.length === 0 ? 0 : 1;
}

async function playMany(from: number, count: number): Promise<number> {
  let played = 0;
  let failed = 0;
  let places = 0;
  const times = new Map<string, number>();
  const startedMs = performance.now();
  const cpuStart = process.cpuUsage();
  await playSeeds(simulate, from, count, ({ seed, outcome }) => {
    played++;
    places += outcome.places;
    for (const fault of outcome.happened) times.set(fault, (times.get(fault) ?? 0) + 1);
    if (outcome.violations.length === 0) return false;
    failed++;
    print(`seed ${seed}: ${outcome.violations[0]}\n  npm run simulate -- --seed ${seed}`);
    return failed >= FAILURES_MAX;
  });
  const seconds = (performance.now() - startedMs) / 1000;
  const cpu = process.cpuUsage(cpuStart);
  const cpuSeconds = (cpu.user + cpu.system) / 1e6;
  const rate = (passed: number) => Math.round((played / passed) * 60).toLocaleString('en');
  print(`${played} runs, ${failed} with violations, ${places} places where a member could be stopped`);
  print(
    `runs with: ${[...times]
      .sort()
      .map(([fault, runs]) => `${fault} ${runs}`)
      .join(', ')}`,
  );
  print(`${seconds.toFixed(1)} s: ${rate(seconds)} seeds a minute; ${rate(cpuSeconds)} a minute of processor time`);
  return failed === 0 ? 0 : 1;
}

async function listBugs(count: number): Promise<number> {
  let missed = 0;
  print('| planted bug | in | found by seed | as |\n| --- | --- | --- | --- |');
  for (const bug of plantedBugs) {
    const found = await firstToFind(await plant(bug), count);
    if (found === null) missed++;
    print(`| ${bug.name} | \`${bug.file}\` | ${found?.seed ?? 'none'} | ${found?.violation ?? ''} |`);
  }
  return missed === 0 ? 0 : 1;
}

try {
  const { values } = parseArgs({
    options: {
      seeds: { type: 'string', default: '1000' },
      from: { type: 'string', default: '1' },
      seed: { type: 'string' },
      bugs: { type: 'boolean', default: false },
    },
  });
  const count = numberOf(values.seeds, 'seeds');
  if (values.seed !== undefined) process.exitCode = await replay(numberOf(values.seed, 'seed'));
  else if (values.bugs) process.exitCode = await listBugs(count);
  else process.exitCode = await playMany(numberOf(values.from, 'from'), count);
} catch (error) {
  process.stderr.write(`${(error as Error).message}\n`);
  process.exitCode = 2;
}
