/**
 * Dead letters that are processed again. They belong to partitions that somebody else may own: nothing here claims or moves
 * a position, and a row's version is made of the log and offset its record was read from at first.
 */
import type { Client } from 'pg';
import { runScript, type StatementResult } from '../../connections/postgres/script.ts';
import type { EventRecord, Partition, Rejection, SinkBatch, Unwritten, WriteResult } from '../../engine/ports.ts';
import { copyData } from './encoding.ts';
import { isolate, refusal } from './isolate.ts';
import { ownTable } from './own-tables.ts';
import type { Plan } from './plan.ts';
import type { Owner } from './positions.ts';
import type { Claim, Group, Row, RowEncoder, Shape } from './rows.ts';
import { groupStatements, type Making } from './statements.ts';

/** The logs that records of a replay come from. */
export interface ReplayLogs {
  readonly byPartition: ReadonlyMap<Partition, ReplayLog>;
  /** Of the pipeline's rows at present. */
  readonly rebuild: number;
}

interface ReplayLog {
  readonly id: number;
  /** Where the sink stands in it; null where it never read it, or was told to forget it. */
  readonly position: number | null;
}

export interface EncodedReplay {
  /** A row each, in the order of the logs. */
  readonly groups: readonly Group[];
  readonly rejected: readonly Rejection[];
  readonly bringing: readonly EventRecord[];
  /** What the sink has before it still: it writes them by itself. */
  readonly ahead: readonly EventRecord[];
}

interface LogRow {
  cluster: string;
  topic_id: string;
  partition: number;
  id: string;
  position: string | null;
}

/** Inside the transaction. */
export async function readLogs(client: Client, owner: Owner, { records }: SinkBatch): Promise<ReplayLogs> {
  const partitions = [...new Set(records.map(({ partition }) => partition))];
  const logs = ownTable(owner.schema, 'logs');
  const positions = ownTable(owner.schema, 'positions');
  const lists = [
    partitions.map(({ cluster }) => cluster),
    partitions.map(({ topicId }) => topicId),
    partitions.map(({ partition }) => partition),
  ];
  const given = 'unnest($1::text[], $2::text[], $3::int[]) AS p(cluster, topic_id, partition)';
  await client.query(
    `INSERT INTO ${logs} (cluster, topic_id, partition)
     SELECT p.* FROM ${given}
      WHERE NOT EXISTS (SELECT FROM ${logs} l WHERE (l.cluster, l.topic_id, l.partition) = (p.cluster, p.topic_id, p.partition))
      ORDER BY 1, 2, 3
     ON CONFLICT DO NOTHING`,
    lists,
  );
  const { rows } = await client.query<LogRow>(
    `SELECT l.cluster, l.topic_id, l.partition, l.id, t.position
       FROM ${given} JOIN ${logs} l USING (cluster, topic_id, partition)
       LEFT JOIN ${positions} t ON t.log = l.id AND t.pipeline = $4 AND t.sink = $5`,
    [...lists, owner.pipeline, owner.sink],
  );
  const { rows: numbers } = await client.query<{ rebuild: string }>(
    `SELECT coalesce((SELECT max(rebuild) FROM ${positions} WHERE pipeline = $1 AND sink = $2), 0) AS rebuild`,
    [owner.pipeline, owner.sink],
  );
  const byPartition = new Map(
    partitions.map((partition) => {
      const row = rows.find(
        (one) =>
          one.cluster === partition.cluster &&
          one.topic_id === partition.topicId &&
          one.partition === partition.partition,
      )!;
      return [partition, { id: Number(row.id), position: row.position === null ? null : Number(row.position) }];
    }),
  );
  return { byPartition, rebuild: Number(numbers[0]!.rebuild) };
}

