/** From a file to a definition: YAML, interpolation, schema, references, defaults. Every problem in one run. */
import { readFileSync } from 'node:fs';
import { dirname, join, resolve as resolvePath } from 'node:path';
import { parseDuration } from '../declaration/units.ts';
import { exitCodes, PipectlError } from '../errors.ts';
import { unknownVar } from '../expressions/environment.ts';
import { checkParts } from './check.ts';
import { componentOf, reportMisplacedKeys } from './component-keys.ts';
import { type Components, components as allComponents } from './components.ts';
import { ConnectionUses } from './connection-use.ts';
import type { InterpolationSources } from './interpolation.ts';
import { asJsonSchema, isMapping, type JsonSchema } from './json-schema.ts';
import { nameAll } from './names.ts';
import { applyOverrides, type Override } from './overrides.ts';
import type { ComponentUse, ConnectionUse, PipelineDefinition, SinkUse, StepUse, ValuePath } from './pipeline.ts';
import { ProblemList } from './problems.ts';
import { parseYaml, plainYaml, type ReadYaml } from './read-yaml.ts';
import { fillDefaults, resolveValue, type WrittenExpression } from './resolve.ts';
import { partsOf, type Place, schemaForPipeline, schemaForProject } from './schema.ts';
import { checkDeadLetters, deadLetterPlace } from './dead-letter-place.ts';

export interface LoadOptions {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** `validate` takes unset variables as unknown; for `run` they are errors. */
  readonly mode: 'validate' | 'run';
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
}

/** What `pipectl.yaml` gives to every pipeline. */
interface Shared {
  readonly connections: Record<string, unknown>;
  readonly vars: Record<string, unknown>;
}

const projectFile = 'pipectl.yaml';
const defaultAheadMs = 3_600_000;

/** Loads a pipeline file. Rejects with `PipectlError`, and only when the file itself can't be read. */
export async function loadPipeline(file: string, options: LoadOptions): Promise<LoadedPipeline> {
  return new Loader(file, options).load();
}

class Loader {
  readonly #file: string;
  readonly #directory: string;
  readonly #options: LoadOptions;
  readonly #components: Components;
  readonly #interpolation: InterpolationSources;
  readonly #secrets = new Set<string>();
  readonly #expressions: WrittenExpression[] = [];
  #vars: Readonly<Record<string, unknown>> = {};
  readonly #yaml: ReadYaml;
  readonly #problems: ProblemList;

