/** Everything about one line of a panel, and what to run about it. */
import { errorTable } from '../../errors.ts';
import { runbookCommand, runbookFor } from '../../runtime/runbooks.ts';
import type { DeadLetterSample, StatusSnapshot } from '../../runtime/status.ts';
import {
  formatChange,
  formatClock,
  formatCount,
  formatDuration,
  formatLatency,
  formatRate,
  formatRateWithUnit,
  formatShare,
} from '../format.ts';
import { slowSink } from '../verdict.ts';
import { lettersWords } from '../letters.ts';
import type { Panel } from './layout.ts';
import type { Items } from './lists.ts';

export interface Detail {
  readonly title: string;
  readonly facts: readonly (readonly [label: string, text: string])[];
  /** What to run, and what for. */
  readonly commands: readonly (readonly [command: string, purpose: string])[];
}

/** `sample` is a record of the dead-letter cause; undefined while it is fetched. */
export function detailOf<P extends Panel>(
  panel: P,
  item: Items[P],
  snapshot: StatusSnapshot,
  sample: DeadLetterSample | null | undefined,
): Detail {
  const of: { readonly [Q in Panel]: (item: Items[Q]) => Detail } = {
    stages: (stage) => stageDetail(stage, snapshot),
    partitions: (partition) => partitionDetail(partition, snapshot),
    sinks: (sink) => sinkDetail(sink, snapshot),
    deadLetters: (cause) => deadLetterDetail(cause, snapshot, sample),
    events: (event) => eventDetail(event, snapshot),
  };
  return of[panel](item);
}

function stageDetail(stage: Items['stages'], snapshot: StatusSnapshot): Detail {
  const isProduced = stage.kind === 'produced';
  const totals = [
    ['in', stage.in],
    ['out', stage.out],
    ['filtered', stage.filtered],
    ['dropped', stage.dropped],
    ['dead letters', stage.dead],
    ['made beyond the one given', stage.added],
  ] as const;
  return {
    title: `stage ${stage.name}`,
    facts: isProduced
      ? [['produced', `${formatRate(stage.outPerSecond)} records/s by those who write the topic`]]
      : [
          ['component', stage.kind],
          ['in', `${formatRate(stage.inPerSecond)}/s`],
          ['out', `${formatRate(stage.outPerSecond)}/s`],
          ['busy', `${formatShare(stage.busy)} of the time`],
          [
            'since start',
            totals.flatMap(([name, count]) => (count > 0 ? [`${name} ${formatCount(count)}`] : [])).join(', '),
          ],
        ],
    commands: isProduced
      ? [[`pipectl lag ${target(snapshot)}`, 'what the group has not read yet']]
      : [
          [`pipectl tap ${snapshot.pipeline} --after ${quoted(stage.name)}`, 'events as they leave it'],
          ...(stage.dead > 0
            ? [[`pipectl dlq ls ${target(snapshot)} --stage ${quoted(stageName(stage))}`, 'what failed in it'] as const]
            : []),
        ],
  };
}

/** As dead letters name it. */
const stageName = ({ name, kind }: Items['stages']): string =>
  kind === 'decode' || kind === 'timestamp' ? kind : `step:${name}`;

function partitionDetail(partition: Items['partitions'], snapshot: StatusSnapshot): Detail {
  const { verdict, hotShare, idleMs } = partition;
  return {
    title: `partition ${partition.partition} of ${partition.topic}`,
    facts: [
      ['verdict', `${verdict} ${partition.note}`.trim()],
      ['owner', partition.owner],
      ['next offset', `${partition.position} of ${partition.end ?? '-'}`],
      ['lag', `${formatCount(partition.lag)} records, changes by ${formatChange(partition.lagChangePerSecond)}/s`],
      ['behind', formatDuration(partition.behindMs)],
      ['in', `${formatRate(partition.inPerSecond)} records/s`],
      ['catch-up', partition.catchUpMs === null ? '-' : formatDuration(partition.catchUpMs)],
      ...(hotShare === null
        ? []
        : [['hot', `gets ${formatShare(hotShare)} of all records: few keys have most of them`] as const]),
      ...(idleMs === null ? [] : [['idle', `nothing was produced to it for ${formatDuration(idleMs)}`] as const]),
    ],
    commands: [
      [`pipectl lag ${target(snapshot)} --watch`, 'every partition of the group, also of other members'],
      ...(verdict === 'OK' ? [] : [[runbookCommand('growing-lag'), 'what to do about a lag that grows'] as const]),
    ],
  };
}

