/** What `--metrics` tells: the status snapshot, the group as Kafka knows it, and durations, as numbers with names. */
import type { Histogram } from '../engine/histogram.ts';
import { Exposition, type MetricTable } from './exposition.ts';
import type { ClusterFacts, GroupFacts } from './group-watch.ts';
import type { Durations } from './run.ts';
import { type StatusSnapshot, unaccountedRows } from './status.ts';

/** Every metric there is. Rules and dashboards are made of these names. */
export const metrics = {
  pipectl_build_info: { type: 'gauge', help: '1, with the version in a label.' },
  pipectl_start_time_seconds: { type: 'gauge', help: 'When the pipeline started, seconds since 1970.' },
  pipectl_process_cpu_seconds_total: { type: 'counter', help: 'User and system CPU time of the process.' },
  pipectl_process_resident_memory_bytes: { type: 'gauge', help: 'Resident memory of the process.' },
  pipectl_ready: { type: 'gauge', help: '1 while /readyz says yes.' },
  pipectl_state: { type: 'gauge', help: '1, with the state of the pipeline in a label.' },
  pipectl_group_members: { type: 'gauge', help: 'Members of the consumer group.' },
  pipectl_rebalances_total: { type: 'counter', help: 'Assignments of partitions after the first one.' },
  pipectl_consumer_lag_records: {
    type: 'gauge',
    help: 'Records between what is written and the end of the log. Partitions nobody owns are told by one member.',
  },
  pipectl_consumer_lag_seconds: { type: 'gauge', help: 'Age of what is processed next; 0 without lag.' },
  pipectl_source_produced_records_total: {
    type: 'counter',
    help: 'End of the log: what producers have written.',
  },
  pipectl_stage_records_total: {
    type: 'counter',
    help: 'Records by stage and what became of them. in + added = out + filtered + dropped + dead.',
  },
  pipectl_stage_busy_ratio: { type: 'gauge', help: 'Share of wall time spent in a stage over the last seconds.' },
  pipectl_stage_discrepancy_records: { type: 'gauge', help: 'Records a stage can not account for. Must be 0.' },
  pipectl_rows_total: { type: 'counter', help: 'Rows offered to a sink, by what became of them.' },
  pipectl_sink_skipped_total: { type: 'counter', help: 'Rows a sink had already, by the reason to skip them.' },
  pipectl_sink_behind_rows: { type: 'gauge', help: 'Rows that wait for a sink.' },
  pipectl_sink_up: { type: 'gauge', help: '0 while a sink is down.' },
  pipectl_sink_retries_total: { type: 'counter', help: 'Attempts to write that failed and were repeated.' },
  pipectl_sink_write_seconds: { type: 'histogram', help: 'From the begin of a write to its commit.' },
  pipectl_end_to_end_latency_seconds: {
    type: 'histogram',
    help: "From a record's timestamp to the sink's acknowledgement.",
  },
  pipectl_dlq_records_total: { type: 'counter', help: 'Dead letters written by this process.' },
  pipectl_dlq_open_records: {
    type: 'gauge',
    help: 'Open letters of the queue, of all members and runs. From one member.',
  },
  pipectl_dlq_letters: { type: 'gauge', help: 'Letters of the queue by what became of them. From one member.' },
  pipectl_breaker_open: { type: 'gauge', help: '1 while the breaker of the dead letters holds a stage.' },
  pipectl_breaker_ratio: { type: 'gauge', help: 'Share of dead letters over the window of the breaker.' },
  pipectl_broker_count: { type: 'gauge', help: 'Brokers that are up.' },
  pipectl_under_replicated_partitions: {
    type: 'gauge',
    help: 'Partitions of the topics in use with a copy out of sync.',
  },
  pipectl_topic_disk_bytes: { type: 'gauge', help: 'Bytes a topic takes on all brokers, copies included.' },
  pipectl_alert_firing: { type: 'gauge', help: '1 while an alert of the pipeline file fires.' },
} as const satisfies MetricTable;

