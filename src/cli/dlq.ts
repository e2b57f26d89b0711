import { silentLog } from '../engine/ports.ts';
import { type Command } from 'commander';
import { exitCodes } from '../errors.ts';
import { registerDlqClose } from './dlq-close.ts';
import {
  dlqCommand,
  type FilterOptions,
  filterOf,
  limitUpTo,
  nameOf,
  type PlaceOptions,
  placeOf,
  withFilters,
  withOutput,
} from './dlq-options.ts';
import { registerDlqReplay } from './dlq-replay.ts';
import { environmentOf } from './environment.ts';

interface DlqOptions extends PlaceOptions, FilterOptions {
  readonly output: 'table' | 'json';
  readonly limit: number;
}

interface StatsOptions extends PlaceOptions, FilterOptions {
  readonly json: boolean;
  readonly check: boolean;
  readonly warn: number;
  readonly crit: number;
}

/** `pipectl dlq`: what could not be processed, why, and what becomes of it. */
export function registerDlq(program: Command): void {
  const dlq = program
    .command('dlq')
    .description('Shows dead letters, records that could not be processed, and replays or closes them.');
  const list = dlqCommand(dlq, 'ls', 'Lists the causes of dead letters: how many, since when, how fast.');
  withOutput(withFilters(list))
    .option('--limit <n>', 'at most so many', limitUpTo(1000), 50)
    .action(async (file: string | undefined, options: DlqOptions, command: Command) => {
      const { causesJson, causesTable } = await import('./dlq-output.ts');
      const { list: found, place, nowMs } = await causesOf(file, environmentOf(command), options);
      const shown = { ...found, causes: found.causes.slice(0, options.limit) };
      process.stdout.write(
        options.output === 'json' ? causesJson(shown) : causesTable(shown, found.causes.length, nameOf(place), nowMs),
      );
    });
  const inspect = dlqCommand(
    dlq,
    'inspect',
    'Shows the newest dead letters whole: where from, why, what was done about them, headers, value.',
  );
  withOutput(withFilters(inspect))
    .option('--limit <n>', 'at most so many', limitUpTo(1000), 1)
    .action(async (file: string | undefined, options: DlqOptions, command: Command) => {
      const [{ newestDeadLetters }, { letterStates }, { lettersJson, lettersText }, place] = await Promise.all([
        import('../operations/dead-letters/list.ts'),
        import('../operations/dead-letters/state.ts'),
        import('./dlq-output.ts'),
        placeOf(file, environmentOf(command), options),
      ]);
      const letters = await newestDeadLetters(place, filterOf(options), options.limit, silentLog);
      const states = letters.length === 0 ? new Map() : await letterStates(place, silentLog).read();
      process.stdout.write(
        options.output === 'json' ? lettersJson(letters, states) : lettersText(letters, states, nameOf(place)),
      );
      process.exitCode = letters.length === 0 ? exitCodes.failed : exitCodes.done;
    });
  registerStats(dlq);
  registerDlqReplay(dlq);
  registerDlqClose(dlq);
}

function registerStats(dlq: Command): void {
  const stats = dlqCommand(dlq, 'stats', 'Counts open dead letters: the oldest, how fast they grow, by cause.');
  withFilters(stats)
    .option('--json', 'print JSON', false)
    .option('--check', 'print one line and exit 0 ok, 1 warning, 2 critical, 3 unknown', false)
    .option('--warn <n>', 'with --check: open letters from which it is a warning', limitUpTo(1e9), 1)
    .option('--crit <n>', 'with --check: open letters from which it is critical', limitUpTo(1e9), 1000)
    .action(async (file: string | undefined, options: StatsOptions, command: Command) => {
      const { checkStats, statsJson, statsText } = await import('./dlq-output.ts');
      try {
        const { list, place, nowMs } = await causesOf(file, environmentOf(command), options);
        if (options.check) {
          const { line, exitCode } = checkStats(list, options, nowMs);
          process.stdout.write(line);
          process.exitCode = exitCode;
          return;
        }
        process.stdout.write(options.json ? statsJson(list) : statsText(list, nameOf(place), nowMs));
      } catch (error) {
        if (!options.check) throw error;
        process.stdout.write(`DLQ UNKNOWN - ${(error as Error).message.split('\n')[0]}\n`);
        process.exitCode = 3;
      }
    });
}

async function causesOf(file: string | undefined, environment: string | null, options: PlaceOptions & FilterOptions) {
  const [{ listCauses }, { letterStates }, place] = await Promise.all([
    import('../operations/dead-letters/list.ts'),
    import('../operations/dead-letters/state.ts'),
    placeOf(file, environment, options),
  ]);
  const nowMs = Date.now();
  const states = await letterStates(place, silentLog).read();
  return { list: await listCauses(place, filterOf(options), states, nowMs, silentLog), place, nowMs };
}
