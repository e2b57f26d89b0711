/** Dead letters as lines of JSON, for pipelines without Kafka. */
import { constants, mkdir, open, type FileHandle } from 'node:fs/promises';
import { isUtf8 } from 'node:buffer';
import { dirname } from 'node:path';
import { SinkUnavailable, type DeadLetter, type DeadLetterQueue, type HeaderValue } from '../../engine/ports.ts';
import { deadLetterRecord, isList, type DeadLetterContext, type DeadLetterRecord } from './record.ts';
import type { QueuedRecord } from './view.ts';

/** Text where the bytes are UTF-8, else base64. */
type Bytes = string | { readonly base64: string } | null;

interface Line {
  readonly timestamp: number;
  readonly headers: Readonly<Record<string, Bytes | readonly Bytes[]>>;
  readonly key: Bytes;
  readonly value: Bytes;
}

/** Appends to one file. Payloads are in it, so only its owner may read it. */
export class FileDeadLetterQueue implements DeadLetterQueue {
  readonly #path: string;
  readonly #context: DeadLetterContext;
  #handle: FileHandle | null = null;
  /** The append that was asked for last. Several sinks ask at once, and each append begins where the former ended. */
  #last: Promise<void> = Promise.resolve();

  /** `path` is absolute. */
  constructor(path: string, context: DeadLetterContext) {
    this.#path = path;
    this.#context = context;
  }

  append(letters: readonly DeadLetter[]): Promise<void> {
    const appended = this.#last.then(() => this.#append(letters));
    this.#last = appended.catch(() => undefined);
    return appended;
  }

  async close(): Promise<void> {
    await this.#last;
    await this.#handle?.close().catch(() => undefined);
    this.#handle = null;
  }

  async #append(letters: readonly DeadLetter[]): Promise<void> {
    const lines = letters.map((letter) => lineOf(deadLetterRecord(letter, this.#context)) + '\n');
    try {
      const handle = (this.#handle ??= await this.#open());
      const { size } = await handle.stat();
      // Begins a line of its own behind what a crash left half written.
      const startsLine = size === 0 || (await handle.read(Buffer.alloc(1), 0, 1, size - 1)).buffer[0] === 0x0a;
      const bytes = Buffer.from((startsLine ? '' : '\n') + lines.join(''));
      try {
        for (let at = 0; at < bytes.length;)
          at += (await handle.write(bytes, at, bytes.length - at, size + at)).bytesWritten;
        await handle.datasync();
      } catch (error) {
        await handle.truncate(size).catch(() => undefined);
        throw error;
      }
    } catch (error) {
      throw new SinkUnavailable(`dead letters can't be written to ${this.#path}: ${(error as Error).message}`, {
        cause: error,
      });
    }
  }

  async #open(): Promise<FileHandle> {
    await mkdir(dirname(this.#path), { recursive: true });
    return await open(this.#path, constants.O_RDWR | constants.O_CREAT, 0o600);
  }
}

function lineOf({ key, value, headers, timestampMs }: DeadLetterRecord): string {
  const encoded = Object.entries(headers).map(([name, header]) => [
    name,
    isList(header) ? header.map(encodeBytes) : encodeBytes(header ?? null),
  ]);
  const line = {
    timestamp: timestampMs,
    headers: Object.fromEntries(encoded) as Line['headers'],
    key: encodeBytes(key),
    value: encodeBytes(value),
  };
  return JSON.stringify(line satisfies Line);
}

/** Lines end with a line feed alone: a payload may hold what others take for an end of line. */
export async function* linesOf(stream: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  let begun: Buffer[] = [];
  for await (const chunk of stream) {
    let from = 0;
    for (let end = chunk.indexOf(0x0a); end >= 0; end = chunk.indexOf(0x0a, from)) {
      yield Buffer.concat([...begun, chunk.subarray(from, end)]);
      begun = [];
      from = end + 1;
    }
    if (from < chunk.length) begun.push(chunk.subarray(from));
  }
  if (begun.length > 0) yield Buffer.concat(begun);
}

/** Reads one line back. `offset` is its number in the file. Undefined for what is not such a line. */
export function readQueuedLine(text: string, path: string, offset: number): QueuedRecord | undefined {
  let line: Line;
  try {
    line = JSON.parse(text) as Line;
  } catch {
    return undefined;
  }
  if (line === null || typeof line !== 'object' || typeof line.headers !== 'object' || line.headers === null)
    return undefined;
  const headers = Object.entries(line.headers).map(([name, header]): [string, HeaderValue] => [
    name,
    Array.isArray(header)
      ? header.map((item: Bytes) => decodeBytes(item) ?? '')
      : (decodeBytes(header as Bytes) ?? undefined),
  ]);
  return {
    place: { queue: path, partition: 0, offset: String(offset) },
    timestampMs: line.timestamp,
    key: decodeBytes(line.key),
    value: decodeBytes(line.value),
    headers: Object.fromEntries(headers),
  };
}

function encodeBytes(value: Uint8Array | string | null): Bytes {
  if (value === null || typeof value === 'string') return value;
  const bytes = Buffer.from(value.buffer, value.byteOffset, value.byteLength);
  return isUtf8(bytes) ? bytes.toString('utf8') : { base64: bytes.toString('base64') };
}

function decodeBytes(value: Bytes | undefined): Buffer | null {
  if (value === null || value === undefined) return null;
  return typeof value === 'string' ? Buffer.from(value) : Buffer.from(value.base64, 'base64');
}
