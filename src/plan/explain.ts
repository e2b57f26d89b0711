/**
 * What a pipeline will do, in words: its stages, what is known of the events after each step, where every value comes
 * from, and what may be relied on. Reads files, connects to nothing, and holds no secret.
 */
import { connectionKeyword } from '../declaration/connection.ts';
import type { Delivery, SourceDeclaration } from '../declaration/component.ts';
import { type Components, components } from '../definition/components.ts';
import { asJsonSchema, type JsonSchema } from '../definition/json-schema.ts';
import type { LoadedPipeline } from '../definition/load.ts';
import { groupsOf, sinkGroup } from '../definition/sink-groups.ts';
import type {
  ComponentUse,
  PipelineDefinition,
  SinkUse,
  SourceUse,
  StepUse,
  ValuePath,
} from '../definition/pipeline.ts';
import type { Type } from '../expressions/index.ts';
import { type ClusterNeeds, clusterNeeds } from './cluster-needs.ts';
import { eventTimeText } from './event-time.ts';
import { typeText } from './event-type.ts';
import type { Plan, PlannedInput } from './index.ts';
import { type Setting, SettingsReader } from './settings.ts';
import type { Written } from './written.ts';

export interface ExplainedComponent {
  readonly name: string;
  readonly component: string;
  readonly settings: readonly Setting[];
}

export interface ExplainedStep extends ExplainedComponent {
  readonly onError: Setting;
  /** What is known of the event after it. */
  readonly event: ExplainedEvent;
}

export interface ExplainedSource extends ExplainedComponent {
  readonly reads: string;
  readonly connection: string | null;
  readonly decode: { readonly values: string; readonly keys: string | null };
  readonly eventTime: { readonly expression: string | null; readonly settings: readonly Setting[] };
  /** Its own, before its events meet those of other sources. */
  readonly steps: readonly ExplainedStep[];
}

/** What is known of the event at a place. */
export interface ExplainedEvent {
  /** Null where nothing is known. */
  readonly fields: readonly { readonly name: string; readonly type: string }[] | null;
  /** True where there may be fields beside these. */
  readonly open: boolean;
}

export interface ExplainedSink extends ExplainedComponent {
  /** Which events it gets. */
  readonly when: string | null;
  readonly key: readonly string[] | string | null;
  readonly mode: string | null;
  readonly version: string | null;
  readonly required: boolean;
  /** The consumer group it reads as; null where it reads with the others, or without Kafka. */
  readonly group: string | null;
  /** What stands beside the component about a sink that is away; empty where nothing does. */
  readonly whileAway: readonly Setting[];
  readonly delivery: Delivery;
  readonly connection: string | null;
}

export interface Explanation {
  readonly name: string;
  readonly description: string | null;
  readonly file: string;
  /** Of the project; null where none was asked for. */
  readonly environment: string | null;
  readonly hash: string;
  readonly settings: readonly Setting[];
  /** The plan is cut at every log it writes. A pipeline without state is one sink stage. */
  readonly stages: readonly {
    readonly kind: 'sink';
    readonly state: 'none';
    readonly reads: string;
    readonly steps: readonly string[];
    readonly writes: readonly string[];
    /** The consumer group it reads as; null without Kafka. */
    readonly group: string | null;
  }[];
  /** One at least. The events of several are merged. */
  readonly sources: readonly ExplainedSource[];
  /** For the events of all sources. */
  readonly steps: readonly ExplainedStep[];
  readonly lookups: readonly ExplainedComponent[];
  readonly sinks: readonly ExplainedSink[];
  readonly deadLetters: Setting;
  /** When too many of them hold the pipeline; one setting, `off`, where they never do. */
  readonly breaker: readonly Setting[];
  readonly connections: readonly ExplainedComponent[];
  readonly vars: readonly Setting[];
  /** Topics that the pipeline makes for its state. */
  readonly internalTopics: readonly string[];
  /** Null where no Kafka is involved. */
  readonly kafka: ClusterNeeds | null;
  readonly warnings: readonly {
    readonly code: string;
    readonly message: string;
    readonly hint: string | null;
    readonly place: string;
  }[];
}

/** Explains a plan that has no errors. `written` belongs to the same file. */
export function explainPipeline(
  plan: Plan,
  loaded: LoadedPipeline,
  written: Written,
  known: Components = components,
): Explanation {
  return new Explainer(plan, loaded, written, known).explain();
}

class Explainer {
  readonly #plan: Plan;
  readonly #definition: PipelineDefinition;
  readonly #loaded: LoadedPipeline;
  readonly #known: Components;
  readonly #settings: SettingsReader;

  constructor(plan: Plan, loaded: LoadedPipeline, written: Written, known: Components) {
    this.#plan = plan;
    this.#definition = plan.definition;
    this.#loaded = loaded;
    this.#known = known;
    this.#settings = new SettingsReader(written, plan.definition.secrets);
  }

