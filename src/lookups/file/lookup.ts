import { open, stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import type { RuntimeContext } from '../../declaration/component.ts';
import type { Lookup } from '../../engine/ports.ts';
import { PipectlError } from '../../errors.ts';
import { readRows, type Row, type RowFormat } from './rows.ts';

export interface FileLookupOptions extends RowFormat {
  /** Relative to the pipeline file. */
  readonly path: string;
  /** Null: the file is read once. */
  readonly refreshMs: number | null;
  readonly bytesMax: number;
}

/**
 * A file as a map. When it is looked at again and has changed, it is read anew and takes the place of the former one in
 * one step; where it can't be read then, the former rows stay and the log says so.
 */
export class FileLookup implements Lookup {
  readonly #options: FileLookupOptions;
  readonly #context: RuntimeContext;
  readonly #path: string;
  readonly #closing = new AbortController();
  #rows: ReadonlyMap<string, Row> = new Map();
  /** Tells the state of the file that was read. */
  #version = '';
  #watching: Promise<void> = Promise.resolve();

  constructor(options: FileLookupOptions, context: RuntimeContext) {
    this.#options = options;
    this.#context = context;
    this.#path = resolve(context.directory, options.path);
  }

  async open(): Promise<void> {
    await this.#load();
    if (this.#options.refreshMs !== null) this.#watching = this.#watch(this.#options.refreshMs);
  }

  get(key: string): Row | undefined {
    return this.#rows.get(key);
  }

  async close(): Promise<void> {
    this.#closing.abort();
    await this.#watching;
  }

  async #watch(everyMs: number): Promise<void> {
    const { clock, log, name } = this.#context;
    const { signal } = this.#closing;
    for (;;) {
      await clock.sleep(everyMs, signal);
      if (signal.aborted) return;
      try {
        if (versionOf(await stat(this.#path)) === this.#version) continue;
        await this.#load();
        log.info('lookup_loaded', `lookup ${name} has changed: ${this.#rows.size} rows`);
      } catch (error) {
        log.warn('lookup_stale', `lookup ${name} stays as it was: ${(error as Error).message}`);
      }
    }
  }

  async #load(): Promise<void> {
    const { path, bytesMax } = this.#options;
    const { name, log } = this.#context;
    const handle = await open(this.#path).catch((error: Error) => {
      throw new PipectlError('lookup_unreadable', `lookup ${name}: ${path} can't be read: ${error.message}`, {
        cause: error,
        hint: 'the path starts at the directory of the pipeline file',
      });
    });
    try {
      const stats = await handle.stat();
      if (!stats.isFile() || stats.size > bytesMax) {
        const what = stats.isFile() ? `is ${stats.size} bytes large, ${bytesMax} are allowed` : 'is no file';
        throw new PipectlError('lookup_unreadable', `lookup ${name}: ${path} ${what}`, {
          hint: 'raise `limit`, or look the rows up in a database',
        });
      }
      const { rows, repeated } = readRows(await handle.readFile(), path, this.#options);
      if (repeated.length > 0) {
        const keys = `${repeated.length} keys stand more than once, the last row counts`;
        log.warn('lookup_key_twice', `lookup ${name}: ${keys}; the first is in ${path}:${repeated[0]}`);
      }
      this.#rows = rows;
      // Taken before reading: a change during it is seen the next time.
      this.#version = versionOf(stats);
    } finally {
      await handle.close();
    }
  }
}

const versionOf = ({ ino, size, mtimeMs }: { ino: number; size: number; mtimeMs: number }): string =>
  `${ino}/${size}/${mtimeMs}`;
