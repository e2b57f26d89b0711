import assert from 'node:assert/strict';
import type pg from 'pg';
import {
  connect,
  disconnect,
  isTransient,
  type PostgresOptions,
  reasonOf,
  type SessionSettings,
  sqlState,
} from '../../connections/postgres/client.ts';
import { runScript, type StatementResult } from '../../connections/postgres/script.ts';
import type { SinkContext } from '../../declaration/component.ts';
import { parseDuration } from '../../declaration/units.ts';
import { Fenced, type Partition, type Rejection, type Sink, type SinkBatch, SinkUnavailable, type WriteResult } from '../../engine/ports.ts';
import { PipectlError } from '../../errors.ts';
import { parseTableName, readTable, readTableNames, type TableName, tableSql } from './catalog.ts';
import { type ColumnTypes, createTableSql, declaredTypes, inferTypes } from './create.ts';
import type { PostgresSinkOptions } from './index.ts';
import { isolate, refusal } from './isolate.ts';
import { closest, type Plan, planFor } from './plan.ts';
import { type Claims, claimPartitions, ensurePositions, lockPositions, movePositions, type Owner, readLocked } from './positions.ts';
import { type Claim, type EncodedBatch, type Row, RowEncoder, type Shape } from './rows.ts';
import { createStaging, type GroupStatements, groupStatements } from './statements.ts';

/** A batch and, where it could be made already, what goes over the wire. A retry writes the same one again. */
interface Prepared {
  readonly batch: SinkBatch;
  wire: Wire | null;
}

interface Wire {
  /** The encoder that made it: another one knows another table or another rebuild. */
  readonly encoder: RowEncoder;
  readonly encoded: EncodedBatch;
  /** Data of one COPY per group. */
  readonly copies: readonly Uint8Array[];
}

const begin = 'BEGIN; SET CONSTRAINTS ALL IMMEDIATE; ';
const noClaims: Claims = { byPartition: new Map(), positions: new Map(), rebuild: 0 };

/**
 * Writes a batch in two round trips: one that begins the transaction, locks the position rows, copies the rows, moves them
 * into the table and moves the positions; and the commit. That assumes the position rows are as this member left them and
 * the server takes every row. Where one of the two turns out wrong, the transaction is rolled back and done again step by
 * step.
 */
export class PostgresSink implements Sink {
  readonly name: string;
  readonly storesPositions = true;
  readonly #options: PostgresSinkOptions;
  readonly #context: SinkContext;
  readonly #connection: PostgresOptions;
  readonly #settings: SessionSettings;
  readonly #table: TableName;
  /** Empty where rows are appended. */
  readonly #key: readonly string[];
  readonly #owner: Owner;
  readonly #statements = new WeakMap<Shape, GroupStatements>();
  readonly #warned = new Set<string>();
  #client: pg.Client | null = null;
  #plan: Plan | null = null;
  #encoder: RowEncoder | null = null;
  #claims: Claims = noClaims;
  /** What a commit makes true: positions by claim. */
  #moved: { readonly claim: Claim; readonly to: number }[] = [];
  #inTransaction = false;

