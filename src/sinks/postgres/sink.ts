import assert from 'node:assert/strict';
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
  SinkUnavailable,
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
import { type Claim, type EncodedBatch, type Row, RowEncoder, type Shape } from './rows.ts';
import { TableSession } from './session.ts';
import { type GroupStatements, groupStatements, type Making } from './statements.ts';
import { VersionWatch } from './version-watch.ts';

/** A batch and, where it could be made already, what goes over the wire. A retry writes the same one again. */
interface Prepared {
  readonly batch: SinkBatch;
  wire: Wire | null;
  /** When a row of it was first found without its parent. */
  orphanedSinceMs: number | null;
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
  readonly #session: TableSession;
  readonly #owner: Owner;
  readonly #parentWaitMs: number;
  readonly #statements = new WeakMap<Shape, GroupStatements>();
  readonly #versions: VersionWatch;
  readonly #encoding: Encoding;
  #claims: Claims = noClaims;
  /** Read because of an error of the server: the same error again is not news. */
  #reread: Plan | null = null;
  /** The connection with the open transaction, and what its commit makes true. */
  #transaction: Client | null = null;
  #moved: { readonly claim: Claim; readonly to: number }[] = [];

  constructor(options: PostgresSinkOptions & { readonly connection?: string }, context: SinkContext) {
    this.name = context.name;
    this.#options = options;
    this.#context = context;
    const schema = options.guard?.schema ?? 'pipectl';
    this.#session = new TableSession(options, context, schema);
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
    const wire = batch.replay === undefined ? this.#encode(batch) : null;
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
    return this.#translating('committing', async () => {
      const client = this.#transaction;
      if (client === null || !this.#session.isCurrent(client)) {
        throw new SinkUnavailable('the connection was lost before the commit');
      }
      const [result] = await runScript(client, 'COMMIT');
      assert.equal(result?.tag, 'COMMIT', 'the transaction had failed, and was committed nevertheless');
      this.#transaction = null;
      for (const { claim, to } of this.#moved) claim.position = Math.max(claim.position, to);
    });
  }

  async rollback(): Promise<void> {
    const client = this.#transaction;
    this.#transaction = null;
    if (client === null || !this.#session.isCurrent(client)) return;
    try {
      await runScript(client, 'ROLLBACK');
    } catch {
      this.#session.drop();
    }
  }

  async close(): Promise<void> {
    await this.rollback();
    await this.#session.close();
  }

  /** Null where the table or the claim of a partition is not known yet. */
  #encode(batch: SinkBatch, claims: ReadonlyMap<Partition, Claim> = this.#claims.byPartition): Wire | null {
    return this.#encoding.encode(batch, this.#claims, claims);
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
    if (prepared.wire?.encoder !== this.#encoding.encoder(this.#claims)) prepared.wire = this.#encode(batch);
    if (await this.#addColumns(prepared.wire?.encoded.bringing ?? [])) prepared.wire = this.#encode(batch);
    const result =
      (await this.#writeAtOnce(client, batch, claims, prepared.wire)) ??
      (await this.#writeInSteps(client, prepared, claims, rejectionsMax));
    if (result.rejected.length > rejectionsMax) throw new TooManyRejections(result.rejected);
    this.#moved = batch.ranges.map(({ to }, i) => ({ claim: claims[i]!, to }));
    return result;
  }

  /** Dead letters again, row by row: there are few of them, and what became of each is told. Moves no position. */
  async #replay(batch: SinkBatch, kind: 'real' | 'trial', rejectionsMax: number): Promise<WriteResult> {
    const client = await this.#session.client();
    if (kind === 'real') await this.#createFor(batch);
    const { plan } = this.#session;
    if (plan === null) return withoutTable(batch, () => 0, this.#session.key);
    const encoder = new RowEncoder(plan, this.#context.versioned, true, NewFields.of(plan, this.#options));
    await this.#run(client, begin, []);
    const logs = await readLogs(client, this.#owner, batch);
    const encoded = encodeReplay(encoder, batch, logs);
    if (kind === 'real' && encoded.bringing.length > 0) {
      await this.rollback();
      if (await this.#addColumns(encoded.bringing)) return this.#replay(batch, kind, rejectionsMax);
      await this.#run(client, begin, []);
    }
    this.#moved = [];
    return writeReplay(encoded, logs, rejectionsMax, {
      client,
      owner: this.#owner,
      plan,
      making: { ...this.#making, rebuild: logs.rebuild, isReplay: true },
      run: (sql, copies) => this.#run(client, sql, copies),
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
    const { schema } = this.#owner;
    const groups = wire?.encoded.groups ?? [];
    const statements = groups.flatMap(({ shape }, i) => {
      const { write, clear } = this.#statementsOf(shape);
      return i === groups.length - 1 ? write : [...write, ...clear];
    });
    const sql = [
      lockPositions(schema, claims),
      ...statements,
      movePositions(schema, batch.ranges, this.#claims.byPartition),
    ];
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
    if (wire === null) return withoutTable(batch, positionIn(this.#claims.byPartition), this.#session.key);
    let sent = 0;
    let written = 0;
    let at = 0;
    for (const { shape, rows } of groups) {
      const { write, clear } = this.#statementsOf(shape);
      sent += rows.length;
      written += this.#countOf(rows, counts[at + write.length - 1]!.count);
      at += write.length + clear.length;
    }
    return { ...outcomeOf(wire.encoded), written, skippedVersion: sent - written };
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
    const [, , locked] = await this.#run(client, begin + lockPositions(schema, claims), []);
    const stored = readLocked(locked!, claims);
    const actual = new Map(
      batch.ranges.map(({ partition }, i) => [partition, { ...claims[i]!, position: stored.get(claims[i]!.id)! }]),
    );
    const wire = this.#encode(batch, actual);
    if (wire === null) {
      await this.#run(client, movePositions(schema, batch.ranges, this.#claims.byPartition), []);
      return withoutTable(batch, positionIn(actual), this.#session.key);
    }
    const isolated = await isolate(wire.encoded.groups, {
      apply: (shape, rows) => this.#apply(client, shape, rows),
      orphaned: (error) => this.#awaitParent(prepared, error),
      rejected: wire.encoded.rejected,
      rejectionsMax,
    });
    await this.#run(client, movePositions(schema, batch.ranges, this.#claims.byPartition), []);
    const outcome = outcomeOf(wire.encoded);
    return {
      ...outcome,
      written: isolated.written,
      skippedVersion: isolated.unchanged,
      supersededInBatch: outcome.supersededInBatch - isolated.restored,
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
      const results = await this.#run(client, sql, [copyData(rows)]);
      return this.#countOf(rows, results[write.length]!.count);
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
  #countOf(rows: readonly Row[], count: number): number {
    return this.#session.plan!.guard.kind === 'none' ? rows.length : count;
  }

  #statementsOf(shape: Shape): GroupStatements {
    let statements = this.#statements.get(shape);
    if (statements === undefined) {
      statements = groupStatements(this.#session.plan!, shape, this.#making, this.#owner.schema);
      this.#statements.set(shape, statements);
    }
    return statements;
  }

  #run(client: Client, sql: string, copies: readonly Uint8Array[]): Promise<StatementResult[]> {
    this.#transaction = client;
    return runScript(client, sql, copies);
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

const nothingWritten: WriteResult = {
  written: 0,
  supersededInBatch: 0,
  skippedOffset: 0,
  skippedVersion: 0,
  rejected: [],
};

const outcomeOf = ({
  supersededInBatch,
  skippedOffset,
  rejected,
}: EncodedBatch): Pick<WriteResult, 'supersededInBatch' | 'skippedOffset' | 'rejected'> => ({
  supersededInBatch,
  skippedOffset,
  rejected,
});

const positionIn = (claims: ReadonlyMap<Partition, Claim>) => (partition: Partition) => claims.get(partition)!.position;

/** The table is yet to be created, and no event of the batch tells how. */
function withoutTable(
  { records }: SinkBatch,
  positionOf: (partition: Partition) => number,
  key: readonly string[],
): WriteResult {
  const [code, message] =
    key.length === 0
      ? ['sink_event_shape', 'the event has no fields']
      : ['sink_key_missing', `the event has no field for each column of the key: ${key.join(', ')}`];
  const rejected = records
    .filter(({ partition, raw }) => raw.offset >= positionOf(partition))
    .map((record) => ({ record, code, message }));
  return { ...nothingWritten, rejected, skippedOffset: records.length - rejected.length };
}
