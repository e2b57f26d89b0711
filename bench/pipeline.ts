/**
 * Throughput, CPU, memory and latency of a whole pipeline on real services of this machine. Each run is a process of
 * its own; its CPU time and memory are the operating system's account of it, from the assignment of the partitions to
 * the last commit. `npm run bench -- --records 1000000 --runs 3`; with `--against FOLDER`, a built clone of another
 * version, both versions take turns, and the ratio of their medians is printed.
 */
import { type ChildProcess, spawn, type StdioOptions } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import pg from 'pg';
import type { StatusSnapshot } from '../src/runtime/status.ts';
import { type Stack, startStack } from '../test/stack/stack.ts';
import { createTopic, kafkaAt, order, ordersPipeline, produceOrders } from './orders.ts';

const PARTITIONS = 8;
/** The pipe of `stdio` on which a pipeline logs. */
const LOG = 3;
const LATENCY_RECORDS_PER_SECOND = 5000;
/** More than the minute the quantiles look back, so that the start is not among them. */
const LATENCY_SECONDS = 75;
const root = fileURLToPath(new URL('..', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'pipectl-bench-'));

const { values } = parseArgs({
  options: {
    records: { type: 'string', default: '1000000' },
    runs: { type: 'string', default: '3' },
    only: { type: 'string', default: 'postgres,discard,latency' },
    observed: { type: 'boolean', default: false },
    against: { type: 'string' },
  },
});
const records = Number(values.records);
const runs = Number(values.runs);
const only = values.only.split(',');

await using stack = await startStack({ services: ['kafka', 'postgres'], profile: 'bench' });
say(`${cpus().length} x ${cpus()[0]!.model.trim()}, Node ${process.version}, broker and database on the same machine`);
if (values.observed) await costOfObserving(stack);
else if (only.includes('postgres') || only.includes('discard')) {
  const bytes = await produceOrders(stack.kafka.brokers, 'bench.orders', PARTITIONS, records);
  say(`${records} orders of ${bytes.toFixed(0)} bytes in ${PARTITIONS} partitions`);
}
if (!values.observed && only.includes('postgres'))
  await throughput(stack, 'postgres', 'postgres: { url: "${PG_URL}", table: bench_orders, key: [order_id] }');
if (!values.observed && only.includes('discard')) await throughput(stack, 'discard', 'discard: {}');
if (!values.observed && only.includes('latency')) await latency(stack);

async function throughput(services: Stack, name: string, sink: string): Promise<void> {
  const builds = values.against === undefined ? { here: root } : { against: `${values.against}/`, here: root };
  const perSecond: Record<string, number[]> = {};
  for (let run = 1; run <= runs; run++) {
    for (const [build, folderOfBuild] of Object.entries(builds)) {
      await emptyTable(services.postgres.url);
      const group = `bench-${name}-${build}-${run}`;
      const text = ordersPipeline(group, 'bench.orders', sink);
      const { seconds, cpuSeconds, peakMiB, snapshot } = await runToEnd(services, group, text, {
        build: folderOfBuild,
      });
      const { account, sinks } = snapshot();
      if (account.read !== records || account.difference !== 0)
        throw new Error(`the account does not add up: ${JSON.stringify(account)}`);
      (perSecond[build] ??= []).push(records / seconds);
      say(
        `${name} ${build} run ${run}: ${rate(records / seconds)} records/s in, ${rate(sinks[0]!.written / seconds)} rows/s out, ` +
          `${((cpuSeconds * 1e6) / records).toFixed(2)} us CPU a record, peak ${peakMiB.toFixed(0)} MiB`,
      );
    }
  }
  for (const [build, rates] of Object.entries(perSecond))
    say(`${name} ${build}: median ${rate(median(rates))} records/s`);
  if (perSecond['against'])
    say(`${name}: here / against ${(median(perSecond['here']!) / median(perSecond['against'])).toFixed(3)}`);
}

