import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { text } from 'node:stream/consumers';
import { Command } from 'commander';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { askAnswers } from '../../src/cli/assess/answers.ts';
import { registerAssess } from '../../src/cli/assess.ts';

let directory: string;
let output: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'pipectl-assess-'));
  output = '';
  vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
    output += String(text);
    return true;
  });
});
afterEach(() => {
  vi.restoreAllMocks();
  rmSync(directory, { recursive: true });
});

async function assess(...argv: readonly string[]): Promise<string> {
  const program = new Command().exitOverride().configureOutput({ writeErr: () => undefined });
  registerAssess(program);
  await program.parseAsync(['assess', ...argv], { from: 'user' });
  return output;
}

const file = (content: string): string => {
  const path = join(directory, 'answers.yaml');
  writeFileSync(path, content);
  return path;
};

const pairs = 'cost=much,rate=500,actor=watcher,late=5m,needs=once,team=office';

describe('pipectl assess', () => {
  it('says the tier, why, what follows and the settings', async () => {
    const shown = await assess('--answers', pairs);
    expect(shown).toMatch(
      /^NEAR REAL TIME: results are a few seconds old\n\nWhy\n {2}- cost: a minute of delay costs much/,
    );
    expect(shown).toContain('  batch: { every: 2s }');
    expect(shown).toContain('Run it\n  pipectl run FILE');
  });

  it('gives the same as JSON, from a file too', async () => {
    const path = file('cost: much\nrate: 500\nactor: watcher\nlate: 5m\nneeds: once\nteam: office\n');
    const shown = JSON.parse(await assess('--answers', path, '--json')) as object;
    expect(shown).toMatchObject({
      answers: { cost: 'much', rate: 500, lateMs: 300_000 },
      tier: 'near real time',
      partitions: 3,
      settings: { pipeline: expect.stringContaining('source:') as string },
    });
    output = '';
    expect(JSON.parse(await assess('--answers', pairs, '--json'))).toEqual(shown);
  });

  it('lists its questions with their answers', async () => {
    expect(await assess('--questions')).toMatch(/^1\. What does it cost[^]*oncall/);
  });

  it.each([
    ['an answer that is none', () => pairs.replace('much', 'huge'), 'cost: "huge" is none of'],
    ['a text without pairs', () => 'cost=much;rate', 'cost: "much;rate" is none of'],
    ['an answer given twice', () => `cost=much,${pairs}`, 'cost is answered twice'],
    ['a pair that is none', () => `${pairs},fast`, '"fast" is not key=value'],
    ['a file that is not there', () => 'nowhere.yaml', 'nowhere.yaml could not be read (ENOENT)'],
    ['a file without answers', () => file('- 1'), 'holds no answers'],
    ['a file that is no YAML', () => file('cost: [much'), 'is no YAML'],
    ['an answer that is a list', () => file('cost: [much]'), 'the answer to cost is neither text nor number'],
    ['too few answers', () => 'cost=much', 'the answer to rate, actor, late, needs, team is missing'],
  ])('%s is wrong usage', async (_, given, message) => {
    await expect(assess('--answers', given())).rejects.toMatchObject({
      exitCode: 2,
      message: expect.stringContaining(message) as string,
    });
    expect(output).toBe('');
  });
});

describe('asking', () => {
  async function asked(...lines: readonly string[]) {
    const [input, questions] = [new PassThrough(), new PassThrough()];
    input.end(lines.map((line) => `${line}\n`).join(''));
    const shown = text(questions);
    const answers = await askAnswers({ input, output: questions }).finally(() => questions.end());
    return { answers, shown: await shown };
  }

  it('takes words and numbers, and asks again where an answer is none', async () => {
    const { answers, shown } = await asked('2', 'many', '12', 'machine', '1h', 'both', 'none');
    expect(answers).toMatchObject({ cost: 'little', rate: 12, actor: 'machine', lateMs: 3_600_000, team: 'none' });
    expect(shown).toContain('rate: "many" is no number of events a second');
    expect(shown.match(/2\. How many events/g)).toHaveLength(2);
  });

  it('ends as wrong usage where the input ends early', async () => {
    await expect(asked('little', '12')).rejects.toMatchObject({
      exitCode: 2,
      message: '4 of 6 questions are not answered',
    });
  });
});