export interface Observed {
  readonly snapshot: StatusSnapshot;
  readonly durations: Durations;
  /** Null where there is no group, or Kafka has not answered lately. */
  readonly group: GroupFacts | null;
  /** Whether this member tells what all know: the letters of a queue that members share. */
  readonly tellsLetters: boolean;
  readonly cluster: ClusterFacts | null;
  /** By its key, whether an alert fires. */
  readonly alerts: ReadonlyMap<string, boolean>;
  readonly version: string;
}

/** Edges of buckets of the histograms underneath, so that the counts are exact: `steps` to each power of two. */
const boundsOf = (fromMs: number, octaves: number, steps: number): readonly number[] =>
  Array.from(
    { length: octaves * steps + 1 },
    (_, i) => fromMs * 2 ** Math.floor(i / steps) * (1 + (i % steps) / steps),
  );

/** A quarter of an octave: a quantile is off by an eighth at most. 1 ms to 17 minutes. */
const latencyBoundsMs = boundsOf(1, 20, 4);
const writeBoundsMs = boundsOf(1, 17, 2);

/** A pipeline of this process that has not begun, or has ended: nothing is known of it but that. */
export interface NotRunning {
  readonly pipeline: string;
  readonly environment: string | null;
  readonly state: 'starting' | 'stopped' | 'failed';
}

/** The text of all pipelines of the process. One that has ended has no numbers, as if its process had ended. */
export function metricsText(running: readonly Observed[], others: readonly NotRunning[] = []): string {
  const all = new Exposition(metrics, {});
  const labelsOf = ({ pipeline, environment }: Pick<NotRunning, 'pipeline' | 'environment'>) => ({
    pipeline,
    ...(environment === null ? {} : { environment }),
  });
  for (const one of running) addPipeline(all.with(labelsOf(one.snapshot)), one);
  for (const one of others) all.with(labelsOf(one)).add('pipectl_state', { state: one.state }, 1);
  const [first] = [...running.map(({ snapshot }) => snapshot), ...others];
  // What several share is no pipeline's: a sum over pipelines would count it as often as there are.
  const own = running.length + others.length === 1 ? labelsOf(first!) : {};
  const { user, system } = process.cpuUsage();
  all.add('pipectl_process_cpu_seconds_total', own, (user + system) / 1e6);
  all.add('pipectl_process_resident_memory_bytes', own, process.memoryUsage.rss());
  return all.text();
}

