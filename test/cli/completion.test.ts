import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command, Option } from 'commander';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { commandTree } from '../../src/cli/completion.ts';
import { bashScript, fishScript, zshScript } from '../../src/cli/completion-scripts.ts';

const program = new Command('pipectl').option('--no-color', "print without colour: it's plain");
program
  .command('run')
  .description("runs a pipeline; it's what it is for")
  .argument('[file]')
  .option('--until-end', 'stop at the end')
  .addOption(new Option('-o, --output <form>', 'form').choices(['text', 'json']))
  .option('--set <path=value>', 'override');
program.command('explain').alias('plan').argument('[files...]');
program.command('docs').argument('[component]');
const dlq = program.command('dlq');
dlq.command('ls').argument('[file]').option('--stage <stage>', 'of a stage');
dlq.command('inspect').argument('[file]');

const tree = commandTree(program, new Map([['docs', ['sink.postgres', 'sink.stdout', 'functions']]]));

let directory: string;
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'pipectl-completion-'));
  for (const file of ['orders.yaml', 'my orders.yml', 'notes.txt']) writeFileSync(join(directory, file), '');
  mkdirSync(join(directory, 'pipelines'));
});
afterAll(() => rmSync(directory, { recursive: true }));

/** What bash offers for the last of these words. */
function completed(...words: readonly string[]): readonly string[] {
  const script = `${bashScript(tree)}
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _pipectl; printf '%s\\n' "\${COMPREPLY[@]}"`;
  const printed = execFileSync('bash', ['--norc', '-c', script, 'bash', 'pipectl', ...words], {
    cwd: directory,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  return printed
    .split('\n')
    .filter((line) => line !== '')
    .toSorted();
}

describe('completion in bash', () => {
  it('offers every command, by each of its names', () => {
    expect(completed('')).toEqual(['dlq', 'docs', 'explain', 'plan', 'run']);
    expect(completed('r')).toEqual(['run']);
    expect(completed('dlq', '')).toEqual(['inspect', 'ls']);
  });

  it('offers the options of the command that was typed', () => {
    expect(completed('run', '-')).toEqual(['--help', '--output', '--set', '--until-end', '-h', '-o']);
    expect(completed('dlq', 'ls', '--st')).toEqual(['--stage']);
    expect(completed('dlq', 'inspect', '--st')).toEqual([]);
    expect(completed('--no')).toEqual(['--no-color']);
  });

  it('offers the values an option takes', () => {
    expect(completed('run', '-o', '')).toEqual(['json', 'text']);
    expect(completed('run', 'orders.yaml', '--output', 'j')).toEqual(['json']);
  });

  it('offers pipeline files and folders for a FILE, names with spaces whole', () => {
    expect(completed('run', '')).toEqual(['my orders.yml', 'orders.yaml', 'pipelines']);
    expect(completed('plan', '--help', 'o')).toEqual(['orders.yaml']);
    expect(completed('dlq', 'ls', 'm')).toEqual(['my orders.yml']);
  });

  it('offers what there are docs of', () => expect(completed('docs', 'sink.p')).toEqual(['sink.postgres']));

  it('knows the command though options stand before it', () =>
    expect(completed('--no-color', 'dlq', 'i')).toEqual(['inspect']));

  it('is what the shell calls for pipectl', () => {
    const printed = execFileSync('bash', ['--norc', '-c', `${bashScript(tree)}\ncomplete -p pipectl`], {
      encoding: 'utf8',
    });
    expect(printed).toBe('complete -F _pipectl pipectl\n');
  });
});

describe('completion in other shells', () => {
  it.for([
    ['zsh', zshScript(tree)],
    ['fish', fishScript(tree)],
  ] as const)('%s hears of every command and option, with quotes that close', ([, script]) => {
    for (const word of ['run', 'plan', 'inspect', 'until-end', 'sink.postgres', 'stop at the end'])
      expect(script).toContain(word);
    expect(script).toContain(String.raw`it'\''s what it is for`);
    const outside = script.replaceAll(String.raw`'\''`, '').replaceAll(/'[^']*'/g, '');
    expect(
      outside
        .split('\n')
        .filter((line) => !line.startsWith('#'))
        .join('\n'),
    ).not.toContain("'");
  });
});
