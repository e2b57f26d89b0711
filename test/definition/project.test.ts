import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Ajv } from 'ajv';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { loadPipeline, type LoadOptions } from '../../src/definition/load.ts';
import type { Problem } from '../../src/definition/problems.ts';
import { publishedSchemas } from '../../src/definition/schema.ts';
import { testComponents } from './test-components.ts';
import { cpuMsSince } from '../cpu-time.ts';

const directory = join(import.meta.dirname, 'bad-projects');
const source = 'source: { kafka: { topic: shop.orders.placed.v1 } }\n';
const sinks = 'sinks: [ { stdout: {} } ]\n';

interface Files {
  /** `/p/pipectl.yaml`. */
  readonly project: string;
  /** `/p/orders.yaml`. */
  readonly pipeline?: string;
  /** By absolute path. */
  readonly others?: Readonly<Record<string, string>>;
}

const load = (
  { project, pipeline = source + sinks, others = {} }: Files,
  environment: string | null = null,
  options: Partial<LoadOptions> = {},
) =>
  loadPipeline('/p/orders.yaml', {
    env: { USER: 'ann' },
    mode: environment === null ? 'validate' : 'run',
    environment,
    components: testComponents,
    readFile: (path) => {
      const found = { '/p/orders.yaml': pipeline, '/p/pipectl.yaml': project, ...others }[path];
      if (found === undefined) throw Object.assign(new Error('no such file'), { code: 'ENOENT' });
      return found;
    },
    ...options,
  });

const codes = (problems: { sorted(): readonly Problem[] }) => problems.sorted().map(({ code }) => code);

describe('a bad project is answered with the place and the way out, in the file that is wrong', () => {
  // Each folder has a pipectl.yaml and may have a pipeline. Both begin with the problems they must give, and
  // `# --env NAME` says which environment is asked for.
  const folders = readdirSync(directory);
  const expectedIn = (text: string) => text.split('\n').filter((line) => line.startsWith('#! '));

  it.for(folders)('%s', async (folder) => {
    const files = Object.fromEntries(
      readdirSync(join(directory, folder)).map((file) => [file, readFileSync(join(directory, folder, file), 'utf8')]),
    );
    const project = files['pipectl.yaml'] ?? '';
    const pipeline = files['orders.yaml'] ?? source + sinks;
    const environment = /^# --env (\S+)$/m.exec(project)?.[1] ?? null;
    const { problems } = await load({ project, pipeline }, environment);
    const found = problems.sorted().map((problem) => {
      const { file, line, column, endLine, endColumn, severity, code, message, hint } = problem;
      const end = endLine === line ? endColumn : `${endLine}:${endColumn}`;
      const text = `#! ${line}:${column}-${end} ${severity} ${code}: ${message}${hint === null ? '' : ` -> ${hint}`}`;
      return { file, text };
    });
    const saidIn = (file: string) => found.filter((problem) => problem.file === file).map(({ text }) => text);
    expect(saidIn('/p/orders.yaml')).toEqual(expectedIn(pipeline));
    expect(saidIn('/p/pipectl.yaml')).toEqual(expectedIn(project));
    expect(found.length).toBeGreaterThan(0);
  });

  it('there are enough of them', () => expect(folders.length).toBeGreaterThanOrEqual(50));
});

