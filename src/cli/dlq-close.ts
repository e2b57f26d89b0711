/** `pipectl dlq resolve` and `pipectl dlq purge`. */
import { silentLog } from '../engine/ports.ts';
import { type Command, InvalidArgumentError } from 'commander';
import { exitCodes } from '../errors.ts';
import { confirmed } from './confirm.ts';
import {
  dlqCommand,
  type FilterOptions,
  nameOf,
  type PlaceOptions,
  placeOf,
  selectionOf,
  time,
  withSelection,
} from './dlq-options.ts';
import { environmentOf } from './environment.ts';

interface ResolveOptions extends PlaceOptions, FilterOptions {
  readonly note: string;
  readonly all: boolean;
  readonly yes: boolean;
}

interface PurgeOptions extends PlaceOptions {
  readonly before: number;
  readonly dryRun: boolean;
  readonly yes: boolean;
}

export function registerDlqClose(dlq: Command): void {
  const resolve = dlqCommand(dlq, 'resolve', 'Closes dead letters without replaying them, with a note that says why.');
  withSelection(resolve)
    .requiredOption('--note <text>', 'why; it is kept with who and when', note)
    .addHelpText(
      'after',
      '\nExit codes: 0 done, 1 none of them was open, 2 wrong usage, 3 a service could not be reached.',
    )
    .action(async (file: string | undefined, options: ResolveOptions, command: Command) => {
      process.exitCode = await resolveSome(file, environmentOf(command), options);
    });
  dlqCommand(
    dlq,
    'purge',
    'Removes the values of closed dead letters for good. What was done about them, by whom and when, stays.',
  )
    .requiredOption('--resolved', 'those that are resolved or replayed; others can not be purged')
    .requiredOption('--before <time>', 'closed before a time, or so long ago: 30d', time)
    .option('--dry-run', 'say what would go, and what can not go yet', false)
    .option('--yes', 'do not ask; needed without a terminal', false)
    .action(async (file: string | undefined, options: PurgeOptions, command: Command) => {
      process.exitCode = await purge(file, environmentOf(command), options);
    });
}

async function resolveSome(
  file: string | undefined,
  environment: string | null,
  options: ResolveOptions,
): Promise<number> {
  const filter = selectionOf(options);
  const [{ selectLetters }, { resolveLetters, refuseMany }, { letterStates }, { operatorName }, place] =
    await Promise.all([
      import('../operations/dead-letters/select.ts'),
      import('../operations/dead-letters/resolve.ts'),
      import('../operations/dead-letters/state.ts'),
      import('../operations/dead-letters/operator.ts'),
      placeOf(file, environment, options),
    ]);
  const store = letterStates(place, silentLog);
  try {
    const states = await store.read();
    const selection = await selectLetters(place, filter, states, ['open', 'quarantined'], silentLog);
    refuseMany(selection.count, options.yes);
    const act = { at: new Date().toISOString(), by: operatorName(), note: options.note };
    const resolved = await resolveLetters(selection, states, store, act);
    const { replayed, resolved: before } = selection.byStatus;
    process.stdout.write(`${count(resolved)} resolved, ${count(replayed + before)} closed before\n`);
    return resolved > 0 ? exitCodes.done : exitCodes.failed;
  } finally {
    await store.close();
  }
}

async function purge(file: string | undefined, environment: string | null, options: PurgeOptions): Promise<number> {
  const [{ planPurge }, { letterStates }, place] = await Promise.all([
    import('../operations/dead-letters/purge.ts'),
    import('../operations/dead-letters/state.ts'),
    placeOf(file, environment, options),
  ]);
  const store = letterStates(place, silentLog);
  try {
    const planned = await planPurge(place, await store.read(), store, options.before, silentLog);
    process.stdout.write(`${nameOf(place)}: the values of ${count(planned.count)} dead letters are to go\n`);
    for (const { count: held, by } of planned.held)
      process.stdout.write(
        `  ${count(held)} more have to wait: a topic gives up its records from the front, and holds ${by}\n`,
      );
    if (planned.foreign > 0)
      process.stdout.write(
        `  ${count(planned.foreign)} of them were put there by another program: whoever else reads this topic loses them\n`,
      );
    if (options.dryRun || planned.count === 0) return exitCodes.done;
    if (!(await confirmed('Remove them for good?', options.yes))) {
      process.stderr.write('pipectl: nothing was removed\n');
      return exitCodes.failed;
    }
    await planned.carryOut();
    process.stdout.write(`${count(planned.count)} removed\n`);
    return exitCodes.done;
  } finally {
    await store.close();
  }
}

const count = (of: number): string => of.toLocaleString('en');

const noteMax = 300;

export function note(text: string): string {
  if (text.trim() === '' || text.length > noteMax)
    throw new InvalidArgumentError(`expected a text of at most ${noteMax} characters`);
  return text;
}
