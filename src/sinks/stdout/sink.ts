import type { Writable } from 'node:stream';
import { encodeJsonLines, type EncodedLines } from '../../codecs/json-lines.ts';
import type { Partition, Sink, SinkBatch, WriteResult } from '../../engine/ports.ts';
import { exitCodes, PipectlError } from '../../errors.ts';

/**
 * A failed write is told to its callback; without a listener the same error would end the process. One for each stream,
 * which pipelines of one process share.
 */
const ignore = (): void => {};

/**
 * Writes one line of JSON per event to a stream and waits until the stream has taken them. A reader that goes away
 * (`| head`) ends the run: `PipectlError` `output_closed`, whose exit code is 0.
 */
export class StdoutSink implements Sink {
  readonly name: string;
  readonly storesPositions = false;
  readonly #stream: Writable;

  constructor(name: string, stream: Writable) {
    this.name = name;
    this.#stream = stream;
  }

  async open(): Promise<void> {
    if (!this.#stream.listeners('error').includes(ignore)) this.#stream.on('error', ignore);
  }

  async claim(): Promise<ReadonlyMap<Partition, number>> {
    return new Map();
  }

  prepare(batch: SinkBatch): EncodedLines {
    return encodeJsonLines(batch.records);
  }

  async write(lines: EncodedLines): Promise<WriteResult> {
    if (lines.rows > 0) await this.#print(lines.text);
    return { written: lines.rows, supersededInBatch: 0, skippedOffset: 0, skippedVersion: 0, rejected: lines.rejected };
  }

  async commit(): Promise<void> {}

  async rollback(): Promise<void> {}

  async close(): Promise<void> {
    // The stream is the process's own: it stays open, and so does the listener, since errors may still arrive.
  }

  async #print(text: string): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#stream.write(text, (error) => {
      if (error === null || error === undefined) resolve();
      else reject(outputFailed(error));
    });
    await promise;
  }
}

function outputFailed(error: NodeJS.ErrnoException): PipectlError {
  if (error.code === 'EPIPE' || error.code === 'ERR_STREAM_DESTROYED') {
    return new PipectlError('output_closed', 'the reader of standard output went away', {
      exitCode: exitCodes.done,
      cause: error,
    });
  }
  return new PipectlError('output_failed', `standard output could not be written: ${error.message}`, { cause: error });
}
