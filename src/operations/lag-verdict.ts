/**
 * Verdicts on a partition's lag, after Burrow (https://github.com/linkedin/Burrow/wiki/Consumer-Lag-Evaluation-Rules):
 * whether a consumer works is seen from how its offsets and its lag moved, not from a threshold.
 */

/** One look at a partition. */
export interface LagSample {
  readonly atMs: number;
  /** Next offset the group will read; null where it never committed. */
  readonly committed: number | null;
  readonly logStart: number;
  readonly end: number;
}

export type LagVerdict =
  /** No lag in the window, or it fell. */
  | 'OK'
  /** The consumer moves, and the lag did not fall. Also where the window is too short to tell from STALL. */
  | 'WARN'
  /** The committed offset did not move, and there is lag. */
  | 'STALL'
  /** It moved before, and not for longer than the window. */
  | 'STOP'
  /** The committed offset went back. */
  | 'REWIND'
  /** Nobody is in the group. */
  | 'NO_MEMBERS'
  | 'NEVER_COMMITTED'
  /** What the group would read next was deleted, or the log was made anew and is shorter than that. */
  | 'DATA_LOSS';

export interface LagCircumstances {
  /** True also where it is not known. */
  readonly hasMembers: boolean;
  /** No record between the committed offset and the end: transaction markers, aborted records, compacted ones. */
  readonly nothingToRead: boolean;
  /** When the committed offset was last seen to move; null if it has not moved while we looked. */
  readonly movedAtMs: number | null;
  readonly windowMs: number;
}

/** Clients commit every 5 seconds by default: an offset that stood still for less says nothing. */
const stallMs = 10_000;

/** The worst that holds. `samples`: the oldest first, at least one. */
export function judge(
  samples: readonly LagSample[],
  { hasMembers, nothingToRead, movedAtMs, windowMs }: LagCircumstances,
): LagVerdict {
  const first = samples[0]!;
  const last = samples.at(-1)!;
  const { committed, logStart, end } = last;
  if (committed === null) return logStart === end ? 'OK' : 'NEVER_COMMITTED';
  if (committed < logStart) return 'DATA_LOSS';
  // Beyond the end for long: the log is another one. For a moment: a transaction was open when the end was asked for.
  const isBeyond = samples.every((sample) => sample.committed !== null && sample.committed > sample.end);
  if (isBeyond && last.atMs - first.atMs >= stallMs) return 'DATA_LOSS';
  if (!hasMembers) return 'NO_MEMBERS';
  if (committed >= end || nothingToRead) return 'OK';

  if (movedAtMs !== null && last.atMs - movedAtMs > windowMs) return 'STOP';
  const known = samples.filter((sample): sample is LagSample & { committed: number } => sample.committed !== null);
  if (known.some((sample, index) => index > 0 && sample.committed < known[index - 1]!.committed)) return 'REWIND';
  const lags = known.map((sample) => sample.end - sample.committed);
  if (lags.includes(0)) return 'OK';
  const hasMoved = known.some((sample) => sample.committed !== committed);
  if (!hasMoved && last.atMs - first.atMs >= stallMs) return 'STALL';
  const fell = lags.some((lag, index) => index > 0 && lag < lags[index - 1]!);
  return fell ? 'OK' : 'WARN';
}
