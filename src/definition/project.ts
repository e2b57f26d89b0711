/** `pipectl.yaml`, beside a pipeline or above it: what pipelines share, and what differs between environments. */
import { dirname, join, relative, resolve as resolvePath } from 'node:path';
import { exitCodes, PipectlError } from '../errors.ts';
import { unknownVar } from '../expressions/environment.ts';
import { checkParts } from './check.ts';
import { componentsNamed } from './component-keys.ts';
import type { Components } from './components.ts';
import { connectionsNamedIn, connectionUses } from './connection-use.ts';
import { type Conventions, conventionsOf } from './conventions.ts';
import { interpolate, type InterpolationSources } from './interpolation.ts';
import { isMapping } from './json-schema.ts';
import { isTopicPrefix } from './names.ts';
import type { ConnectionUse, ValuePath } from './pipeline.ts';
import type { ProblemList } from './problems.ts';
import { parseYaml, plainYaml } from './read-yaml.ts';
import { resolveValue } from './resolve.ts';
import { partsOf, schemaForProject } from './schema.ts';
import type { YamlSource } from './yaml-source.ts';
import { listed, suggestion } from './suggestion.ts';
import { unreadable } from './text-file.ts';

const projectFile = 'pipectl.yaml';

type Mapping = Record<string, unknown>;

export interface Shared {
  readonly connections: Readonly<Record<string, ConnectionUse>>;
  readonly vars: Readonly<Record<string, unknown>>;
}

/** Lookups of a project, those that the pipeline has itself left out. */
export interface SharedLookups {
  /** Of all. */
  readonly names: readonly string[];
  /** Those that a step of the pipeline names, with their component. */
  readonly used: ReadonlyMap<string, { readonly component: string; readonly entry: Mapping }>;
  /** Of the project, absolute. */
  readonly directory: string;
}

/** An `env_file` that was read. */
export interface EnvFile {
  /** As it stands in the project. */
  readonly path: string;
  /** Variables that it sets and the real environment does not. */
  readonly names: ReadonlySet<string>;
}

export interface Project {
  /** Variables for interpolation: the real ones, and behind them those of `env_file`. */
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly envFile: EnvFile | null;
  /** The pipeline's own go before these. */
  readonly shared: Shared;
  /** Of the environment. They go before the pipeline's own: a pipeline run in dev must not write to its prod database. */
  readonly overriding: Shared;
  readonly lookups: SharedLookups;
  /** As written: what a pipeline does not say of itself. */
  readonly defaults: Mapping;
  /**
   * Stands before the consumer group, internal topics, the dead-letter topic and the name under which sinks keep
   * positions. A group of another name has partitions and offsets of its own: a pipeline that is tried out in dev against
   * the same cluster neither takes partitions from prod's members nor moves their offsets.
   */
  readonly prefix: string;
  /** Warnings count as errors. */
  readonly strict: boolean;
  readonly conventions: Conventions;
  /** Environments that have a connection, by its name. */
  readonly environmentsWith: (connection: string) => readonly string[];
  /** False where an environment was asked for and can't be read: then nothing may be done under the pipeline's names. */
  readonly isSound: boolean;
}

export interface ProjectOptions {
  /** Name of the environment that was asked for. */
  readonly environment: string | null;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly mode: InterpolationSources['mode'];
  /** Reads an `env_file` that is there where variables may be unset too. */
  readonly opensEnvFile: boolean;
  /** Text of a file, by absolute path. Throws where it can't be read. */
  readonly readFile: (path: string) => string;
  readonly components: Components;
  /** The pipeline's file. */
  readonly source: YamlSource;
  /** Of the pipeline. */
  readonly problems: ProblemList;
  /** Receives secret values. */
  readonly secrets: Set<string>;
}

/**
 * The project of a pipeline, which is given by its file and as it is written. Rejects with `PipectlError` (wrong usage)
 * where there is no environment of the name that was asked for.
 */
