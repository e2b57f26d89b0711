import { describe, expect, it } from 'vitest';
import { typeOfJsonSchema } from '../../src/codecs/json-schema.ts';

const typeOf = (schema: unknown) => {
  const { type, problems } = typeOfJsonSchema(schema);
  expect(problems).toEqual([]);
  return type;
};
const problemsOf = (schema: unknown) =>
  typeOfJsonSchema(schema).problems.map(({ pointer, message }) => `${pointer}: ${message}`);

describe('the type a JSON Schema stands for', () => {
  it.for([
    [{ type: 'string', format: 'date-time' }, 'string'],
    [{ type: 'integer' }, 'int'],
    [{ type: 'number' }, 'number'],
    [{ type: 'boolean' }, 'bool'],
    [{ type: 'null' }, 'null'],
    [{ type: ['string', 'null'] }, 'string'],
    [{ type: ['integer', 'number'] }, 'number'],
    [{ type: ['integer', 'string'] }, 'dyn'],
    [{ enum: ['a', 'b', null] }, 'string'],
    [{ enum: ['a', 1] }, 'dyn'],
    [{ const: true }, 'bool'],
    [{ type: 'array', items: { type: 'integer' } }, { list: 'int' }],
    [{ type: 'array' }, { list: 'dyn' }],
    [{ type: 'array', prefixItems: [{ type: 'integer' }], items: { type: 'string' } }, { list: 'dyn' }],
    [{ type: 'object', additionalProperties: { type: 'integer' } }, { map: 'int' }],
    [{ anyOf: [{ type: 'string' }, { type: 'null' }] }, 'string'],
    [{ oneOf: [{ type: 'string' }, { type: 'integer' }] }, 'dyn'],
    [{ type: 'string', anyOf: [{ minLength: 1 }, { pattern: 'a' }] }, 'string'],
    [true, 'dyn'],
    [{}, 'dyn'],
  ] as const)('%j is %j', ([schema, type]) => {
    expect(typeOf(schema)).toEqual(type);
  });

  it('an object is open, and none of its fields required, unless it says otherwise', () => {
    expect(typeOf({ type: 'object', properties: { a: { type: 'string' } } })).toEqual({
      fields: { a: 'string' },
      open: true,
      required: [],
    });
    expect(
      typeOf({ properties: { a: {}, b: {} }, required: ['a'], additionalProperties: false, minProperties: 1 }),
    ).toEqual({ fields: { a: 'dyn', b: 'dyn' }, required: ['a'] });
    expect(typeOf({ type: 'object', additionalProperties: false, patternProperties: { '^x': {} } })).toMatchObject({
      open: true,
    });
  });

  it('allOf is all of them together', () => {
    const named = { type: 'object', properties: { name: { type: 'string' } }, required: ['name'] };
    expect(
      typeOf({ ...named, allOf: [{ properties: { id: { type: 'integer' } }, additionalProperties: false }] }),
    ).toEqual({
      fields: { name: 'string', id: 'int' },
      required: ['name'],
    });
  });

  it('references are followed within the file, and no deeper where they lead back to themselves', () => {
    const node = {
      type: 'object',
      required: ['v'],
      properties: { v: { type: 'integer' }, 'next/one': { $ref: '#/$defs/node' } },
    };
    expect(typeOf({ $ref: '#/$defs/node', $defs: { node } })).toEqual({
      fields: { v: 'int', 'next/one': 'dyn' },
      open: true,
      required: ['v'],
    });
    expect(
      typeOf({ type: 'array', items: { $ref: '#/definitions/a~1b' }, definitions: { 'a/b': { type: 'string' } } }),
    ).toEqual({
      list: 'string',
    });
    expect(typeOf({ type: 'object', properties: { up: { $ref: '#' } } })).toMatchObject({
      fields: { up: { fields: { up: 'dyn' } } },
    });
  });

  it('references to references, a billion ways, are one type each', () => {
    const $defs: Record<string, unknown> = { n0: { type: 'string' } };
    for (let n = 1; n <= 40; n++) {
      const $ref = `#/$defs/n${n - 1}`;
      $defs[`n${n}`] = { properties: { a: { $ref }, b: { $ref } }, required: ['a', 'b'], additionalProperties: false };
    }
    let type = typeOf({ $ref: '#/$defs/n40', $defs });
    for (let n = 40; n > 0 && typeof type === 'object' && 'fields' in type; n--) type = type.fields.b!;
    expect(type).toBe('string');
  });

  it('what lies deeper than can be checked is not known, and nothing breaks', () => {
    let schema: unknown = { type: 'string' };
    for (let n = 0; n < 5000; n++) schema = { type: 'array', items: schema };
    expect(typeOf(schema)).toMatchObject({ list: { list: {} } });
  });

  it('a field called __proto__ is a field', () => {
    const type = typeOf(JSON.parse('{"properties":{"__proto__":{"type":"string"}},"additionalProperties":false}'));
    expect(Object.entries((type as { fields: object }).fields)).toEqual([['__proto__', 'string']]);
  });
});

describe('what is no schema is told with its place in it', () => {
  it.for([
    [{ properties: { a: { type: 'strng' } } }, '#/properties/a/type: "strng" is no type; did you mean "string"?'],
    [{ type: 'date' }, '#/type: "date" is no type; known are string, integer, number, boolean, null, array, object'],
    [{ properties: ['a'] }, '#/properties: properties is an object of schemas'],
    [{ properties: { 'a/b': 1 } }, '#/properties/a~1b: a schema is an object, true or false'],
    [
      { properties: { a: { required: true } } },
      '#/properties/a/required: required is a list of names, beside properties',
    ],
    [{ anyOf: { type: 'string' } }, '#/anyOf: a list is needed here'],
    [{ $ref: 'other.json#/a' }, '#/$ref: "other.json#/a" is not read: only references like #/$defs/NAME are'],
    [{ $ref: '#/$defs/a' }, '#/$ref: there is nothing at #/$defs/a'],
    [[], '#: a schema is an object, true or false'],
    ['string', '#: a schema is an object, true or false'],
  ] as const)('%j', ([schema, message]) => {
    expect(problemsOf(schema)).toEqual([message]);
  });
});
