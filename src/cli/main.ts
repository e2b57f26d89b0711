/** The command line. Commands load what they need when they run: `--version` and `validate` must start fast. */
import { enableCompileCache } from 'node:module';
import { Command, CommanderError } from 'commander';
import { PipectlError, exitCodes } from '../errors.ts';
import { version } from './version.ts';

// Where the machine offers no place for it, Node goes on without.
enableCompileCache();

async function main(argv: readonly string[]): Promise<number> {
  const program = new Command('pipectl')
    .description('Runs a real-time data pipeline from one YAML file.')
    .version(version(), '-V, --version')
    .option('--no-color', 'print without colour (NO_COLOR does the same)')
    .showHelpAfterError('(pipectl --help lists the commands)')
    .exitOverride();
  await register(program, argv);
  try {
    await program.parseAsync(argv, { from: 'user' });
    return Number(process.exitCode ?? exitCodes.done);
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? exitCodes.done : exitCodes.usage;
    return report(error);
  }
}

const commands = {
  run: async () => (await import('./run.ts')).registerRun,
  validate: async () => (await import('./validate.ts')).registerValidate,
  lag: async () => (await import('./lag.ts')).registerLag,
  dlq: async () => (await import('./dlq.ts')).registerDlq,
};

/** Registers the command that is called, or all of them where help is asked for. */
async function register(program: Command, argv: readonly string[]): Promise<void> {
  const called = argv.find((word): word is keyof typeof commands => Object.hasOwn(commands, word));
  const loaders = called === undefined || argv[0] === 'help' ? Object.values(commands) : [commands[called]];
  if (argv.includes('--version') || argv.includes('-V')) return;
  for (const load of loaders) (await load())(program);
}

/** Prints a failure as one sentence with the way out, and gives the exit code for it. */
function report(error: unknown): number {
  if (error instanceof PipectlError) {
    process.stderr.write(`pipectl: ${error.message}\n${error.hint ? `  ${error.hint}\n` : ''}`);
    return error.exitCode;
  }
  const shown = error instanceof Error ? (error.stack ?? error.message) : String(error);
  process.stderr.write(`pipectl: this is a bug, please report it:\n${shown}\n`);
  return exitCodes.failed;
}

process.exitCode = await main(process.argv.slice(2));
