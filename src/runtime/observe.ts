/** Looks at a running pipeline from outside its hot path: metrics, alerts. Nothing here can stop it. */
import type { Clock } from '../engine/ports.ts';
import type { Plan } from '../plan/index.ts';
import { AlertWatch } from './alerts/watch.ts';
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

export function observe(
  plan: Plan,
  pipeline: Pick<RunningPipeline, 'snapshot' | 'durations' | 'log' | 'member' | 'group'>,
  { clock, version, isLive }: ObserveOptions,
): Observation {
  const { group } = pipeline;
  const alerts = isLive ? alertWatch(plan, pipeline, clock) : null;
  return {
    observed: () => ({
      snapshot: pipeline.snapshot(),
      durations: pipeline.durations(),
      group: group?.group ?? null,
      tellsLetters: group === null || 'file' in plan.definition.dlq || group.group?.speaks === true,
      cluster: group?.cluster ?? null,
      alerts: alerts?.firing ?? new Map(),
      version,
    }),
    async close() {
      await alerts?.close();
    },
  };
}

/** Null where the file asks for none. */
function alertWatch(
  { definition }: Plan,
  pipeline: Pick<RunningPipeline, 'snapshot' | 'log' | 'member' | 'group'>,
  clock: Clock,
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
    group: pipeline.group,
  });
}
