/** From a file to a definition: YAML, interpolation, schema, references, defaults. Every problem in one run. */
import { dirname, resolve as resolvePath } from 'node:path';
import { connectionKeyword } from '../declaration/connection.ts';
import { assembleDefinition, type UsedSource } from './assemble.ts';
import { checkParts } from './check.ts';
import { componentOf, componentsNamed, reportMisplacedKeys } from './component-keys.ts';
import { type Components, components as allComponents, optionsSchema } from './components.ts';
import { applyDefaults } from './defaults.ts';
import type { InterpolationSources } from './interpolation.ts';
import { isMapping } from './json-schema.ts';
import { applyOverrides, type Override, overridden } from './overrides.ts';
import type { PipelineDefinition, ValuePath } from './pipeline.ts';
import { ProblemList } from './problems.ts';
import { type EnvFile, knownVars, loadProject, type Project } from './project.ts';
import { parseYaml, plainYaml, type ReadYaml } from './read-yaml.ts';
import { resolveValue, type WrittenExpression } from './resolve.ts';
import { partsOf, type Place, schemaForPipeline } from './schema.ts';
import { checkWritten, type WrittenSource, writtenSources } from './sources.ts';
import { readNamed, readText } from './text-file.ts';

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
    const text = readNamed(file, () => this.#read(resolvePath(file)));
    this.#yaml = parseYaml(file, text);
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
      ({ component }) => component !== null && optionsSchema(uses, 'sources', component)[connectionKeyword] === 'kafka',
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
    const overrides = this.#options.set ?? [];
    this.#vars = {
      ...project.shared.vars,
      ...own,
      ...project.overriding.vars,
      ...overridden('vars', own, overrides),
    };
    const used = { sources, steps, sinks, lookups };
    const definition = await assembleDefinition(value, used, {
      file: this.#file,
      directory: this.#directory,
      environment: this.#options.environment ?? null,
      overrides,
      components: uses,
      project,
      vars: this.#vars,
      secrets: this.#secrets,
      isWritten: (path) => this.#yaml.source.has(path),
      readFile: (path) => this.#read(path),
      problems,
    });
    return project.isSound ? definition : null;
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

  #read(path: string): string {
    return (this.#options.readFile ?? readText)(path);
  }
}
