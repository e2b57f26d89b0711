import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadPipeline } from '../../../src/definition/load.ts';
import { assess, type Tier } from '../../../src/operations/assess/assess.ts';
import { type Answers, questions, readAnswers } from '../../../src/operations/assess/questions.ts';
import { settingsFor } from '../../../src/operations/assess/settings.ts';
import { planPipeline } from '../../../src/plan/index.ts';

const fastest: Answers = { cost: 'critical', rate: 500, actor: 'machine', lateMs: 0, needs: 'both', team: 'oncall' };
const tierOf = (changed: Partial<Answers>): Tier => assess({ ...fastest, ...changed }).tier;

describe('the tier', () => {
  it.each<[string, Partial<Answers>, Tier]>([
    ['nothing stands against real time', {}, 'real time'],
    ['a minute costs nothing', { cost: 'none' }, 'batch'],
    ['a minute costs little', { cost: 'little' }, 'micro-batch'],
    ['a minute costs much', { cost: 'much' }, 'near real time'],
    ['nobody acts on it', { actor: 'nobody' }, 'batch'],
    ['it is read now and then', { actor: 'reader' }, 'micro-batch'],
    ['people watch it', { actor: 'watcher' }, 'near real time'],
    ['nobody looks after it', { team: 'none' }, 'micro-batch'],
    ['somebody looks after it by day', { team: 'office' }, 'near real time'],
    ['a screen, and events up to an hour late', { actor: 'watcher', lateMs: 3_599_999 }, 'near real time'],
    ['a screen, and events an hour late', { actor: 'watcher', lateMs: 3_600_000 }, 'micro-batch'],
    ['a program, and events a day late', { lateMs: 86_400_000 }, 'real time'],
    ['any rate', { rate: 1e6 }, 'real time'],
  ])('%s', (_, changed, tier) => {
    expect(tierOf(changed)).toBe(tier);
  });

  it('is the slowest of all limits, and the reason for it comes first', () => {
    const { tier, limits } = assess({ ...fastest, cost: 'much', actor: 'reader', team: 'office' });
    expect(tier).toBe('micro-batch');
    expect(limits[0]).toMatchObject({ answer: 'actor', tier: 'micro-batch' });
    expect(limits.map((limit) => limit.answer).toSorted()).toEqual(['actor', 'cost', 'team']);
  });

  it('that only the team holds back is told as one to grow into', () => {
    const { advice } = assess({ ...fastest, team: 'office' });
    expect(advice[0]).toBe('the use asks for real time; before you promise that, have somebody on call');
    expect(assess(fastest).advice.join()).not.toContain('the use asks for');
  });
});

it.each([
  [0, 1, 3],
  [20_000, 1, 3],
  [20_001, 2, 4],
  [100_000, 5, 10],
])('%i events a second take %i members and %i partitions', (rate, members, partitions) => {
  expect(assess({ ...fastest, rate })).toMatchObject({ members, partitions });
});

describe('answers', () => {
  const given = { cost: 'much', rate: '0.5/s', actor: '2', late: '90s', needs: 'ONCE', team: 'office' };

  it('are words, their numbers in the list, numbers and durations', () => {
    expect(readAnswers(given)).toEqual({
      cost: 'much',
      rate: 0.5,
      actor: 'reader',
      lateMs: 90_000,
      needs: 'once',
      team: 'office',
    });
  });

  it.each([
    [{ cost: 'huge' }, 'cost: "huge" is none of none, little, much, critical'],
    [{ cost: '5' }, 'cost: "5" is none of'],
    [{ rate: '-1' }, 'rate: "-1" is no number of events a second'],
    [{ rate: '1e4' }, 'rate: "1e4" is no number'],
    [{ rate: '1000000001' }, 'rate: "1000000001" is no number of events a second up to 1000000000'],
    [{ late: '5' }, 'late: "5" is no duration such as'],
    [{ speed: 'fast' }, '"speed" is no question; they are cost, rate, actor, late, needs, team'],
  ])('%j is refused with its name', (wrong, message) => {
    expect(() => readAnswers({ ...given, ...wrong })).toThrow(message);
  });

  it('that are missing are named with what they may be', () => {
    const { team: _, late: __, ...rest } = given;
    expect(() => readAnswers(rest)).toThrow('the answer to late, team is missing: late=5m team=none|office|oncall');
  });
});

describe('the settings', () => {
  let directory: string;
  beforeAll(() => {
    directory = mkdtempSync(join(tmpdir(), 'pipectl-assess-'));
  });
  afterAll(() => rmSync(directory, { recursive: true }));

  it.each<[Tier, Partial<Answers>, number | null]>([
    ['batch', { cost: 'none' }, null],
    ['micro-batch', { cost: 'little' }, 60_000],
    ['near real time', { cost: 'much' }, 2000],
    ['real time', {}, null],
    ['real time', { needs: 'none' }, null],
  ])('of %s are a pipeline without problems (%j)', async (tier, changed, batchEveryMs) => {
    const answers = { ...fastest, ...changed };
    const assessment = assess(answers);
    expect(assessment.tier).toBe(tier);
    const file = join(directory, 'orders.yaml');
    writeFileSync(file, settingsFor(answers, assessment).pipeline);
    const loaded = await loadPipeline(file, { env: {}, mode: 'validate' });
    const plan = await planPipeline(loaded);
    expect(loaded.problems.sorted()).toEqual([]);
    expect(plan?.definition.batchEveryMs).toBe(batchEveryMs);
  });
});

it('there are at most six questions, each with an answer that is one', () => {
  expect(questions.length).toBeLessThanOrEqual(6);
  const examples = Object.fromEntries(questions.map(({ name, example }) => [name, example]));
  expect(readAnswers(examples)).toMatchObject({ rate: 500, lateMs: 300_000 });
});
