/** Writes what follows from src (`npm run schemas`): the schemas here, docs/errors.md, docs/reference. */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { components } from '../src/definition/components.ts';
import { publishedSchemas } from '../src/definition/schema.ts';
import { errorsPage } from './errors-page.ts';
import { publishedTestSchema } from '../src/testing/test-file.ts';
import { referencePages } from './reference.ts';

const directory = import.meta.dirname;
for (const folder of ['sources', 'steps', 'sinks', 'lookups', 'connections']) rmSync(join(directory, folder), { recursive: true, force: true });
for (const [file, schema] of [...publishedSchemas(components), ['test.schema.json', publishedTestSchema] as const]) {
  const path = join(directory, file);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, `${JSON.stringify(schema, null, 2)}\n`);
}
writeFileSync(join(directory, '../docs/errors.md'), errorsPage());
const reference = join(directory, '../docs/reference');
rmSync(reference, { recursive: true, force: true });
mkdirSync(reference, { recursive: true });
for (const [file, page] of referencePages(components)) writeFileSync(join(reference, file), page);
