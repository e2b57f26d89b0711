/** What the declarations say, in rows: for `pipectl docs` and the pages of `docs/reference`. */
import { parse } from 'yaml';
import { connectionKeyword } from '../declaration/connection.ts';
import type { Delivery } from '../declaration/component.ts';
import { type Meaning, meaningKeyword } from '../declaration/options.ts';
import { type Components, components as allComponents } from './components.ts';
import { besideSink, besideSource, besideStep, projectFrame } from './frame.ts';
import { asJsonSchema, isMapping, type JsonSchema } from './json-schema.ts';
import { fillDefaults } from './resolve.ts';
import { publishedSchemas } from './schema.ts';

export interface OptionRow {
  /** `table`, `guard.schema`. */
  readonly name: string;
  /** In words: `text`, `duration`, `upsert | append`. */
  readonly type: string;
  readonly required: boolean;
  /** As YAML writes it; null where there is none. */
  readonly default: string | null;
  readonly description: string;
}

export interface ComponentReference {
  /** `sink`, `step`. */
  readonly kind: string;
  readonly name: string;
  /** `sink.postgres`: how `pipectl docs` calls it. */
  readonly id: string;
  readonly summary: string;
  readonly example: string;
  /** What stands behind the component's name where that is not a mapping of options. */
  readonly value: OptionRow | null;
  readonly options: readonly OptionRow[];
  /** Kind of the connection whose options may stand among these. */
  readonly connection: string | null;
  /** Names of what stands beside it. */
  readonly beside: readonly string[];
  /** Of a sink as in its example, with everything that may have to be said. */
  readonly delivery: Delivery | null;
}

const besideOf: Readonly<Record<string, JsonSchema>> = {
  source: asJsonSchema(besideSource),
  step: asJsonSchema(besideStep),
  sink: asJsonSchema(besideSink),
};

/** Every component, kind by kind. */
export function componentReferences(components: Components = allComponents): readonly ComponentReference[] {
  const connections = new Map(components.connections.map(({ name, options }) => [name, asJsonSchema(options)]));
  return Object.values(components).flatMap((list: Components[keyof Components]) =>
    list.map((declaration): ComponentReference => {
      const { kind, name, summary, example } = declaration;
      const schema = asJsonSchema(declaration.options);
      const connection = schema[connectionKeyword] ?? null;
      const ofConnection = Object.keys(connections.get(connection ?? '')?.properties ?? {});
      const isMappingOfOptions = schema.properties !== undefined;
      const rows = optionRows(schema).filter((row) => !ofConnection.includes(row.name.split('.')[0]!));
      return {
        kind,
        name,
        id: `${kind}.${name}`,
        summary,
        example,
        value: isMappingOfOptions ? null : rowOf(name, schema, true),
        options: isMappingOfOptions ? rows : [],
        connection,
        beside: Object.keys(besideOf[kind]?.properties ?? {}),
        delivery:
          declaration.kind === 'sink'
            ? declaration.delivery(exampleOptions(example, name, schema) as never, unsure)
            : null,
      };
    }),
  );
}

/** Nothing is certain, so that a sink says all it has to say. */
const unsure = { versioned: false, keepsOrder: () => false };

function exampleOptions(example: string, name: string, { properties = {} }: JsonSchema): unknown {
  const options = (parse(example) as Readonly<Record<string, unknown>>)[name];
  return isMapping(options) ? fillDefaults(options, properties) : options;
}

export interface Section {
  readonly title: string;
  readonly rows: readonly OptionRow[];
}

/** The keys of a pipeline file, of what stands beside components, and of the project file. */
export function pipelineSections(components: Components = allComponents): readonly Section[] {
  const pipeline = publishedSchemas(components).get('pipeline.schema.json') ?? {};
  return [
    { title: 'The pipeline file', rows: optionRows(pipeline) },
    { title: 'Beside a source', rows: optionRows(besideOf.source!) },
    { title: 'Beside a step', rows: optionRows(besideOf.step!) },
    { title: 'Beside a sink', rows: optionRows(besideOf.sink!) },
    { title: 'The project file pipectl.yaml', rows: optionRows(asJsonSchema(projectFrame)) },
  ].filter(({ rows }) => rows.length > 0);
}

/** The options of an object, those of objects inside it too, with dotted names. */
export function optionRows(schema: JsonSchema, above = ''): readonly OptionRow[] {
  return Object.entries(schema.properties ?? {}).flatMap(([key, property]) => {
    const name = above === '' ? key : `${above}.${key}`;
    const own = rowOf(name, property, schema.required?.includes(key) === true);
    return isPlaceForComponents(property)
      ? [own]
      : [own, ...optionRows(objectIn(property), name), ...optionRows(namedObjectIn(property), `${name}.NAME`)];
  });
}

/** What stands under each name of a mapping of names. */
const namedObjectIn = ({ additionalProperties }: JsonSchema): JsonSchema =>
  typeof additionalProperties === 'object' && !isPlaceForComponents(additionalProperties) ? additionalProperties : {};

/** Components are described on pages of their own. */
const isPlaceForComponents = (schema: JsonSchema): boolean => 'oneOf' in schema || 'allOf' in schema;

const objectIn = (schema: JsonSchema): JsonSchema =>
  schema.properties === undefined ? (schema.anyOf?.find((member) => member.properties !== undefined) ?? {}) : schema;

const rowOf = (name: string, schema: JsonSchema, required: boolean): OptionRow => ({
  name,
  type: typeWords(schema),
  required: required && schema.default === undefined,
  default: schema.default === undefined ? null : literal(schema.default),
  description: schema.description ?? '',
});

const literal = (value: unknown): string => (typeof value === 'string' ? value : JSON.stringify(value));

const meanings: Readonly<Record<Meaning, string>> = {
  duration: 'duration',
  size: 'size',
  rate: 'rate',
  expression: 'expression',
  template: 'text with {expressions}',
  secret: 'secret text',
};

/** A schema's type in words. */
export function typeWords(schema: JsonSchema): string {
  const meaning = schema[meaningKeyword];
  if (meaning !== undefined) return meanings[meaning];
  if (isPlaceForComponents(schema)) return 'mapping';
  if (schema.enum !== undefined) return schema.enum.map(literal).join(' | ');
  if (schema.const !== undefined) return literal(schema.const);
  if (schema.anyOf !== undefined) return [...new Set(schema.anyOf.map(typeWords))].join(' or ');
  switch (schema.type) {
    case 'string':
      return 'text';
    case 'boolean':
      return 'true | false';
    case 'array':
      return Array.isArray(schema.items) ? 'list' : `list of ${typeWords((schema.items ?? {}) as JsonSchema)}`;
    case 'object':
      return isMapping(schema.additionalProperties)
        ? `mapping of names to ${typeWords(schema.additionalProperties as JsonSchema)}`
        : 'mapping';
    case undefined:
      return 'any value';
    default:
      return schema.type;
  }
}
