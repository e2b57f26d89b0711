import type { Client } from 'pg';
import {
  connect,
  disconnect,
  end,
  isTransient,
  type PostgresOptions,
  quoteIdentifier,
  reasonOf,
  type SessionSettings,
} from '../../connections/postgres/client.ts';
import { runScript } from '../../connections/postgres/script.ts';
import type { SinkContext } from '../../declaration/component.ts';
import { parseDuration } from '../../declaration/units.ts';
import { PipectlError } from '../../errors.ts';
import { closest } from '../../expressions/closest.ts';
import { keepFromPath, parseTableName, readTable, readTableNames, type TableName, tableSql } from './catalog.ts';
import { addColumnsSql, type ColumnTypes, createTableSql } from './create.ts';
import type { PostgresSinkOptions } from './index.ts';
import { type Plan, planFor } from './plan.ts';
import { createStaging } from './statements.ts';

/** The one connection of a sink, made anew when it was lost, and the table as the connection found it. */
export class TableSession {
  /** The table, for messages. */
  readonly table: string;
  /** Empty where rows are appended. */
  readonly key: readonly string[];
  readonly #name: TableName;
  readonly #options: PostgresSinkOptions;
  readonly #context: SinkContext;
  readonly #connection: PostgresOptions;
  readonly #settings: SessionSettings;
  readonly #guardSchema: string;
  #client: Client | null = null;
  #plan: Plan | null = null;

  /** `guardSchema`: where positions are kept. */
  constructor(
    options: PostgresSinkOptions & { readonly connection?: string },
    context: SinkContext,
    guardSchema: string,
  ) {
    const name = parseTableName(options.table);
    if (name === undefined) {
      throw new PipectlError('sink_table_missing', `"${options.table}" is no name of a table`, {
        hint: 'write orders or shop.orders',
      });
    }
    this.table = tableSql(name);
    this.key = options.mode === 'append' ? [] : (options.key ?? []);
    this.#name = name;
    this.#options = options;
    this.#context = context;
    this.#guardSchema = guardSchema;
    this.#connection = context.connection('postgres', options.connection);
    this.#settings = {
      applicationName: `pipectl/${context.pipeline}/${context.name}`.slice(0, 63),
      statementTimeoutMs: parseDuration(options.statement_timeout)!,
      lockTimeoutMs: parseDuration(options.lock_timeout)!,
      idleInTransactionTimeoutMs: parseDuration(options.idle_transaction_timeout)!,
    };
  }

  /** Null as long as the table is missing. Another object after each reading of the table. */
  get plan(): Plan | null {
    return this.#plan;
  }

  /** False when the connection was lost since. */
  isCurrent(client: Client): boolean {
    return this.#client === client;
  }

  /** The open connection, or a new one; the table is read again with each. `signal` gives up connecting. */
  async client(signal?: AbortSignal): Promise<Client> {
    if (this.#client !== null) return this.#client;
    const client = await connect(this.#connection, this.#settings, signal);
    this.#client = client;
    client.once('end', () => {
      if (this.#client === client) this.#client = null;
    });
    await keepFromPath(client, this.#guardSchema);
    await this.#readTable(client);
    return client;
  }

  /** Forgets the connection, in whatever state. */
  drop(): void {
    if (this.#client !== null) disconnect(this.#client);
    this.#client = null;
  }

  async close(): Promise<void> {
    const client = this.#client;
    this.#client = null;
    if (client === null) return;
    await end(client);
  }

  async #readTable(client: Client): Promise<void> {
    const table = await readTable(client, this.#name);
    if (table === null) {
      if (this.#plan !== null) throw await this.missing();
      return;
    }
    const plan = planFor(table, this.#options, this.#context);
    const staging = createStaging(plan);
    if (staging !== null) await runScript(client, staging);
    this.#plan = plan;
  }

  /** The statements that give the role of the connection what it needs. */
  grants(): string {
    const role = quoteIdentifier(this.#client?.user ?? 'the role');
    const guard = quoteIdentifier(this.#guardSchema);
    const { schema } = this.#name;
    const schemas = schema === undefined ? guard : `${guard}, ${quoteIdentifier(schema)}`;
    const rights = this.key.length === 0 ? 'INSERT' : 'SELECT, INSERT, UPDATE';
    return [
      `GRANT USAGE ON SCHEMA ${schemas} TO ${role};`,
      `GRANT SELECT, INSERT, UPDATE ON ${guard}.logs, ${guard}.positions, ${guard}.replays, ${guard}.schema_version, ${guard}.versions TO ${role};`,
      `GRANT ${rights} ON ${this.table} TO ${role};`,
    ].join('\n');
  }

  async missing(): Promise<PipectlError> {
    const client = await this.client();
    const kept = { schema: this.#guardSchema, name: this.#name.name };
    if (this.#name.schema === undefined && (await readTable(client, kept)) !== null) {
      return new PipectlError(
        'sink_table_missing',
        `there is no table ${this.table} but the one in ${this.#guardSchema}, the schema of the positions`,
        { hint: `move it out of there, or mean it: table: ${this.#guardSchema}.${this.#name.name}` },
      );
    }
    const names = await readTableNames(client, this.#name.schema);
    const meant = closest(this.#name.name, names);
    return new PipectlError(
      'sink_table_missing',
      `there is no table ${this.table}${meant === undefined ? '' : `; did you mean ${meant}?`}`,
      { hint: 'correct table, create it, or add create: true' },
    );
  }

  /** Makes the table. Members that do so at once find one. */
  async create(types: ColumnTypes): Promise<void> {
    const absent = this.key.find((column) => !types.has(column));
    if (absent !== undefined) {
      throw new PipectlError(
        'sink_column_missing',
        `key column ${absent} is not among the columns of the table to create: ${[...types.keys()].join(', ')}`,
        { hint: 'correct key, or give the event a field of that name' },
      );
    }
    const client = await this.client();
    const ddl = createTableSql(this.#name, types, this.#options);
    try {
      await runScript(client, `BEGIN; SELECT pg_advisory_xact_lock(hashtext('pipectl create')); ${ddl}; COMMIT`);
    } catch (error) {
      if (isTransient(error)) throw error;
      await runScript(client, 'ROLLBACK');
      throw new PipectlError('sink_create_failed', `creating table ${this.table}: ${reasonOf(error)}`, {
        hint: `create it yourself:\n${ddl};`,
        cause: error,
      });
    }
    this.#context.log.info('sink_table_created', `created ${this.table}`, { sink: this.#context.name, ddl });
    await this.#readTable(client);
  }

  /** Adds columns to the table and reads it again. Members that do so at once find them. */
  async addColumns(types: ColumnTypes): Promise<void> {
    const client = await this.client();
    const ddl = addColumnsSql(this.#plan!.table.sql, types);
    try {
      await client.query(ddl);
    } catch (error) {
      if (isTransient(error)) throw error;
      // Somebody who may has added them meanwhile.
      await this.#readTable(client);
      if ([...types.keys()].every((added) => this.#plan!.table.columns.some(({ name }) => name === added))) return;
      throw new PipectlError('sink_add_column_failed', `adding columns to ${this.table}: ${reasonOf(error)}`, {
        hint: `add them yourself:\n${ddl};`,
        cause: error,
      });
    }
    const columns = [...types].map(([name, type]) => `${name} ${type}`).join(', ');
    this.#context.log.info('sink_column_added', `added to ${this.table}: ${columns}`, {
      sink: this.#context.name,
      ddl,
    });
    await this.#readTable(client);
  }
}
