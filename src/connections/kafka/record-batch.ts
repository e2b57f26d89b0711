/**
 * Record batches (message format 2, KIP-98): finding them in a fetched record set, and reading their records.
 *
 * This is the hot path of a Kafka source. A record costs its object and nothing else: offsets and timestamps are plain
 * numbers (offsets are below 2^53 in any real log), and keys and values stay in the fetched bytes until they are asked for.
 */
import type { HeaderValue, RawRecord } from '../../engine/ports.ts';
import { decompress, needsLibrary } from './compression.ts';

/** Bytes of a batch before its records. */
const headerBytes = 61;
/** Bytes that `length` does not count: the base offset and `length` itself. */
const overheadBytes = 12;

const attributeCompression = 0x07;
const attributeLogAppendTime = 0x08;
const attributeTransactional = 0x10;
const attributeControl = 0x20;

export class RecordBatch {
  readonly #bytes: Buffer;
  readonly baseOffset: number;
  /** Offset of the first record after the batch. Compaction may have removed the last records, never this number. */
  readonly nextOffset: number;
  /** Size as fetched, compressed where it is. */
  readonly bytes: number;
  /** Size of what its records are views on: `bytes`, or more once they were decompressed. */
  heldBytes: number;
  readonly producerId: bigint;
  readonly transactional: boolean;
  /** A transaction's commit or abort marker: no records for anyone. */
  readonly control: boolean;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
    this.bytes = bytes.length;
    this.heldBytes = bytes.length;
    const attributes = bytes.readInt16BE(21);
    this.baseOffset = readInt64(bytes, 0);
    this.nextOffset = this.baseOffset + bytes.readInt32BE(23) + 1;
    this.producerId = bytes.readBigInt64BE(43);
    this.transactional = (attributes & attributeTransactional) !== 0;
    this.control = (attributes & attributeControl) !== 0;
  }

  /** True for the marker that ends a transaction without its records. */
  get abortMarker(): boolean {
    if (!this.control) return false;
    const key = readRecords(this.#bytes, headerBytes, 1, this.baseOffset, 0, null, 0)[0]?.key;
    // A control record's key is its version and its type: 0 abort, 1 commit.
    return key !== undefined && key !== null && key.length >= 4 && key[2] === 0 && key[3] === 0;
  }

  /** The records from `fromOffset` on, in offset order. Decompresses. */
  records(fromOffset: number): FetchedRecord[] {
    const bytes = this.#bytes;
    const attributes = bytes.readInt16BE(21);
    const codec = attributes & attributeCompression;
    const count = bytes.readInt32BE(57);
    if (count <= 0 || this.control) return [];
    const appendedAtMs = (attributes & attributeLogAppendTime) !== 0 ? readInt64(bytes, 35) : null;
    const decoded = codec === 0 ? bytes : decompress(codec, bytes.subarray(headerBytes));
    const at = codec === 0 ? headerBytes : 0;
    this.heldBytes = decoded.length;
    return readRecords(decoded, at, count, this.baseOffset, readInt64(bytes, 27), appendedAtMs, fromOffset);
  }
}

/**
 * Splits a fetched record set. A broker cuts the last batch where the size limit was reached: what is incomplete is
 * left for the next fetch. Throws on the message formats of Kafka before 0.11.
 */
export function splitRecordSet(bytes: Buffer): RecordBatch[] {
  const batches: RecordBatch[] = [];
  for (let at = 0; at + headerBytes <= bytes.length;) {
    const end = at + overheadBytes + bytes.readInt32BE(at + 8);
    if (end > bytes.length || end < at + headerBytes) break;
    const magic = bytes[at + 16];
    if (magic !== 2) throw new Error(`message format ${magic} is not supported: it is of a Kafka before 0.11`);
    batches.push(new RecordBatch(bytes.subarray(at, end)));
    at = end;
  }
  return batches;
}

/** The compression of a fetched record set for which a library must be loaded; 0: none. See `compression.ts`. */
export function optionalCodecIn(recordSet: Buffer): number {
  for (let at = 0; at + headerBytes <= recordSet.length; at += overheadBytes + recordSet.readInt32BE(at + 8)) {
    const codec = recordSet.readInt16BE(at + 21) & attributeCompression;
    if (needsLibrary(codec)) return codec;
    if (recordSet.readInt32BE(at + 8) <= 0) return 0;
  }
  return 0;
}

