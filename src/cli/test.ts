import { writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { type Command, Option } from 'commander';
import { PipectlError, exitCodes } from '../errors.ts';
import { environmentAskedFor } from './environment.ts';
import { findTests } from '../testing/find.ts';
import { jsonReport, junitReport, type Paint, textReport } from '../testing/report.ts';
import { type FileResult, isPassed, runTestFile } from '../testing/run.ts';

interface TestOptions {
  readonly environment: string | null;
  readonly format: 'text' | 'json';
  readonly filter?: string;
  readonly junit?: string;
  readonly watch: boolean;
}

/** `pipectl test`: runs the tests of pipelines in memory, without any service. */
export function registerTest(program: Command): void {
  program
    .command('test')
    .description('Runs the tests of pipelines (*.test.yaml) in memory: no services, no waiting.')
    .argument('[files...]', 'test files, pipelines, or directories; default: all tests below this folder')
    .addOption(new Option('--format <format>', 'form of the report').choices(['text', 'json']).default('text'))
    .option('--filter <text>', 'only cases whose name holds this text')
    .option('--junit <file>', 'write the results as JUnit XML too')
    .option('--watch', 'run again whenever a pipeline or test file changes, until Ctrl-C', false)
    .addHelpText('after', '\nExit codes: 0 all passed, 1 some failed, 2 wrong usage.')
    .action(async (files: readonly string[], given: Omit<TestOptions, 'environment'>, command: Command) => {
      const options = { ...given, environment: environmentAskedFor(command) };
      process.exitCode = options.watch ? await watchTests(files, options) : await test(files, options);
    });
}

async function test(named: readonly string[], options: TestOptions): Promise<number> {
  return report(await runAll(await findTests(named), options), options);
}

async function runAll(files: readonly string[], { environment, filter }: TestOptions): Promise<readonly FileResult[]> {
  const results: FileResult[] = [];
  for (const file of files) results.push(await runTestFile(file, { environment, filter }));
  return results;
}

async function report(all: readonly FileResult[], { filter, format, junit }: TestOptions): Promise<number> {
  const results = all.filter(({ cases, problems }) => cases.length + problems.length > 0);
  if (results.length === 0) {
    const message = `no case has ${JSON.stringify(filter)} in its name`;
    throw new PipectlError('usage', message, { exitCode: exitCodes.usage });
  }
  process.stdout.write(format === 'json' ? jsonReport(results) : textReport(results, await paint()));
  if (junit !== undefined) await writeJunit(junit, results);
  return results.every(isPassed) ? exitCodes.done : exitCodes.failed;
}

async function writeJunit(file: string, results: readonly FileResult[]): Promise<void> {
  try {
    await writeFile(file, junitReport(results));
  } catch (error) {
    const message = `writing ${file}: ${(error as Error).message}`;
    throw new PipectlError('usage', message, { cause: error, exitCode: exitCodes.usage });
  }
}

/** Runs, waits for a change, runs again. Ends with 0 on SIGINT or SIGTERM. */
async function watchTests(named: readonly string[], options: TestOptions): Promise<number> {
  const { FileChanges } = await import('../testing/watch.ts');
  const changes = new FileChanges();
  const stop = () => changes.close();
  process.once('SIGINT', stop);
  process.once('SIGTERM', stop);
  try {
    // Watched before they are read: a change in between is seen.
    changes.watch((await findTests(named)).map((file) => dirname(file)));
    do await runWatched(named, options, changes);
    while (await changes.next());
    return exitCodes.done;
  } finally {
    changes.close();
    process.off('SIGINT', stop);
    process.off('SIGTERM', stop);
  }
}

/** A file that is gone for the moment ends no watch. */
async function runWatched(
  named: readonly string[],
  options: TestOptions,
  changes: InstanceType<typeof import('../testing/watch.ts').FileChanges>,
): Promise<void> {
  try {
    const results = await runAll(await findTests(named), options);
    changes.watch(
      results.flatMap(({ file, pipeline }) => [dirname(file), ...(pipeline === null ? [] : [dirname(pipeline)])]),
    );
    await report(results, options);
  } catch (error) {
    if (!(error instanceof PipectlError)) throw error;
    process.stderr.write(`pipectl: ${error.message}\n`);
  }
  if (process.stderr.isTTY) process.stderr.write('waiting for changes; Ctrl-C ends\n');
}

/** Colours, where a person looks at them. */
async function paint(): Promise<Paint | undefined> {
  const isWanted = process.stdout.isTTY && !process.env.NO_COLOR && !process.argv.includes('--no-color');
  if (!isWanted) return undefined;
  const { default: chalk } = await import('chalk');
  return {
    error: chalk.red,
    warning: chalk.yellow,
    place: chalk.bold,
    quiet: chalk.dim,
    passed: chalk.green,
    failed: chalk.red.bold,
    expected: chalk.green,
    got: chalk.red,
  };
}
