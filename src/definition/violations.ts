/** One violation of a schema, in a sentence and with the way out. */
import type { ErrorObject } from 'ajv';
import { meaningKeyword, type Meaning } from '../declaration/options.ts';
import { parseDuration } from '../declaration/units.ts';
import { frame, isValueNotAvailableYet, isWordNotAvailableYet, projectFrame } from './frame.ts';
import { asJsonSchema, isMapping, type JsonSchema, jsonTypeOf } from './json-schema.ts';
import type { ValuePath } from './pipeline.ts';
import { pathText } from './problems.ts';
import { listed, suggestion } from './suggestion.ts';

export interface Explanation {
  readonly code: string;
  readonly message: string;
  readonly hint?: string;
  /** The key it is about, where that is not the value itself. */
  readonly key?: string | number;
  /** The key that was probably meant. */
  readonly meant?: string;
}

/** A kind of value that is a number with a unit. */
interface Unit {
  readonly what: string;
  readonly example: (number: string) => string;
  readonly forms: string;
  /** The unit of programs. */
  readonly small?: string;
}

const unitOf: Partial<Record<Meaning, Unit>> = {
  duration: { what: 'a duration', example: (number) => `${number}s`, forms: '500ms, 30s, 5m, 4h or 7d', small: 'ms' },
  size: { what: 'a size', example: (number) => `${number}MiB`, forms: '512KiB, 16MiB or 1GiB', small: 'B' },
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
  /** What is said of the option, where the schema itself says nothing. */
  readonly description: string | undefined;
}

export function explainViolation(violation: Violation): Explanation {
  const { error, schema } = violation;
  const explained = explain(violation);
  const description = schema.description ?? violation.description;
  const isHelped = description !== undefined && error.keyword !== 'required' && explained.code !== 'not_available';
  return { ...(isHelped ? { hint: description } : {}), ...explained };
}

function explain({ error, path, schema, value }: Violation): Explanation {
  const at = pathText(path) || 'the file';
  const params = error.params as Readonly<Record<string, unknown>>;
  switch (error.keyword) {
    case 'additionalProperties':
      return unknownKey(String(params.additionalProperty), path, schema, value);
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
      if (path.length === 1 && path[0] === 'format' && typeof value === 'number') return otherFormat(value);
      return isValueNotAvailableYet(path, value)
        ? { code: 'not_available', message: `${at}: ${String(value)} is not available in this version` }
        : wrongValue(at, schema.enum ?? [schema.const], value);
    case 'pattern':
      return wrongPattern(at, schema, String(value));
    case 'uniqueItems':
      return {
        code: 'value_wrong',
        message: `${at} has an entry twice`,
        hint: 'remove one of the two',
        key: Math.max(Number(params.i), Number(params.j)),
      };
    case 'minItems':
    case 'minProperties':
    case 'minLength':
      return {
        code: 'value_wrong',
        message: params.limit === 1 ? `${at} is empty` : `${at} ${error.message ?? 'is too short'}`,
      };
    case 'minimum':
    case 'maximum': {
      const most = error.keyword === 'minimum' ? 'least' : 'most';
      const message = `${at} must be at ${most} ${String(params.limit)}, but is ${String(value)}`;
      const isPercent = schema.maximum === 1 && typeof value === 'number' && value > 1 && value <= 100;
      return {
        code: 'value_wrong',
        message,
        ...(isPercent ? { hint: `it is a share: for ${value} % write ${value / 100}` } : {}),
      };
    }
    default:
      return { code: 'value_wrong', message: `${at} ${error.message ?? 'is not valid'}` };
  }
}

