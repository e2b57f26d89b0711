/** The positions of one sink as `rewind` and `destroy` see them. */
import type { Client } from 'pg';
import {
  connect,
  end,
  isTransient,
  type PostgresOptions,
  quoteIdentifier,
  reasonOf,
} from '../../connections/postgres/client.ts';
import type { RuntimeContext } from '../../declaration/component.ts';
import {
  isReplaced,
  type PositionTarget,
  readsAgain,
  type SinkPositions,
  type StoredPosition,
} from '../../declaration/positions.ts';
import { SinkUnavailable } from '../../engine/ports.ts';
import { exitCodes, PipectlError } from '../../errors.ts';
import type { PostgresSinkOptions } from './index.ts';
import { ensureOwnTables, ownTable } from './own-tables.ts';

/** Longer than a frozen owner keeps its locks (`idle_transaction_timeout`, default 25 s). */
const lockTimeoutMs = 30_000;

interface PositionRow {
  readonly id: string;
  readonly cluster: string;
  readonly topic: string;
  readonly topic_id: string;
  readonly partition: number;
  readonly position: string | null;
  readonly owner_epoch: string;
  readonly rebuild: string;
  readonly pipeline_hash: string;
  readonly updated_at: Date;
}

export class PostgresPositions implements SinkPositions {
  readonly appends: boolean;
  readonly kept: SinkPositions['kept'];
  readonly #context: RuntimeContext;
  readonly #connection: PostgresOptions;
  readonly #schema: string;
  readonly #owner: readonly [pipeline: string, sink: string];
  #client: Client | null = null;

  constructor(options: PostgresSinkOptions & { readonly connection?: string }, context: RuntimeContext) {
    this.appends = options.mode === 'append';
    this.#context = context;
    this.#connection = context.connection('postgres', options.connection);
    this.#schema = options.guard?.schema ?? 'pipectl';
    this.#owner = [context.pipeline, context.name];
    this.kept =
      options.guard?.versions === 'side'
        ? {
            subject: `versions of table ${options.table}`,
            message: `in ${this.#schema}.versions: they belong to the rows, which stay, and to whatever else writes the table`,
          }
        : null;
  }

