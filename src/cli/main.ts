/** The command line. Commands load what they need when they run: `--version` and `validate` must start fast. */
import { enableCompileCache } from 'node:module';
import type { Command, Option } from 'commander';
import { PipectlError, exitCodes } from '../errors.ts';
import { reportFailure } from './report-failure.ts';
import { version } from './version.ts';

// Where the machine offers no place for it, Node goes on without.
enableCompileCache();

async function main(argv: readonly string[]): Promise<number> {
  if (argv.length === 1 && (argv[0] === '--version' || argv[0] === '-V')) {
    process.stdout.write(`${version()}\n`);
    return exitCodes.done;
  }
  const [{ Command, CommanderError, Help, Option }, { environmentOption }] = await Promise.all([
    import('commander'),
    import('./environment.ts'),
  ]);
  const help = new Help();
  const program = new Command('pipectl')
    .description('Runs a real-time data pipeline from one YAML file.')
    .version(version(), '-V, --version')
    .option('--no-color', 'print without colour (NO_COLOR does the same)')
    .addOption(environmentOption())
    .showHelpAfterError('(pipectl --help lists the commands)')
    .configureHelp({
      showGlobalOptions: true,
      optionDescription: (option) => help.optionDescription(withTellingDefault(option)),
    })
    .configureOutput({ outputError: (text, write) => write(text.replace(/^error:/, 'pipectl:')) })
    .exitOverride();
  try {
    await register(program, argv);
    for (const command of program.commands.flatMap((each) => [each, ...each.commands])) {
      const form = command.options.find(({ argChoices, long }) => argChoices?.includes('json') && long !== '--view');
      if (form === undefined || command.options.some(({ long }) => long === '--json')) continue;
      command.addOption(
        new Option('--json', `the same as ${form.long} json`).implies({ [form.attributeName()]: 'json' }),
      );
    }
    await program.parseAsync(argv, { from: 'user' });
    return Number(process.exitCode ?? exitCodes.done);
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? exitCodes.done : exitCodes.usage;
    return reportFailure(error);
  }
}

/** Without a default that says no more than that the option was not given. */
function withTellingDefault(option: Option): Option {
  const { defaultValue } = option;
  const saysNothing = defaultValue === false || (Array.isArray(defaultValue) && defaultValue.length === 0);
  return saysNothing ? Object.create(option, { defaultValue: { value: undefined } }) : option;
}

/** Commands of the language that this version does not have. */
const notAvailableYet: ReadonlySet<string> = new Set([
  'schema', 'cdc',
]); // prettier-ignore

/** As help shows them. */
const commands = {
  Beginning: {
    quickstart: async () => (await import('./quickstart.ts')).registerQuickstart,
    assess: async () => (await import('./assess.ts')).registerAssess,
    init: async () => (await import('./init.ts')).registerInit,
  },
  'Writing a pipeline': {
    validate: async () => (await import('./validate.ts')).registerValidate,
    test: async () => (await import('./test.ts')).registerTest,
    eval: async () => (await import('./eval.ts')).registerEval,
    explain: async () => (await import('./explain.ts')).registerExplain,
    docs: async () => (await import('./docs.ts')).registerDocs,
  },
  'Running it': {
    run: async () => (await import('./run.ts')).registerRun,
    status: async () => (await import('./status.ts')).registerStatus,
    tap: async () => (await import('./tap.ts')).registerTap,
    generate: async () => (await import('./generate.ts')).registerGenerate,
    alerts: async () => (await import('./alerts.ts')).registerAlerts,
    drill: async () => (await import('./drill.ts')).registerDrill,
  },
  'When something is wrong': {
    lag: async () => (await import('./lag.ts')).registerLag,
    dlq: async () => (await import('./dlq.ts')).registerDlq,
    doctor: async () => (await import('./doctor.ts')).registerDoctor,
    runbook: async () => (await import('./runbook.ts')).registerRunbook,
  },
  'Going back, going on, removing': {
    rewind: async () => (await import('./rewind.ts')).registerRewind,
    resume: async () => (await import('./resume.ts')).registerResume,
    destroy: async () => (await import('./destroy.ts')).registerDestroy,
  },
  'Your shell': {
    completion: async () => (await import('./completion.ts')).registerCompletion,
  },
};

/** Registers the command that is called, or all of them where help is asked for. */
async function register(program: Command, argv: readonly string[]): Promise<void> {
  const first = commandIn(argv);
  if (first !== undefined && notAvailableYet.has(first)) {
    throw new PipectlError('not_available', `the command ${first} is not available in this version`, {
      exitCode: exitCodes.usage,
      hint: '`pipectl --help` lists those that are',
    });
  }
  const groups = Object.entries(commands).map(([name, loaders]) => [name, Object.entries(loaders)] as const);
  // Completion is made of all of them.
  const isOne = first !== 'completion' && groups.some(([, loaders]) => loaders.some(([name]) => name === first));
  for (const [heading, loaders] of groups) {
    for (const [name, load] of loaders) {
      if (isOne && name !== first) continue;
      (await load())(program);
      const command = program.commands.at(-1)!;
      // In the list what it is for, with `--help` all of it.
      command.helpGroup(`${heading}:`).summary(/^.*?(?=[:.](\s|$))/.exec(command.description())![0]);
    }
  }
}

/** The first word that is neither an option nor what follows `--env`. */
const commandIn = (argv: readonly string[]): string | undefined =>
  argv.find((word, index) => !word.startsWith('-') && argv[index - 1] !== '--env');

// Whoever reads may have read enough (`| head`). A running pipeline has to be stopped in order, which its sink sees to.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error;
  if (commandIn(process.argv.slice(2)) !== 'run') process.exit(process.exitCode ?? exitCodes.done);
});
process.exitCode = await main(process.argv.slice(2));
// What a terminal that nobody reads has not taken by then keeps nothing from ending.
if (process.stdout.isTTY) setTimeout(() => process.exit(), 1000).unref();
