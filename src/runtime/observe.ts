/** Looks at a running pipeline from outside its hot path: the group's facts, metrics, alerts. Nothing here can stop it. */
import { topicsOf } from '../definition/topics.ts';
import type { Clock } from '../engine/ports.ts';
import type { Plan } from '../plan/index.ts';
import { AlertWatch } from './alerts/watch.ts';
import { GroupWatch } from './group-watch.ts';
import type { Observed } from './metrics.ts';
import type { RunningPipeline } from './run.ts';

export interface ObserveOptions {
  readonly clock: Clock;
  readonly version: string;
  /** The pipeline is a member of its group and goes on without end: what its group does matters. */
  readonly isLive: boolean;
}

export interface Observation {
  /** All that metrics tell of the pipeline, as it is now. */
  observed(): Observed;
  /** Never rejects. */
  close(): Promise<void>;
}

/** How often the group is looked at where somebody waits for it. */
const watchedEveryMs = 5000;

export function observe(
  plan: Plan,
  pipeline: Pick<RunningPipeline, 'snapshot' | 'durations' | 'log' | 'member'>,
  { clock, version, isLive }: ObserveOptions,
): Observation {
  const watch = isLive ? groupWatch(plan, pipeline, clock) : null;
  const alerts = isLive ? alertWatch(plan, pipeline, clock, watch) : null;
  return {
    observed: () => ({
      snapshot: pipeline.snapshot(),
      durations: pipeline.durations(),
      group: watch?.group ?? null,
      cluster: watch?.cluster ?? null,
      alerts: alerts?.firing ?? new Map(),
      version,
    }),
    async close() {
      await Promise.all([watch?.close(), alerts?.close()]);
    },
  };
}

/** Null where the source has no consumer group. */
function groupWatch(
  { definition }: Plan,
  pipeline: Pick<RunningPipeline, 'snapshot' | 'log'>,
  clock: Clock,
): GroupWatch | null {
  const [first] = definition.sources;
  if (first.component !== 'kafka') return null;
  const { connection } = first.options as { readonly connection?: string };
  return new GroupWatch({
    connection: definition.connections[connection ?? 'kafka']?.options ?? {},
    group: definition.group,
    // Of a regular expression the group knows what it has found.
    topics: definition.sources.flatMap(topicsOf).filter((name) => !name.startsWith('/')),
    deadLetterTopic: 'topic' in definition.dlq ? definition.dlq.topic : null,
    clock,
    log: pipeline.log,
    ...(definition.alerts && { everyMs: watchedEveryMs }),
    hasJoined: () => pipeline.snapshot().ready,
    owns: (topic, partition) =>
      pipeline.snapshot().partitions.some((own) => own.topic === topic && own.partition === partition),
  });
}

/** Null where the file asks for none. */
function alertWatch(
  { definition }: Plan,
  pipeline: Pick<RunningPipeline, 'snapshot' | 'log' | 'member'>,
  clock: Clock,
  group: GroupWatch | null,
): AlertWatch | null {
  const { alerts: rules, name, environment } = definition;
  if (rules === null) return null;
  return new AlertWatch({
    rules,
    sender: { pipeline: name, environment, group: definition.group, member: pipeline.member },
    clock,
    random: Math.random,
    log: pipeline.log,
    snapshot: () => pipeline.snapshot(),
    group,
  });
}
