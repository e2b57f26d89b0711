/** From a file's values, checked and with everything filled in, to the definition: who uses which component and how. */
import { parseDuration } from '../declaration/units.ts';
import type { Type } from '../expressions/index.ts';
import { alertRules } from './alerts.ts';
import { type Components, optionsSchema } from './components.ts';
import { ConnectionUses, connectionUses, defaultKafka } from './connection-use.ts';
import { type Conventions, conventionsOf } from './conventions.ts';
import { checkDeadLetters, type DeadLetterPlace, deadLetterPlace } from './dead-letter-place.ts';
import { breakerLimits, checkRequired, deliveryUse } from './delivery.ts';
import { readEventSchema } from './event-schema.ts';
import { isMapping, type JsonSchema } from './json-schema.ts';
import { letterForm } from './letter-form.ts';
import { type ListedEntry, nameAll } from './names.ts';
import { type Override, overridden } from './overrides.ts';
import type {
  ComponentUse,
  LookupUse,
  PipelineDefinition,
  SinkUse,
  SourceUse,
  StepUse,
  ValuePath,
} from './pipeline.ts';
import type { ProblemList } from './problems.ts';
import type { Project } from './project.ts';
import type { Place } from './schema.ts';
import { eventTimeUse, mergeSources, type WrittenSource, writtenSources } from './sources.ts';
import { checkTopics } from './topic-convention.ts';
import { checkWrittenFiles } from './written-files.ts';

type Mapping = Readonly<Record<string, unknown>>;

/** The components that the parts of a file name; null for an entry that names none. */
export interface UsedComponents {
  readonly sources: readonly UsedSource[];
  readonly steps: readonly (string | null)[];
  readonly sinks: readonly (string | null)[];
  readonly lookups: ReadonlyMap<string, string>;
}

/** Which components a source uses, and its options as they are written. */
export interface UsedSource extends Omit<WrittenSource, 'entry'> {
  readonly component: string | null;
  readonly steps: readonly (string | null)[];
  readonly given: unknown;
}

export interface AssembleContext {
  /** As it was named. */
  readonly file: string;
  /** Of the file, absolute. */
  readonly directory: string;
  readonly environment: string | null;
  readonly overrides: readonly Override[];
  readonly components: Components;
  readonly project: Project;
  readonly vars: Readonly<Record<string, unknown>>;
  readonly secrets: ReadonlySet<string>;
  /** The place is in the file itself, not filled in. */
  readonly isWritten: (path: ValuePath) => boolean;
  /** Text of a file, by absolute path. */
  readonly readFile: (path: string) => string;
  readonly problems: ProblemList;
}

/** A source whose schema is not read yet. */
type ReadSource = Omit<SourceUse, 'event' | 'steps'> & {
  readonly steps: readonly (StepUse | null)[];
  readonly given: unknown;
};

/** Null where there is no source to speak of. What `PipelineDefinition` leaves out has told its problem. */
export function assembleDefinition(
  value: Mapping,
  used: UsedComponents,
  context: AssembleContext,
): Promise<PipelineDefinition | null> {
  return new Assembly(value, used, context).definition();
}

class Assembly {
  readonly #value: Mapping;
  readonly #used: UsedComponents;
  readonly #context: AssembleContext;
  readonly #problems: ProblemList;
  readonly #connections: ConnectionUses;

  constructor(value: Mapping, used: UsedComponents, context: AssembleContext) {
    const { components, overrides, problems, project } = context;
    this.#value = value;
    this.#used = used;
    this.#context = context;
    this.#problems = problems;
    const own = connectionUses(value.connections, ['connections']);
    const named = {
      ...project.shared.connections,
      ...own,
      ...project.overriding.connections,
      ...overridden('connections', own, overrides),
    };
    const kafka = defaultKafka(value.kafka, project.env, components);
    this.#connections = new ConnectionUses(named, kafka, components, problems, project.environmentsWith);
  }

