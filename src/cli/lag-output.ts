/** The lag of groups as tables, as JSON and as the line of a monitoring plugin. */
import type { GroupLag, PartitionLag } from '../operations/lag.ts';
import type { LagVerdict } from '../operations/lag-verdict.ts';
import { formatChange, formatCount, formatDuration, formatRate } from '../view/format.ts';
import { printable } from '../view/text.ts';
import { type Column, table } from './table.ts';

/** `sink`: the one that reads in this group, where it is that of an optional sink. */
export interface ShownLag extends GroupLag {
  readonly sink: string | null;
}

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
  { title: 'BEHIND', align: 'right', cell: behind },
  { title: 'CATCH-UP', align: 'right', cell: ({ etaMs }) => formatDuration(etaMs) },
  { title: 'VERDICT', align: 'left', cell: ({ verdict }) => verdict },
  { title: 'OWNER', align: 'left', cell: ({ owner }) => (owner === null ? '-' : printable(owner, true)) },
];

/** What is not read from the record itself is marked. */
function behind({ behindMs, behindEstimated }: PartitionLag): string {
  return `${behindEstimated ? '~' : ''}${formatDuration(behindMs)}`;
}

/** For people. */
export function lagTable({ group, sink, state, members, lag, changePerSecond, partitions }: ShownLag): string {
  const change = changePerSecond === null ? '' : ` (${formatChange(changePerSecond)}/s)`;
  const of = sink === null ? '' : ` of sink ${printable(sink, true)}`;
  const head = `group ${printable(group, true)}${of}  ${state}, ${members ?? 'unknown'} members  lag ${formatCount(lag)}${change}`;
  const note = partitions.some(({ behindEstimated }) => behindEstimated)
    ? '~ estimated: the record itself is gone, or has no timestamp\n'
    : '';
  return `${head}\n${table(columns, partitions)}${note}`;
}

const asText = (offset: number | null): string | null => (offset === null ? null : String(offset));

/**
 * For programs: a stable shape. Unknown is null, offsets are strings, rates are per second. The first group, and those of
 * optional sinks under `sinks`.
 */
export function lagJson([own, ...ofSinks]: readonly ShownLag[]): unknown {
  const { sink: _, ...first } = own!;
  return { ...groupJson(first), sinks: ofSinks.map(groupJson) };
}

function groupJson({ partitions, atMs, ...group }: GroupLag): object {
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

type ExitCode = 0 | 1 | 2 | 3;
const plugin = ['OK', 'WARNING', 'CRITICAL', 'UNKNOWN'] as const;

const severity: Readonly<Record<LagVerdict, 0 | 1 | 2>> = {
  OK: 0,
  // A group that falls behind is judged by thresholds where they are given.
  WARN: 1,
  NEVER_COMMITTED: 1,
  REWIND: 1,
  NO_MEMBERS: 2,
  STALL: 2,
  STOP: 2,
  DATA_LOSS: 2,
};

/** Above `warn...` it is a warning, above `max...` critical. */
export interface LagThresholds {
  readonly warnLag?: number;
  readonly maxLag?: number;
  readonly warnSeconds?: number;
  readonly maxSeconds?: number;
}

/**
 * One line and an exit code after the Nagios plugin convention, the worst group's. With thresholds they decide, and only
 * lost data is critical beyond them; without them the verdicts do.
 */
export function checkLag(
  reports: readonly GroupLag[],
  thresholds: LagThresholds,
): { readonly line: string; readonly exitCode: ExitCode } {
  const checks = reports.map((report) => checkGroup(report, thresholds));
  // Critical is worse than not knowing, and that worse than a warning.
  const exitCode = ([2, 3, 1] as const).find((code) => checks.some((check) => check.exitCode === code)) ?? 0;
  const said = checks.map(({ text }) => text).join('; ');
  const data = checks.map((check) => check.data).filter((text) => text !== '');
  return { line: `LAG ${plugin[exitCode]} - ${said}${data.length === 0 ? '' : ` | ${data.join(' ')}`}\n`, exitCode };
}

function checkGroup(
  { group, lag, partitions }: GroupLag,
  { warnLag, maxLag, warnSeconds, maxSeconds }: LagThresholds,
): { readonly text: string; readonly data: string; readonly exitCode: ExitCode } {
  const bad = partitions.filter(({ verdict, lag }) => severity[verdict] > 0 && lag !== 0);
  const seconds = secondsBehind(partitions);
  const judgesLag = warnLag !== undefined || maxLag !== undefined;
  const judgesSeconds = warnSeconds !== undefined || maxSeconds !== undefined;
  const counted = judgesLag || judgesSeconds ? bad.filter(({ verdict }) => verdict === 'DATA_LOSS') : bad;
  const codes: readonly ExitCode[] = [
    ...counted.map(({ verdict }) => severity[verdict]),
    lag === null ? 3 : above(lag, warnLag, maxLag),
    ...(judgesSeconds ? [seconds === null ? 3 : above(seconds, warnSeconds, maxSeconds)] : []),
  ];
  const named = bad.slice(0, 5).map(({ topic, partition, verdict }) => `${topic}/${partition} ${verdict}`);
  const more = bad.length > named.length ? [`and ${bad.length - named.length} more`] : [];
  const details = bad.length === 0 ? '' : `: ${[...named, ...more].join(', ')}`;
  const age = seconds === null ? '' : `, ${seconds} s behind`;
  const label = (name: string) => `'${group.replaceAll(/['=|]/g, '_')} ${name}'`;
  const data = [
    ...(lag === null ? [] : [`${label('lag')}=${lag};${warnLag ?? ''};${maxLag ?? ''};0`]),
    ...(seconds === null ? [] : [`${label('behind')}=${seconds}s;${warnSeconds ?? ''};${maxSeconds ?? ''};0`]),
  ].join(' ');
  return {
    // A bar begins the numbers.
    text: printable(`${group} ${lag === null ? 'lag not known' : `lag ${lag}${age}`}${details}`, true).replaceAll(
      '|',
      '_',
    ),
    data: printable(data, true),
    exitCode: ([2, 3, 1] as const).find((code) => codes.includes(code)) ?? 0,
  };
}

const above = (value: number, warn = Infinity, max = Infinity): ExitCode => (value > max ? 2 : value > warn ? 1 : 0);

/** Of the partition that is furthest behind, whole seconds; null where one is not known. */
function secondsBehind(partitions: readonly PartitionLag[]): number | null {
  const known = partitions.map(({ behindMs }) => behindMs).filter((ms) => ms !== null);
  if (known.length < partitions.length) return null;
  return Math.floor(Math.max(0, ...known) / 1000);
}
