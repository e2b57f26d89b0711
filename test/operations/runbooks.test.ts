import { globSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { Command } from 'commander';
import { describe, expect, it } from 'vitest';
import { environmentOption } from '../../src/cli/environment.ts';
import { errorTable } from '../../src/errors.ts';
import { readRunbook, runbookNames } from '../../src/operations/runbook.ts';
import { runbookFor, runbooks } from '../../src/runtime/runbooks.ts';
import { commandsIn, wordsOf } from './runbook-commands.ts';

const root = join(import.meta.dirname, '../..');

/** Every command of the program with its options, doing nothing when it is called. */
async function inertProgram(): Promise<Command> {
  const program = new Command('pipectl').option('--no-color').addOption(environmentOption()).exitOverride();
  for (const file of globSync('src/cli/*.ts', { cwd: root }).filter((name) => !name.endsWith('main.ts'))) {
    const module = (await import(join(root, file))) as Readonly<Record<string, unknown>>;
    for (const [name, register] of Object.entries(module))
      if (/^register[A-Z]/.test(name)) (register as (program: Command) => void)(program);
  }
  const disarm = (command: Command) => {
    command.exitOverride().configureOutput({ writeErr: () => undefined, writeOut: () => undefined });
    if (command.commands.length === 0) command.action(() => undefined);
    command.commands.forEach(disarm);
  };
  disarm(program);
  return program;
}

describe('runbooks', () => {
  it('are the files in docs/runbooks, no more and no less', () => {
    const files = readdirSync(join(root, 'docs/runbooks')).map((file) => file.replace(/\.md$/, ''));
    expect(files.toSorted()).toEqual(runbookNames);
  });

  it.each(runbookNames)('%s says what is seen, what to run, what to do and when to wake someone', (name) => {
    const { title, summary, markdown } = readRunbook(name);
    expect(title).toMatch(/^[A-Z][^#.]+$/);
    expect(summary).toMatch(/^[A-Z].*\.$/);
    expect([...markdown.matchAll(/^## (.*)$/gm)].map(([, heading]) => heading)).toEqual([
      'What you see',
      'What to run',
      'What to do',
      'When to wake someone',
    ]);
  });

  it.each(runbookNames.flatMap((name) => commandsIn(name).map((command) => [name, command] as const)))(
    '%s: `%s` is a command with options that are there',
    async (_, command) => {
      const [program, ...words] = wordsOf(command);
      expect(program).toBe('pipectl');
      await (await inertProgram()).parseAsync(words, { from: 'user' });
    },
  );

  it('are refused with commands or options that are not there', async () => {
    const program = await inertProgram();
    await expect(program.parseAsync(['lag', '--frobnicate'], { from: 'user' })).rejects.toThrow('--frobnicate');
    await expect(program.parseAsync(['frobnicate'], { from: 'user' })).rejects.toThrow('frobnicate');
  });

  it('name only runbooks that are there in their text', () => {
    for (const name of runbookNames)
      for (const [, other] of readRunbook(name).markdown.matchAll(/runbook `([^`]+)`/g))
        expect(runbookNames, `${name} names ${other}`).toContain(other);
  });

  it('name only codes of errors that are there in their text', () => {
    const codes = Object.keys(errorTable);
    for (const name of runbookNames) {
      for (const [, code] of readRunbook(name).markdown.matchAll(/`([a-z]+(?:_[a-z0-9]+)+)`/g)) {
        if (!options.has(code!)) expect(codes, `${name} names ${code}`).toContain(code);
      }
    }
  });

  it('fit each code they are for, and a code has one', () => {
    for (const [name, codes] of Object.entries(runbooks)) for (const code of codes) expect(runbookFor(code)).toBe(name);
    const all = Object.values(runbooks).flat();
    expect(new Set(all).size).toBe(all.length);
    expect(runbookFor('started')).toBeNull();
  });

  it('suggest the one that was meant', () => {
    const refused = (hint: string) => expect.objectContaining({ exitCode: 2, hint }) as Error;
    expect(() => readRunbook('growing-lags')).toThrow(refused('did you mean growing-lag?'));
    expect(() => readRunbook('lag')).toThrow(refused('did you mean growing-lag?'));
    expect(() => readRunbook('x')).toThrow(refused('`pipectl runbook --list` names them'));
  });
});

/** Words with an underscore that are options of a component. */
const options = new Set(['session_timeout']);
