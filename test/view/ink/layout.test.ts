import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { allocate, fitItems, PANELS, type Panel, type PanelSize } from '../../../src/view/ink/layout.ts';

const size = fc
  .tuple(fc.integer({ min: 1, max: 9 }), fc.nat(40))
  .map(([min, more]): PanelSize => ({ min, want: min + more }));
const sizes = fc.record({ stages: size, partitions: size, sinks: size, deadLetters: size, events: size });
const focus = fc.constantFrom<Panel | null>(null, ...PANELS);

describe('rows of the panels', () => {
  test('never exceed the screen, and a panel that is shown has between its least and what it wants', () => {
    fc.assert(
      fc.property(sizes, fc.integer({ min: -3, max: 120 }), focus, (wanted, available, focused) => {
        const rows = allocate(wanted, available, focused);
        const sum = PANELS.reduce((total, panel) => total + rows[panel], 0);
        expect(sum).toBeLessThanOrEqual(Math.max(0, available));
        for (const panel of PANELS.filter((panel) => rows[panel] > 0)) {
          expect(rows[panel]).toBeGreaterThanOrEqual(wanted[panel].min);
          expect(rows[panel]).toBeLessThanOrEqual(wanted[panel].want);
        }
      }),
    );
  });

  test('no row stays free while a panel that is shown wants more', () => {
    fc.assert(
      fc.property(sizes, fc.integer({ min: 0, max: 120 }), focus, (wanted, available, focused) => {
        const rows = allocate(wanted, available, focused);
        const sum = PANELS.reduce((total, panel) => total + rows[panel], 0);
        const wantsMore = PANELS.some((panel) => rows[panel] > 0 && rows[panel] < wanted[panel].want);
        expect(wantsMore && sum < available).toBe(false);
      }),
    );
  });

  test('go to the panel with the focus first', () => {
    const each = { min: 2, want: 30 };
    const wanted = { stages: each, partitions: each, sinks: each, deadLetters: each, events: each };
    expect(allocate(wanted, 27, 'events')).toMatchObject({ events: 19, stages: 2 });
    expect(allocate(wanted, 3, 'events')).toMatchObject({ events: 3, sinks: 0 });
  });
});

describe('items of a list', () => {
  test('keep one row to sum up what does not fit', () => {
    expect(fitItems(['a', 'b', 'c'], 3, -1)).toEqual({ before: 0, shown: ['a', 'b', 'c'], rest: [] });
    expect(fitItems(['a', 'b', 'c', 'd'], 3, -1)).toEqual({ before: 0, shown: ['a', 'b'], rest: ['c', 'd'] });
    expect(fitItems(['a', 'b', 'c', 'd'], 3, 3)).toEqual({ before: 1, shown: ['b', 'c', 'd'], rest: [] });
  });

  test('show the first one where there is a single row', () => {
    expect(fitItems(['a', 'b'], 1, -1)).toEqual({ before: 0, shown: ['a'], rest: [] });
    expect(fitItems(['a', 'b'], 0, -1)).toEqual({ before: 0, shown: [], rest: [] });
  });

  test('always show the selected one, in no more rows than there are', () => {
    const items = fc.integer({ min: 1, max: 60 }).chain((length) =>
      fc.record({
        length: fc.constant(length),
        selected: fc.integer({ min: 0, max: length - 1 }),
        room: fc.integer({ min: 1, max: 20 }),
      }),
    );
    fc.assert(
      fc.property(items, ({ length, selected, room }) => {
        const all = Array.from({ length }, (_, number) => number);
        const { before, shown, rest } = fitItems(all, room, selected);
        expect(shown).toContain(selected);
        expect(shown[0]).toBe(before);
        expect(shown.length + Math.min(1, rest.length)).toBeLessThanOrEqual(room);
        if (room > 1) expect(before + shown.length + rest.length).toBe(length);
      }),
    );
  });
});
