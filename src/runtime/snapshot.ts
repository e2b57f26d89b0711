/** Makes the status snapshot of a running stage: totals from its report, rates from samples taken every half second. */
import type { PartitionProgress, StageReport } from '../engine/report.ts';
import type { Clock, Partition, Source } from '../engine/ports.ts';
import type { Plan } from '../plan/index.ts';
import { Samples } from './samples.ts';
import type {
  Account,
  DeadLetterCause,
  PartitionStatus,
  RunState,
  SinkStatus,
  StageStatus,
  StatusEvent,
  StatusSnapshot,
} from './status.ts';

/** A sink whose attempts have failed for this long is down, not merely retrying. */
const DOWN_AFTER_MS = 3_000;
/** A partition that neither moves nor is empty for this long has stalled. */
const STALL_AFTER_MS = 10_000;

export interface SnapshotOptions {
  readonly plan: Plan;
  readonly report: StageReport;
  readonly source: Pick<Source, 'ends'>;
  /** How the source is named in the picture: `shop.orders.placed.v1 (json)`. */
  readonly sourceText: string;
  readonly clock: Clock;
  readonly member: string;
  readonly events: readonly StatusEvent[];
  readonly deadLetterCauses: (nowMs: number) => readonly DeadLetterCause[];
  readonly deadLetterDestination: string;
}

interface PartitionSamples {
  readonly position: Samples;
  readonly end: Samples;
  readonly lag: Samples;
  movedAtMs: number;
  lastPosition: number;
}

export class Snapshots {
  readonly #options: SnapshotOptions;
  readonly #startedAtMs: number;
  readonly #rates = new Map<string, Samples>();
  readonly #partitions = new Map<Partition, PartitionSamples>();

  constructor(options: SnapshotOptions) {
    this.#options = options;
    this.#startedAtMs = options.clock.now();
  }

  /** Call twice a second: rates come from what is sampled here. */
  sample(): void {
    const { report, source, clock } = this.#options;
    const nowMs = clock.now();
    const rate = (name: string, value: number) => {
      const samples = this.#rates.get(name) ?? new Samples();
      this.#rates.set(name, samples);
      samples.add(nowMs, value);
    };
    for (const [i, stage] of report.stages.entries()) {
      rate(`${i}.in`, stage.in);
      rate(`${i}.out`, stage.out);
      rate(`${i}.filtered`, stage.filtered);
      rate(`${i}.dead`, stage.dead);
      rate(`${i}.busy`, stage.busyMs);
    }
    for (const [i, sink] of report.sinks.entries()) rate(`sink.${i}`, sink.written);
    rate('dead', deadTotal(report));

    const ends = source.ends();
    for (const partition of this.#partitions.keys())
      if (!report.partitions.has(partition)) this.#partitions.delete(partition);
    let produced = 0;
    let lagTotal = 0;
    for (const [partition, progress] of report.partitions) {
      const samples = this.#partitions.get(partition) ?? newPartitionSamples(progress, nowMs);
      this.#partitions.set(partition, samples);
      const end = Math.max(ends.get(partition) ?? progress.position, progress.position);
      samples.position.add(nowMs, progress.position);
      samples.end.add(nowMs, end);
      samples.lag.add(nowMs, end - progress.position);
      if (progress.position !== samples.lastPosition || end === progress.position) samples.movedAtMs = nowMs;
      samples.lastPosition = progress.position;
      produced += end;
      lagTotal += end - progress.position;
    }
    rate('produced', produced);
    rate('lag', lagTotal);
    rate('epochs', report.epochs);
  }

  /** The picture as it is now. */
  take(): StatusSnapshot {
    const { plan, report, source, clock, sourceText, events } = this.#options;
    const nowMs = clock.now();
    const ends = source.ends();
    const partitions = [...report.partitions.values()].map((progress) => this.#partition(progress, ends, nowMs));
    const sinks = plan.sinks.map((_, i) => this.#sink(i, nowMs));
    const endToEnd = report.endToEnd.merged(nowMs);
    const ready = report.state === 'running' || report.state === 'draining';
    return {
      pipeline: plan.definition.name,
      environment: plan.definition.environment,
      state: runState(report, sinks),
      startedAtMs: this.#startedAtMs,
      atMs: nowMs,
      source: sourceText,
      members: null,
      delivery: plan.sinks.map(({ use, delivery }) => ({ sink: use.name, verdict: delivery.verdict })),
      stages: this.#stages(),
      endToEnd: { p50Ms: endToEnd.quantile(0.5), p95Ms: endToEnd.quantile(0.95), p99Ms: endToEnd.quantile(0.99) },
      account: accountOf(report),
      partitions,
      lag: ready ? partitions.reduce((sum, { lag }) => sum + (lag ?? 0), 0) : null,
      lagChangePerSecond: this.#rate('lag'),
      sinks,
      deadLetters: {
        total: deadTotal(report),
        perSecond: this.#rate('dead') ?? 0,
        destination: this.#options.deadLetterDestination,
        causes: this.#options.deadLetterCauses(nowMs),
      },
      events,
    };
  }

  #rate(name: string): number | null {
    return this.#rates.get(name)?.perSecond ?? null;
  }

  #stages(): StageStatus[] {
    const { plan, report } = this.#options;
    const produced: StageStatus = {
      name: 'produced',
      kind: 'produced',
      inPerSecond: null,
      outPerSecond: this.#rate('produced'),
      filteredPerSecond: null,
      deadPerSecond: null,
      in: 0,
      out: 0,
      filtered: 0,
      dropped: 0,
      dead: 0,
      added: 0,
      busy: 0,
    };
    const names = stageNames(plan);
    return [
      produced,
      ...names.map(({ name, kind }, i): StageStatus => {
        const { in: given, out, filtered, dropped, dead, added } = report.stages[i]!;
        return {
          name,
          kind,
          inPerSecond: this.#rate(`${i}.in`),
          outPerSecond: this.#rate(`${i}.out`),
          filteredPerSecond: this.#rate(`${i}.filtered`),
          deadPerSecond: this.#rate(`${i}.dead`),
          in: given,
          out,
          filtered,
          dropped,
          dead,
          added,
          busy: (this.#rate(`${i}.busy`) ?? 0) / 1000,
        };
      }),
    ];
  }

  #partition(
    { partition, position, lastTimestampMs }: PartitionProgress,
    ends: ReadonlyMap<Partition, number>,
    nowMs: number,
  ): PartitionStatus {
    const samples = this.#partitions.get(partition);
    const end = ends.get(partition) ?? null;
    const lag = end === null ? null : Math.max(0, end - position);
    const change = samples?.lag.perSecond ?? null;
    const stalled = samples !== undefined && nowMs - samples.movedAtMs > STALL_AFTER_MS;
    const falling = lag !== null && lag > 0 && change !== null && change < 0;
    return {
      topic: partition.topic,
      partition: partition.partition,
      owner: this.#options.member,
      position,
      end,
      lag,
      lagChangePerSecond: change,
      behindMs: lag === 0 ? 0 : lastTimestampMs === null ? null : Math.max(0, nowMs - lastTimestampMs),
      inPerSecond: samples?.position.perSecond ?? 0,
      catchUpMs: falling ? (lag / -change) * 1000 : null,
      verdict: stalled
        ? 'STALL'
        : lag !== null && lag > 0 && change !== null && change > 0 && this.#isFallingBehind(partition)
          ? 'WARN'
          : 'OK',
      note: stalled ? `no progress for ${Math.round((nowMs - samples.movedAtMs) / 1000)} s` : '',
    };
  }

  /** Its lag grows by more than a twentieth of what comes in. */
  #isFallingBehind(partition: Partition): boolean {
    const samples = this.#partitions.get(partition);
    const comingIn = samples?.end.perSecond ?? 0;
    return samples !== undefined && (samples.lag.perSecond ?? 0) > 0.05 * comingIn && comingIn > 0;
  }

