/**
 * Walks a file's plain value along its schema: interpolates, fills defaults in, collects what must never be printed. What
 * the schema calls an expression is left alone: `${` has no meaning there.
 */
import { meaningKeyword } from '../declaration/options.ts';
import { interpolate, type InterpolationSources } from './interpolation.ts';
import { isMapping, type JsonSchema, jsonTypeOf } from './json-schema.ts';
import { isCutOff, quoteHint } from './meant-value.ts';
import type { ValuePath } from './pipeline.ts';
import { pathText, type ProblemList, type Replacement } from './problems.ts';
import type { YamlSource } from './yaml-source.ts';

export interface ResolveContext {
  readonly schema: JsonSchema;
  readonly source: YamlSource;
  readonly problems: ProblemList;
  readonly interpolation: InterpolationSources;
  /** Receives secret values. */
  readonly secrets: Set<string>;
  /** Receives every expression of the file. */
  readonly expressions: WrittenExpression[];
  /** True for values that do not come to be used: what is not set there is unknown, and secret files stay closed. */
  readonly isOptional?: (path: ValuePath) => boolean;
}

/** An expression as it stands in the file. */
export interface WrittenExpression {
  readonly path: ValuePath;
  readonly text: unknown;
}

/** A copy of `value` with everything filled in. Values that are not known keep their `${...}` and are ignored from then on. */
export function resolveValue(value: unknown, context: ResolveContext): unknown {
  return resolve(value, context.schema, [], context);
}

function resolve(value: unknown, schema: JsonSchema | undefined, path: ValuePath, context: ResolveContext): unknown {
  const fitting = schema && fittingSchema(schema, value, context.schema);
  if (fitting?.[meaningKeyword] === 'expression') {
    warnOfComment(path, context);
    if (value === null) reportEmpty(path, context);
    if (!isMapping(value) && !Array.isArray(value)) context.expressions.push({ path, text: value });
    return value;
  }
  if (typeof value === 'string') return resolveText(value, schema, fitting, path, context);
  if (Array.isArray(value)) {
    const { items } = fitting ?? {};
    return value.map((item, index) =>
      resolve(item, Array.isArray(items) ? items[index] : (items as JsonSchema), [...path, index], context),
    );
  }
  if (!isMapping(value)) return value;
  const { properties = {}, additionalProperties } = fitting ?? {};
  const rest = typeof additionalProperties === 'object' ? additionalProperties : undefined;
  const result: Record<string, unknown> = {};
  for (const [key, entry] of Object.entries(value)) {
    const own = Object.hasOwn(properties, key) ? properties[key] : rest;
    result[key] = resolve(entry, own, [...path, key], context);
  }
  return fillDefaults(result, properties);
}

/** Adds what is missing and has a default. */
export function fillDefaults(
  value: Record<string, unknown>,
  properties: Readonly<Record<string, JsonSchema>>,
): Record<string, unknown> {
  for (const [key, property] of Object.entries(properties)) {
    if (property.default === undefined || Object.hasOwn(value, key)) continue;
    const filled: unknown = structuredClone(property.default);
    value[key] = isMapping(filled) ? fillDefaults(filled, property.properties ?? {}) : filled;
  }
  return value;
}

/** Follows references and, among alternatives, takes the one that has the value's type and the most of its keys. */
export function fittingSchema(schema: JsonSchema, value: unknown, root: JsonSchema): JsonSchema {
  if (schema.$ref !== undefined) {
    const target = root.definitions?.[schema.$ref.slice('#/definitions/'.length)];
    return target ? fittingSchema(target, value, root) : {};
  }
  if (schema.anyOf === undefined || schema[meaningKeyword] !== undefined) return schema;
  const members = schema.anyOf
    .map((member) => fittingSchema(member, value, root))
    .filter((member) => hasType(member, value));
  const keys = isMapping(value) ? Object.keys(value) : [];
  const known = (member: JsonSchema) => keys.filter((key) => Object.hasOwn(member.properties ?? {}, key)).length;
  return members.toSorted((a, b) => known(b) - known(a))[0] ?? {};
}

function hasType(schema: JsonSchema, value: unknown): boolean {
  const type = jsonTypeOf(value);
  if (schema[meaningKeyword] === 'expression') return type !== 'object' && type !== 'array';
  return schema.type === undefined || schema.type === type || (schema.type === 'number' && type === 'integer');
}

