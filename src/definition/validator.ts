/**
 * ajv validators. Loading ajv and compiling a schema take 80 ms, so those of the declarations are compiled when `dist` is
 * built (`compiled-validators.ts`); in the source, where there are none, a schema is compiled when it is needed.
 */
import type { ErrorObject } from 'ajv';
import { compiledValidators } from './compiled-validators.ts';
import type { JsonSchema } from './json-schema.ts';
import type { Part } from './schema.ts';

export interface Validator {
  (value: unknown): boolean;
  errors?: ErrorObject[] | null | undefined;
}

/** All problems in one run; the formats and keywords of declarations are not ajv's to judge. */
export const ajvOptions = {
  allErrors: true,
  strict: false,
  validateSchema: false,
  validateFormats: false,
  logger: false,
} as const;

const compiledHere = new WeakMap<JsonSchema, Validator>();

/** What is compiled beforehand is known by `id`: so nothing has to be read through to tell schemas apart. */
export async function validatorOf({ id, schema }: Pick<Part, 'id' | 'schema'>): Promise<Validator> {
  const known = compiledValidators[id] ?? compiledHere.get(schema);
  if (known) return known;
  const { Ajv } = await import('ajv');
  const compiled: Validator = new Ajv(ajvOptions).compile(schema);
  compiledHere.set(schema, compiled);
  return compiled;
}
