import { describe, expect, it } from 'vitest';
import { simulate } from './scenario.ts';
import { plantedBugs } from './world.ts';

/** `SIMULATION_SEEDS=20000 npm run simulate` for a long set. */
const SEEDS = Number(process.env['SIMULATION_SEEDS'] ?? 1000);
const TIMEOUT_MS = 60_000 + SEEDS * 60;

describe('whatever crashes, freezes, fails or loses its answer', () => {
  it(
    `every record counts once, in ${SEEDS} seeded runs`,
    async () => {
      const happened = new Set<string>();
      for (let seed = 1; seed <= SEEDS; seed++) {
        const outcome = await simulate(seed);
        expect(outcome.violations, `seed ${seed}`).toEqual([]);
        for (const event of outcome.happened) happened.add(event);
      }
      // A run without faults would prove nothing.
      expect([...happened].sort()).toEqual(['crash', 'freeze', 'queue away']);
    },
    TIMEOUT_MS,
  );
});

describe('the simulation finds a planted bug', () => {
  it.each(plantedBugs)(
    '%s',
    async (bug) => {
      for (let seed = 1; seed <= SEEDS; seed++) {
        const outcome = await simulate(seed, bug);
        if (outcome.violations.length > 0) return;
      }
      expect.unreachable(`${SEEDS} seeded runs did not notice`);
    },
    TIMEOUT_MS,
  );
});
