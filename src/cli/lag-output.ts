/** A group's lag as a table, as JSON and as the line of a monitoring plugin. */
import type { GroupLag, PartitionLag } from '../operations/lag.ts';
import type { LagVerdict } from '../operations/lag-verdict.ts';
import { formatChange, formatCount, formatDuration, formatRate } from '../view/format.ts';
import { printable } from '../view/text.ts';
import { type Column, table } from './table.ts';

const columns: readonly Column<PartitionLag>[] = [
  { title: '', align: 'left', cell: ({ verdict }) => (verdict === 'OK' ? ' ' : '!') },
  { title: 'TOPIC', align: 'left', cell: ({ topic }) => printable(topic, true) },
  { title: 'PART', align: 'right', cell: ({ partition }) => String(partition) },
  { title: 'COMMITTED', align: 'right', cell: ({ committed }) => formatCount(committed) },
  { title: 'END', align: 'right', cell: ({ end }) => formatCount(end) },
  { title: 'LAG', align: 'right', cell: ({ lag }) => formatCount(lag) },
  { title: 'CHANGE/S', align: 'right', cell: ({ changePerSecond }) => formatChange(changePerSecond) },
  { title: 'IN/S', align: 'right', cell: ({ producePerSecond }) => formatRate(producePerSecond) },
  { title: 'OUT/S', align: 'right', cell: ({ consumePerSecond }) => formatRate(consumePerSecond) },
  { title: 'BEHIND', align: 'right', cell: ({ behindMs }) => formatDuration(behindMs) },
  { title: 'CATCH-UP', align: 'right', cell: ({ etaMs }) => formatDuration(etaMs) },
  { title: 'VERDICT', align: 'left', cell: ({ verdict }) => verdict },
  { title: 'OWNER', align: 'left', cell: ({ owner }) => (owner === null ? '-' : printable(owner, true)) },
];

/** For people. */
export function lagTable(report: GroupLag): string {
  const { group, state, members, lag, changePerSecond, partitions } = report;
  const change = changePerSecond === null ? '' : ` (${formatChange(changePerSecond)}/s)`;
  return `group ${printable(group, true)}  ${state}, ${members} members  lag ${formatCount(lag)}${change}\n${table(columns, partitions)}`;
}

const asText = (offset: number | null): string | null => (offset === null ? null : String(offset));

/** For programs: a stable shape. Unknown is null, offsets are strings, rates are per second. */
export function lagJson({ partitions, atMs, ...group }: GroupLag): unknown {
  return {
    ...group,
    at: new Date(atMs).toISOString(),
    partitions: partitions.map(({ committed, logStart, end, ...rest }) => ({
      ...rest,
      committed: asText(committed),
      logStart: asText(logStart),
      end: asText(end),
    })),
  };
}

const plugin = ['OK', 'WARNING', 'CRITICAL', 'UNKNOWN'] as const;

const severity: Readonly<Record<LagVerdict, 0 | 1 | 2>> = {
  OK: 0,
  // A group that falls behind is judged by --warn and --crit where they are given.
  WARN: 1,
  NEVER_COMMITTED: 1,
  REWIND: 1,
  NO_MEMBERS: 2,
  STALL: 2,
  STOP: 2,
  DATA_LOSS: 2,
};

/**
 * One line and an exit code after the Nagios plugin convention. With thresholds the group's lag decides, and only lost
 * data is critical beyond it; without them the verdicts do.
 */
export function checkLag(
  report: GroupLag,
  { warn, crit }: { readonly warn?: number; readonly crit?: number },
): { line: string; exitCode: 0 | 1 | 2 | 3 } {
  const { group, lag, partitions } = report;
  const bad = partitions.filter(({ verdict, lag }) => severity[verdict] > 0 && lag !== 0);
  const hasThresholds = warn !== undefined || crit !== undefined;
  const lost = bad.filter(({ verdict }) => verdict === 'DATA_LOSS');
  const counted = hasThresholds ? lost : bad;
  const byVerdict = Math.max(0, ...counted.map(({ verdict }) => severity[verdict])) as 0 | 1 | 2;
  const byLag = lag === null ? 3 : crit !== undefined && lag >= crit ? 2 : warn !== undefined && lag >= warn ? 1 : 0;
  // Critical is worse than not knowing.
  const exitCode = byVerdict === 2 ? 2 : byLag === 3 ? 3 : (Math.max(byVerdict, byLag) as 0 | 1 | 2);

  const named = bad.slice(0, 5).map(({ topic, partition, verdict }) => `${topic}/${partition} ${verdict}`);
  const more = bad.length > named.length ? [`and ${bad.length - named.length} more`] : [];
  const details = bad.length === 0 ? '' : `: ${[...named, ...more].join(', ')}`;
  const data = lag === null ? '' : ` | lag=${lag};${warn ?? ''};${crit ?? ''};0`;
  const said = lag === null ? 'lag not known' : `lag ${lag}`;
  return {
    line: `LAG ${plugin[exitCode]} - ${printable(group, true)} ${said}${printable(details, true)}${data}\n`,
    exitCode,
  };
}
