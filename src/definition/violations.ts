/** One violation of a schema, in a sentence and with the way out. */
import type { ErrorObject } from 'ajv';
import { meaningKeyword, type Meaning } from '../declaration/options.ts';
import { notAvailableYet } from './frame.ts';
import { isMapping, type JsonSchema } from './json-schema.ts';
import type { ValuePath } from './pipeline.ts';
import { pathText } from './problems.ts';
import { listed, suggestion } from './suggestion.ts';

export interface Explanation {
  readonly code: string;
  readonly message: string;
  readonly hint?: string;
  /** The key it is about, where that is not the value itself. */
  readonly key?: string;
  /** The key that was probably meant. */
  readonly meant?: string;
}

const unitOf: Partial<
  Record<Meaning, { readonly what: string; readonly example: (number: string) => string; readonly forms: string }>
> = {
  duration: { what: 'a duration', example: (number) => `${number}s`, forms: '500ms, 30s, 5m, 4h or 7d' },
  size: { what: 'a size', example: (number) => `${number}MiB`, forms: '512KiB, 16MiB or 1GiB' },
  rate: { what: 'a rate', example: (number) => `${number}/s`, forms: '500/s or 10/m' },
};

/** An error of ajv with what it is about. The keyword `alternatives` stands for "none of these fits". */
export interface Violation {
  readonly error: ErrorObject;
  /** From the root of the file. */
  readonly path: ValuePath;
  /** The schema the keyword stands in. */
  readonly schema: JsonSchema;
  readonly value: unknown;
}

export function explainViolation(violation: Violation): Explanation {
  const { error, schema } = violation;
  const explained = explain(violation);
  const { description } = schema;
  return { ...(description !== undefined && error.keyword !== 'required' ? { hint: description } : {}), ...explained };
}

function explain({ error, path, schema, value }: Violation): Explanation {
  const at = pathText(path) || 'the file';
  const params = error.params as Readonly<Record<string, unknown>>;
  switch (error.keyword) {
    case 'additionalProperties':
      return unknownKey(String(params.additionalProperty), path, schema);
    case 'required': {
      const key = String(params.missingProperty);
      const description = schema.properties?.[key]?.description;
      const message = path.length === 0 ? `the file needs \`${key}:\`` : `${at} needs \`${key}\``;
      return { code: 'key_missing', message, ...(description === undefined ? {} : { hint: `${key}: ${description}` }) };
    }
    case 'type':
    case 'alternatives':
      return wrongType(at, schema, value);
    case 'enum':
    case 'const':
      return wrongValue(at, schema.enum ?? [schema.const], value);
    case 'pattern':
      return wrongPattern(at, schema, String(value));
    case 'minItems':
    case 'minProperties':
    case 'minLength':
      return {
        code: 'value_wrong',
        message: params.limit === 1 ? `${at} is empty` : `${at} ${error.message ?? 'is too short'}`,
      };
    default:
      return { code: 'value_wrong', message: `${at} ${error.message ?? 'is not valid'}` };
  }
}

function unknownKey(key: string, path: ValuePath, schema: JsonSchema): Explanation {
  const at = pathText([...path, key]);
  const place = String(path[0] ?? '');
  if (path.length < 2 && notAvailableYet[place]?.includes(key)) return notAvailable(at, key);
  if (path.length === 2 && typeof path[1] === 'number' && notAvailableYet[place]?.includes(key))
    return notAvailable(at, key);
  const allowed = Object.keys(schema.properties ?? {});
  const near = suggestion(key, allowed);
  return {
    code: 'key_unknown',
    message: `${at} is unknown${near === null ? '' : `; did you mean "${near}"?`}`,
    hint: near === null ? `known here: ${allowed.join(', ') || 'nothing'}` : `rename it to "${near}"`,
    key,
    ...(near === null ? {} : { meant: near }),
  };
}

