import { createHash } from 'node:crypto';
import { glob, open, readdir, stat, type FileHandle } from 'node:fs/promises';
import { basename, dirname, join, relative, resolve } from 'node:path';
import { csvColumns } from '../../codecs/csv.ts';
import type { SourceContext } from '../../declaration/component.ts';
import {
  SourceFailed,
  type Chunk,
  type GatherLimits,
  type Partition,
  type Source,
  type SourceEvent,
} from '../../engine/ports.ts';
import { PipectlError } from '../../errors.ts';
import { closest } from '../../expressions/closest.ts';
import { RecordReader, type Framing } from './record-reader.ts';

export interface FileSourceOptions {
  /** Paths or glob patterns, relative to the pipeline file. */
  readonly paths: readonly string[];
  readonly framing: Framing;
  /** The first record of each CSV file names its columns. */
  readonly header: boolean;
}

interface SourceFile {
  readonly path: string;
  readonly partition: Partition;
  readonly size: number;
}

interface OpenFile {
  readonly partition: Partition;
  readonly handle: FileHandle;
  readonly reader: RecordReader;
}

/**
 * Reads files to the end they had at start, one after another in the order of their names. Each file is a partition
 * whose offsets are byte offsets, so that `begin` seeks instead of counting lines; like a compacted log they have gaps.
 * Nothing is committed: positions live in the sinks. A record's timestamp is the time it was read.
 */
export class FileSource implements Source {
  readonly #options: FileSourceOptions;
  readonly #context: SourceContext;
  #files: readonly SourceFile[] = [];
  #isAssigned = false;
  #isClosed = false;
  #failure: SourceFailed | null = null;
  readonly #begun = Promise.withResolvers<void>();
  /** Where to read on, set by `begin`. */
  #starts: readonly { readonly file: SourceFile; readonly offset: number }[] = [];
  #current: OpenFile | null = null;

  constructor(options: FileSourceOptions, context: SourceContext) {
    this.#options = options;
    this.#context = context;
  }

  async start(): Promise<void> {
    const paths = await this.#paths();
    this.#files = await Promise.all(paths.map((path) => this.#describe(path)));
  }

