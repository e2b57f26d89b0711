/** What became of the letters of a replay. */
import type { ReplayEnd } from '../../engine/replay.ts';

export interface ReplayTally {
  selected: number;
  readonly ends: Record<ReplayEnd, number>;
  /** Of those that are dead again. */
  readonly fingerprints: Set<string>;
  /** Of those that are dead again, now in quarantine. */
  quarantined: number;
  /** Letters that can't be replayed, by the reason. */
  readonly refused: Map<string, number>;
}

export const newTally = (selected: number): ReplayTally => ({
  selected,
  ends: { delivered: 0, superseded: 0, filtered: 0, dead: 0, ahead: 0 },
  fingerprints: new Set(),
  quarantined: 0,
  refused: new Map(),
});

/** Letters that have come to an end or can't have one. */
export const doneOf = ({ ends, refused }: ReplayTally): number =>
  [...Object.values(ends), ...refused.values()].reduce((sum, count) => sum + count, 0);
