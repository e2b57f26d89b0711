import { constants, mkdir, open, type FileHandle } from 'node:fs/promises';
import { dirname } from 'node:path';
import { encodeJsonLines, type EncodedLines } from '../../codecs/json-lines.ts';
import { isReplaced } from '../../declaration/positions.ts';
import {
  Fenced,
  SinkUnavailable,
  type Partition,
  type Sink,
  type SinkBatch,
  type WriteResult,
} from '../../engine/ports.ts';
import { errorTable, PipectlError } from '../../errors.ts';
import {
  committedPath,
  positionKey,
  readCommitted,
  storedPositions,
  writeCommitted,
  type Committed,
} from './committed.ts';

interface PreparedBatch {
  readonly batch: SinkBatch;
  readonly lines: EncodedLines;
}

/**
 * Appends NDJSON to a file, effectively once: rows count up to the committed length, which is replaced together with
 * the positions after the rows were synced. What a crash leaves beyond it is cut off.
 */
export class FileSink implements Sink {
  readonly name: string;
  readonly storesPositions = true;
  readonly #path: string;
  readonly #pipeline: string;
  readonly #openFile: typeof open;
  #handle: FileHandle | null = null;
  /** As this owner knows it; null until `claim`, and when a failure left it unknown. */
  #committed: Committed | null = null;
  #ownerEpoch = 0;
  /** What `commit` will make of `#committed`. */
  #pending: Committed | null = null;

  /** `path` is absolute; `openFile` opens the data file (tests inject faults there). */
  constructor(name: string, path: string, pipeline: string, openFile: typeof open = open) {
    this.name = name;
    this.#path = path;
    this.#pipeline = pipeline;
    this.#openFile = openFile;
  }

  async open(): Promise<void> {
    const committed = await this.#readOwn();
    try {
      await mkdir(dirname(this.#path), { recursive: true });
      // Not `a`: an appending handle ignores the place it is told, and rows belong at the committed length.
      this.#handle ??= await this.#openFile(this.#path, constants.O_RDWR | constants.O_CREAT, 0o644);
    } catch (error) {
      throw failure('sink_file_unwritable', `${this.#path} can't be opened: ${(error as Error).message}`, error);
    }
    try {
      const { size } = await this.#handle.stat();
      if (committed === null && size > 0) {
        throw failure(
          'sink_file_foreign',
          `${this.#path} holds ${size} bytes and there is no ${committedPath(this.#path)}`,
        );
      }
      if (committed !== null && size < committed.bytes) throw lost(this.#path, size, committed.bytes);
    } catch (error) {
      await this.close();
      throw error;
    }
  }

  async claim(partitions: readonly Partition[]): Promise<ReadonlyMap<Partition, number>> {
    const former = (await this.#guarded(() => this.#readOwn())) ?? {
      pipeline: this.#pipeline,
      sink: this.name,
      ownerEpoch: 0,
      bytes: 0,
      positions: {},
    };
    refuseOtherLogs(this.name, former, partitions);
    this.#ownerEpoch = former.ownerEpoch + 1;
    const topics = Object.fromEntries(partitions.map((partition) => [positionKey(partition), partition.topic]));
    const claimed = { ...former, ownerEpoch: this.#ownerEpoch, topics: { ...former.topics, ...topics } };
    await this.#guarded(() => writeCommitted(this.#path, claimed));
    await this.#restore();
    return new Map(
      partitions.flatMap((partition): [Partition, number][] => {
        const position = claimed.positions[positionKey(partition)];
        return position === undefined ? [] : [[partition, position]];
      }),
    );
  }

  prepare(batch: SinkBatch): PreparedBatch {
    return { batch, lines: encodeJsonLines(batch.records) };
  }

  async write(prepared: PreparedBatch): Promise<WriteResult> {
    const committed = this.#committed ?? (await this.#restore());
    await this.#checkOwner();

    const { batch } = prepared;
    const positionOf = (partition: Partition): number => committed.positions[positionKey(partition)] ?? 0;
    const starts = new Map(batch.ranges.map(({ partition }) => [partition, positionOf(partition)]));
    const wasWritten = batch.ranges.some(({ partition, from }) => from < starts.get(partition)!);
    const fresh = wasWritten
      ? batch.records.filter(({ raw, partition }) => raw.offset >= (starts.get(partition) ?? positionOf(partition)))
      : batch.records;
    const lines = wasWritten ? encodeJsonLines(fresh) : prepared.lines;

    const bytes = Buffer.from(lines.text);
    await this.#guarded(() => writeAll(this.#data(), bytes, committed.bytes));

    const moved = batch.ranges.map(
      ({ partition, to }) => [positionKey(partition), Math.max(to, starts.get(partition)!)] as const,
    );
    this.#pending = {
      ...committed,
      bytes: committed.bytes + bytes.length,
      positions: { ...committed.positions, ...Object.fromEntries(moved) },
    };
    return {
      written: lines.rows,
      supersededInBatch: 0,
      skippedOffset: batch.records.length - fresh.length,
      skippedVersion: 0,
      rejected: lines.rejected,
    };
  }

  async commit(): Promise<void> {
    const pending = this.#pending;
    if (pending === null) throw new Error('commit without write');
    await this.#guarded(async () => {
      // A former owner may have written beyond our rows before it was told to stop.
      await this.#data().truncate(pending.bytes);
      await this.#data().datasync();
    });
    await this.#checkOwner();
    // From here on only the file knows whether the commit happened.
    this.#committed = null;
    await this.#guarded(() => writeCommitted(this.#path, pending));
    this.#committed = pending;
    this.#pending = null;
  }

  async rollback(): Promise<void> {
    this.#pending = null;
    // What can't be cut off now is overwritten by the next batch, and its commit cuts off the rest.
    await this.#restore().catch(() => undefined);
  }

  async close(): Promise<void> {
    if (this.#pending !== null) await this.rollback();
    await this.#handle?.close().catch(() => undefined);
    this.#handle = null;
  }

  #data(): FileHandle {
    if (this.#handle === null) throw new Error('the sink is not open');
    return this.#handle;
  }

  /** Reads what is committed and cuts off the rest. Only the owner may: behind a newer one lie that one's rows. */
  async #restore(): Promise<Committed> {
    const committed = await this.#checkOwner();
    await this.#guarded(async () => {
      const { size } = await this.#data().stat();
      if (size < committed.bytes) throw lost(this.#path, size, committed.bytes);
      await this.#data().truncate(committed.bytes);
    });
    this.#committed = committed;
    return committed;
  }

