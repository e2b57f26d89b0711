/** What a running stage tells of itself: counters and states, updated in place. */
import { SinkCount, type StageCount } from './account.ts';
import { type RouteHealth, newRouteHealth } from './delivery.ts';
import { type Epoch, newStageCounts, type Program } from './epoch.ts';
import { RecentHistogram } from './histogram.ts';
import type { Partition } from './ports.ts';

export type StageState = 'starting' | 'rebalancing' | 'running' | 'draining' | 'stopped' | 'failed';

/** Where one owned partition stands. */
export interface PartitionProgress {
  readonly partition: Partition;
  /** Next offset to be written by all sinks. */
  position: number;
  /** Records sealed since the assignment. */
  records: number;
  /** Timestamp of the last record that was written; null before the first. */
  lastTimestampMs: number | null;
}

/** Counters and states of a running stage, updated in place; a reader takes what it needs when it needs it. */
export interface StageReport {
  state: StageState;
  /** The sinks were there and the source was joined once: its set-up is sound. */
  connected: boolean;
  /** How often the partitions were (re)assigned and taken over. */
  assignments: number;
  read: number;
  /** Records gathered in epochs that are not sealed yet. */
  pending: number;
  epochs: number;
  /** In the order of `newStageCounts`. */
  readonly stages: readonly StageCount[];
  /** Events that came through all steps. */
  delivered: number;
  readonly sinks: readonly SinkCount[];
  readonly health: readonly RouteHealth[];
  readonly endToEnd: RecentHistogram;
  /** Per sink, `write` to `commit`, in ms. */
  readonly writeMs: readonly RecentHistogram[];
  partitions: ReadonlyMap<Partition, PartitionProgress>;
}

export const newReport = (program: Program): StageReport => ({
  state: 'starting',
  connected: false,
  assignments: 0,
  read: 0,
  pending: 0,
  epochs: 0,
  stages: newStageCounts(program),
  delivered: 0,
  sinks: program.routes.map(() => new SinkCount()),
  health: program.routes.map(newRouteHealth),
  endToEnd: new RecentHistogram(6, 10_000),
  writeMs: program.routes.map(() => new RecentHistogram(6, 10_000)),
  partitions: new Map(),
});

/** The epoch is written everywhere: its counts become part of the account, its positions those of the pipeline. */
export function sealEpoch(report: StageReport, epoch: Epoch): void {
  report.epochs++;
  report.read += epoch.read;
  report.delivered += epoch.delivered;
  for (const [i, count] of epoch.stages.entries()) report.stages[i]!.add(count);
  for (const [i, batch] of epoch.batches.entries()) report.sinks[i]!.add(batch.count);
  for (const { partition, to, records, lastTimestampMs } of epoch.ranges) {
    const progress = report.partitions.get(partition);
    if (!progress) continue;
    progress.position = to;
    progress.records += records;
    progress.lastTimestampMs = lastTimestampMs ?? progress.lastTimestampMs;
  }
  forgetEpoch(report, epoch);
}

/** The epoch is no longer pending: it was sealed, or it is undone and will be read again. */
export function forgetEpoch(report: StageReport, epoch: Epoch): void {
  report.pending -= epoch.read;
  for (const [i, batch] of epoch.batches.entries()) report.health[i]!.pendingRows -= batch.records.length;
}

/** After a stage that failed another one counts on in its report: nothing is pending, and its positions are the last known. */
export function takeUp(report: StageReport): void {
  report.state = 'starting';
  report.pending = 0;
  for (const health of report.health) health.pendingRows = 0;
}
