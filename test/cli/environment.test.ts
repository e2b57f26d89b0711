import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { definitionOf } from '../../src/cli/definition-of.ts';
import { planFile } from '../../src/cli/plan-file.ts';

const root = join(import.meta.dirname, '../..');
const project = `
vars: { least: 0 }
environments:
  dev: { prefix: ann- }
  prod: { strict: true, vars: { least: 10 } }
  ci: { vars: { token: '\${PIPECTL_TEST_UNSET}' } }
conventions: { topic: '<domain>.<event>.v<N>' }
`;
const fromKafka = 'source: { kafka: { topic: orders } }\nsinks: [ { stdout: {} } ]\n';
const fromFile = `source: { file: { path: in.ndjson } }
steps: [ { filter: event.n >= vars.least } ]
sinks: [ { file: { path: out.ndjson } } ]
`;

let directory: string;
const write = (file: string, text: string): string => {
  const path = join(directory, file);
  writeFileSync(path, text);
  return path;
};

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'pipectl-environment-'));
  write('pipectl.yaml', project);
});

afterEach(() => rmSync(directory, { recursive: true }));

/** What the program prints and exits with, run in the folder of the project. */
function pipectl(argv: readonly string[], env: Readonly<Record<string, string>> = {}) {
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    ['--import', join(root, 'node_modules/tsx/dist/loader.mjs'), join(root, 'src/cli/main.ts'), ...argv],
    { cwd: directory, encoding: 'utf8', env: { PATH: process.env.PATH, ...env } },
  );
  return { status, stdout, stderr };
}

describe('pipectl validate', () => {
  it('makes warnings errors in a strict environment, named by --env before or behind the command, or by PIPECTL_ENV', () => {
    write('orders.yaml', fromKafka);
    const plain = pipectl(['validate']);
    expect([plain.status, plain.stdout]).toEqual([0, expect.stringContaining('warning')]);
    for (const { status, stdout } of [
      pipectl(['validate', '--env', 'prod']),
      pipectl(['--env', 'prod', 'validate']),
      pipectl(['validate'], { PIPECTL_ENV: 'prod' }),
    ]) {
      expect([status, stdout]).toEqual([
        1,
        expect.stringMatching(/^orders\.yaml:1:27 {2}error .*\[topic_convention\]/),
      ]);
    }
    expect(pipectl(['validate', '--env', 'dev'], { PIPECTL_ENV: 'prod' }).status).toBe(0);
  }, 20_000);

  it('wants the variables of an environment to be set, and without one takes them as unknown', () => {
    write('orders.yaml', fromFile);
    expect(pipectl(['validate']).status).toBe(0);
    const { status, stdout } = pipectl(['validate', '--env', 'ci']);
    expect([status, stdout]).toEqual([1, expect.stringContaining('pipectl.yaml:6:')]);
    expect(pipectl(['validate', '--env', 'ci'], { PIPECTL_TEST_UNSET: 'x' }).status).toBe(0);
  });

  it('reports a project without the environment as a problem of its files, and goes on', () => {
    write('pipectl.yaml', '');
    for (const [folder, environments] of Object.entries({ a: '{ prod: {} }', b: '{ dev: {} }' })) {
      mkdirSync(join(directory, folder));
      write(`${folder}/pipectl.yaml`, `environments: ${environments}\n`);
      write(`${folder}/orders.yaml`, fromKafka);
    }
    const { status, stdout, stderr } = pipectl(['validate', '.', '--env', 'dev']);
    expect([status, stderr]).toEqual([1, '']);
    expect(stdout.split('\n')).toEqual([
      'a/orders.yaml:1:1  error  there is no environment "dev" in a/pipectl.yaml  [environment_unknown]',
      '  hint: environments: prod',
      '',
      '2 files: 1 error',
      '`pipectl docs CODE` says more of a code, such as environment_unknown',
      '',
    ]);
    expect(pipectl(['validate', '.', '--env', 'other']).status).toBe(2);
  });

  it('answers an unknown environment with the names there are, as wrong usage', () => {
    write('orders.yaml', fromFile);
    const { status, stderr } = pipectl(['validate', '--env', 'prd']);
    expect([status, stderr]).toEqual([
      2,
      'pipectl: there is no environment "prd" in pipectl.yaml; did you mean "prod"?\n  environments: dev, prod and ci\n',
    ]);
  });
});

