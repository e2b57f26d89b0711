import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command } from 'commander';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { inferFields } from '../../src/cli/init/infer.ts';
import { sampledPipeline, sampledTest } from '../../src/cli/init/sampled.ts';
import { templates } from '../../src/cli/init/templates.ts';
import { registerInit } from '../../src/cli/init.ts';
import { loadPipeline } from '../../src/definition/load.ts';
import { planPipeline } from '../../src/plan/index.ts';
import { isPassed, runTestFile } from '../../src/testing/run.ts';

const home = process.cwd();
let directory: string;
let output: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'pipectl-init-'));
  process.chdir(directory);
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
});

async function init(...argv: readonly string[]): Promise<void> {
  const program = new Command().exitOverride().configureOutput({ writeErr: () => undefined });
  registerInit(program);
  await program.parseAsync(['init', ...argv], { from: 'user' });
}

/** Problems of a pipeline, and whether its tests pass. */
async function check(name: string) {
  const loaded = await loadPipeline(`${name}.yaml`, { env: {}, mode: 'validate' });
  await planPipeline(loaded);
  const result = await runTestFile(`${name}.test.yaml`);
  return { problems: loaded.problems.sorted(), passed: isPassed(result), cases: result.cases.length };
}

describe('pipectl init', () => {
  it.for(Object.keys(templates))('%s writes a sound pipeline and tests that pass', async (template) => {
    await init('mine', '--template', template);
    expect(await check('mine')).toEqual({ problems: [], passed: true, cases: 2 });
    expect(output).toMatch(/^wrote mine\.yaml and mine\.test\.yaml\nnext:\n/);
  });

  it('never writes over what is there, nor half of it, without --force', async () => {
    writeFileSync('mine.test.yaml', 'precious');
    await expect(init('mine')).rejects.toMatchObject({
      code: 'file_exists',
      message: 'mine.test.yaml is there already: nothing was written',
    });
    expect(readFileSync('mine.test.yaml', 'utf8')).toBe('precious');
    expect(() => readFileSync('mine.yaml')).toThrow('ENOENT');
    await init('mine', '--force');
    expect(readFileSync('mine.test.yaml', 'utf8')).toContain('cases:');
  });

  it('--list tells every template', async () => {
    await init('--list');
    expect(
      output
        .trimEnd()
        .split('\n')
        .map((line) => line.split(' ')[0]),
    ).toEqual(Object.keys(templates));
  });

  it.for([
    [['--template', 'file-to-fiel'], 'there is no template file-to-fiel; did you mean file-to-file?'],
    [['--topic', 't'], '--topic and --brokers go with --from kafka'],
    [['--from', 'kafka'], '--from kafka needs --topic'],
    [['--from', 'redis'], '--from redis is unknown: it is kafka'],
    [['../escape'], '"../escape" can\'t name a pipeline: use letters, digits, ".", "_" and "-"'],
  ] as const)('%s is wrong usage', async ([argv, message]) => {
    await expect(init(...argv)).rejects.toMatchObject({ message, exitCode: 2 });
  });
});

describe('what is made of sampled events', () => {
  const events = [
    { id: 1, at: '2026-01-01T00:00:00Z', who: { name: 'a', 'last name': 'b' }, price: 1, note: null, tags: ['x'] },
    { id: 2, at: '2026-01-02T00:00:00+01:00', who: { name: null }, price: 1.5, in: true, 'a:b #c': 'text', '7': '' },
    { id: 9007199254740993n, at: null, who: null, price: 2, mixed: 1, seen: '2026-01-01' },
    { id: 3, at: '2026-01-01T00:00:00Z', who: { name: 'a' }, price: 2, mixed: 'a', note: 'text' },
  ];
  const fields = inferFields(events);

  it('is the kind of every field, and whether it may be missing or null', () => {
    expect(Object.fromEntries(fields.map(({ path, ...field }) => [path.join('.'), field]))).toEqual({
      '7': { kind: 'text', present: 1, nullable: false },
      id: { kind: 'int', present: 4, nullable: false },
      at: { kind: 'time', present: 4, nullable: true },
      'who.name': { kind: 'text', present: 3, nullable: true },
      'who.last name': { kind: 'text', present: 1, nullable: false },
      price: { kind: 'number', present: 4, nullable: false },
      note: { kind: 'text', present: 2, nullable: true },
      tags: { kind: 'list', present: 1, nullable: false },
      in: { kind: 'bool', present: 1, nullable: false },
      'a:b #c': { kind: 'text', present: 1, nullable: false },
      mixed: { kind: 'any', present: 2, nullable: false },
      seen: { kind: 'text', present: 1, nullable: false },
    });
  });

  it('is a sound pipeline with a test that passes, whatever the fields are called', async () => {
    const sampled = { topic: 'shop.orders', brokers: 'b:9092', count: events.length, fields, day: '2026-11-22' };
    writeFileSync('mine.yaml', sampledPipeline(sampled));
    writeFileSync('mine.test.yaml', sampledTest(sampled));
    expect(await check('mine')).toEqual({ problems: [], passed: true, cases: 2 });
    const text = readFileSync('mine.yaml', 'utf8');
    expect(text).toContain('#   id               int\n');
    expect(text).toContain('#   who."last name"  text, in 1 of 4\n');
    expect(text).toContain('event.at == null ? null : timestamp(event.at)');
    // Nothing but names is taken over from the topic.
    expect(text + readFileSync('mine.test.yaml', 'utf8')).not.toContain('9007199254740993');
  });
});