/** Each row alone, in the order of log, offset and element. */
export function encodeReplay(encoder: RowEncoder, batch: SinkBatch, logs: ReplayLogs): EncodedReplay {
  const claims = new Map(
    [...logs.byPartition].map(([partition, { id }]): [Partition, Claim] => [
      partition,
      { id: '', ownerEpoch: '', log: id, position: 0 },
    ]),
  );
  const logOf = ({ partition }: EventRecord): ReplayLog => logs.byPartition.get(partition)!;
  const ahead: EventRecord[] = [];
  const rejected: Rejection[] = [];
  const bringing: EventRecord[] = [];
  const groups: Group[] = [];
  const inOrder = batch.records
    .map((record, at) => ({ record, versions: batch.versions && [batch.versions[at]] }))
    .toSorted((a, b) => logOf(a.record).id - logOf(b.record).id || a.record.raw.offset - b.record.raw.offset);
  for (const { record, versions } of inOrder) {
    const { position } = logOf(record);
    if (position !== null && record.raw.offset >= position) {
      ahead.push(record);
      continue;
    }
    const encoded = encoder.encode({ records: [record], ranges: [], ...(versions && { versions }) }, claims);
    groups.push(...encoded.groups);
    rejected.push(...encoded.rejected);
    bringing.push(...encoded.bringing);
  }
  return { groups, rejected, bringing, ahead };
}

/** What the sink lends to a replay. */
export interface ReplayTools {
  readonly client: Client;
  readonly owner: Owner;
  readonly plan: Plan;
  readonly making: Making;
  /** Runs statements in the open transaction. */
  run(sql: string, copies: readonly Uint8Array[]): Promise<StatementResult[]>;
  /** The table is not what it was when it was read. */
  tellsOfChange(error: unknown, shape: Shape): boolean;
}

/** Writes row by row: there are few of them, and what became of each is told. */
export async function writeReplay(
  encoded: EncodedReplay,
  logs: ReplayLogs,
  rejectionsMax: number,
  tools: ReplayTools,
): Promise<WriteResult> {
  const unwritten = new Map(encoded.ahead.map((record): [EventRecord, Unwritten] => [record, 'ahead']));
  const isolated = await isolate(encoded.groups, {
    apply: async (shape, [row]) => {
      const became = await applyRow(shape, row!, logs, tools);
      if (became instanceof Error) return became;
      if (became === 'written') unwritten.delete(row!.record);
      else unwritten.set(row!.record, became);
      return became === 'written' ? 1 : 0;
    },
    // Whoever replays can do so again when the parent is there.
    orphaned: () => {},
    rejected: encoded.rejected,
    rejectionsMax,
  });
  return {
    written: isolated.written,
    supersededInBatch: 0,
    skippedOffset: encoded.ahead.length,
    skippedVersion: isolated.unchanged,
    rejected: isolated.rejected,
    unwritten,
  };
}

/** Inside a savepoint. Resolves to the server's error where it refuses the row; then nothing of it is there. */
async function applyRow(
  shape: Shape,
  row: Row,
  logs: ReplayLogs,
  { client, owner, plan, making, run, tellsOfChange }: ReplayTools,
): Promise<'written' | 'superseded' | 'repeated' | Error> {
  const { write, clear } = groupStatements(plan, shape, making, owner.schema);
  try {
    await run('SAVEPOINT part', []);
    const isNew = plan.keyCount > 0 || (await takeReplay(client, owner, logs, row.record));
    const results = isNew ? await run([...write, ...clear].join('; '), [copyData([row])]) : [];
    await run('RELEASE SAVEPOINT part', []);
    if (!isNew) return 'repeated';
    // Without a version guard the server takes them all; where it says none, there was nothing to change.
    return plan.guard.kind === 'none' || results[write.length - 1]!.count > 0 ? 'written' : 'superseded';
  } catch (error) {
    if (refusal(error) === undefined || tellsOfChange(error, shape)) throw error;
    await runScript(client, 'ROLLBACK TO SAVEPOINT part');
    return error as Error;
  }
}

/**
 * Notes that a replay adds this element; false where one has. Who asks at the same time waits for the other's end. A new
 * rebuild makes the rows anew, so what was added before it does not count.
 */
async function takeReplay(
  client: Client,
  owner: Owner,
  { byPartition, rebuild }: ReplayLogs,
  { partition, raw, element }: EventRecord,
): Promise<boolean> {
  const { rowCount } = await client.query(
    `INSERT INTO ${ownTable(owner.schema, 'replays')} (pipeline, sink, rebuild, log, "offset", element)
     VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING`,
    [owner.pipeline, owner.sink, rebuild, byPartition.get(partition)!.id, raw.offset, element],
  );
  return rowCount === 1;
}