function readInt64(bytes: Buffer, at: number): number {
  return bytes.readInt32BE(at) * 2 ** 32 + bytes.readUInt32BE(at + 4);
}

/**
 * Key, value and headers are read from the batch each time. Most pipelines ask once for the value and never for the rest,
 * and a view on bytes is a large object: two for each record, kept until it is written, cost more than reading again. They
 * are no properties of its own, so a spread does not copy them: `plain` does.
 */
export class FetchedRecord implements RawRecord {
  readonly offset: number;
  readonly timestampMs: number;
  readonly #batch: Buffer;
  /** Where in it the key begins, with its length. */
  readonly #at: number;

  constructor(offset: number, timestampMs: number, batch: Buffer, at: number) {
    this.offset = offset;
    this.timestampMs = timestampMs;
    this.#batch = batch;
    this.#at = at;
  }

  get key(): Buffer | null {
    cursor = this.#at;
    return readBytes(this.#batch);
  }

  get value(): Buffer | null {
    cursor = this.#at;
    skipBytes(this.#batch);
    return readBytes(this.#batch);
  }

  get headers(): Record<string, HeaderValue> | undefined {
    cursor = this.#at;
    skipBytes(this.#batch);
    skipBytes(this.#batch);
    const count = readVarint(this.#batch);
    return count === 0 ? undefined : readHeaders(this.#batch, count);
  }

  /** Size of key and value together. */
  get bytes(): number {
    cursor = this.#at;
    return skipBytes(this.#batch) + skipBytes(this.#batch);
  }

  get plain(): RawRecord {
    const { offset, timestampMs, key, value, headers } = this;
    return { offset, timestampMs, key, value, headers };
  }
}

// The reading position, shared by the functions below so that a number needs no object around it.
let cursor = 0;

function readRecords(
  bytes: Buffer,
  start: number,
  count: number,
  baseOffset: number,
  baseTimestampMs: number,
  appendedAtMs: number | null,
  fromOffset: number,
): FetchedRecord[] {
  const records: FetchedRecord[] = [];
  cursor = start;
  for (let read = 0; read < count; read++) {
    const length = readVarint(bytes);
    const end = cursor + length;
    if (length <= 0 || end > bytes.length) throw new Error(`a record batch at offset ${baseOffset} is damaged`);
    cursor++; // attributes: none are in use
    const timestampDelta = readVarint(bytes);
    const offset = baseOffset + readVarint(bytes);
    if (offset >= fromOffset)
      records.push(new FetchedRecord(offset, appendedAtMs ?? baseTimestampMs + timestampDelta, bytes, cursor));
    cursor = end;
  }
  return records;
}

/** A zigzag number of up to 53 bits: lengths, offset and timestamp deltas. */
function readVarint(bytes: Buffer): number {
  let byte = bytes[cursor++]!;
  if (byte < 0x80) return (byte >>> 1) ^ -(byte & 1);
  let value = byte & 0x7f;
  for (let shift = 7; shift < 28; shift += 7) {
    byte = bytes[cursor++]!;
    value |= (byte & 0x7f) << shift;
    if (byte < 0x80) return (value >>> 1) ^ -(value & 1);
  }
  let factor = 2 ** 28;
  do {
    byte = bytes[cursor++]!;
    value += (byte & 0x7f) * factor;
    factor *= 0x80;
  } while (byte >= 0x80);
  return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
}

function readBytes(bytes: Buffer): Buffer | null {
  const length = readVarint(bytes);
  if (length < 0) return null;
  const start = cursor;
  cursor += length;
  return bytes.subarray(start, cursor);
}

/** How many they are, 0 also for null. */
function skipBytes(bytes: Buffer): number {
  const length = Math.max(0, readVarint(bytes));
  cursor += length;
  return length;
}

function readHeaders(bytes: Buffer, count: number): Record<string, HeaderValue> {
  // Without a prototype: a header may be called `__proto__`.
  const headers = Object.create(null) as Record<string, HeaderValue>;
  for (let read = 0; read < count; read++) {
    const name = readBytes(bytes)?.toString('utf8') ?? '';
    const value = readBytes(bytes) ?? undefined;
    const former = headers[name];
    if (former === undefined || value === undefined) headers[name] = former ?? value;
    else headers[name] = Array.isArray(former) ? [...(former as Uint8Array[]), value] : [former as Uint8Array, value];
  }
  return headers;
}
