/**
 * What a fetch brought of one partition. Stands in for kafkajs' `Batch` (see `kafkajs.ts`) and serves reads without a
 * group: record batches as bytes, without those of aborted transactions.
 */
import { splitRecordSet, type RecordBatch } from './record-batch.ts';

/** One partition of kafkajs' fetch response, with `messages` as `kafkajs.ts` leaves them. */
export interface FetchedPartitionData {
  readonly partition: number;
  readonly highWatermark: string;
  /** -1 where the broker is too old to say. */
  readonly lastStableOffset?: string;
  readonly abortedTransactions?: readonly { readonly producerId: string; readonly firstOffset: string }[] | null;
  readonly messages: Buffer;
}

export class FetchedPartition {
  readonly topic: string;
  readonly partition: number;
  readonly fetchedOffset: string;
  readonly highWatermark: string;
  /** Committed data only, in offset order. The first batch may begin below the fetched offset. */
  readonly batches: readonly RecordBatch[];
  /** Where the next fetch goes on. Equal to the fetched offset when there was nothing. */
  readonly nextOffset: number;
  /** Offset up to which the log can be read. */
  readonly end: number;
  readonly bytes: number;
  /** kafkajs looks for the last record of an own batch here. */
  readonly messages: readonly never[] = [];

  constructor(topic: string, fetchedOffset: string, data: FetchedPartitionData) {
    this.topic = topic;
    this.partition = data.partition;
    this.fetchedOffset = fetchedOffset;
    this.highWatermark = data.highWatermark;
    const stable = Number(data.lastStableOffset ?? -1);
    this.end = stable >= 0 ? stable : Number(data.highWatermark);
    const position = Number(fetchedOffset);
    // A compressed batch is sent whole, so that all of one may lie before the position.
    const batches = splitRecordSet(data.messages).filter((batch) => batch.nextOffset > position);
    this.nextOffset = batches.at(-1)?.nextOffset ?? position;
    this.batches = committed(batches, data.abortedTransactions ?? []).filter((batch) => !batch.control);
    this.bytes = data.messages.length;
  }

  /** Never true: an empty answer tells the end of the log, which the source wants to know. */
  isEmpty(): boolean {
    return false;
  }

  isEmptyDueToFiltering(): boolean {
    return false;
  }

  firstOffset(): string {
    return this.fetchedOffset;
  }

  lastOffset(): string {
    return String(this.nextOffset - 1);
  }

  offsetLag(): string {
    return String(Number(this.highWatermark) - this.nextOffset);
  }

  offsetLagLow(): string {
    return String(Number(this.highWatermark) - Number(this.fetchedOffset));
  }
}

/**
 * Leaves out the batches of aborted transactions: a producer's transactional batches from `firstOffset` on, up to its
 * abort marker (KIP-98, "Consumer: reading committed data").
 */
function committed(
  batches: readonly RecordBatch[],
  aborted: readonly { readonly producerId: string; readonly firstOffset: string }[],
): readonly RecordBatch[] {
  if (aborted.length === 0) return batches;
  const coming = aborted
    .map(({ producerId, firstOffset }) => ({ producerId: BigInt(producerId), firstOffset: Number(firstOffset) }))
    .sort((a, b) => a.firstOffset - b.firstOffset);
  const aborting = new Set<bigint>();
  return batches.filter((batch) => {
    while (coming[0] !== undefined && coming[0].firstOffset < batch.nextOffset)
      aborting.add(coming.shift()!.producerId);
    if (batch.abortMarker) aborting.delete(batch.producerId);
    return !(batch.transactional && aborting.has(batch.producerId));
  });
}
