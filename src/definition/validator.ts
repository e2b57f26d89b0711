/**
 * ajv validators. Loading ajv and compiling a schema take 80 ms, so those of the declarations are compiled when `dist` is
 * built (`compiled-validators.ts`); a schema that is not among them is compiled when it is needed.
 */
import { createHash } from 'node:crypto';
import type { ErrorObject } from 'ajv';
import { compiledValidators } from './compiled-validators.ts';
import type { JsonSchema } from './json-schema.ts';

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

const compiledHere = new Map<string, Validator>();

/** Names a schema by its content. */
export const schemaHash = (schema: JsonSchema): string =>
  createHash('sha256').update(JSON.stringify(schema)).digest('hex').slice(0, 16);

export async function validatorOf(schema: JsonSchema): Promise<Validator> {
  const hash = schemaHash(schema);
  const known = compiledValidators[hash] ?? compiledHere.get(hash);
  if (known) return known;
  const { Ajv } = await import('ajv');
  const compiled: Validator = new Ajv(ajvOptions).compile(schema);
  compiledHere.set(hash, compiled);
  return compiled;
}
