import { Command } from 'commander';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { markdownText } from '../../src/cli/markdown.ts';
import { registerRunbook } from '../../src/cli/runbook.ts';
import { runbookNames } from '../../src/operations/runbook.ts';

let output: string;
beforeEach(() => {
  output = '';
  vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
    output += String(text);
    return true;
  });
});
afterEach(() => vi.restoreAllMocks());

async function runbook(...argv: readonly string[]): Promise<string> {
  const program = new Command().exitOverride().configureOutput({ writeErr: () => undefined });
  registerRunbook(program);
  await program.parseAsync(['runbook', ...argv], { from: 'user' });
  return output;
}

describe('pipectl runbook', () => {
  it('lists all of them, with what each is for', async () => {
    const shown = await runbook();
    expect(shown.match(/^[a-z-]+$/gm)).toEqual(runbookNames);
    expect(shown).toMatch(/^sink-down\n {2}A sink is down\. The database does not answer/m);
    output = '';
    expect(await runbook('--list')).toBe(shown);
  });

  it('shows one, without the marks of Markdown', async () => {
    const shown = await runbook('sink-down');
    expect(shown).toMatch(/^A sink is down\n\n {2}The database does not answer/);
    expect(shown).toMatch(/^WHAT TO RUN$/m);
    expect(shown).not.toMatch(/\*\*|```|^#/m);
  });

  it('gives it to programs with the codes it is for', async () => {
    const shown = JSON.parse(await runbook('data-loss', '--json')) as object;
    expect(shown).toMatchObject({ name: 'data-loss', codes: ['data_loss', 'offsets_moved', 'topic_recreated'] });
  });
});

it('Markdown is wrapped, but its code is not', () => {
  const markdown =
    '# Title\n\nA paragraph\nof **two** lines.\n\n```sh\npipectl lag FILE --interval 10s --check\n```\n\n- one\n  point\n- two\n';
  expect(markdownText(markdown, 20)).toBe(
    [
      'Title',
      '',
      '  A paragraph of two',
      '  lines.',
      '',
      '    pipectl lag FILE --interval 10s --check',
      '',
      '  - one point',
      '  - two',
      '',
    ].join('\n'),
  );
});
