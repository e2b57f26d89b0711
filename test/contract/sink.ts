/**
 * What every sink must do, whatever it writes to. A sink's own test calls `sinkContract` with a harness that makes sinks on
 * a fresh destination and reads back what is visible there.
 */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import {
  type EventRecord,
  Fenced,
  type Partition,
  type Sink,
  type SinkBatch,
  type WriteResult,
} from '../../src/engine/ports.ts';

export interface SinkHarness {
  /** One more sink of the same pipeline and name on the same destination, as another member would have it; not open. */
  newSink(): Promise<Sink>;
  /** An event with these values; `id` is the key where the sink has one. */
  event(id: number, text: string): unknown;
  /** An event the destination refuses for good, found out only by writing; null where there is none. */
  poison(id: number): unknown;
  /** What a reader sees now, as `id:text`, in the order of ids. */
  visible(): Promise<readonly string[]>;
  /** A newer owner ends the writes of a former one. */
  readonly fences: boolean;
  /** Removes the destination. */
  close(): Promise<void>;
}

export const partitionOf = (partition: number, topicId = 'topic-id-1'): Partition => ({
  cluster: 'cluster-1',
  topic: 'orders',
  topicId,
  partition,
  source: 'orders',
});

export const recordOf = (partition: Partition, offset: number, event: unknown): EventRecord => ({
  event,
  raw: { offset, timestampMs: 1_700_000_000_000 + offset, key: null, value: null, headers: undefined },
  partition,
  element: '',
  key: null,
  meta: null,
});

/** A batch of one partition: consecutive events from offset `from`. */
export function batchOf(partition: Partition, from: number, events: readonly unknown[]): SinkBatch {
  return {
    records: events.map((event, i) => recordOf(partition, from + i, event)),
    ranges: [{ partition, from, to: from + events.length }],
  };
}

/** The whole way of a batch. */
export async function deliver(sink: Sink, batch: SinkBatch): Promise<WriteResult> {
  const result = await sink.write(sink.prepare(batch), Number.POSITIVE_INFINITY);
  await sink.commit();
  return result;
}

const counts = ({ rejected, ...rest }: WriteResult) => ({ ...rest, rejected: rejected.length });
const none = { written: 0, supersededInBatch: 0, skippedOffset: 0, skippedVersion: 0, rejected: 0 };

