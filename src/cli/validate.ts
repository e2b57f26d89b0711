import { type Command, Option } from 'commander';
import { findPipelines } from '../definition/find.ts';
import { loadPipeline } from '../definition/load.ts';
import type { Override } from '../definition/overrides.ts';
import { type Problem, weighed } from '../definition/problems.ts';
import { type Checked, type Paint, report, type ReportFormat, reportFormats } from '../definition/report.ts';
import { exitCodes, PipectlError } from '../errors.ts';
import { environmentOf } from './environment.ts';
import { collectOverride } from './set-option.ts';

interface ValidateOptions {
  readonly format: ReportFormat;
  readonly strict: boolean;
  readonly set: readonly Override[];
}

/** `pipectl validate`: checks pipeline files without a connection to anything. */
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
    .addHelpText(
      'after',
      '\nWithout --env, variables that are not set are taken as unknown. With it, they must be set as for `run`.',
    )
    .action(async (files: readonly string[], options: ValidateOptions, command: Command) => {
      process.exitCode = await validate(files, environmentOf(command), options);
    });
}

async function validate(
  named: readonly string[],
  environment: string | null,
  { format, strict, set }: ValidateOptions,
): Promise<number> {
  const files = await findPipelines(named);
  const { planPipeline } = await import('../plan/index.ts');
  const checked: Checked[] = [];
  const unusable: PipectlError[] = [];
  for (const file of files) {
    const mode = environment === null ? 'validate' : 'run';
    try {
      const loaded = await loadPipeline(file, { env: process.env, mode, environment, set });
      await planPipeline(loaded);
      checked.push({ file, problems: weighed(loaded.problems.sorted(), strict || loaded.strict) });
    } catch (error) {
      if (!(error instanceof PipectlError)) throw error;
      unusable.push(error);
      checked.push({ file, problems: [wholeFileProblem(file, error)] });
    }
  }
  // Where it holds for every file it is the command line that is wrong.
  if (unusable.length === files.length) throw unusable[0]!;
  process.stdout.write(report(checked, format, await paint(format)));
  const failing = checked.flatMap(({ problems }) => problems).some(({ severity }) => severity === 'error');
  return failing ? exitCodes.failed : exitCodes.done;
}

/** One file that can't be read, or whose project lacks the environment, says nothing of the others. */
function wholeFileProblem(file: string, { code, message, hint }: PipectlError): Problem {
  const start = { line: 1, column: 1, endLine: 1, endColumn: 1 };
  return { code, severity: 'error', message, hint: hint ?? null, file, ...start, path: '', sourceLine: '' };
}

/** Colours, where a person looks at them. */
async function paint(format: ReportFormat): Promise<Paint | undefined> {
  const isWanted = process.stdout.isTTY && !process.env.NO_COLOR && !process.argv.includes('--no-color');
  if (format !== 'text' || !isWanted) return undefined;
  const { default: chalk } = await import('chalk');
  return { error: chalk.red, warning: chalk.yellow, place: chalk.bold, quiet: chalk.dim };
}
