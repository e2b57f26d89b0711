/**
 * From a definition to what runs: steps compiled, sinks routed, every expression checked. `validate` and `run` build the
 * same plan, so what one accepts the other can run. No I/O.
 */
import type {
  BuildContext,
  Delivery,
  SinkDeclaration,
  SourceDeclaration,
  TypeContext,
} from '../declaration/component.ts';
import { type Components, components } from '../definition/components.ts';
import type { LoadedPipeline } from '../definition/load.ts';
import type {
  EventTimeUse,
  PipelineDefinition,
  SinkUse,
  SourceUse,
  StepUse,
  ValuePath,
} from '../definition/pipeline.ts';
import type { ProblemList } from '../definition/problems.ts';
import type { PlannedStep, RetryPolicy, Route } from '../engine/epoch.ts';
import type { Clock, Lookup } from '../engine/ports.ts';
import {
  type Compiled,
  type Expression,
  type ExpressionProblem,
  type Scope,
  type Type,
  compileExpression,
  compileTemplate,
  eitherType,
  isObjectType,
} from '../expressions/index.ts';
import { closest } from '../expressions/closest.ts';
import { checkEventTime, eventTimeStep, eventTimeText } from './event-time.ts';
import { fieldNamesOf } from './event-type.ts';
import { checkLookupKeys } from './lookup-keys.ts';
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

/** One source, and what happens to its records before they meet those of the others. */
export interface PlannedInput {
  readonly use: SourceUse;
  readonly declaration: SourceDeclaration;
  /** The event time, where one is declared, and its own steps. */
  readonly steps: readonly PlannedStep[];
  /** What is known of the event as it is read, and then after each of its own steps of the definition. */
  readonly types: readonly Type[];
}

export interface Plan {
  readonly definition: PipelineDefinition;
  /** Changes with every change of what the pipeline does; not with where its services are. */
  readonly hash: string;
  readonly inputs: readonly [PlannedInput, ...PlannedInput[]];
  /** For the events of all inputs. */
  readonly steps: readonly PlannedStep[];
  /** What is known of the event where the inputs meet, and then after each step of the definition. */
  readonly types: readonly Type[];
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
  const lookups = new PlannedLookups(definition?.lookups ?? {}, definition?.lookupNames ?? [], known.lookups, problems);
  const builder = new Builder(problems, loaded.vars, lookups);
  if (definition === null || problems.hasErrors) checkExpressions(loaded, builder);
  if (definition === null) return null;
  const named = <T extends { readonly name: string }>(list: readonly T[], name: string): T =>
    list.find((component) => component.name === name)!;

  const planSteps = (uses: readonly StepUse[], before: Type) => {
    const steps: PlannedStep[] = [];
    const types = [before];
    for (const use of uses) {
      const declaration = named(known.steps, use.component);
      const { build, output } = builder.stepContexts(use, types.at(-1)!);
      steps.push({ stage: `step:${use.name}`, step: declaration.create(use.options as never, build) });
      types.push(declaration.output(use.options as never, types.at(-1)!, output));
      if (problems.isFull) break;
    }
    return { steps, types };
  };
  const planInput = (use: SourceUse): PlannedInput => {
    const declaration = named(known.sources, use.component);
    declaration.check?.(use.options as never, builder.context(use.path, 'dyn'));
    const time = planEventTime(use.time, use.event, builder, clock);
    const { steps, types } = planSteps(use.steps, use.event);
    return { use, declaration, steps: [...time, ...steps], types };
  };
  const [first, ...others] = definition.sources;
  const inputs = [planInput(first), ...others.map(planInput)] as const;
  checkMerged(inputs, builder);
  const { steps, types } = planSteps(definition.steps, mergedType(inputs));
  if (problems.isFull) return null;
  const event = types.at(-1)!;

  const keepsOrder = orderKeeper(definition, inputs);
  const sinks = definition.sinks.map((use): PlannedSink => {
    const declaration = named(known.sinks, use.component);
    // `when` and `version` stand beside the component.
    const beside = builder.context(use.path.slice(0, -1), event);
    const otherwise = use.when === 'otherwise';
    const isMisspelt = !otherwise && closest(String(use.when).trim().toLowerCase(), ['otherwise']) !== undefined;
    if (isMisspelt)
      beside.problem(['when'], 'not_a_field', `${String(use.when).trim()} is not a field`, 'write otherwise');
    const hasWhen = use.when !== undefined && !otherwise && !isMisspelt;
    const when = hasWhen ? beside.expression(use.when, ['when'], 'bool') : null;
    const version = use.version === undefined ? null : beside.expression(use.version, ['version']);
    declaration.check?.(use.options as never, builder.context(use.path, event));
    return {
      use,
      declaration,
      fields: fieldNamesOf(event),
      otherwise,
      when: when && ((record) => when.evaluate(record as Scope) === true),
      version: version && ((record) => version.evaluate(record as Scope)),
      retry: use.retry,
      delivery: withRetry(
        declaration.delivery(use.options as never, { versioned: version !== null, keepsOrder }),
        use.retry,
      ),
    };
  });
  lookups.check((use) => builder.context(use.path, 'dyn'));
  checkOtherwise(definition, problems);
  checkLookupKeys(definition, sinks, problems);
  return problems.hasErrors
    ? null
    : {
        definition,
        get hash() {
          return hashOf(definition);
        },
        inputs,
        steps,
        types,
        lookups: lookups.used,
        sinks,
      };
}

