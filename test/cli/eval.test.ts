import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command } from 'commander';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { registerEval } from '../../src/cli/eval.ts';

let directory: string;
let output: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'pipectl-eval-'));
  output = '';
  vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
    output += String(text);
    return true;
  });
  writeFileSync(join(directory, 'e.ndjson'), '{"qty": 2, "price": 1.5, "name": "\u009ba"}\n{"price": 3}\n');
});
afterEach(() => {
  vi.restoreAllMocks();
  rmSync(directory, { recursive: true });
  process.exitCode = undefined;
});

async function evaluate(...argv: readonly string[]): Promise<number | string | undefined> {
  const program = new Command().exitOverride().configureOutput({ writeErr: () => undefined });
  registerEval(program);
  await program.parseAsync(['eval', ...argv], { from: 'user' });
  return process.exitCode ?? undefined;
}
const onFile = (...argv: readonly string[]) => evaluate(...argv, '--event', join(directory, 'e.ndjson'));

describe('pipectl eval', () => {
  it('tells value and type for each event, and exits 1 where one fails', async () => {
    expect(await onFile('event.qty * event.price')).toBe(1);
    expect(output).toBe('1: 3  (int)\n2: ! event.qty is missing; where it may be, write event.?qty  [field_missing]\n');
  });

  it('-n limits the events, and one answer stands alone', async () => {
    expect(await onFile('event.price', '-n', '1')).toBe(0);
    expect(output).toBe('1.5  (double)\n');
  });

  it('-o json gives one object a line', async () => {
    expect(await onFile('event.qty', '-o', 'json')).toBe(1);
    expect(
      output
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line) as unknown),
    ).toMatchObject([{ value: 2, type: 'int' }, { error: { code: 'field_missing' } }]);
  });

  it('lets no control character reach the terminal', async () => {
    expect(await onFile('event.name', '-n', '1')).toBe(0);
    expect(output).toBe('"\\u009ba"  (string)\n');
  });

  it('needs no sample for what reads none', async () => {
    expect(await evaluate('decimal("19.99") * 100')).toBe(0);
    expect(output).toBe('1999  (decimal)\n');
  });

  it('points at a mistake with a caret, in the line it is in', async () => {
    await expect(evaluate('1 +\n  upperr("a")')).rejects.toMatchObject({
      message: expect.stringMatching(/\n {4}upperr\("a"\)\n {4}\^{6}/) as string,
      hint: expect.stringContaining('upper') as string,
    });
  });

  it.for([
    [['1', '--topic', 't', '--event', 'e'], '--topic goes with neither --event nor --pipeline'],
    [['1', '--after', 'x'], '--after needs --pipeline'],
    [['1', '--brokers', 'x'], '--brokers needs --topic'],
    [[], 'an expression is needed here'],
  ] as const)('%s is wrong usage', async ([argv, message]) => {
    await expect(evaluate(...argv)).rejects.toMatchObject({ message, exitCode: 2 });
  });
});