function unknownKey(key: string, path: ValuePath, schema: JsonSchema, parent: unknown): Explanation {
  const at = pathText([...path, key]);
  if (isWordNotAvailableYet(path, key)) return notAvailable(at, key);
  const allowed = Object.keys(schema.properties ?? {});
  const isTop = path.length === 0;
  const glued = /^([\w-]+):(?!\/\/)./.exec(key)?.[1];
  if (glued !== undefined && allowed.includes(glued)) {
    const hint = `the ":" after "${glued}" needs a space`;
    return { code: 'key_unknown', message: `${at} is unknown`, hint, key, meant: glued };
  }
  const near = suggestion(key, allowed);
  const below = isTop && near === null && isMapping(parent) ? parent[key] : undefined;
  if (isMapping(below) && ['source', 'sinks'].some((word) => allowed.includes(word) && Object.hasOwn(below, word))) {
    const hint = `remove "${key}:" and write what is below it at the start of the line`;
    return { code: 'key_unknown', message: `${at} is unknown: a file is one pipeline`, hint, key };
  }
  const misplaced = near !== null ? null : path.length > 0 ? tooDeep(at, key) : otherFile(key, schema);
  if (misplaced) return misplaced;
  return {
    code: 'key_unknown',
    message: `${at} is unknown${near === null ? '' : `; did you mean "${near}"?`}`,
    hint: near === null ? `known here: ${allowed.join(', ') || 'nothing'}` : `rename it to "${near}"`,
    key,
    ...(near === null ? {} : { meant: near }),
  };
}

function otherFormat(format: number): Explanation {
  return {
    code: 'value_wrong',
    message: `this file says it is of format ${format}, but this version of pipectl reads format 1 only`,
    hint: 'use the version of pipectl it was written for, or write `format: 1`',
  };
}

/** For a word of pipelines in the project file, or the other way round; null for other words. */
function otherFile(key: string, schema: JsonSchema): Explanation | null {
  const isProject = schema === asJsonSchema(projectFrame);
  if (!Object.hasOwn((isProject ? frame : projectFrame).properties, key)) return null;
  const isDefault = Object.hasOwn(asJsonSchema(projectFrame.properties.defaults).properties ?? {}, key);
  return {
    code: 'key_misplaced',
    message: isProject ? `${key}: is a word of pipelines, not of pipectl.yaml` : `${key}: is a word of pipectl.yaml`,
    hint: isProject
      ? `move it to the pipeline${isDefault ? ', or below "defaults:" for all of them' : ''}`
      : 'move it to a pipectl.yaml beside the pipeline or above it, or write here what it holds: a pipeline says it itself',
    key,
  };
}

/** For a word of the file itself that stands below another one; null for other words. */
export function tooDeep(at: string, key: string): Explanation | null {
  const isOfProject = /^(defaults|environments|conventions)\b/.test(at);
  if (isOfProject || !Object.hasOwn(frame.properties, key) || key === 'name' || key === 'format') return null;
  return {
    code: 'key_misplaced',
    message: `${at} stands too deep: \`${key}:\` is a word of the file itself`,
    hint: `write "${key}:" at the start of its line`,
    key,
  };
}

/** For words of the language that this version does not have. */
export function notAvailable(at: string, key: string): Explanation {
  return { code: 'not_available', message: `${at} is not available in this version`, key };
}

function wrongType(at: string, schema: JsonSchema, value: unknown): Explanation {
  const unit = unitOf[meaningsIn(schema).find((meaning) => meaning in unitOf) ?? 'expression'];
  if (unit && typeof value === 'number') return unitMissing(at, unit, String(value), schema);
  const expected = expectations(schema);
  const message = `${at} must be ${listed(expected)}, but is ${kindOf(value)}`;
  const isExpression = schema[meaningKeyword] === 'expression';
  if (isExpression && typeof value === 'object')
    return { code: 'type_wrong', message, hint: 'an expression that begins with [ or { must stand in quotes' };
  const text = typeof value === 'number' || typeof value === 'boolean';
  if (text && expected.some((word) => word === 'text'))
    return { code: 'type_wrong', message, hint: `write it as text: "${String(value)}"` };
  const percent = typeof value === 'string' ? /^(\d+(?:\.\d+)?) ?%$/.exec(value)?.[1] : undefined;
  if (percent !== undefined && schema.maximum === 1)
    return { code: 'type_wrong', message, hint: `write it as a share: ${Number(percent) / 100}` };
  if (value === false && expected.includes('"off"')) return { code: 'type_wrong', message, hint: 'write off' };
  const truth = typeof value === 'string' ? truths.get(value.toLowerCase()) : undefined;
  if (truth !== undefined && expected.includes('true or false'))
    return { code: 'type_wrong', message, hint: `write ${truth}, without quotes` };
  if (typeof value === 'string' && expected.some((word) => word.endsWith('number')) && /^\d{1,15}$/.test(value))
    return { code: 'type_wrong', message, hint: `write it without quotes: ${value}` };
  const hint = expected.includes('a list')
    ? listHint(schema, value)
    : Array.isArray(value) && at.endsWith('.topic')
      ? 'several are written as `topics:`'
      : expected.includes('a mapping')
        ? Array.isArray(value) && isNamed.test(at)
          ? 'write each under a name of its own: { NAME: ... }'
          : mappingHint(schema, value)
        : undefined;
  return { code: 'type_wrong', message, ...(hint === undefined ? {} : { hint }) };
}