function addPipeline(
  out: Exposition<typeof metrics>,
  { snapshot, durations, group, tellsLetters, cluster, alerts, version }: Observed,
): void {
  const { account, deadLetters } = snapshot;
  out.add('pipectl_build_info', { version }, 1);
  out.add('pipectl_start_time_seconds', {}, snapshot.startedAtMs / 1000);
  out.add('pipectl_ready', {}, Number(snapshot.ready));
  out.add('pipectl_state', { state: snapshot.state }, 1);
  out.add('pipectl_rebalances_total', {}, snapshot.rebalances);

  const inGroup = new Map(group?.lag.partitions.map((one) => [nameOf(one), one]));
  for (const one of [...snapshot.partitions, ...unownedOf(snapshot, group)]) {
    const { topic, partition, lag, end } = one;
    const labels = { topic, partition };
    // Before the first record is written only Kafka can tell how old it is.
    const behindMs = one.behindMs ?? inGroup.get(nameOf(one))?.behindMs ?? null;
    out.add('pipectl_consumer_lag_records', labels, lag);
    out.add('pipectl_consumer_lag_seconds', labels, inSeconds(behindMs));
    out.add('pipectl_source_produced_records_total', labels, end);
  }

  out.add('pipectl_stage_records_total', { stage: 'read', outcome: 'out' }, account.read - account.pending);
  out.add('pipectl_stage_discrepancy_records', { stage: 'all' }, account.difference);
  for (const stage of snapshot.stages) {
    if (stage.kind === 'produced') continue;
    const { name, in: given, out: passed, filtered, dropped, dead, added } = stage;
    for (const [outcome, count] of Object.entries({ in: given, out: passed, filtered, dropped, dead, added }))
      out.add('pipectl_stage_records_total', { stage: name, outcome }, count);
    out.add('pipectl_stage_busy_ratio', { stage: name }, stage.busy);
    const difference = given + added - passed - filtered - dropped - dead;
    out.add('pipectl_stage_discrepancy_records', { stage: name }, difference);
  }

  for (const sink of snapshot.sinks) {
    const { name, written, superseded, skippedOffset, skippedVersion, excluded, rejected } = sink;
    const outcomes = { written, superseded, excluded, rejected, skipped: skippedOffset + skippedVersion };
    for (const [outcome, count] of Object.entries(outcomes))
      out.add('pipectl_rows_total', { sink: name, outcome }, count);
    out.add('pipectl_stage_discrepancy_records', { stage: `sink:${name}` }, unaccountedRows(sink));
    out.add('pipectl_sink_skipped_total', { sink: name, reason: 'offset' }, skippedOffset);
    out.add('pipectl_sink_skipped_total', { sink: name, reason: 'version' }, skippedVersion);
    out.add('pipectl_sink_behind_rows', { sink: name }, sink.behindRows);
    out.add('pipectl_sink_up', { sink: name, required: String(sink.required) }, Number(sink.state !== 'DOWN'));
    out.add('pipectl_sink_retries_total', { sink: name }, sink.retries);
  }
  for (const { sink, durations: writes } of durations.writes)
    out.histogram('pipectl_sink_write_seconds', { sink }, histogramOf(writes, writeBoundsMs));
  out.histogram('pipectl_end_to_end_latency_seconds', {}, histogramOf(durations.endToEnd, latencyBoundsMs));

  for (const { stage, code, count } of deadLetters.byCode)
    out.add('pipectl_dlq_records_total', { stage, error_code: code }, count);
  if (tellsLetters && deadLetters.letters !== null) {
    const { openChangePerSecond: _, ...letters } = deadLetters.letters;
    out.add('pipectl_dlq_open_records', {}, letters.open);
    for (const [status, count] of Object.entries(letters)) out.add('pipectl_dlq_letters', { status }, count);
  }
  for (const { sink, state, ratio } of snapshot.breakers) {
    const stage = sink === null ? 'all' : `sink:${sink}`;
    out.add('pipectl_breaker_open', { stage }, Number(state === 'open'));
    out.add('pipectl_breaker_ratio', { stage }, ratio);
  }

  out.add('pipectl_group_members', {}, snapshot.members);
  out.add('pipectl_broker_count', {}, cluster?.brokers ?? null);
  out.add('pipectl_under_replicated_partitions', {}, cluster?.underReplicated ?? null);
  for (const [topic, bytes] of cluster?.topicBytes ?? []) out.add('pipectl_topic_disk_bytes', { topic }, bytes);
  for (const [alert, fires] of alerts) out.add('pipectl_alert_firing', { alert }, Number(fires));
}

/** Partitions that nobody reads: when lag matters most. Told by one member, so that a sum over members is right. */
function unownedOf({ partitions }: StatusSnapshot, group: GroupFacts | null) {
  if (group === null || !group.speaks) return [];
  const own = new Set(partitions.map(nameOf));
  return group.lag.partitions.filter((one) => one.owner === null && !own.has(nameOf(one)));
}

const nameOf = ({ topic, partition }: { readonly topic: string; readonly partition: number }): string =>
  `${topic}/${partition}`;

const inSeconds = (ms: number | null): number | null => (ms === null ? null : ms / 1000);

function histogramOf(durations: Histogram, boundsMs: readonly number[]) {
  return {
    bounds: boundsMs.map((bound) => bound / 1000),
    below: durations.below(boundsMs),
    count: durations.total,
    sum: durations.sumMs / 1000,
  };
}