describe('pipectl run', () => {
  it('runs with the vars, the prefix and the name of its environment', () => {
    write('orders.yaml', fromFile);
    write('in.ndjson', '{"n":5}\n{"n":50}\nbroken\n');
    const { status, stdout, stderr } = pipectl(['run', '--until-end', '--view', 'json', '--env', 'prod']);
    expect([status, stderr]).toEqual([0, expect.any(String)]);
    expect(JSON.parse(stdout.trimEnd().split('\n').at(-1) ?? '')).toMatchObject({ environment: 'prod' });
    expect(readFileSync(join(directory, 'out.ndjson'), 'utf8')).toBe('{"n":50}\n');
    // The sink's position is the one of prod: dev does not go on from it.
    const dev = pipectl(['run', '--until-end', '--view', 'none', '--env', 'dev']);
    expect([dev.status, dev.stderr]).toEqual([1, expect.stringContaining('belongs to sink file of pipeline orders')]);
  });

  it('does not start in a strict environment while there are warnings', async () => {
    const file = write('orders.yaml', fromKafka);
    await expect(planFile(file, [], 'prod')).rejects.toMatchObject({
      code: 'pipeline_invalid',
      message: expect.stringContaining('topic_convention') as string,
    });
  });
});

describe('commands that look at a pipeline from outside', () => {
  it('look at the group and the dead-letter topic of the environment', async () => {
    const file = write('orders.yaml', fromKafka);
    expect(await definitionOf(file, 'dev')).toMatchObject({ group: 'ann-orders', dlq: { topic: 'ann-orders.dlq' } });
    expect(await definitionOf(file, null)).toMatchObject({ group: 'orders' });
    // A warning is none of their business.
    expect(await definitionOf(file, 'prod')).toMatchObject({ group: 'orders' });
  });
});

describe('pipectl explain', () => {
  it('says which environment it is about, and where its values come from', () => {
    write('orders.yaml', `vars: { least: 1 }\n${fromKafka}`);
    const { stdout } = pipectl(['explain', '--env', 'dev', '-o', 'json']);
    const explained = JSON.parse(stdout) as { readonly settings: readonly unknown[] };
    expect(explained).toMatchObject({
      environment: 'dev',
      vars: [{ name: 'least', value: 1, origin: { from: 'pipeline', text: 'orders.yaml:1' } }],
    });
    expect(explained.settings).toContainEqual({
      name: 'prefix',
      value: 'ann-',
      origin: { from: 'project', text: 'pipectl.yaml:4' },
    });
    const prod = JSON.parse(pipectl(['explain', '--env', 'prod', '-o', 'json']).stdout) as unknown;
    expect(prod).toMatchObject({ vars: [{ value: 10, origin: { from: 'project', text: 'pipectl.yaml:5' } }] });
  });

  it('says of a value that it comes from the env_file, and takes it from there', () => {
    write(
      'orders.yaml',
      "source: { kafka: { topic: '${TOPIC}' } }\nsinks: [ { postgres: { table: t, mode: append, url: '${PG_URL}' } } ]\n",
    );
    write('pipectl.yaml', 'environments: { dev: { env_file: dev.env }, gone: { env_file: gone.env } }\n');
    write('dev.env', 'TOPIC=dev.orders\nPG_URL=postgres://ann:hidden@db/dev\nKAFKA_BROKERS=dev:9092\n');
    const { stdout } = pipectl(['explain', '--env', 'dev'], { PG_URL: 'postgres://ann:other@real/dev' });
    expect(stdout).toMatch(/topic +dev\.orders +orders\.yaml:1 \$TOPIC \(dev\.env\)/);
    expect(stdout).toMatch(/brokers +dev:9092 +\$KAFKA_BROKERS \(dev\.env\)/);
    // The real environment goes before the file.
    expect(stdout).toMatch(/url +postgres:\/\/real\/dev +orders\.yaml:2 \$PG_URL\n/);
    expect(stdout).not.toMatch(/hidden|other/);
    // Like any secret file it need not be there.
    expect(pipectl(['explain', '--env', 'gone']).stdout).toMatch(/topic +\S+ +orders\.yaml:1 \$TOPIC \(not set\)/);
  });
});

describe('pipectl test', () => {
  it('takes the environment of --env, and not that of PIPECTL_ENV: a test must not depend on where it runs', () => {
    write('orders.yaml', fromFile);
    write('orders.test.yaml', 'cases: [ { name: all, events: [ { n: 5 } ], expect: { rows: [ { n: 5 } ] } } ]\n');
    expect(pipectl(['test'], { PIPECTL_ENV: 'prod' }).status).toBe(0);
    expect(pipectl(['test', '--env', 'prod']).status).toBe(1);
  });
});
