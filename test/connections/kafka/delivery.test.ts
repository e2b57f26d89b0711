import { gzipSync } from 'node:zlib';
import { expect, test } from 'vitest';
import { Delivery, type Feed } from '../../../src/connections/kafka/delivery.ts';
import { FetchedPartition } from '../../../src/connections/kafka/fetched-partition.ts';

/** A batch of one record with offset `offset`, whose header `h` holds that many zeros. */
function gzipBatch(offset: number, headerBytes: number): Buffer {
  const length = (n: number) => {
    const bytes: number[] = [];
    let rest = n * 2; // zigzag
    for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) bytes.push((rest % 0x80) + 0x80);
    return Buffer.from([...bytes, rest]);
  };
  const body = Buffer.concat([
    Buffer.from([0, 0, 0, 1, 1, 2, 2, 0x68]),
    length(headerBytes),
    Buffer.alloc(headerBytes),
  ]);
  const records = gzipSync(Buffer.concat([length(body.length), body]));
  const header = Buffer.alloc(61);
  header.writeBigInt64BE(BigInt(offset), 0);
  header.writeInt32BE(61 - 12 + records.length, 8);
  header[16] = 2; // message format
  header.writeInt16BE(1, 21); // gzip
  header.writeBigInt64BE(-1n, 43); // no producer
  header.writeInt32BE(1, 57);
  return Buffer.concat([header, records]);
}

function delivering(bytesMax: number) {
  const partition = { cluster: 'c', topic: 't', topicId: 'i', partition: 0, source: 's' };
  const feed: Feed = { partition, fetched: 0, delivered: 0, end: 0, bound: null };
  const delivery = new Delivery(bytesMax, false);
  delivery.open([feed]);
  const fetched = (...sizes: readonly number[]) =>
    delivery.add(
      feed,
      new FetchedPartition('t', String(feed.fetched), {
        partition: 0,
        highWatermark: String(feed.fetched + sizes.length),
        messages: Buffer.concat(sizes.map((size, i) => gzipBatch(feed.fetched + i, size))),
      }),
    );
  return { delivery, fetched };
}

test('an epoch is bounded by what its batches are when they are decompressed', async () => {
  const { delivery, fetched } = delivering(1 << 20);
  fetched(600_000, 600_000, 600_000);
  const limits = { recordsMax: 100, bytesMax: 1_000_000 };
  const offsets: number[][] = [];
  for (let epoch = 0; epoch < 2; epoch++) {
    const event = await delivery.next(limits);
    if (event.kind !== 'records') throw new Error(event.kind);
    offsets.push(event.chunks.flatMap(({ records }) => records.map(({ offset }) => offset)));
  }
  expect(offsets).toEqual([[0, 1], [2]]);
});

test('a wait for room ends when somebody makes some, and when nobody waits any more', async () => {
  const { delivery, fetched } = delivering(100);
  fetched(10, 10);
  expect(delivery.full).toBe(true);
  const nobody = new AbortController();
  const abandoned = delivery.room(nobody.signal);
  nobody.abort();
  await abandoned;
  const awaited = delivery.room(new AbortController().signal);
  await delivery.next({ recordsMax: 100, bytesMax: 1000 });
  await awaited;
  expect(delivery.full).toBe(false);
});
