import { createHash, randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { link, mkdir, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { isAlive } from './process-tree.ts';

/** The project's root folder. */
export const projectRoot = path.resolve(import.meta.dirname, '..', '..');
/** Everything the stack installs and leaves: `<name>-<hash>/` per installation, `runs/<run-id>/` per run. */
export const cacheRoot = path.join(projectRoot, '.cache', 'stack');

/** A service can't be had on this machine; the message is one sentence and `remedy` says what to do. */
export class StackUnavailableError extends Error {
  readonly code: 'java_missing' | 'java_too_old' | 'maven_missing' | 'openssl_missing';
  readonly remedy: string;

  constructor(code: StackUnavailableError['code'], problem: string, remedy: string) {
    super(`${problem}: ${remedy}`);
    this.name = 'StackUnavailableError';
    this.code = code;
    this.remedy = remedy;
  }
}

/**
 * A folder made once for these contents of `key` and then reused: `<cache>/<name>-<hash of key>`.
 * `build` fills a folder of its own, which is renamed when it is complete: a reader never sees half of one,
 * whatever was killed. The lock only spares a second process the same work.
 * @param key everything the result depends on: versions, a pom, flags
 */
export async function installed(
  name: string,
  key: readonly string[],
  build: (directory: string) => Promise<void>,
  root: string = cacheRoot,
): Promise<string> {
  const hash = createHash('sha256').update(JSON.stringify(key)).digest('hex').slice(0, 12);
  const final = path.join(root, `${name}-${hash}`);
  if (existsSync(final)) return final;
  await mkdir(root, { recursive: true });
  const unlock = await lock(`${final}.lock`);
  const own = await mkdtemp(`${final}.tmp-`);
  try {
    if (existsSync(final)) return final;
    await build(own);
    await rename(own, final).catch((error: NodeJS.ErrnoException) => {
      // Another process was first with the same contents.
      if (error.code !== 'ENOTEMPTY' && error.code !== 'EEXIST') throw error;
    });
    return final;
  } finally {
    await rm(own, { recursive: true, force: true });
    await unlock();
  }
}

/** Waits until this process owns the lock file; one whose owner has died is taken over. */
async function lock(file: string): Promise<() => Promise<void>> {
  const claim = `${file}-${process.pid}-${randomUUID()}`;
  await writeFile(claim, String(process.pid));
  try {
    for (;;) {
      // A link appears together with its content, so no reader finds a lock without its owner.
      try {
        await link(claim, file);
        return () => rm(file, { force: true });
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
      }
      const owner = Number(await readFile(file, 'utf8').catch(() => ''));
      if (owner > 0 && !isAlive(owner)) await rm(file, { force: true });
      else await delay(100);
    }
  } finally {
    await rm(claim, { force: true });
  }
}
