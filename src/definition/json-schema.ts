/** The part of JSON Schema (draft 07) that declarations produce. */
import type { TSchema } from 'typebox';
import type { connectionKeyword } from '../declaration/connection.ts';
import type { Meaning, meaningKeyword } from '../declaration/options.ts';

export interface JsonSchema {
  readonly $ref?: string;
  readonly type?: string;
  readonly description?: string;
  readonly default?: unknown;
  readonly enum?: readonly unknown[];
  readonly const?: unknown;
  readonly pattern?: string;
  readonly anyOf?: readonly JsonSchema[];
  readonly items?: JsonSchema | readonly JsonSchema[];
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly required?: readonly string[];
  readonly minProperties?: number;
  readonly additionalProperties?: boolean | JsonSchema;
  readonly definitions?: Readonly<Record<string, JsonSchema>>;
  readonly [meaningKeyword]?: Meaning;
  readonly [connectionKeyword]?: string;
  readonly [other: string]: unknown;
}

/** A TypeBox schema is JSON Schema already. */
export const asJsonSchema = (schema: TSchema): JsonSchema => schema as unknown as JsonSchema;

/** Type of a plain value in JSON Schema's words. */
export function jsonTypeOf(value: unknown): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'array';
  if (typeof value === 'number') return Number.isInteger(value) ? 'integer' : 'number';
  return typeof value;
}

export const isMapping = (value: unknown): value is Record<string, unknown> => jsonTypeOf(value) === 'object';
