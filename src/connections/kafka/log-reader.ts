/** Reads partitions without a consumer group: for dead letters, lag in seconds and `--dry-run`. */
import type { RawRecord } from '../../engine/ports.ts';
import { FetchedPartition } from './fetched-partition.ts';
import type { Broker, Cluster } from './kafkajs.ts';

const readCommitted = 1;
const fetchWaitMs = 250;
const fetchBytesMax = 16 * 1024 * 1024;
const partitionBytesMax = 1024 * 1024;
const firstBatchBytes = 16 * 1024;

/** https://kafka.apache.org/protocol: the key of Fetch. */
const fetchKey = 1;

const opening = new WeakMap<Broker['connectionPool'], Promise<unknown>>();

/**
 * kafkajs opens its connection for fetches with the first fetch. Two at the same time would open two, of which one is
 * never closed and keeps the process alive.
 */
function openedForFetches({ connectionPool }: Broker): Promise<unknown> {
  const underWay = opening.get(connectionPool);
  if (underWay !== undefined) return underWay;
  const opened = connectionPool
    .getConnectionByRequest({ request: { apiKey: fetchKey } })
    .finally(() => opening.delete(connectionPool));
  opening.set(connectionPool, opened);
  return opened;
}

/** What to read of a topic. Reading ends at the end offsets seen when it began. */
export interface TopicRead {
  /** Skips records with an older timestamp as far as the broker's time index can tell. Default: everything. */
  readonly fromTimestampMs?: number;
  /** Called in offset order within a partition; reading goes on when it resolves. Return false to stop reading. */
  readonly onRecord: (record: RawRecord, partition: number) => boolean | void | Promise<boolean | void>;
  readonly signal?: AbortSignal;
}

/** Offsets `[from, to)` of one partition. */
export interface OffsetSpan {
  readonly partition: number;
  readonly from: number;
  readonly to: number;
}

/** Fetches once from every partition that has a position, all brokers at the same time. */
export async function fetchOnce(
  cluster: Cluster,
  topic: string,
  positions: ReadonlyMap<number, number>,
  bytesMax: number = partitionBytesMax,
): Promise<FetchedPartition[]> {
  const leaders = cluster.findLeaderForPartitions(topic, [...positions.keys()]);
  const answers = await Promise.all(
    Object.entries(leaders).map(async ([nodeId, led]) => {
      const broker = await cluster.findBroker({ nodeId: Number(nodeId) });
      await openedForFetches(broker);
      const { responses } = await broker.fetch({
        maxWaitTime: fetchWaitMs,
        minBytes: 1,
        maxBytes: fetchBytesMax,
        isolationLevel: readCommitted,
        topics: [
          {
            topic,
            partitions: led.map((partition) => ({
              partition,
              fetchOffset: String(positions.get(partition)),
              maxBytes: bytesMax,
            })),
          },
        ],
      });
      return responses.flatMap(({ partitions }) =>
        partitions.map((data) => new FetchedPartition(topic, String(positions.get(data.partition)), data)),
      );
    }),
  );
  return answers.flat();
}

/** Reads every span of a topic. Rejects with what `onRecord` or the client throws. */
export async function readToEnd(
  cluster: Cluster,
  topic: string,
  spans: readonly OffsetSpan[],
  { onRecord, signal }: TopicRead,
): Promise<void> {
  const ends = new Map(spans.map(({ partition, to }) => [partition, to]));
  const positions = new Map(spans.filter(({ from, to }) => from < to).map(({ partition, from }) => [partition, from]));
  for (;;) {
    if (positions.size === 0 || signal?.aborted) return;
    for (const fetched of await fetchOnce(cluster, topic, positions)) {
      const { partition, nextOffset } = fetched;
      const end = ends.get(partition)!;
      for (const record of recordsOf(fetched, end)) {
        if (signal?.aborted || (await onRecord(record, partition)) === false) return;
      }
      if (nextOffset >= end) positions.delete(partition);
      else positions.set(partition, nextOffset);
    }
  }
}

/**
 * The first record of each span; null where a span has none. All partitions in one fetch, a few kilobytes of each: a
 * partition whose first batch is larger comes with a later fetch that allows more.
 */
export async function readFirst(
  cluster: Cluster,
  topic: string,
  spans: readonly OffsetSpan[],
): Promise<ReadonlyMap<number, RawRecord | null>> {
  const found = new Map<number, RawRecord | null>(spans.map(({ partition }) => [partition, null]));
  const ends = new Map(spans.map(({ partition, to }) => [partition, to]));
  const positions = new Map(spans.filter(({ from, to }) => from < to).map(({ partition, from }) => [partition, from]));
  for (let bytesMax = firstBatchBytes; positions.size > 0; bytesMax = Math.min(bytesMax * 8, partitionBytesMax)) {
    for (const fetched of await fetchOnce(cluster, topic, positions, bytesMax)) {
      const { partition, nextOffset } = fetched;
      const end = ends.get(partition)!;
      const { value: record } = recordsOf(fetched, end).next();
      if (record !== undefined) found.set(partition, record);
      if (record !== undefined || nextOffset >= end) positions.delete(partition);
      else positions.set(partition, nextOffset);
    }
  }
  return found;
}

function* recordsOf(fetched: FetchedPartition, end: number): Generator<RawRecord, undefined> {
  const from = Number(fetched.fetchedOffset);
  for (const batch of fetched.batches) {
    for (const record of batch.records(from)) if (record.offset < end) yield record.plain;
  }
}
