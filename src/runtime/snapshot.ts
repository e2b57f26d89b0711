/** Makes the status snapshot of a running pipeline: totals from the reports of its stages, rates from samples taken every half second. */
import type { StageReport } from '../engine/report.ts';
import type { Breaker } from '../engine/breaker.ts';
import type { Clock, Partition } from '../engine/ports.ts';
import type { Plan } from '../plan/index.ts';
import { publicMessage } from '../operations/dead-letters/record.ts';
import type { LetterWatch } from './letter-watch.ts';
import { PartitionWatch } from './partition-watch.ts';
import { Samples } from './samples.ts';
import type {
  Account,
  BreakerStatus,
  DeadLetterCause,
  RunState,
  SinkStatus,
  StageStatus,
  StatusEvent,
  StatusSnapshot,
} from './status.ts';

/** A sink whose attempts have failed for this long is down, not merely retrying. */
const DOWN_AFTER_MS = 3_000;
/** Looks, two a second, of which more than half must find the source full: what is full once in a while is not held up. */
const FULL_LOOKS = 10;

/** One stage and the sinks it writes, as indexes into `Plan.sinks`. */
export interface SnapshotLane {
  readonly sinks: readonly number[];
  readonly report: StageReport;
  readonly breaker: Breaker | null;
  /** What its source knows of the ends of its partitions. */
  readonly ends: () => ReadonlyMap<Partition, number>;
  /** True while its source fetches no more, since what it holds is not taken. */
  readonly isFull: () => boolean;
}

export interface SnapshotOptions {
  readonly plan: Plan;
  /** The first is the main one: what it reads is what the pipeline reads. */
  readonly lanes: readonly SnapshotLane[];
  /** How the source is named in the picture: `shop.orders.placed.v1 (json)`. */
  readonly sourceText: string;
  readonly clock: Clock;
  readonly member: string;
  /** Of the consumer group; null where nobody knows. */
  readonly members: () => number | null;
  readonly events: readonly StatusEvent[];
  readonly deadLetterCauses: (nowMs: number) => readonly Omit<DeadLetterCause, 'letters'>[];
  readonly deadLetterCounts: () => StatusSnapshot['deadLetters']['byCode'];
  readonly deadLetterDestination: string;
  /** What is known of the queue as a whole; null where nobody looks. */
  readonly letters: Pick<LetterWatch, 'letters' | 'ofCause'> | null;
}

export class Snapshots {
  readonly #options: SnapshotOptions;
  readonly #main: SnapshotLane;
  readonly #startedAtMs: number;
  readonly #rates = new Map<string, Samples>();
  readonly #partitions: PartitionWatch;
  /** Whether the source was full, at the last looks. */
  #full: readonly boolean[] = [];

  constructor(options: SnapshotOptions) {
    this.#options = options;
    this.#main = options.lanes[0]!;
    this.#partitions = new PartitionWatch(options.member);
    this.#startedAtMs = options.clock.now();
  }

  /** Call twice a second: rates come from what is sampled here. */
  sample(): void {
    const { lanes, clock } = this.#options;
    const { report } = this.#main;
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
    for (const lane of lanes) {
      for (const [i, sink] of lane.report.sinks.entries()) {
        rate(`sink.${lane.sinks[i]!}`, sink.written);
        rate(`epochs.${lane.sinks[i]!}`, lane.report.epochs);
      }
    }
    rate('dead', this.#deadTotal());

    this.#full = [...this.#full.slice(1 - FULL_LOOKS), this.#main.isFull()];
    const { produced, lag } = this.#partitions.sample(report.partitions, this.#main.ends(), nowMs);
    rate('produced', produced);
    rate('lag', lag);
  }

  /** The picture as it is now. */
  take(): StatusSnapshot {
    const { plan, clock, sourceText, events, letters } = this.#options;
    const { report } = this.#main;
    const nowMs = clock.now();
    const ends = this.#main.ends();
    const partitions = this.#partitions.statuses(report.partitions, ends, this.#rate('produced') ?? 0, nowMs);
    const sinks = plan.sinks.map((_, i) => this.#sink(i, nowMs));
    const breakers = this.#breakers(nowMs);
    const endToEnd = report.endToEnd.merged(nowMs);
    const ready = report.state === 'running' || report.state === 'draining';
    return {
      pipeline: plan.definition.name,
      file: plan.definition.file,
      environment: plan.definition.environment,
      member: this.#options.member,
      pid: process.pid,
      state: runState(report, sinks, breakers, this.#isHeldUp()),
      ready:
        report.assignments > 0 &&
        report.state !== 'draining' &&
        report.state !== 'stopped' &&
        report.state !== 'failed',
      rebalances: Math.max(0, report.assignments - 1),
      startedAtMs: this.#startedAtMs,
      atMs: nowMs,
      source: sourceText,
      members: this.#options.members(),
      delivery: plan.sinks.map(({ use, delivery }) => ({ sink: use.name, verdict: delivery.verdict })),
      stages: this.#stages(),
      endToEnd: { p50Ms: endToEnd.quantile(0.5), p95Ms: endToEnd.quantile(0.95), p99Ms: endToEnd.quantile(0.99) },
      account: accountOf(report),
      partitions,
      lag: ready ? partitions.reduce((sum, { lag }) => sum + (lag ?? 0), 0) : null,
      lagChangePerSecond: this.#rate('lag'),
      sinks,
      breakers,
      deadLetters: {
        total: this.#deadTotal(),
        perSecond: this.#rate('dead') ?? 0,
        destination: this.#options.deadLetterDestination,
        letters: letters?.letters ?? null,
        causes: this.#options
          .deadLetterCauses(nowMs)
          .map((cause) => ({ ...cause, letters: letters?.ofCause(cause.fingerprint) ?? null })),
        byCode: this.#options.deadLetterCounts(),
      },
      events,
    };
  }

  /** As its causes are counted, which stand below it: made durable, also where the epoch waits for a sink or is undone. */
  #deadTotal(): number {
    return this.#options.deadLetterCounts().reduce((sum, { count }) => sum + count, 0);
  }

  #rate(name: string): number | null {
    return this.#rates.get(name)?.perSecond ?? null;
  }

  #stages(): StageStatus[] {
    const { plan } = this.#options;
    const { report } = this.#main;
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

  /** What is fetched was not taken for most of the last seconds: the steps or a sink are slower than what comes in. */
  #isHeldUp(): boolean {
    return this.#full.filter(Boolean).length > FULL_LOOKS / 2;
  }

