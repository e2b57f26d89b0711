import { exitCodes } from '../errors.ts';

/**
 * Worst first: what needs a person (a mistake on the command line or in a file, a failure, too many dead letters), then
 * what may mend itself by the next run.
 */
const worstFirst: readonly number[] = [
  exitCodes.usage,
  exitCodes.failed,
  exitCodes.deadLetters,
  exitCodes.unreachable,
  exitCodes.done,
];

/** The exit code of a process whose pipelines ended with these. */
export const worstExitCode = (codes: readonly number[]): number =>
  worstFirst.find((code) => codes.includes(code)) ?? exitCodes.failed;
