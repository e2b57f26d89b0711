import { PipectlError, exitCodes } from '../errors.ts';

/** Prints a failure as one sentence with the way out, and gives the exit code for it. `of` says whose it is. */
export function reportFailure(error: unknown, of: string | null = null): number {
  const whose = (message: string): string => (of === null || message.startsWith(`${of}: `) ? '' : `${of}: `) + message;
  if (error instanceof PipectlError) {
    process.stderr.write(`pipectl: ${whose(error.message)}\n${error.hint ? `  ${error.hint}\n` : ''}`);
    return error.exitCode;
  }
  const shown = error instanceof Error ? (error.stack ?? error.message) : String(error);
  process.stderr.write(`pipectl: ${whose('this is a bug, please report it:')}\n${shown}\n`);
  return exitCodes.failed;
}
