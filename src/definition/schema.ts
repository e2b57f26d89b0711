/**
 * Schemas made from the declarations: the published one, in which a step is any of the steps, and the one of a file at
 * hand, in which each place holds the component that is used there, so that a mistake gives one problem and not one per
 * alternative.
 */
import type { Components } from './components.ts';
import { besideSink, besideSource, besideStep, frame, projectFrame } from './frame.ts';
import { asJsonSchema, isMapping, type JsonSchema } from './json-schema.ts';
import type { ValuePath } from './pipeline.ts';
import { writtenSources } from './sources.ts';

const places = ['sources', 'steps', 'sinks', 'lookups', 'connections'] as const;
export type Place = (typeof places)[number];

const beside: Readonly<Record<Place, JsonSchema>> = {
  sources: asJsonSchema(besideSource),
  steps: asJsonSchema(besideStep),
  sinks: asJsonSchema(besideSink),
  lookups: { type: 'object', properties: {}, additionalProperties: false },
  connections: { type: 'object', properties: {}, additionalProperties: false },
};

/** Keys that stand beside a component. */
export const keysBeside = (place: Place): readonly string[] => Object.keys(beside[place].properties ?? {});

const referenceTo = (place: Place, component: string): string => `#/definitions/${place}.${component}`;

function definitionsOf(components: Components, of: readonly Place[] = places): Record<string, JsonSchema> {
  const definitions: Record<string, JsonSchema> = {};
  for (const place of of) {
    for (const { name, options } of components[place]) definitions[`${place}.${name}`] = asJsonSchema(options);
  }
  return definitions;
}

/** The entry of one place with the component it uses; without one, only what stands beside it is checked. */
function entrySchema(place: Place, value: unknown, components: Components): JsonSchema {
  const base = beside[place];
  if (!isMapping(value)) return base;
  const own = base.properties ?? {};
  const used = Object.keys(value).filter((key) => !(key in own));
  const first = used.find((key) => components[place].some(({ name }) => name === key));
  // Keys that are no component are told about where components are counted.
  const properties = used.map((key): [string, JsonSchema] => [
    key,
    first === key ? { $ref: referenceTo(place, key) } : {},
  ]);
  return { ...base, properties: { ...own, ...Object.fromEntries(properties) }, additionalProperties: false };
}

/** A source, with its own steps as they are. */
function sourceSchema(value: unknown, components: Components): JsonSchema {
  const entry = entrySchema('sources', value, components);
  const steps = isMapping(value) ? value.steps : undefined;
  return { ...entry, properties: { ...entry.properties, steps: listSchema('steps', steps, components) } };
}

function listSchema(place: 'steps' | 'sinks', value: unknown, components: Components): JsonSchema {
  const list = asJsonSchema(frame).properties?.[place];
  const isList = Array.isArray(value) && value.length > 0;
  return { ...list, ...(isList ? { items: value.map((entry) => entrySchema(place, entry, components)) } : {}) };
}

function namedSchemas(place: 'lookups' | 'connections', value: unknown, components: Components): JsonSchema {
  const entries = isMapping(value) ? Object.entries(value) : [];
  return {
    type: 'object',
    properties: Object.fromEntries(entries.map(([name, entry]) => [name, entrySchema(place, entry, components)])),
  };
}

/** Schema for exactly this pipeline file. */
export function schemaForPipeline(file: Readonly<Record<string, unknown>>, components: Components): JsonSchema {
  const sources = Object.entries(isMapping(file.sources) ? file.sources : {});
  return withDefinitions(asJsonSchema(frame), definitionsOf(components), {
    source: sourceSchema(file.source, components),
    sources: {
      type: 'object',
      properties: Object.fromEntries(sources.map(([name, entry]) => [name, sourceSchema(entry, components)])),
    },
    steps: listSchema('steps', file.steps, components),
    sinks: listSchema('sinks', file.sinks, components),
    lookups: namedSchemas('lookups', file.lookups, components),
    connections: namedSchemas('connections', file.connections, components),
    kafka: kafkaSchema(components),
  });
}

/** Schema for exactly this project file. */
export function schemaForProject(file: Readonly<Record<string, unknown>>, components: Components): JsonSchema {
  const environments = Object.entries(isMapping(file.environments) ? file.environments : {});
  return withDefinitions(asJsonSchema(projectFrame), definitionsOf(components), {
    lookups: namedSchemas('lookups', file.lookups, components),
    connections: namedSchemas('connections', file.connections, components),
    environments: {
      type: 'object',
      properties: Object.fromEntries(
        environments.map(([name, own]) => {
          const connections = isMapping(own) ? own.connections : undefined;
          return [name, environmentSchema(namedSchemas('connections', connections, components))];
        }),
      ),
    },
  });
}

