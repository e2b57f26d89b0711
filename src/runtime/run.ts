/** A pipeline that runs: its stages, its status, its end. */
import type { Readable } from 'node:stream';
import { kafkaOptionsOf } from '../definition/kafka-connection.ts';
import type { ComponentUse } from '../definition/pipeline.ts';
import { topicsOf } from '../definition/topics.ts';
import { Breaker, type BreakerOpening } from '../engine/breaker.ts';
import { DeliveryAbandoned } from '../engine/delivery.ts';
import type { Histogram } from '../engine/histogram.ts';
import type { Clock, DeadLetter, Log, Sink, Source } from '../engine/ports.ts';
import type { StageReport } from '../engine/report.ts';
import { Stage } from '../engine/stage.ts';
import { DeadLetterCauses } from '../operations/dead-letters/causes.ts';
import type { Plan } from '../plan/index.ts';
import { type Assembly, type StagePart, assemble, memberName, stageParts } from './assemble.ts';
import { GroupWatch } from './group-watch.ts';
import { LetterWatch } from './letter-watch.ts';
import { type PipelineLog, type WriteLog, pipelineLog } from './log.ts';
import { OptionalStage } from './optional-stage.ts';
import { ReplayLane } from './replay-lane.ts';
import { SharedAdmin } from './shared-admin.ts';
import { Snapshots, stageNames } from './snapshot.ts';
import type { DeadLetterSample, StatusSnapshot } from './status.ts';
import { type TapRequest, Taps } from './tap.ts';

export interface RunOptions {
  readonly clock: Clock;
  readonly untilEnd: boolean;
  /** With `untilEnd`: stop at this time of the records instead. */
  readonly untilMs?: number;
  /** Stop when more dead letters than this were written; null: never. */
  readonly deadLettersMax: number | null;
  readonly dryRun: { readonly sink: (name: string) => Sink; readonly deadLetters: Assembly['deadLetters'] } | null;
  /** The group and the cluster are looked at: it is a member that goes on without end, or somebody reads its numbers. */
  readonly isLive: boolean;
  /** Gets the log as JSON lines; undefined: nobody wants it. */
  readonly writeLog: WriteLog | undefined;
}

/** A breaker that was closed again. */
export interface Resumed {
  /** The sink whose stage it held; null: that of all required sinks. */
  readonly sink: string | null;
  readonly opening: BreakerOpening;
  /** For so long it does not open again. */
  readonly overMs: number;
}

/** Durations of a run. */
export interface Durations {
  /** From a record's timestamp to the acknowledgement of the required sinks. */
  readonly endToEnd: Histogram;
  /** Per sink, `write` to `commit`. */
  readonly writes: readonly { readonly sink: string; readonly durations: Histogram }[];
}

export interface RunningPipeline {
  /** Resolves when the pipeline has drained and closed everything; rejects with what stopped it. */
  readonly done: Promise<void>;
  readonly name: string;
  /** Of this process. */
  readonly member: string;
  readonly log: PipelineLog;
  snapshot(): StatusSnapshot;
  /** Null where there is no group, or nobody looks at it. */
  readonly group: GroupWatch | null;
  /** All since start, for those who read them over time. */
  durations(): Durations;
  /** Written to the dead-letter queue so far. */
  deadLetterCount(): number;
  /** A record of a cause; null where there is none. */
  deadLetterSample(fingerprint: string): DeadLetterSample | null;
  /** Events that leave a stage, as `Taps.open` says. */
  tap(request: TapRequest): Readable;
  /** Closes every breaker that is open; the note goes to the log. */
  resume(note: string): readonly Resumed[];
  /** Gathers no more, writes and commits what is gathered; gives up after the drain's deadline. */
  stop(): void;
}

/**
 * One epoch at most. Small enough that a write is over in a fraction of a second and memory stays flat, large enough
 * that the fixed cost of a transaction does not show.
 */
const epochLimits = { recordsMax: 4_000, bytesMax: 16 * 1024 * 1024 };
const OPEN_MS = 15_000;
const SAMPLE_EVERY_MS = 500;
/** How often the group is looked at where alerts wait for it. */
const ALERTED_EVERY_MS = 5000;
/** Below the 30 s after which container platforms kill. */
const DRAIN_MS = 25_000;
/** What is under way then (a statement, a request) can not be called back, and has so long to come to its end. */
const LAST_ANSWER_MS = 1500;

/** One stage as the status sees it: what it tells of itself, also while another one takes its place. */
interface Lane {
  readonly part: StagePart;
  readonly stage: Stage;
  readonly breaker: Breaker | null;
  source: Source;
}

