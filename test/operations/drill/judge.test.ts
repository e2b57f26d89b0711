import { describe, expect, it } from 'vitest';
import {
  accountCheck,
  deadLettersCheck,
  drainedCheck,
  firedCheck,
  offsetsCheck,
  processesCheck,
  recoveredCheck,
  type SeenLetter,
} from '../../../src/operations/drill/judge.ts';
import type { Look } from '../../../src/operations/drill/watch.ts';

const look = (differences: readonly string[]): Look => ({
  atMs: 0,
  partitions: new Map(),
  members: [{ pid: 7, state: 'sink down', differences }],
});
const letter = (id: string, stage: string, code: string, isPoison = false): SeenLetter => ({
  id,
  stage,
  code,
  isPoison,
});
const letters = (found: readonly SeenLetter[], { poisoned = 0, isGivenUp = false } = {}) =>
  deadLettersCheck(found, new Set(['decode json_syntax']), poisoned, isGivenUp);
const recovery = { rowsAgainMs: 2000, lagBackMs: 3500, standstillMs: 9000, isWithoutInput: false };

describe('a drill judges', () => {
  it('a fault that did not happen as one that shows nothing', () => {
    expect(firedCheck('sink-away', 0)).toMatchObject({ verdict: 'unknown' });
    expect(firedCheck('sink-away', 12)).toMatchObject({ verdict: 'held', message: '12 connections reset or refused' });
  });

  it('a recovery by rows and lag, and says in which state it is stuck', () => {
    expect(recoveredCheck(recovery, 60_000, [])).toMatchObject({ verdict: 'held' });
    const stuck = recoveredCheck({ ...recovery, rowsAgainMs: null, lagBackMs: null }, 60_000, [look([])]);
    expect(stuck).toMatchObject({
      verdict: 'broken',
      message: expect.stringMatching(/stand still after 60\.0 s \(sink down\)/) as string,
    });
    const slow = recoveredCheck({ ...recovery, lagBackMs: null }, 60_000, [look([])]);
    expect(slow).toMatchObject({
      verdict: 'broken',
      message: expect.stringMatching(/rows again after 2\.0 s, but the lag/) as string,
    });
    const quiet = recoveredCheck({ ...recovery, rowsAgainMs: null, lagBackMs: null, isWithoutInput: true }, 60_000, []);
    expect(quiet).toMatchObject({ verdict: 'unknown' });
  });

  it('an account that does not add up as broken, with the process that says so; none as unknown', () => {
    expect(accountCheck([look([]), look([])])).toMatchObject({ verdict: 'held' });
    expect(accountCheck([look([]), look(['-3 rows of serving'])])).toMatchObject({
      verdict: 'broken',
      message: 'not accounted for: -3 rows of serving in process 7',
    });
    expect(accountCheck([])).toMatchObject({ verdict: 'unknown' });
  });

  it('a process that ended by itself as broken, unless the file says that it ends when its sink stays away', () => {
    const lost = [{ atMs: 0, end: { code: 3, signal: null }, reason: 'serving stayed away' }];
    expect(processesCheck([], false)).toMatchObject({ verdict: 'held' });
    expect(processesCheck(lost, true)).toMatchObject({ verdict: 'held' });
    expect(processesCheck(lost, false)).toMatchObject({
      verdict: 'broken',
      message: '1 process ended by itself: exit code 3 (serving stayed away)',
    });
    const data = [{ atMs: 0, end: { code: 1, signal: null }, reason: 'records were deleted' }];
    expect(processesCheck(data, true)).toMatchObject({ verdict: 'broken' });
  });

  it('offsets that went back as broken', () => {
    const at = (position: number): Look => ({ ...look([]), partitions: new Map([['t 0', { position, end: 9 }]]) });
    expect(offsetsCheck([at(1), at(2)])).toMatchObject({ verdict: 'held' });
    expect(offsetsCheck([at(2), at(1)])).toMatchObject({
      verdict: 'broken',
      message: 'offsets went back: t 0 from 2 to 1',
    });
  });

  it('a drain by its exit code, and one that was killed for taking too long', () => {
    const end = { code: 0, signal: null, tookMs: 400, reason: '' };
    expect(drainedCheck([end, { ...end, tookMs: 1200 }])).toMatchObject({
      verdict: 'held',
      message: 'exit code 0 after 1.2 s',
    });
    expect(drainedCheck([end, { ...end, code: null, signal: 'SIGKILL', tookMs: 30_000 }])).toMatchObject({
      verdict: 'broken',
    });
    expect(drainedCheck([{ ...end, code: 3, reason: 'no answer' }])).toMatchObject({
      verdict: 'broken',
      message: '1 process did not drain: exit code 3: no answer',
    });
  });
});

describe('dead letters of a fault', () => {
  it('are as usual where their causes are those of the baseline, or of the record alone', () => {
    expect(letters([letter('a', 'decode', 'json_syntax')])).toMatchObject({ verdict: 'held', message: 'no new cause' });
    expect(letters([letter('a', 'step:map-1', 'field_missing')])).toMatchObject({
      verdict: 'held',
      message: expect.stringContaining('step:map-1 field_missing') as string,
    });
  });

  it('are its doing where a sink suddenly refuses rows, or was away and the file does not give up', () => {
    expect(letters([letter('a', 'sink:serving', 'sink_constraint')])).toMatchObject({ verdict: 'broken' });
    expect(letters([letter('a', 'sink:serving', 'sink_unavailable')])).toMatchObject({ verdict: 'broken' });
    expect(letters([letter('a', 'sink:serving', 'sink_unavailable')], { isGivenUp: true })).toMatchObject({
      verdict: 'held',
    });
  });

  it('are one for each bad record, however often it was set aside', () => {
    const poison = (id: string) => letter(id, 'decode', 'invalid_utf8', true);
    expect(letters([poison('a'), poison('b'), poison('a')], { poisoned: 2 })).toMatchObject({ verdict: 'held' });
    expect(letters([poison('a'), poison('a')], { poisoned: 2 })).toMatchObject({
      verdict: 'broken',
      message: '1 bad record of 2 did not become a dead letter',
    });
  });
});