/** What an environment may hold, with what its connections may be. */
function environmentSchema(connections: JsonSchema): JsonSchema {
  const own = asJsonSchema(projectFrame.properties.environments).additionalProperties as JsonSchema;
  return { ...own, properties: { ...own.properties, connections: { ...own.properties?.connections, ...connections } } };
}

/** `kafka:` at the top is short for the connection of that name. */
function kafkaSchema(components: Components): JsonSchema | undefined {
  const exists = components.connections.some(({ name }) => name === 'kafka');
  return exists ? { $ref: referenceTo('connections', 'kafka') } : undefined;
}

function withDefinitions(
  base: JsonSchema,
  definitions: Readonly<Record<string, JsonSchema>> | undefined,
  properties: Readonly<Record<string, JsonSchema | undefined>>,
): JsonSchema {
  const given = Object.entries(properties).filter((entry): entry is [string, JsonSchema] => entry[1] !== undefined);
  return {
    ...base,
    properties: { ...base.properties, ...Object.fromEntries(given) },
    ...(definitions ? { definitions } : {}),
  };
}

/** A piece of a file with the schema it must fit: the frame, what stands beside a component, its options. */
export interface Part {
  readonly path: ValuePath;
  readonly value: unknown;
  /** Key of the schema in `partSchemas`. */
  readonly id: string;
  readonly schema: JsonSchema;
}

/** The pieces of a pipeline or project file. Each has a schema of its own, so that each can be compiled beforehand. */
export function partsOf(
  file: Readonly<Record<string, unknown>>,
  kind: 'pipeline' | 'project',
  components: Components,
): readonly Part[] {
  const parts: Part[] = [
    {
      path: [],
      value: file,
      ...(kind === 'pipeline'
        ? framePart(components, Object.hasOwn(file, 'sources'))
        : { id: kind, schema: asJsonSchema(projectFrame) }),
    },
  ];
  const add = (place: Place, entry: unknown, path: ValuePath) => {
    const base = beside[place];
    const own = isMapping(entry)
      ? Object.fromEntries(Object.entries(entry).filter(([key]) => key in (base.properties ?? {})))
      : entry;
    parts.push({ path, value: own, id: place, schema: base });
    const used = isMapping(entry) ? components[place].find(({ name }) => Object.hasOwn(entry, name)) : undefined;
    if (used && isMapping(entry))
      parts.push({ path: [...path, used.name], value: entry[used.name], ...optionsPart(place, used) });
  };
  if (kind === 'pipeline') {
    const addEach = (place: 'steps' | 'sinks', list: unknown, path: ValuePath) => {
      if (Array.isArray(list)) for (const [index, entry] of list.entries()) add(place, entry, [...path, index]);
    };
    for (const { entry, path } of writtenSources(file)) {
      add('sources', entry, path);
      if (isMapping(entry)) addEach('steps', entry.steps, [...path, 'steps']);
    }
    for (const place of ['steps', 'sinks'] as const) addEach(place, file[place], [place]);
    const kafka = components.connections.find(({ name }) => name === 'kafka');
    if (kafka && file.kafka !== undefined)
      parts.push({ path: ['kafka'], value: file.kafka, ...optionsPart('connections', kafka) });
  }
  for (const place of ['lookups', 'connections'] as const) {
    const named = file[place];
    if (isMapping(named)) for (const [name, entry] of Object.entries(named)) add(place, entry, [place, name]);
  }
  for (const [name, own] of Object.entries(
    kind === 'project' && isMapping(file.environments) ? file.environments : {},
  )) {
    const connections = isMapping(own) && isMapping(own.connections) ? Object.entries(own.connections) : [];
    for (const [connection, entry] of connections)
      add('connections', entry, ['environments', name, 'connections', connection]);
  }
  return parts;
}

const optionsPart = (place: Place, { name, options }: Components[Place][number]): Pick<Part, 'id' | 'schema'> => ({
  id: `${place}.${name}`,
  schema: asJsonSchema(options),
});

