import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { Ajv } from 'ajv';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { components } from '../../src/definition/components.ts';
import { partSchemas, publishedSchemas } from '../../src/definition/schema.ts';
import { type Validator, ajvOptions } from '../../src/definition/validator.ts';
import { publishedTestSchema } from '../../src/testing/test-file.ts';
import { validatorsModule } from '../../schemas/validators.ts';
import { testComponents } from './test-components.ts';

const directory = join(import.meta.dirname, '../../schemas');
const published = new Map([...publishedSchemas(components), ['test.schema.json', publishedTestSchema] as const]);
const places = ['sources', 'steps', 'sinks', 'lookups', 'connections'] as const;

/** What an editor would say of a file: the published schema alone. */
function editor(known: typeof components) {
  const validate = new Ajv({ strict: false, allErrors: true }).compile(
    publishedSchemas(known).get('pipeline.schema.json') ?? {},
  );
  return (text: string) => validate(parse(text));
}

describe('the published schemas', () => {
  it('are what `npm run schemas` makes of the declarations', () => {
    const files = readdirSync(directory, { recursive: true, encoding: 'utf8' }).filter((file) =>
      file.endsWith('.json'),
    );
    expect(files.toSorted()).toEqual([...published.keys()].toSorted());
    for (const [file, schema] of published)
      expect(JSON.parse(readFileSync(join(directory, file), 'utf8')), file).toEqual(JSON.parse(JSON.stringify(schema)));
  });

  it('and the validators that the build compiles from them judge as ajv does', async () => {
    // Beside node_modules, where its imports are found.
    const folder = join(directory, '../.cache');
    mkdirSync(folder, { recursive: true });
    const file = join(mkdtempSync(join(folder, 'validators-')), 'validators.mjs');
    writeFileSync(file, validatorsModule(components));
    const { compiledValidators } = (await import(file)) as { compiledValidators: Record<string, Validator> };
    rmSync(dirname(file), { recursive: true });
    for (const [id, schema] of partSchemas(components)) {
      const compiled = compiledValidators[id]!;
      const direct = new Ajv(ajvOptions).compile(schema);
      for (const value of [{}, { unknown: 1 }, [], 'text', 7, null]) {
        expect(compiled(value)).toBe(direct(value));
        expect(compiled.errors).toEqual(direct.errors);
      }
    }
  });

  it.for([...published])(
    '%s is valid JSON Schema, says that it is generated, and describes every option',
    ([, schema]) => {
      expect(new Ajv({ strict: false }).validateSchema(schema)).toBe(true);
      expect(schema.$comment).toContain('Generated');
      for (const [name, property] of Object.entries(schema.properties ?? {}))
        expect(property.description ?? property.allOf, name).toBeDefined();
    },
  );

  it('require no option that has a default', () => {
    for (const [file, { properties = {}, required = [] }] of published) {
      for (const key of required) expect(properties[key]?.default, `${file}: ${key}`).toBeUndefined();
    }
  });

  it.for(places.flatMap((place) => components[place].map((component) => [place, component] as const)))(
    '%s: the example of $1.name fits its own schema',
    ([, { name, options, example }]) => {
      const value = (parse(example) as Record<string, unknown>)[name];
      const ajv = new Ajv({ strict: false });
      expect(ajv.validate(options, value), ajv.errorsText()).toBe(true);
    },
  );

  const good =
    'source: { kafka: { topic: a } }\nsteps: [ { filter: event.a, name: x }, { drop: [b] } ]\nsinks: [ { postgres: { connection: s, table: t }, when: true } ]\nconnections: { s: { postgres: { url: u } } }\n';
  it('accept in an editor what the loader accepts', () => expect(editor(testComponents)(good)).toBe(true));

  it('accept several sources in place of one, and neither both nor none', () => {
    const two = 'sources: { a: { kafka: { topic: a }, time: { field: event.at }, steps: [ { drop: [x] } ] } }\n';
    const rest = good.slice(good.indexOf('steps:'));
    const accepts = editor(testComponents);
    expect([two + rest, two + good, rest, two.replace('drop', 'dorp') + rest].map(accepts)).toEqual([
      true,
      false,
      false,
      false,
    ]);
  });

  it.for([
    ['two components in one step', good.replace('filter: event.a', 'filter: event.a, drop: [a]')],
    ['an unknown component', good.replace('postgres: { connection', 'posgres: { connection')],
    ['no component', good.replace('filter: event.a, ', '')],
    ['an unknown option', good.replace('table: t', 'table: t, tabel: t')],
    ['an unknown key', `${good}nmae: a\n`],
    ['an option that is missing', good.replace(', table: t', '')],
  ] as const)('refuse %s in an editor too', ([, text]) => expect(editor(testComponents)(text)).toBe(false));
});
