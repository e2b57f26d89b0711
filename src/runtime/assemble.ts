/** Puts a plan and the world together: sources, sinks, dead letters and codecs of a running pipeline. */
import assert from 'node:assert/strict';
import { hostname } from 'node:os';
import type { SourceContext } from '../declaration/component.ts';
import { sinkGroup } from '../definition/sink-groups.ts';
import type { Program } from '../engine/epoch.ts';
import type { Clock, DeadLetterQueue, Log, Lookup, Sink, Source } from '../engine/ports.ts';
import { openDeadLetterQueue } from '../operations/dead-letters/queue.ts';
import { componentContexts } from '../plan/component-context.ts';
import type { Plan, PlannedInput } from '../plan/index.ts';
import { programInputs } from '../plan/record-reader.ts';

export interface Assembly {
  /** To be opened before the first record. */
  readonly lookups: readonly Lookup[];
  readonly deadLetters: DeadLetterQueue & { close(): Promise<void> };
  /** What one stage does with its records, with new sinks; the caller opens and closes them. */
  program(part: Pick<StagePart, 'sinks' | 'isMain'>): Promise<Program>;
  /** What one stage runs with. Made anew at every call, since a stage closes its source and sinks when it ends. */
  make(part: StagePart): Promise<{ readonly program: Program; readonly source: Source }>;
}

export interface AssembleOptions {
  readonly clock: Clock;
  readonly log: Log;
  readonly untilEnd: boolean;
  readonly untilMs?: number;
  /** Read under no group; `sinks` and `deadLetters` given here replace those of the plan. */
  readonly dryRun: { readonly sink: (name: string) => Sink; readonly deadLetters: Assembly['deadLetters'] } | null;
}

/** What one stage of a pipeline reads as, and which sinks it writes, as indexes into `Plan.sinks`. */
export interface StagePart {
  readonly group: string;
  readonly sinks: readonly number[];
  /** The one that makes the dead letters of decode and steps. */
  readonly isMain: boolean;
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

/** The main stage with all required sinks, then one stage for each that is not: it must not hold the others up. */
export function stageParts({ definition, sinks }: Plan, isDryRun: boolean): readonly [StagePart, ...StagePart[]] {
  const all = [...sinks.keys()];
  const isOptional = (index: number): boolean => !isDryRun && !sinks[index]!.use.required;
  return [
    { group: definition.group, sinks: all.filter((index) => !isOptional(index)), isMain: true },
    ...all.filter(isOptional).map((index) => ({
      group: sinkGroup(definition, sinks[index]!.use),
      sinks: [index],
      isMain: false,
    })),
  ];
}

export async function assemble(
  plan: Plan,
  { clock, log, untilEnd, untilMs, dryRun }: AssembleOptions,
): Promise<Assembly> {
  const { definition } = plan;
  const context = componentContexts(plan, { clock, random: Math.random, log });
  const inputs = await programInputs(plan.inputs);
  const lookups = await Promise.all(
    plan.lookups.map(async (planned) => {
      const { name, options, directory } = planned.use;
      const lookup = await planned.declaration.create(options as never, { ...context(name), directory });
      planned.attach(lookup);
      return lookup;
    }),
  );
  const deadLetters = dryRun?.deadLetters ?? (await openDeadLetterQueue(definition, context('dlq')));
  const program: Assembly['program'] = async ({ sinks, isMain }) => {
    const routes = await Promise.all(
      sinks.map(async (index) => {
        const { use: sinkUse, declaration, fields, when, otherwise, version, retry } = plan.sinks[index]!;
        const sink =
          dryRun?.sink(sinkUse.name) ??
          (await declaration.create(sinkUse.options as never, {
            ...context(sinkUse.name),
            fields,
            versioned: version !== null,
          }));
        return { sink, when, otherwise, version, ...(retry && { retry }) };
      }),
    );
    const elsewhere = plan.sinks.flatMap(({ when }, index) => (when && !sinks.includes(index) ? [when] : []));
    return { inputs, steps: plan.steps, routes, elsewhere, sinkLettersOnly: !isMain };
  };
  return {
    lookups,
    deadLetters,
    program,
    async make({ group, ...part }) {
      const source = await createSource(plan.inputs, {
        ...context(definition.sources[0].name),
        group,
        untilEnd,
        ...(untilMs !== undefined && { untilMs }),
        detached: dryRun !== null,
        vars: definition.vars,
      });
      return { program: await program(part), source };
    },
  };
}
