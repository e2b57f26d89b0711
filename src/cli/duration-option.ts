import { InvalidArgumentError, Option } from 'commander';
import { parseDuration } from '../declaration/units.ts';

/** Milliseconds of an option such as `--interval 5s`; wrong usage where it is no duration, or none at all. */
export function duration(text: string): number {
  const ms = parseDuration(text);
  if (ms === undefined || ms < 100)
    throw new InvalidArgumentError('expected a duration of at least 100ms, such as 1s or 30s');
  return ms;
}

/** How long a service may take to answer. */
export const timeoutOption = (): Option =>
  new Option('--timeout <duration>', 'how long a service may take to answer')
    .argParser(duration)
    .default(15_000, '15s');
