/**
 * Where this sink stands on each partition, kept in the database it writes to and moved in the same transaction as the
 * rows. `owner_epoch` is raised by every new owner: a write that finds a higher one than its own is refused.
 */
import type { Client } from 'pg';
import type { StatementResult } from '../../connections/postgres/script.ts';
import { Fenced, type OffsetRange, type Partition } from '../../engine/ports.ts';
import { PipectlError } from '../../errors.ts';
import { ownTable } from './own-tables.ts';
import type { Claim } from './rows.ts';

/** The database holds less than was committed to it: it was restored, or a replica that lacked the end took over. */
export class GoneBack extends Fenced {}

/** Who claims. */
export interface Owner {
  readonly schema: string;
  readonly pipeline: string;
  /** The pipeline whose rebuild number is taken over: itself, or the live one beside which it is a backfill. */
  readonly rebuildOf: string;
  readonly sink: string;
  readonly pipelineHash: string;
}

export interface Claims {
  readonly byPartition: ReadonlyMap<Partition, Claim>;
  /** The partitions that have a position. */
  readonly positions: ReadonlyMap<Partition, number>;
  readonly rebuild: number;
}

interface ClaimRow {
  cluster: string;
  topic_id: string;
  partition: number;
  id: string;
  owner_epoch: string;
  log: string;
  position: string | null;
  rebuild: string;
}

/** Raises the owner epoch of every partition in one statement. From here on a former owner's write fails. */
export async function claimPartitions(client: Client, owner: Owner, partitions: readonly Partition[]): Promise<Claims> {
  const positions = ownTable(owner.schema, 'positions');
  const logs = ownTable(owner.schema, 'logs');
  const lists = [
    partitions.map(({ cluster }) => cluster),
    partitions.map(({ topicId }) => topicId),
    partitions.map(({ partition }) => partition),
  ];
  await refuseOtherLogs(client, owner, partitions);
  await client.query(
    `INSERT INTO ${logs} (cluster, topic_id, partition)
     SELECT p.* FROM unnest($1::text[], $2::text[], $3::int[]) AS p(cluster, topic_id, partition)
      WHERE NOT EXISTS (SELECT FROM ${logs} l WHERE (l.cluster, l.topic_id, l.partition) = (p.cluster, p.topic_id, p.partition))
      ORDER BY 1, 2, 3
     ON CONFLICT DO NOTHING`,
    lists,
  );
  const { rows } = await client.query<ClaimRow>(
    `INSERT INTO ${positions} AS t (cluster, pipeline, sink, topic_id, partition, topic, log, owner_epoch, pipeline_hash, rebuild)
     SELECT p.cluster, $4, $5, p.topic_id, p.partition, p.topic, l.id, 1, $6,
            coalesce((SELECT max(rebuild) FROM ${positions} WHERE pipeline = $4 AND sink = $5),
                     (SELECT max(rebuild) FROM ${positions} WHERE pipeline = $8 AND sink = $5), 0)
       FROM unnest($1::text[], $2::text[], $3::int[], $7::text[]) AS p(cluster, topic_id, partition, topic)
       JOIN ${logs} l USING (cluster, topic_id, partition)
      ORDER BY p.cluster, p.topic_id, p.partition
     ON CONFLICT (cluster, pipeline, sink, topic_id, partition) DO UPDATE
        SET owner_epoch = t.owner_epoch + 1, topic = excluded.topic, pipeline_hash = excluded.pipeline_hash, updated_at = now()
     RETURNING cluster, topic_id, partition, id, owner_epoch, log, position, rebuild`,
    [...lists, owner.pipeline, owner.sink, owner.pipelineHash, partitions.map(({ topic }) => topic), owner.rebuildOf],
  );
  const claims = new Map<Partition, Claim>();
  const stored = new Map<Partition, number>();
  let rebuild = 0;
  for (const row of rows) {
    const partition = partitions.find(
      (one) => one.cluster === row.cluster && one.topicId === row.topic_id && one.partition === row.partition,
    )!;
    const position = row.position === null ? null : Number(row.position);
    claims.set(partition, { id: row.id, ownerEpoch: row.owner_epoch, log: Number(row.log), position: position ?? 0 });
    if (position !== null) stored.set(partition, position);
    rebuild = Math.max(rebuild, Number(row.rebuild));
  }
  return { byPartition: claims, positions: stored, rebuild };
}

