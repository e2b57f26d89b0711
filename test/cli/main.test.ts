import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';

const root = join(import.meta.dirname, '../..');

/** What the program prints and exits with. */
function pipectl(...argv: readonly string[]) {
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    ['--import', 'tsx', join(root, 'src/cli/main.ts'), ...argv],
    { cwd: root, encoding: 'utf8' },
  );
  return { status, stdout, stderr };
}

describe('pipectl', () => {
  it('without a command shows its commands on stderr and exits 2; with --help on stdout and exits 0', () => {
    const [bare, help] = [pipectl(), pipectl('--help')];
    expect([bare.status, bare.stdout, help.status, help.stderr]).toEqual([2, '', 0, '']);
    for (const command of ['run', 'validate', 'lag', 'dlq'])
      expect(help.stdout).toMatch(new RegExp(`^  ${command} `, 'm'));
    expect(bare.stderr).toBe(help.stdout);
  });

  it('lists its commands by what they are for, each with one line of its description', () => {
    const { stdout } = pipectl('--help');
    const sections = stdout.split(/\n\n(?=\S.*:\n)/).map((section) => section.split('\n'));
    const wrong = sections.find(([heading]) => heading === 'When something is wrong:')!;
    expect(wrong.filter((line) => /^  \w/.test(line)).map((line) => line.trim().split(' ')[0])).toEqual(
      expect.arrayContaining(['lag', 'dlq', 'doctor', 'runbook']),
    );
    expect(stdout).toMatch(/^  run .*Runs pipelines until Ctrl-C or SIGTERM$/m);
  });

  it('says nothing of a default that is just the option left out', () => {
    expect(pipectl('dlq', 'replay', '--help').stdout).not.toMatch(/default: (false|\[\])/);
    expect(pipectl('dlq', 'replay', '--help').stdout).toContain('(default: 100)');
  });

  it('tells its version', () => {
    expect(pipectl('--version')).toMatchObject({
      status: 0,
      stdout: expect.stringMatching(/^\d+\.\d+\.\d+\n$/),
      stderr: '',
    });
  });

  it.for([
    ['validate', '--format'],
    ['explain', '-o'],
  ] as const)('%s --json is %s json', ([command, form]) => {
    const short = pipectl(command, 'pipelines/orders-to-serving.yaml', '--json');
    expect(short).toEqual(pipectl(command, 'pipelines/orders-to-serving.yaml', form, 'json'));
    expect([short.status, typeof JSON.parse(short.stdout)]).toEqual([0, 'object']);
  });

  it.for([
    [['validat'], 'Did you mean validate?'],
    [['run', '--untill-end'], 'Did you mean --until-end?'],
    [['cdc'], 'not available in this version'],
    [['validate', 'pipelines/nowhere.yaml'], 'there is no file pipelines/nowhere.yaml'],
  ] as const)('%s is wrong usage, with exit code 2 and a way out', ([argv, answer]) => {
    const { status, stdout, stderr } = pipectl(...argv);
    expect([status, stdout]).toEqual([2, '']);
    expect(stderr).toContain(answer);
    expect(stderr).not.toContain('    at ');
  });
});
