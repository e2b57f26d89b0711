import { describe, expect, it } from 'vitest';
import { baselineOf, lagOf, recoveryOf, wentBack } from '../../../src/operations/drill/recovery.ts';
import type { Look } from '../../../src/operations/drill/watch.ts';

/** A look at so many seconds; each partition as `[position, end]`. */
const look = (second: number, partitions: Readonly<Record<string, readonly [number, number]>>): Look => ({
  atMs: second * 1000,
  partitions: new Map(Object.entries(partitions).map(([name, [position, end]]) => [name, { position, end }])),
  members: [],
});
const baseline = { perSecond: 10, lagMax: 15, backlog: null, busy: new Set<string>() };
const recovery = (looks: readonly Look[], from: number, end: number) =>
  recoveryOf(looks, from * 1000, end * 1000, baseline);

describe('the baseline of a drill', () => {
  it('tells what comes in, and the lag that is usual: the highest of the later half and what comes in a second', () => {
    const looks = [
      look(0, { p0: [0, 50] }),
      look(1, { p0: [10, 20] }),
      look(2, { p0: [25, 30] }),
      look(3, { p0: [36, 40] }),
      look(4, { p0: [83, 90] }),
    ];
    expect(baselineOf(looks)).toEqual({ perSecond: 10, lagMax: 17, backlog: null, busy: new Set(['p0']) });
  });

  it('is none where nothing was written, also where a partition is first seen at some offset', () => {
    expect(baselineOf([])).toBeNull();
    expect(baselineOf([look(0, { p0: [5, 9] }), look(1, { p0: [5, 12] })])).toBeNull();
    expect(baselineOf([look(0, { p0: [5, 5] }), look(1, { p0: [5, 5], p1: [70, 70] })])).toBeNull();
    expect(baselineOf([look(0, { p0: [5, 5] }), look(1, { p0: [6, 6] })])).not.toBeNull();
  });

  it('says that a backlog is being worked off while lag falls by more than comes in', () => {
    const looks = [0, 1, 2, 3, 4].map((second) => look(second, { p0: [second * 1000, 9000] }));
    expect(baselineOf(looks)?.backlog).toBe(5000);
  });
});

describe('the recovery from a fault', () => {
  it('counts from its end until every partition is written again, and until the lag is what it was', () => {
    const looks = [
      look(0, { p0: [10, 12], p1: [10, 12] }),
      look(1, { p0: [10, 22], p1: [10, 22] }),
      look(2, { p0: [10, 32], p1: [20, 32] }), // the fault is over at 1.5
      look(3, { p0: [20, 42], p1: [40, 42] }),
      look(4, { p0: [50, 52], p1: [50, 52] }),
    ];
    expect(recovery(looks, 0.5, 1.5)).toEqual({
      rowsAgainMs: 1500,
      lagBackMs: 2500,
      standstillMs: 1500,
      isWithoutInput: false,
    });
  });

  it('is not there while one of several partitions stands still, however small the lag', () => {
    const looks = [0, 1, 2, 3].map((second) => look(second, { p0: [0, 1], p1: [second * 10, second * 10] }));
    expect(recovery(looks, 0, 0)).toMatchObject({ rowsAgainMs: null, lagBackMs: null, standstillMs: 3000 });
  });

  it('does not wait for a partition that has nothing to read', () => {
    const looks = [0, 1, 2].map((second) => look(second, { p0: [7, 7], p1: [second * 10, second * 10] }));
    expect(recovery(looks, 0, 0)).toMatchObject({ rowsAgainMs: 2000, lagBackMs: 2000, standstillMs: 0 });
  });

  it('waits for a partition to which records came before, also where it has none to read at the moment', () => {
    const looks = [
      look(0, { p0: [7, 7], p1: [0, 0] }),
      look(1, { p0: [7, 7], p1: [10, 10] }),
      look(2, { p0: [7, 9], p1: [20, 20] }),
      look(3, { p0: [9, 9], p1: [30, 30] }),
    ];
    const busy = { ...baseline, busy: new Set(['p0', 'p1']) };
    expect(recoveryOf(looks, 0, 0, busy)).toMatchObject({ rowsAgainMs: 3000, lagBackMs: 3000, isWithoutInput: false });
    expect(recoveryOf(looks.slice(0, 2), 0, 0, busy)).toMatchObject({ rowsAgainMs: null, isWithoutInput: true });
    expect(recoveryOf(looks.slice(0, 3), 0, 0, busy)).toMatchObject({ rowsAgainMs: null, isWithoutInput: false });
  });

  it('is not there while a partition is known to nobody, as of a process that is gone', () => {
    const looks = [
      look(0, { p0: [10, 12] }),
      look(1, {}),
      look(2, {}),
      look(3, { p0: [10, 42] }),
      look(4, { p0: [50, 52] }),
    ];
    expect(recovery(looks, 0, 0)).toMatchObject({ rowsAgainMs: 4000, lagBackMs: 4000, standstillMs: 3000 });
  });

  it('does not take for a sign of life what a process had written before it died', () => {
    const looks = [look(0, { p0: [10, 12] }), look(1, { p0: [12, 14] }), look(2, { p0: [12, 14] })];
    expect(recovery(looks, 0.5, 0.5)).toMatchObject({ rowsAgainMs: null, lagBackMs: null });
  });

  it('can not be told where nothing comes in any more', () => {
    const still = [0, 1, 2].map((second) => look(second, { p0: [10, 10] }));
    expect(recovery(still, 0, 0)).toMatchObject({ rowsAgainMs: null, isWithoutInput: true });
    const waiting = [0, 1, 2].map((second) => look(second, { p0: [10, 11] }));
    expect(recovery(waiting, 0, 0)).toMatchObject({ rowsAgainMs: null, isWithoutInput: false });
  });
});

it('finds offsets that went back, and what all partitions lag together', () => {
  expect(wentBack([look(0, { p0: [5, 9], p1: [5, 9] }), look(1, { p0: [4, 9], p1: [6, 9] })])).toEqual([
    'p0 from 5 to 4',
  ]);
  expect(lagOf(look(0, { p0: [5, 9], p1: [9, 8] }))).toBe(4);
});