export async function loadProject(pipelineFile: string, pipeline: Mapping, options: ProjectOptions): Promise<Project> {
  const { environment, env } = options;
  const nothing: Shared = { connections: {}, vars: {} };
  const none = {
    env,
    envFile: null,
    shared: nothing,
    overriding: nothing,
    lookups: { names: [], used: new Map(), directory: '' },
    defaults: {},
    prefix: '',
    strict: false,
    conventions: { topics: null, partitionsMin: null },
    environmentsWith: () => [],
    isSound: environment === null,
  };
  const from = dirname(resolvePath(pipelineFile));
  const found = findProject(from, options.readFile);
  if (found === null && !Object.hasOwn(pipeline, 'environments')) {
    if (environment !== null) throw unknownEnvironment(environment, [], null);
    return none;
  }
  const directory = found === null ? from : dirname(found.path);
  // Told like the pipeline: relative where that was given so.
  const shown = found === null ? pipelineFile : join(dirname(pipelineFile), relative(from, directory), projectFile);
  const yaml = found === null ? null : parseYaml(shown, found.text);
  const source = yaml?.source ?? options.source;
  const problems = options.problems.inProject(source, environment);
  // A pipeline without a project is its own.
  const plain = yaml === null ? { environments: pipeline.environments } : plainYaml(yaml, problems);
  if (yaml !== null && Object.hasOwn(pipeline, 'environments')) {
    const message = `the project has a file of its own, ${shown}, and environments stand there`;
    options.problems.at(['environments'], 'key_misplaced', message, { on: 'key', hint: `move them to ${shown}` });
  }
  if (plain === undefined) return none;
  const file = plain ?? {};
  if (!isMapping(file)) {
    problems.at([], 'file_empty', 'the project file must be a mapping', {
      hint: 'it holds connections, vars, defaults, environments and conventions',
    });
    return none;
  }
  const environments = isMapping(file.environments) ? file.environments : {};
  if (environment !== null && !Object.hasOwn(environments, environment))
    throw unknownEnvironment(environment, Object.keys(environments), shown);
  // What is wrong with one environment is of no concern to another.
  if (environment !== null)
    for (const name of Object.keys(environments)) if (name !== environment) problems.ignore(['environments', name]);

  const lookups = componentsNamed(file.lookups, 'lookups', ['lookups'], options.components, problems);
  const reader = new ProjectReader(file, pipeline, directory, lookups, options, problems);
  const interpolation = reader.interpolation();
  componentsNamed(file.connections, 'connections', ['connections'], options.components, problems);
  for (const [name, own] of Object.entries(environments)) {
    const path = ['environments', name, 'connections'];
    if (isMapping(own)) componentsNamed(own.connections, 'connections', path, options.components, problems);
  }
  const value = resolveValue(file, {
    schema: schemaForProject(file, options.components),
    source,
    problems,
    interpolation,
    secrets: options.secrets,
    expressions: [],
    isOptional: reader.isOptional,
  }) as Mapping;
  await checkParts(partsOf(value, 'project', options.components), value, problems);
  return { ...reader.project(value), env: interpolation.env, envFile: reader.envFile };
}

class ProjectReader {
  readonly #file: Mapping;
  readonly #pipeline: Mapping;
  readonly #directory: string;
  readonly #options: ProjectOptions;
  readonly #problems: ProblemList;
  /** Where the environment stands; null where none was asked for. */
  readonly #chosen: ValuePath | null;
  readonly #used: ReadonlySet<string> | null;
  readonly #componentOfLookup: ReadonlyMap<string, string>;
  readonly #lookupsAsked: ReadonlySet<string>;
  envFile: EnvFile | null = null;