/** Every schema that `partsOf` can give, by its id. */
export function partSchemas(components: Components): ReadonlyMap<string, JsonSchema> {
  const options = places.flatMap((place) => components[place].map((component) => optionsPart(place, component)));
  const parts = [framePart(components, false), framePart(components, true), ...options];
  return new Map([
    ['project', asJsonSchema(projectFrame)],
    ...Object.entries(beside),
    ...parts.map(({ id, schema }) => [id, schema] as const),
  ]);
}

const frames = new WeakMap<Components, Readonly<Record<string, JsonSchema>>>();

/** Of a file with `sources:` or with `source:`, so that what is missing is the one that was meant. */
function framePart(components: Components, hasSources: boolean): Pick<Part, 'id' | 'schema'> {
  let made = frames.get(components);
  if (made === undefined) {
    made = { pipeline: frameSchema(components, false), merging: frameSchema(components, true) };
    frames.set(components, made);
  }
  const id = hasSources ? 'merging' : 'pipeline';
  return { id, schema: made[id]! };
}

function frameSchema(components: Components, hasSources: boolean): JsonSchema {
  const { required = [], ...base } = asJsonSchema(frame);
  const needed = hasSources ? required.map((key) => (key === 'source' ? 'sources' : key)) : required;
  return withDefinitions({ ...base, required: needed }, undefined, { kafka: kafkaSchema(components) && {} });
}

const generated = {
  $schema: 'http://json-schema.org/draft-07/schema#',
  $comment: 'Generated by `npm run schemas` from the declarations in src. Do not edit.',
};

/** Everything under `schemas/`, by file name. */
export function publishedSchemas(components: Components): ReadonlyMap<string, JsonSchema> {
  const files = new Map<string, JsonSchema>();
  const any = (place: Place): JsonSchema => {
    const base = beside[place];
    const members = components[place];
    // Each component among the properties lets editors complete it; `oneOf` says that there is exactly one.
    const properties = Object.fromEntries(
      members.map(({ name, summary }): [string, JsonSchema] => [
        name,
        { description: summary, allOf: [{ $ref: referenceTo(place, name) }] },
      ]),
    );
    return {
      ...base,
      properties: { ...properties, ...base.properties },
      additionalProperties: false,
      ...(members.length > 0 ? { oneOf: members.map(({ name }) => ({ required: [name] })) } : {}),
    };
  };
  const kafka = kafkaSchema(components);
  const connections = { ...asJsonSchema(frame).properties?.connections, additionalProperties: any('connections') };
  const environments = {
    ...asJsonSchema(projectFrame).properties?.environments,
    additionalProperties: environmentSchema({ additionalProperties: any('connections') }),
  };
  const steps = (of: JsonSchema): JsonSchema => ({ ...of.properties?.steps, items: any('steps') });
  const anySource = any('sources');
  const source = { ...anySource, properties: { ...anySource.properties, steps: steps(asJsonSchema(besideSource)) } };
  // Under its own key a source has its name there.
  const { name: _, ...besideName } = source.properties as Record<string, JsonSchema>;
  const { required = [], ...base } = asJsonSchema(frame);
  const oneOf = [{ required: ['source'] }, { required: ['sources'] }];
  const always = required.filter((key) => key !== 'source');
  const pipeline = withDefinitions({ ...base, required: always, oneOf }, definitionsOf(components), {
    source,
    sources: { ...base.properties?.sources, additionalProperties: { ...source, properties: besideName } },
    steps: steps(base),
    sinks: { ...asJsonSchema(frame).properties?.sinks, items: any('sinks') },
    lookups: { ...asJsonSchema(frame).properties?.lookups, additionalProperties: any('lookups') },
    connections,
    environments,
    kafka: kafka && {
      description: 'The Kafka cluster: short for `connections: { kafka: { kafka: ... } }`.',
      allOf: [kafka],
    },
  });
  files.set('pipeline.schema.json', { ...generated, title: 'pipectl pipeline', ...pipeline });
  const lookups = { ...asJsonSchema(frame).properties?.lookups, additionalProperties: any('lookups') };
  const project = withDefinitions(asJsonSchema(projectFrame), definitionsOf(components, ['connections', 'lookups']), {
    connections,
    lookups,
    environments,
  });
  files.set('project.schema.json', { ...generated, title: 'pipectl project (pipectl.yaml)', ...project });
  for (const place of places) {
    for (const { name, summary, options, example } of components[place]) {
      files.set(`${place}/${name}.schema.json`, {
        ...generated,
        title: name,
        description: summary,
        examples: [example],
        ...asJsonSchema(options),
      });
    }
  }
  return files;
}
