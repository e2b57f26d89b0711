/** `npm run quickstart`: real services, real events, a pipeline with its status view, and what came out of it. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Kafka, logLevel } from 'kafkajs';
import pg from 'pg';
import { StackUnavailableError } from '../test/stack/install.ts';
import { type Stack, startStack } from '../test/stack/stack.ts';
import { flights } from './flights.ts';

const TOPIC = 'aviation.flight.departed.v1';
/** The pipeline's name. */
const GROUP = 'flights';
const PARTITIONS = 4;
/** So that the whole quarter passes in about twenty seconds. */
const FLIGHTS_PER_SECOND = 1000;
const root = fileURLToPath(new URL('..', import.meta.url));
const interactive = process.stdin.isTTY && process.stdout.isTTY;

// At a terminal Ctrl-C reaches the pipeline too; what came out of it is shown all the same.
process.on('SIGINT', () => undefined);
process.exitCode = await main();

async function main(): Promise<number> {
  say('starting Kafka and PostgreSQL (the first time they are downloaded: about a minute)');
  let stack: Stack;
  try {
    stack = await startStack({ services: ['kafka', 'postgres'], print: (line) => say(`  ${line}`) });
  } catch (error) {
    if (!(error instanceof StackUnavailableError)) throw error;
    say(`${error.message}.`);
    say('Until then, the same pipeline runs from a file:');
    return await fromFile();
  }
  try {
    return await fromKafka(stack);
  } finally {
    await stack.stop();
  }
}

async function fromKafka(stack: Stack): Promise<number> {
  const { brokers } = stack.kafka;
  const { url } = stack.postgres;
  const kafka = new Kafka({ clientId: 'quickstart', brokers: brokers.split(','), logLevel: logLevel.NOTHING });
  const admin = kafka.admin();
  await admin.connect();
  await admin.createTopics({ topics: [{ topic: TOPIC, numPartitions: PARTITIONS }], waitForLeaders: true });
  await admin.disconnect();

  const env = { ...process.env, KAFKA_BROKERS: brokers, PG_URL: url };
  const pipeline = pipectl(['run', 'pipelines/flights.yaml'], env);
  const ended = exitOf(pipeline);
  const feeding = feed(kafka, ended);
  // At a terminal the picture stays until the reader has seen enough of it; elsewhere it ends when all is written.
  if (!interactive) {
    await feeding;
    await Promise.race([caughtUp(kafka, url), ended]);
    pipeline.kill('SIGTERM');
  }
  const code = await ended;
  await feeding;
  await showTable(url);
  say('\ndead letters, with their reasons (pipectl dlq ls pipelines/flights.yaml):');
  await exitOf(pipectl(['dlq', 'ls', 'pipelines/flights.yaml'], env));
  whatNext();
  if (interactive) await keepUp(env);
  return code;
}

/** Leaves the services up for whoever wants to look around, until Ctrl-C. */
async function keepUp({ KAFKA_BROKERS, PG_URL }: NodeJS.ProcessEnv): Promise<void> {
  say(`
Kafka and PostgreSQL stay up until Ctrl-C. In another terminal:
  export KAFKA_BROKERS=${KAFKA_BROKERS} PG_URL=${PG_URL}
  npx pipectl lag pipelines/flights.yaml
  npx pipectl dlq inspect pipelines/flights.yaml --limit 3`);
  await once(process, 'SIGINT');
}

/**
 * Produces the flights in the order and at about the pace of their departure, until all are sent or `ended`. Begins when
 * the pipeline is a member of its group, so that the latency it shows is not that of its start.
 */
