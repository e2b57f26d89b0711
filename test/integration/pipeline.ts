/**
 * What the end-to-end tests share: the command line as it is built (`npm test` builds before it tests; by hand `npm run
 * build`), run as a process of its own against real services, and what is read of topics and tables afterwards.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { Admin as KafkaTools } from '@platformatic/kafka';
import type { Admin, Kafka, Producer } from 'kafkajs';
import pg from 'pg';
import { expect, onTestFailed } from 'vitest';
import { type KafkaAdmin, openKafkaAdmin } from '../../src/connections/kafka/admin.ts';
import { kafkajs } from '../../src/connections/kafka/kafkajs.ts';
import type { HeaderValue, RawRecord } from '../../src/engine/ports.ts';
import { uniqueName } from '../stack/shared.ts';

const root = path.resolve(import.meta.dirname, '../..');
export const cli = path.join(root, 'bin/pipectl.js');

/** A line of the log on stderr. */
export interface LogLine {
  readonly level: 'info' | 'warn' | 'error';
  readonly code: string;
  readonly message: string;
}

export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** A running `pipectl`. Killed when it goes out of scope; its stderr is shown when the test fails. */
export class Pipectl implements AsyncDisposable {
  readonly ended: Promise<Ended>;
  hasEnded = false;
  stdout = '';
  stderr = '';
  readonly #process: ChildProcess;

  constructor(args: readonly string[], env: NodeJS.ProcessEnv, cwd: string) {
    this.#process = spawn(process.execPath, [cli, ...args], { env, cwd, stdio: ['ignore', 'pipe', 'pipe'] });
    this.#process.stdout!.setEncoding('utf8').on('data', (text: string) => (this.stdout += text));
    this.#process.stderr!.setEncoding('utf8').on('data', (text: string) => (this.stderr += text));
    this.ended = new Promise((resolve) => {
      this.#process.once('close', (code, signal) => {
        this.hasEnded = true;
        resolve({ code, signal });
      });
    });
    onTestFailed(() => {
      const lines = this.stderr.split('\n');
      process.stderr.write(`\n--- pipectl ${args.join(' ')} (${this.pid})\n${lines.slice(-40).join('\n')}\n`);
    });
  }

  get pid(): number {
    return this.#process.pid!;
  }

  /** Its log so far. */
  get log(): LogLine[] {
    return this.stderr
      .split('\n')
      .flatMap((line) => (line.startsWith('{') && line.endsWith('}') ? [JSON.parse(line) as LogLine] : []));
  }

  kill(signal: NodeJS.Signals): void {
    this.#process.kill(signal);
  }

  /** SIGTERM, and how it ended. */
  drain(): Promise<Ended> {
    this.kill('SIGTERM');
    return this.ended;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.kill('SIGKILL');
    await this.ended;
  }
}

/** What a run to its end said. */
export interface Outcome extends Ended {
  readonly stdout: string;
  readonly stderr: string;
}

export interface Message {
  readonly partition: number;
  readonly key: string | null;
  readonly value: string | Buffer | null;
  /** Milliseconds; default: now. */
  readonly timestamp?: string;
  readonly headers?: Record<string, Buffer | string>;
}

export interface PipelineFile {
  readonly path: string;
  readonly name: string;
  /** The topic of its dead letters. */
  readonly dlq: string;
}

/** A value of a table, compared as text. */
export type Cell = string | number | null;

/** A record read back from a topic. */
export interface ReadRecord extends RawRecord {
  readonly partition: number;
}

export class Bench implements AsyncDisposable {
  readonly url: string;
  readonly brokers: string;
  readonly directory: string;
  readonly kafka: Admin;
  readonly #database: pg.Pool;
  readonly #producer: Producer;
  #reader: KafkaAdmin | undefined;
  readonly #topics = new Set<string>();
  readonly #tables: string[] = [];
  readonly #started: Pipectl[] = [];

