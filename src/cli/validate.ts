import { type Command, Option } from 'commander';
import { findPipelines } from '../definition/find.ts';
import { loadPipeline } from '../definition/load.ts';
import type { Override } from '../definition/overrides.ts';
import { problemOfFile, weighed } from '../definition/problems.ts';
import { type Checked, type Paint, report, type ReportFormat, reportFormats } from '../definition/report.ts';
import { exitCodes, PipectlError } from '../errors.ts';
import { environmentOf } from './environment.ts';
import { timeoutOption } from './duration-option.ts';
import { collectOverride } from './set-option.ts';

interface ValidateOptions {
  readonly format: ReportFormat;
  readonly strict: boolean;
  readonly set: readonly Override[];
  readonly connect?: boolean;
  readonly timeout: number;
}

/** `pipectl validate`: checks pipeline files, without a connection to anything unless `--connect` is given. */
export function registerValidate(program: Command): void {
  program
    .command('validate')
    .description('Checks pipeline files offline: YAML, options, references, expressions.')
    .argument('[files...]', 'files, or directories with pipelines; default: the one pipeline of this folder')
    .addOption(new Option('--format <format>', 'form of the report').choices([...reportFormats]).default('text'))
    .option('--strict', 'count warnings as errors', false)
    .option(
      '--set <path=value>',
      'change a value before checking, such as sinks[0].postgres.table=orders',
      collectOverride,
      [],
    )
    .option('--connect', 'connect, and check what must exist: topics, tables, columns, unique keys, rights')
    .addOption(timeoutOption())
    .addHelpText(
      'after',
      `
Without --env and --connect, variables that are not set are taken as unknown. With one of them, they must be set as for \`run\`.
Exit codes: 0 sound, 1 errors, 2 wrong usage, 3 --connect could not reach a service, and there is no other error.`,
    )
    .action(async (files: readonly string[], options: ValidateOptions, command: Command) => {
      process.exitCode = await validate(files, environmentOf(command), options);
    });
}

async function validate(
  named: readonly string[],
  environment: string | null,
  { format, strict, set, connect, timeout }: ValidateOptions,
): Promise<number> {
  const files = findPipelines(named);
  const { planPipeline } = await import('../plan/index.ts');
  const checked: Checked[] = [];
  const unusable: PipectlError[] = [];
  // What can't be told from what could not be reached.
  let silent = 0;
  for (const file of files) {
    const mode = environment === null && connect !== true ? 'validate' : 'run';
    try {
      const loaded = await loadPipeline(file, { env: process.env, mode, environment, set });
      const plan = await planPipeline(loaded);
      if (connect === true && plan !== null) {
        const { addLiveProblems } = await import('../operations/live-problems.ts');
        silent += (await addLiveProblems(plan, loaded.problems, timeout)).unreachable.length;
      }
      checked.push({ file, problems: weighed(loaded.problems.sorted(), strict || loaded.strict) });
    } catch (error) {
      if (!(error instanceof PipectlError)) throw error;
      unusable.push(error);
      checked.push({ file, problems: [problemOfFile(file, error)] });
    }
  }
  // Where it holds for every file it is the command line that is wrong.
  if (unusable.length === files.length) throw unusable[0]!;
  process.stdout.write(report(checked, format, await paint(format)));
  const errors = checked.flatMap(({ problems }) => problems).filter(({ severity }) => severity === 'error').length;
  if (errors === 0) return exitCodes.done;
  return errors === silent ? exitCodes.unreachable : exitCodes.failed;
}

/** Colours, where a person looks at them. */
async function paint(format: ReportFormat): Promise<Paint | undefined> {
  const isWanted = process.stdout.isTTY && !process.env.NO_COLOR && !process.argv.includes('--no-color');
  if (format !== 'text' || !isWanted) return undefined;
  const { default: chalk } = await import('chalk');
  return { error: chalk.red, warning: chalk.yellow, place: chalk.bold, quiet: chalk.dim };
}
