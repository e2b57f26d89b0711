/**
 * The part of TypeBox that declarations use, with TypeBox's types and plain JSON Schema underneath. Loading the library
 * itself costs `validate` 90 ms, and all that is needed of it at run time is these few objects.
 *
 * Three things are stricter or plainer than in TypeBox: an object refuses unknown keys unless it says otherwise, a
 * property with a default is not required, and a union of literals is an `enum`, which editors complete better.
 */
import type { Type as TypeBox } from 'typebox';

type Schema = Record<string, unknown>;

// A symbol, so that JSON never shows it.
const optional = Symbol('optional');

const withType =
  (type: string) =>
  (options: Schema = {}): Schema => ({ type, ...options });

function object(properties: Record<string, Schema>, options: Schema = {}): Schema {
  const required = Object.keys(properties).filter((key) => {
    const property = properties[key] as Schema & { [optional]?: true };
    return property[optional] !== true && property.default === undefined;
  });
  return {
    type: 'object',
    properties,
    ...(required.length > 0 ? { required } : {}),
    additionalProperties: false,
    ...options,
  };
}

function union(members: readonly Schema[], options: Schema = {}): Schema {
  if (!members.every((member) => 'const' in member)) return { anyOf: members, ...options };
  const types = new Set(members.map((member) => member.type));
  return {
    ...(types.size === 1 ? { type: [...types][0] } : {}),
    enum: members.map((member) => member.const),
    ...options,
  };
}

const builders = {
  Any: (options: Schema = {}): Schema => ({ ...options }),
  Array: (items: Schema, options: Schema = {}): Schema => ({ type: 'array', items, ...options }),
  Boolean: withType('boolean'),
  Integer: withType('integer'),
  Literal: (value: string | number | boolean, options: Schema = {}): Schema => ({
    type: typeof value,
    const: value,
    ...options,
  }),
  Null: withType('null'),
  Number: withType('number'),
  Object: object,
  Optional: (schema: Schema): Schema => ({ ...schema, [optional]: true }),
  Record: (_key: Schema, value: Schema, options: Schema = {}): Schema => ({
    type: 'object',
    additionalProperties: value,
    ...options,
  }),
  String: withType('string'),
  Union: union,
  Unknown: (options: Schema = {}): Schema => ({ ...options }),
};

export const Type = builders as unknown as Pick<typeof TypeBox, keyof typeof builders>;