/** Starts a planned pipeline. */
export async function startPipeline(plan: Plan, options: RunOptions): Promise<RunningPipeline> {
  const { clock, untilEnd, dryRun, isLive } = options;
  const { definition } = plan;
  const member = memberName();
  const log = pipelineLog({
    pipeline: definition.name,
    member,
    write: options.writeLog,
    secrets: definition.secrets,
    now: () => clock.now(),
  });
  const assembly = await assemble(plan, { ...options, log });
  const causes = new DeadLetterCauses(definition.secrets, definition.letterForm);
  const taps = new Taps(stageNames(plan), definition.secrets);
  let deadLetterCount = 0;
  const onDeadLetters = (letters: readonly DeadLetter[]): void => {
    for (const letter of letters) causes.add(letter);
    deadLetterCount += letters.length;
    if (options.deadLettersMax !== null && deadLetterCount > options.deadLettersMax) stop();
  };

  const makeStage = async (part: StagePart, breaker: Breaker | null, report?: StageReport) => {
    const { program, source } = await assembly.make(part);
    const stage = new Stage({
      program,
      source,
      deadLetters: assembly.deadLetters,
      clock,
      random: Math.random,
      log,
      limits: epochLimits,
      batchEveryMs: definition.batchEveryMs,
      openMs: part.isMain ? OPEN_MS : null,
      onDeadLetters,
      ...(breaker && { breaker }),
      ...(report && { report }),
      // The other stages run the same steps on the same records.
      ...(part.isMain && { taps: taps.byStage }),
    });
    return { stage, source };
  };
  const makeLane = async (part: StagePart): Promise<Lane> => {
    const { breaker: limits } = definition;
    // Where a schedule waits for the end, nobody is there to resume it; what is only shown costs nothing.
    const breaker = limits === null || dryRun !== null ? null : new Breaker(limits, !untilEnd);
    return { part, breaker, ...(await makeStage(part, breaker)) };
  };
  const optionalOf = (lane: Lane): OptionalStage =>
    new OptionalStage({
      name: plan.sinks[lane.part.sinks[0]!]!.use.name,
      first: lane.stage,
      async next(report) {
        const { stage, source } = await makeStage(lane.part, lane.breaker, report);
        lane.source = source;
        return stage;
      },
      clock,
      random: Math.random,
      log,
    });

  const [mainPart, ...otherParts] = stageParts(plan, dryRun !== null);
  const main = await makeLane(mainPart);
  const others = await Promise.all(otherParts.map(makeLane));
  const optionals = others.map(optionalOf);
  const lanes = [main, ...others] as const;
  const onDeadAgain = (letters: readonly DeadLetter[]): void => {
    for (const letter of letters) causes.add(letter);
  };
  const takesLetters = dryRun === null && !untilEnd && ReplayLane.fits(plan);
  const cluster = clusterOf(plan);
  const replays =
    takesLetters && cluster
      ? new ReplayLane({ plan, clock, random: Math.random, log, cluster, onDeadLetters: onDeadAgain })
      : null;
  const group = isLive && cluster ? groupWatch(plan, main.stage.report, { clock, log, cluster }) : null;
  const letterWatch = isLive ? LetterWatch.of(plan, cluster, { clock, log }) : null;
  const snapshots = new Snapshots({
    plan,
    lanes: lanes.map((lane) => ({
      sinks: lane.part.sinks,
      report: lane.stage.report,
      breaker: lane.breaker,
      ends: () => lane.source.ends(),
      isFull: () => lane.source.full ?? false,
    })),
    sourceText: sourceText(plan),
    clock,
    member,
    members: () => group?.group?.lag.members ?? null,
    events: log.events,
    deadLetterCauses: (nowMs) => causes.snapshot(nowMs),
    deadLetterCounts: () => causes.counts(),
    letters: letterWatch,
    deadLetterDestination: 'topic' in definition.dlq ? definition.dlq.topic : definition.dlq.file,
  });

  let draining: NodeJS.Timeout | undefined;
  const overdue = Promise.withResolvers<never>();
  const stop = (): void => {
    main.stage.stop();
    for (const optional of optionals) optional.stop();
    replays?.stop();
    if (draining !== undefined) return;
    draining = setTimeout(() => {
      main.stage.giveUp();
      draining = setTimeout(() => {
        const late = new DeliveryAbandoned('what was under way had no answer when the time to stop was over');
        log.error(late.code, late.message);
        // So that the next member need not wait for the session of this one to expire.
        void Promise.all(lanes.map((lane) => lane.source.close())).then(() => overdue.reject(late));
      }, LAST_ANSWER_MS);
    }, DRAIN_MS);
    log.info('draining', 'reads no more; what was read is written and committed');
  };
  const giveUp = (): void => {
    main.stage.giveUp();
    for (const optional of optionals) optional.stop();
  };
  const sampling = setInterval(() => snapshots.sample(), SAMPLE_EVERY_MS);
  log.info('started', `${definition.name} started`, { hash: plan.hash });

  const run = async (): Promise<void> => {
    const { lookups, deadLetters } = assembly;
    const replaying = replays?.run();
    const watching = letterWatch?.run();
    try {
      await Promise.all(lookups.map((lookup) => lookup.open()));
      await allOrNone(
        [main.stage, ...optionals].map((stage) => stage.run()),
        giveUp,
      );
      log.info('stopped', `${definition.name} stopped`, { read: main.stage.report.read });
    } catch (error) {
      log.error(codeOf(error), error instanceof Error ? error.message : String(error));
      throw error;
    } finally {
      clearInterval(sampling);
      snapshots.sample();
      replays?.stop();
      letterWatch?.stop();
      await Promise.all([replaying, watching, group?.close(), cluster?.close()]);
      await Promise.all([deadLetters.close(), ...lookups.map((lookup) => lookup.close())]);
    }
  };
  const done = Promise.race([run(), overdue.promise]).finally(() => clearTimeout(draining));
  // It may fail before anybody waits for it.
  done.catch(() => undefined);
  return {
    done,
    name: definition.name,
    member,
    log,
    snapshot: () => snapshots.take(),
    group,
    durations: () => ({
      endToEnd: main.stage.report.endToEnd.total(),
      writes: lanes.flatMap(({ part, stage: { report } }) =>
        part.sinks.map((index, at) => ({
          sink: plan.sinks[index]!.use.name,
          durations: report.writeMs[at]!.total(),
        })),
      ),
    }),
    deadLetterCount: () => deadLetterCount,
    deadLetterSample: (fingerprint) => causes.sample(fingerprint),
    tap: (request) => taps.open(request, () => clock.now()),
    resume: (note) =>
      [main.stage, ...optionals].flatMap((stage, index) => {
        const opening = stage.resume(note);
        const sink = index === 0 ? null : plan.sinks[lanes[index]!.part.sinks[0]!]!.use.name;
        return opening === null ? [] : [{ sink, opening, overMs: definition.breaker!.overMs }];
      }),
    stop,
  };
}