/** For words of the language that this version does not have. */
export function notAvailable(at: string, key: string): Explanation {
  return { code: 'not_available', message: `${at} is not available in this version`, key };
}

function wrongType(at: string, schema: JsonSchema, value: unknown): Explanation {
  const unit = unitOf[meaningsIn(schema).find((meaning) => meaning in unitOf) ?? 'expression'];
  if (unit && typeof value === 'number') return unitMissing(at, unit, String(value));
  const expected = expectations(schema);
  const message = `${at} must be ${listed(expected)}, but is ${kindOf(value)}`;
  const isExpression = schema[meaningKeyword] === 'expression';
  if (isExpression && typeof value === 'object')
    return { code: 'type_wrong', message, hint: 'an expression that begins with [ or { must stand in quotes' };
  const text = typeof value === 'number' || typeof value === 'boolean';
  if (text && expected.some((word) => word === 'text'))
    return { code: 'type_wrong', message, hint: `write it as text: "${String(value)}"` };
  if (typeof value === 'string' && expected.includes('a list'))
    return { code: 'type_wrong', message, hint: `write it as a list: [${value.slice(0, 40)}]` };
  return { code: 'type_wrong', message };
}

function unitMissing(
  at: string,
  unit: { readonly what: string; readonly example: (number: string) => string },
  number: string,
): Explanation {
  return {
    code: 'unit_missing',
    message: `${at} is ${number}, but ${unit.what} needs a unit: ${unit.example(number)}`,
  };
}

function wrongPattern(at: string, schema: JsonSchema, value: string): Explanation {
  const unit = unitOf[schema[meaningKeyword] ?? 'expression'];
  if (!unit) return { code: 'value_wrong', message: `${at} does not have the form it needs` };
  if (/^\d+(\.\d+)?$/.test(value)) return unitMissing(at, unit, value);
  return {
    code: 'value_wrong',
    message: `${at} is not ${unit.what}: "${value.slice(0, 40)}"`,
    hint: `write it as ${unit.forms}`,
  };
}

function wrongValue(at: string, values: readonly unknown[], value: unknown): Explanation {
  const words = values.map(String);
  const near = typeof value === 'string' ? suggestion(value, words) : null;
  const message = `${at} must be ${listed(words)}, but is ${kindOf(value)}`;
  return { code: 'value_wrong', message, ...(near === null ? {} : { hint: `did you mean "${near}"?` }) };
}

function meaningsIn(schema: JsonSchema): readonly Meaning[] {
  const own = schema[meaningKeyword];
  return [...(own === undefined ? [] : [own]), ...(schema.anyOf ?? []).flatMap(meaningsIn)];
}

/** What a schema accepts, in words. */
function expectations(schema: JsonSchema): readonly string[] {
  const meaning = schema[meaningKeyword];
  if (meaning === 'expression') return ['an expression', 'a number', 'true', 'false'];
  const unit = meaning && unitOf[meaning];
  if (unit) return [`${unit.what} (${unit.forms})`];
  if (schema.anyOf) return [...new Set(schema.anyOf.flatMap(expectations))];
  if (schema.enum ?? schema.const) return (schema.enum ?? [schema.const]).map((value) => JSON.stringify(value));
  const words: Readonly<Record<string, string>> = {
    string: 'text',
    number: 'a number',
    integer: 'a whole number',
    boolean: 'true or false',
    array: 'a list',
    object: 'a mapping',
    null: 'empty',
  };
  return [words[schema.type ?? ''] ?? 'something else'];
}

/** What a value is, in words. Never the text itself: it may be a secret. */
function kindOf(value: unknown): string {
  if (value === null || value === undefined) return 'empty';
  if (Array.isArray(value)) return 'a list';
  if (isMapping(value)) return 'a mapping';
  if (typeof value === 'string') return value.length <= 24 && /^[\w.-]+$/.test(value) ? `"${value}"` : 'text';
  return typeof value === 'number' ? `the number ${value}` : JSON.stringify(value);
}