  list(): Promise<readonly StoredPosition[]> {
    return this.#asking('reading the positions', async (client) => {
      if (!(await this.#isThere(client))) return [];
      return (await this.#rows(client)).map(storedPosition);
    });
  }

  move(targets: readonly PositionTarget[]): Promise<void> {
    return this.#asking('moving the positions', async (client) => {
      await ensureOwnTables(client, this.#schema);
      await inTransaction(client, () => this.#move(client, targets));
    });
  }

  remove(): Promise<void> {
    return this.#asking('removing the positions', async (client) => {
      if (!(await this.#isThere(client))) return;
      await inTransaction(client, async () => {
        // Rows of a rebuild are above all without one. What a later pipeline of this name writes must not be below them.
        await client.query(
          `UPDATE ${this.#positions} SET position = NULL, rebuild = rebuild + 1, owner_epoch = owner_epoch + 1, updated_at = now()
            WHERE pipeline = $1 AND sink = $2 AND rebuild > 0`,
          [...this.#owner],
        );
        await client.query(`DELETE FROM ${this.#positions} WHERE pipeline = $1 AND sink = $2 AND rebuild = 0`, [
          ...this.#owner,
        ]);
        // A former version of the program had none.
        const replays = ownTable(this.#schema, 'replays');
        const { rows } = await client.query<{ there: boolean }>('SELECT to_regclass($1) IS NOT NULL AS there', [
          replays,
        ]);
        if (rows[0]!.there)
          await client.query(`DELETE FROM ${replays} WHERE pipeline = $1 AND sink = $2`, [...this.#owner]);
      });
    });
  }

  async close(): Promise<void> {
    const client = this.#client;
    this.#client = null;
    if (client !== null) await end(client);
  }

  async #move(client: Client, targets: readonly PositionTarget[]): Promise<void> {
    const positions = this.#positions;
    const logs = `${quoteIdentifier(this.#schema)}.logs`;
    const rows = await this.#rows(client, 'FOR UPDATE');
    const stored = rows.map(storedPosition);
    const replaced = rows.filter((_, i) => targets.some(({ partition }) => isReplaced(stored[i]!, partition)));
    const former = Math.max(0, ...stored.map(({ rebuild }) => rebuild));
    const rebuild = readsAgain(stored, targets) ? former + 1 : former;
    const partitions = targets.map(({ partition }) => partition);
    const lists = [
      partitions.map(({ cluster }) => cluster),
      partitions.map(({ topicId }) => topicId),
      partitions.map(({ partition }) => partition),
    ];
    await client.query(`DELETE FROM ${positions} WHERE id = ANY($1::bigint[])`, [replaced.map(({ id }) => id)]);
    await client.query(
      `INSERT INTO ${logs} (cluster, topic_id, partition)
       SELECT * FROM unnest($1::text[], $2::text[], $3::int[]) ORDER BY 1, 2, 3 ON CONFLICT DO NOTHING`,
      lists,
    );
    await client.query(
      `INSERT INTO ${positions} AS t (cluster, pipeline, sink, topic_id, partition, topic, log, position, owner_epoch, pipeline_hash)
       SELECT p.cluster, $4, $5, p.topic_id, p.partition, p.topic, l.id, p.position, 0, $6
         FROM unnest($1::text[], $2::text[], $3::int[], $7::text[], $8::bigint[]) AS p(cluster, topic_id, partition, topic, position)
         JOIN ${logs} l USING (cluster, topic_id, partition)
        ORDER BY p.cluster, p.topic_id, p.partition
       ON CONFLICT (cluster, pipeline, sink, topic_id, partition) DO UPDATE
          SET position = excluded.position, topic = excluded.topic`,
      [
        ...lists,
        ...this.#owner,
        this.#context.pipelineHash,
        partitions.map(({ topic }) => topic),
        targets.map(({ position }) => position),
      ],
    );
    // Every partition of the sink: a key may have moved between them, and its rows must stay comparable.
    await client.query(
      `UPDATE ${positions} SET rebuild = $3, owner_epoch = owner_epoch + 1, updated_at = now() WHERE pipeline = $1 AND sink = $2`,
      [...this.#owner, rebuild],
    );
  }

  get #positions(): string {
    return `${quoteIdentifier(this.#schema)}.positions`;
  }

  async #isThere(client: Client): Promise<boolean> {
    const { rows } = await client.query<{ there: boolean }>('SELECT to_regclass($1) IS NOT NULL AS there', [
      this.#positions,
    ]);
    return rows[0]!.there;
  }

  /** In the order in which a writing sink locks them. */
  async #rows(client: Client, lock: 'FOR UPDATE' | '' = ''): Promise<readonly PositionRow[]> {
    const { rows } = await client.query<PositionRow>(
      `SELECT id, cluster, topic, topic_id, partition, position, owner_epoch, rebuild, pipeline_hash, updated_at
         FROM ${this.#positions} WHERE pipeline = $1 AND sink = $2
        ORDER BY cluster, pipeline, sink, topic_id, partition ${lock}`,
      [...this.#owner],
    );
    return rows;
  }

  async #asking<T>(doing: string, ask: (client: Client) => Promise<T>): Promise<T> {
    const { name, pipeline } = this.#context;
    try {
      this.#client ??= await connect(this.#connection, {
        applicationName: `pipectl/${pipeline}/${name}`.slice(0, 63),
        statementTimeoutMs: lockTimeoutMs + 10_000,
        lockTimeoutMs,
        idleInTransactionTimeoutMs: 10_000,
      });
      return await ask(this.#client);
    } catch (error) {
      if (error instanceof PipectlError) throw error;
      const isAway = error instanceof SinkUnavailable || isTransient(error);
      const reason = error instanceof SinkUnavailable ? error.message : reasonOf(error);
      throw new PipectlError(isAway ? 'sink_unavailable' : 'sink_failed', `${doing} of sink ${name}: ${reason}`, {
        cause: error,
        exitCode: isAway ? exitCodes.unreachable : exitCodes.failed,
      });
    }
  }
}

async function inTransaction(client: Client, work: () => Promise<void>): Promise<void> {
  await client.query('BEGIN');
  try {
    await work();
    await client.query('COMMIT');
  } catch (error) {
    await client.query('ROLLBACK').catch(() => undefined);
    throw error;
  }
}

const storedPosition = (row: PositionRow): StoredPosition => ({
  cluster: row.cluster,
  topic: row.topic,
  topicId: row.topic_id,
  partition: row.partition,
  position: row.position === null ? null : Number(row.position),
  ownerEpoch: Number(row.owner_epoch),
  rebuild: Number(row.rebuild),
  pipelineHash: row.pipeline_hash,
  updatedAtMs: row.updated_at.getTime(),
});
