/** How each partition does: how far behind it is, whether it catches up, stands still or gets more than its share. */
import type { Partition } from '../engine/ports.ts';
import type { PartitionProgress } from '../engine/report.ts';
import { Samples } from './samples.ts';
import type { PartitionStatus } from './status.ts';

/** A partition that neither moves nor is empty for this long has stalled. */
const STALL_AFTER_MS = 10_000;
/** A partition nobody has written to for this long is idle. */
const IDLE_AFTER_MS = 60_000;
/**
 * A partition falls behind whose lag has grown for so long at every look. The lag of each rises until an epoch is written and
 * drops then, so one look tells nothing.
 */
const FALLING_AFTER_MS = 5_000;
/** Below that many records a second, of all partitions, shares of them are chance. */
const HOT_PER_SECOND_MIN = 10;

/** What is known of one partition since it was assigned. */
interface PartitionSamples {
  readonly position: Samples;
  readonly end: Samples;
  readonly lag: Samples;
  movedAtMs: number;
  lastPosition: number;
  producedAtMs: number;
  lastEnd: number;
  /** Since when its lag has grown at every look; null while it does not. */
  growsSinceMs: number | null;
}

type Progress = ReadonlyMap<Partition, PartitionProgress>;
type Ends = ReadonlyMap<Partition, number>;

export class PartitionWatch {
  readonly #member: string;
  readonly #samples = new Map<Partition, PartitionSamples>();

  /** `member` owns what is looked at. */
  constructor(member: string) {
    this.#member = member;
  }

  /** A look at those that are owned now. The ends of all together, and their lag. */
  sample(partitions: Progress, ends: Ends, nowMs: number): { readonly produced: number; readonly lag: number } {
    for (const partition of this.#samples.keys()) if (!partitions.has(partition)) this.#samples.delete(partition);
    let produced = 0;
    let lag = 0;
    for (const [partition, progress] of partitions) {
      const end = Math.max(ends.get(partition) ?? progress.position, progress.position);
      const samples = this.#samples.get(partition) ?? newPartitionSamples(progress, end, nowMs);
      this.#samples.set(partition, samples);
      samples.position.add(nowMs, progress.position);
      samples.end.add(nowMs, end);
      samples.lag.add(nowMs, end - progress.position);
      if (progress.position !== samples.lastPosition || end === progress.position) samples.movedAtMs = nowMs;
      samples.lastPosition = progress.position;
      if (end > samples.lastEnd) samples.producedAtMs = nowMs;
      samples.lastEnd = end;
      samples.growsSinceMs = isGrowing(samples) ? (samples.growsSinceMs ?? nowMs) : null;
      produced += end;
      lag += end - progress.position;
    }
    return { produced, lag };
  }

  /** `producedPerSecond`: to all of them together. */
  statuses(partitions: Progress, ends: Ends, producedPerSecond: number, nowMs: number): PartitionStatus[] {
    return [...partitions.values()].map((progress) => this.#status(progress, ends, producedPerSecond, nowMs));
  }

  #status(
    { partition, position, lastTimestampMs }: PartitionProgress,
    ends: Ends,
    producedPerSecond: number,
    nowMs: number,
  ): PartitionStatus {
    const samples = this.#samples.get(partition);
    const end = ends.get(partition) ?? null;
    const lag = end === null ? null : Math.max(0, end - position);
    const change = samples?.lag.perSecond ?? null;
    const stalled = samples !== undefined && nowMs - samples.movedAtMs > STALL_AFTER_MS;
    const idleMs = lag === 0 && samples !== undefined ? nowMs - samples.producedAtMs : 0;
    const hotShare = this.#hotShare(partition, producedPerSecond);
    const falling = lag !== null && lag > 0 && change !== null && change < 0;
    return {
      topic: partition.topic,
      partition: partition.partition,
      owner: this.#member,
      position,
      end,
      lag,
      lagChangePerSecond: change,
      behindMs: lag === 0 ? 0 : lastTimestampMs === null ? null : Math.max(0, nowMs - lastTimestampMs),
      inPerSecond: samples?.position.perSecond ?? 0,
      catchUpMs: falling ? (lag / -change) * 1000 : null,
      verdict: stalled ? 'STALL' : lag !== null && lag > 0 && isFallingBehind(samples, nowMs) ? 'WARN' : 'OK',
      idleMs: idleMs >= IDLE_AFTER_MS ? idleMs : null,
      hotShare,
      note: stalled
        ? `no progress for ${Math.round((nowMs - samples.movedAtMs) / 1000)} s`
        : hotShare === null
          ? ''
          : `hot: ${Math.round(hotShare * 100)}% of all`,
    };
  }

  #hotShare(partition: Partition, all: number): number | null {
    const own = this.#samples.get(partition)?.end.perSecond ?? 0;
    const others = this.#samples.size - 1;
    if (others < 1 || all < HOT_PER_SECOND_MIN || own * others < 2 * (all - own)) return null;
    return Math.min(1, own / all);
  }
}

const newPartitionSamples = ({ position }: PartitionProgress, end: number, nowMs: number): PartitionSamples => ({
  position: new Samples(),
  end: new Samples(),
  lag: new Samples(),
  movedAtMs: nowMs,
  lastPosition: position,
  producedAtMs: nowMs,
  lastEnd: end,
  growsSinceMs: null,
});

/** Its lag grows by more than a twentieth of what comes in. */
function isGrowing({ lag, end }: PartitionSamples): boolean {
  const comingIn = end.perSecond ?? 0;
  return comingIn > 0 && (lag.perSecond ?? 0) > 0.05 * comingIn;
}

const isFallingBehind = (samples: PartitionSamples | undefined, nowMs: number): boolean =>
  samples !== undefined && samples.growsSinceMs !== null && nowMs - samples.growsSinceMs >= FALLING_AFTER_MS;
