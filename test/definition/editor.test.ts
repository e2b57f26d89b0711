/** The published schemas in an editor, by the language server that editors run. */
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { components } from '../../src/definition/components.ts';
import { besideSink, besideSource, besideStep, frame, projectFrame } from '../../src/definition/frame.ts';
import { asJsonSchema, type JsonSchema } from '../../src/definition/json-schema.ts';
import { publishedSchemas } from '../../src/definition/schema.ts';
import { testSchema } from '../../src/testing/test-file.ts';
import { LanguageServer } from './language-server.ts';

const schemaUrl = (file: string) => pathToFileURL(join(import.meta.dirname, '../../schemas', file)).href;
const pipelineSchema = schemaUrl('pipeline.schema.json');

const server = new LanguageServer();
beforeAll(() => server.start(), 20_000);
afterAll(() => server.stop());

/** The keys of a schema with what is said of them. */
const keysOf = (schema: unknown, ...path: readonly string[]): readonly (readonly [string, string])[] => {
  const at = path.reduce<JsonSchema>((above, key) => above.properties?.[key] ?? {}, asJsonSchema(schema as never));
  return Object.entries(at.properties ?? {}).map(([key, { description = '' }]) => [key, description]);
};

const summaries = (place: keyof typeof components) =>
  components[place].map(({ name, summary }) => [name, summary] as const);

const breaker = asJsonSchema(frame.properties.dlq).properties?.breaker?.anyOf?.find(({ type }) => type === 'object');

/** Where a cursor stands, with all keys that fit there. */
const places: readonly (readonly [string, string, readonly (readonly [string, string])[]])[] = [
  ['at the top of the file', '|\n', keysOf(publishedSchemas(components).get('pipeline.schema.json'))],
  ['in source', 'source:\n  |\n', [...summaries('sources'), ...keysOf(besideSource)]],
  [
    'in one of several sources',
    'sources:\n  orders:\n    |\n',
    [...summaries('sources'), ...keysOf(besideSource).filter(([key]) => key !== 'name')],
  ],
  ['in the time of a source', 'sources:\n  orders:\n    time:\n      |\n', keysOf(frame, 'time')],
  [
    'in a new step of a source',
    'sources:\n  orders:\n    steps:\n      - |\n',
    [...summaries('steps'), ...keysOf(besideStep)],
  ],
  ['in time', 'time:\n  |\n', keysOf(frame, 'time')],
  ['in a new step', 'steps:\n  - |\n', [...summaries('steps'), ...keysOf(besideStep)]],
  ['beside a step', 'steps:\n  - filter: event.a\n    |\n', keysOf(besideStep)],
  ['in a new sink', 'sinks:\n  - |\n', [...summaries('sinks'), ...keysOf(besideSink)]],
  ['beside a sink', 'sinks:\n  - stdout: {}\n    |\n', keysOf(besideSink)],
  [
    'in what happens while a sink is away',
    'sinks:\n  - stdout: {}\n    retry:\n      |\n',
    keysOf(besideSink, 'retry'),
  ],
  ['in the breaker', 'dlq:\n  breaker:\n    |\n', keysOf(breaker)],
  ['in conventions', 'conventions:\n  |\n', keysOf(frame, 'conventions')],
  ['in dlq', 'dlq:\n  |\n', keysOf(frame, 'dlq')],
  ['in batch', 'batch:\n  |\n', keysOf(frame, 'batch')],
  ['in a lookup', 'lookups:\n  customers:\n    |\n', summaries('lookups')],
  ['in a connection', 'connections:\n  serving:\n    |\n', summaries('connections')],
  ...components.sources.map(
    ({ name, options }) => [`in the source ${name}`, `source:\n  ${name}:\n    |\n`, keysOf(options)] as const,
  ),
  ...components.steps.map(
    ({ name, options }) => [`in the step ${name}`, `steps:\n  - ${name}:\n      |\n`, keysOf(options)] as const,
  ),
  ...components.sinks.map(
    ({ name, options }) => [`in the sink ${name}`, `sinks:\n  - ${name}:\n      |\n`, keysOf(options)] as const,
  ),
  ...components.lookups.map(
    ({ name, options }) =>
      [`in the lookup ${name}`, `lookups:\n  a:\n    ${name}:\n      |\n`, keysOf(options)] as const,
  ),
  ...components.connections.map(
    ({ name, options }) =>
      [`in the connection ${name}`, `connections:\n  a:\n    ${name}:\n      |\n`, keysOf(options)] as const,
  ),
];