/** Places whose entries stand under names. */
const isNamed = /^(sources|lookups|(environments\.[^.]+\.)?connections|environments)$/;

/** What YAML 1.1, and people, call true and false. */
const truths = new Map([
  ...['true', 'yes', 'on', 'y', '1'].map((word) => [word, true] as const),
  ...['false', 'no', 'off', 'n', '0'].map((word) => [word, false] as const),
]);

function listHint({ items }: JsonSchema, value: unknown): string | undefined {
  if (value === null)
    return isMapping(items) && items.type === 'string' ? undefined : 'write its entries below it, each after "- "';
  if (typeof value === 'string' && isMapping(items) && items.type === undefined) return 'begin each entry with "- "';
  if (typeof value === 'string') return `write it as a list: [${value.replaceAll(/^\[|\]$/g, '').slice(0, 40)}]`;
  if (!isMapping(value)) return undefined;
  return Object.keys(value)[0]?.startsWith('-') === true
    ? 'a "-" that begins an entry needs a space after it'
    : 'begin each entry with "- "';
}

function mappingHint(
  { properties = {}, required = [], minProperties = 0 }: JsonSchema,
  value: unknown,
): string | undefined {
  const keys = Object.keys(properties);
  switch (jsonTypeOf(value)) {
    case 'null':
      if (required.length > 0) return `it needs ${listed(required, 'and')}`;
      if (minProperties > 0) return 'write its entries below it, indented further';
      return keys.length === 0
        ? 'write {}'
        : `write its options below it (${listed(keys.slice(0, 6), 'or')}), or {} for none`;
    case 'array':
      if ((value as readonly unknown[]).every(isMapping)) return 'write it without "- "';
      return keys.length === 0 ? undefined : `write it as { ${keys[0]}: ... }`;
    default: {
      const [, word, sign] = (typeof value === 'string' ? /^(\w+)(:| *=)\s*\S/.exec(value) : null) ?? [];
      if (word !== undefined && keys.includes(word))
        return sign === ':' ? `the ":" after "${word}" needs a space` : `write "${word}: " in place of "${word} ="`;
      return keys.length === 0 ? undefined : `write it as { ${keys[0]}: ... }; known here: ${listed(keys, 'and')}`;
    }
  }
}

function unitMissing(at: string, unit: Unit, number: string, { default: usual }: JsonSchema): Explanation {
  // 30000 where 30s is usual is in milliseconds, 8388608 where 8MiB is usual in bytes.
  const isSmall = usual !== undefined && Number(number) >= 1000 && unit.small !== undefined;
  const example = isSmall ? number + unit.small : unit.example(number);
  return { code: 'unit_missing', message: `${at} is ${number}, but ${unit.what} needs a unit: ${example}` };
}

function wrongPattern(at: string, schema: JsonSchema, value: string): Explanation {
  const unit = unitOf[schema[meaningKeyword] ?? 'expression'];
  if (!unit) return { code: 'value_wrong', message: `${at} does not have the form it needs` };
  if (/^\d+(\.\d+)?$/.test(value)) return unitMissing(at, unit, value, schema);
  if (parseDuration(value) === 0) return { code: 'value_wrong', message: `${at} must be longer than ${value}` };
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
export function kindOf(value: unknown): string {
  if (value === null || value === undefined) return 'empty';
  if (Array.isArray(value)) return 'a list';
  if (isMapping(value)) return 'a mapping';
  if (typeof value === 'string') return value.length <= 24 && /^[\w.-]+$/.test(value) ? `"${value}"` : 'text';
  return typeof value === 'number' ? `the number ${value}` : JSON.stringify(value);
}
