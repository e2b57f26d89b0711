/** What became of the letters of a replay. */
import type { ReplayEnd } from '../../engine/replay.ts';

/** `sent`: its record is in its topic again. `repeated`: it was by another letter of the same record. */
export type LetterEnd = ReplayEnd | 'sent' | 'repeated';

export interface ReplayTally {
  selected: number;
  readonly ends: Record<LetterEnd, number>;
  /** Records that were sent back, by topic. */
  readonly topics: Map<string, number>;
  /** Of those that are dead again. */
  readonly fingerprints: Set<string>;
  /** Of those that are dead again, now in quarantine. */
  quarantined: number;
  /** Letters that can't be replayed, by the reason. */
  readonly refused: Map<string, number>;
}

export const newTally = (selected: number): ReplayTally => ({
  selected,
  ends: { delivered: 0, superseded: 0, filtered: 0, dead: 0, ahead: 0, sent: 0, repeated: 0 },
  topics: new Map(),
  fingerprints: new Set(),
  quarantined: 0,
  refused: new Map(),
});

/** Counts a letter that can't be replayed. */
export function countRefused({ refused }: ReplayTally, reason: string, count = 1): void {
  refused.set(reason, (refused.get(reason) ?? 0) + count);
}

/** Letters that have come to an end or can't have one. */
export const doneOf = ({ ends, refused }: ReplayTally): number =>
  [...Object.values(ends), ...refused.values()].reduce((sum, count) => sum + count, 0);
