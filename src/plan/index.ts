/**
 * From a definition to what runs: steps compiled, sinks routed, every expression checked. `validate` and `run` build the
 * same plan, so what one accepts the other can run. No I/O.
 */
import { createHash } from 'node:crypto';
import type { BuildContext, Delivery, SinkDeclaration, SourceDeclaration } from '../declaration/component.ts';
import { type Components, components } from '../definition/components.ts';
import type { LoadedPipeline } from '../definition/load.ts';
import type { PipelineDefinition, SinkUse, ValuePath } from '../definition/pipeline.ts';
import type { ProblemList } from '../definition/problems.ts';
import type { PlannedStep, Route } from '../engine/epoch.ts';
import type { Clock, Lookup } from '../engine/ports.ts';
import { type Expression, type Scope, compileExpression, compileTemplate } from '../expressions/index.ts';
import { eventTimeStep, eventTimeText } from './event-time.ts';
import { type PlannedLookup, PlannedLookups } from './lookups.ts';
import { orderKeeper } from './record-key.ts';

/** One sink with what decides which rows it gets; the sink itself is made when the pipeline runs. */
export interface PlannedSink extends Omit<Route, 'sink'> {
  readonly use: SinkUse;
  readonly declaration: SinkDeclaration;
  /** Fields of the events that reach it; null where they are not known. */
  readonly fields: readonly string[] | null;
  readonly delivery: Delivery;
}

export interface Plan {
  readonly definition: PipelineDefinition;
  /** Changes with every change of what the pipeline does; not with where its services are. */
  readonly hash: string;
  readonly source: SourceDeclaration;
  readonly steps: readonly PlannedStep[];
  /** Those that steps read. Each must be attached before the first record. */
  readonly lookups: readonly PlannedLookup[];
  readonly sinks: readonly PlannedSink[];
}

/** Compiles a loaded pipeline. Problems go to `loaded.problems`; null when there are errors. */
export async function planPipeline(
  loaded: LoadedPipeline,
  clock: Pick<Clock, 'now'> = { now: () => Date.now() },
  known: Components = components,
): Promise<Plan | null> {
  const { definition, problems } = loaded;
  const lookups = new PlannedLookups(definition?.lookups ?? {}, known.lookups, problems);
  const builder = new Builder(problems, loaded.vars, lookups);
  if (definition === null || problems.hasErrors) checkExpressions(loaded, builder);
  if (definition === null) return null;
  const named = <T extends { readonly name: string }>(list: readonly T[], name: string): T =>
    list.find((component) => component.name === name)!;

  const source = named(known.sources, definition.source.component);
  source.check?.(definition.source.options as never, builder.context(definition.source.path, null));

  const steps: PlannedStep[] = [];
  const { field, unit, aheadMs } = definition.time;
  if (field !== null && field !== undefined) {
    const context = builder.context(['time', 'field'], null);
    context.expression(field, []);
    const text = eventTimeText(field, unit);
    const wrapped = builder.context(['time', 'field'], null, text.indexOf('(') + 1);
    const expression = problems.hasErrors ? neverRun : wrapped.expression(text, []);
    steps.push(eventTimeStep({ expression, aheadMs }, clock));
  }
  let fields: readonly string[] | null = null;
  for (const use of definition.steps) {
    if (problems.isFull) return null;
    const declaration = named(known.steps, use.component);
    const context = { ...builder.context(use.path, fields), name: use.name, onError: use.onError };
    steps.push({ stage: `step:${use.name}`, step: declaration.create(use.options as never, context) });
    fields = declaration.fields(use.options as never, fields);
  }

  const keepsOrder = orderKeeper(definition, source);
  const sinks = definition.sinks.map((use): PlannedSink => {
    const declaration = named(known.sinks, use.component);
    // `when` and `version` stand beside the component.
    const beside = builder.context(use.path.slice(0, -1), fields);
    const otherwise = use.when === 'otherwise';
    const when = use.when === undefined || otherwise ? null : beside.expression(use.when, ['when'], 'bool');
    const version = use.version === undefined ? null : beside.expression(use.version, ['version']);
    declaration.check?.(use.options as never, builder.context(use.path, fields));
    return {
      use,
      declaration,
      fields,
      otherwise,
      when: when && ((record) => when.evaluate(record as Scope) === true),
      version: version && ((record) => version.evaluate(record as Scope)),
      delivery: declaration.delivery(use.options as never, { versioned: version !== null, keepsOrder }),
    };
  });
  lookups.check((use) => builder.context(use.path, null));
  checkOtherwise(definition, problems);
  return problems.hasErrors
    ? null
    : { definition, hash: hashOf(definition), source, steps, lookups: lookups.used, sinks };
}

