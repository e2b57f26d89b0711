/** From a file to a definition: YAML, interpolation, schema, references, defaults. Every problem in one run. */
import { readFileSync } from 'node:fs';
import { dirname, resolve as resolvePath } from 'node:path';
import { connectionKeyword } from '../declaration/connection.ts';
import { parseDuration } from '../declaration/units.ts';
import { exitCodes, PipectlError } from '../errors.ts';
import type { Type } from '../expressions/index.ts';
import { alertRules } from './alerts.ts';
import { checkParts } from './check.ts';
import { componentOf, componentsNamed, reportMisplacedKeys } from './component-keys.ts';
import { type Components, components as allComponents } from './components.ts';
import { ConnectionUses, connectionUses } from './connection-use.ts';
import { conventionsOf } from './conventions.ts';
import { readEventSchema } from './event-schema.ts';
import type { InterpolationSources } from './interpolation.ts';
import { checkDeadLetters, deadLetterPlace } from './dead-letter-place.ts';
import { applyDefaults } from './defaults.ts';
import { breakerLimits, checkRequired, deliveryUse } from './delivery.ts';
import { asJsonSchema, isMapping, type JsonSchema } from './json-schema.ts';
import { type ListedEntry, nameAll } from './names.ts';
import { applyOverrides, type Override } from './overrides.ts';
import type {
  ComponentUse,
  ConnectionUse,
  LookupUse,
  PipelineDefinition,
  SinkUse,
  SourceUse,
  StepUse,
  ValuePath,
} from './pipeline.ts';
import { ProblemList } from './problems.ts';
import { type EnvFile, knownVars, loadProject, type Project } from './project.ts';
import { parseYaml, plainYaml, type ReadYaml } from './read-yaml.ts';
import { fillDefaults, resolveValue, type WrittenExpression } from './resolve.ts';
import { partsOf, type Place, schemaForPipeline } from './schema.ts';
import { checkWritten, eventTimeUse, mergeSources, type WrittenSource, writtenSources } from './sources.ts';
import { checkTopics, type TopicConvention } from './topic-convention.ts';
import { checkWrittenFiles } from './written-files.ts';

export interface LoadOptions {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** `validate` takes unset variables as unknown; for `run` they are errors. */
  readonly mode: 'validate' | 'run';
  /** With `validate`: read the `env_file` of the environment where it is there. */
  readonly opensEnvFile?: boolean;
  /** Environment of `pipectl.yaml`. Default: none. */
  readonly environment?: string | null;
  /** `--set path=value`. */
  readonly set?: readonly Override[];
  /** Text of a file, by absolute path. Default: from disk. */
  readonly readFile?: (path: string) => string;
  /** What a pipeline may name. Default: every component there is. */
  readonly components?: Components;
}

export interface LoadedPipeline {
  /**
   * Null when not even a part of it can be used. With errors it holds what is sound, so that expressions are checked in
   * the same run: sinks that failed are left out, and from the first failed step on all steps and sinks.
   */
  readonly definition: PipelineDefinition | null;
  readonly problems: ProblemList;
  /** Every expression of the file, those of parts that `definition` leaves out too. */
  readonly expressions: readonly WrittenExpression[];
  /** Of the project and the pipeline; `unknownVar` where the environment does not tell. */
  readonly vars: Readonly<Record<string, unknown>>;
  /** The environment wants warnings to count as errors. */
  readonly strict: boolean;
  readonly envFile: EnvFile | null;
}

/** Which components a source uses, and its options as they are written. */
interface UsedSource extends Omit<WrittenSource, 'entry'> {
  readonly component: string | null;
  readonly steps: readonly (string | null)[];
  readonly given: unknown;
}

/** A source whose schema is not read yet. */
type ReadSource = Omit<SourceUse, 'event' | 'steps'> & { readonly steps: readonly (StepUse | null)[] };

/**
 * Loads a pipeline file. Rejects with `PipectlError`, and only when it or its project can't be read or has no environment
 * of the name given.
 */
export async function loadPipeline(file: string, options: LoadOptions): Promise<LoadedPipeline> {
  return new Loader(file, options).load();
}

class Loader {
  readonly #file: string;
  readonly #directory: string;
  readonly #options: LoadOptions;
  readonly #components: Components;
  readonly #secrets = new Set<string>();
  readonly #expressions: WrittenExpression[] = [];
  #vars: Readonly<Record<string, unknown>> = {};
  #strict = false;
  #envFile: EnvFile | null = null;
  readonly #yaml: ReadYaml;
  readonly #problems: ProblemList;

