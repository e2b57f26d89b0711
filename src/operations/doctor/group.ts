/** What may be said of a pipeline's consumer group from its lag. Pure. */
import type { GroupLag, PartitionLag } from '../lag.ts';
import type { LagVerdict } from '../lag-verdict.ts';
import { counted, type Finding, fine, type Severity } from './finding.ts';

/** Null: not worth a word. */
const meanings: Readonly<Record<LagVerdict, { severity: Severity; words: string; remedy: string } | null>> = {
  OK: null,
  // So short a look does not tell it from a burst.
  WARN: null,
  STALL: { severity: 'error', words: 'do not move', remedy: 'pipectl runbook growing-lag' },
  STOP: { severity: 'error', words: 'have stopped to move', remedy: 'pipectl runbook growing-lag' },
  REWIND: { severity: 'warning', words: 'went back', remedy: 'was it meant? `pipectl lag` shows where they stand' },
  NO_MEMBERS: {
    severity: 'warning',
    words: 'wait and nobody reads them',
    remedy: 'start the pipeline: pipectl run FILE',
  },
  NEVER_COMMITTED: {
    severity: 'info',
    words: 'were never committed',
    remedy: 'nothing, where the pipeline has not run yet',
  },
  DATA_LOSS: { severity: 'error', words: 'ask for records that were deleted', remedy: 'pipectl runbook data-loss' },
};

/** Of both protocols. */
const rebalancing: ReadonlySet<GroupLag['state']> = new Set([
  'PreparingRebalance',
  'CompletingRebalance',
  'Assigning',
  'Reconciling',
]);

/** Shares of the retention from which the age of the next record is a warning, and an error. */
const [nearShare, closeShare] = [0.5, 0.8];

/** `retentionMs`: of each topic, where it is known and limited. */
export function groupFindings(lag: GroupLag, retentionMs: ReadonlyMap<string, number>): readonly Finding[] {
  const subject = `group ${lag.group}`;
  const findings: Finding[] = [];
  if (rebalancing.has(lag.state)) {
    const remedy = 'look again in a minute; where it goes on: pipectl runbook rebalance-storm';
    findings.push({ severity: 'warning', check: 'group', subject, message: 'is rebalancing', remedy });
  }
  for (const [verdict, partitions] of Map.groupBy(
    lag.partitions.filter(({ verdict: is, lag: left }) => is !== 'NO_MEMBERS' || left !== 0),
    (partition) => partition.verdict,
  )) {
    const meaning = meanings[verdict];
    if (meaning === null) continue;
    const message = `offsets of ${named(partitions)} ${meaning.words}`;
    findings.push({ severity: meaning.severity, check: 'group', subject, message, remedy: meaning.remedy });
  }
  findings.push(...retentionFindings(subject, lag.partitions, retentionMs));
  if (findings.length === 0)
    findings.push(
      fine(
        'group',
        subject,
        `${lag.members === null ? 'members unknown' : counted(lag.members, 'member')}, lag ${lag.lag ?? 'unknown'}`,
      ),
    );
  return findings;
}

const named = (partitions: readonly PartitionLag[]): string => {
  const names = partitions.slice(0, 3).map(({ topic, partition }) => `${topic}/${partition}`);
  return partitions.length > 3 ? `${names.join(', ')} and ${partitions.length - 3} more` : names.join(', ');
};

/** Lag that nears the retention of its topic. */
export interface RetentionRisk {
  readonly severity: 'warning' | 'error';
  readonly message: string;
}

/** Null while the next record of every partition is young enough. `retentionMs`: of each topic, where it is limited. */
export function retentionRisk(
  partitions: readonly PartitionLag[],
  retentionMs: ReadonlyMap<string, number>,
): RetentionRisk | null {
  const near = partitions
    .map((partition) => ({
      partition,
      share: (partition.behindMs ?? 0) / (retentionMs.get(partition.topic) ?? Infinity),
    }))
    .filter(({ share }) => share >= nearShare)
    .toSorted((a, b) => b.share - a.share);
  const worst = near[0];
  if (worst === undefined) return null;
  const message = `the next records of ${named(near.map(({ partition }) => partition))} are as old as ${Math.round(worst.share * 100)} % of the retention: what is deleted before it is read is lost`;
  return { severity: worst.share >= closeShare ? 'error' : 'warning', message };
}

function retentionFindings(
  subject: string,
  partitions: readonly PartitionLag[],
  retentionMs: ReadonlyMap<string, number>,
): readonly Finding[] {
  const risk = retentionRisk(partitions, retentionMs);
  const remedy = 'raise retention.ms of the topic now; pipectl runbook growing-lag';
  return risk === null ? [] : [{ ...risk, check: 'retention', subject, remedy }];
}