  async definition(): Promise<PipelineDefinition | null> {
    const { file, directory, environment, project, vars, secrets } = this.#context;
    const problems = this.#problems;
    const value = this.#value;
    const written = writtenSources(value).map(({ entry }, index) => ({
      ...this.#used.sources[index]!,
      entry: isMapping(entry) ? entry : {},
    }));
    const ownSteps = written.map(({ path, entry, steps }) => listedEntries(entry.steps, steps, [...path, 'steps']));
    const listed = {
      steps: listedEntries(value.steps, this.#used.steps, ['steps']),
      sinks: listedEntries(value.sinks, this.#used.sinks, ['sinks']),
    };
    const allSteps = [...ownSteps.flat(), ...listed.steps];
    const { name, group } = nameAll(value, { ...listed, steps: allSteps }, file, problems);

    const steps = this.#steps(listed.steps);
    const sinks = this.#sinks(listed.sinks);
    const lookups = this.#lookups();
    const read = written.map((source, index) => this.#source(source, ownSteps[index]!));
    const [first] = read;
    if (first === undefined || first === null) return null;
    const conventions = this.#conventions();
    const dlq = this.#deadLetterPlace(name, first);
    const found = read.filter((source) => source !== null);
    const sound = sinks.filter((sink) => sink !== null);
    this.#checkPlaces(found, sound, dlq, conventions);
    const merged = mergeSources(found, this.#context.components.sources, this.#connections.all, problems);
    if (problems.hasErrorsBelow(['source']) || problems.hasErrorsBelow(['sources'])) return null;
    const [firstSource, ...otherSources] = await Promise.all(merged.map((source) => this.#sourceUse(source)));
    const sources = [firstSource!, ...otherSources] as const;

    const firstBroken = steps.indexOf(null);
    const batch = isMapping(value.batch) ? value.batch : {};
    return {
      file,
      directory,
      name,
      description: typeof value.description === 'string' ? value.description : null,
      environment,
      prefix: project.prefix,
      strict: project.strict,
      group: project.prefix + group,
      sources,
      steps: (firstBroken === -1 ? steps : steps.slice(0, firstBroken)).filter((step) => step !== null),
      sinks: firstBroken === -1 ? sound : [],
      lookups,
      lookupNames: [...Object.keys(isMapping(value.lookups) ? value.lookups : {}), ...project.lookups.names],
      dlq,
      letterForm: letterForm(value.dlq, sources, this.#context.components.sources, problems),
      breaker: breakerLimits(value.dlq),
      alerts: alertRules(value.alerts, problems),
      partitionsMin: conventions.partitionsMin,
      batchEveryMs: typeof batch.every === 'string' ? (parseDuration(batch.every) ?? null) : null,
      connections: this.#connections.all,
      vars,
      secrets: [...secrets],
    };
  }

  #steps(list: readonly ListedEntry[]): (StepUse | null)[] {
    return this.#entries(list, 'steps', (use, entry): StepUse => ({
      ...use,
      onError: entry.on_error as StepUse['onError'],
    }));
  }

  #sinks(list: readonly ListedEntry[]): (SinkUse | null)[] {
    const sinks = this.#entries(list, 'sinks', (use, entry): SinkUse => ({
      ...use,
      ...(entry.when === undefined ? {} : { when: entry.when }),
      ...(entry.version === undefined ? {} : { version: entry.version }),
      ...deliveryUse(entry, use.path.slice(0, -1), this.#problems),
    }));
    checkRequired(sinks, this.#problems);
    return sinks;
  }

  #entries<T>(
    list: readonly ListedEntry[],
    place: 'steps' | 'sinks',
    make: (use: ComponentUse, entry: Mapping) => T,
  ): (T | null)[] {
    return list.map(({ entry, component, path }) => {
      if (component === null || !isMapping(entry)) return null;
      const use = this.#use(entry, place, component, path);
      return this.#problems.hasErrorsBelow(path) ? null : make(use, entry);
    });
  }

