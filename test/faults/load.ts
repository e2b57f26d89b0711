/** The pipeline most faults meet: orders that keep coming, an upsert and an append table, and dead letters of two stages. */
import { readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { expect } from 'vitest';
import {
  appended,
  order,
  type Order,
  orderColumns,
  orderMessage,
  orderSteps,
  orderTable,
  upserted,
} from '../integration/orders.ts';
import {
  type Bench,
  eventually,
  header,
  type Message,
  type Pipectl,
  type PipelineFile,
  type ReadRecord,
  type Status,
} from '../integration/pipeline.ts';
import type { RawRecord } from '../../src/engine/ports.ts';
import type { Fault } from './fault.ts';

export const partitions = 4;
const ids = 500;
/** Not JSON. */
export const isUnreadable = (n: number): boolean => n % 701 === 5;
/** Refused by the constraint of the append table alone. */
export const isRefused = (n: number): boolean => n % 1499 === 7 && n % 3 !== 0 && !isUnreadable(n);

export interface LoadOptions {
  /** Of the Kafka source, beside its topic. */
  readonly source?: object;
  /** Of both tables. */
  readonly sink?: object;
  /** Beside the two tables. */
  readonly moreSinks?: readonly object[];
  /** Of the pipeline file, in place of what is there. */
  readonly definition?: object;
}

/** An order as it is sent, and where. */
interface Placed {
  readonly one: Order;
  readonly partition: number;
}

export class Load implements AsyncDisposable {
  readonly bench: Bench;
  /** Whose producer sends the orders. */
  sender: Bench;
  readonly file: PipelineFile;
  readonly topic: string;
  readonly latest: string;
  readonly all: string;
  /** Where each order goes. */
  place = (one: Order): Placed => ({ one, partition: one.id % partitions });
  /** Dead letters, from where they are written. */
  readLetters = (): Promise<readonly RawRecord[]> => this.bench.read(this.file.dlq);
  readonly #members: Pipectl[] = [];
  readonly #stopped = new AbortController();
  #producing: Promise<void> = Promise.resolve();
  #sending: Promise<void> = Promise.resolve();
  #sent = 0;

  private constructor(bench: Bench, file: PipelineFile, topic: string, latest: string, all: string) {
    this.bench = bench;
    this.sender = bench;
    this.file = file;
    this.topic = topic;
    this.latest = latest;
    this.all = all;
  }

  static async open(bench: Bench, { source, sink, moreSinks = [], definition }: LoadOptions = {}): Promise<Load> {
    const topic = await bench.topic(partitions);
    const latest = await bench.table(orderTable.upsert);
    const all = await bench.table(`${orderTable.append}, CONSTRAINT no_sevens CHECK (n % 1499 <> 7)`);
    const common = { connection: 'serving', ...sink };
    const file = await bench.pipeline({
      source: { kafka: { topic, session_timeout: '6s', ...source } },
      steps: orderSteps,
      sinks: [
        { postgres: { ...common, table: latest, key: ['id'] }, name: 'latest' },
        { postgres: { ...common, table: all, mode: 'append' }, name: 'all' },
        ...moreSinks,
      ],
      ...definition,
    });
    return new Load(bench, file, topic, latest, all);
  }

  get sent(): number {
    return this.#sent;
  }

  /** Starts a member, whose account is looked at in the end. */
  start(env: NodeJS.ProcessEnv = {}, more: readonly string[] = []): Pipectl {
    const child = this.bench.start(['run', this.file.path, '--view', 'json', ...more], env);
    this.#members.push(child);
    return child;
  }

  /** Sends the next orders. */
  produce(count: number): Promise<void> {
    const former = this.#sending.catch(() => {});
    this.#sending = former.then(async () => {
      const messages = Array.from({ length: count }, (_, i) => messageOf(this.place(order(this.#sent + i, ids))));
      await this.sender.send(this.topic, messages);
      this.#sent += count;
    });
    return this.#sending;
  }

  /** Goes on sending `count` orders every `everyMs` until all is to be there. */
  keepProducing(count = 100, everyMs = 20): void {
    this.#producing = (async () => {
      while (!this.#stopped.signal.aborted) {
        // What a broker that is away has taken, the log tells; what it has not is sent again under the same numbers.
        await this.produce(count).catch(() => {});
        await delay(everyMs);
      }
    })();
  }

  async stopProducing(): Promise<void> {
    this.#stopped.abort();
    await this.#producing;
    await this.#sending.catch(() => {});
  }

  /** Records both sinks have behind them. */
  async progress(): Promise<number> {
    const { bench, file } = this;
    return Math.min(await bench.progress(file.name, 'latest'), await bench.progress(file.name, 'all'));
  }

  /** For `Fault.recovers`: both sinks have moved since now. */
  async goesOn(): Promise<() => Promise<boolean>> {
    const before = await this.progress();
    return async () => (await this.progress()) > before;
  }

  /** Resolves when both sinks have written something. */
  async runs(running: readonly Pipectl[]): Promise<void> {
    await eventually('it runs', async () => (await this.progress()) > 0, { running, withinMs: 60_000 });
  }

  async everythingWritten(records: number, running: readonly Pipectl[]): Promise<void> {
    for (const sink of ['latest', 'all'])
      await this.bench.written(this.file.name, records, running, { sink, withinMs: 240_000 });
  }

  /**
   * Ends the input, waits until `running` has written all of it, drains them, and checks what is promised against the
   * log of the topic: only the log knows what a broker took that was killed.
   */
  async expectAll(fault: Fault, running: readonly Pipectl[]): Promise<void> {
    await this.stopProducing();
    const log = await this.bench.read(this.topic);
    expect(log.length).toBeGreaterThanOrEqual(this.#sent);
    await this.everythingWritten(log.length, running);
    for (const member of running) expect(await member.drain()).toEqual({ code: 0, signal: null });
    await this.expectTables(fault, log);
    this.expectAccounts(fault);
  }

  /** The tables and dead letters are what comes of `log`. */
  async expectTables(fault: Fault, log: readonly ReadRecord[]): Promise<void> {
    const input = readable(log);
    await this.bench.expectRows(this.latest, orderColumns, upserted(input));
    fault.holds('upsert table = fold of the input');
    await this.bench.expectRows(this.all, orderColumns, appended(input.filter(({ n }) => !isRefused(n))));
    fault.holds('append table has every row once');
    this.expectDeadLetters(fault, log, await this.readLetters());
  }

  /** Each at least once, and a repeat with the id of the first. */
  expectDeadLetters(fault: Fault, log: readonly ReadRecord[], letters: readonly RawRecord[]): void {
    const places = new Map<string | null, string>();
    for (const letter of letters) {
      const word = (name: string): string | null => header(letter, `pipectl-${name}`);
      places.set(word('dlq-id'), `${word('stage')} ${word('source-partition')} ${word('source-offset')}`);
    }
    const expected = log.flatMap((record) => {
      const { n } = orderOf(record);
      const place = `${record.partition} ${record.offset}`;
      return isUnreadable(n) ? [`decode ${place}`] : isRefused(n) ? [`sink:all ${place}`] : [];
    });
    expect([...places.values()].toSorted()).toEqual(expected.toSorted());
    fault.holds('dead letters complete');
  }

  /** Every account that any member has shown adds up. */
  expectAccounts(fault: Fault): void {
    const accounts = this.#members.flatMap(({ stdout }) => wholeLines(stdout).map(({ account }) => account));
    expect(accounts.length).toBeGreaterThan(0);
    expect(accounts.filter(({ difference }) => difference !== 0)).toEqual([]);
    fault.holds('account adds up');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const member of this.#members) member.kill('SIGKILL');
    await Promise.all([this.stopProducing(), ...this.#members.map((one) => one[Symbol.asyncDispose]())]);
  }
}

function messageOf({ one, partition }: Placed): Message {
  const message = { ...orderMessage(one, partitions), partition };
  return isUnreadable(one.n) ? { ...message, value: `${message.value as string}}` } : message;
}

/** Also of a message that can't be read: it has a bracket too many. */
export const orderOf = ({ value }: ReadRecord): Order =>
  JSON.parse(Buffer.from(value!).toString().replace('}}', '}')) as Order;

/** Orders of a log that a pipeline can read. */
export const readable = (log: readonly ReadRecord[]): Order[] =>
  log.map((record) => orderOf(record)).filter(({ n }) => !isUnreadable(n));

/** A process that was killed may have left half a line. */
const wholeLines = (stdout: string): Status[] =>
  stdout.split('\n').flatMap((line) => (line.endsWith('}') ? [JSON.parse(line) as Status] : []));

/** How often a process has logged a code. */
export const logged = (child: Pipectl, code: string): number => child.log.filter((line) => line.code === code).length;

/** Partitions a member was last given. */
export function owned({ log }: Pipectl): number {
  const message = log.findLast(({ code }) => code === 'assigned')?.message ?? '';
  return Number(/owns (\d+)/.exec(message)?.[1] ?? 0);
}

/** Memory in use, in MiB. */
export const memoryMiB = ({ pid }: Pipectl): number =>
  Number(/^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))![1]) / 1024;
