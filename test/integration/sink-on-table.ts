/** A PostgreSQL sink on a table of its own, as tests of its rules want it. */
import { Client } from 'pg';
import type { Partition, Sink } from '../../src/engine/ports.ts';
import type { PostgresSinkOptions } from '../../src/sinks/postgres/index.ts';
import { PostgresSink } from '../../src/sinks/postgres/sink.ts';
import { batchOf, deliver, partitionOf } from '../contract/sink.ts';
import { uniqueName } from '../stack/shared.ts';

export interface SinkSetup {
  readonly options?: Partial<PostgresSinkOptions>;
  /** Options of the connection. */
  readonly connection?: Readonly<Record<string, unknown>>;
  readonly pipeline?: string;
  readonly pipelineHash?: string;
  readonly fields?: readonly string[];
  readonly versioned?: boolean;
}

export const p0 = partitionOf(0);
export const p1 = partitionOf(1);

/** A table nobody else uses, with sinks on it; all is closed and dropped in the end. */
export class SinkTable {
  readonly table = uniqueName('ruled');
  readonly url: string;
  readonly admin: Client;
  /** `code: message` of everything the sinks logged. */
  readonly log: string[] = [];
  nowMs = 1_700_000_000_000;
  readonly #sinks: PostgresSink[] = [];

  constructor(url: string) {
    this.url = url;
    this.admin = new Client({ connectionString: url });
  }

  /** `columns`: what stands in the parentheses of CREATE TABLE; null: no table yet. */
  static async make(url: string, columns: string | null): Promise<SinkTable> {
    const made = new SinkTable(url);
    await made.admin.connect();
    if (columns !== null) await made.admin.query(`CREATE TABLE ${made.table} (${columns})`);
    return made;
  }

  newSink(setup: SinkSetup = {}): PostgresSink {
    const note = (code: string, message: string): void => void this.log.push(`${code}: ${message}`);
    const timeouts = {
      on_new_field: 'ignore' as const,
      columns_max: 200,
      parent_wait: '5s',
      statement_timeout: '5s',
      lock_timeout: '2s',
      idle_transaction_timeout: '5s',
    };
    const sink = new PostgresSink(
      { table: this.table, mode: 'upsert', key: ['id'], create: false, ...timeouts, ...setup.options },
      {
        name: 'postgres',
        pipeline: setup.pipeline ?? this.table,
        pipelineHash: setup.pipelineHash ?? 'hash',
        clock: { now: () => this.nowMs, sleep: () => Promise.resolve() },
        random: () => 0,
        log: { info: note, warn: note, error: note },
        connection: () => setup.connection ?? { url: this.url },
        directory: '.',
        fields: setup.fields ?? null,
        versioned: setup.versioned ?? false,
      },
    );
    this.#sinks.push(sink);
    return sink;
  }

  /** A sink that owns both partitions. */
  async open(setup: SinkSetup = {}): Promise<PostgresSink> {
    const sink = this.newSink(setup);
    await sink.open();
    await sink.claim([p0, p1]);
    return sink;
  }

  async read(sql = `SELECT * FROM ${this.table} ORDER BY 1`): Promise<unknown[][]> {
    return (await this.admin.query<unknown[]>({ text: sql, rowMode: 'array' })).rows;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#sinks.map((sink) => sink.close()));
    await this.admin.query(`DROP TABLE IF EXISTS ${this.table} CASCADE`);
    await this.admin.end();
  }
}

/** The whole way of consecutive events from offset `from`. */
export const deliverEvents = (sink: Sink, partition: Partition, from: number, ...events: unknown[]) =>
  deliver(sink, batchOf(partition, from, events));
