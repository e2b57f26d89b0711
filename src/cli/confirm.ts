import { createInterface } from 'node:readline/promises';
import { exitCodes, PipectlError } from '../errors.ts';

/** Asks at the terminal and resolves what was answered; without a terminal only `--yes` says yes. */
export async function confirmed(question: string, yes: boolean): Promise<boolean> {
  if (yes) return true;
  if (!process.stdin.isTTY || !process.stderr.isTTY) {
    throw new PipectlError('usage', 'nobody can be asked here, so nothing was changed', {
      hint: 'look at what is printed, and run it again with --yes',
      exitCode: exitCodes.usage,
    });
  }
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  try {
    return /^y(es)?$/i.test((await terminal.question(`${question} [y/N] `)).trim());
  } finally {
    terminal.close();
  }
}