/** What the view at a terminal, metrics and alerts cost together: runs with and without them take turns, so that both see the same machine. */
async function costOfObserving(services: Stack): Promise<void> {
  await produceOrders(services.kafka.brokers, 'bench.orders', PARTITIONS, records);
  const alerts =
    'alerts: { lag: { records: 1000000000, growth: 1000000/s }, latency: { p99: 1d }, dlq: { growth: 1/s, new: true }, errors: { ratio: 1 }, sinks: { down: 1m } }';
  const kinds = {
    bare: { more: '', flags: ['--view', 'none'] },
    observed: { more: alerts, flags: ['--view', 'ink', '--metrics', '0'] },
  } as const;
  const perSecond: Record<keyof typeof kinds, number[]> = { bare: [], observed: [] };
  for (let run = 1; run <= runs; run++) {
    for (const kind of ['bare', 'observed'] as const) {
      const { more, flags } = kinds[kind];
      const group = `bench-${kind}-${run}`;
      const text = `${ordersPipeline(group, 'bench.orders', 'discard: {}')}${more}\n`;
      const { seconds, cpuSeconds } = await runToEnd(services, group, text, { flags, atTerminal: kind === 'observed' });
      perSecond[kind].push(records / seconds);
      say(
        `${kind} run ${run}: ${rate(records / seconds)} records/s, ${((cpuSeconds * 1e6) / records).toFixed(2)} us CPU a record`,
      );
    }
  }
  const [bare, observed] = [median(perSecond.bare), median(perSecond.observed)];
  say(
    `view at a terminal, metrics (scraped every second) and alerts: ${((1 - observed / bare) * 100).toFixed(1)} % of throughput`,
  );
}

function median(numbers: readonly number[]): number {
  return numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)]!;
}

interface RunOptions {
  readonly flags: readonly string[];
  /** A built clone, with a slash at the end. */
  readonly build: string;
  /** Its output goes to a terminal of 100 columns, which somebody reads. */
  readonly atTerminal: boolean;
}

interface RunFigures {
  readonly seconds: number;
  readonly cpuSeconds: number;
  readonly peakMiB: number;
  /** The last one of the JSON view; without it asking for it fails. */
  readonly snapshot: () => StatusSnapshot;
}

/** Runs a pipeline to the end of its topic and measures from the assignment to the stop. */
async function runToEnd(
  services: Stack,
  name: string,
  text: string,
  { flags = ['--view', 'json'], build = root, atTerminal = false }: Partial<RunOptions>,
): Promise<RunFigures> {
  const child = pipectl(services, name, text, ['--until-end', ...flags], { build, atTerminal });
  const last = lastSnapshot(child);
  let pid = child.pid!;
  const at: Record<string, { ms: number; cpuSeconds: number }> = {};
  let peakKiB = 0;
  let scraping: NodeJS.Timeout | undefined;
  createInterface(child.stdio[LOG] as Readable).on('line', (line) => {
    if (!line.startsWith('{')) return void (pid = Number(line));
    const { code, message } = JSON.parse(line) as { code: string; message: string };
    if (code === 'metrics') scraping = scrapeEverySecond(/http:\S+/.exec(message)![0]);
    peakKiB = peakOf(pid) ?? peakKiB;
    at[code] = { ms: performance.now(), cpuSeconds: cpuSecondsOf(pid) };
  });
  const [exitCode] = (await once(child, 'close')) as [number];
  clearInterval(scraping);
  if (exitCode !== 0 || !at['assigned'] || !at['stopped']) throw new Error(`${name} ended with ${exitCode}`);
  return {
    seconds: (at['stopped'].ms - at['assigned'].ms) / 1000,
    cpuSeconds: at['stopped'].cpuSeconds - at['assigned'].cpuSeconds,
    peakMiB: peakKiB / 1024,
    snapshot: last,
  };
}

/** As Prometheus would, only more often. A process that has just ended is not asked any more. */
function scrapeEverySecond(url: string): NodeJS.Timeout {
  return setInterval(() => {
    fetch(url).then(
      (answer) => answer.text(),
      () => undefined,
    );
  }, 1000);
}