  constructor(file: string, options: LoadOptions) {
    this.#file = file;
    this.#directory = dirname(resolvePath(file));
    this.#options = options;
    this.#components = options.components ?? allComponents;
    this.#yaml = parseYaml(file, this.#readPipeline());
    this.#problems = new ProblemList(this.#yaml.source);
  }

  async load(): Promise<LoadedPipeline> {
    const definition = await this.#definition();
    this.#problems.hide(this.#secrets);
    return {
      definition,
      problems: this.#problems,
      expressions: this.#expressions,
      vars: this.#vars,
      strict: this.#strict,
      envFile: this.#envFile,
    };
  }

  async #definition(): Promise<PipelineDefinition | null> {
    const problems = this.#problems;
    const file = plainYaml(this.#yaml, problems);
    if (file === undefined) return null;
    if (!isMapping(file)) {
      problems.at(
        [],
        'file_empty',
        file === null ? 'the file is empty' : 'the file must be a mapping with `source:` and `sinks:`',
      );
      return null;
    }
    applyOverrides(file, this.#options.set ?? [], problems);
    const uses = this.#components;
    const project = await this.#project(file);
    // They are read with the project, and what differs between environments is no part of the pipeline.
    delete file.environments;
    this.#strict = project.strict;
    this.#envFile = project.envFile;
    checkWritten(file, problems);
    const sources = writtenSources(file).map((written) => this.#usedIn(written));
    const steps = this.#componentsIn(file.steps, 'steps');
    const sinks = this.#componentsIn(file.sinks, 'sinks');
    const lookups = componentsNamed(file.lookups, 'lookups', ['lookups'], uses, problems);
    componentsNamed(file.connections, 'connections', ['connections'], uses, problems);
    const hasKafka = sources.some(
      ({ component }) => component !== null && this.#schemaOf('sources', component)[connectionKeyword] === 'kafka',
    );
    applyDefaults(file, project.defaults, hasKafka);

    const schema = schemaForPipeline(file, uses);
    const value = resolveValue(file, {
      schema,
      source: this.#yaml.source,
      problems,
      interpolation: this.#interpolation(project),
      secrets: this.#secrets,
      expressions: this.#expressions,
    }) as Record<string, unknown>;
    await checkParts(partsOf(value, 'pipeline', uses), value, problems);
    const own = knownVars(value.vars, ['vars'], problems);
    this.#vars = { ...project.shared.vars, ...own, ...project.overriding.vars, ...this.#setEntries('vars', own) };
    const definition = await this.#assemble(value, project, { sources, steps, sinks, lookups });
    if (!project.isSound) return null;
    return definition;
  }

  async #eventType(source: Pick<ComponentUse, 'component' | 'options' | 'path'>): Promise<Type> {
    const declaration = this.#components.sources.find(({ name }) => name === source.component);
    const file = declaration?.eventSchema?.(source.options as never);
    if (file === undefined) return declaration?.eventType?.(source.options as never, this.#vars) ?? 'dyn';
    const context = { directory: this.#directory, read: (path: string) => this.#read(path), problems: this.#problems };
    return readEventSchema(file, source, context);
  }

  /** The component of a source and those of its own steps. */
  #usedIn({ name, path, entry }: WrittenSource): UsedSource {
    const component = this.#componentAt(entry, 'sources', path);
    const steps = isMapping(entry) ? this.#componentsIn(entry.steps, 'steps', [...path, 'steps']) : [];
    return { name, path, component, steps, given: component !== null && isMapping(entry) ? entry[component] : {} };
  }

  /** The names of the components in a list, null for entries that have none. */
  #componentsIn(list: unknown, place: 'steps' | 'sinks', path: ValuePath = [place]): readonly (string | null)[] {
    if (!Array.isArray(list)) return [];
    return list.map((entry: unknown, index) => this.#componentAt(entry, place, [...path, index]));
  }

  #componentAt(entry: unknown, place: Place, path: ValuePath): string | null {
    const component = componentOf(entry, place, path, this.#components, this.#problems);
    if (component !== null && isMapping(entry))
      reportMisplacedKeys(entry[component], component, place, [...path, component], this.#components, this.#problems);
    return component;
  }

  #project(file: Record<string, unknown>): Promise<Project> {
    const { env, mode, environment = null, opensEnvFile = false } = this.#options;
    return loadProject(this.#file, file, {
      source: this.#yaml.source,
      environment,
      env,
      mode,
      opensEnvFile,
      readFile: (path) => this.#read(path),
      components: this.#components,
      problems: this.#problems,
      secrets: this.#secrets,
    });
  }

  #interpolation({ env }: Project): InterpolationSources {
    const readFile = (path: string) => this.#read(resolvePath(this.#directory, path));
    return { env, mode: this.#options.mode, readFile };
  }

  /** Of the pipeline's own entries those that `--set` has a part in: nothing goes before them. */
  #setEntries<T>(place: 'vars' | 'connections', own: Readonly<Record<string, T>>): Record<string, T> {
    const isSet = (name: string) =>
      this.#options.set?.some(({ path }) => path === `${place}.${name}` || path.startsWith(`${place}.${name}.`)) ===
      true;
    return Object.fromEntries(Object.entries(own).filter(([name]) => isSet(name)));
  }

