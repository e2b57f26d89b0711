/** Plays many seeds. */
import type { Outcome, simulate } from './run.ts';

/** Worlds that are played at the same time, since they share the turns of the event loop. */
const TOGETHER = 8;

export interface Played {
  readonly seed: number;
  readonly outcome: Outcome;
}

/** Plays the seeds from `from` on, in order, until `isEnough` says so. */
export async function playSeeds(
  play: typeof simulate,
  from: number,
  count: number,
  isEnough: (played: Played) => boolean,
): Promise<void> {
  const limit = Error.stackTraceLimit;
  // Simulated failures are many, and nobody reads where they came from.
  Error.stackTraceLimit = 0;
  try {
    for (let first = from; first < from + count; first += TOGETHER) {
      const seeds = Array.from({ length: Math.min(TOGETHER, from + count - first) }, (_, i) => first + i);
      const outcomes = await Promise.all(seeds.map((seed) => play(seed)));
      for (const [i, seed] of seeds.entries()) if (isEnough({ seed, outcome: outcomes[i]! })) return;
    }
  } finally {
    Error.stackTraceLimit = limit;
  }
}

/** The first seed that finds fault, with what it says; null when none of `count` does. */
export async function firstToFind(
  play: typeof simulate,
  count: number,
): Promise<{ seed: number; violation: string } | null> {
  let found: { seed: number; violation: string } | null = null;
  await playSeeds(play, 1, count, ({ seed, outcome }) => {
    const [violation] = outcome.violations;
    if (violation !== undefined) found = { seed, violation };
    return violation !== undefined;
  });
  return found;
}
