/** Files that people name, as text. */
import { readFileSync } from 'node:fs';
import { exitCodes, PipectlError } from '../errors.ts';

/** Throws what the file system says, and a `TypeError` where the file is not UTF-8. */
export const readText = (path: string): string =>
  new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(readFileSync(path));

/** What a command can't go on without can't be read. `shown` is the file as it was named, `cause` from `readText`. */
export function unreadable(shown: string, cause: unknown): PipectlError {
  const isEncoding = cause instanceof TypeError;
  const reason = isEncoding ? 'it is not UTF-8 text' : cause instanceof Error ? cause.message : String(cause);
  return new PipectlError('file_unreadable', `reading ${shown}: ${reason}`, { cause, exitCode: exitCodes.usage });
}

/** What `read` reads, which is the file a command was given. Throws `PipectlError`. */
export function readNamed(shown: string, read: () => string): string {
  try {
    return read();
  } catch (error) {
    throw unreadable(shown, error);
  }
}
