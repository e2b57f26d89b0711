/**
 * What a JSON Schema says of the type of a value: the parts that draft 07 and 2020-12 share, `$ref` within the file. A
 * keyword that is not read only narrows what a value may be, so leaving it out is right, if less exact.
 * https://json-schema.org/draft/2020-12/json-schema-validation
 */
import { closest, isObjectType, type ObjectType, type Type } from '../expressions/index.ts';
import { unify } from '../expressions/check-types.ts';

export interface SchemaProblem {
  /** Where in the schema: `#/properties/id`. */
  readonly pointer: string;
  readonly message: string;
}

/** Deeper, and where a schema refers to itself, nothing is known. */
const depthMax = 100;

const simpleTypes = { string: 'string', integer: 'int', number: 'number', boolean: 'bool', null: 'null' } as const;
const typeNames = [...Object.keys(simpleTypes), 'array', 'object'];

type Mapping = Readonly<Record<string, unknown>>;
const isMapping = (value: unknown): value is Mapping =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** The type of a value that fits the schema. A field that the schema does not require may be absent, and any null. */
export function typeOfJsonSchema(schema: unknown): {
  readonly type: Type;
  readonly problems: readonly SchemaProblem[];
} {
  const reader = new SchemaReader(schema);
  return { type: reader.type(schema, '#', 0), problems: reader.problems };
}

class SchemaReader {
  readonly problems: SchemaProblem[] = [];
  readonly #root: unknown;
  /** By reference; null while it is being read. */
  readonly #referenced = new Map<string, Type | null>();

  constructor(root: unknown) {
    this.#root = root;
  }

  type(schema: unknown, at: string, depth: number): Type {
    if (typeof schema === 'boolean' || depth > depthMax) return 'dyn';
    if (!isMapping(schema)) return this.#problem(at, 'a schema is an object, true or false');
    const alternatives = (keyword: 'anyOf' | 'oneOf' | 'allOf') =>
      this.#list(schema[keyword], `${at}/${keyword}`).map((one, i) =>
        this.type(one, `${at}/${keyword}/${i}`, depth + 1),
      );
    const either = (types: readonly Type[]): Type => (types.length === 0 ? 'dyn' : types.reduce(unify));
    return [
      this.#own(schema, at, depth),
      schema.$ref === undefined ? 'dyn' : this.#reference(schema.$ref, `${at}/$ref`, depth),
      ...alternatives('allOf'),
      either(alternatives('anyOf')),
      either(alternatives('oneOf')),
    ].reduce(both);
  }

  #problem(pointer: string, message: string): 'dyn' {
    this.problems.push({ pointer, message });
    return 'dyn';
  }

  /** What the keywords of this schema say, without those that refer to others. */
  #own(schema: Mapping, at: string, depth: number): Type {
    const { type } = schema;
    if (type === undefined) {
      if ('const' in schema) return typeOfValue(schema.const);
      if (schema.enum !== undefined)
        return this.#list(schema.enum, `${at}/enum`).map(typeOfValue).reduce(unify, 'null');
      if ('properties' in schema || 'required' in schema) return this.#object(schema, at, depth);
      return 'items' in schema ? this.#array(schema, at, depth) : 'dyn';
    }
    const names = Array.isArray(type) ? (type as unknown[]) : [type];
    return names.map((name) => this.#named(name, schema, at, depth)).reduce(unify, 'null');
  }

  #named(name: unknown, schema: Mapping, at: string, depth: number): Type {
    if (name === 'object') return this.#object(schema, at, depth);
    if (name === 'array') return this.#array(schema, at, depth);
    if (typeof name === 'string' && Object.hasOwn(simpleTypes, name))
      return simpleTypes[name as keyof typeof simpleTypes];
    const near = typeof name === 'string' ? closest(name, typeNames) : undefined;
    const meant = near === undefined ? `known are ${typeNames.join(', ')}` : `did you mean "${near}"?`;
    return this.#problem(`${at}/type`, `${JSON.stringify(name)} is no type; ${meant}`);
  }

  #array({ items, prefixItems }: Mapping, at: string, depth: number): Type {
    // Lists whose elements differ by their place.
    if (items === undefined || prefixItems !== undefined || Array.isArray(items)) return { list: 'dyn' };
    return { list: this.type(items, `${at}/items`, depth + 1) };
  }

  #object(schema: Mapping, at: string, depth: number): Type {
    const { properties = {}, additionalProperties, patternProperties, required = [] } = schema;
    if (!isMapping(properties)) return this.#problem(`${at}/properties`, 'properties is an object of schemas');
    if (!Array.isArray(required)) {
      return this.#problem(`${at}/required`, 'required is a list of names, beside properties');
    }
    const entries = Object.entries(properties);
    if (entries.length === 0 && required.length === 0 && isMapping(additionalProperties) && !patternProperties) {
      return { map: this.type(additionalProperties, `${at}/additionalProperties`, depth + 1) };
    }
    const isClosed = additionalProperties === false && patternProperties === undefined;
    return {
      fields: Object.fromEntries(
        entries.map(([name, inner]) => [name, this.type(inner, `${at}/properties/${escaped(name)}`, depth + 1)]),
      ),
      ...(!isClosed && { open: true }),
      required: required.filter((name): name is string => typeof name === 'string'),
    };
  }

  #reference(reference: unknown, at: string, depth: number): Type {
    if (typeof reference !== 'string' || !/^#(?:\/|$)/.test(reference)) {
      return this.#problem(at, `${JSON.stringify(reference)} is not read: only references like #/$defs/NAME are`);
    }
    const known = this.#referenced.get(reference);
    if (known !== undefined) return known ?? 'dyn';
    const steps = reference.split('/').slice(1).map(unescaped);
    let target: unknown = this.#root;
    for (const step of steps) {
      target =
        typeof target === 'object' && target !== null && Object.hasOwn(target, step)
          ? (target as Mapping)[step]
          : undefined;
    }
    if (target === undefined) return this.#problem(at, `there is nothing at ${reference}`);
    this.#referenced.set(reference, null);
    const type = this.type(target, reference, depth + 1);
    this.#referenced.set(reference, type);
    return type;
  }

  #list(value: unknown, at: string): readonly unknown[] {
    if (value === undefined) return [];
    if (Array.isArray(value)) return value as unknown[];
    this.#problem(at, 'a list is needed here');
    return [];
  }
}

const escaped = (name: string): string => name.replaceAll('~', '~0').replaceAll('/', '~1');
const unescaped = (step: string): string => {
  const plain = step.replaceAll('~1', '/').replaceAll('~0', '~');
  try {
    return decodeURIComponent(plain);
  } catch {
    return plain;
  }
};

function typeOfValue(value: unknown): Type {
  switch (typeof value) {
    case 'string':
      return 'string';
    case 'boolean':
      return 'bool';
    case 'number':
    case 'bigint':
      return 'number';
    default:
      return value === null ? 'null' : 'dyn';
  }
}

/** The type of a value that is both. */
function both(a: Type, b: Type): Type {
  if (a === 'dyn') return b;
  if (!isObjectType(a) || !isObjectType(b)) return a;
  const required = [...new Set([...(a.required ?? []), ...(b.required ?? [])])];
  const open = a.open === true && b.open === true;
  return { fields: { ...a.fields, ...b.fields }, ...(open && { open }), required } satisfies ObjectType;
}