  #sink(index: number, nowMs: number): SinkStatus {
    const { plan, report } = this.#options;
    const count = report.sinks[index]!;
    const health = report.health[index]!;
    const rowsPerSecond = this.#rate(`sink.${index}`) ?? 0;
    const epochsPerSecond = this.#rate('epochs') ?? 0;
    const down = health.failingSinceMs !== null && nowMs - health.failingSinceMs >= DOWN_AFTER_MS;
    const next =
      health.nextTryAtMs === null ? '' : `, next in ${Math.max(0, Math.ceil((health.nextTryAtMs - nowMs) / 1000))} s`;
    return {
      name: plan.sinks[index]!.use.name,
      required: plan.sinks[index]!.use.required,
      rowsPerSecond,
      batchRows: epochsPerSecond > 0 ? rowsPerSecond / epochsPerSecond : null,
      writeP95Ms: report.writeMs[index]!.merged(nowMs).quantile(0.95),
      retries: health.retries,
      behindRows: health.pendingRows,
      state: health.state === 'RETRYING' && down ? 'DOWN' : health.state,
      sinceMs: health.failingSinceMs,
      note: health.state === 'RETRYING' ? `${health.cause}${next}` : '',
      offered: count.offered,
      written: count.written,
      superseded: count.superseded,
      skippedOffset: count.skippedOffset,
      skippedVersion: count.skippedVersion,
      excluded: count.excluded,
      rejected: count.rejected,
    };
  }
}

/** In the order of the report's stages. Those of one source among several say which. */
function stageNames({ inputs, steps }: Plan): readonly { readonly name: string; readonly kind: string }[] {
  const own = inputs.flatMap(({ use, steps: before }) =>
    [{ name: 'decode', kind: 'decode' }, ...before.map(({ step }) => step)].map(({ name, kind }) => ({
      name: inputs.length > 1 && name === kind ? `${name} ${use.name}` : name,
      kind,
    })),
  );
  return [...own, ...steps.map(({ step: { name, kind } }) => ({ name, kind }))];
}

const newPartitionSamples = ({ position }: PartitionProgress, nowMs: number): PartitionSamples => ({
  position: new Samples(),
  end: new Samples(),
  lag: new Samples(),
  movedAtMs: nowMs,
  lastPosition: position,
});

function runState(report: StageReport, sinks: readonly SinkStatus[]): RunState {
  if (report.state !== 'running') return report.state;
  if (sinks.some(({ state }) => state === 'DOWN')) return 'sink down';
  if (sinks.some(({ state }) => state === 'FENCED')) return 'fenced';
  return 'running';
}

/** Dead letters of decode, steps and sinks together. */
function deadTotal({ stages, sinks }: StageReport): number {
  return stages.reduce((sum, { dead }) => sum + dead, 0) + sinks.reduce((sum, { rejected }) => sum + rejected, 0);
}

/** What was read and what became of it, in records, up to the last step; the sinks' own accounts begin there. */
function accountOf({ read, pending, stages, delivered }: StageReport): Account {
  const sum = (pick: (stage: (typeof stages)[number]) => number) =>
    stages.reduce((total, stage) => total + pick(stage), 0);
  const filtered = sum((stage) => stage.filtered);
  const dropped = sum((stage) => stage.dropped);
  const dead = sum((stage) => stage.dead);
  const added = sum((stage) => stage.added);
  return {
    read: read + pending,
    filtered,
    dropped,
    dead,
    added,
    delivered,
    pending,
    difference: read + added - filtered - dropped - dead - delivered,
  };
}