async function feed(kafka: Kafka, ended: Promise<unknown>): Promise<void> {
  let over = false;
  void ended.then(() => (over = true));
  const admin = kafka.admin();
  await admin.connect();
  while (!over && (await admin.describeGroups([GROUP])).groups[0]?.state !== 'Stable') await sleep(100);
  await admin.disconnect();
  const producer = kafka.producer();
  await producer.connect();
  const all = flights();
  const batch = FLIGHTS_PER_SECOND / 10;
  for (let i = 0; i < all.length && !over; i += batch) {
    await producer.send({ topic: TOPIC, messages: all.slice(i, i + batch) });
    await sleep(100);
  }
  await producer.disconnect();
}

/** Resolves when the sink's positions have reached the ends of the topic. */
async function caughtUp(kafka: Kafka, url: string): Promise<void> {
  const admin = kafka.admin();
  await admin.connect();
  const ends = await admin.fetchTopicOffsets(TOPIC);
  await admin.disconnect();
  const target = ends.reduce((sum, { high }) => sum + Number(high), 0);
  await query(url, async (client) => {
    for (;;) {
      const { rows } = await client.query<{ sum: string | null }>('SELECT sum(position) FROM pipectl.positions');
      if (Number(rows[0]?.sum ?? 0) >= target) return;
      await sleep(100);
    }
  });
}

async function showTable(url: string): Promise<void> {
  await query(url, async (client) => {
    const { rows } = await client.query<{ flights: number }>('SELECT count(*)::int AS flights FROM flights');
    say(
      `\n${rows[0]!.flights.toLocaleString('en')} rows arrived in the table flights; the latest airports by flights that left late:`,
    );
    const late = await client.query<{ origin: string; flights: number; late: number }>(
      `SELECT origin, count(*)::int AS flights, round(100.0 * avg((punctuality = 'late')::int))::int AS late
       FROM flights GROUP BY origin HAVING count(*) >= 100 ORDER BY late DESC, origin LIMIT 5`,
    );
    for (const { origin, flights: count, late: share } of late.rows) {
      say(`  ${origin}  ${String(count).padStart(5)} flights  ${String(share).padStart(3)} % late`);
    }
  });
}

async function query(url: string, use: (client: pg.Client) => Promise<void>): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    await use(client);
  } finally {
    await client.end();
  }
}

async function fromFile(): Promise<number> {
  const folder = `${root}.cache/quickstart`;
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  const [input, output, dlq] = ['flights.ndjson', 'flights.out.ndjson', 'flights.dlq.ndjson'].map(
    (name) => `${folder}/${name}`,
  );
  writeFileSync(
    input!,
    flights()
      .map(({ value }) => `${value}\n`)
      .join(''),
  );
  const env = { ...process.env, FLIGHTS_FILE: input, FLIGHTS_OUT: output, FLIGHTS_DLQ: dlq };
  const code = await exitOf(pipectl(['run', 'pipelines/flights-from-file.yaml'], env));
  const rows = readFileSync(output!, 'utf8').trimEnd().split('\n');
  say(`\n${rows.length.toLocaleString('en')} rows arrived in ${output}, the last one:\n  ${rows.at(-1)}`);
  say('\ndead letters, with their reasons:');
  await exitOf(pipectl(['dlq', 'ls', 'pipelines/flights-from-file.yaml'], env));
  whatNext();
  return code;
}

function whatNext(): void {
  say(`
What to try next
  npx pipectl validate pipelines/flights.yaml    check a pipeline, offline; break it and see what it says
  npm run stack                                  Kafka and PostgreSQL to play with, until Ctrl-C
Your own: copy pipelines/flights.yaml, name your topic and table, set KAFKA_BROKERS and PG_URL, and
  npx pipectl run mine.yaml --dry-run            see the rows, write nothing
  npx pipectl run mine.yaml`);
}

function pipectl(args: readonly string[], env: NodeJS.ProcessEnv): ChildProcess {
  return spawn(process.execPath, [`${root}bin/pipectl.js`, ...args], { cwd: root, env, stdio: 'inherit' });
}

async function exitOf(child: ChildProcess): Promise<number> {
  const [code] = (await once(child, 'exit')) as [number | null];
  return code ?? 1;
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}
