/** Which connection each component uses: by name, by options among its own, or Kafka's default. */
import { connectionKeyword } from '../declaration/connection.ts';
import type { Components } from './components.ts';
import { asJsonSchema, isMapping, type JsonSchema } from './json-schema.ts';
import type { ConnectionUse, ValuePath } from './pipeline.ts';
import { pathText, type ProblemList } from './problems.ts';
import { fillDefaults } from './resolve.ts';
import { writtenSources } from './sources.ts';
import { listed, suggestion } from './suggestion.ts';

/** `{ serving: { postgres: {...} } }`, which stands at `path`, as connections by their name. */
export function connectionUses(entries: unknown, path: ValuePath): Record<string, ConnectionUse> {
  const uses: Record<string, ConnectionUse> = {};
  for (const [name, entry] of Object.entries(isMapping(entries) ? entries : {})) {
    const [kind] = isMapping(entry) ? Object.keys(entry) : [];
    if (kind === undefined) continue;
    const options = (entry as Record<string, unknown>)[kind];
    uses[name] = { kind, options: isMapping(options) ? options : {}, path: [...path, name, kind] };
  }
  return uses;
}

/** `kafka:` of the pipeline, else what the environment says, else this machine; null where no component is Kafka's. */
export function defaultKafka(
  inPipeline: unknown,
  env: Readonly<Record<string, string | undefined>>,
  components: Components,
): ConnectionUse | null {
  const declared = components.connections.find(({ name }) => name === 'kafka');
  if (!declared) return null;
  if (isMapping(inPipeline)) return { kind: 'kafka', options: inPipeline, path: ['kafka'] };
  const brokers = env.KAFKA_BROKERS || 'localhost:9092';
  const { properties = {} } = asJsonSchema(declared.options);
  return { kind: 'kafka', options: fillDefaults({ brokers }, properties), path: ['kafka'] };
}

/** The connections that a pipeline, as it is written, names or takes by default; null where that is not certain. */
export function connectionsNamedIn(
  pipeline: Readonly<Record<string, unknown>>,
  components: Components,
): ReadonlySet<string> | null {
  const { sinks, lookups } = pipeline;
  const names = new Set<string>();
  for (const [place, entry] of [
    ...writtenSources(pipeline).map(({ entry }) => ['sources', entry] as const),
    ...(Array.isArray(sinks) ? sinks.map((sink: unknown) => ['sinks', sink] as const) : []),
    ...(isMapping(lookups) ? Object.values(lookups).map((lookup) => ['lookups', lookup] as const) : []),
  ]) {
    if (!isMapping(entry)) return null;
    for (const { name, options: schema } of components[place]) {
      const options = entry[name];
      if (!isMapping(options)) continue;
      if (typeof options.connection === 'string') names.add(options.connection);
      else if (asJsonSchema(schema)[connectionKeyword] === 'kafka') names.add('kafka');
    }
  }
  return [...names].some((name) => name.includes('${')) ? null : names;
}

/** The connections of a pipeline as its components come to use them. */
export class ConnectionUses {
  readonly all: Record<string, ConnectionUse>;
  readonly #components: Components;
  readonly #problems: ProblemList;
  readonly #kafka: ConnectionUse | null;
  readonly #environmentsWith: (name: string) => readonly string[];

  /**
   * `kafka` is what a component gets that needs Kafka and says nothing; `environmentsWith` tells which environments have
   * a connection that is not there.
   */
  constructor(
    named: Readonly<Record<string, ConnectionUse>>,
    kafka: ConnectionUse | null,
    components: Components,
    problems: ProblemList,
    environmentsWith: (name: string) => readonly string[],
  ) {
    this.all = { ...named };
    this.#environmentsWith = environmentsWith;
    this.#kafka = kafka;
    this.#components = components;
    this.#problems = problems;
  }