describe('an environment', () => {
  const project = `
vars: { pepper: none, min_cents: 0, shared: 1 }
connections:
  serving: { postgres: { url: 'postgres://db/base' } }
environments:
  dev: { prefix: '\${USER}-' }
  prod:
    strict: true
    vars: { min_cents: 100 }
    connections: { serving: { postgres: { url: 'postgres://db/prod' } } }
`;
  const pipeline = `${source}vars: { min_cents: 5, own: 2 }\nsinks: [ { postgres: { connection: serving, table: t } } ]\n`;

  it('puts its prefix before the group and the dead-letter topic, and leaves the name', async () => {
    const { definition, problems } = await load({ project, pipeline }, 'dev');
    expect(problems.sorted()).toEqual([]);
    expect(definition).toMatchObject({
      name: 'orders',
      environment: 'dev',
      prefix: 'ann-',
      group: 'ann-orders',
      dlq: { topic: 'ann-orders.dlq' },
    });
  });

  it('puts its prefix before a group and a dead-letter topic that are given, too', async () => {
    const given = `group: billing\ndlq: { topic: billing.dead }\n${pipeline}`;
    const { definition } = await load({ project, pipeline: given }, 'dev');
    expect(definition).toMatchObject({ group: 'ann-billing', dlq: { topic: 'ann-billing.dead' } });
  });

  it('that has no prefix leaves names as they are, and none that is asked for changes nothing', async () => {
    expect((await load({ project, pipeline }, 'prod')).definition).toMatchObject({ group: 'orders', prefix: '' });
    expect((await load({ project, pipeline })).definition).toMatchObject({
      environment: null,
      prefix: '',
      group: 'orders',
      dlq: { topic: 'orders.dlq' },
    });
  });

  it('goes before the pipeline with its vars and connections, and the pipeline before the project', async () => {
    const plain = await load({ project, pipeline });
    expect(plain.vars).toEqual({ pepper: 'none', shared: 1, min_cents: 5, own: 2 });
    expect(plain.definition?.connections.serving?.options).toMatchObject({ url: 'postgres://db/base' });
    const own = `connections: { serving: { postgres: { url: 'postgres://db/own' } } }\n${pipeline}`;
    const { definition, vars } = await load({ project, pipeline: own }, 'prod');
    expect(vars).toEqual({ pepper: 'none', shared: 1, min_cents: 100, own: 2 });
    expect(definition?.connections.serving?.options).toMatchObject({ url: 'postgres://db/prod' });
  });

  it('does not go before --set', async () => {
    const set = [
      { path: 'vars.min_cents', value: '7' },
      { path: 'connections.serving.postgres.url', value: 'postgres://db/set' },
    ];
    const { definition, vars } = await load({ project, pipeline }, 'prod', { set });
    expect(vars.min_cents).toBe(7);
    expect(definition?.connections.serving?.options).toMatchObject({ url: 'postgres://db/set' });
  });

  it('may ask that warnings count as errors', async () => {
    expect((await load({ project, pipeline }, 'prod')).strict).toBe(true);
    expect((await load({ project, pipeline }, 'dev')).strict).toBe(false);
    expect((await load({ project, pipeline })).strict).toBe(false);
  });

  it('of an unknown name is wrong usage, answered with the names there are', async () => {
    await expect(load({ project, pipeline }, 'prdo')).rejects.toMatchObject({
      code: 'environment_unknown',
      exitCode: 2,
      message: 'there is no environment "prdo" in /p/pipectl.yaml; did you mean "prod"?',
      hint: 'environments: dev and prod',
    });
    await expect(load({ project: 'vars: {}\n', pipeline }, 'dev')).rejects.toMatchObject({
      hint: 'add it: `environments: { dev: { prefix: ... } }`',
    });
    await expect(load({ project, pipeline }, 'toString')).rejects.toMatchObject({ code: 'environment_unknown' });
  });

  it('that is asked for where there is no project file is wrong usage', async () => {
    const env = {};
    const readFile = (path: string) => {
      if (path === '/p/orders.yaml') return source + sinks;
      throw Object.assign(new Error('no such file'), { code: 'ENOENT' });
    };
    await expect(
      loadPipeline('/p/orders.yaml', { env, mode: 'run', environment: 'dev', readFile }),
    ).rejects.toMatchObject({
      message: 'there is no environment "dev", since there is no pipectl.yaml beside the pipeline or above it',
    });
  });

  it('that can not be read gives no definition: its names would be those of another one', async () => {
    const broken = 'environments:\n  dev: { prefix: 5 }\n';
    const { definition, problems } = await load({ project: broken }, 'dev');
    expect(codes(problems)).toEqual(['type_wrong']);
    expect(definition).toBeNull();
    expect((await load({ project: 'environments: { dev: [\n' }, 'dev')).definition).toBeNull();
  });

  it('is not held back by what is wrong with another one, which `validate` tells without --env', async () => {
    const others = `environments:\n  dev: {}\n  prod: { prefx: a, vars: { a: '\${UNSET}', b: '\${file:/none}' } }\n`;
    expect((await load({ project: others }, 'dev')).problems.sorted()).toEqual([]);
    expect(codes((await load({ project: others })).problems)).toEqual(['key_unknown']);
  });

  it('is told apart in `validate`, where its prefix may be unknown', async () => {
    const { definition, problems } = await load({ project }, 'dev', { mode: 'validate', env: {} });
    expect(problems.sorted()).toEqual([]);
    expect(definition?.group).toBe('${USER}-orders');
  });
});

