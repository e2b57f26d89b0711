import { describe, expect, it } from 'vitest';
import { type Outcome, simulate } from './run.ts';
import { playSeeds } from './seeds.ts';

/** `SIMULATION_SEEDS=20000` for a long set; `npm run simulate` does the same without the planted bugs. */
const SEEDS = Number(process.env['SIMULATION_SEEDS'] ?? 1000);
const TIMEOUT_MS = 120_000 + SEEDS * 60;
/** What must have happened to members and calls. */
const FAULTS = [
  'add sink',
  'breaker open',
  'broken connection',
  'commit refused',
  'crash',
  'data loss',
  'fail-over',
  'fenced',
  'freeze',
  'intruder',
  'lost answer',
  'optional sink away',
  'optional stage anew',
  'reassigned',
  'resumed',
  'rewind',
  'session terminated',
  'sink_unavailable',
  'stalled',
  'stop',
  'too many refusals',
  'truncate',
  'unavailable',
];

describe('whatever crashes, freezes, fails or loses its answer', () => {
  it(
    `every record counts once, in ${SEEDS} seeded runs`,
    async () => {
      const happened = new Set<string>();
      await playSeeds(simulate, 1, SEEDS, ({ seed, outcome }) => {
        expect(outcome.violations, `npm run simulate -- --seed ${seed}`).toEqual([]);
        for (const fault of outcome.happened) happened.add(fault);
        return false;
      });
      // A run without faults would prove nothing.
      expect([...happened].sort()).toEqual(expect.arrayContaining(FAULTS));
    },
    TIMEOUT_MS,
  );

  it.each(['crash', 'freeze'] as const)(
    'every record counts once with a %s at each place where a member can be stopped',
    async (kind) => {
      for (const seed of [1, 2]) {
        const { places } = await simulate(seed, { strike: { at: 0, kind } });
        const all = Array.from({ length: places }, (_, i) => ({ at: i + 1, kind }));
        const outcomes = await Promise.all(all.map((strike) => simulate(seed, { strike })));
        for (const [i, { violations, happened }] of outcomes.entries()) {
          expect(violations, `seed ${seed}, ${kind} at ${i + 1}`).toEqual([]);
          expect(happened, `seed ${seed}, ${kind} at ${i + 1}`).toContain(kind);
        }
        expect(places).toBeGreaterThan(50);
      }
    },
    TIMEOUT_MS,
  );

  it('the same seed gives the same run, alone and among others', async () => {
    const record = async (seed: number): Promise<{ outcome: Outcome; steps: string[] }> => {
      const steps: string[] = [];
      const outcome = await simulate(seed, { trace: (...step) => steps.push(step.join(' ')) });
      return { outcome, steps };
    };
    const alone = await record(7);
    const [among] = await Promise.all([7, 8, 9].map(record));
    expect(alone.steps.length).toBeGreaterThan(100);
    expect(among).toEqual(alone);
    expect((await record(8)).steps).not.toEqual(alone.steps);
  });
});
