/** Reads what is only appended to (a topic, a file) on from where it was last read. */
import { type FileHandle, open } from 'node:fs/promises';
import type { KafkaAdmin } from '../../connections/kafka/admin.ts';
import type { RawRecord } from '../../engine/ports.ts';
import { linesOf } from './file-queue.ts';

export interface TailRead<T> {
  /** The next one is given when it resolves; `bytes` is about what it weighs. */
  readonly onItem: (item: T, bytes: number) => void | Promise<void>;
  /** Records of a partition below an offset are no longer there. */
  readonly onDeleted?: (partition: number, below: number) => void;
}

export interface Tail<T> {
  /**
   * Gives what has come since the last call, up to the end as it is now; where it rejects half way, the next call goes on
   * there. `other`: what was read before is gone or another now, and nothing was read.
   */
  readOn(read: TailRead<T>): Promise<'read' | 'other'>;
  /** The next reading is from the beginning. */
  reset(): void;
}

export type TopicReader = Pick<KafkaAdmin, 'describeTopics' | 'topicOffsets' | 'readSpans'>;

/** What is undefined is left out. A topic that does not exist is empty. */
export class TopicTail<T> implements Tail<T> {
  readonly #topic: string;
  readonly #admin: () => Promise<TopicReader>;
  readonly #itemOf: (record: RawRecord, partition: number) => T | undefined;
  #topicId: string | null = null;
  readonly #starts = new Map<number, number>();
  readonly #positions = new Map<number, number>();

  constructor(
    topic: string,
    admin: () => Promise<TopicReader>,
    itemOf: (record: RawRecord, partition: number) => T | undefined,
  ) {
    this.#topic = topic;
    this.#admin = admin;
    this.#itemOf = itemOf;
  }

  reset(): void {
    this.#topicId = null;
    this.#starts.clear();
    this.#positions.clear();
  }

  async readOn({ onItem, onDeleted }: TailRead<T>): Promise<'read' | 'other'> {
    const admin = await this.#admin();
    const found = (await admin.describeTopics([this.#topic])).get(this.#topic);
    if (this.#topicId !== null && found?.topicId !== this.#topicId) return 'other';
    if (found === undefined) return 'read';
    this.#topicId = found.topicId;
    const bounds = await admin.topicOffsets(this.#topic);
    // An end that went back: a leader without the last records was elected.
    if (bounds.some(({ partition, end }) => end < (this.#positions.get(partition) ?? 0))) return 'other';
    for (const { partition, start } of bounds) {
      if (start > (this.#starts.get(partition) ?? start)) onDeleted?.(partition, start);
      this.#starts.set(partition, start);
    }
    const spans = bounds.map(({ partition, start, end }) => ({
      partition,
      from: Math.max(start, this.#positions.get(partition) ?? start),
      to: end,
    }));
    await admin.readSpans(this.#topic, spans, {
      onRecord: async (record, partition) => {
        const item = this.#itemOf(record, partition);
        if (item !== undefined) await onItem(item, (record.value?.length ?? 0) + perRecordBytes);
        this.#positions.set(partition, record.offset + 1);
      },
    });
    for (const { partition, to } of spans) this.#positions.set(partition, to);
    return 'read';
  }
}

/** Headers and the like. */
const perRecordBytes = 500;
const lineFeed = 0x0a;

/** Lines that are whole. A file that does not exist is empty. */
export class FileTail<T> implements Tail<T> {
  readonly #path: string;
  readonly #itemOf: (line: string, number: number) => T | undefined;
  #file: number | null = null;
  #position = 0;
  #line = 0;

  constructor(path: string, itemOf: (line: string, number: number) => T | undefined) {
    this.#path = path;
    this.#itemOf = itemOf;
  }

  reset(): void {
    this.#file = null;
    this.#position = 0;
    this.#line = 0;
  }

  async readOn({ onItem }: TailRead<T>): Promise<'read' | 'other'> {
    let handle: FileHandle;
    try {
      handle = await open(this.#path, 'r');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
      return this.#file === null ? 'read' : 'other';
    }
    try {
      const { ino, size } = await handle.stat();
      if (this.#file !== null && !(ino === this.#file && (await this.#isWhereItWas(handle, size)))) return 'other';
      this.#file = ino;
      if (this.#position === size) return 'read';
      const lines = linesOf(handle.createReadStream({ start: this.#position, end: size - 1, autoClose: false }));
      for await (const line of lines) {
        const next = this.#position + line.length + 1;
        // Somebody is at it, or was when it crashed: a line begins anew behind that.
        if (next > size) break;
        const item = this.#itemOf(line.toString('utf8'), this.#line + 1);
        if (item !== undefined) await onItem(item, line.length);
        this.#position = next;
        this.#line++;
      }
      return 'read';
    } finally {
      await handle.close();
    }
  }

  /** What could not be written whole is cut off again, perhaps behind lines that were read. */
  async #isWhereItWas(handle: FileHandle, size: number): Promise<boolean> {
    if (this.#position === 0) return true;
    if (size < this.#position) return false;
    return (await handle.read(Buffer.alloc(1), 0, 1, this.#position - 1)).buffer[0] === lineFeed;
  }
}