describe('env_file', () => {
  const project = `
connections: { kafka: { kafka: { brokers: '\${BROKERS}' } } }
environments: { dev: { prefix: '\${TEAM}-', env_file: 'config/\${USER}.env' } }
`;
  const text = `# comment
export BROKERS="one:9092,two:9092" # of the team
TEAM='red'
EMPTY=
`;
  const others = { '/p/config/ann.env': text };

  it('is read from the folder of pipectl.yaml, with export, quotes and comments', async () => {
    const { definition, problems } = await load({ project, others }, 'dev');
    expect(problems.sorted()).toEqual([]);
    expect(definition?.prefix).toBe('red-');
    expect(definition?.connections.kafka?.options).toMatchObject({ brokers: 'one:9092,two:9092' });
  });

  it('does not override the real environment, and serves the pipeline too', async () => {
    const pipeline = `description: 'from \${BROKERS} for \${TEAM}'\n${source}${sinks}`;
    const env = { USER: 'ann', TEAM: 'blue', BROKERS: undefined };
    const { definition } = await load({ project, pipeline, others }, 'dev', { env });
    expect(definition?.prefix).toBe('blue-');
    expect(definition?.description).toBe('from one:9092,two:9092 for blue');
  });

  it('gives the default brokers where nothing else does', async () => {
    const env = 'KAFKA_BROKERS=dev:9092\n';
    const short = 'environments: { dev: { env_file: .env } }\n';
    const { definition } = await load({ project: short, others: { '/p/.env': env } }, 'dev');
    expect(definition?.connections.kafka?.options).toMatchObject({ brokers: 'dev:9092' });
  });

  it('stays closed where variables may be unknown', async () => {
    const { problems } = await load({ project }, 'dev', { mode: 'validate' });
    expect(problems.sorted()).toEqual([]);
  });
});

describe('variables of connections', () => {
  const project = `
connections:
  serving: { postgres: { url: '\${PG_URL}' } }
  warehouse: { postgres: { url: '\${WAREHOUSE_URL}' } }
environments:
  dev:
    connections: { serving: { postgres: { url: 'postgres://db/dev' } } }
  prod: {}
`;
  const pipeline = `${source}sinks: [ { postgres: { connection: serving, table: t } } ]\n`;

  it('that a pipeline does not use, or that its environment replaces, need not be set', async () => {
    expect((await load({ project, pipeline }, 'dev')).problems.sorted()).toEqual([]);
  });

  it('that it uses must be set', async () => {
    const { problems } = await load({ project, pipeline }, 'prod');
    expect(problems.sorted().map(({ line, message }) => [line, message])).toEqual([
      [3, 'the environment variable PG_URL is not set'],
    ]);
  });
});

