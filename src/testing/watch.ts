/** Changes of pipeline and test files. */
import { type FSWatcher, watch } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

/** An editor writes a file in several steps: what comes within this time of the first is one change. */
const SETTLE_MS = 50;

/**
 * Watches directories, not files: most editors replace a file, and whoever watches the old one hears no more of it.
 */
export class FileChanges {
  readonly #watchers = new Map<string, FSWatcher>();
  #isChanged = false;
  #isClosed = false;
  #wake: () => void = () => undefined;

  /** Watches these directories from now on, and no others. */
  watch(directories: Iterable<string>): void {
    const wanted = new Set(directories);
    for (const [directory, watcher] of this.#watchers) {
      if (wanted.has(directory)) continue;
      watcher.close();
      this.#watchers.delete(directory);
    }
    for (const directory of wanted) {
      if (!this.#watchers.has(directory)) this.#watchers.set(directory, this.#watcherOf(directory));
    }
  }

  /** Resolves with true at the next change since the last call, with false when it is closed. */
  async next(): Promise<boolean> {
    while (!this.#isChanged && !this.#isClosed) await new Promise<void>((resolve) => (this.#wake = resolve));
    if (this.#isClosed) return false;
    await sleep(SETTLE_MS);
    this.#isChanged = false;
    return true;
  }

  close(): void {
    this.#isClosed = true;
    this.watch([]);
    this.#wake();
  }

  #watcherOf(directory: string): FSWatcher {
    const watcher = watch(directory, (_, file) => {
      if (file !== null && !/\.ya?ml$/.test(file)) return;
      this.#isChanged = true;
      this.#wake();
    });
    // A directory that was removed has nothing more to tell.
    watcher.on('error', () => watcher.close());
    return watcher;
  }
}
