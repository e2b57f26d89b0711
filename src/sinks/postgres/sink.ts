import type { Client } from 'pg';
import { reasonOf } from '../../connections/postgres/client.ts';
import { runScript, type StatementResult } from '../../connections/postgres/script.ts';
import type { SinkContext } from '../../declaration/component.ts';
import { parseDuration } from '../../declaration/units.ts';
import {
  type EventRecord,
  Fenced,
  type Partition,
  type Sink,
  type SinkBatch,
  TooManyRejections,
  type WriteResult,
} from '../../engine/ports.ts';
import { checkBackfill } from './backfill.ts';
import { addedTypes, declaredTypes, inferTypes } from './create.ts';
import { copyData, Encoding, type Wire } from './encoding.ts';
import { failureOf, isNullIn, isSchemaError, ParentMissing } from './failures.ts';
import type { PostgresSinkOptions } from './index.ts';
import { isolate, refusal } from './isolate.ts';
import { ensureOwnTables } from './own-tables.ts';
import { NewFields } from './new-fields.ts';
import { nothingWritten, withoutTable } from './nothing-written.ts';
import type { Plan } from './plan.ts';
import {
  type Claims,
  claimPartitions,
  GoneBack,
  lockPositions,
  movePositions,
  type Owner,
  readLocked,
} from './positions.ts';
import { encodeReplay, readLogs, writeReplay } from './replays.ts';
import { type Claim, type Row, RowEncoder, type Shape } from './rows.ts';
import { TableSession } from './session.ts';
import { type GroupStatements, groupStatements, type Making } from './statements.ts';
import { Transaction } from './transaction.ts';
import { VersionWatch } from './version-watch.ts';