  explain(): Explanation {
    const { name, description, file, environment, prefix, group, vars, steps, sinks } = this.#definition;
    const sources = this.#plan.inputs.map((input) => this.#source(input));
    return {
      name,
      description: description === null ? null : this.#settings.text(description),
      file,
      environment,
      hash: this.#plan.hash,
      settings: [
        this.#settings.one('name', name, ['name'], "default: the file's name"),
        ...(environment === null || prefix === ''
          ? []
          : [this.#settings.one('prefix', prefix, ['environments', environment, 'prefix'])]),
        ...(this.#usesKafka() ? [this.#settings.one('group', group, ['group'], "default: the pipeline's name")] : []),
        ...this.#batch(),
      ],
      stages: groupsOf(this.#definition).map(({ group, sink }) => ({
        kind: 'sink',
        state: 'none',
        reads: sources.map((source) => source.reads).join(' + '),
        steps: [...sources.flatMap((source) => source.steps), ...steps].map((step) => step.name),
        writes: sink === null ? sinks.filter(({ required }) => required).map(({ name: one }) => one) : [sink],
        group: this.#usesKafka() ? group : null,
      })),
      sources,
      steps: this.#steps(steps, this.#plan.types),
      lookups: this.#lookups(),
      sinks: this.#sinks(),
      deadLetters: this.#deadLetters(),
      breaker: this.#breaker(),
      connections: this.#connections(),
      vars: Object.entries(vars).map(([key, value]) => this.#settings.ofVar(key, value)),
      internalTopics: [],
      kafka: this.#usesKafka() ? clusterNeeds(this.#definition) : null,
      warnings: this.#loaded.problems.sorted().map(({ code, message, hint, file: at, line, column }) => ({
        code,
        message,
        hint,
        place: `${at}:${line}:${column}`,
      })),
    };
  }

  #usesKafka(): boolean {
    return asJsonSchema(this.#plan.inputs[0].declaration.options)[connectionKeyword] === 'kafka';
  }

  #source({ use, declaration, types }: PlannedInput): ExplainedSource {
    return {
      ...this.#component(use, declaration.options),
      settings: this.#sourceSettings(use, declaration),
      reads: this.#reads(use),
      connection: this.#connectionOf(use),
      decode: decodeOf(use),
      eventTime: this.#eventTime(use),
      steps: this.#steps(use.steps, types),
    };
  }

  /** What holds for all sources may stand in another one. */
  #sourceSettings({ options, path }: SourceUse, { options: schema, merged }: SourceDeclaration): readonly Setting[] {
    const settingsAt = (at: ValuePath) => this.#settings.of(withoutConnection(options), asJsonSchema(schema), at);
    const elsewhere = this.#definition.sources.flatMap((source) => settingsAt(source.path));
    return settingsAt(path).map((setting) => {
      if (setting.origin.from !== 'default' || merged?.shared.includes(setting.name) !== true) return setting;
      return elsewhere.find(({ name, origin }) => name === setting.name && origin.from !== 'default') ?? setting;
    });
  }

  /** The topics or files, in a word. */
  #reads({ component, options }: ComponentUse): string {
    const { topic, topics, path } = options as Readonly<Record<string, string | readonly string[] | undefined>>;
    const inputs = [topic ?? topics ?? path ?? []].flat();
    return this.#settings.text(inputs.length === 0 ? component : inputs.join(', '));
  }

  #component({ name, component, options, path }: ComponentUse, schema: object): ExplainedComponent {
    const settings = this.#settings.of(withoutConnection(options), schema as JsonSchema, path);
    return { name, component, settings };
  }

  #batch(): readonly Setting[] {
    const { batchEveryMs } = this.#definition;
    return batchEveryMs === null ? [] : [this.#settings.one('batch.every', `${batchEveryMs}ms`, ['batch', 'every'])];
  }

  #eventTime({ time: { field, unit, aheadMs, path, aheadPath } }: SourceUse): ExplainedSource['eventTime'] {
    if (field === null || field === undefined) return { expression: null, settings: [] };
    const ahead = aheadMs === null ? 'off' : durationText(aheadMs);
    return {
      expression: this.#settings.text(eventTimeText(field, unit)),
      settings: [
        this.#settings.one('field', field, [...path, 'field']),
        ...(unit === null ? [] : [this.#settings.one('unit', unit, [...path, 'unit'])]),
        this.#settings.one('ahead', ahead, [...aheadPath, 'ahead']),
      ],
    };
  }

  /** `types` are those before the steps and after each of them. */
  #steps(steps: readonly StepUse[], types: readonly Type[]): readonly ExplainedStep[] {
    return steps.map((use, index) => {
      const declaration = this.#known.steps.find(({ name }) => name === use.component);
      return {
        ...this.#component(use, declaration?.options ?? {}),
        onError: this.#settings.one('on_error', use.onError, [...use.path.slice(0, -1), 'on_error']),
        event: eventOf(types[index + 1] ?? 'dyn'),
      };
    });
  }

  #lookups(): readonly ExplainedComponent[] {
    return Object.entries(this.#definition.lookups).map(([name, use]) => {
      const declaration = this.#known.lookups.find((lookup) => lookup.name === use.component);
      return { ...this.#component(use, declaration?.options ?? {}), name };
    });
  }

  #sinks(): readonly ExplainedSink[] {
    const text = (expression: unknown): string | null =>
      expression === undefined
        ? null
        : this.#settings.text(typeof expression === 'string' ? expression : JSON.stringify(expression));
    return this.#plan.sinks.map(({ use, declaration, delivery }) => {
      const { key, mode } = use.options as { readonly key?: string | readonly string[]; readonly mode?: string };
      return {
        ...this.#component(use, declaration.options),
        when: text(use.when),
        key: key ?? null,
        mode: mode ?? null,
        version: text(use.version),
        required: use.required,
        group: !use.required && this.#usesKafka() ? sinkGroup(this.#definition, use) : null,
        whileAway: this.#whileAway(use),
        delivery,
        connection: this.#connectionOf(use),
      };
    });
  }

  #whileAway({ required, retry, path }: SinkUse): readonly Setting[] {
    const beside = path.slice(0, -1);
    return [
      ...(required ? [] : [this.#settings.one('required', required, [...beside, 'required'])]),
      ...(retry.action === 'wait'
        ? []
        : [
            this.#settings.one('retry.for', durationText(retry.forMs), [...beside, 'retry', 'for']),
            this.#settings.one('retry.then', retry.action, [...beside, 'retry', 'then']),
          ]),
    ];
  }

  #breaker(): readonly Setting[] {
    const { breaker } = this.#definition;
    const at = ['dlq', 'breaker'];
    if (breaker === null) return [this.#settings.one('breaker', 'off', at)];
    return [
      this.#settings.one('breaker.ratio', breaker.ratio, [...at, 'ratio']),
      this.#settings.one('breaker.over', durationText(breaker.overMs), [...at, 'over']),
      this.#settings.one('breaker.min', breaker.min, [...at, 'min']),
    ];
  }

  #connectionOf({ options }: ComponentUse): string | null {
    const { connection } = options as { readonly connection?: unknown };
    return typeof connection === 'string' ? connection : null;
  }

  #deadLetters(): Setting {
    const { dlq } = this.#definition;
    return 'topic' in dlq
      ? this.#settings.one('topic', dlq.topic, ['dlq', 'topic'], 'default: NAME.dlq')
      : this.#settings.one('file', dlq.file, ['dlq', 'file'], 'default: NAME.dlq.ndjson beside the pipeline');
  }

  /** Those that are used. */
  #connections(): readonly ExplainedComponent[] {
    const used = [...this.#definition.sources, ...this.#definition.sinks].map((use) => this.#connectionOf(use));
    return Object.entries(this.#definition.connections)
      .filter(([name]) => used.includes(name))
      .map(([name, { kind, options, path }]) => {
        const declaration = this.#known.connections.find((connection) => connection.name === kind);
        const settings = this.#settings.of(options, (declaration?.options ?? {}) as JsonSchema, path);
        return { name, component: kind, settings };
      });
  }
}

function decodeOf({ options }: ComponentUse): ExplainedSource['decode'] {
  const { format, key_format: keys, path } = options as Readonly<Record<string, unknown>>;
  const [file] = [path].flat();
  const byEnding = typeof file !== 'string' ? 'json' : /\.[ct]sv$/.test(file) ? 'csv' : 'ndjson';
  return { values: typeof format === 'string' ? format : byEnding, keys: typeof keys === 'string' ? keys : null };
}

/** The connection is shown on its own. */
function withoutConnection(options: unknown): unknown {
  if (typeof options !== 'object' || options === null || !('connection' in options)) return options;
  const { connection: _, ...own } = options;
  return own;
}

function eventOf(type: Type): ExplainedEvent {
  if (typeof type === 'string' || !('fields' in type)) return { fields: null, open: true };
  const fields = Object.entries(type.fields).map(([name, inner]) => ({ name, type: typeText(inner) }));
  return { fields, open: type.open === true };
}

function durationText(ms: number): string {
  for (const [unit, size] of [
    ['d', 86_400_000],
    ['h', 3_600_000],
    ['m', 60_000],
    ['s', 1000],
  ] as const)
    if (ms % size === 0 && ms >= size) return `${ms / size}${unit}`;
  return `${ms}ms`;
}
