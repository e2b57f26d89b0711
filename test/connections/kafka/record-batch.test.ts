import { createRequire } from 'node:module';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { FetchedPartition } from '../../../src/connections/kafka/fetched-partition.ts';
import { splitRecordSet } from '../../../src/connections/kafka/record-batch.ts';

const load = createRequire(import.meta.url);

interface BatchOptions {
  compression?: number;
  firstOffset?: number | string;
  firstTimestamp?: number | string;
  maxTimestamp?: number | string;
  lastOffsetDelta?: number;
  producerId?: number;
  transactional?: boolean;
  records: readonly { buffer: Buffer }[];
}
interface Original {
  offset: string;
  timestamp: string;
  key: Buffer | null;
  value: Buffer | null;
  headers: Record<string, Buffer | Buffer[]>;
}

// The originals, loaded by their own paths: what `kafkajs.ts` replaces lies above them.
const { RecordBatch: encodeBatch } = load('kafkajs/src/protocol/recordBatch/v0') as {
  RecordBatch: (options: BatchOptions) => Promise<{ buffer: Buffer }>;
};
const encodeRecord = load('kafkajs/src/protocol/recordBatch/record/v0') as (record: object) => { buffer: Buffer };
const decodeOriginal = load('kafkajs/src/protocol/recordBatch/v0/decoder') as (decoder: object) => Promise<{
  records: Original[];
}>;
const Decoder = load('kafkajs/src/protocol/decoder') as new (bytes: Buffer) => object;

const bytes = fc.uint8Array({ maxLength: 300 }).map((array) => Buffer.from(array));
const record = fc.record({
  offsetDelta: fc.nat(3),
  timestampDelta: fc.oneof(fc.integer({ min: -5000, max: 1_000_000 }), fc.integer({ min: 0, max: 2 ** 40 })),
  key: fc.option(bytes),
  value: fc.option(bytes),
  headers: fc.dictionary(
    // kafkajs mixes headers called `valueOf` and the like up with what every object has: see below.
    fc.string({ minLength: 1, maxLength: 9 }).filter((name) => !(name in Object.prototype)),
    fc.oneof(bytes, fc.array(bytes, { minLength: 2, maxLength: 3 })),
    { maxKeys: 3 },
  ),
});

test('records read as kafkajs reads them, whatever their offsets, timestamps, keys, values, headers and compression', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(record, { minLength: 1, maxLength: 30 }),
      fc.nat(2 ** 50),
      fc.integer({ min: 0, max: 2 ** 42 }),
      fc.constantFrom(0, 1),
      async (records, firstOffset, firstTimestamp, compression) => {
        const batch = await batchOf(records, { firstOffset, firstTimestamp, compression });
        const { records: originals } = await decodeOriginal(new Decoder(batch));
        const [ours] = splitRecordSet(batch);
        expect(ours?.records(0).map((one) => ({ ...one.plain, bytes: one.bytes }))).toEqual(
          originals.map(({ offset, timestamp, key, value, headers }) => ({
            offset: Number(offset),
            timestampMs: Number(timestamp),
            key,
            value,
            headers: Object.keys(headers).length === 0 ? undefined : headers,
            bytes: (key?.length ?? 0) + (value?.length ?? 0),
          })),
        );
      },
    ),
    { numRuns: 300 },
  );
});

test('headers may be called like what every object has', async () => {
  const headers = Object.fromEntries(['__proto__', 'valueOf', 'constructor'].map((name) => [name, Buffer.from(name)]));
  const [batch] = splitRecordSet(await batchOf([{ ...numbered(1)[0]!, headers }], {}));
  const read = batch!.records(0)[0]!.headers!;
  expect(Object.entries(read)).toEqual(Object.entries(headers));
  expect(Object.getPrototypeOf(read)).toBeNull();
});

describe('a fetched record set', () => {
  test('gives no record below the position, though a batch begins there', async () => {
    const [batch] = splitRecordSet(await batchOf(numbered(5), { firstOffset: 100 }));
    expect(batch?.records(103).map(({ offset }) => offset)).toEqual([103, 104]);
  });

  test('that was cut by the size limit gives the batches that are whole', async () => {
    const whole = Buffer.concat([
      await batchOf(numbered(2), { firstOffset: 0 }),
      await batchOf(numbered(2), { firstOffset: 2 }),
    ]);
    for (const cut of [1, 40, 80]) {
      expect(splitRecordSet(whole.subarray(0, whole.length - cut))).toHaveLength(1);
    }
  });

  test('whose last records were compacted away moves the position beyond them', async () => {
    const batch = await batchOf(numbered(2), { firstOffset: 10, lastOffsetDelta: 40 });
    const fetched = fetchedPartition('10', batch);
    expect(fetched.nextOffset).toBe(51);
    expect(fetched.batches.flatMap((one) => one.records(10)).map(({ offset }) => offset)).toEqual([10, 11]);
  });

  test('that is empty leaves the position and still tells the end of the log', () => {
    const fetched = fetchedPartition('7', Buffer.alloc(0));
    expect(fetched).toMatchObject({ nextOffset: 7, end: 1000, batches: [] });
    expect(fetched.lastOffset()).toBe('6');
  });

  test('of an old message format is refused by name', async () => {
    const old = Buffer.from(await batchOf(numbered(1), {}));
    old[16] = 1;
    expect(() => splitRecordSet(old)).toThrow('message format 1 is not supported');
  });

  test('with a record longer than its batch is refused instead of read beyond it', async () => {
    const damaged = Buffer.from(await batchOf(numbered(1), {}));
    damaged[61] = 0x7e;
    expect(() => splitRecordSet(damaged)[0]?.records(0)).toThrow('damaged');
  });
});

function fetchedPartition(offset: string, messages: Buffer): FetchedPartition {
  return new FetchedPartition('orders', offset, {
    partition: 0,
    highWatermark: '1000',
    lastStableOffset: '1000',
    abortedTransactions: [],
    messages,
  });
}

function numbered(count: number) {
  return Array.from({ length: count }, (_, at) => ({
    offsetDelta: at === 0 ? 0 : 1,
    timestampDelta: at,
    key: null,
    value: Buffer.from(`value ${at}`),
    headers: {},
  }));
}

/** `offsetDelta` of a record here is its distance from the one before. */
async function batchOf(
  records: readonly {
    offsetDelta: number;
    timestampDelta: number;
    key: Buffer | null;
    value: Buffer | null;
    headers: object;
  }[],
  options: Omit<BatchOptions, 'records'>,
): Promise<Buffer> {
  let offset = 0;
  const encoded = records.map(({ offsetDelta, ...rest }) => {
    offset += offsetDelta;
    return encodeRecord({ ...rest, offsetDelta: offset });
  });
  const batch = await encodeBatch({
    firstOffset: 0,
    firstTimestamp: 1_700_000_000_000,
    maxTimestamp: 1_700_000_000_000,
    lastOffsetDelta: offset,
    ...options,
    records: encoded,
  });
  return batch.buffer;
}