/** Produces at a fixed rate and reads the pipeline's own end-to-end quantiles: record timestamp to commit. */
async function latency(services: Stack): Promise<void> {
  const kafka = kafkaAt(services.kafka.brokers);
  await createTopic(kafka, 'bench.latency', PARTITIONS);
  await emptyTable(services.postgres.url);
  const sink = 'postgres: { url: "${PG_URL}", table: bench_orders, key: [order_id] }';
  const child = pipectl(services, 'bench-latency', ordersPipeline('bench-latency', 'bench.latency', sink), [
    '--view',
    'json',
  ]);
  (child.stdio[LOG] as Readable).resume();
  const last = lastSnapshot(child);
  const producer = kafka.producer();
  await producer.connect();
  const tickMs = 10;
  const perTick = (LATENCY_RECORDS_PER_SECOND * tickMs) / 1000;
  let sent = 0;
  const startMs = performance.now();
  while (performance.now() - startMs < LATENCY_SECONDS * 1000) {
    const due = Math.floor((performance.now() - startMs) / tickMs) * perTick;
    if (due > sent) {
      const messages = Array.from({ length: due - sent }, (_, i) => order(sent + i));
      sent = due;
      await producer.send({ topic: 'bench.latency', messages });
    }
    await sleep(tickMs / 2);
  }
  await producer.disconnect();
  child.kill('SIGTERM');
  await once(child, 'close');
  const { endToEnd, account } = last();
  const shown = [endToEnd.p50Ms, endToEnd.p95Ms, endToEnd.p99Ms].map((ms) => ms?.toFixed(1));
  say(
    `latency at ${rate(sent / LATENCY_SECONDS)} records/s (${account.read} read): p50 ${shown[0]} ms, p95 ${shown[1]} ms, p99 ${shown[2]} ms`,
  );
}

function pipectl(
  services: Stack,
  name: string,
  text: string,
  flags: readonly string[],
  { build = root, atTerminal = false }: Partial<Omit<RunOptions, 'flags'>> = {},
): ChildProcess {
  const file = join(folder, `${name}.yaml`);
  writeFileSync(file, text);
  const env = { ...process.env, KAFKA_BROKERS: services.kafka.brokers, PG_URL: services.postgres.url };
  const args = [`${build}bin/pipectl.js`, 'run', file, ...flags];
  // The log has a pipe of its own in both cases; at a terminal the process is not our child and tells its number first.
  const stdio: StdioOptions = ['ignore', 'pipe', 'ignore', 'pipe'];
  if (!atTerminal) return spawn('sh', ['-c', 'exec "$@" 2>&3', 'sh', process.execPath, ...args], { env, stdio });
  const command = `stty cols 100 rows 30; echo $$ >&3; exec ${[process.execPath, ...args].join(' ')} 2>&3`;
  return spawn('script', ['-qefc', command, '/dev/null'], { env, stdio });
}

/** Reads the JSON view of a process; call the result for the last snapshot it printed. */
function lastSnapshot(child: ChildProcess): () => StatusSnapshot {
  let last = '';
  createInterface(child.stdout!).on('line', (line) => (last = line));
  return () => JSON.parse(last) as StatusSnapshot;
}

async function emptyTable(url: string): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  await client.query(`DROP TABLE IF EXISTS public.bench_orders`);
  await client.query(`CREATE TABLE public.bench_orders (order_id bigint PRIMARY KEY, customer_id text, sku text, total_cents bigint,
    currency text, country text, placed_at timestamptz, gift boolean)`);
  await client.query('CHECKPOINT');
  await client.end();
}

/** User and system time of a process so far. Linux: clock ticks of 1/100 s in /proc. */
function cpuSecondsOf(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
    .replace(/^.*\) /, '')
    .split(' ');
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

function peakOf(pid: number): number | null {
  const match = /VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'));
  return match ? Number(match[1]) : null;
}

function rate(perSecond: number): string {
  return Math.round(perSecond).toLocaleString('en');
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}
