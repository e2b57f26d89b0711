/** The positions of a file sink as `rewind` and `destroy` see them. */
import { mkdir, rm, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import {
  isReplaced,
  type PositionTarget,
  type SinkPositions,
  type StoredPosition,
} from '../../declaration/positions.ts';
import { PipectlError } from '../../errors.ts';
import {
  type Committed,
  committedPath,
  positionKey,
  readCommitted,
  storedPositions,
  writeCommitted,
} from './committed.ts';

export class FilePositions implements SinkPositions {
  readonly appends = true;
  readonly kept = null;
  readonly #sink: string;
  readonly #path: string;
  readonly #pipeline: string;

  /** `path` is absolute. */
  constructor(sink: string, path: string, pipeline: string) {
    this.#sink = sink;
    this.#path = path;
    this.#pipeline = pipeline;
  }

  async list(): Promise<readonly StoredPosition[]> {
    const committed = await this.#read();
    if (committed === null) return [];
    const { mtimeMs } = await stat(committedPath(this.#path));
    return storedPositions(committed, mtimeMs);
  }

  async move(targets: readonly PositionTarget[]): Promise<void> {
    const former = (await this.#read()) ?? (await this.#first());
    const forgotten = new Set(
      storedPositions(former, 0)
        .filter((one) => targets.some(({ partition }) => isReplaced(one, partition)))
        .map((one) => positionKey(one)),
    );
    const kept = <T>(of: Readonly<Record<string, T>> = {}): [string, T][] =>
      Object.entries(of).filter(([key]) => !forgotten.has(key));
    const moved = targets.map(({ partition, position }): [string, number] => [positionKey(partition), position]);
    const named = targets.map(({ partition }): [string, string] => [positionKey(partition), partition.topic]);
    await this.#guarded(async () => {
      await mkdir(dirname(this.#path), { recursive: true });
      await writeCommitted(this.#path, {
        ...former,
        ownerEpoch: former.ownerEpoch + 1,
        positions: Object.fromEntries([...kept(former.positions), ...moved]),
        topics: Object.fromEntries([...kept(former.topics), ...named]),
      });
    });
  }

  async remove(): Promise<void> {
    if ((await this.#read()) !== null) await this.#guarded(() => rm(committedPath(this.#path)));
  }

  async close(): Promise<void> {}

  /** Rows beyond the committed length are cut off at the next run: a file that is not ours must not become ours. */
  async #first(): Promise<Committed> {
    const found = await stat(this.#path).catch(() => null);
    if (found !== null && found.size > 0) {
      throw new PipectlError(
        'sink_file_foreign',
        `${this.#path} holds ${found.size} bytes and there is no ${committedPath(this.#path)}`,
      );
    }
    return { pipeline: this.#pipeline, sink: this.#sink, ownerEpoch: 0, bytes: 0, positions: {} };
  }

  async #read(): Promise<Committed | null> {
    const committed = await this.#guarded(() => readCommitted(this.#path));
    if (committed === null || (committed.pipeline === this.#pipeline && committed.sink === this.#sink))
      return committed;
    throw new PipectlError(
      'sink_file_foreign',
      `${this.#path} belongs to sink ${committed.sink} of pipeline ${committed.pipeline}`,
    );
  }

  async #guarded<T>(action: () => Promise<T>): Promise<T> {
    try {
      return await action();
    } catch (error) {
      if (error instanceof PipectlError) throw error;
      throw new PipectlError('sink_file_unwritable', `positions of ${this.#path}: ${(error as Error).message}`, {
        cause: error,
      });
    }
  }
}