  /**
   * Options in which `connection` holds the name of a connection of the right kind. Options of the connection that stand
   * among the component's own become a connection named after their place.
   */
  settle(options: unknown, schema: JsonSchema, path: ValuePath): unknown {
    const kind = schema[connectionKeyword];
    if (kind === undefined || !isMapping(options)) return options;
    const declared = this.#components.connections.find(({ name }) => name === kind);
    const connectionSchema = declared ? asJsonSchema(declared.options) : {};
    const own: Record<string, unknown> = {};
    const inPlace: Record<string, unknown> = {};
    for (const [key, value] of Object.entries(options)) {
      (Object.hasOwn(connectionSchema.properties ?? {}, key) ? inPlace : own)[key] = value;
    }
    const moved = Object.keys(inPlace);
    const name = typeof own.connection === 'string' ? own.connection : undefined;
    if (name !== undefined) {
      if (moved[0] !== undefined) this.#twice(moved[0], path);
      this.#checkReference(name, kind, [...path, 'connection']);
      return own;
    }
    if (moved.length === 0) {
      // What is taken for an option of the connection has been told already.
      const isMeant = Object.keys(own).some(
        (key) =>
          !Object.hasOwn(schema.properties ?? {}, key) &&
          Object.hasOwn(connectionSchema.properties ?? {}, suggestion(key, Object.keys(schema.properties ?? {})) ?? ''),
      );
      return { ...own, connection: isMeant ? kind : this.#default(kind, path, connectionSchema) };
    }
    const missing = connectionSchema.required?.find((key) => !Object.hasOwn(inPlace, key));
    if (missing !== undefined) {
      const hint = 'or name a connection: `connection: NAME`';
      this.#problems.at(path, 'key_missing', `${pathText(path)} needs \`${missing}\``, { on: 'key', hint });
    }
    const placeName = pathText(path);
    this.all[placeName] = { kind, options: fillDefaults(inPlace, connectionSchema.properties ?? {}), path };
    return { ...own, connection: placeName };
  }

  #twice(key: string, path: ValuePath): void {
    const message = `${pathText([...path, key])} is an option of the connection, which \`connection\` names already`;
    this.#problems.at([...path, key], 'connection_twice', message, { on: 'key', hint: 'keep one of the two' });
  }

  #default(kind: string, path: ValuePath, schema: JsonSchema): string {
    if (kind === 'kafka' && this.#kafka) {
      this.all.kafka ??= this.#kafka;
      this.#checkReference('kafka', kind, path);
      return 'kafka';
    }
    const named = this.#named(kind);
    const key = schema.required?.[0];
    const inPlace = key === undefined ? '' : `, or \`${key}: ...\` here`;
    const hint = `write \`connection: ${named[0] ?? 'NAME'}\`${inPlace}`;
    this.#problems.at(path, 'connection_missing', `${pathText(path)} does not say which ${kind} it connects to`, {
      on: 'key',
      hint,
    });
    return kind;
  }

  #checkReference(name: string, kind: string, path: ValuePath): void {
    const use = Object.hasOwn(this.all, name) ? this.all[name] : undefined;
    if (use?.kind === kind) return;
    const named = this.#named(kind);
    if (use) {
      const message = `${name} is a ${use.kind} connection, but ${kind} is needed here`;
      const hint =
        named.length > 0
          ? `${kind} connections: ${listed(named, 'and')}`
          : `add one: \`connections: { NAME: { ${kind}: ... } }\``;
      return this.#problems.at(path, 'connection_kind', message, { hint });
    }
    const environments = this.#environmentsWith(name);
    if (environments.length > 0) {
      const message = `there is no connection "${name}" but in environment ${listed(environments)}`;
      return this.#problems.at(path, 'connection_unknown', message, {
        hint: `choose one: --env ${environments[0]!}, or add it under \`connections:\``,
      });
    }
    const near = suggestion(name, named);
    const message = `there is no connection "${name}"${near === null ? '' : `; did you mean "${near}"?`}`;
    const hint =
      named.length > 0
        ? `${kind} connections: ${listed(named, 'and')}`
        : `add it: \`connections: { ${name}: { ${kind}: ... } }\``;
    this.#problems.at(path, 'connection_unknown', message, { hint });
  }

  #named(kind: string): readonly string[] {
    return Object.keys(this.all).filter((name) => this.all[name]?.kind === kind && !name.includes('['));
  }
}