  constructor(file: string, options: LoadOptions) {
    this.#file = file;
    this.#directory = dirname(resolvePath(file));
    this.#options = options;
    this.#components = options.components ?? allComponents;
    this.#interpolation = {
      env: options.env,
      mode: options.mode,
      readFile: (path) => this.#read(resolvePath(this.#directory, path)),
    };
    this.#yaml = parseYaml(file, this.#readPipeline());
    this.#problems = new ProblemList(this.#yaml.source);
  }

  async load(): Promise<LoadedPipeline> {
    const definition = await this.#definition();
    this.#problems.hide(this.#secrets);
    return { definition, problems: this.#problems, expressions: this.#expressions, vars: this.#vars };
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
    const project = await this.#project();

    const uses = this.#components;
    const source = componentOf(file.source, 'sources', ['source'], uses, problems);
    const steps = this.#componentsIn(file.steps, 'steps');
    const sinks = this.#componentsIn(file.sinks, 'sinks');
    const lookups = this.#kinds(file.lookups, 'lookups', problems);
    this.#kinds(file.connections, 'connections', problems);
    if (source !== null && isMapping(file.source))
      reportMisplacedKeys(file.source[source], source, 'sources', ['source', source], uses, problems);

    const schema = schemaForPipeline(file, uses);
    const value = resolveValue(file, {
      schema,
      source: this.#yaml.source,
      problems,
      interpolation: this.#interpolation,
      secrets: this.#secrets,
      expressions: this.#expressions,
    }) as Record<string, unknown>;
    await checkParts(partsOf(value, 'pipeline', uses), value, problems);
    this.#vars = { ...project.vars, ...this.#knownVars(value.vars, problems) };
    return this.#assemble(value, project, { source, steps, sinks, lookups });
  }

  /** The names of the components in a list, null for entries that have none. */
  #componentsIn(list: unknown, place: 'steps' | 'sinks'): readonly (string | null)[] {
    if (!Array.isArray(list)) return [];
    return list.map((entry: unknown, index) => {
      const path = [place, index];
      const component = componentOf(entry, place, path, this.#components, this.#problems);
      if (component !== null && isMapping(entry)) {
        reportMisplacedKeys(entry[component], component, place, [...path, component], this.#components, this.#problems);
      }
      return component;
    });
  }

  /** The component of each entry that has a name; without those that have none. */
  #kinds(named: unknown, place: 'lookups' | 'connections', problems: ProblemList): ReadonlyMap<string, string> {
    const kinds = new Map<string, string>();
    for (const [name, entry] of Object.entries(isMapping(named) ? named : {})) {
      const component = componentOf(entry, place, [place, name], this.#components, problems);
      if (component !== null) kinds.set(name, component);
    }
    return kinds;
  }

  /** `pipectl.yaml`, beside the pipeline or above it. */
  async #project(): Promise<Shared> {
    const none = { connections: {}, vars: {} };
    const found = this.#findProject();
    if (!found) return none;
    const yaml = parseYaml(found.path, found.text);
    const problems = this.#problems.inProject(yaml.source);
    const file = plainYaml(yaml, problems);
    if (file === undefined || file === null) return none;
    if (!isMapping(file)) {
      problems.at([], 'file_empty', 'the project file must be a mapping');
      return none;
    }
    this.#kinds(file.connections, 'connections', problems);
    const schema = schemaForProject(file, this.#components);
    const context = {
      schema,
      source: yaml.source,
      problems,
      interpolation: this.#interpolation,
      secrets: this.#secrets,
      expressions: [],
    };
    const value = resolveValue(file, context) as Record<string, unknown>;
    await checkParts(partsOf(value, 'project', this.#components), value, problems);
    return {
      connections: isMapping(value.connections) ? value.connections : {},
      vars: this.#knownVars(value.vars, problems),
    };
  }

  #knownVars(vars: unknown, problems: ProblemList): Record<string, unknown> {
    const entries = isMapping(vars) ? Object.entries(vars) : [];
    return Object.fromEntries(
      entries.map(([name, value]) => [name, problems.isIgnored(['vars', name]) ? unknownVar : value]),
    );
  }

  #findProject(): { readonly path: string; readonly text: string } | null {
    for (let directory = this.#directory; ; directory = dirname(directory)) {
      const path = join(directory, projectFile);
      try {
        return { path, text: this.#read(path) };
      } catch {
        if (directory === dirname(directory)) return null;
      }
    }
  }

  #assemble(
    value: Record<string, unknown>,
    project: Shared,
    used: {
      readonly source: string | null;
      readonly steps: readonly (string | null)[];
      readonly sinks: readonly (string | null)[];
      readonly lookups: ReadonlyMap<string, string>;
    },
  ): PipelineDefinition | null {
    const problems = this.#problems;
    const { name, group } = nameAll(value, used, this.#file, problems);
    const own = isMapping(value.connections) ? value.connections : {};
    const named = { ...this.#connections(project.connections), ...this.#connections(own) };
    const connections = new ConnectionUses(named, this.#defaultKafka(value.kafka), this.#components, problems);

    const entries = <T>(
      list: unknown,
      place: 'steps' | 'sinks',
      make: (use: ComponentUse, entry: Record<string, unknown>) => T,
    ): (T | null)[] =>
      (Array.isArray(list) ? list : []).map((entry: unknown, index) => {
        const component = used[place][index] ?? null;
        if (component === null || !isMapping(entry)) return null;
        const use = this.#use(entry, place, component, [place, index, component], connections);
        return problems.hasErrorsBelow([place, index]) ? null : make(use, entry);
      });

    const steps = entries(value.steps, 'steps', (use, entry): StepUse => ({
      ...use,
      onError: entry.on_error as StepUse['onError'],
    }));
    const sinks = entries(value.sinks, 'sinks', (use, entry): SinkUse => ({
      ...use,
      ...(entry.when === undefined ? {} : { when: entry.when }),
      ...(entry.version === undefined ? {} : { version: entry.version }),
      required: entry.required === true,
    }));
    const lookups: Record<string, ComponentUse> = {};
    for (const [name, component] of used.lookups) {
      const entry = isMapping(value.lookups) ? value.lookups[name] : undefined;
      if (!isMapping(entry)) continue;
      const use = this.#use({ ...entry, name }, 'lookups', component, ['lookups', name, component], connections);
      if (!problems.hasErrorsBelow(['lookups', name])) lookups[name] = use;
    }
    if (used.source === null || !isMapping(value.source)) return null;
    const source = this.#use(value.source, 'sources', used.source, ['source', used.source], connections);
    const dlq = deadLetterPlace(
      value.dlq,
      { name, source, sourceSchema: this.#schemaOf('sources', used.source), directory: this.#directory },
      problems,
    );
    checkDeadLetters(dlq, source, this.#directory, problems);
    if (problems.hasErrorsBelow(['source'])) return null;

    const firstBroken = steps.indexOf(null);
    const time = isMapping(value.time) ? value.time : {};
    const batch = isMapping(value.batch) ? value.batch : {};
    const aheadMs = typeof time.ahead === 'string' ? parseDuration(time.ahead) : undefined;
    return {
      file: this.#file,
      directory: this.#directory,
      name,
      description: typeof value.description === 'string' ? value.description : null,
      group,
      source,
      time: {
        field: time.field ?? null,
        unit: time.unit === 's' || time.unit === 'ms' || time.unit === 'us' ? time.unit : null,
        aheadMs: time.ahead === 'off' ? null : (aheadMs ?? defaultAheadMs),
      },
      steps: (firstBroken === -1 ? steps : steps.slice(0, firstBroken)).filter((step) => step !== null),
      sinks: firstBroken === -1 ? sinks.filter((sink) => sink !== null) : [],
      lookups,
      dlq,
      batchEveryMs: typeof batch.every === 'string' ? (parseDuration(batch.every) ?? null) : null,
      connections: connections.all,
      vars: this.#vars,
      secrets: [...this.#secrets],
    };
  }

  #use(
    entry: Record<string, unknown>,
    place: Place,
    component: string,
    path: ValuePath,
    connections: ConnectionUses,
  ): ComponentUse {
    const options = connections.settle(entry[component], this.#schemaOf(place, component), path);
    return { component, name: typeof entry.name === 'string' ? entry.name : component, options, path };
  }

  #connections(entries: Readonly<Record<string, unknown>>): Record<string, ConnectionUse> {
    const uses: Record<string, ConnectionUse> = {};
    for (const [name, entry] of Object.entries(entries)) {
      const kind = isMapping(entry) ? Object.keys(entry)[0] : undefined;
      const options = kind === undefined ? undefined : (entry as Record<string, unknown>)[kind];
      if (kind !== undefined)
        uses[name] = { kind, options: isMapping(options) ? options : {}, path: ['connections', name, kind] };
    }
    return uses;
  }

  /** `kafka:` of the pipeline, else what the environment says, else this machine. */
  #defaultKafka(inPipeline: unknown): ConnectionUse | null {
    const declared = this.#components.connections.find(({ name }) => name === 'kafka');
    if (!declared) return null;
    if (isMapping(inPipeline)) return { kind: 'kafka', options: inPipeline, path: ['kafka'] };
    const brokers = this.#options.env.KAFKA_BROKERS || 'localhost:9092';
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

/** Throws where the file is not UTF-8. */
const readText = (path: string): string =>
  new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(readFileSync(path));
