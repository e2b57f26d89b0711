import type { Command } from 'commander';
import { exitCodes } from '../errors.ts';
import type { Destruction, Remnant } from '../operations/positions/destroy.ts';
import { environmentOf } from './environment.ts';
import { type Column, table } from './table.ts';

interface DestroyOptions {
  readonly deadLetters: boolean;
  readonly as?: string;
  readonly dryRun: boolean;
  readonly yes: boolean;
  readonly json: boolean;
}

/** `pipectl destroy`: what a pipeline has made for itself is removed; what it has written stays. */
export function registerDestroy(program: Command): void {
  program
    .command('destroy')
    .description(
      'Removes what a stopped pipeline has made for itself: its consumer group and the positions of its sinks. Tables, files and topics it reads or writes stay.',
    )
    .argument('[file]', 'the pipeline file; may be left out where the folder holds one')
    .option('--dead-letters', 'the topic of its dead letters too', false)
    .option('--as <name>', 'what `run --as NAME` has made, instead of what the pipeline has')
    .option('--dry-run', 'show what would be removed and change nothing', false)
    .option('--yes', 'do not ask; needed without a terminal', false)
    .option('--json', 'print what is removed as JSON', false)
    .addHelpText(
      'after',
      '\nExit codes: 0 done or nothing to remove, 1 refused or not wanted, 2 wrong usage, 3 a service could not be reached.',
    )
    .action(async (file: string | undefined, options: DestroyOptions, command: Command) => {
      process.exitCode = await destroy(file, environmentOf(command), options);
    });
}

async function destroy(file: string | undefined, environment: string | null, options: DestroyOptions): Promise<number> {
  const [{ planFile }, { Places }, { planDestruction }, { backfillPlan }, { confirmed }] = await Promise.all([
    import('./plan-file.ts'),
    import('../operations/positions/places.ts'),
    import('../operations/positions/destroy.ts'),
    import('../operations/positions/backfill.ts'),
    import('./confirm.ts'),
  ]);
  const whole = await planFile(file, [], environment);
  const plan = options.as === undefined ? whole : backfillPlan(whole, options.as);
  await using places = await Places.open(plan);
  const planned = await planDestruction(plan, places, options.deadLetters);
  process.stdout.write(options.json ? `${JSON.stringify({ remnants: planned.remnants }, null, 2)}\n` : text(planned));
  if (options.dryRun || planned.isNothing) return exitCodes.done;
  if (!(await confirmed('Remove it?', options.yes))) {
    process.stderr.write('pipectl: nothing was removed\n');
    return exitCodes.failed;
  }
  await planned.carryOut();
  process.stderr.write('pipectl: removed\n');
  return exitCodes.done;
}

const columns: readonly Column<Remnant>[] = [
  { title: '', align: 'left', cell: ({ fate }) => (fate === 'removed' ? 'remove' : 'keep') },
  { title: 'WHAT', align: 'left', cell: ({ subject }) => subject },
  { title: 'HOLDS', align: 'left', cell: ({ message }) => message },
];

function text({ remnants, isNothing }: Destruction): string {
  const shown = remnants.length === 0 ? '' : table(columns, remnants);
  return `${shown}${isNothing ? 'There is nothing to remove.\n' : ''}`;
}
