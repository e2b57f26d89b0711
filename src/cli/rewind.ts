import type { Command } from 'commander';
import { exitCodes, PipectlError } from '../errors.ts';
import { environmentOf } from './environment.ts';

interface RewindOptions {
  readonly to: string;
  readonly sink?: string;
  readonly dryRun: boolean;
  readonly yes: boolean;
  readonly json: boolean;
}

/** `pipectl rewind`: where a pipeline goes on, moved on purpose. */
export function registerRewind(program: Command): void {
  program
    .command('rewind')
    .description(
      'Moves where a stopped pipeline goes on, back to process records again or forward to leave some out: the positions of its sinks, the offsets of its group and the number by which new rows replace old ones, together.',
    )
    .argument('[file]', 'the pipeline file; may be left out where the folder holds one')
    .requiredOption(
      '--to <place>',
      'earliest, latest, a time (2026-11-01T08:00:00Z), how long ago (30m), or topic:partition=offset,...',
    )
    .option('--sink <name>', 'only this sink; the others stay where they are')
    .option('--dry-run', 'show what would be moved and change nothing', false)
    .option('--yes', 'do not ask; needed without a terminal, and to leave records out', false)
    .option('--json', 'print what is moved as JSON', false)
    .addHelpText(
      'after',
      '\nExit codes: 0 done or nothing to move, 1 refused or not wanted, 2 wrong usage, 3 a service could not be reached.',
    )
    .action(async (file: string | undefined, options: RewindOptions, command: Command) => {
      process.exitCode = await rewind(file, environmentOf(command), options);
    });
}

async function rewind(file: string | undefined, environment: string | null, options: RewindOptions): Promise<number> {
  const [{ planFile }, { Places }, { planRewind }, { parseTarget }, output, { confirmed }] = await Promise.all([
    import('./plan-file.ts'),
    import('../operations/positions/places.ts'),
    import('../operations/positions/rewind.ts'),
    import('../operations/positions/target.ts'),
    import('./rewind-output.ts'),
    import('./confirm.ts'),
  ]);
  const target = parseTarget(options.to, Date.now());
  const plan = await planFile(file, [], environment);
  await using places = await Places.open(plan);
  const planned = await planRewind(plan, places, target, options.sink ?? null);
  process.stdout.write(options.json ? output.rewindJson(planned) : output.rewindText(planned));
  if (options.dryRun || planned.isNothing) return exitCodes.done;
  if (planned.skipped > 0 && !options.yes) {
    throw new PipectlError('rewind_skips', `up to ${planned.skipped} records would never be written`, {
      exitCode: exitCodes.usage,
    });
  }
  if (!(await confirmed('Move it?', options.yes))) {
    process.stderr.write('pipectl: nothing was moved\n');
    return exitCodes.failed;
  }
  await planned.carryOut();
  process.stderr.write('pipectl: moved; `pipectl run` goes on from there\n');
  return exitCodes.done;
}