/** What is known of an event that comes from any of the inputs. */
function mergedType(inputs: readonly PlannedInput[]): Type {
  const own = inputs.map(({ use, types }) => ({ source: use.name, type: types.at(-1)! }));
  const type = own.map((input) => input.type).reduce(eitherType);
  if (own.length === 1 || !isObjectType(type)) return type;
  const lacking: Record<string, string> = {};
  for (const field of Object.keys(type.fields)) {
    const without = own.find((input) => isObjectType(input.type) && !Object.hasOwn(input.type.fields, field));
    if (without !== undefined) lacking[field] = without.source;
  }
  return { ...type, lacking };
}

function checkMerged(inputs: readonly [PlannedInput, ...PlannedInput[]], builder: Builder): void {
  if (inputs.length === 1) return;
  inputs[0].declaration.merged?.check(
    inputs.map(({ use }) => ({ name: use.name, options: use.options as never })),
    inputs.map(({ use }) => builder.context(use.path, 'dyn')),
  );
}

/** The stage that reads the event's own time, where one is declared. */
function planEventTime(
  { field, unit, aheadMs, path }: EventTimeUse,
  event: Type,
  builder: Builder,
  clock: Pick<Clock, 'now'>,
): readonly PlannedStep[] {
  if (field === null || field === undefined) return [];
  const at = [...path, 'field'];
  const context = builder.context(at, event);
  checkEventTime(context.expression(field, []), unit, context);
  const text = eventTimeText(field, unit);
  const wrapped = builder.context(at, event, text.indexOf('(') + 1);
  const expression = builder.problems.hasErrors ? neverRun : wrapped.expression(text, []);
  return [eventTimeStep({ expression, aheadMs }, clock)];
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

  /** For the two calls to a step's declaration. `event` is what is known of the events that reach it. */
  stepContexts({ name, onError, path: base }: StepUse, event: Type) {
    const build = this.context(base, event);
    const compiled = new Map<unknown, Expression>();
    const expression: BuildContext['expression'] = (text, path, expected) => {
      const made = build.expression(text, path, expected);
      compiled.set(text, made);
      return made;
    };
    const output: TypeContext = {
      name,
      expression: (text) => compiled.get(text) ?? neverRun,
      row: (lookup) => this.#lookups.row(lookup),
    };
    return { build: { ...build, expression, name, onError }, output };
  }

  /** `prefix` characters of each expression stand before what the file has. */
  context(base: ValuePath, event: Type, prefix = 0): BuildContext {
    const { problems } = this;
    const options = { vars: this.#vars, event };
    const settle = (compiled: Compiled, path: ValuePath): Expression => {
      const tell = (found: readonly ExpressionProblem[], severity: 'error' | 'warning') => {
        for (const { code, message, hint, start, end } of found) {
          problems.at([...base, ...path], code, message, {
            severity,
            span: { start: Math.max(0, start - prefix), end: end - prefix },
            ...(hint !== undefined && { hint }),
          });
        }
      };
      if (!compiled.ok) {
        tell(compiled.problems, 'error');
        return neverRun;
      }
      tell(compiled.expression.warnings, 'warning');
      return compiled.expression;
    };
    return {
      event,
      fields: fieldNamesOf(event),
      vars: this.#vars,
      expression: (text, path, expected) => {
        const wanted = expected === undefined ? options : { ...options, expected };
        const compiled = compileExpression(text, wanted);
        if (typeof text === 'string' && compiled.ok) warnOfInterpolation(text, [...base, ...path], problems);
        return settle(compiled, path);
      },
      template: (text, path) => settle(compileTemplate(text, options), path),
      lookup: (name, path): Pick<Lookup, 'get'> => this.#lookups.named(name, [...base, ...path]),
      problem: (path, code, message, hint) =>
        problems.at([...base, ...path], code, message, {
          // The value of a key that should not be there may stand on another line.
          on: code === 'key_unknown' ? 'key' : 'value',
          ...(hint !== undefined && { hint }),
        }),
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
    if (text !== 'otherwise') builder.context(path, 'dyn').expression(text, []);
  }
}

/** Rows that became dead letters because their sink was away are not among those the promise is about. */
function withRetry(delivery: Delivery, retry: RetryPolicy): Delivery {
  if (retry.action !== 'dlq') return delivery;
  const isExact = delivery.verdict === 'effectively once';
  const limit = isExact
    ? 'while it is away its rows become dead letters, but its position can not move: started again or rebalanced before it is back, the pipeline waits for it, then reads from that position again and writes these rows too; they stay in the queue, under the same ids'
    : 'while it is away its rows become dead letters, and the position moves past them: replay them when it is back';
  return { ...delivery, limits: [...(delivery.limits ?? []), limit] };
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

function hashOf({ sources, steps, sinks, lookups, vars, secrets }: PipelineDefinition): string {
  const open = Object.fromEntries(Object.entries(vars).filter(([, value]) => !secrets.includes(String(value))));
  const read = sources.map(({ component, name, options, path, time: { field, unit, aheadMs }, steps: own }) => [
    { component, name, options, path },
    { field, unit, aheadMs },
    ...(own.length === 0 ? [] : [own]),
  ]);
  // Whether a sink is waited for does not change what it holds in the end.
  const written = sinks.map(({ retry: _, ...sink }) => ({ ...sink, required: true }));
  const meaning = JSON.stringify([...read.flat(), steps, written, lookups, open], (_, value: unknown) =>
    typeof value === 'bigint' ? String(value) : value,
  );
  // Loaded here: `validate` has no use for it, and its loading takes a while.
  return process.getBuiltinModule('node:crypto').createHash('sha256').update(meaning).digest('hex').slice(0, 16);
}
