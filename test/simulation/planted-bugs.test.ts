import { describe, expect, it } from 'vitest';
import { plantedBugs } from './bugs.ts';
import { plant } from './mutant.ts';
import { firstToFind } from './seeds.ts';

const SEEDS = Number(process.env['SIMULATION_SEEDS'] ?? 1000);
const TIMEOUT_MS = 120_000 + SEEDS * 60;

describe('the simulation finds a planted bug', () => {
  it.each(plantedBugs.map((bug) => ({ bug, name: bug.name })))(
    '$name',
    async ({ bug }) => {
      const mutant = await plant(bug);
      expect(await firstToFind(mutant, SEEDS), `${SEEDS} seeded runs did not notice`).not.toBeNull();
    },
    TIMEOUT_MS,
  );

  it('and refuses one whose place in the source is gone', async () => {
    const gone = { name: 'gone', file: 'src/engine/stage.ts', find: 'no such text', replace: '' };
    await expect(plant(gone)).rejects.toThrow('found 0 times');
  });
});