/** Null where the source is no Kafka. */
const clusterOf = ({ definition }: Plan): SharedAdmin | null =>
  definition.sources[0].component === 'kafka' ? new SharedAdmin(kafkaOptionsOf(definition)) : null;

/** `report`: of the main stage. */
function groupWatch(
  { definition }: Plan,
  report: StageReport,
  services: { readonly clock: Clock; readonly log: Log; readonly cluster: SharedAdmin },
): GroupWatch {
  return new GroupWatch({
    ...services,
    group: definition.group,
    // Of a regular expression the group knows what it has found.
    topics: definition.sources.flatMap(topicsOf).filter((name) => !name.startsWith('/')),
    deadLetterTopic: 'topic' in definition.dlq ? definition.dlq.topic : null,
    ...(definition.alerts && { everyMs: ALERTED_EVERY_MS }),
    assignments: () => report.assignments,
    owns: (topic, partition) =>
      [...report.partitions.keys()].some((own) => own.topic === topic && own.partition === partition),
  });
}

/** Waits for all. The first that fails ends the others, and its error is the one that is told. */
async function allOrNone(runs: readonly Promise<void>[], giveUp: () => void): Promise<void> {
  const failures: unknown[] = [];
  await Promise.all(
    runs.map((run) =>
      run.catch((error: unknown) => {
        failures.push(error);
        giveUp();
      }),
    ),
  );
  if (failures.length > 0) throw failures[0];
}

/** The stable code of an error, for logs. */
function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : 'internal_error';
}

function sourceText({ definition: { sources } }: Plan): string {
  return sources.map(inputText).join(' + ');
}

function inputText(source: ComponentUse): string {
  const { topic, topics, path, format } = source.options as Readonly<
    Record<string, string | readonly string[] | undefined>
  >;
  const what = topic ?? topics ?? path ?? source.component;
  const names = typeof what === 'string' ? what : what.join(', ');
  return typeof format === 'string' ? `${names} (${format})` : names;
}