  #sink(index: number, nowMs: number): SinkStatus {
    const { plan, lanes } = this.#options;
    const lane = lanes.find(({ sinks }) => sinks.includes(index))!;
    const { report } = lane;
    const at = lane.sinks.indexOf(index);
    const count = report.sinks[at]!;
    const health = report.health[at]!;
    const rowsPerSecond = this.#rate(`sink.${index}`) ?? 0;
    const epochsPerSecond = this.#rate(`epochs.${index}`) ?? 0;
    const held = lane === this.#main ? null : (lane.breaker?.opening ?? null);
    const down = health.failingSinceMs !== null && nowMs - health.failingSinceMs >= DOWN_AFTER_MS;
    const next =
      health.nextTryAtMs === null ? '' : `, next in ${Math.max(0, Math.ceil((health.nextTryAtMs - nowMs) / 1000))} s`;
    return {
      name: plan.sinks[index]!.use.name,
      required: plan.sinks[index]!.use.required,
      rowsPerSecond,
      batchRows: epochsPerSecond > 0 ? rowsPerSecond / epochsPerSecond : null,
      writeP95Ms: report.writeMs[at]!.merged(nowMs).quantile(0.95),
      retries: health.retries,
      behindRows: lane === this.#main ? health.pendingRows : this.#behind(lane),
      state: held !== null || (health.state === 'RETRYING' && down) ? 'DOWN' : health.state,
      sinceMs: held?.atMs ?? health.failingSinceMs,
      note: held !== null ? 'breaker open' : health.state === 'OK' ? '' : `${health.cause}${next}`,
      offered: count.offered,
      written: count.written,
      superseded: count.superseded,
      skippedOffset: count.skippedOffset,
      skippedVersion: count.skippedVersion,
      excluded: count.excluded,
      rejected: count.rejected,
    };
  }

  /** Records between the positions of a group of its own and the ends of the log, as far as anybody here knows them. */
  #behind({ report, ends: ownEnds }: SnapshotLane): number | null {
    if (report.partitions.size === 0) return report.connected ? 0 : null;
    const name = ({ topicId, partition }: Partition): string => `${topicId} ${partition}`;
    const known = new Map([...this.#main.ends()].map(([partition, end]) => [name(partition), end]));
    const own = ownEnds();
    let behind = 0;
    for (const { partition, position } of report.partitions.values()) {
      const end = Math.max(own.get(partition) ?? position, known.get(name(partition)) ?? position);
      behind += Math.max(0, end - position);
    }
    return behind;
  }

  #breakers(nowMs: number): BreakerStatus[] {
    const { plan, lanes } = this.#options;
    return lanes.flatMap(({ breaker, sinks }, i) => {
      if (breaker === null) return [];
      const { opening, limits } = breaker;
      const closed = breaker.isArmed(nowMs) ? 'closed' : 'unarmed';
      return {
        state: opening === null ? closed : 'open',
        sink: i === 0 ? null : plan.sinks[sinks[0]!]!.use.name,
        ratio: opening?.ratio ?? breaker.ratio(nowMs),
        ratioMax: limits.ratio,
        overMs: limits.overMs,
        sinceMs: opening?.atMs ?? null,
        causes: (opening?.causes ?? []).map((cause) => ({
          ...cause,
          message: publicMessage(cause.message, plan.definition.secrets),
        })),
      } satisfies BreakerStatus;
    });
  }
}

/** In the order of the report's stages. Those of one source among several say which. */
export function stageNames({ inputs, steps }: Plan): readonly { readonly name: string; readonly kind: string }[] {
  const own = inputs.flatMap(({ use, steps: before }) =>
    [{ name: 'decode', kind: 'decode' }, ...before.map(({ step }) => step)].map(({ name, kind }) => ({
      name: inputs.length > 1 && name === kind ? `${name} ${use.name}` : name,
      kind,
    })),
  );
  return [...own, ...steps.map(({ step: { name, kind } }) => ({ name, kind }))];
}

function runState(
  { state }: StageReport,
  sinks: readonly SinkStatus[],
  breakers: readonly BreakerStatus[],
  isHeldUp: boolean,
): RunState {
  if (state !== 'running') return state;
  if (breakers.some((breaker) => breaker.sink === null && breaker.state === 'open')) return 'breaker open';
  const required = sinks.filter((sink) => sink.required);
  if (required.some((sink) => sink.state === 'DOWN')) return 'sink down';
  if (required.some((sink) => sink.state === 'FENCED')) return 'fenced';
  return isHeldUp ? 'back-pressured' : 'running';
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
