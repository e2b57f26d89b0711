import { type Argument, type Command, Argument as CommandArgument } from 'commander';

export const shells = ['bash', 'zsh', 'fish'] as const;

/** What may follow on the command line, as a tree. */
export interface CommandTree {
  readonly names: readonly string[];
  readonly description: string;
  readonly commands: readonly CommandTree[];
  readonly options: readonly OptionNode[];
  readonly words: WordNode;
}

export interface OptionNode {
  /** `-o`, `--output`. */
  readonly flags: readonly string[];
  readonly description: string;
  /** Null where it stands alone. */
  readonly value: WordNode | null;
}

/** What a word may be: one of a list, a pipeline file, any file, or nothing that is known. */
export type WordNode =
  | { readonly kind: 'choices'; readonly choices: readonly string[] }
  | { readonly kind: 'pipeline' | 'unknown' };

/** `pipectl completion`: a script that teaches a shell the commands and options of this version. */
export function registerCompletion(program: Command): void {
  program
    .command('completion')
    .description('Prints a completion script: eval "$(pipectl completion bash)", the same for zsh; fish: | source')
    .addArgument(new CommandArgument('<shell>', 'for which shell').choices([...shells]))
    .action(async (shell: (typeof shells)[number]) => {
      const [{ docsSubjects }, scripts] = await Promise.all([
        import('./docs-text.ts'),
        import('./completion-scripts.ts'),
      ]);
      const tree = commandTree(program, new Map([['docs', docsSubjects()]]));
      process.stdout.write({ bash: scripts.bashScript, zsh: scripts.zshScript, fish: scripts.fishScript }[shell](tree));
    });
}

/** `subjects`: what the first word of a command may be, where commander does not know. */
export function commandTree(command: Command, subjects: ReadonlyMap<string, readonly string[]>): CommandTree {
  const help = command.createHelp();
  const [first] = command.registeredArguments;
  const known = subjects.get(command.name());
  return {
    names: [command.name(), ...command.aliases()],
    description: command.description(),
    commands: command.commands.map((inner) => commandTree(inner, subjects)),
    options: [...help.visibleOptions(command), ...help.visibleGlobalOptions(command)].map((option) => ({
      flags: [option.short, option.long].filter((flag) => flag !== undefined),
      description: option.description,
      value:
        option.required || option.optional
          ? option.argChoices === undefined
            ? { kind: 'unknown' }
            : { kind: 'choices', choices: option.argChoices }
          : null,
    })),
    words: known === undefined ? wordOf(first) : { kind: 'choices', choices: known },
  };
}

function wordOf(argument: Argument | undefined): WordNode {
  if (argument?.argChoices !== undefined) return { kind: 'choices', choices: argument.argChoices };
  return { kind: argument !== undefined && /^files?$/i.test(argument.name()) ? 'pipeline' : 'unknown' };
}