  private constructor(brokers: string, url: string, directory: string) {
    this.brokers = brokers;
    this.url = url;
    this.directory = directory;
    const client = new (kafkajs().Kafka as unknown as typeof Kafka)({
      clientId: 'test',
      brokers: brokers.split(','),
      logCreator: () => () => {},
      retry: { initialRetryTime: 50, maxRetryTime: 500, retries: 100 },
    });
    this.kafka = client.admin();
    this.#producer = client.producer({ allowAutoTopicCreation: false, idempotent: true, maxInFlightRequests: 1 });
    this.#database = new pg.Pool({ connectionString: url, max: 4 });
    this.#database.on('error', () => {});
  }

  static async open({ brokers, url }: { readonly brokers: string; readonly url: string }): Promise<Bench> {
    const bench = new Bench(brokers, url, await mkdtemp(path.join(tmpdir(), 'pipectl-run-')));
    await Promise.all([bench.kafka.connect(), bench.#producer.connect()]);
    return bench;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#started.map((one) => one[Symbol.asyncDispose]()));
    const existing = new Set(await this.kafka.listTopics());
    const topics = [...this.#topics].filter((topic) => existing.has(topic));
    if (topics.length > 0) await this.kafka.deleteTopics({ topics });
    for (const table of this.#tables) await this.query(`DROP TABLE IF EXISTS ${table}`);
    await Promise.all([
      this.kafka.disconnect(),
      this.#producer.disconnect(),
      this.#reader?.close(),
      this.#database.end(),
    ]);
    await rm(this.directory, { recursive: true, force: true });
  }

  // -- the command line ---------------------------------------------------------------------------------------------

  /** A pipeline file; `definition` without its name, and with the connections of this bench added. */
  async pipeline(definition: Readonly<Record<string, unknown>>, name = uniqueName('pipeline')): Promise<PipelineFile> {
    const file = path.join(this.directory, `${name}.yaml`);
    const connections = {
      kafka: { kafka: { brokers: '${KAFKA_BROKERS}' } },
      serving: { postgres: { url: '${PG_URL}' } },
    };
    // JSON is YAML.
    await writeFile(file, JSON.stringify({ name, connections, ...definition }, null, 2));
    for (const topic of [`${name}.dlq`, `${name}.dlq.state`, `${name}.replay`]) this.#topics.add(topic);
    return { path: file, name, dlq: `${name}.dlq` };
  }

  /** Starts `pipectl`. */
  start(args: readonly string[], env: NodeJS.ProcessEnv = {}): Pipectl {
    const { NODE_OPTIONS: _, ...inherited } = process.env;
    const all = { ...inherited, KAFKA_BROKERS: this.brokers, PG_URL: this.url, ...env };
    const child = new Pipectl(args, all, this.directory);
    this.#started.push(child);
    return child;
  }

  /** Runs `pipectl` to its end. */
  async run(args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<Outcome> {
    const child = this.start(args, env);
    const ended = await child.ended;
    return { ...ended, stdout: child.stdout, stderr: child.stderr };
  }

  /** No process of this bench, whatever became of it, has shown the password of the database. */
  expectNoSecrets(): void {
    const { password } = new URL(this.url);
    expect(password.length).toBeGreaterThan(8);
    for (const { stdout, stderr } of this.#started) {
      expect(stdout).not.toContain(password);
      expect(stderr).not.toContain(password);
    }
  }

  // -- Kafka --------------------------------------------------------------------------------------------------------

  async topic(partitions = 1, name = uniqueName('input')): Promise<string> {
    this.#topics.add(name);
    await this.kafka.createTopics({
      topics: [
        { topic: name, numPartitions: partitions, configEntries: [{ name: 'max.message.bytes', value: '4000000' }] },
      ],
      waitForLeaders: false,
    });
    // kafkajs' own waiting fails on a busy broker that does not know the topic yet.
    await eventually(`${name} has its leaders`, async () => {
      const found = await this.kafka.fetchTopicMetadata({ topics: [name] }).catch(() => null);
      const known = found?.topics[0]?.partitions ?? [];
      return known.length === partitions && known.every(({ leader }) => leader >= 0);
    });
    return name;
  }

  /** Deletes a topic and creates it anew. What is sent from here on is in the new one: a broker learns of it with a delay. */
  async recreate(topic: string, partitions = 1): Promise<void> {
    await this.kafka.deleteTopics({ topics: [topic] });
    await eventually(`${topic} is gone`, async () => !(await this.kafka.listTopics()).includes(topic));
    await this.topic(partitions, topic);
  }

  /** Sends in order; resolves when all is acknowledged. */
  async send(topic: string, messages: readonly Message[]): Promise<void> {
    const atOnce = 2000;
    for (let at = 0; at < messages.length; at += atOnce) {
      await this.#producer.send({ topic, acks: -1, messages: messages.slice(at, at + atOnce) });
    }
  }

  /** Deletes the records of partition 0 below an offset, as a broker does with old ones. */
  async truncate(topic: string, offset: number): Promise<void> {
    const admin = new KafkaTools({ clientId: 'test', bootstrapBrokers: this.brokers.split(',') });
    try {
      await admin.deleteRecords({ topics: [{ name: topic, partitions: [{ partition: 0, offset: BigInt(offset) }] }] });
    } finally {
      await admin.close();
    }
  }

  /** Everything that is in a topic; nothing where it does not exist. */
  async read(topic: string): Promise<ReadRecord[]> {
    this.#reader ??= await openKafkaAdmin({ brokers: this.brokers }, { info() {}, warn() {}, error() {} });
    const records: ReadRecord[] = [];
    if (!(await this.kafka.listTopics()).includes(topic)) return records;
    await this.#reader.readTopic(topic, {
      onRecord: (record, partition) => {
        records.push({ ...record, partition });
      },
    });
    return records;
  }

  /** The group's committed offsets by partition, -1 where there is none. */
  async committed(group: string, topic: string): Promise<number[]> {
    const [found] = await this.kafka.fetchOffsets({ groupId: group, topics: [topic] });
    return (found?.partitions ?? []).toSorted((a, b) => a.partition - b.partition).map(({ offset }) => Number(offset));
  }

  async ends(topic: string): Promise<number[]> {
    const offsets = await this.kafka.fetchTopicOffsets(topic);
    return offsets.toSorted((a, b) => a.partition - b.partition).map(({ high }) => Number(high));
  }

  // -- PostgreSQL ---------------------------------------------------------------------------------------------------

  /** A new table; `columns` as in CREATE TABLE. */
  async table(columns: string): Promise<string> {
    const name = this.tableName();
    await this.query(`CREATE TABLE ${name} (${columns})`);
    return name;
  }

  /** A name for a table the pipeline is to create. */
  tableName(): string {
    const name = uniqueName('rows');
    this.#tables.push(name);
    return name;
  }

  async query(sql: string, values: unknown[] = []): Promise<unknown[][]> {
    return (await this.#database.query<unknown[]>({ text: sql, values, rowMode: 'array' })).rows;
  }

  /** Holds a table against everyone else until it is released. */
  lock(table: string): Promise<{ release(): Promise<void> } & AsyncDisposable> {
    return this.hold(`LOCK TABLE ${table} IN ACCESS EXCLUSIVE MODE`);
  }

  /** Keeps a transaction open that has done this, until it is released. */
  async hold(sql: string, values: unknown[] = []): Promise<{ release(): Promise<void> } & AsyncDisposable> {
    const session = await this.#database.connect();
    await session.query('BEGIN');
    await session.query(sql, values);
    let isHeld = true;
    const release = async (): Promise<void> => {
      if (!isHeld) return;
      isHeld = false;
      await session.query('ROLLBACK');
      session.release();
    };
    return { release, [Symbol.asyncDispose]: release };
  }

  /** How many sessions of a pipeline wait for a lock in the database. */
  async waiting(pipeline: string): Promise<number> {
    const sql =
      "SELECT count(*)::int FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND application_name LIKE $1";
    return (await this.query(sql, [`pipectl/${pipeline}/%`]))[0]![0] as number;
  }

  /** Where a sink stands, by partition. */
  async positions(pipeline: string, sink = 'postgres'): Promise<number[]> {
    const sql =
      'SELECT coalesce(position, 0)::int FROM pipectl.positions WHERE pipeline = $1 AND sink = $2 ORDER BY topic, partition';
    return (await this.query(sql, [pipeline, sink])).map(([position]) => position as number);
  }

  /** Records a sink has behind it, over all partitions. */
  async progress(pipeline: string, sink = 'postgres'): Promise<number> {
    return sum(await this.positions(pipeline, sink));
  }

  /** Resolves when the sink has all `records` behind it; `running` must live that long. */
  async written(
    pipeline: string,
    records: number,
    running: readonly Pipectl[],
    { sink = 'postgres', withinMs = 60_000 } = {},
  ): Promise<void> {
    await eventually(
      `${sink} has ${records} records behind it`,
      async () => (await this.progress(pipeline, sink)) >= records,
      { running, withinMs },
    );
  }

  /** The table holds exactly these rows, each value as text; `columns` in the order of `expected`. */
  async expectRows(table: string, columns: readonly string[], expected: readonly (readonly Cell[])[]): Promise<void> {
    const actual = await this.query(`SELECT ${columns.map((column) => `${column}::text`).join(', ')} FROM ${table}`);
    expect(differences((actual as Cell[][]).map(rowText), expected.map(rowText))).toEqual([]);
    expect(actual).toHaveLength(expected.length);
  }
}

const rowText = (row: readonly Cell[]): string =>
  JSON.stringify(row.map((value) => (value === null ? null : `${value}`)));

/** Rows that are missing and rows that are too many, as far as a person wants to read. */
function differences(actual: readonly string[], expected: readonly string[]): string[] {
  const counts = new Map<string, number>();
  for (const row of expected) counts.set(row, (counts.get(row) ?? 0) + 1);
  for (const row of actual) counts.set(row, (counts.get(row) ?? 0) - 1);
  const different = [...counts].filter(([, count]) => count !== 0);
  return different
    .slice(0, 20)
    .map(([row, count]) => (count > 0 ? `missing: ${count} x ${row}` : `too many: ${-count} x ${row}`));
}

export const sum = (numbers: readonly number[]): number => numbers.reduce((total, one) => total + one, 0);

interface Waiting {
  readonly withinMs?: number;
  /** Processes without which it will never come true. */
  readonly running?: readonly Pipectl[];
}

/** Asks until the answer is neither false nor undefined. An answer that throws counts as not yet. */
export async function eventually<T>(
  what: string,
  ask: () => T | false | undefined | Promise<T | false | undefined>,
  { withinMs = 20_000, running = [] }: Waiting = {},
): Promise<T> {
  const deadline = performance.now() + withinMs;
  let problem: unknown;
  for (;;) {
    const gone = running.find(({ hasEnded }) => hasEnded);
    try {
      const answer = await ask();
      if (answer !== false && answer !== undefined) return answer;
    } catch (error) {
      problem = error;
    }
    if (gone) throw new Error(`${what}: pipectl ended before that:\n${gone.stderr.slice(-2000)}`);
    if (performance.now() > deadline) throw new Error(`${what}: not within ${withinMs} ms`, { cause: problem });
    await delay(20);
  }
}

/** A header as text; `null` where it is not there. */
export function header({ headers }: RawRecord, name: string): string | null {
  const value: HeaderValue = headers?.[name];
  if (value === undefined) return null;
  return typeof value === 'string' ? value : Buffer.from(value as Uint8Array).toString();
}

/** The status at the end, from `--view json`. */
export interface Status {
  readonly state: string;
  readonly account: {
    readonly read: number;
    readonly filtered: number;
    readonly dead: number;
    readonly pending: number;
    readonly difference: number;
  };
  readonly stages: readonly {
    readonly name: string;
    readonly in: number;
    readonly out: number;
    readonly filtered: number;
    readonly dead: number;
  }[];
  readonly sinks: readonly {
    readonly name: string;
    readonly offered: number;
    readonly written: number;
    readonly superseded: number;
    readonly rejected: number;
  }[];
  readonly deadLetters: { readonly total: number };
}

export const statusLines = (stdout: string): Status[] =>
  stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Status);
