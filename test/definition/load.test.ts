import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { loadPipeline, type LoadOptions } from '../../src/definition/load.ts';
import { testComponents } from './test-components.ts';
import { cpuMsSince } from '../cpu-time.ts';

const directory = join(import.meta.dirname, 'bad');

/** Loads text as `/p/orders.yaml`; other files exist only where `files` has them. */
const load = (
  text: string,
  options: Partial<LoadOptions> & { readonly files?: Readonly<Record<string, string>> } = {},
) =>
  loadPipeline('/p/orders.yaml', {
    env: {},
    mode: 'run',
    components: testComponents,
    readFile: (path) => {
      const found = path === '/p/orders.yaml' ? text : options.files?.[path];
      if (found === undefined) throw Object.assign(new Error('no such file'), { code: 'ENOENT' });
      return found;
    },
    ...options,
  });

const said = async (text: string, options: Parameters<typeof load>[1] = {}) =>
  (await load(text, options)).problems.sorted().map(({ line, column, code }) => `${line}:${column} ${code}`);

const source = 'source: { kafka: { topic: a } }\n';
const sinks = 'sinks: [ { stdout: {} } ]\n';

describe('a bad file is answered with the place and the way out', () => {
  // Each file begins with the problems it must give: `#! line:column-end severity code: message -> hint`.
  const files = readdirSync(directory);
  it.for(files)('%s', async (file) => {
    const text = readFileSync(join(directory, file), 'utf8');
    const expected = text.split('\n').filter((line) => line.startsWith('#! '));
    const { problems } = await load(text, { mode: 'validate' });
    const found = problems.sorted().map((problem) => {
      const { line, column, endLine, endColumn, severity, code, message, hint } = problem;
      const end = endLine === line ? endColumn : `${endLine}:${endColumn}`;
      return `#! ${line}:${column}-${end} ${severity} ${code}: ${message}${hint === null ? '' : ` -> ${hint}`}`;
    });
    expect(found).toEqual(expected);
    expect(found.length).toBeGreaterThan(0);
  });

  it('the table has a case for every code of the pipeline file that a text alone can cause', () => {
    const codes = new Set(
      files.flatMap((file) =>
        [...readFileSync(join(directory, file), 'utf8').matchAll(/^#! \S+ \S+ (\w+):/gm)].map((match) => match[1]),
      ),
    );
    expect(files.length).toBeGreaterThanOrEqual(300);
    expect(codes.size).toBeGreaterThanOrEqual(28);
  });
});

describe('a good file', () => {
  it('is filled with defaults: name, group, dead-letter topic, names of components, options', async () => {
    const { definition, problems } = await load(
      `${source}steps: [ { filter: event.a }, { filter: event.b }, { set: { c: 1 } } ]\n${sinks}`,
    );
    expect(problems.sorted()).toEqual([]);
    expect(definition).toMatchObject({
      name: 'orders',
      group: 'orders',
      directory: '/p',
      description: null,
      sources: [
        {
          component: 'kafka',
          name: 'kafka',
          options: { topic: 'a', start: 'earliest', fetch: '1MiB', connection: 'kafka' },
          path: ['source', 'kafka'],
          time: { field: null, unit: null, aheadMs: 3_600_000, path: ['time'] },
          steps: [],
          event: 'dyn',
        },
      ],
      dlq: { topic: 'orders.dlq' },
      breaker: { ratio: 0.2, overMs: 60_000, min: 100 },
      batchEveryMs: null,
      connections: { kafka: { kind: 'kafka', options: { brokers: 'localhost:9092', connect_timeout: '5s' } } },
      vars: {},
      secrets: [],
    });
    expect(definition?.steps.map(({ name, onError }) => [name, onError])).toEqual([
      ['filter-1', 'dlq'],
      ['filter-2', 'dlq'],
      ['set-1', 'dlq'],
    ]);
    expect(definition?.sinks).toEqual([
      {
        component: 'stdout',
        name: 'stdout',
        options: { pretty: false },
        path: ['sinks', 0, 'stdout'],
        required: true,
        retry: { action: 'wait' },
      },
    ]);
  });

  it('keeps what stands beside a component', async () => {
    const { definition } = await load(
      `${source}steps: [ { filter: event.a, name: paid, on_error: drop } ]\nsinks:\n  - stdout: {}\n    when: event.x > 1\n    version: event.v\n    name: out\n`,
    );
    expect(definition?.steps[0]).toMatchObject({ name: 'paid', onError: 'drop', options: 'event.a' });
    expect(definition?.sinks[0]).toMatchObject({
      name: 'out',
      when: 'event.x > 1',
      version: 'event.v',
    });
  });

  it('with a file source puts its dead letters beside itself', async () => {
    const { definition } = await load(`name: flights\nsource: { file: { path: f.csv } }\n${sinks}`);
    expect(definition?.dlq).toEqual({ file: '/p/flights.dlq.ndjson' });
  });

  it('reads durations of its own keys, and `off`', async () => {
    const { definition } = await load(
      `${source}time: { field: event.at, unit: ms, ahead: off }\nbatch: { every: 90s }\n${sinks}`,
    );
    expect(definition?.sources[0].time).toMatchObject({ field: 'event.at', unit: 'ms', aheadMs: null });
    expect(definition?.batchEveryMs).toBe(90_000);
  });

  it('may use anchors and aliases', async () => {
    const { definition } = await load(`${source}steps:\n  - set: &fields { a: 1 }\n  - set: *fields\n${sinks}`);
    expect(definition?.steps.map(({ options }) => options)).toEqual([{ a: 1 }, { a: 1 }]);
  });
});

describe('connections', () => {
  const postgres = (options: string) =>
    `${source}connections: { serving: { postgres: { url: 'postgres://db/x' } } }\nsinks: [ { postgres: { table: t, ${options} } } ]\n`;

  it('are named, and the component gets the name', async () => {
    const { definition } = await load(postgres('connection: serving'));
    expect(definition?.sinks[0]?.options).toMatchObject({ connection: 'serving', table: 't' });
    expect(definition?.connections.serving).toEqual({
      kind: 'postgres',
      options: { url: 'postgres://db/x', pool: 2 },
      path: ['connections', 'serving', 'postgres'],
    });
  });

  it('written in place become connections of their own', async () => {
    const { definition, problems } = await load(postgres("url: 'postgres://other/x'"));
    expect(problems.sorted()).toEqual([]);
    expect(definition?.sinks[0]?.options).toEqual({
      table: 't',
      mode: 'upsert',
      create: false,
      connection: 'sinks[0].postgres',
    });
    expect(definition?.connections['sinks[0].postgres']).toEqual({
      kind: 'postgres',
      options: { url: 'postgres://other/x', pool: 2 },
      path: ['sinks', 0, 'postgres'],
    });
  });

  it.for([
    [
      'connections.kafka first',
      'connections: { kafka: { kafka: { brokers: one } } }\nkafka: { brokers: two }\n',
      'one',
    ],
    ['then `kafka:`', 'kafka: { brokers: two }\n', 'two'],
    ['then KAFKA_BROKERS', '', 'three:9092'],
  ] as const)('Kafka is taken by default: %s', async ([, text, brokers]) => {
    const { definition } = await load(`${source}${text}${sinks}`, { env: { KAFKA_BROKERS: 'three:9092' } });
    expect(definition?.connections.kafka?.options.brokers).toBe(brokers);
  });

  it('and vars come from pipectl.yaml above the pipeline, the pipeline going before it', async () => {
    const files = {
      '/pipectl.yaml': "connections: { serving: { postgres: { url: 'postgres://db/x' } } }\nvars: { a: 1, b: 2 }\n",
    };
    const { definition, problems } = await load(
      `${source}vars: { b: 3 }\nsinks: [ { postgres: { connection: serving, table: t } } ]\n`,
      { files },
    );
    expect(problems.sorted()).toEqual([]);
    expect(definition?.connections.serving?.kind).toBe('postgres');
    expect(definition?.vars).toEqual({ a: 1, b: 3 });
  });

  it('of pipectl.yaml have their problems reported in that file', async () => {
    const files = { '/p/pipectl.yaml': 'connections:\n  serving: { postgres: { ulr: x } }\nstate: {}\n' };
    const { problems } = await load(source + sinks, { files });
    expect(problems.sorted().map(({ file, line, column, code }) => [file, line, column, code])).toEqual([
      ['/p/pipectl.yaml', 2, 26, 'key_unknown'],
      ['/p/pipectl.yaml', 3, 1, 'not_available'],
    ]);
  });
});

describe('what is sound of a bad file is still there, so that its expressions are checked in the same run', () => {
  it('a sink that failed is left out, the others stay', async () => {
    const { definition, problems } = await load(`${source}sinks: [ { postgres: { tabel: a } }, { stdout: {} } ]\n`);
    expect(problems.hasErrors).toBe(true);
    expect(definition?.sinks.map(({ component }) => component)).toEqual(['stdout']);
  });

  it('from the first failed step on nothing is checked against fields that are not known', async () => {
    const { definition } = await load(
      `${source}steps: [ { filter: event.a }, { fliter: event.b }, { filter: event.c } ]\n${sinks}`,
    );
    expect(definition?.steps.map(({ options }) => options)).toEqual(['event.a']);
    expect(definition?.sinks).toEqual([]);
  });

  it('without a source there is no definition', async () => {
    expect((await load(`source: { kafak: {} }\n${sinks}`)).definition).toBeNull();
  });
});

describe('hostile YAML is refused within limits', () => {
  const aliases = Array.from(
    { length: 12 },
    (_, level) =>
      `k${level}: &a${level} [${Array(9)
        .fill(level === 0 ? 'x' : `*a${level - 1}`)
        .join(', ')}]`,
  );
  it.for([
    ['an alias bomb', `vars:\n  ${aliases.join('\n  ')}\n`, 'yaml_limit'],
    ['an alias that contains itself', 'vars: { a: &a [ *a ] }\n', 'yaml_alias'],
    ['lists nested 10,000 deep', `vars: ${'['.repeat(10_000)}${']'.repeat(10_000)}\n`, 'yaml_limit'],
    ['mappings nested 10,000 deep', `vars: ${'{a: '.repeat(10_000)}${'}'.repeat(10_000)}\n`, 'yaml_limit'],
    ['lists nested 100 deep', `vars: { a: ${'['.repeat(100)}${']'.repeat(100)} }\n`, 'yaml_limit'],
    ['a file of 10 MB', `vars: { a: "${'x'.repeat(10_000_000)}" }\n`, 'yaml_limit'],
    ['50,000 keys', `vars:\n${Array.from({ length: 50_000 }, (_, n) => ` k${n}: 1\n`).join('')}`, 'yaml_limit'],
    ['9,000 unknown keys', Array.from({ length: 9000 }, (_, n) => `k${n}: 1\n`).join(''), 'key_unknown'],
    [
      '2,500 aliases',
      Array.from({ length: 2500 }, (_, n) => `x${n}: &a${n} 1\ny${n}: *a${n}\n`).join(''),
      'key_unknown',
    ],
    [
      '5,000 expressions YAML can not read',
      `steps:\n${'  - filter: "x" == 1\n'.repeat(5000)}`,
      'expression_needs_quotes',
    ],
    ['50,000 wrong escapes', `vars: { a: "${'\\q'.repeat(50_000)}" }\n`, 'yaml_syntax'],
    ['a binary tag', 'vars: { a: !!binary aGk= }\n', 'yaml_tag'],
    ['a tag that makes objects elsewhere', 'vars:\n  a: !!js/function "function(){}"\n', 'yaml_tag'],
    ['__proto__', 'vars: { __proto__: { polluted: 1 } }\n', 'yaml_key'],
  ] as const)('%s', async ([, text, code]) => {
    const started = process.threadCpuUsage();
    expect((await said(text + source + sinks)).map((line) => line.split(' ')[1])).toContain(code);
    expect(cpuMsSince(started)).toBeLessThan(3000);
    expect(({} as Record<string, unknown>).polluted).toBeUndefined();
  });

  it('a file that is not UTF-8 is refused with a sentence', async () => {
    const file = join(import.meta.dirname, 'load.test.ts');
    await expect(loadPipeline(`${file}.none`, { env: {}, mode: 'run' })).rejects.toMatchObject({
      code: 'file_unreadable',
      exitCode: 2,
    });
  });

  it('no more than 100 problems are told: nobody reads more at once', async () => {
    const keys = Array.from({ length: 500 }, (_, n) => `k${n}: 1\n`).join('');
    expect(await said(source + sinks + keys)).toHaveLength(100);
  });

  it('a carriage return alone ends a line too', async () => {
    expect(await said(`${source}nmae: a\n${sinks}`.replaceAll('\n', '\r'))).toEqual(['2:1 key_unknown']);
  });

  it('a byte order mark and Windows line ends shift no column', async () => {
    expect(await said(`\u{feff}nmae: a\r\n${source}${sinks}batch: { every: 5 }\r\n`)).toEqual([
      '1:1 key_unknown',
      '4:17 unit_missing',
    ]);
  });
});

describe('--set', () => {
  const set = (path: string, value: string) => ({ set: [{ path, value }] });
  it('changes a value, which is then checked like any other', async () => {
    const { definition } = await load(source + sinks, set('source.kafka.topic', 'b'));
    expect(definition?.sources[0].options).toMatchObject({ topic: 'b' });
    expect(await said(source + sinks, set('sinks[0].stdout.prety', 'true'))).toEqual(['2:12 key_unknown']);
  });

  it('makes what is not there yet, with the type YAML gives it', async () => {
    const { definition } = await load(source + sinks, set('vars.min', '5'));
    expect(definition?.vars).toEqual({ min: 5 });
  });

  it.for(['sinks[3].stdout', 'sinks.a', 'a..b', '[0]', '__proto__.x', 'name.x'])(
    'refuses the path %s',
    async (path) => {
      expect(await said(`name: a\n${source}${sinks}`, set(path, '1'))).toEqual(['1:1 set_invalid']);
    },
  );
});

describe('alerts', () => {
  it('are read with their units, and what is not said is not watched', async () => {
    const alerts = `
alerts:
  lag: { records: 10000, seconds: 60, growth: 500/s, for: 2m }
  dlq: { growth: 10/m }
  latency: { p99: 5s }
  notify: [ { webhook: '\${ALERT_WEBHOOK}' }, { command: [page, me], timeout: 3s } ]
`;
    const env = { ALERT_WEBHOOK: 'https://hooks.example.org/s3cret' };
    const { definition, problems } = await load(source + sinks + alerts, { env });
    expect(problems.sorted()).toEqual([]);
    expect(definition?.alerts).toEqual({
      lag: { records: 10_000, seconds: 60, growth: 500, forMs: 120_000 },
      dlq: { growth: 10 / 60, tellsNew: false, forMs: 60_000 },
      errors: null,
      latency: { p50Ms: null, p95Ms: null, p99Ms: 5000, forMs: 60_000 },
      throughput: null,
      sinks: null,
      notify: [
        { kind: 'webhook', url: 'https://hooks.example.org/s3cret', timeoutMs: 10_000 },
        { kind: 'command', argv: ['page', 'me'], timeoutMs: 3000 },
      ],
    });
    expect(definition?.secrets).toContain('https://hooks.example.org/s3cret');
  });

  it('need no address to be validated', async () => {
    const alerts = "alerts: { lag: { records: 1 }, notify: [ { webhook: '${NOT_SET}' } ] }\n";
    const { problems } = await load(source + sinks + alerts, { mode: 'validate' });
    expect(problems.sorted()).toEqual([]);
  });
});