function resolveText(
  text: string,
  schema: JsonSchema | undefined,
  fitting: JsonSchema | undefined,
  path: ValuePath,
  context: ResolveContext,
): unknown {
  const { problems, secrets } = context;
  const isOptional = context.isOptional?.(path) === true;
  const done = interpolate(text, isOptional ? { ...context.interpolation, mode: 'validate' } : context.interpolation);
  for (const { code, message, hint, start, end } of done?.problems ?? []) {
    problems.at(path, code, message, { span: { start, end }, ...(hint === undefined ? {} : { hint }) });
  }
  for (const secret of done?.secrets ?? []) secrets.add(secret);
  if (done && !done.known) {
    // What is not known may be anything but a mapping.
    if (fitting?.type !== 'object') problems.ignore(path);
    return schema?.default ?? text;
  }
  if (done) problems.replaced(path, done.replacements);
  const result = done?.text ?? text;
  const isSecret = fitting?.[meaningKeyword] === 'secret' || schema?.[meaningKeyword] === 'secret';
  if (isSecret) {
    if (result !== '') secrets.add(result);
    // A URL is secret for its password, which is looked for below.
    if (!done && !result.includes('://'))
      problems.at(path, 'secret_literal', 'a secret stands in the file in plain text', { severity: 'warning' });
  }
  collectPasswords(result, done?.replacements ?? [], path, context);
  return done && schema ? asWanted(result, schema, context.schema) : result;
}

/** Text that came from a variable becomes a number, truth value or list only where the schema has no use for text. */
function asWanted(text: string, schema: JsonSchema, root: JsonSchema): unknown {
  const accepts = (example: unknown): boolean => {
    const { type, enum: values } = fittingSchema(schema, example, root);
    return (
      type === jsonTypeOf(example) ||
      (type === 'number' && typeof example === 'number') ||
      (values?.includes(example) ?? false)
    );
  };
  if (accepts('')) return text;
  if (/^-?\d+(\.\d+)?$/.test(text) && (accepts(1) || accepts(0.5))) return Number(text);
  if ((text === 'true' || text === 'false') && accepts(true)) return text === 'true';
  if (accepts([])) return text.split(',').map((item) => item.trim());
  return text;
}

const password = /^[a-z][a-z0-9+.-]*:\/\/[^\s/?#]*?:(?<user>[^\s/?#]*)@|[?&][a-z_]*password=(?<query>[^\s&#]+)/dgi;

/** `postgres://user:password@host`: the password is a secret wherever it stands. */
function collectPasswords(
  text: string,
  replacements: readonly Replacement[],
  path: ValuePath,
  { problems, secrets }: ResolveContext,
): void {
  if (!text.includes('://')) return;
  for (const match of text.matchAll(password)) {
    const place = match.indices?.groups?.user ?? match.indices?.groups?.query;
    const secret = match.groups?.user ?? match.groups?.query;
    if (!place || !secret) continue;
    secrets.add(secret);
    secrets.add(decoded(secret));
    const [start, end] = place;
    if (replacements.some((piece) => piece.start < end && piece.end > start)) continue;
    const options = { severity: 'warning', span: { start, end } } as const;
    problems.at(path, 'secret_literal', 'a password stands in the file in plain text', options);
  }
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** `a:` or, in `{ }`, `a` alone: null is written, never meant by leaving it out. */
function reportEmpty(path: ValuePath, { source, problems }: ResolveContext): void {
  const scalar = source.scalar(path);
  if (!source.has(path) || (scalar !== null && scalar.source !== '')) return;
  const hint = 'write an expression, or null where that is meant';
  problems.at(path, 'type_wrong', `${pathText(path)} is empty`, { on: 'key', hint });
  problems.ignore(path);
}

/** ` #` begins a comment in unquoted text. It is one on purpose where the expression before it is whole. */
function warnOfComment(path: ValuePath, { source, problems }: ResolveContext): void {
  const scalar = source.scalar(path);
  if (scalar?.type !== 'PLAIN' || !scalar.range || !isCutOff(String(scalar.source))) return;
  const [start, end] = scalar.range;
  const rest = /^[ \t]+#[^\r\n]*/.exec(source.text.slice(end))?.[0];
  if (rest === undefined) return;
  const hash = end + rest.indexOf('#');
  const message = 'YAML takes " #" as the start of a comment, which cuts this expression off';
  problems.inSource(source, { start: hash, end: end + rest.trimEnd().length }, 'expression_needs_quotes', message, {
    hint: quoteHint(source.text.slice(start, end + rest.length).trimEnd()),
  });
  problems.ignoreBroken(path);
}