  constructor(
    file: Mapping,
    pipeline: Mapping,
    directory: string,
    lookups: ReadonlyMap<string, string>,
    options: ProjectOptions,
    problems: ProblemList,
  ) {
    this.#componentOfLookup = lookups;
    this.#lookupsAsked = lookupsAskedIn([pipeline.steps, pipeline.sources]);
    this.#file = file;
    this.#pipeline = pipeline;
    this.#directory = directory;
    this.#options = options;
    this.#problems = problems;
    this.#chosen = options.environment === null ? null : ['environments', options.environment];
    const lookupsInUse = {
      ...(isMapping(file.lookups) ? file.lookups : {}),
      ...(isMapping(pipeline.lookups) ? pipeline.lookups : {}),
    };
    this.#used = connectionsNamedIn({ ...pipeline, lookups: lookupsInUse }, options.components);
  }

  interpolation(): InterpolationSources {
    const { env, mode, opensEnvFile } = this.#options;
    const readFile = (path: string) => this.#options.readFile(resolvePath(this.#directory, path));
    const sources = { env, mode, readFile };
    // A file of secrets like any other: `validate` needs none.
    return mode === 'validate' && !opensEnvFile ? sources : { ...sources, env: this.#withEnvFile(sources) };
  }

  /** The real environment goes before the file. */
  #withEnvFile(sources: InterpolationSources): InterpolationSources['env'] {
    const { env_file: given } = this.#environment(this.#file);
    if (typeof given !== 'string') return sources.env;
    const path = interpolate(given, sources) ?? { text: given, known: true };
    if (!path.known) return sources.env;
    const set = Object.fromEntries(Object.entries(sources.env).filter(([, value]) => value !== undefined));
    try {
      const inFile = process.getBuiltinModule('node:util').parseEnv(sources.readFile(path.text));
      const names = new Set(Object.keys(inFile).filter((name) => !Object.hasOwn(set, name)));
      this.envFile = { path: path.text, names };
      return { ...inFile, ...set };
    } catch (error) {
      if (sources.mode === 'validate') return sources.env;
      const reason = error instanceof Error && 'code' in error ? String(error.code) : 'unreadable';
      const message = `the file ${path.text} could not be read (${reason})`;
      this.#problems.at([...this.#chosen!, 'env_file'], 'env_file_unreadable', message);
      return sources.env;
    }
  }

