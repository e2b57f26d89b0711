import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { Command } from 'commander';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { registerValidate } from '../../src/cli/validate.ts';

const good = 'source: { file: { path: a.ndjson } }\nsteps: [ { filter: event.a > 1 } ]\nsinks: [ { stdout: {} } ]\n';
const bad = good.replace('filter', 'fliter');

const home = process.cwd();
let directory: string;
let output: string;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'pipectl-validate-'));
  output = '';
  vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
    output += String(text);
    return true;
  });
});

afterEach(() => {
  vi.restoreAllMocks();
  process.chdir(home);
  rmSync(directory, { recursive: true });
  process.exitCode = undefined;
});

function write(file: string, text: string): string {
  const path = join(directory, file);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
  return path;
}

/** Runs the command and gives its exit code. */
async function validate(...argv: readonly string[]): Promise<number | string | undefined> {
  const program = new Command().exitOverride().configureOutput({ writeErr: () => undefined });
  registerValidate(program);
  await program.parseAsync(['validate', ...argv], { from: 'user' });
  return process.exitCode ?? undefined;
}

describe('pipectl validate', () => {
  it('says that all is well, with exit code 0', async () => {
    const file = write('orders.yaml', good);
    expect(await validate(file)).toBe(0);
    expect(output).toBe(`${file}: ok\n`);
  });

  it('shows the place, the line with a caret, and the way out, with exit code 1', async () => {
    const file = write('orders.yaml', bad);
    expect(await validate(file)).toBe(1);
    expect(output).toBe(
      [
        `${file}:2:12  error  fliter is no step; did you mean "filter"?  [component_unknown]`,
        '  2 | steps: [ { fliter: event.a > 1 } ]',
        '    |            ^^^^^^',
        '  hint: rename it to "filter"',
        '',
        `${file}: 1 error`,
        '`pipectl docs CODE` says more of a code, such as component_unknown',
        '',
      ].join('\n'),
    );
  });

  it('finds problems of expressions in the same run, at their place', async () => {
    const file = write('orders.yaml', `${good.replace('event.a > 1', 'event.a >')}batch: { every: 5 }\n`);
    expect(await validate(file, '--format', 'json')).toBe(1);
    const report = JSON.parse(output) as {
      readonly files: readonly { readonly problems: readonly { readonly line: number }[] }[];
    };
    expect(report.files[0]?.problems.map(({ line }) => line)).toEqual([2, 4]);
  });

  it('--strict makes a warning fail', async () => {
    const text =
      "source: { file: { path: a.ndjson } }\nsinks: [ { postgres: { url: 'postgres://u:hunter22@h/d', table: t, key: [id] } } ]\n";
    const file = write('orders.yaml', text);
    expect(await validate(file)).toBe(0);
    expect(output).toContain('secret_literal');
    expect(output).not.toContain('hunter22');
    expect(await validate(file, '--strict')).toBe(1);
  });

  it('takes a directory with all below it, but no tests, project file or YAML of others', async () => {
    for (const file of ['b.yaml', 'deep/a.yml', 'b.test.yaml', 'pipectl.yaml', '.hidden/c.yaml', 'node_modules/d.yaml'])
      write(file, file === 'pipectl.yaml' ? 'vars: {}\n' : good);
    write('compose.yaml', 'services: {}\n');
    expect(await validate(directory, '--format', 'json')).toBe(0);
    const report = JSON.parse(output) as { readonly files: readonly { readonly file: string }[] };
    expect(report.files.map(({ file }) => file)).toEqual([join(directory, 'b.yaml'), join(directory, 'deep/a.yml')]);
  });

  it('without FILE takes the one pipeline of the folder, and asks where there are several', async () => {
    process.chdir(directory);
    await expect(validate()).rejects.toMatchObject({
      code: 'file_not_found',
      exitCode: 2,
      message: 'this folder holds no pipeline file',
    });
    write('a.yaml', good);
    expect(await validate()).toBe(0);
    expect(output).toBe('a.yaml: ok\n');
    write('b.yaml', good);
    await expect(validate()).rejects.toMatchObject({
      exitCode: 2,
      message: 'this folder holds several pipelines: a.yaml, b.yaml',
    });
  });

  it('a file that is not there is wrong usage', async () => {
    await expect(validate(join(directory, 'none.yaml'))).rejects.toMatchObject({ code: 'file_not_found', exitCode: 2 });
  });

  it('--set changes a value before checking', async () => {
    const file = write('orders.yaml', good);
    expect(await validate(file, '--set', 'steps[0].filter=event.a >')).toBe(1);
    await expect(validate(file, '--set', 'nonsense')).rejects.toMatchObject({ code: 'set_invalid', exitCode: 2 });
  });

  it('--format github writes one annotation a problem', async () => {
    const file = write('orders.yaml', bad);
    await validate(file, '--format', 'github');
    expect(output).toBe(
      `::error file=${file},line=2,col=12,endLine=2,endColumn=18,title=component_unknown::fliter is no step; did you mean "filter"? (rename it to "filter")\n`,
    );
  });

  it('--format sarif writes what code scanners read', async () => {
    const file = write('orders.yaml', bad);
    await validate(file, '--format', 'sarif');
    const sarif = JSON.parse(output) as { readonly runs: readonly { readonly results: readonly unknown[] }[] };
    expect(sarif.runs[0]?.results).toEqual([
      {
        ruleId: 'component_unknown',
        level: 'error',
        message: { text: 'fliter is no step; did you mean "filter"? (rename it to "filter")' },
        locations: [
          {
            physicalLocation: {
              artifactLocation: { uri: file },
              region: { startLine: 2, startColumn: 12, endLine: 2, endColumn: 18 },
            },
          },
        ],
      },
    ]);
  });

  it('--format sarif names a file so that no part of its name is read as something else', async () => {
    const file = write('a #1?.yaml', bad);
    await validate(file, '--format', 'sarif');
    expect(output).toContain(`"uri": "${directory}/a%20%231%3F.yaml"`);
  });

  it('every problem leads to the docs of its code', async () => {
    await validate(write('orders.yaml', bad), '--format', 'json');
    expect(output).toContain('"docs": "docs/errors.md#component_unknown"');
    expect(readFileSync(join(import.meta.dirname, '../../docs/errors.md'), 'utf8')).toContain(
      '<a id="component_unknown"></a>',
    );
  });

  it('the caret stands below its text, whatever is before it: tabs, wide and combining characters', async () => {
    const file = write('orders.yaml', `${good}batch: { \u6f22\u5b57: 5, "e\u0301": 1,\tevery: 5 }\n`);
    expect(await validate(file)).toBe(1);
    const carets = output.split('\n').filter((line) => line.includes('^'));
    expect(carets).toEqual([
      '    |          ^^^^',
      '    |                   ^^^',
      `    | ${' '.repeat(25)}\t${' '.repeat(7)}^`,
    ]);
  });

  it('control characters of a hostile file do not reach the terminal', async () => {
    const file = write('orders.yaml', `${good}"na\u{9b}me\\e[31m": 1\n`);
    expect(await validate(file)).toBe(1);
    expect(output.replaceAll('\n', '')).not.toMatch(/\p{Cc}/u);
  });

  it('a line that is very long is shown around the problem', async () => {
    const file = write('orders.yaml', `${good}vars: { a: "${'x'.repeat(5000)}" , b: !x 1 }\n`);
    expect(await validate(file)).toBe(1);
    expect(
      Math.max(
        ...output
          .split('\n')
          .slice(1, 3)
          .map((line) => line.length),
      ),
    ).toBeLessThan(140);
    expect(output).toMatch(/\n +\| +\^\^\n/);
  });

  it('says of a file that is no text that it is not, and goes on', async () => {
    write('a.yaml', good);
    writeFileSync(write('b.yaml', ''), Buffer.from('source: \u00e9\nsinks: []\n', 'latin1'));
    process.chdir(directory);
    expect(await validate('.', '--format', 'github')).toBe(1);
    expect(output).toMatch(
      /^::error file=b.yaml,line=1,col=1,[^\n]*title=file_unreadable::reading b.yaml: it is not UTF-8 text[^\n]*\n$/,
    );
  });
});