describe('an editor offers every key, each with its description', () => {
  it.for(places.filter(([, , keys]) => keys.length > 0))('%s', async ([, text, keys]) => {
    const offered = await server.complete(pipelineSchema, text);
    for (const [key, description] of keys) {
      expect(description, key).not.toBe('');
      expect(offered.get(key), key).toContain(description);
    }
  });

  it('of pipectl.yaml too', async () => {
    const offered = await server.complete(schemaUrl('project.schema.json'), '|\n');
    for (const [key, description] of keysOf(projectFrame)) expect(offered.get(key), key).toContain(description);
    for (const [text, keys] of [
      ['lookups:\n  customers:\n    |\n', summaries('lookups')],
      ['connections:\n  serving:\n    |\n', summaries('connections')],
      ['defaults:\n  |\n', keysOf(projectFrame, 'defaults')],
      ['environments:\n  dev:\n    connections:\n      serving:\n        |\n', summaries('connections')],
    ] as const) {
      const below = await server.complete(schemaUrl('project.schema.json'), text);
      for (const [key, description] of keys) expect(below.get(key), text + key).toContain(description);
    }
    const environment = await server.complete(schemaUrl('project.schema.json'), 'environments:\n  dev:\n    |\n');
    expect([...environment.keys()]).toEqual(
      expect.arrayContaining(['prefix', 'env_file', 'strict', 'vars', 'connections']),
    );
  });

  it('of a test file too, and of its cases', async () => {
    const url = schemaUrl('test.schema.json');
    for (const [key, description] of keysOf(testSchema))
      expect((await server.complete(url, '|\n')).get(key), key).toContain(description);
    const offered = await server.complete(url, 'cases:\n  - name: a\n    expect:\n      |\n');
    expect([...offered.keys()]).toEqual(expect.arrayContaining(['rows', 'dead_letters', 'filtered', 'dropped']));
  });

  it('and the values of an option that has few', async () => {
    const values = await server.complete(pipelineSchema, 'sinks:\n  - postgres:\n      mode: |\n');
    expect([...values.keys()]).toEqual(['upsert', 'append']);
  });
});

describe('an editor shows', () => {
  const text = 'source:\n  kafka: { topic: a }\nsteps:\n  - enrich: { from: a, on: event.b, missing: dlq }\n';
  it.for([
    ['what a key is for', text.replace('topic', 'to|pic'), 'The topic to read.'],
    ['what a component does', text.replace('kafka', 'ka|fka'), 'Reads topics as a member of a consumer group.'],
    ['what an option of a step means', text.replace('missing', 'mis|sing'), 'An event without a row'],
    ['what stands at the top', `${text}d|lq: {}\n`, 'Where records go'],
  ] as const)('%s', async ([, at, description]) => {
    expect(await server.hover(pipelineSchema, at)).toContain(description);
  });
});

describe('an editor underlines', () => {
  const good = 'source:\n  kafka: { topic: a }\nsinks:\n  - postgres:\n      table: orders\n      key: [id]\n';
  it('nothing of a good file', async () => {
    expect(await server.diagnose(pipelineSchema, good)).toEqual([]);
  });

  it.for([
    ['an unknown key of the file', good.replace('sinks:', 'nmae: a\nsinks:'), 3, 1, 'Property nmae is not allowed.'],
    ['an unknown option', good.replace('key: [id]', 'kye: [id]'), 6, 7, 'Property kye is not allowed.'],
    ['an unknown component', good.replace('postgres:', 'posgres:'), 4, 5, 'Property posgres is not allowed.'],
    ['a list where text is needed', good.replace('table: orders', 'table: [a]'), 5, 14, 'Incorrect type.'],
    ['an option that is missing', good.replace('      table: orders\n', ''), 4, 5, 'Missing property "table".'],
  ] as const)('%s', async ([, text, line, column, message]) => {
    const found = await server.diagnose(pipelineSchema, text);
    expect(found).toContainEqual({ line, column, message: expect.stringContaining(message) as string });
  });
});