export function sinkContract(name: string, newHarness: () => Promise<SinkHarness>): void {
  describe(`${name} keeps the contract of a sink`, () => {
    let harness: SinkHarness;
    let opened: Sink[];
    const partition = partitionOf(0);

    beforeEach(async () => {
      harness = await newHarness();
      opened = [];
    });
    afterEach(async () => {
      await Promise.all(opened.map((sink) => sink.close()));
      await harness.close();
    });

    /** A member that has just been given `partition`. */
    async function member(): Promise<{ sink: Sink; position: number | undefined }> {
      const sink = await harness.newSink();
      opened.push(sink);
      await sink.open();
      const positions = await sink.claim([partition]);
      return { sink, position: positions.get(partition) };
    }
    const events = (...ids: number[]): unknown[] => ids.map((id) => harness.event(id, `text ${id}`));

    test('rows are visible after the commit and not before', async () => {
      const { sink, position } = await member();
      expect(position).toBeUndefined();
      const result = await sink.write(sink.prepare(batchOf(partition, 0, events(1, 2, 3))), Number.POSITIVE_INFINITY);
      expect(counts(result)).toEqual({ ...none, written: 3 });
      if (sink.storesPositions) expect(await harness.visible()).toEqual([]);
      await sink.commit();
      expect(await harness.visible()).toEqual(['1:text 1', '2:text 2', '3:text 3']);
    });

    test('the next batch may be prepared while the former one is open', async () => {
      const { sink } = await member();
      await sink.write(sink.prepare(batchOf(partition, 0, events(1))), Number.POSITIVE_INFINITY);
      const next = sink.prepare(batchOf(partition, 1, events(2)));
      await sink.commit();
      expect(counts(await sink.write(next, Number.POSITIVE_INFINITY))).toEqual({ ...none, written: 1 });
      await sink.commit();
      expect(await harness.visible()).toEqual(['1:text 1', '2:text 2']);
    });

    test('a poison record in the middle of a batch is rejected alone, with its reason', async ({ skip }) => {
      if (harness.poison(3) === null) skip('nothing is refused here');
      const { sink } = await member();
      const batch = batchOf(partition, 0, [...events(1, 2), harness.poison(3), ...events(4, 5)]);
      const result = await deliver(sink, batch);
      expect(counts(result)).toEqual({ ...none, written: 4, rejected: 1 });
      expect(result.rejected[0]!.record).toBe(batch.records[2]);
      expect(result.rejected[0]!.message.length).toBeGreaterThan(10);
      expect(await harness.visible()).toEqual(['1:text 1', '2:text 2', '4:text 4', '5:text 5']);
    });

    test('rollback undoes a write, and the same prepared batch can be written again', async () => {
      const { sink } = await member();
      if (!sink.storesPositions) return;
      const prepared = sink.prepare(batchOf(partition, 0, events(1, 2)));
      await sink.write(prepared, Number.POSITIVE_INFINITY);
      await sink.rollback();
      expect(await harness.visible()).toEqual([]);
      expect(counts(await sink.write(prepared, Number.POSITIVE_INFINITY))).toEqual({ ...none, written: 2 });
      await sink.commit();
      expect(await harness.visible()).toEqual(['1:text 1', '2:text 2']);
    });

    test('the stored position is where the last committed batch ended', async () => {
      const { sink } = await member();
      if (!sink.storesPositions) return;
      await deliver(sink, batchOf(partition, 10, events(1, 2)));
      expect((await member()).position).toBe(12);
    });

    test('an empty batch still moves the position', async () => {
      const { sink } = await member();
      if (!sink.storesPositions) return;
      const result = await deliver(sink, { records: [], ranges: [{ partition, from: 0, to: 7 }] });
      expect(counts(result)).toEqual(none);
      expect((await member()).position).toBe(7);
    });

    test('a batch that is written again after its commit was lost changes nothing', async () => {
      const { sink } = await member();
      if (!sink.storesPositions) return;
      const prepared = sink.prepare(batchOf(partition, 0, events(1, 2)));
      await sink.write(prepared, Number.POSITIVE_INFINITY);
      await sink.commit();
      // The member never learns of the commit: it tries the very same batch again.
      expect(counts(await sink.write(prepared, Number.POSITIVE_INFINITY))).toEqual({ ...none, skippedOffset: 2 });
      await sink.commit();
      expect(await harness.visible()).toEqual(['1:text 1', '2:text 2']);
    });

    test('records below the position are skipped, those above are written', async () => {
      const first = await member();
      if (!first.sink.storesPositions) return;
      await deliver(first.sink, batchOf(partition, 0, events(1, 2)));
      const { sink } = await member();
      const result = await deliver(sink, batchOf(partition, 0, events(1, 2, 3, 4)));
      expect(counts(result)).toEqual({ ...none, written: 2, skippedOffset: 2 });
      expect(await harness.visible()).toEqual(['1:text 1', '2:text 2', '3:text 3', '4:text 4']);
    });

    test('a former owner is refused once a newer one has claimed the partition', async ({ skip }) => {
      if (!harness.fences) skip('this sink can not refuse a former owner');
      const former = await member();
      await deliver(former.sink, batchOf(partition, 0, events(1)));
      const newer = await member();
      await expect(
        former.sink.write(former.sink.prepare(batchOf(partition, 1, events(2))), Number.POSITIVE_INFINITY),
      ).rejects.toBeInstanceOf(Fenced);
      await former.sink.rollback();
      expect(await harness.visible()).toEqual(['1:text 1']);
      await deliver(newer.sink, batchOf(partition, 1, events(3)));
      expect(await harness.visible()).toEqual(['1:text 1', '3:text 3']);
    });

    test('closing in the middle of a batch leaves nothing of it', async () => {
      const { sink } = await member();
      if (!sink.storesPositions) return;
      await sink.write(sink.prepare(batchOf(partition, 0, events(1))), Number.POSITIVE_INFINITY);
      await sink.close();
      expect(await harness.visible()).toEqual([]);
      expect((await member()).position).toBeUndefined();
    });
  });
}
