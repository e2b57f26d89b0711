/** A pipeline that runs: its stage, its status, its end. */
import type { Clock, DeadLetter, Sink } from '../engine/ports.ts';
import { Stage } from '../engine/stage.ts';
import { DeadLetterCauses } from '../operations/dead-letters/causes.ts';
import type { ComponentUse } from '../definition/pipeline.ts';
import type { Plan } from '../plan/index.ts';
import { type Assembly, assemble, memberName } from './assemble.ts';
import { type PipelineLog, pipelineLog } from './log.ts';
import { Snapshots } from './snapshot.ts';
import type { StatusSnapshot } from './status.ts';

export interface RunOptions {
  readonly clock: Clock;
  readonly untilEnd: boolean;
  /** Stop when more dead letters than this were written; null: never. */
  readonly deadLettersMax: number | null;
  readonly dryRun: { readonly sink: (name: string) => Sink; readonly deadLetters: Assembly['deadLetters'] } | null;
  /** Gets the log as JSON lines; undefined: nobody wants it. */
  readonly writeLog: ((line: string) => void) | undefined;
}

export interface RunningPipeline {
  /** Resolves when the pipeline has drained and closed everything; rejects with what stopped it. */
  readonly done: Promise<void>;
  readonly log: PipelineLog;
  snapshot(): StatusSnapshot;
  /** Written to the dead-letter queue so far. */
  deadLetterCount(): number;
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
/** Below the 30 s after which container platforms kill. */
const DRAIN_MS = 25_000;

/** Starts a planned pipeline. */
export async function startPipeline(plan: Plan, options: RunOptions): Promise<RunningPipeline> {
  const { clock } = options;
  const { definition } = plan;
  const member = memberName();
  const log = pipelineLog({
    pipeline: definition.name,
    member,
    write: options.writeLog,
    secrets: definition.secrets,
    now: () => clock.now(),
  });
  const { program, source, lookups, deadLetters } = await assemble(plan, { ...options, log });
  const causes = new DeadLetterCauses(definition.secrets);
  let deadLetterCount = 0;
  let draining: NodeJS.Timeout | undefined;
  const stop = () => {
    stage.stop();
    if (draining !== undefined) return;
    draining = setTimeout(() => stage.giveUp(), DRAIN_MS);
    log.info('draining', 'reads no more; what was read is written and committed');
  };
  const stage = new Stage({
    program,
    source,
    deadLetters,
    clock,
    random: Math.random,
    log,
    limits: epochLimits,
    batchEveryMs: definition.batchEveryMs,
    openMs: OPEN_MS,
    onDeadLetters: (letters: readonly DeadLetter[]) => {
      for (const letter of letters) causes.add(letter);
      deadLetterCount += letters.length;
      if (options.deadLettersMax !== null && deadLetterCount > options.deadLettersMax) stop();
    },
  });
  const snapshots = new Snapshots({
    plan,
    report: stage.report,
    source,
    sourceText: sourceText(plan),
    clock,
    member,
    events: log.events,
    deadLetterCauses: (nowMs) => causes.snapshot(nowMs),
    deadLetterDestination: 'topic' in definition.dlq ? definition.dlq.topic : definition.dlq.file,
  });
  const sampling = setInterval(() => snapshots.sample(), SAMPLE_EVERY_MS);
  log.info('started', `${definition.name} started`, { hash: plan.hash });

  const run = async () => {
    try {
      await Promise.all(lookups.map((lookup) => lookup.open()));
      await stage.run();
      log.info('stopped', `${definition.name} stopped`, { read: stage.report.read });
    } catch (error) {
      log.error(codeOf(error), error instanceof Error ? error.message : String(error));
      throw error;
    } finally {
      clearInterval(sampling);
      snapshots.sample();
      await Promise.all([deadLetters.close(), ...lookups.map((lookup) => lookup.close())]);
    }
  };
  const done = run().finally(() => clearTimeout(draining));
  return {
    done,
    log,
    snapshot: () => snapshots.take(),
    deadLetterCount: () => deadLetterCount,
    stop,
  };
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
