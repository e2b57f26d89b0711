import { Ajv } from 'ajv';
import standalone from 'ajv/dist/standalone/index.js';
import type { Components } from '../src/definition/components.ts';
import { partSchemas } from '../src/definition/schema.ts';
import { ajvOptions } from '../src/definition/validator.ts';

/** Without descriptions, which tell a validator nothing: what it says is put into words from the schema itself. */
const bare = <T>(schema: T): T =>
  JSON.parse(JSON.stringify(schema, (key, value: unknown) => (key === 'description' && typeof value === 'string' ? undefined : value))) as T;

/**
 * JavaScript that stands in for `src/definition/compiled-validators.ts` in `dist`: a validator for every schema of the
 * declarations, by its id.
 */
export function validatorsModule(components: Components): string {
  const schemas = partSchemas(components);
  const ajv = new Ajv({ ...ajvOptions, code: { source: true, esm: true, lines: true } });
  const names: Record<string, string> = {};
  const nameOf = (id: string) => `validate_${id.replaceAll('.', '_')}`;
  for (const [id, schema] of schemas) {
    ajv.addSchema(bare(schema), id);
    names[nameOf(id)] = id;
  }
  // Only the table is for others.
  const code = standalone.default(ajv, names).replaceAll(/^export const/gm, 'const');
  const table = [...schemas.keys()].map((id) => `  '${id}': ${nameOf(id)},\n`).join('');
  return `import { createRequire } from 'node:module';
const require = createRequire(import.meta.url);
${code}
export const compiledValidators = {
${table}};
`;
}