  async #assemble(
    value: Record<string, unknown>,
    project: Project,
    used: {
      readonly sources: readonly UsedSource[];
      readonly steps: readonly (string | null)[];
      readonly sinks: readonly (string | null)[];
      readonly lookups: ReadonlyMap<string, string>;
    },
  ): Promise<PipelineDefinition | null> {
    const problems = this.#problems;
    const written = writtenSources(value).map(({ entry }, index) => ({
      ...used.sources[index]!,
      entry: isMapping(entry) ? entry : {},
    }));
    const ownSteps = written.map(({ path, entry, steps: own }) => listedEntries(entry.steps, own, [...path, 'steps']));
    const listed = {
      steps: listedEntries(value.steps, used.steps, ['steps']),
      sinks: listedEntries(value.sinks, used.sinks, ['sinks']),
    };
    const allSteps = [...ownSteps.flat(), ...listed.steps];
    const { name, group } = nameAll(value, { ...listed, steps: allSteps }, this.#file, problems);
    const own = connectionUses(value.connections, ['connections']);
    const named = {
      ...project.shared.connections,
      ...own,
      ...project.overriding.connections,
      ...this.#setEntries('connections', own),
    };
    const kafka = this.#defaultKafka(value.kafka, project);
    const connections = new ConnectionUses(named, kafka, this.#components, problems, project.environmentsWith);

    const entries = <T>(
      list: readonly ListedEntry[],
      place: 'steps' | 'sinks',
      make: (use: ComponentUse, entry: Record<string, unknown>) => T,
    ): (T | null)[] =>
      list.map(({ entry, component, path }) => {
        if (component === null || !isMapping(entry)) return null;
        const use = this.#use(entry, place, component, path, connections);
        return problems.hasErrorsBelow(path) ? null : make(use, entry);
      });
    const stepUses = (list: readonly ListedEntry[]) =>
      entries(list, 'steps', (use, entry): StepUse => ({ ...use, onError: entry.on_error as StepUse['onError'] }));

    const steps = stepUses(listed.steps);
    const sinks = entries(listed.sinks, 'sinks', (use, entry): SinkUse => ({
      ...use,
      ...(entry.when === undefined ? {} : { when: entry.when }),
      ...(entry.version === undefined ? {} : { version: entry.version }),
      ...deliveryUse(entry, use.path.slice(0, -1), problems),
    }));
    checkRequired(sinks, problems);
    const lookups: Record<string, LookupUse> = {};
    const addLookup = (name: string, component: string, entry: Record<string, unknown>, directory: string) => {
      const use = this.#use({ ...entry, name }, 'lookups', component, ['lookups', name], connections);
      if (!problems.hasErrorsBelow(['lookups', name])) lookups[name] = { ...use, directory };
    };
    for (const [name, component] of used.lookups) {
      const entry = isMapping(value.lookups) ? value.lookups[name] : undefined;
      if (isMapping(entry)) addLookup(name, component, entry, this.#directory);
    }
    for (const [name, { component, entry }] of project.lookups.used)
      addLookup(name, component, entry, project.lookups.directory);
    const read = written.map(({ name: ownName, path, entry, component, given }, index) => {
      if (component === null) return null;
      const named = ownName === null ? entry : { ...entry, name: ownName };
      const time = eventTimeUse(entry.time, [...path, 'time'], value.time, problems);
      const use = this.#use(named, 'sources', component, path, connections);
      return { ...use, given, time, steps: stepUses(ownSteps[index]!) };
    });
    const [first] = read;
    if (first === undefined || first === null) return null;
    const ownConventions = conventionsOf(value.conventions, problems);
    const topicConvention = ownConventions.topics ?? project.conventions.topics;
    const dlq = deadLetterPlace(
      value.dlq,
      {
        name,
        source: first,
        sourceSchema: this.#schemaOf('sources', first.component),
        directory: this.#directory,
        prefix: project.prefix,
      },
      problems,
    );
    const found = read.filter((source) => source !== null);
    const isDlqNamed = this.#yaml.source.has(['dlq', 'topic']) || this.#yaml.source.has(['dlq', 'file']);
    for (const source of found) checkDeadLetters(dlq, isDlqNamed, source, this.#directory, problems);
    const sound = sinks.filter((sink) => sink !== null);
    checkWrittenFiles(sound, found, dlq, this.#directory, problems);
    if (topicConvention !== null) this.#checkTopics(found, sinks, topicConvention);
    const merged = mergeSources(found, this.#components.sources, connections.all, problems);
    if (problems.hasErrorsBelow(['source']) || problems.hasErrorsBelow(['sources'])) return null;
    const [firstSource, ...otherSources] = await Promise.all(merged.map((source) => this.#sourceUse(source)));

    const firstBroken = steps.indexOf(null);
    const batch = isMapping(value.batch) ? value.batch : {};
    return {
      file: this.#file,
      directory: this.#directory,
      name,
      description: typeof value.description === 'string' ? value.description : null,
      environment: this.#options.environment ?? null,
      prefix: project.prefix,
      group: project.prefix + group,
      sources: [firstSource!, ...otherSources],
      steps: (firstBroken === -1 ? steps : steps.slice(0, firstBroken)).filter((step) => step !== null),
      sinks: firstBroken === -1 ? sound : [],
      lookups,
      lookupNames: [...Object.keys(isMapping(value.lookups) ? value.lookups : {}), ...project.lookups.names],
      dlq,
      breaker: breakerLimits(value.dlq),
      alerts: alertRules(value.alerts, problems),
      partitionsMin: ownConventions.partitionsMin ?? project.conventions.partitionsMin,
      batchEveryMs: typeof batch.every === 'string' ? (parseDuration(batch.every) ?? null) : null,
      connections: connections.all,
      vars: this.#vars,
      secrets: [...this.#secrets],
    };
  }

  /** `path` is that of the entry. */
  #use(
    entry: Record<string, unknown>,
    place: Place,
    component: string,
    path: ValuePath,
    connections: ConnectionUses,
  ): ComponentUse {
    const at = [...path, component];
    const options = connections.settle(entry[component], this.#schemaOf(place, component), at);
    return { component, name: typeof entry.name === 'string' ? entry.name : component, options, path: at };
  }

  async #sourceUse({ component, name, options, path, time, steps }: ReadSource): Promise<SourceUse> {
    const event = await this.#eventType({ component, options, path });
    return { component, name, options, path, event, time, steps: steps.filter((step) => step !== null) };
  }

  #checkTopics(
    sources: readonly ComponentUse[],
    sinks: readonly (SinkUse | null)[],
    convention: TopicConvention,
  ): void {
    for (const source of sources)
      checkTopics(source, this.#schemaOf('sources', source.component), convention, this.#problems);
    for (const sink of sinks)
      if (sink !== null) checkTopics(sink, this.#schemaOf('sinks', sink.component), convention, this.#problems);
  }

  /** `kafka:` of the pipeline, else what the environment says, else this machine. */
  #defaultKafka(inPipeline: unknown, { env }: Project): ConnectionUse | null {
    const declared = this.#components.connections.find(({ name }) => name === 'kafka');
    if (!declared) return null;
    if (isMapping(inPipeline)) return { kind: 'kafka', options: inPipeline, path: ['kafka'] };
    const brokers = env.KAFKA_BROKERS || 'localhost:9092';
    const { properties = {} } = asJsonSchema(declared.options);
    return { kind: 'kafka', options: fillDefaults({ brokers }, properties), path: ['kafka'] };
  }

  #schemaOf(place: Place, component: string): JsonSchema {
    const declaration = this.#components[place].find(({ name }) => name === component);
    return declaration ? asJsonSchema(declaration.options) : {};
  }

  #readPipeline(): string {
    try {
      return this.#read(resolvePath(this.#file));
    } catch (error) {
      const isEncoding = error instanceof TypeError;
      const reason = isEncoding ? 'it is not UTF-8 text' : error instanceof Error ? error.message : String(error);
      throw new PipectlError('file_unreadable', `reading ${this.#file}: ${reason}`, {
        cause: error,
        exitCode: exitCodes.usage,
      });
    }
  }

  #read(path: string): string {
    return (this.#options.readFile ?? readText)(path);
  }
}

const listedEntries = (list: unknown, used: readonly (string | null)[], path: ValuePath): readonly ListedEntry[] =>
  (Array.isArray(list) ? list : []).map((entry: unknown, index) => ({
    path: [...path, index],
    entry,
    component: used[index] ?? null,
  }));

/** Throws where the file is not UTF-8. */
const readText = (path: string): string =>
  new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(readFileSync(path));