  constructor(options: PostgresSinkOptions & { readonly connection?: string }, context: SinkContext) {
    const table = parseTableName(options.table);
    if (table === undefined) {
      throw new PipectlError('sink_table_missing', `"${options.table}" is no name of a table`, { hint: 'write orders or shop.orders' });
    }
    this.name = context.name;
    this.#options = options;
    this.#context = context;
    this.#connection = context.connection('postgres', options.connection);
    this.#settings = {
      applicationName: `pipectl/${context.pipeline}/${context.name}`.slice(0, 63),
      statementTimeoutMs: parseDuration(options.statement_timeout)!,
      lockTimeoutMs: parseDuration(options.lock_timeout)!,
      idleInTransactionTimeoutMs: parseDuration(options.idle_transaction_timeout)!,
    };
    this.#table = table;
    this.#key = options.mode === 'append' ? [] : (options.key ?? []);
    this.#owner = {
      schema: options.guard?.schema ?? 'pipectl',
      pipeline: context.pipeline,
      sink: context.name,
      pipelineHash: context.pipelineHash,
    };
  }

  open(): Promise<void> {
    return this.#translating('opening', async () => {
      const client = await this.#session();
      await ensurePositions(client, this.#owner.schema);
      if (this.#plan !== null) return;
      const types = this.#options.create ? declaredTypes(this.#options) : null;
      if (types !== null) await this.#createTable(client, types);
      else if (!this.#options.create) throw await this.#tableMissing(client);
    });
  }

  claim(partitions: readonly Partition[]): Promise<ReadonlyMap<Partition, number>> {
    return this.#translating('claiming partitions', async () => {
      this.#claims = partitions.length === 0 ? noClaims : await claimPartitions(await this.#session(), this.#owner, partitions);
      this.#renewEncoder();
      return this.#claims.positions;
    });
  }

  prepare(batch: SinkBatch): Prepared {
    return { batch, wire: this.#encode(batch) };
  }

  write(prepared: unknown): Promise<WriteResult> {
    const batch = prepared as Prepared;
    return this.#translating('writing', async () => {
      try {
        return await this.#write(batch);
      } catch (error) {
        // The table was changed while we ran: a new session reads it anew, and says what does not fit any more.
        if (!isSchemaError(error)) throw error;
        this.#drop();
        return this.#write(batch);
      }
    });
  }

  commit(): Promise<void> {
    return this.#translating('committing', async () => {
      if (this.#client === null || !this.#inTransaction) throw new SinkUnavailable('the connection was lost before the commit');
      const [result] = await runScript(this.#client, 'COMMIT');
      assert.equal(result?.tag, 'COMMIT', 'the transaction had failed, and was committed nevertheless');
      this.#inTransaction = false;
      for (const { claim, to } of this.#moved) claim.position = Math.max(claim.position, to);
      this.#moved = [];
    });
  }

  async rollback(): Promise<void> {
    this.#moved = [];
    if (!this.#inTransaction || this.#client === null) return;
    this.#inTransaction = false;
    try {
      await runScript(this.#client, 'ROLLBACK');
    } catch {
      this.#drop();
    }
  }

  async close(): Promise<void> {
    await this.rollback();
    const client = this.#client;
    this.#client = null;
    if (client === null) return;
    try {
      await client.end();
    } catch {
      disconnect(client);
    }
  }

  // -- a session ----------------------------------------------------------------------------------------------------

  /** The open connection, or a new one; the table is read again with each. */
  async #session(): Promise<pg.Client> {
    if (this.#client !== null) return this.#client;
    const client = await connect(this.#connection, this.#settings);
    this.#client = client;
    client.once('end', () => {
      if (this.#client === client) this.#drop();
    });
    await this.#readTable(client);
    return client;
  }

  async #readTable(client: pg.Client): Promise<void> {
    const table = await readTable(client, this.#table);
    if (table === null) {
      if (this.#plan !== null) throw await this.#tableMissing(client);
      return;
    }
    this.#plan = planFor(table, this.#options, this.#context);
    const staging = createStaging(this.#plan);
    if (staging !== null) await runScript(client, staging);
    this.#renewEncoder();
  }

  /** Forgets the connection, in whatever state. */
  #drop(): void {
    if (this.#client !== null) disconnect(this.#client);
    this.#client = null;
    this.#inTransaction = false;
    this.#moved = [];
  }

  #renewEncoder(): void {
    if (this.#plan !== null) this.#encoder = new RowEncoder(this.#plan, this.#context.versioned, this.#claims.rebuild > 0);
  }

  // -- the table ----------------------------------------------------------------------------------------------------

  async #tableMissing(client: pg.Client): Promise<PipectlError> {
    const meant = closest(this.#table.name, await readTableNames(client, this.#table.schema));
    return new PipectlError(
      'sink_table_missing',
      `there is no table ${tableSql(this.#table)}${meant === undefined ? '' : `; did you mean ${meant}?`}`,
      { hint: 'correct table, create it, or add create: true' },
    );
  }

  async #createTable(client: pg.Client, types: ColumnTypes): Promise<void> {
    for (const key of this.#key) {
      if (types.has(key)) continue;
      throw new PipectlError('sink_column_missing', `key column ${key} is not among the columns of the table to create: ${[...types.keys()].join(', ')}`, {
        hint: 'correct key, or give the event a field of that name',
      });
    }
    const ddl = createTableSql(this.#table, types, this.#options);
    try {
      // Two members that create it at once would both find it missing.
      await runScript(client, `BEGIN; SELECT pg_advisory_xact_lock(hashtext('pipectl create')); ${ddl}; COMMIT`);
    } catch (error) {
      if (isTransient(error)) throw error;
      await client.query('ROLLBACK');
      throw new PipectlError('sink_create_failed', `creating table ${tableSql(this.#table)}: ${reasonOf(error)}`, {
        hint: `create it yourself:\n${ddl};`,
        cause: error,
      });
    }
    this.#context.log.info('sink_table_created', `created ${tableSql(this.#table)}`, { sink: this.name, ddl });
    await this.#readTable(client);
  }

  // -- a batch ------------------------------------------------------------------------------------------------------

  /** Null where the table or the claim of a partition is not known yet. */
  #encode(batch: SinkBatch, claims: ReadonlyMap<Partition, Claim> = this.#claims.byPartition): Wire | null {
    const encoder = this.#encoder;
    if (encoder === null || !batch.ranges.every(({ partition }) => claims.has(partition))) return null;
    this.#warnOfUnknownFields(encoder, batch);
    const encoded = encoder.encode(batch, claims);
    return { encoder, encoded, copies: encoded.groups.map(({ rows }) => copyData(rows)) };
  }

  /** Looks at one event of each batch; where the fields are known, `open` has checked them all. */
  #warnOfUnknownFields(encoder: RowEncoder, { records }: SinkBatch): void {
    if (this.#context.fields !== null || records.length === 0) return;
    const unknown = encoder.unknownFields(records[0]!.event).filter((field) => !this.#warned.has(field));
    if (unknown.length === 0) return;
    for (const field of unknown) this.#warned.add(field);
    this.#context.log.warn('sink_field_ignored', `${tableSql(this.#table)} has no column for ${unknown.join(', ')}: not written`, { sink: this.name });
  }

  async #write(prepared: Prepared): Promise<WriteResult> {
    const { batch } = prepared;
    const client = await this.#session();
    const claims = batch.ranges.map(({ partition }) => {
      const claim = this.#claims.byPartition.get(partition);
      if (claim === undefined) throw new Fenced(`partition ${partition.topic}/${partition.partition} is not claimed`);
      return claim;
    });
    if (this.#plan === null) {
      const types = inferTypes(batch.records, this.#context.fields, this.#key);
      if (types !== null) await this.#createTable(client, types);
    }
    if (prepared.wire?.encoder !== this.#encoder) prepared.wire = this.#encode(batch);
    const result = (await this.#writeAtOnce(client, batch, claims, prepared.wire)) ?? (await this.#writeInSteps(client, batch, claims));
    this.#moved = batch.ranges.map(({ to }, i) => ({ claim: claims[i]!, to }));
    return result;
  }

  /** Null, with nothing written, when a row was refused or the positions are not where `wire` took them to be. */
  async #writeAtOnce(client: pg.Client, batch: SinkBatch, claims: readonly Claim[], wire: Wire | null): Promise<WriteResult | null> {
    const { schema } = this.#owner;
    const groups = wire?.encoded.groups ?? [];
    const statements = groups.flatMap(({ shape }, i) => {
      const { copy, move, clear } = this.#statementsOf(shape);
      return move === '' ? [copy] : i === groups.length - 1 ? [copy, move] : [copy, move, clear];
    });
    const sql = [lockPositions(schema, claims), ...statements, movePositions(schema, batch.ranges, this.#claims.byPartition)];
    let results: StatementResult[];
    try {
      results = await this.#run(client, begin + (claims.length === 0 ? '' : sql.join('; ')), wire?.copies ?? []);
    } catch (error) {
      if (refusal(error) === undefined) throw error;
      await runScript(client, 'ROLLBACK');
      return null;
    }
    if (claims.length === 0) return nothingWritten;
    const [, , locked, ...counts] = results;
    const stored = readLocked(locked!, claims);
    const floors = wire?.encoded.floors;
    const asAssumed = batch.ranges.every(({ partition, from }, i) => {
      const position = stored.get(claims[i]!.id)!;
      const floor = floors?.get(partition) ?? 0;
      return position === floor || (position <= from && floor <= from);
    });
    if (!asAssumed) {
      await runScript(client, 'ROLLBACK');
      return null;
    }
    if (wire === null) return this.#withoutTable(batch, this.#claims.byPartition);
    let sent = 0;
    let written = 0;
    let at = 0;
    groups.forEach(({ shape, rows }, i) => {
      const { move } = this.#statementsOf(shape);
      sent += rows.length;
      written += this.#countOf(shape, rows, counts[move === '' ? at : at + 1]!.count);
      at += move === '' ? 1 : i === groups.length - 1 ? 2 : 3;
    });
    return { ...outcomeOf(wire.encoded), written, skippedVersion: sent - written };
  }

  /** The table is yet to be created, and no event of the batch tells how. */
  #withoutTable({ records }: SinkBatch, claims: ReadonlyMap<Partition, Claim>): WriteResult {
    const rejected: Rejection[] = [];
    for (const record of records) {
      if (record.raw.offset < claims.get(record.partition)!.position) continue;
      const message = this.#key.length === 0 ? 'the event has no fields' : `the event has no field for each column of the key: ${this.#key.join(', ')}`;
      rejected.push({ record, code: this.#key.length === 0 ? 'sink_event_shape' : 'sink_key_missing', message });
    }
    return { ...nothingWritten, rejected, skippedOffset: records.length - rejected.length };
  }

  /** Reads the positions first, and puts every statement inside a savepoint. */
  async #writeInSteps(client: pg.Client, batch: SinkBatch, claims: readonly Claim[]): Promise<WriteResult> {
    const { schema } = this.#owner;
    const [, , locked] = await this.#run(client, begin + lockPositions(schema, claims), []);
    const stored = readLocked(locked!, claims);
    const actual = new Map(batch.ranges.map(({ partition }, i) => [partition, { ...claims[i]!, position: stored.get(claims[i]!.id)! }]));
    const wire = this.#encode(batch, actual);
    if (wire === null) {
      await this.#run(client, movePositions(schema, batch.ranges, this.#claims.byPartition), []);
      return this.#withoutTable(batch, actual);
    }
    const isolated = await isolate(wire.encoded.groups, (shape, rows) => this.#apply(client, shape, rows));
    await this.#run(client, movePositions(schema, batch.ranges, this.#claims.byPartition), []);
    const outcome = outcomeOf(wire.encoded);
    return {
      ...outcome,
      written: isolated.written,
      skippedVersion: isolated.unchanged,
      supersededInBatch: outcome.supersededInBatch - isolated.restored,
      rejected: [...outcome.rejected, ...isolated.rejected],
    };
  }

  async #apply(client: pg.Client, shape: Shape, rows: readonly Row[]): Promise<number | Error> {
    const { copy, move, clear } = this.#statementsOf(shape);
    const sql = ['SAVEPOINT part', copy, ...(move === '' ? [] : [move, clear]), 'RELEASE SAVEPOINT part'].join('; ');
    try {
      const results = await this.#run(client, sql, [copyData(rows)]);
      return this.#countOf(shape, rows, results[move === '' ? 1 : 2]!.count);
    } catch (error) {
      if (refusal(error) === undefined) throw error;
      await runScript(client, 'ROLLBACK TO SAVEPOINT part');
      return error as Error;
    }
  }

  /** Rows written. Without a version guard the server takes them all; where it says fewer, there was nothing to change. */
  #countOf(_: Shape, rows: readonly Row[], count: number): number {
    return this.#plan!.guard.kind === 'none' ? rows.length : count;
  }

  #statementsOf(shape: Shape): GroupStatements {
    let statements = this.#statements.get(shape);
    if (statements === undefined) {
      statements = groupStatements(this.#plan!, shape, this.#claims.rebuild);
      this.#statements.set(shape, statements);
    }
    return statements;
  }

  #run(client: pg.Client, sql: string, copies: readonly Uint8Array[]): Promise<StatementResult[]> {
    this.#inTransaction = true;
    return runScript(client, sql, copies);
  }

  /** Runs `work`; what the database says becomes what the engine understands. */
  async #translating<T>(doing: string, work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      if (error instanceof PipectlError || error instanceof Fenced) throw error;
      if (error instanceof SinkUnavailable || isTransient(error)) {
        this.#drop();
        throw error instanceof SinkUnavailable ? error : new SinkUnavailable(`${doing}: ${reasonOf(error)}`, { cause: error });
      }
      const state = sqlState(error);
      if (state === undefined) throw error;
      throw new PipectlError(state === '42501' ? 'sink_rights' : 'sink_failed', `${doing} ${tableSql(this.#table)}: ${reasonOf(error)}`, { cause: error });
    }
  }
}

const nothingWritten: WriteResult = { written: 0, supersededInBatch: 0, skippedOffset: 0, skippedVersion: 0, rejected: [] };

const outcomeOf = ({ supersededInBatch, skippedOffset, rejected }: EncodedBatch): Pick<WriteResult, 'supersededInBatch' | 'skippedOffset' | 'rejected'> => ({
  supersededInBatch,
  skippedOffset,
  rejected,
});

function copyData(rows: readonly Row[]): Uint8Array {
  let data = '';
  for (const row of rows) data += row.line;
  return Buffer.from(data, 'utf8');
}

/** A table, column or type is not what it was. */
const isSchemaError = (error: unknown): boolean => {
  const state = sqlState(error);
  return state !== undefined && state.startsWith('42') && state !== '42501';
};