  #lookups(): Record<string, LookupUse> {
    const { directory, project } = this.#context;
    const lookups: Record<string, LookupUse> = {};
    const add = (name: string, component: string, entry: Mapping, from: string) => {
      const use = this.#use({ ...entry, name }, 'lookups', component, ['lookups', name]);
      if (!this.#problems.hasErrorsBelow(['lookups', name])) lookups[name] = { ...use, directory: from };
    };
    for (const [name, component] of this.#used.lookups) {
      const entry = isMapping(this.#value.lookups) ? this.#value.lookups[name] : undefined;
      if (isMapping(entry)) add(name, component, entry, directory);
    }
    for (const [name, { component, entry }] of project.lookups.used)
      add(name, component, entry, project.lookups.directory);
    return lookups;
  }

  #source(
    { name, path, entry, component, given }: UsedSource & { readonly entry: Mapping },
    ownSteps: readonly ListedEntry[],
  ): ReadSource | null {
    if (component === null) return null;
    const named = name === null ? entry : { ...entry, name };
    const time = eventTimeUse(entry.time, [...path, 'time'], this.#value.time, this.#problems);
    const use = this.#use(named, 'sources', component, path);
    return { ...use, given, time, steps: this.#steps(ownSteps) };
  }

  async #sourceUse({ component, name, options, path, time, steps }: Omit<ReadSource, 'given'>): Promise<SourceUse> {
    const event = await this.#eventType({ component, options, path });
    return { component, name, options, path, event, time, steps: steps.filter((step) => step !== null) };
  }

  async #eventType(source: Pick<ComponentUse, 'component' | 'options' | 'path'>): Promise<Type> {
    const { components, directory, readFile, vars } = this.#context;
    const declaration = components.sources.find(({ name }) => name === source.component);
    const file = declaration?.eventSchema?.(source.options as never);
    if (file === undefined) return declaration?.eventType?.(source.options as never, vars) ?? 'dyn';
    return readEventSchema(file, source, { directory, read: readFile, problems: this.#problems });
  }

  /** The pipeline's own go before those of the project. */
  #conventions(): Conventions {
    const own = conventionsOf(this.#value.conventions, this.#problems);
    const { topics, partitionsMin } = this.#context.project.conventions;
    return { topics: own.topics ?? topics, partitionsMin: own.partitionsMin ?? partitionsMin };
  }

  #deadLetterPlace(name: string, source: ReadSource): DeadLetterPlace {
    const { directory, project } = this.#context;
    const sourceSchema = this.#schemaOf('sources', source.component);
    const by = { name, source, sourceSchema, directory, prefix: project.prefix };
    return deadLetterPlace(this.#value.dlq, by, this.#problems);
  }

  /** What is read, written and buried must not be one place, and topics are called as the convention says. */
  #checkPlaces(
    sources: readonly ReadSource[],
    sinks: readonly SinkUse[],
    dlq: DeadLetterPlace,
    { topics }: Conventions,
  ): void {
    const { directory, isWritten } = this.#context;
    const problems = this.#problems;
    const isDlqNamed = isWritten(['dlq', 'topic']) || isWritten(['dlq', 'file']);
    for (const source of sources) checkDeadLetters(dlq, isDlqNamed, source, directory, problems);
    checkWrittenFiles(sinks, sources, dlq, directory, problems);
    if (topics === null) return;
    for (const use of sources) checkTopics(use, this.#schemaOf('sources', use.component), topics, problems);
    for (const use of sinks) checkTopics(use, this.#schemaOf('sinks', use.component), topics, problems);
  }

  /** `path` is that of the entry. */
  #use(entry: Mapping, place: Place, component: string, path: ValuePath): ComponentUse {
    const at = [...path, component];
    const options = this.#connections.settle(entry[component], this.#schemaOf(place, component), at);
    return { component, name: typeof entry.name === 'string' ? entry.name : component, options, path: at };
  }

  #schemaOf(place: Place, component: string): JsonSchema {
    return optionsSchema(this.#context.components, place, component);
  }
}

const listedEntries = (list: unknown, used: readonly (string | null)[], path: ValuePath): readonly ListedEntry[] =>
  (Array.isArray(list) ? list : []).map((entry: unknown, index) => ({
    path: [...path, index],
    entry,
    component: used[index] ?? null,
  }));