/**
 * A topic under whose name another log was written is not read on: its records would count as new ones. Files are read by
 * what they hold, and a new file under an old name is meant.
 */
async function refuseOtherLogs(client: Client, owner: Owner, partitions: readonly Partition[]): Promise<void> {
  const positions = ownTable(owner.schema, 'positions');
  const { rows } = await client.query<{ topic: string; position: string }>(
    `SELECT t.topic, sum(t.position) AS position
       FROM ${positions} t
       JOIN (SELECT DISTINCT * FROM unnest($3::text[], $4::text[], $5::text[])) AS p(cluster, topic, topic_id) USING (topic)
      WHERE t.pipeline = $1 AND t.sink = $2 AND t.position IS NOT NULL
        AND p.cluster <> 'file' AND (t.cluster, t.topic_id) <> (p.cluster, p.topic_id)
      GROUP BY t.topic, t.cluster, t.topic_id LIMIT 1`,
    [
      owner.pipeline,
      owner.sink,
      partitions.map(({ cluster }) => cluster),
      partitions.map(({ topic }) => topic),
      partitions.map(({ topicId }) => topicId),
    ],
  );
  const [other] = rows;
  if (other === undefined) return;
  const { topic, position } = other;
  throw new PipectlError(
    'topic_recreated',
    `${topic} is another topic of that name: ${owner.sink} has written ${position} records of one that was deleted, or lies in another cluster`,
  );
}

/** Locks the position rows, in one order for everyone. Read the answer with `readLocked`. */
export function lockPositions(schema: string, claims: readonly Claim[]): string {
  return (
    `SELECT id, owner_epoch, position FROM ${ownTable(schema, 'positions')} WHERE id IN (${claims.map(({ id }) => id).join(', ')}) ` +
    'ORDER BY cluster, pipeline, sink, topic_id, partition FOR UPDATE'
  );
}

/**
 * Stored positions by id of the row. Throws `Fenced` when one of them has a newer owner, is gone, or lies below what was
 * committed: a database that has gone back to an older state lacks the rows in between.
 */
export function readLocked(result: StatementResult, claims: readonly Claim[]): Map<string, number> {
  const stored = new Map<string, number>();
  const epochs = new Map<string, string | null>();
  for (const [id, epoch, position] of result.rows) {
    epochs.set(id!, epoch!);
    stored.set(id!, Number(position ?? 0));
  }
  for (const { id, ownerEpoch, position } of claims) {
    const epoch = epochs.get(id);
    if (epoch !== ownerEpoch) {
      throw new Fenced(
        epoch === undefined ? 'a position was removed' : `owner epoch ${ownerEpoch} was followed by ${epoch}`,
      );
    }
    if (stored.get(id)! < position)
      throw new GoneBack(
        `the database has gone back to an older state: position ${position} was committed, and it holds ${stored.get(id)}`,
      );
  }
  return stored;
}

/** Moves the positions of the partitions; never back. */
export function movePositions(
  schema: string,
  ranges: readonly OffsetRange[],
  claims: ReadonlyMap<Partition, Claim>,
): string {
  const moves = ranges.map(({ partition, to }) => `(${claims.get(partition)!.id}, ${to})`).join(', ');
  return (
    `UPDATE ${ownTable(schema, 'positions')} AS t SET position = greatest(t.position, m.to_offset), updated_at = now() ` +
    `FROM (VALUES ${moves}) AS m(id, to_offset) WHERE t.id = m.id`
  );
}

/** Hashes of other versions of the pipeline whose members moved a position of the sink in the last `seconds`. */
export async function otherVersions(client: Client, owner: Owner, seconds: number): Promise<string[]> {
  const { rows } = await client.query<{ hash: string }>(
    `SELECT DISTINCT pipeline_hash AS hash FROM ${ownTable(owner.schema, 'positions')}
      WHERE pipeline = $1 AND sink = $2 AND pipeline_hash <> $3 AND updated_at > now() - make_interval(secs => $4) ORDER BY 1`,
    [owner.pipeline, owner.sink, owner.pipelineHash, seconds],
  );
  return rows.map(({ hash }) => hash);
}
