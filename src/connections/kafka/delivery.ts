/**
 * What a Kafka source has fetched and not yet given to the engine. Batches wait as bytes and are decoded when they are
 * taken, so memory is what was fetched, and what a rebalance throws away was never decoded.
 */
import { SourceFailed, type Assignment, type Chunk, type GatherLimits } from '../../engine/ports.ts';
import type { Partition, RawRecord, SourceEvent } from '../../engine/ports.ts';
import type { FetchedPartition } from './fetched-partition.ts';
import type { FetchedRecord, RecordBatch } from './record-batch.ts';

/** One partition in one generation. */
export interface Feed {
  readonly partition: Partition;
  /** Next offset to fetch. */
  fetched: number;
  /** Next offset to give to the engine. */
  delivered: number;
  /** Offset up to which the log can be read, as last seen. */
  end: number;
  /** Reading stops here (`--until-end`); null: never. */
  readonly bound: number | null;
}

interface Entry {
  readonly feed: Feed;
  /** Null: nothing but a gap, of transaction markers or aborted records. */
  readonly batch: RecordBatch | null;
  readonly from: number;
  readonly nextOffset: number;
  /** Memory it holds: as it was fetched, and from its decoding on what that made of it. */
  bytes: number;
  records: readonly FetchedRecord[] | null;
  taken: number;
}

interface GatheredChunk extends Chunk {
  readonly records: RawRecord[];
  nextOffset: number;
  bytes: number;
}

interface Waiter {
  readonly limits: GatherLimits;
  readonly resolve: (event: SourceEvent) => void;
  readonly reject: (error: SourceFailed) => void;
}

export class Delivery {
  readonly #bytesMax: number;
  readonly #bounded: boolean;
  #generation = 0;
  /** Empty until the engine has answered. */
  #feeds: readonly Feed[] = [];
  #open = false;
  #announced: Assignment | null = null;
  #entries: (Entry | undefined)[] = [];
  #head = 0;
  #bytes = 0;
  #waiter: Waiter | null = null;
  #waking = false;
  #ended = false;
  #failure: SourceFailed | null = null;
  readonly #roomWaiters = new Set<() => void>();

  /** `bounded`: the source stops at the end offsets seen at start. */
  constructor(bytesMax: number, bounded: boolean) {
    this.#bytesMax = bytesMax;
    this.#bounded = bounded;
  }

  /** Forgets what belongs to the former generation. Nothing is delivered until `announce` and `open`. */
  reset(generation: number): void {
    this.#generation = generation;
    this.#feeds = [];
    this.#open = false;
    this.#announced = null;
    this.#entries = [];
    this.#head = 0;
    this.#bytes = 0;
    this.#releaseRoom();
  }

  announce(assignment: Assignment): void {
    this.#announced = assignment;
    this.#wake();
  }

  open(feeds: readonly Feed[]): void {
    this.#feeds = feeds;
    this.#open = true;
    this.#wake();
  }

  get feeds(): readonly Feed[] {
    return this.#feeds;
  }

  /** Takes what a fetch brought at `feed.fetched` and moves it on. */
  add(feed: Feed, fetched: FetchedPartition): void {
    feed.end = fetched.end;
    if (fetched.nextOffset <= feed.fetched) return;
    const last = fetched.batches.length - 1;
    const from = feed.fetched;
    for (const [index, batch] of fetched.batches.entries()) {
      // The gap after the last batch belongs to it, so that the position passes transaction markers with it.
      const nextOffset = index === last ? fetched.nextOffset : batch.nextOffset;
      this.#entries.push({ feed, batch, from, nextOffset, bytes: batch.bytes, records: null, taken: 0 });
      this.#bytes += batch.bytes;
    }
    if (last < 0) {
      const { nextOffset } = fetched;
      this.#entries.push({ feed, batch: null, from, nextOffset, bytes: 0, records: null, taken: 0 });
    }
    feed.fetched = fetched.nextOffset;
    this.#wake();
  }

  get full(): boolean {
    return this.#bytes >= this.#bytesMax;
  }