function sinkDetail(sink: Items['sinks'], snapshot: StatusSnapshot): Detail {
  const totals = [
    ['offered', sink.offered],
    ['written', sink.written],
    ['superseded in the batch', sink.superseded],
    ['already written', sink.skippedOffset],
    ['older than the row', sink.skippedVersion],
    ['excluded by when', sink.excluded],
    ['rejected', sink.rejected],
  ] as const;
  const isHeld = snapshot.breakers.some((breaker) => breaker.sink === sink.name && breaker.state === 'open');
  const isSlow = slowSink(snapshot)?.name === sink.name;
  const delivery = snapshot.delivery.find((one) => one.sink === sink.name)?.verdict ?? '-';
  const since = sink.sinceMs === null ? '' : ` since ${formatClock(sink.sinceMs, snapshot.atMs)}`;
  return {
    title: `sink ${sink.name}`,
    facts: [
      ['state', `${sink.state}${since}${isSlow ? ', but SLOW: less goes out than comes in' : ''}`],
      ...(sink.note === '' ? [] : [['cause', sink.note] as const]),
      ['required', sink.required ? 'yes: while it is down the pipeline waits' : 'no: the others go on without it'],
      ['delivery', delivery],
      ['rows', `${formatRate(sink.rowsPerSecond)}/s, ${formatCount(sink.batchRows)} a batch`],
      ['write p95', formatLatency(sink.writeP95Ms)],
      ['behind', `${formatCount(sink.behindRows)} rows`],
      ['retries', formatCount(sink.retries)],
      [
        'since start',
        totals.flatMap(([name, count]) => (count > 0 ? [`${name} ${formatCount(count)}`] : [])).join(', ') || '-',
      ],
    ],
    commands: [
      ...(isHeld ? [[`pipectl resume ${snapshot.pipeline}`, 'go on, once the cause is understood'] as const] : []),
      ...(sink.state === 'OK' ? [] : [[runbookCommand('sink-down'), 'what to do about a sink that is away'] as const]),
      ...(isSlow ? [[runbookCommand('growing-lag'), 'what to do about a lag that grows'] as const] : []),
      [`pipectl doctor ${target(snapshot)}`, 'looks at everything the pipeline relies on'],
      ...(sink.rejected > 0
        ? [
            [
              `pipectl dlq ls ${target(snapshot)} --stage ${quoted(`sink:${sink.name}`)}`,
              'the rows it has refused',
            ] as const,
          ]
        : []),
    ],
  };
}

function deadLetterDetail(
  cause: Items['deadLetters'],
  snapshot: StatusSnapshot,
  sample: DeadLetterSample | null | undefined,
): Detail {
  const { fingerprint, code } = cause;
  const runbook = runbookFor(code);
  const { atMs } = snapshot;
  const hint = Object.hasOwn(errorTable, code) ? errorTable[code as keyof typeof errorTable].hint : null;
  const isOpen = snapshot.breakers.some(({ state }) => state === 'open');
  return {
    title: `dead letters ${fingerprint}`,
    facts: [
      ['stage', cause.stage],
      ['cause', `${code}: ${cause.message}`],
      ['count', `${formatCount(cause.count)}, ${formatRateWithUnit(cause.perSecond)}`],
      ...(cause.letters === null ? [] : [['letters', lettersWords(cause.letters).join(', ')] as const]),
      ['first', formatClock(cause.firstAtMs, atMs)],
      ['last', formatClock(cause.lastAtMs, atMs)],
      ['in', snapshot.deadLetters.destination],
      ...(hint === null ? [] : [['remedy', hint] as const]),
      ...sampleFacts(sample, atMs),
    ],
    commands: [
      ...(isOpen ? [[`pipectl resume ${snapshot.pipeline}`, 'go on, once the cause is understood'] as const] : []),
      [`pipectl dlq inspect ${target(snapshot)} --fingerprint ${fingerprint}`, 'the newest of them whole'],
      // A file of dead letters can only be looked at.
      ...(snapshot.deadLetters.destination.startsWith('/')
        ? []
        : [
            [
              `pipectl dlq replay ${target(snapshot)} --fingerprint ${fingerprint}`,
              'again, once the cause is mended',
            ] as const,
          ]),
      ...(runbook === null ? [] : [[runbookCommand(runbook), 'what to do about it'] as const]),
    ],
  };
}

function sampleFacts(sample: DeadLetterSample | null | undefined, nowMs: number): Detail['facts'] {
  if (sample === undefined) return [['record', 'is being looked up']];
  if (sample === null) return [['record', 'none is kept here']];
  const cut = sample.value !== null && Buffer.byteLength(sample.value) < sample.valueBytes ? ' (its beginning)' : '';
  return [
    [
      'record',
      `${sample.topic} p${sample.partition} offset ${sample.offset}, of ${formatClock(sample.timestampMs, nowMs)}`,
    ],
    ['key', sample.key ?? 'none'],
    ['value', sample.value === null ? 'none' : `${sample.value}${cut}`],
  ];
}

function eventDetail({ atMs, level, code, message }: Items['events'], snapshot: StatusSnapshot): Detail {
  const runbook = level === 'info' ? null : runbookFor(code);
  const entry = Object.hasOwn(errorTable, code) ? errorTable[code as keyof typeof errorTable] : null;
  return {
    title: `event ${code}`,
    facts: [
      ['at', formatClock(atMs, snapshot.atMs)],
      ['level', level],
      ['message', message],
      ...(entry === null ? [] : [['meaning', entry.meaning] as const, ['remedy', entry.hint] as const]),
    ],
    commands: runbook === null ? [] : [[runbookCommand(runbook), 'what to do about it']],
  };
}

/** The pipeline file as it is to be typed. */
function target({ file, environment }: StatusSnapshot): string {
  return environment === null ? quoted(file) : `${quoted(file)} --env ${environment}`;
}

const quoted = (word: string): string => (/^[\w./:@-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`);
