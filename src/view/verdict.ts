import type { PartitionStatus, SinkStatus, StageStatus, StatusSnapshot } from '../runtime/status.ts';
import { type RunbookName, runbookFor } from '../runtime/runbooks.ts';
import { formatChange, formatCount, formatDuration, formatRateWithUnit, formatRatio, formatShare } from './format.ts';

export interface PipelineVerdict {
  readonly ok: boolean;
  /** What is wrong in words, each with a number, worst first. Empty when nothing is. */
  readonly causes: readonly string[];
  /** What to read about the worst of them; null where there is nothing to read. */
  readonly runbook: RunbookName | null;
}

interface Cause {
  readonly words: string;
  readonly runbook: RunbookName | null;
}

/**
 * Is it healthy, and if not, why? Worst first: what may be lost (a stop, records unaccounted for), what stands (the
 * breaker, a required sink, a stalled partition), what lags behind, what is set aside.
 */
export function verdict(snapshot: StatusSnapshot): PipelineVerdict {
  const { account, deadLetters, partitions, sinks, state } = snapshot;
  const down = sinks.filter((sink) => sink.state === 'DOWN');
  const said = (words: readonly string[], runbook: RunbookName): readonly Cause[] =>
    words.map((each) => ({ words: each, runbook }));
  const sinksIn = (trouble: readonly SinkStatus[]) => trouble.map((sink) => sinkCause(sink, snapshot.atMs));
  const causes: readonly Cause[] = [
    ...(state === 'failed' ? [failure(snapshot)] : []),
    ...(account.difference === 0
      ? []
      : [{ words: `${formatCount(account.difference)} records UNACCOUNTED FOR`, runbook: null }]),
    ...said(breakerCause(snapshot), 'growing-dlq'),
    ...said(sinksIn(down.filter((sink) => sink.required)), 'sink-down'),
    ...said(partitionCause(partitions, 'STALL', 'STALLED'), 'growing-lag'),
    ...said(sinksIn(down.filter((sink) => !sink.required)), 'sink-down'),
    ...said(sinksIn(sinks.filter((sink) => sink.state === 'FENCED')), 'rebalance-storm'),
    ...said(sinksIn(sinks.filter((sink) => sink.state === 'RETRYING')), 'sink-down'),
    // How late it is, then why.
    ...said(partitionCause(partitions, 'WARN', 'FALLING BEHIND'), 'growing-lag'),
    ...said(backPressure(snapshot), 'growing-lag'),
    ...said(
      deadLetters.perSecond > 0 ? [`dead letters +${formatRateWithUnit(deadLetters.perSecond)}`] : [],
      'growing-dlq',
    ),
  ];
  return {
    ok: causes.length === 0,
    causes: causes.map(({ words }) => words),
    runbook: causes[0]?.runbook ?? null,
  };
}

/** `RUNNING 6d 04:12`: the state and how long the pipeline has been up. */
export function stateWords(snapshot: StatusSnapshot): string {
  return `${snapshot.state.toUpperCase()} ${formatDuration(snapshot.atMs - snapshot.startedAtMs)}`;
}

/** `p5`, with its topic where the pipeline reads several; the number first, since a long name is cut at its end. */
export function partitionName(partition: PartitionStatus, severalTopics: boolean): string {
  return severalTopics ? `p${partition.partition} ${partition.topic}` : `p${partition.partition}`;
}

/** Partitions of more than one topic, so that `p5` alone would be ambiguous. */
export function hasSeveralTopics(partitions: readonly PartitionStatus[]): boolean {
  return partitions.some((partition) => partition.topic !== partitions[0]?.topic);
}

/** Decode and steps share one thread: beyond that share of the time there is little left for all else. */
const BUSY = 0.7;

const SEVERITY = { STALL: 0, WARN: 1, OK: 2 } as const;

/** Worst first: by verdict, then what is hot, then by lag; an unknown lag before a known one. */
export function worstFirst(partitions: readonly PartitionStatus[]): readonly PartitionStatus[] {
  return partitions.toSorted(
    (a, b) =>
      SEVERITY[a.verdict] - SEVERITY[b.verdict] ||
      (b.hotShare ?? 0) - (a.hotShare ?? 0) ||
      (b.lag ?? Number.MAX_SAFE_INTEGER) - (a.lag ?? Number.MAX_SAFE_INTEGER) ||
      a.topic.localeCompare(b.topic) ||
      a.partition - b.partition,
  );
}

/** `lag 48,652 (+340/s)`. */
export function lagWords(snapshot: StatusSnapshot): string {
  const change = snapshot.lagChangePerSecond;
  return `lag ${formatCount(snapshot.lag)}${change === null ? '' : ` (${formatChange(change)}/s)`}`;
}

function failure(snapshot: StatusSnapshot): Cause {
  const error = snapshot.events.find((event) => event.level === 'error');
  if (error === undefined) return { words: 'stopped by an error', runbook: null };
  return { words: `${error.code}: ${error.message}`, runbook: runbookFor(error.code) };
}

function breakerCause({ breakers, atMs }: StatusSnapshot): readonly string[] {
  const open = breakers.find(({ sink, state }) => sink === null && state === 'open');
  if (open === undefined) return [];
  const since = open.sinceMs === null ? '' : ` ${formatDuration(atMs - open.sinceMs)}`;
  return [`BREAKER OPEN${since} ${formatRatio(open.ratio)} dead letters`];
}

function sinkCause(sink: SinkStatus, atMs: number): string {
  const since = sink.sinceMs === null ? '' : ` ${formatDuration(atMs - sink.sinceMs)}`;
  return `${sink.name} ${sink.state}${since}`;
}

/** What holds the pipeline up: the steps, where they are busy most of the time, else the sink for which most waits. */
function backPressure(snapshot: StatusSnapshot): readonly string[] {
  const busiest = slowStage(snapshot);
  if (busiest !== null) return [`${busiest.name} SLOW busy ${formatShare(busiest.busy)}`];
  const slowest = slowSink(snapshot);
  return slowest === null ? [] : [`${slowest.name} SLOW ${formatCount(slowest.behindRows)} rows wait`];
}

function slowStage({ state, stages }: StatusSnapshot): StageStatus | null {
  const busy = stages.reduce((sum, stage) => sum + stage.busy, 0);
  const busiest = stages.toSorted((a, b) => b.busy - a.busy)[0];
  return state === 'back-pressured' && busiest !== undefined && busy > BUSY ? busiest : null;
}

/** The sink that takes less than what comes in; null where it is none, or the steps that are slow. */
export function slowSink(snapshot: StatusSnapshot): SinkStatus | null {
  if (snapshot.state !== 'back-pressured' || slowStage(snapshot) !== null) return null;
  const required = snapshot.sinks.filter((sink) => sink.required);
  const slowest = required.toSorted((a, b) => (b.behindRows ?? 0) - (a.behindRows ?? 0))[0];
  return slowest === undefined || (slowest.behindRows ?? 0) === 0 ? null : slowest;
}

function partitionCause(
  partitions: readonly PartitionStatus[],
  kind: PartitionStatus['verdict'],
  words: string,
): readonly string[] {
  const affected = worstFirst(partitions.filter((partition) => partition.verdict === kind));
  const worst = affected[0];
  if (worst === undefined) return [];
  const others = affected.length > 1 ? ` and ${formatCount(affected.length - 1)} more` : '';
  const amount = worst.behindMs === null ? `lag ${formatCount(worst.lag)}` : formatDuration(worst.behindMs);
  return [`${partitionName(worst, hasSeveralTopics(partitions))}${others} ${words} ${amount}`];
}