/** Makes the contexts through which components compile expressions and report problems with their place. */
class Builder {
  readonly problems: ProblemList;
  readonly #vars: Readonly<Record<string, unknown>>;
  readonly #lookups: PlannedLookups;

  constructor(problems: ProblemList, vars: Readonly<Record<string, unknown>>, lookups: PlannedLookups) {
    this.problems = problems;
    this.#lookups = lookups;
    this.#vars = vars;
  }

  /** `prefix` characters of each expression stand before what the file has. */
  context(base: ValuePath, fields: readonly string[] | null, prefix = 0): BuildContext {
    const { problems } = this;
    const options = { vars: this.#vars };
    const settle = (compiled: ReturnType<typeof compileExpression>, path: ValuePath): Expression => {
      if (compiled.ok) return compiled.expression;
      for (const { code, message, hint, start, end } of compiled.problems) {
        problems.at([...base, ...path], code, message, {
          span: { start: Math.max(0, start - prefix), end: end - prefix },
          ...(hint !== undefined && { hint }),
        });
      }
      return neverRun;
    };
    return {
      fields,
      expression: (text, path, expected) => {
        const wanted = expected === undefined ? options : { ...options, expected };
        if (typeof text === 'string') warnOfInterpolation(text, [...base, ...path], problems);
        return settle(compileExpression(text, wanted), path);
      },
      template: (text, path) => settle(compileTemplate(text, options), path),
      lookup: (name, path): Pick<Lookup, 'get'> => this.#lookups.named(name, [...base, ...path]),
      problem: (path, code, message, hint) =>
        problems.at([...base, ...path], code, message, { ...(hint !== undefined && { hint }) }),
      warning: (path, code, message, hint) =>
        problems.at([...base, ...path], code, message, { severity: 'warning', ...(hint !== undefined && { hint }) }),
    };
  }
}

/** Within the quotes of a text `${` is text like any other, which is hardly ever what was meant. */
function warnOfInterpolation(text: string, path: ValuePath, problems: ProblemList): void {
  const start = text.indexOf('${');
  if (start === -1) return;
  const end = text.indexOf('}', start) + 1 || text.length;
  problems.at(path, 'interpolation_in_expression', '`${...}` is not filled in inside expressions', {
    severity: 'warning',
    span: { start, end },
    hint: 'declare it below `vars:` and write vars.NAME, without quotes',
  });
}

/** Stands in for an expression that did not compile, so that checking can go on to the next problem. */
const neverRun: Expression = (() => {
  const compiled = compileExpression('event', {});
  if (!compiled.ok) throw new Error('event must compile');
  return compiled.expression;
})();

/** Of parts that can't be planned for another reason, so that one run tells everything. A place is told of once. */
function checkExpressions({ expressions }: LoadedPipeline, builder: Builder): void {
  for (const { path, text } of expressions) {
    if (builder.problems.isFull) return;
    if (text !== 'otherwise') builder.context(path, null).expression(text, []);
  }
}

function checkOtherwise({ sinks }: PipelineDefinition, problems: ProblemList): void {
  const otherwise = sinks.filter(({ when }) => when === 'otherwise');
  for (const { path } of otherwise.slice(1)) {
    problems.at([...path.slice(0, -1), 'when'], 'otherwise_twice', 'another sink takes `otherwise` already', {
      hint: 'give one of them a condition of its own',
    });
  }
  if (otherwise.length > 0 && !sinks.some(({ when }) => when !== undefined && when !== 'otherwise')) {
    problems.at(
      [...otherwise[0]!.path.slice(0, -1), 'when'],
      'otherwise_alone',
      'no other sink has a `when`, so `otherwise` takes every row',
      {
        severity: 'warning',
      },
    );
  }
}

function hashOf({ source, time, steps, sinks, lookups, vars, secrets }: PipelineDefinition): string {
  const open = Object.fromEntries(Object.entries(vars).filter(([, value]) => !secrets.includes(String(value))));
  const meaning = JSON.stringify([source, time, steps, sinks, lookups, open], (_, value: unknown) =>
    typeof value === 'bigint' ? String(value) : value,
  );
  return createHash('sha256').update(meaning).digest('hex').slice(0, 16);
}
