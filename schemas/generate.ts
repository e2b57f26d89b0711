/** Writes every schema of this folder, and the validators compiled from them, from the declarations: `npm run schemas`. */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { components } from '../src/definition/components.ts';
import { publishedSchemas } from '../src/definition/schema.ts';
import { validatorsModule } from './validators.ts';

const directory = import.meta.dirname;
for (const folder of ['sources', 'steps', 'sinks', 'connections']) rmSync(join(directory, folder), { recursive: true, force: true });
for (const [file, schema] of publishedSchemas(components)) {
  const path = join(directory, file);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, `${JSON.stringify(schema, null, 2)}\n`);
}
writeFileSync(join(directory, '../src/definition/compiled-validators.ts'), validatorsModule(components));
