import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Command } from 'commander';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { registerTest } from '../../src/cli/test.ts';
import { Workspace, pipelineOf } from '../testing/workspace.ts';

const home = process.cwd();
let workspace: Workspace;
let output: string;
/** Told of every write to stdout. */
let written: () => void;

beforeEach(() => {
  workspace = new Workspace();
  output = '';
  written = () => undefined;
  vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
    output += String(text);
    written();
    return true;
  });
});

afterEach(() => {
  vi.restoreAllMocks();
  process.chdir(home);
  workspace.close();
  process.exitCode = undefined;
});

/** Runs the command and gives its exit code. */
async function test(...argv: readonly string[]): Promise<number | string | undefined> {
  const program = new Command().exitOverride().configureOutput({ writeErr: () => undefined });
  registerTest(program);
  await program.parseAsync(['test', ...argv], { from: 'user' });
  return process.exitCode ?? undefined;
}

const pipeline = pipelineOf('  - set: { double: event.n * 2 }');
const cases = `cases:
  - name: two is doubled
    events: [{ n: 2 }]
    expect: { rows: [{ double: 4 }] }
  - name: 'three & "more" is doubled'
    events: [{ n: 3, name: "x\\e[31m" }]
    expect: { exact: true, rows: [{ n: 3, double: 7, name: "x\\e[31m" }] }
`;
const good = cases.replace('double: 7', 'double: 6');

function write(tests: string, name = 'orders'): string {
  workspace.write(`${name}.yaml`, pipeline);
  return workspace.write(`${name}.test.yaml`, tests);
}

describe('pipectl test', () => {
  it('names every case that passes, with exit code 0', async () => {
    const file = write(good);
    expect(await test(file)).toBe(0);
    expect(output).toBe(`${file}\n  ok    two is doubled\n  ok    three & "more" is doubled\n\n2 passed\n`);
  });

  it('shows what differs field by field, with its place, and exit code 1', async () => {
    const file = write(cases);
    expect(await test(file)).toBe(1);
    expect(output).toBe(
      [
        file,
        '  ok    two is doubled',
        `  FAIL  three & "more" is doubled  ${file}:5:5`,
        '        row 0 of stdout differs (line 7)',
        '            n: 3',
        '          - double: 7',
        '          + double: 6',
        '            name: "x\\u001b[31m"',
        '',
        '1 failed, 1 passed',
        '',
      ].join('\n'),
    );
  });

  it('shows a problem of the test file with line and caret, with exit code 1', async () => {
    const file = write(good.replace('rows: [{ double: 4', 'rwos: [{ double: 4'));
    expect(await test(file)).toBe(1);
    expect(output).toContain(
      [
        `${file}:4:15  error  cases[0].expect.rwos is unknown; did you mean "rows"?  [key_unknown]`,
        '  4 |     expect: { rwos: [{ double: 4 }] }',
        '    |               ^^^^',
      ].join('\n'),
    );
    expect(output).toMatch(/\n1 file could not be run\n$/);
  });

  it('takes pipelines, directories, and without any all tests below the folder', async () => {
    write(good);
    write(good, 'deep/others');
    workspace.write('node_modules/x.test.yaml', 'nonsense');
    expect(await test(join(workspace.directory, 'orders.yaml'))).toBe(0);
    expect(output).toMatch(/\n2 passed\n$/);
    process.chdir(workspace.directory);
    output = '';
    expect(await test()).toBe(0);
    expect(output).toContain('deep/others.test.yaml\n');
    expect(output).toMatch(/\n4 passed\n$/);
  });

  it.for([
    ['a file that is not there', 'none.test.yaml', 'file_not_found'],
    ['a pipeline without tests', 'untested.yaml', 'file_not_found'],
    ['a folder without tests', 'empty', 'file_not_found'],
  ])('%s is wrong usage', async ([, name, code]) => {
    workspace.write('untested.yaml', pipeline);
    workspace.write('empty/orders.yaml', pipeline);
    await expect(test(join(workspace.directory, name!))).rejects.toMatchObject({ code, exitCode: 2 });
  });

  it('--filter runs the cases whose name holds the text, and one that fits none is wrong usage', async () => {
    const file = write(cases);
    expect(await test(file, '--filter', 'TWO')).toBe(0);
    expect(output).toBe(`${file}\n  ok    two is doubled\n\n1 passed\n`);
    await expect(test(file, '--filter', 'four')).rejects.toMatchObject({ code: 'usage', exitCode: 2 });
  });

  it('--format json tells the same to machines', async () => {
    const file = write(cases);
    expect(await test(file, '--format', 'json')).toBe(1);
    expect(JSON.parse(output)).toMatchObject({
      passed: 1,
      failed: 1,
      broken: 0,
      files: [
        {
          file,
          pipeline: join(workspace.directory, 'orders.yaml'),
          ok: false,
          problems: [],
          cases: [
            { name: 'two is doubled', line: 2, column: 5, ok: true, differences: [] },
            {
              ok: false,
              differences: [
                {
                  about: 'rows',
                  sink: 'stdout',
                  line: 7,
                  item: { kind: 'differs', index: 0, fields: [{ path: 'double', expected: 7, got: 6 }] },
                },
              ],
            },
          ],
        },
      ],
    });
  });

  it('--junit writes XML that holds names and differences, escaped', async () => {
    const file = write(cases);
    const junit = join(workspace.directory, 'junit.xml');
    expect(await test(file, '--junit', junit)).toBe(1);
    const text = readFileSync(junit, 'utf8');
    expect(text).toContain(`<testsuite name="${file}" tests="2" failures="1" errors="0"`);
    expect(text).toContain('<testcase name="three &amp; &quot;more&quot; is doubled"');
    expect(text).toContain(
      '<failure message="1 difference">row 0 of stdout differs (line 7)\n    n: 3\n  - double: 7\n',
    );
    expect(text.replaceAll('\n', '')).not.toMatch(/\p{Cc}/u);
    expect(existsSync(junit)).toBe(true);
  });

  it('--junit counts a file that could not be run as an error', async () => {
    const junit = join(workspace.directory, 'junit.xml');
    expect(await test(write('cases: []\n'), '--junit', junit)).toBe(1);
    const text = readFileSync(junit, 'utf8');
    expect(text).toContain('tests="1" failures="0" errors="1"');
    expect(text).toContain('<error message="cases is empty">');
  });

  it('--watch runs again when the test or the pipeline changes, and ends with 0 on Ctrl-C', async () => {
    const file = write(good);
    vi.spyOn(process.stderr, 'write').mockReturnValue(true);
    const shows = (text: string) =>
      new Promise<void>((resolve) => {
        const look = () => void (output.includes(text) && resolve());
        written = look;
        look();
      });
    const ended = test(file, '--watch');
    await shows('2 passed');
    output = '';
    workspace.write('orders.test.yaml', cases);
    await shows('1 failed, 1 passed');
    output = '';
    workspace.write('orders.yaml', pipeline.replace('* 2', '* 2 + event.n - 2'));
    await shows('2 passed');
    process.emit('SIGINT', 'SIGINT');
    expect(await ended).toBe(0);
  });
});
