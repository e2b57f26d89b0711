/** What `pipectl drill` is about to do, what it does, and what it has found out: as text and as JSON. */
import type { SinkUse } from '../definition/pipeline.ts';
import { topicsOf } from '../definition/topics.ts';
import { faultKinds } from '../operations/drill/faults.ts';
import type { Preparation } from '../operations/drill/prepare.ts';
import { type DrillReport, type FaultReport, isHeld } from '../operations/drill/report.ts';
import type { Plan } from '../plan/index.ts';
import { formatClock, formatCount, formatDuration } from '../view/format.ts';
import { printable } from '../view/text.ts';
import { type Column, table } from './table.ts';
import { wrapped } from './wrap.ts';

interface Times {
  readonly for: number;
  readonly outage: number;
}

/** Everything a person should know before it starts. */
export function intentText({ definition }: Plan, preparation: Preparation, times: Times): string {
  const { processes, whyOne, freezeMs, faults, skipped } = preparation;
  const { name, group, environment, sources, sinks, dlq, alerts } = definition;
  const input = sources.map((source) => topicsOf(source).join(', ') || source.component).join(' + ');
  const lines: [string, string][] = [
    ['pipeline', `${name}${environment === null ? '' : `, environment ${environment}`}; group ${group}`],
    ['runs', processes === 1 ? `one process of it, since ${whyOne}` : `${processes} processes of it`],
    [
      'reads',
      sources[0].component === 'kafka' ? `${input}: somebody has to send records, or there is nothing to see` : input,
    ],
    ['writes', `really, as always: ${sinks.map(written).join(', ')}`],
    ['sets aside', 'topic' in dlq ? `dead letters to ${dlq.topic}` : `dead letters to ${dlq.file}`],
    ...(alerts === null || alerts.notify.length === 0
      ? []
      : [['tells', 'whoever its alerts tell'] satisfies [string, string]]),
    ...faults.map(({ fault, service }, index): [string, string] => {
      const where = service === null ? '' : ` (${service.text})`;
      return [index === 0 ? 'faults' : '', `${fault}${where}: ${faultKinds[fault].summary}`];
    }),
    ...skipped.map(({ fault, reason }, index): [string, string] => [
      index === 0 ? 'not tried' : '',
      `${fault}: ${reason}`,
    ]),
    ['takes', `about ${formatDuration(durationMs(preparation, times, freezeMs))}; Ctrl-C ends it and its processes`],
  ];
  return lines.map(([title, text]) => `${title.padEnd(11)}${printable(text, true)}\n`).join('');
}

/** Without recoveries, which nobody knows before. */
function durationMs({ faults }: Preparation, { for: betweenMs, outage }: Times, freezeMs: number): number {
  const own = { kill: 0, restart: 0, poison: 0, freeze: freezeMs, 'sink-away': outage, 'broker-away': outage };
  return faults.reduce((sum, { fault }) => sum + own[fault] + betweenMs, betweenMs);
}

function written({ component, name, options }: SinkUse): string {
  const { table: tableName, path } = options as { readonly table?: string; readonly path?: string };
  const what = tableName ?? path;
  return `${name === component ? component : `${name} (${component})`}${what === undefined ? '' : ` ${what}`}`;
}

/** `14:32:07  kill: SIGKILL to process 4711`. */
export const progressLine = (what: string, nowMs: number): string =>
  `${formatClock(nowMs, nowMs)}  ${printable(what, true)}\n`;

const columns: readonly Column<FaultReport>[] = [
  { title: 'FAULT', align: 'left', cell: ({ fault, service }) => (service === null ? fault : `${fault} (${service})`) },
  { title: 'FIRED', align: 'right', cell: ({ fired }) => formatCount(fired) },
  { title: 'STOOD STILL', align: 'right', cell: ({ recovery }) => formatDuration(recovery.standstillMs) },
  { title: 'ROWS AGAIN', align: 'right', cell: ({ recovery }) => formatDuration(recovery.rowsAgainMs) },
  { title: 'LAG BACK', align: 'right', cell: ({ recovery }) => formatDuration(recovery.lagBackMs) },
  {
    title: 'HELD',
    align: 'right',
    cell: ({ checks }) => `${checks.filter(({ verdict }) => verdict === 'held').length} of ${checks.length}`,
  },
  { title: 'ALERTS', align: 'left', cell: ({ alerts }) => alerts.join(', ') || '-' },
  { title: 'RUNBOOK', align: 'left', cell: ({ runbook }) => runbook },
];

const marks = { held: '  ', broken: '! ', unknown: '? ' } as const;

/** What nobody should take this report for. */
const notShown =
  'Not shown: whether the rows are right. A drill counts and compares positions, it does not compare tables with what was ' +
  'sent. Proxies stand for an outage as this machine sees one; a broker that loses its disk, a database that goes back in ' +
  'time or a clock that jumps are other faults.';

/** A table of the faults, every check below it, and the verdict. */
export function reportText(report: DrillReport, width = 100): string {
  const { faults, skipped, atEnd, baseline, hasAlerts } = report;
  const checksOf = (title: string, checks: FaultReport['checks']): string =>
    `${title}\n${checks.map(({ check, verdict, message }) => `${marks[verdict]}${check}: ${printable(message, true)}\n`).join('')}`;
  const backlog =
    baseline.backlog === null ? '' : `, and a backlog of ${formatCount(baseline.backlog)} was worked off meanwhile`;
  const parts = [
    faults.length === 0 ? '' : table(columns, faults),
    ...faults.map(({ fault, service, checks, logged }) => {
      const title = service === null ? fault : `${fault} (${service})`;
      return `${checksOf(title, checks)}${logged.length === 0 ? '' : `  in the log: ${logged.join(', ')}\n`}`;
    }),
    checksOf('at the end', atEnd),
    skipped.map(({ fault, reason }) => `not tried  ${fault}: ${printable(reason, true)}\n`).join(''),
    wrapped(
      `Input of ${formatCount(Math.round(baseline.perSecond))} records/s; lag up to ${formatCount(baseline.lagMax)} counts as usual${backlog}. ` +
        'STOOD STILL is the longest time a partition with something to read was not written, from the fault on; the times after it ' +
        `count from the end of the fault.${hasAlerts ? '' : ' The pipeline has no `alerts:`, so nobody would have been told.'}`,
      width,
      0,
    ),
    wrapped(notShown, width, 0),
    `${verdictOf(report)}\n`,
  ];
  return parts.filter((part) => part !== '').join('\n');
}

function verdictOf(report: DrillReport): string {
  const { faults, atEnd } = report;
  const checks = [...faults.flatMap((one) => one.checks), ...atEnd];
  if (isHeld(report))
    return `All held: ${faults.length} ${faults.length === 1 ? 'fault' : 'faults'}, ${checks.length} checks.`;
  const count = (verdict: 'broken' | 'unknown') => checks.filter((one) => one.verdict === verdict).length;
  const [broken, unknown] = [count('broken'), count('unknown')];
  const parts = [
    ...(broken > 0 ? [`${broken} did not hold`] : []),
    ...(unknown > 0 ? [`${unknown} could not be seen`] : []),
  ];
  return `Of ${checks.length} checks ${parts.join(', ')}.`;
}

/** Rises when a field changes its meaning or goes away. */
const jsonVersion = 1;

export const reportJson = (report: DrillReport): string =>
  `${JSON.stringify({ version: jsonVersion, held: isHeld(report), ...report }, null, 2)}\n`;