  async next(limits: GatherLimits): Promise<SourceEvent> {
    if (this.#isClosed) return { kind: 'ended' };
    if (this.#failure !== null) throw this.#failure;
    if (!this.#isAssigned) {
      this.#isAssigned = true;
      const partitions = this.#files.map((file) => ({
        partition: file.partition,
        committed: null,
        logStart: 0,
        logEnd: file.size,
        initial: 0,
      }));
      return { kind: 'assigned', assignment: { generation: 1, partitions } };
    }
    await this.#begun.promise;
    if (this.#failure !== null) throw this.#failure;

    const chunks: Chunk[] = [];
    let { recordsMax, bytesMax } = limits;
    // Many small files make one epoch, not one each.
    while (recordsMax > 0 && bytesMax > 0 && !this.#isClosed) {
      const current = this.#current ?? (await this.#openNext());
      if (current === null) break;
      const run = await current.reader.read({ recordsMax, bytesMax }, Math.floor(this.#context.clock.now()));
      if (run === null) {
        this.#current = null;
        await current.handle.close();
        continue;
      }
      chunks.push({ partition: current.partition, ...run });
      recordsMax -= run.records.length;
      bytesMax -= run.bytes;
    }
    if (this.#isClosed || chunks.length === 0) return { kind: 'ended' };
    return { kind: 'records', generation: 1, chunks };
  }

  begin(_generation: number, positions: ReadonlyMap<Partition, number>): void {
    for (const { partition, size } of this.#files) {
      const offset = positions.get(partition) ?? 0;
      if (offset > size) {
        this.#failure = new SourceFailed(
          'file_changed',
          `${partition.topic} was cut off: byte ${offset} is next, and it has ${size}`,
        );
      }
    }
    this.#starts = this.#files
      .map((file) => ({ file, offset: positions.get(file.partition) ?? 0 }))
      .filter(({ file, offset }) => offset < file.size);
    this.#begun.resolve();
  }

  async commit(): Promise<'committed'> {
    return 'committed';
  }

  /** There is no coordinator to ask: whoever came later owns the files. */
  async reassign(): Promise<void> {
    this.#failure = new SourceFailed(
      'source_taken_over',
      `another process runs pipeline ${this.#context.pipeline} on the same files`,
    );
  }

  ends(): ReadonlyMap<Partition, number> {
    return new Map(this.#files.map((file) => [file.partition, file.size]));
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#begun.resolve();
    const handle = this.#current?.handle;
    this.#current = null;
    // A handle that can't be closed was only read from.
    await handle?.close().catch(() => undefined);
  }

  async #paths(): Promise<readonly string[]> {
    const { directory } = this.#context;
    const found = new Set<string>();
    for (const path of this.#options.paths) {
      const matches: string[] = [];
      if (await isFile(resolve(directory, path))) matches.push(path);
      else
        for await (const match of glob(path, { cwd: directory }))
          if (await isFile(resolve(directory, match))) matches.push(match);
      if (matches.length === 0) throw await notFound(path, directory);
      for (const match of matches.toSorted()) found.add(resolve(directory, match));
    }
    return [...found];
  }

  async #describe(path: string): Promise<SourceFile> {
    const topic = relative(this.#context.directory, path);
    const handle = await openForReading(path, topic);
    try {
      const { size, ino } = await handle.stat();
      const topicId = await identityOf(handle, path, ino);
      return { path, size, partition: { cluster: 'file', topic, topicId, partition: 0, source: this.#context.name } };
    } finally {
      await handle.close();
    }
  }

  async #openNext(): Promise<OpenFile | null> {
    const [next, ...rest] = this.#starts;
    if (next === undefined) return null;
    this.#starts = rest;
    const { file, offset } = next;
    const { topic } = file.partition;
    const handle = await openForReading(file.path, topic);
    try {
      if (!(await isRecordStart(handle, offset))) {
        throw new SourceFailed(
          'file_changed',
          `${topic} was rewritten: no record begins at byte ${offset}, where reading stopped`,
        );
      }
      const { framing, header } = this.#options;
      const reader = new RecordReader(handle, framing, header ? 0 : offset, file.size);
      if (header && framing.format === 'csv') {
        const first = await reader.takeHeader(offset);
        if (first !== null) checkHeader(first, framing.delimiter, topic);
      }
      this.#current = { partition: file.partition, handle, reader };
      return this.#current;
    } catch (error) {
      await handle.close();
      throw error;
    }
  }
}

/**
 * Tells a file for good: the same after records were appended, another after it was replaced, since its inode or its
 * first line differ. (An inode alone is given again soon after a file was deleted.)
 */
async function identityOf(handle: FileHandle, path: string, inode: number): Promise<string> {
  const { buffer, bytesRead } = await handle.read(Buffer.alloc(1024), 0, 1024, 0);
  const lineEnd = buffer.subarray(0, bytesRead).indexOf('\n');
  const hash = createHash('sha256').update(JSON.stringify([path, inode]));
  // A first line that is not finished yet would change the identity when it is.
  if (lineEnd !== -1 || bytesRead === 1024) hash.update(buffer.subarray(0, lineEnd === -1 ? bytesRead : lineEnd));
  return hash.digest('hex').slice(0, 32);
}

async function isRecordStart(handle: FileHandle, offset: number): Promise<boolean> {
  if (offset === 0) return true;
  const { buffer } = await handle.read(Buffer.alloc(2), 0, 2, offset - 1);
  // After a last line without line break, whose break was written with the next record.
  return buffer[0] === 0x0a || buffer[1] === 0x0a || buffer[1] === 0x0d;
}

function checkHeader(header: Buffer, delimiter: number, topic: string): void {
  try {
    csvColumns(header.toString('utf8'), String.fromCharCode(delimiter));
  } catch (error) {
    if (!(error instanceof PipectlError)) throw error;
    throw new SourceFailed(error.code, `${topic}: ${error.message}`, { cause: error });
  }
}

async function notFound(path: string, directory: string): Promise<PipectlError> {
  const place = resolve(directory, path);
  // A directory has entries, and the neighbours of a file that is not there may be what was meant.
  const inside = await readdir(place).catch(() => null);
  if (inside !== null) {
    const hint = `name its files: ${join(path, '*.ndjson')}`;
    return new PipectlError('file_not_found', `${path} in ${directory} is a directory`, { hint });
  }
  const near = closest(basename(place), await readdir(dirname(place)).catch(() => []));
  return new PipectlError(
    'file_not_found',
    `no file matches ${path} in ${directory}`,
    near === undefined ? {} : { hint: `did you mean ${join(dirname(path), near)}?` },
  );
}

async function isFile(path: string): Promise<boolean> {
  return await stat(path).then(
    (stats) => stats.isFile(),
    () => false,
  );
}

async function openForReading(path: string, topic: string): Promise<FileHandle> {
  try {
    return await open(path, 'r');
  } catch (error) {
    throw new SourceFailed('file_unreadable', `${topic} can't be read: ${(error as Error).message}`, { cause: error });
  }
}
