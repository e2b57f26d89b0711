/** Puts a plan and the world together: source, sinks, dead letters and codecs of a running pipeline. */
import assert from 'node:assert/strict';
import { hostname } from 'node:os';
import type { SourceContext } from '../declaration/component.ts';
import type { Program } from '../engine/epoch.ts';
import type { Clock, DeadLetterQueue, Log, Lookup, Sink, Source } from '../engine/ports.ts';
import { openDeadLetterQueue } from '../operations/dead-letters/queue.ts';
import { componentContexts } from '../plan/component-context.ts';
import type { Plan, PlannedInput } from '../plan/index.ts';
import { programInputs } from '../plan/record-reader.ts';

export interface Assembly {
  readonly program: Program;
  readonly source: Source;
  /** To be opened before the first record. */
  readonly lookups: readonly Lookup[];
  readonly deadLetters: DeadLetterQueue & { close(): Promise<void> };
}

export interface AssembleOptions {
  readonly clock: Clock;
  readonly log: Log;
  readonly untilEnd: boolean;
  /** Read under no group; `sinks` and `deadLetters` given here replace those of the plan. */
  readonly dryRun: { readonly sink: (name: string) => Sink; readonly deadLetters: Assembly['deadLetters'] } | null;
}

function createSource(
  [first, ...others]: readonly [PlannedInput, ...PlannedInput[]],
  context: SourceContext,
): Promise<Source> {
  const { use, declaration } = first;
  if (others.length === 0) return declaration.create(use.options as never, context);
  const inputs = [first, ...others].map((input) => ({ name: input.use.name, options: input.use.options as never }));
  assert(declaration.merged !== undefined, `the loader lets several ${declaration.name} sources through`);
  return declaration.merged.create(inputs, context);
}

/** Name of this process among the members of the group. */
export const memberName = (): string => `${hostname()}-${process.pid}`;

export async function assemble(plan: Plan, { clock, log, untilEnd, dryRun }: AssembleOptions): Promise<Assembly> {
  const { definition } = plan;
  const context = componentContexts(plan, { clock, random: Math.random, log });
  const source = await createSource(plan.inputs, {
    ...context(definition.sources[0].name),
    group: definition.group,
    untilEnd,
    detached: dryRun !== null,
    vars: definition.vars,
  });
  const inputs = await programInputs(plan.inputs);
  const routes = await Promise.all(
    plan.sinks.map(async ({ use: sinkUse, declaration, fields, when, otherwise, version }) => ({
      sink:
        dryRun?.sink(sinkUse.name) ??
        (await declaration.create(sinkUse.options as never, {
          ...context(sinkUse.name),
          fields,
          versioned: version !== null,
        })),
      when,
      otherwise,
      version,
    })),
  );
  const lookups = await Promise.all(
    plan.lookups.map(async (planned) => {
      const lookup = await planned.declaration.create(planned.use.options as never, context(planned.use.name));
      planned.attach(lookup);
      return lookup;
    }),
  );
  const deadLetters = dryRun?.deadLetters ?? (await openDeadLetterQueue(definition, context('dlq')));
  return { program: { inputs, steps: plan.steps, routes }, source, lookups, deadLetters };
}