describe('defaults', () => {
  const project = `
defaults:
  time: { field: event.placed_at, ahead: 10m }
  dlq: { topic: team.dlq }
  batch: { every: 5s }
`;

  it('hold for what a pipeline does not say', async () => {
    const { definition, problems, expressions } = await load({ project });
    expect(problems.sorted()).toEqual([]);
    expect(definition).toMatchObject({
      sources: [{ time: { field: 'event.placed_at', aheadMs: 600_000 } }],
      dlq: { topic: 'team.dlq' },
      batchEveryMs: 5000,
    });
    expect(expressions).toEqual([{ path: ['time', 'field'], text: 'event.placed_at' }]);
  });

  it('give way to what it says, value by value', async () => {
    const pipeline = `time: { ahead: 1h }\nbatch: { every: 1m }\n${source}${sinks}`;
    const { definition } = await load({ project, pipeline });
    expect(definition?.sources[0].time).toMatchObject({ field: 'event.placed_at', unit: null, aheadMs: 3_600_000 });
    expect(definition?.batchEveryMs).toBe(60_000);
  });

  it('for dead letters give way as a whole, and a topic is none for a pipeline without Kafka', async () => {
    const file = await load({ project, pipeline: `dlq: { file: dead.ndjson }\n${source}${sinks}` });
    expect(file.problems.sorted()).toEqual([]);
    expect(file.definition?.dlq).toEqual({ file: '/p/dead.ndjson' });
    const other = await load({ project, pipeline: `source: { file: { path: a.ndjson } }\n${sinks}` });
    expect(other.problems.sorted()).toEqual([]);
    expect(other.definition?.dlq).toEqual({ file: '/p/orders.dlq.ndjson' });
  });

  it('stand behind --set', async () => {
    const { definition } = await load({ project }, null, { set: [{ path: 'batch.every', value: '2s' }] });
    expect(definition?.batchEveryMs).toBe(2000);
  });
});

describe('conventions', () => {
  const project = "conventions: { topic: '<domain>.<entity>.<event>.v<N>', partitions: { min: 3 } }\n";
  const warnings = async (topic: string) =>
    codes((await load({ project, pipeline: `source: { kafka: { topic: ${topic} } }\n${sinks}` })).problems);

  it.for(['shop.orders.placed.v1', 'shop_2.order-lines.placed.v12', '/^shop\\./'])('accept %s', async (topic) => {
    expect(await warnings(topic)).toEqual([]);
  });

  it.for(['orders', 'shop.orders.placed.v', 'shop.orders.v1', 'shop..placed.v1', 'a.shop.orders.placed.v1'])(
    'warn of %s',
    async (topic) => expect(await warnings(topic)).toEqual(['topic_convention']),
  );

  it('are checked in linear time, whatever they are made of', async () => {
    const hostile = `conventions: { topic: '${'<a>-'.repeat(50)}x' }\n`;
    const started = process.threadCpuUsage();
    const pipeline = `source: { kafka: { topic: ${'-'.repeat(10)}${'a-'.repeat(110)} } }\n${sinks}`;
    await load({ project: hostile, pipeline });
    expect(cpuMsSince(started)).toBeLessThan(1000);
  });
});

describe('the published schema of pipectl.yaml', () => {
  const validate = new Ajv({ strict: false }).compile(
    publishedSchemas(testComponents).get('project.schema.json') ?? {},
  );
  const good = `
format: 1
connections: { serving: { postgres: { url: a } } }
defaults: { dlq: { topic: a.dlq }, batch: { every: 5s } }
environments:
  dev: { prefix: '\${USER}-', env_file: .env }
  prod: { strict: true, connections: { serving: { postgres: { url: b } } } }
conventions: { topic: '<domain>.<entity>.<event>.v<N>', partitions: { min: 3 } }
`;

  it('accepts in an editor what the loader accepts', async () => {
    expect(validate(parse(good))).toBe(true);
    expect((await load({ project: good })).problems.sorted()).toEqual([]);
  });

  it.for([
    ['an unknown word of an environment', good.replace('prefix', 'prefx')],
    ['an unknown option of a connection of an environment', good.replace('{ url: b }', '{ url: b, poool: 2 }')],
    ['an unknown default', good.replace('batch:', 'bach:')],
    ['another format', good.replace('format: 1', 'format: 2')],
  ] as const)('refuses %s there too', ([, text]) => expect(validate(parse(text))).toBe(false));
});
