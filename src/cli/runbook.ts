import type { Command } from 'commander';
import { outputWidth, wrapped } from './wrap.ts';

interface RunbookOptions {
  readonly list?: boolean;
  readonly json?: boolean;
}

/** `pipectl runbook`: what to do when something is wrong. */
export function registerRunbook(program: Command): void {
  program
    .command('runbook')
    .description('What to do when something is wrong: what you see, what to run, when to wake someone.')
    .argument('[name]', 'such as growing-lag; without it all are listed')
    .option('--list', 'list the runbooks')
    .option('--json', 'print JSON: name, title, summary, codes of the events it is for, and the text in Markdown')
    .addHelpText('after', '\nExamples:\n  pipectl runbook\n  pipectl runbook sink-down')
    .action(async (name: string | undefined, { list, json }: RunbookOptions) => {
      const [{ readRunbook, runbookNames }, { runbooks }] = await Promise.all([
        import('../operations/runbook.ts'),
        import('../runtime/runbooks.ts'),
      ]);
      const isList = name === undefined || list === true;
      const found = isList ? runbookNames.map(readRunbook) : [readRunbook(name)];
      if (json === true) {
        const shown = found.map((runbook) => ({ ...runbook, codes: runbooks[runbook.name] }));
        process.stdout.write(`${JSON.stringify(isList ? shown : shown[0], null, 2)}\n`);
        return;
      }
      if (!isList) {
        const { markdownText } = await import('./markdown.ts');
        process.stdout.write(markdownText(found[0]!.markdown, outputWidth(), await paint()));
        return;
      }
      const lines = found.map(({ name: each, title, summary }) => {
        return `${each}\n${wrapped(`${title}. ${summary}`, outputWidth(), 2)}`;
      });
      process.stdout.write(`${lines.join('')}\npipectl runbook NAME shows one\n`);
    });
}

/** Colours, where a person looks at them. */
async function paint() {
  const isWanted = process.stdout.isTTY && !process.env.NO_COLOR && !process.argv.includes('--no-color');
  if (!isWanted) return undefined;
  const { default: chalk } = await import('chalk');
  return { heading: chalk.bold, command: chalk.cyan };
}
