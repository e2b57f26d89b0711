import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

const root = join(import.meta.dirname, '../..');
let directory: string;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'pipectl-project-'));
});
afterEach(() => rmSync(directory, { recursive: true }));

function write(file: string, text: string): void {
  mkdirSync(dirname(join(directory, file)), { recursive: true });
  writeFileSync(join(directory, file), text);
}

/** What the program prints and exits with, run in the folder of the project. */
function pipectl(...argv: readonly string[]) {
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    ['--import', join(root, 'node_modules/tsx/dist/esm/index.mjs'), join(root, 'src/cli/main.ts'), ...argv],
    { cwd: directory, encoding: 'utf8', env: { ...process.env, PIPECTL_ENV: '' } },
  );
  return { status, stdout, stderr };
}

const enriched = (from: string) => `source: { file: { path: in.ndjson } }
steps: [ { enrich: { from: ${from}, on: event.c } } ]
sinks: [ { file: { path: out.ndjson } } ]
`;

describe('lookups of pipectl.yaml', () => {
  const project = `lookups:
  customers: { file: { path: data/customers.csv, key: id } }
  shops: { file: { path: '\${PIPECTL_TEST_UNSET:?only where it is used}', key: id } }
`;
  beforeEach(() => {
    write('pipectl.yaml', project);
    write('data/customers.csv', 'id,name\n1,Ann\n');
    write('orders/in.ndjson', '{"c":1}\n');
  });

  it('serve the pipelines below it, their files being found from its folder', () => {
    write('orders/orders.yaml', enriched('customers'));
    expect(pipectl('run', 'orders/orders.yaml', '--until-end', '--view', 'none').status).toBe(0);
    expect(readFileSync(join(directory, 'orders/out.ndjson'), 'utf8')).toBe(
      '{"c":1,"customers":{"id":"1","name":"Ann"}}\n',
    );
    const { stdout } = pipectl('explain', 'orders/orders.yaml');
    expect(stdout).toMatch(/path +data\/customers\.csv +pipectl\.yaml:2/);
    expect(stdout).not.toContain('shops');
  });

  it('give way to the own ones of a pipeline', () => {
    write('orders/own.csv', 'id,name\n1,Own\n');
    write(
      'orders/orders.yaml',
      `${enriched('customers')}lookups: { customers: { file: { path: own.csv, key: id } } }\n`,
    );
    expect(pipectl('run', 'orders/orders.yaml', '--until-end', '--view', 'none').status).toBe(0);
    expect(readFileSync(join(directory, 'orders/out.ndjson'), 'utf8')).toContain('Own');
  });

  it('are known where a name is misspelt, and those that no step reads are no warning', () => {
    write('orders/orders.yaml', enriched('custmers'));
    const { status, stdout } = pipectl('validate', 'orders');
    expect([status, stdout]).toEqual([1, expect.stringContaining('did you mean "customers"?')]);
    expect(stdout).not.toContain('lookup_unused');
  });

  it('that are wrong are told of in pipectl.yaml', () => {
    write('pipectl.yaml', 'lookups:\n  customers: { file: { pth: data/customers.csv, key: id } }\n');
    write('orders/orders.yaml', enriched('customers'));
    expect(pipectl('validate', 'orders').stdout).toMatch(/^pipectl\.yaml:2:24 {2}error .*did you mean "path"/m);
  });
});

describe('words of pipectl.yaml in a pipeline', () => {
  const orders =
    'source: { kafka: { topic: orders } }\nsteps: [ { filter: event.n > vars.least } ]\nsinks: [ { stdout: {} } ]\n';
  const own = `vars: { least: 1 }
environments:
  dev: { prefix: ann-, env_file: dev.env, vars: { least: '\${LEAST}' } }
  prod: { strict: true, vars: { least: '\${PIPECTL_TEST_UNSET}' } }
`;

  it('environments stand for those of a project where there is none', () => {
    write('orders.yaml', orders + own);
    write('dev.env', 'LEAST=7\n');
    expect(pipectl('validate').status).toBe(0);
    const explained = JSON.parse(pipectl('explain', '--env', 'dev', '-o', 'json').stdout) as unknown;
    expect(explained).toMatchObject({
      environment: 'dev',
      vars: [{ name: 'least', origin: { from: 'pipeline', text: 'orders.yaml:6 $LEAST (dev.env)' } }],
      deadLetters: { value: 'ann-orders.dlq' },
    });
    expect(pipectl('validate', '--env', 'prod').stdout).toMatch(/^orders\.yaml:7:\d+ {2}error .*PIPECTL_TEST_UNSET/m);
    expect(pipectl('validate', '--env', 'other').stderr).toContain('environments: dev and prod');
  });

  it('environments are refused where the project has a file', () => {
    write('orders.yaml', orders + own);
    write('pipectl.yaml', 'environments: { dev: {} }\n');
    expect(pipectl('validate').stdout).toMatch(/^orders\.yaml:5:1 {2}error .*pipectl\.yaml.*\[key_misplaced\]/m);
  });

  it('what is wrong with them is told at its place', () => {
    write('orders.yaml', `${orders}vars: { least: 1 }\nenvironments:\n  dev: { prefx: ann- }\n`);
    expect(pipectl('validate').stdout).toMatch(/^orders\.yaml:6:10 {2}error .*did you mean "prefix"/m);
  });

  it('conventions go before those of the project', () => {
    write('pipectl.yaml', "conventions: { topic: '<domain>.<event>' }\n");
    write('orders.yaml', `${orders.replace('topic: orders', 'topic: shop.orders')}vars: { least: 1 }\n`);
    expect(pipectl('validate').stdout).toContain('orders.yaml: ok');
    write('orders.yaml', `${orders}vars: { least: 1 }\nconventions: { topic: 'team-<event>' }\n`);
    expect(pipectl('validate').stdout).toMatch(/^orders\.yaml:1:27 {2}warning .*team-<event>/m);
  });

  it('defaults are refused: a pipeline says it itself', () => {
    write('orders.yaml', `${orders}vars: { least: 1 }\ndefaults: { batch: { every: 5s } }\n`);
    expect(pipectl('validate').stdout).toMatch(/^orders\.yaml:5:1 {2}error .*pipectl\.yaml {2}\[key_misplaced\]/m);
  });
});
