/** Cuts a file into records with bounded memory: one block at a time, and only when asked. */
import type { FileHandle } from 'node:fs/promises';
import { csvRecordEnd, trimmedEnd } from '../../codecs/csv.ts';
import { SourceFailed, type GatherLimits, type RawRecord } from '../../engine/ports.ts';

/** Longest record that is read as one; of a longer one only the first `recordBytesMax + 1` bytes are delivered. */
export const recordBytesMax = 16 * 1024 * 1024;

const blockBytes = 1024 * 1024;
const lineFeed = 0x0a;
const byteOrderMark = Buffer.from([0xef, 0xbb, 0xbf]);

/** How records end: at each line feed, or where CSV's quotes allow it. */
export type Framing = { readonly format: 'ndjson' } | { readonly format: 'csv'; readonly delimiter: number };

export interface RecordRun {
  readonly records: RawRecord[];
  /** Byte in the file after the last record's line break. */
  readonly nextOffset: number;
  readonly bytes: number;
}

/** Reads records of one file between two byte offsets. A record's offset is the byte it begins at. */
export class RecordReader {
  readonly #handle: FileHandle;
  readonly #framing: Framing;
  /** Byte the reader ends at: the size seen at start, so that a growing file ends too. */
  readonly #endOffset: number;
  /** Put before every value. */
  #header: Buffer | null = null;
  #block: Buffer = Buffer.alloc(0);
  /** Index in the block of the first byte that was not delivered. */
  #at = 0;
  #blockOffset: number;
  #skipsRestOfLine = false;

  constructor(handle: FileHandle, framing: Framing, startOffset: number, endOffset: number) {
    this.#handle = handle;
    this.#framing = framing;
    this.#blockOffset = startOffset;
    this.#endOffset = endOffset;
  }

  /** Takes the first record of the file as the header of all others, then goes on at `startOffset` or after it. */
  async takeHeader(startOffset: number): Promise<Buffer | null> {
    const run = await this.read({ recordsMax: 1, bytesMax: recordBytesMax }, 0);
    const value = run?.records[0]?.value;
    if (run === null || value === undefined || value === null) return null;
    this.#header = Buffer.concat([value, Buffer.from('\n')]);
    if (startOffset > run.nextOffset) {
      this.#block = Buffer.alloc(0);
      this.#at = 0;
      this.#blockOffset = startOffset;
    }
    return this.#header.subarray(0, -1);
  }

  /** The next records within `limits`, at least one; null at the end. `timestampMs` becomes the records' timestamp. */
  async read(limits: GatherLimits, timestampMs: number): Promise<RecordRun | null> {
    const records: RawRecord[] = [];
    let bytes = 0;
    for (;;) {
      bytes += this.#cut(records, limits, timestampMs);
      // A position inside a line would be read as a record of its own after a restart.
      if (records.length > 0 && !this.#skipsRestOfLine) break;
      if (!(await this.#fill())) break;
    }
    return records.length === 0 ? null : { records, nextOffset: this.#blockOffset + this.#at, bytes };
  }

  #wholeFileSeen(): boolean {
    return this.#blockOffset + this.#block.length >= this.#endOffset;
  }

  /** Moves whole records from the block into `records`; returns their size. */
  #cut(records: RawRecord[], limits: GatherLimits, timestampMs: number): number {
    const block = this.#block;
    let bytes = 0;
    while (this.#at < block.length && (records.length < limits.recordsMax || this.#skipsRestOfLine)) {
      const start = this.#at;
      const end = this.#recordEnd(start);
      if (end === null) break;
      const valueEnd = end - start > recordBytesMax ? start + recordBytesMax + 1 : trimmedEnd(block, start, end);
      const size = valueEnd - start;
      const skipped = this.#skipsRestOfLine || size === 0;
      if (!skipped && records.length > 0 && bytes + size > limits.bytesMax) break;
      this.#at = Math.min(end + 1, block.length);
      const endsLine = end < block.length || this.#wholeFileSeen();
      if (!skipped) {
        const value = this.#header === null ? block.subarray(start, valueEnd) : this.#withHeader(start, valueEnd);
        records.push({ offset: this.#blockOffset + start, timestampMs, key: null, value, headers: undefined });
        bytes += value.length;
      }
      this.#skipsRestOfLine = !endsLine;
    }
    return bytes;
  }

  /** Index after the record's last byte; null when more of the file is needed to know it. */
  #recordEnd(start: number): number | null {
    const block = this.#block;
    if (this.#framing.format === 'csv' && !this.#skipsRestOfLine) {
      const end = csvRecordEnd(block, start, this.#framing.delimiter);
      if (typeof end === 'number') return end;
      // A quote that is never closed must not swallow the records after it: then the record ends with its line.
      if (end === 'incomplete' && !this.#wholeFileSeen() && block.length - start <= recordBytesMax) return null;
    }
    const end = block.indexOf(lineFeed, start);
    if (end !== -1) return end;
    const canWait = !this.#wholeFileSeen() && !this.#skipsRestOfLine && block.length - start <= recordBytesMax;
    return canWait ? null : block.length;
  }

  #withHeader(start: number, end: number): Buffer {
    const header = this.#header!;
    const value = Buffer.allocUnsafe(header.length + end - start);
    header.copy(value, 0);
    this.#block.copy(value, header.length, start, end);
    return value;
  }

  /** Reads on into a new block, which begins with what was not delivered. False at the end of the file. */
  async #fill(): Promise<boolean> {
    const rest = this.#block.subarray(this.#at);
    const from = this.#blockOffset + this.#block.length;
    // As much again as is waiting: a long record is then scanned a few times, not once per block.
    const wanted = Math.min(Math.max(blockBytes, rest.length), this.#endOffset - from);
    if (wanted <= 0) return false;
    // Records are views of their block, so a block is never used again.
    const block = Buffer.allocUnsafe(rest.length + wanted);
    rest.copy(block, 0);
    const { bytesRead } = await this.#handle.read(block, rest.length, wanted, from);
    if (bytesRead === 0)
      throw new SourceFailed('file_changed', `the file ends at byte ${from}, it had ${this.#endOffset} at the start`);
    this.#blockOffset += this.#at;
    this.#block = block.subarray(0, rest.length + bytesRead);
    const hasMark = this.#blockOffset === 0 && this.#block.subarray(0, byteOrderMark.length).equals(byteOrderMark);
    this.#at = hasMark ? byteOrderMark.length : 0;
    return true;
  }
}