  /** Resolves when the engine has taken something, everything was thrown away, or nobody waits any more. */
  room(signal: AbortSignal): Promise<void> {
    if (!this.full || signal.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      const release = () => {
        this.#roomWaiters.delete(release);
        signal.removeEventListener('abort', release);
        resolve();
      };
      this.#roomWaiters.add(release);
      signal.addEventListener('abort', release);
    });
  }

  next(limits: GatherLimits): Promise<SourceEvent> {
    return new Promise((resolve, reject) => {
      this.#waiter = { limits, resolve, reject };
      this.#settle();
    });
  }

  fail(failure: SourceFailed): void {
    this.#failure ??= failure;
    this.#settle();
  }

  end(): void {
    this.#ended = true;
    this.#releaseRoom();
    this.#settle();
  }

  /** Later in this turn of the event loop, so that all partitions of one fetch go into one epoch. */
  #wake(): void {
    if (this.#waking || this.#waiter === null) return;
    this.#waking = true;
    setImmediate(() => {
      this.#waking = false;
      this.#settle();
    });
  }

  #settle(): void {
    const waiter = this.#waiter;
    if (waiter === null) return;
    const event = this.#failure === null ? this.#event(waiter.limits) : null;
    if (event === null && this.#failure === null) return;
    this.#waiter = null;
    if (this.#failure !== null) waiter.reject(this.#failure);
    else waiter.resolve(event!);
  }

  #event(limits: GatherLimits): SourceEvent | null {
    if (this.#ended) return { kind: 'ended' };
    if (this.#announced !== null) {
      const assignment = this.#announced;
      this.#announced = null;
      return { kind: 'assigned', assignment };
    }
    if (!this.#open) return null;
    if (this.#head < this.#entries.length) return this.#records(limits);
    const complete = this.#feeds.every(({ delivered, bound }) => bound !== null && delivered >= bound);
    // Without partitions only a bounded source is at its end: others may be given some later.
    return complete && (this.#feeds.length > 0 || this.#bounded) ? { kind: 'ended' } : null;
  }

  #records(limits: GatherLimits): SourceEvent | null {
    try {
      return { kind: 'records', generation: this.#generation, chunks: this.#take(limits) };
    } catch (error) {
      this.#failure = new SourceFailed('kafka_batch_unreadable', (error as Error).message, { cause: error });
      return null;
    }
  }

  #take({ recordsMax, bytesMax }: GatherLimits): Chunk[] {
    const chunks = new Map<Feed, GatheredChunk>();
    let count = 0;
    let bytes = 0;
    /** A record keeps the whole batch it came in. */
    let held = 0;
    while (this.#head < this.#entries.length && count < recordsMax && bytes < bytesMax && held < bytesMax) {
      const entry = this.#entries[this.#head]!;
      const { feed } = entry;
      const { bound } = feed;
      const records = (entry.records ??= this.#decode(entry));
      held += entry.bytes;
      let chunk = chunks.get(feed);
      if (chunk === undefined) {
        chunk = { partition: feed.partition, records: [], nextOffset: feed.delivered, bytes: 0 };
        chunks.set(feed, chunk);
      }
      const before = chunk.bytes;
      let index = entry.taken;
      for (; index < records.length && count < recordsMax && bytes + chunk.bytes - before < bytesMax; index++) {
        const record = records[index]!;
        if (bound !== null && record.offset >= bound) {
          index = records.length;
          break;
        }
        chunk.records.push(record);
        chunk.bytes += record.bytes;
        count++;
      }
      bytes += chunk.bytes - before;
      entry.taken = index;
      if (index < records.length) chunk.nextOffset = records[index - 1]!.offset + 1;
      else {
        chunk.nextOffset = bound === null ? entry.nextOffset : Math.min(entry.nextOffset, bound);
        this.#bytes -= entry.bytes;
        // Let go of the bytes and records at once; the list itself is cut now and then.
        this.#entries[this.#head++] = undefined;
      }
      feed.delivered = chunk.nextOffset;
    }
    if (this.#head === this.#entries.length || this.#head > 1024) {
      this.#entries = this.#entries.slice(this.#head);
      this.#head = 0;
    }
    if (!this.full) this.#releaseRoom();
    return [...chunks.values()];
  }

  #decode(entry: Entry): readonly FetchedRecord[] {
    if (entry.batch === null) return [];
    const records = entry.batch.records(entry.from);
    this.#bytes += entry.batch.heldBytes - entry.bytes;
    entry.bytes = entry.batch.heldBytes;
    return records;
  }

  #releaseRoom(): void {
    for (const release of this.#roomWaiters) release();
  }
}