  /** Values this pipeline does not come to use: what is not set there is no error. */
  readonly isOptional = (path: ValuePath): boolean => {
    const [top, name, ...below] = path;
    if (top === 'environments') {
      if (name !== this.#options.environment) return true;
      return below[0] === 'connections' && !this.#isUsed(below[1]);
    }
    // Those that are used are told of where they have taken their place.
    if (top === 'defaults') return true;
    if (top === 'lookups') return !this.#isLookupUsed(String(name));
    if (top !== 'connections' && top !== 'vars') return false;
    const stronger = [this.#environment(this.#file)[top], this.#pipeline[top]];
    const isOverridden = stronger.some((entries) => isMapping(entries) && Object.hasOwn(entries, String(name)));
    return isOverridden || (top === 'connections' && !this.#isUsed(name));
  };

  #isLookupUsed(name: string): boolean {
    const isOverridden = isMapping(this.#pipeline.lookups) && Object.hasOwn(this.#pipeline.lookups, name);
    return this.#lookupsAsked.has(name) && !isOverridden;
  }

  #lookups(entries: unknown): SharedLookups {
    const all = isMapping(entries) ? entries : {};
    const used = new Map<string, { component: string; entry: Mapping }>();
    for (const [name, component] of this.#componentOfLookup) {
      const entry = all[name];
      if (isMapping(entry) && this.#isLookupUsed(name)) used.set(name, { component, entry });
    }
    return { names: Object.keys(all), used, directory: this.#directory };
  }

  #isUsed(connection: ValuePath[number] | undefined): boolean {
    return this.#used === null || this.#used.has(String(connection));
  }

  /** The section of the environment that was asked for. */
  #environment(file: Mapping): Mapping {
    const { environment } = this.#options;
    const all = isMapping(file.environments) ? file.environments : {};
    const own = environment === null ? undefined : all[environment];
    return isMapping(own) ? own : {};
  }

  /** From the interpolated file. */
  project(file: Mapping): Omit<Project, 'env' | 'envFile'> {
    const own = this.#environment(file);
    const prefix = this.#prefix(own.prefix);
    const hasSoundDefaults = isMapping(this.#file.defaults) && !this.#problems.hasErrorsBelow(['defaults']);
    return {
      shared: this.#shared(file, []),
      overriding: this.#chosen === null ? { connections: {}, vars: {} } : this.#shared(own, this.#chosen),
      defaults: hasSoundDefaults ? (this.#file.defaults as Mapping) : {},
      prefix,
      strict: own.strict === true,
      lookups: this.#lookups(file.lookups),
      conventions: conventionsOf(file.conventions, this.#problems),
      environmentsWith: (connection) =>
        Object.entries(isMapping(file.environments) ? file.environments : {})
          .filter(
            ([, section]) =>
              isMapping(section) && isMapping(section.connections) && Object.hasOwn(section.connections, connection),
          )
          .map(([name]) => name),
      isSound: this.#chosen === null || !this.#problems.hasErrorsBelow(this.#chosen),
    };
  }

  #shared({ connections, vars }: Mapping, at: ValuePath): Shared {
    return {
      connections: connectionUses(connections, [...at, 'connections']),
      vars: knownVars(vars, [...at, 'vars'], this.#problems),
    };
  }

  #prefix(prefix: unknown): string {
    if (typeof prefix !== 'string') return '';
    const path = [...this.#chosen!, 'prefix'];
    if (!this.#problems.isIgnored(path) && !isTopicPrefix(prefix)) {
      this.#problems.at(path, 'name_invalid', `"${prefix}" can not begin the name of a topic`, {
        hint: 'use letters, digits, ".", "_" and "-", at most 40',
      });
    }
    return prefix;
  }
}

/** Names of the lookups that steps ask for, wherever in these values they stand. */
function lookupsAskedIn(value: unknown, found = new Set<string>()): ReadonlySet<string> {
  if (Array.isArray(value)) for (const item of value) lookupsAskedIn(item, found);
  else if (isMapping(value)) {
    const { enrich } = value;
    if (isMapping(enrich) && typeof enrich.from === 'string') found.add(enrich.from);
    for (const inner of Object.values(value)) lookupsAskedIn(inner, found);
  }
  return found;
}

/** Vars with `unknownVar` for what the environment does not tell. */
export function knownVars(vars: unknown, path: ValuePath, problems: ProblemList): Record<string, unknown> {
  const entries = isMapping(vars) ? Object.entries(vars) : [];
  return Object.fromEntries(
    entries.map(([name, value]) => [name, problems.isIgnored([...path, name]) ? unknownVar : value]),
  );
}

/** `pipectl.yaml` in a directory or the nearest one above it. Throws `PipectlError` where it is there and can't be read. */
export function findProject(
  from: string,
  readFile: (path: string) => string,
): { readonly path: string; readonly text: string } | null {
  for (let directory = from; ; directory = dirname(directory)) {
    const path = join(directory, projectFile);
    try {
      return { path, text: readFile(path) };
    } catch (error) {
      const isThere = error instanceof TypeError || (error as NodeJS.ErrnoException).code === 'EACCES';
      if (isThere) throw unreadable(path, error);
      if (directory === dirname(directory)) return null;
    }
  }
}

function unknownEnvironment(name: string, known: readonly string[], file: string | null): PipectlError {
  const near = suggestion(name, known);
  const where = file === null ? ', since there is no pipectl.yaml beside the pipeline or above it' : ` in ${file}`;
  const message = `there is no environment "${name}"${where}${near === null ? '' : `; did you mean "${near}"?`}`;
  const hint =
    known.length > 0
      ? `environments: ${listed(known, 'and')}`
      : `add it: \`environments: { ${name}: { prefix: ... } }\``;
  return new PipectlError('environment_unknown', message, { hint, exitCode: exitCodes.usage });
}
