import { type Command, Option } from 'commander';

/** The option of every command that takes a pipeline: the environment of `pipectl.yaml` it is for. */
export const environmentOption = (): Option =>
  new Option('--env <name>', 'environment of pipectl.yaml').env('PIPECTL_ENV');

/** The environment that `--env`, or else PIPECTL_ENV, names; null where neither does. */
export const environmentOf = (command: Command): string | null =>
  command.optsWithGlobals<{ readonly env?: string }>().env || null;

/** What `--env` names. PIPECTL_ENV does not count: whether a test passes must not depend on where it runs. */
export const environmentAskedFor = (command: Command): string | null =>
  command.getOptionValueSourceWithGlobals('env') === 'cli' ? environmentOf(command) : null;