/** A batch and, where it could be made already, what goes over the wire. A retry writes the same one again. */
interface Prepared {
  readonly batch: SinkBatch;
  wire: Wire | null;
  /** When a row of it was first found without its parent. */
  orphanedSinceMs: number | null;
}

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
  readonly #session: TableSession;
  readonly #owner: Owner;
  readonly #parentWaitMs: number;
  readonly #statements = new WeakMap<Shape, GroupStatements>();
  readonly #versions: VersionWatch;
  readonly #encoding: Encoding;
  readonly #transaction: Transaction;
  #claims: Claims = noClaims;
  /** Read because of an error of the server: the same error again is not news. */
  #reread: Plan | null = null;

  constructor(options: PostgresSinkOptions & { readonly connection?: string }, context: SinkContext) {
    this.name = context.name;
    this.#options = options;
    this.#context = context;
    const schema = options.guard?.schema ?? 'pipectl';
    this.#session = new TableSession(options, context, schema);
    this.#transaction = new Transaction(this.#session);
    this.#parentWaitMs = parseDuration(options.parent_wait)!;
    this.#owner = {
      schema,
      pipeline: context.pipeline,
      rebuildOf: context.backfillOf ?? context.pipeline,
      sink: context.name,
      pipelineHash: context.pipelineHash,
    };
    this.#versions = new VersionWatch(this.#owner, context);
    this.#encoding = new Encoding(options, context, this.#session);
  }

  open(signal?: AbortSignal): Promise<void> {
    return this.#translating('opening', async () => {
      await ensureOwnTables(await this.#session.client(signal), this.#owner.schema);
      if (this.#session.plan !== null) {
        if (this.#making.isBackfill) checkBackfill(this.#session.plan, this.#context);
        return;
      }
      if (!this.#options.create) throw await this.#session.missing();
      const types = declaredTypes(this.#options);
      if (types !== null) await this.#session.create(types);
    });
  }

  get #making(): Making {
    return { rebuild: this.#claims.rebuild, isBackfill: this.#context.backfillOf !== undefined, isReplay: false };
  }

  replayGuard(): 'exact' | 'unguarded' {
    const { plan } = this.#session;
    return plan !== null && plan.keyCount > 0 && plan.guard.kind === 'none' ? 'unguarded' : 'exact';
  }

  claim(partitions: readonly Partition[]): Promise<ReadonlyMap<Partition, number>> {
    return this.#translating('claiming partitions', async () => {
      this.#claims =
        partitions.length === 0
          ? noClaims
          : await claimPartitions(await this.#session.client(), this.#owner, partitions);
      this.#versions.begin();
      return this.#claims.positions;
    });
  }

  prepare(batch: SinkBatch): Prepared {
    // Of a replay the logs are not known yet.
    const wire = batch.replay === undefined ? this.#encoding.wire(batch, this.#claims) : null;
    return { batch, wire, orphanedSinceMs: null };
  }

  write(prepared: unknown, rejectionsMax: number): Promise<WriteResult> {
    const batch = prepared as Prepared;
    return this.#translating('writing', async () => {
      try {
        return await this.#writeBatch(batch, rejectionsMax);
      } catch (error) {
        // The table was changed while we ran: a new connection reads it anew, and says what does not fit any more.
        if (!isSchemaError(error)) throw error;
        this.#session.drop();
        await this.#session.client();
        this.#reread = this.#session.plan;
        return this.#writeBatch(batch, rejectionsMax);
      }
    });
  }

  #writeBatch(prepared: Prepared, rejectionsMax: number): Promise<WriteResult> {
    return prepared.batch.replay === undefined
      ? this.#write(prepared, rejectionsMax)
      : this.#replay(prepared.batch, prepared.batch.replay, rejectionsMax);
  }

  commit(): Promise<void> {
    return this.#translating('committing', () => this.#transaction.commit());
  }

  rollback(): Promise<void> {
    return this.#transaction.rollback();
  }

  async close(): Promise<void> {
    await this.rollback();
    await this.#session.close();
  }

  async #write(prepared: Prepared, rejectionsMax: number): Promise<WriteResult> {
    const { batch } = prepared;
    const client = await this.#session.client();
    const claims = batch.ranges.map(({ partition }) => {
      const claim = this.#claims.byPartition.get(partition);
      if (claim === undefined) throw new Fenced(`partition ${partition.topic}/${partition.partition} is not claimed`);
      return claim;
    });
    await this.#versions.look(client, this.#session.table);
    await this.#createFor(batch);
    const encode = () => (prepared.wire = this.#encoding.wire(batch, this.#claims));
    if (prepared.wire?.encoder !== this.#encoding.encoder(this.#claims)) encode();
    if (await this.#addColumns(prepared.wire?.bringing ?? [])) encode();
    const result =
      (await this.#writeAtOnce(client, batch, claims, prepared.wire)) ??
      (await this.#writeInSteps(client, prepared, claims, rejectionsMax));
    if (result.rejected.length > rejectionsMax) throw new TooManyRejections(result.rejected);
    this.#transaction.complete(batch.ranges.map(({ to }, i) => ({ claim: claims[i]!, to })));
    return result;
  }

  /** Dead letters again, row by row: there are few of them, and what became of each is told. Moves no position. */
  async #replay(batch: SinkBatch, kind: 'real' | 'trial', rejectionsMax: number): Promise<WriteResult> {
    const client = await this.#session.client();
    if (kind === 'real') await this.#createFor(batch);
    const { plan } = this.#session;
    if (plan === null) return withoutTable(batch, this.#session.key);
    const encoder = new RowEncoder(plan, this.#context.versioned, true, NewFields.of(plan, this.#options));
    await this.#transaction.begin(client);
    const logs = await readLogs(client, this.#owner, batch);
    const encoded = encodeReplay(encoder, batch, logs);
    if (kind === 'real' && encoded.bringing.length > 0) {
      await this.rollback();
      if (await this.#addColumns(encoded.bringing)) return this.#replay(batch, kind, rejectionsMax);
      await this.#transaction.begin(client);
    }
    this.#transaction.complete([]);
    return writeReplay(encoded, logs, rejectionsMax, {
      client,
      owner: this.#owner,
      plan,
      making: { ...this.#making, rebuild: logs.rebuild, isReplay: true },
      run: (sql, copies) => this.#transaction.run(client, sql, copies),
      tellsOfChange: (error, shape) => this.#tellsOfChange(error, shape),
    });
  }

  async #createFor(batch: SinkBatch): Promise<void> {
    if (this.#session.plan !== null) return;
    const types = inferTypes(batch.records, this.#context.fields, this.#session.key);
    if (types !== null) await this.#session.create(types);
  }

  /** Before the transaction: the lock it takes would wait for other members, whose locks wait for ours. */
  async #addColumns(bringing: readonly EventRecord[]): Promise<boolean> {
    if (bringing.length === 0) return false;
    const { table } = this.#session.plan!;
    const types = addedTypes(bringing, table, this.#session.key, declaredTypes(this.#options));
    if (types.size === 0) return false;
    await this.#session.addColumns(types);
    return true;
  }

  /** Null, with nothing written, when a row was refused or the positions are not where `wire` took them to be. */
  async #writeAtOnce(
    client: Client,
    batch: SinkBatch,
    claims: readonly Claim[],
    wire: Wire | null,
  ): Promise<WriteResult | null> {
    if (claims.length === 0) {
      await this.#transaction.begin(client);
      return nothingWritten;
    }
    const { schema } = this.#owner;
    const copies = wire?.copies ?? [];
    const statements = copies.flatMap(({ shape }, i) => {
      const { write, clear } = this.#statementsOf(shape);
      return i === copies.length - 1 ? write : [...write, ...clear];
    });
    const sql = [
      lockPositions(schema, claims),
      ...statements,
      movePositions(schema, batch.ranges, this.#claims.byPartition),
    ];
    let results: StatementResult[];
    try {
      results = await this.#transaction.begin(
        client,
        sql.join('; '),
        copies.map(({ data }) => data),
      );
    } catch (error) {
      if (refusal(error) === undefined) throw error;
      await runScript(client, 'ROLLBACK');
      return null;
    }
    const [locked, ...counts] = results;
    const stored = readLocked(locked!, claims);
    const asAssumed = batch.ranges.every(({ partition, from }, i) => {
      const position = stored.get(claims[i]!.id)!;
      const floor = wire?.floors.get(partition) ?? 0;
      return position === floor || (position <= from && floor <= from);
    });
    if (!asAssumed) {
      await runScript(client, 'ROLLBACK');
      return null;
    }
    if (wire === null) return withoutTable(batch, this.#session.key, this.#claims.byPartition);
    let sent = 0;
    let written = 0;
    let at = 0;
    for (const { shape, rows } of copies) {
      const { write, clear } = this.#statementsOf(shape);
      sent += rows;
      written += this.#countOf(rows, counts[at + write.length - 1]!.count);
      at += write.length + clear.length;
    }
    const { supersededInBatch, skippedOffset, rejected } = wire;
    return { written, supersededInBatch, skippedOffset, skippedVersion: sent - written, rejected };
  }

  /** Reads the positions first, and puts every statement inside a savepoint. */
  async #writeInSteps(
    client: Client,
    prepared: Prepared,
    claims: readonly Claim[],
    rejectionsMax: number,
  ): Promise<WriteResult> {
    const { batch } = prepared;
    const { schema } = this.#owner;
    const [locked] = await this.#transaction.begin(client, lockPositions(schema, claims));
    const stored = readLocked(locked!, claims);
    const actual = new Map(
      batch.ranges.map(({ partition }, i) => [partition, { ...claims[i]!, position: stored.get(claims[i]!.id)! }]),
    );
    const move = movePositions(schema, batch.ranges, this.#claims.byPartition);
    const encoded = this.#encoding.rows(batch, this.#claims, actual);
    if (encoded === null) {
      await this.#transaction.run(client, move);
      return withoutTable(batch, this.#session.key, actual);
    }
    const isolated = await isolate(encoded.groups, {
      apply: (shape, rows) => this.#apply(client, shape, rows),
      orphaned: (error) => this.#awaitParent(prepared, error),
      rejected: encoded.rejected,
      rejectionsMax,
    });
    await this.#transaction.run(client, move);
    return {
      written: isolated.written,
      supersededInBatch: encoded.supersededInBatch - isolated.restored,
      skippedOffset: encoded.skippedOffset,
      skippedVersion: isolated.unchanged,
      rejected: isolated.rejected,
    };
  }

  /** Throws while the batch may wait for a missing parent: the engine rolls it back and writes it again. */
  #awaitParent(prepared: Prepared, error: Error): void {
    const nowMs = this.#context.clock.now();
    const sinceMs = prepared.orphanedSinceMs;
    // A clock that was set back begins anew.
    if (sinceMs === null || nowMs < sinceMs) prepared.orphanedSinceMs = nowMs;
    if (nowMs - prepared.orphanedSinceMs! >= this.#parentWaitMs) return;
    throw new ParentMissing(
      `waiting up to ${this.#options.parent_wait} for the row that another one refers to: ${reasonOf(error)}`,
    );
  }

  async #apply(client: Client, shape: Shape, rows: readonly Row[]): Promise<number | Error> {
    const { write, clear } = this.#statementsOf(shape);
    const sql = ['SAVEPOINT part', ...write, ...clear, 'RELEASE SAVEPOINT part'].join('; ');
    try {
      const results = await this.#transaction.run(client, sql, [copyData(rows)]);
      return this.#countOf(rows.length, results[write.length]!.count);
    } catch (error) {
      if (refusal(error) === undefined || this.#tellsOfChange(error, shape)) throw error;
      await runScript(client, 'ROLLBACK TO SAVEPOINT part');
      return error as Error;
    }
  }

  /** What the row says nothing of could be left out when the table was read. */
  #tellsOfChange(error: unknown, { columns }: Shape): boolean {
    const { plan } = this.#session;
    return plan !== this.#reread && isNullIn(error, plan!.table) && columns.every(({ name }) => name !== error.column);
  }

  /** Rows written. Without a version guard the server takes them all; where it says fewer, there was nothing to change. */
  #countOf(rows: number, count: number): number {
    return this.#session.plan!.guard.kind === 'none' ? rows : count;
  }

  #statementsOf(shape: Shape): GroupStatements {
    let statements = this.#statements.get(shape);
    if (statements === undefined) {
      statements = groupStatements(this.#session.plan!, shape, this.#making, this.#owner.schema);
      this.#statements.set(shape, statements);
    }
    return statements;
  }

  /** Runs `work`; what the database says becomes what the engine understands. */
  async #translating<T>(doing: string, work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      if (error instanceof GoneBack) this.#context.log.error('sink_gone_back', error.message, { sink: this.name });
      throw failureOf(error, doing, this.#session);
    }
  }
}