  async #checkOwner(): Promise<Committed> {
    const committed = await this.#guarded(() => this.#readOwn());
    if (committed === null)
      throw failure('sink_file_lost', `${committedPath(this.#path)} was removed while the pipeline ran`);
    if (committed.ownerEpoch !== this.#ownerEpoch) {
      throw new Fenced(`${this.#path} has a newer owner (epoch ${committed.ownerEpoch}, ours is ${this.#ownerEpoch})`);
    }
    return committed;
  }

  /** What is committed, unless it is another sink's: then two would take turns in fencing each other for ever. */
  async #readOwn(): Promise<Committed | null> {
    const committed = await readCommitted(this.#path);
    if (committed !== null && (committed.pipeline !== this.#pipeline || committed.sink !== this.name)) {
      throw failure(
        'sink_file_foreign',
        `${this.#path} belongs to sink ${committed.sink} of pipeline ${committed.pipeline}`,
      );
    }
    return committed;
  }

  async #guarded<T>(action: () => Promise<T>): Promise<T> {
    try {
      return await action();
    } catch (error) {
      if (!isTransient(error)) throw error;
      throw new SinkUnavailable(`${this.#path}: ${(error as Error).message}`, { cause: error });
    }
  }
}

/** A topic under whose name another log was written is not read on: its records would count as new ones. */
function refuseOtherLogs(sink: string, former: Committed, partitions: readonly Partition[]): void {
  const written = storedPositions(former, 0);
  for (const partition of partitions) {
    const other = written.find((one) => isReplaced(one, partition));
    if (other === undefined) continue;
    throw failure(
      'topic_recreated',
      `${other.topic} is another topic of that name: ${sink} has written ${other.position} records of partition ${other.partition} of one that was deleted, or lies in another cluster`,
    );
  }
}

/** Disk full, quota, I/O errors, busy or stale network mounts: may pass when somebody acts. */
export function isTransient(error: unknown): boolean {
  return transientCodes.has((error as NodeJS.ErrnoException).code ?? '');
}
const transientCodes = new Set([
  'ENOSPC',
  'EDQUOT',
  'EIO',
  'EAGAIN',
  'EBUSY',
  'ESTALE',
  'ETIMEDOUT',
  'EMFILE',
  'ENFILE',
  'EINTR',
]);

async function writeAll(handle: FileHandle, bytes: Buffer, at: number): Promise<void> {
  for (let written = 0; written < bytes.length;) {
    const { bytesWritten } = await handle.write(bytes, written, bytes.length - written, at + written);
    written += bytesWritten;
  }
}

function failure(code: keyof typeof errorTable, message: string, cause?: unknown): PipectlError {
  return new PipectlError(code, message, { hint: errorTable[code].hint, cause });
}

const lost = (path: string, size: number, committed: number) =>
  failure('sink_file_lost', `${path} has ${size} bytes, ${committed} were committed`);
