/** What stands in the files, before anything is filled in: it tells where each value of a pipeline comes from. */
import { readFileSync } from 'node:fs';
import { basename, dirname, resolve } from 'node:path';
import type { Override } from '../definition/overrides.ts';
import type { ValuePath } from '../definition/pipeline.ts';
import { pathText } from '../definition/problems.ts';
import { type EnvFile, findProject } from '../definition/project.ts';
import { parseYaml } from '../definition/read-yaml.ts';
import type { YamlSource } from '../definition/yaml-source.ts';

/** Who said what a value is. `text` is how people read it: `orders.yaml:6 $BROKERS`, `--set`, `default`. */
export interface Origin {
  readonly from: 'pipeline' | 'project' | 'set' | 'environment' | 'default';
  readonly text: string;
}

export interface WrittenOptions {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Of that environment, where it was read. Default: none. */
  readonly envFile?: EnvFile | null;
  /** Environment of the project. Default: none. */
  readonly environment?: string | null;
  readonly set?: readonly Override[];
  /** Text of a file, by absolute path. Throws where it is not there. */
  readonly readFile?: (path: string) => string;
}

export class Written {
  readonly #pipeline: YamlSource;
  readonly #project: YamlSource;
  readonly #environment: string | null;
  readonly #set: readonly string[];
  readonly #env: WrittenOptions['env'];
  readonly #envFile: EnvFile | null;

  constructor(file: string, options: WrittenOptions) {
    const { env, environment = null, set = [], readFile = (path) => readFileSync(path, 'utf8') } = options;
    const path = resolve(file);
    this.#pipeline = parseYaml(basename(file), readFile(path)).source;
    const project = findProject(dirname(path), readFile);
    // Without a project the environments are the pipeline's own.
    this.#project = project === null ? this.#pipeline : parseYaml(basename(project.path), project.text).source;
    this.#environment = environment;
    this.#set = set.map((override) => override.path);
    this.#env = env;
    this.#envFile = options.envFile ?? null;
  }

  /** Where the value at `path` comes from; `byDefault` where nobody wrote it. */
  origin(path: ValuePath, byDefault = 'default'): Origin {
    const text = pathText(path);
    const isSet = this.#set.some((set) => covers(set, text) || covers(text, set));
    if (isSet) return { from: 'set', text: '--set' };
    const found = this.#find(path);
    if (found !== null) {
      const { from, source, at } = found;
      const { line } = source.position(source.locate(at, 'value').start);
      return { from, text: `${source.file}:${line}${this.#variables(source, at)}` };
    }
    // What stands for `kafka:` where the pipeline does not say.
    const isInFile = this.#envFile?.names.has('KAFKA_BROKERS') === true;
    const isFromEnvironment = text === 'kafka.brokers' && (isInFile || (this.#env.KAFKA_BROKERS ?? '') !== '');
    if (isFromEnvironment) return { from: 'environment', text: this.#variable('KAFKA_BROKERS') };
    return { from: 'default', text: byDefault };
  }

  /** True where the value stands on the command line or in a file as it is: one value, and nothing in it filled in. */
  isPlain(path: ValuePath): boolean {
    if (this.origin(path).from === 'set') return true;
    const found = this.#find(path);
    const scalar = found?.source.scalar(found.at) ?? null;
    return scalar !== null && !String(scalar.value).includes('${');
  }

  /** The file that has the last word on the value at `path`, and its place there. */
  #find(path: ValuePath) {
    const project = this.#project;
    const inProject = (...above: readonly string[]) =>
      ({
        from: project === this.#pipeline ? 'pipeline' : 'project',
        source: project,
        at: [...above, ...path],
      }) as const;
    const places = [
      ...(this.#environment === null ? [] : [inProject('environments', this.#environment)]),
      { from: 'pipeline', source: this.#pipeline, at: path } as const,
      inProject(),
      inProject('defaults'),
    ];
    return places.find(({ source, at }) => source.has(at)) ?? null;
  }

  /** The variables a text is filled in from, by name: their values may be nobody's business. */
  #variables(source: YamlSource, path: ValuePath): string {
    const value = source.scalar(path)?.value;
    if (typeof value !== 'string') return '';
    const names = [...value.matchAll(/(?<!\$)\$\{(?:(file:[^}]*)|([A-Za-z_]\w*)[^}]*)\}/g)].map(
      ([, file, name = '']) => {
        if (file !== undefined) return file;
        return this.#variable(name);
      },
    );
    return names.length === 0 ? '' : ` ${names.join(', ')}`;
  }

  #variable(name: string): string {
    if (this.#envFile?.names.has(name) === true) return `$${name} (${this.#envFile.path})`;
    return this.#env[name] === undefined ? `$${name} (not set)` : `$${name}`;
  }
}

/** `sinks[0].postgres` covers itself and `sinks[0].postgres.table`. */
const covers = (above: string, path: string): boolean =>
  path === above || path.startsWith(`${above}.`) || path.startsWith(`${above}[`);
