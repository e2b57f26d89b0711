/**
 * Secrets are planted wherever a configuration may have one, every command of the program runs, and each byte that comes
 * out is searched for them. A command that has no case here fails the test.
 */
import { randomBytes } from 'node:crypto';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { askControl, controlSockets } from '../../src/runtime/control.ts';
import { stackAddress, uniqueName } from '../stack/shared.ts';
import { Bench, eventually, type PipelineFile } from './pipeline.ts';

const secret = (name: string): string => `planted-${name}-${randomBytes(6).toString('hex')}`;
/** Characters that are written otherwise in URLs, JSON and regular expressions. */
const awkward = `p@l/n"t$${randomBytes(6).toString('hex')}`;
const planted = {
  database: awkward,
  wrongDatabase: secret('wrong-database'),
  sasl: secret('sasl'),
  tlsKey: secret('tls-key'),
  fileVar: secret('file-var'),
  environmentVar: secret('environment-var'),
  envFile: secret('env-file'),
  webhook: secret('webhook'),
};
/** Of records: not in logs, numbers and answers of the status, but where somebody asks to see records. */
const payload = secret('payload');
const header = secret('header');

/** All forms in which a secret could stand in an output. */
const forms = (value: string): readonly string[] => [
  value,
  encodeURIComponent(value),
  JSON.stringify(value).slice(1, -1),
  Buffer.from(value).toString('base64').replaceAll('=', ''),
  Buffer.from(value).toString('hex'),
];

function expectClean(where: string, text: string, secrets: Readonly<Record<string, string>>): void {
  const found = Object.entries(secrets).filter(([, value]) => forms(value).some((form) => text.includes(form)));
  expect(
    found.map(([name]) => name),
    `${where}:\n${text.slice(0, 3000)}`,
  ).toEqual([]);
}

let bench: Bench;
let topic: string;
let table: string;
let role: string;
let good: PipelineFile;
/** The database refuses the login. */
let unauthorized: PipelineFile;
/** Its key and certificate are none. */
let uncertified: PipelineFile;
/** Nobody listens where the brokers should be; a login is set. */
let unreachable: PipelineFile;
/** Asks a plain listener for TLS, which costs a command all the time it has for connecting. */
let plainListener: PipelineFile;
/** Not valid, and what is wrong stands in the message: a URL that is none. */
let invalid: PipelineFile;
let env: Record<string, string>;
const plantedFiles = new Set<string>();

beforeAll(async () => {
  bench = await Bench.open({ brokers: stackAddress('kafka'), url: stackAddress('postgres') });
  topic = await bench.topic(2);
  role = uniqueName('role');
  table = await bench.table('id bigint primary key, email text unique check (length(email) < 200), token text');
  await bench.query(`CREATE ROLE ${role} LOGIN SUPERUSER PASSWORD '${planted.database}'`);
  const url = new URL(bench.url);
  url.username = role;
  url.password = encodeURIComponent(planted.database);
  const wrong = new URL(bench.url);
  wrong.password = planted.wrongDatabase;

  const plant = async (name: string, text: string): Promise<void> => {
    const file = path.join(bench.directory, name);
    plantedFiles.add(file);
    await writeFile(file, text);
  };
  await plant('pepper.txt', planted.fileVar);
  await plant('key.pem', `-----BEGIN PRIVATE KEY-----\n${planted.tlsKey}\n-----END PRIVATE KEY-----\n`);
  await plant('dev.env', `FROM_ENV_FILE=${planted.envFile}\n`);
  await plant('pipectl.yaml', `environments:\n  dev:\n    env_file: dev.env\n`);
  await plant('customers.csv', `id,name\n1,Ada\n`);
  env = {
    OWN_PG_URL: url.href,
    WRONG_PG_URL: wrong.href,
    SASL_PASSWORD: planted.sasl,
    WEBHOOK: `http://127.0.0.1:9/${planted.webhook}`,
    FROM_ENVIRONMENT: planted.environmentVar,
    // React's development build, which the tests' own environment would choose, is not what people run.
    NODE_ENV: 'production',
    XDG_RUNTIME_DIR: path.join(bench.directory, 'run'),
  };
  await mkdir(env.XDG_RUNTIME_DIR!, { mode: 0o700 });

  const body = {
    source: { kafka: { topic } },
    alerts: { notify: [{ webhook: '${WEBHOOK}' }] },
    vars: { pepper: '${file:pepper.txt}', other: '${FROM_ENVIRONMENT}', third: '${FROM_ENV_FILE:-none}' },
    lookups: { customers: { file: { path: 'customers.csv', key: 'id' } } },
    steps: [
      { filter: 'event.?skip != true' },
      { enrich: { from: 'customers', on: 'string(event.customer)', into: 'customer', missing: 'keep' } },
      {
        map: {
          id: 'int(event.id)',
          email: 'string(event.email)',
          token: 'hmac_sha256(string(event.id) + vars.other + vars.third, vars.pepper)',
        },
      },
    ],
  };
  const sink = (of: string) => ({ postgres: { url: `\${${of}}`, table, key: ['id'] } });
  good = await bench.pipeline({ ...body, sinks: [sink('OWN_PG_URL')] });
  unauthorized = await bench.pipeline({ ...body, sinks: [sink('WRONG_PG_URL')] });
  const encrypted = (brokers: string, tls: object | true = true) => ({
    kafka: {
      kafka: {
        brokers,
        connect_timeout: '1s',
        sasl: { mechanism: 'plain', username: 'alice', password: '${SASL_PASSWORD}' },
        tls,
      },
    },
  });
  const sinks = [sink('OWN_PG_URL')];
  const certificate = { key: '${file:key.pem}', cert: '${file:key.pem}' };
  uncertified = await bench.pipeline({ ...body, connections: encrypted('${KAFKA_BROKERS}', certificate), sinks });
  unreachable = await bench.pipeline({ ...body, connections: encrypted('127.0.0.1:9'), sinks });
  plainListener = await bench.pipeline({ ...body, connections: encrypted('${KAFKA_BROKERS}'), sinks });
  invalid = await bench.pipeline({ ...body, sinks: [{ postgres: { url: 'postgres://u:${SASL_PASSWORD}@[bad', table, key: ['id'] } }] }); // prettier-ignore
  for (const { path: file } of [good, unauthorized, uncertified, unreachable, plainListener, invalid])
    plantedFiles.add(file);

  // One that fails: what was got is shown.
  const steps = { events: [{ id: 1, email: 'c@example.org' }], expect: { rows: [{ id: 2, token: 'none' }] } };
  const tests = {
    env: { FROM_ENVIRONMENT: 'of this test' },
    lookups: { customers: { 1: { name: 'Ada' } } },
    cases: [{ name: 'one row', ...steps }],
  };
  await plant(path.basename(good.path).replace('.yaml', '.test.yaml'), JSON.stringify(tests));

  const message = (value: object) => ({
    partition: 0,
    key: '1',
    value: JSON.stringify(value),
    headers: { authorization: header },
  });
  await bench.send(topic, [
    message({ id: 1, customer: 1, email: 'a@example.org' }),
    // Refused by the database, whose error quotes the values; and by a step.
    message({ id: 2, customer: 1, email: `${payload}${'x'.repeat(300)}` }),
    message({ id: payload, customer: 1, email: 'b@example.org' }),
    { partition: 1, key: null, value: `{"broken": "${payload}"`, headers: { authorization: header } },
  ]);
});
afterAll(async () => {
  try {
    // What it has made for all pipelines stays; `DROP OWNED` takes the rights it was given.
    await bench.query(`REASSIGN OWNED BY ${role} TO CURRENT_USER`);
    await bench.query(`DROP OWNED BY ${role}`);
    await bench.query(`DROP ROLE ${role}`);
  } finally {
    await bench[Symbol.asyncDispose]();
  }
});

/** `{}` is a pipeline file: the good one, and those that are refused. */
const cases: Readonly<Record<string, readonly (readonly string[])[]>> = {
  run: [
    ['run', '{}', '--until-end', '--view', 'json'],
    ['run', '{}', '--until-end', '--view', 'plain', '--env', 'dev'],
    ['run', '{}', '--until-end', '--view', 'ink'],
    ['run', '{}', '--until-end', '--dry-run', '--view', 'none'],
    ['run', '{}', '--until-end', '--set', 'vars.pepper=other'],
    ['run', '{}', '--from', 'earliest', '--as', 'backfill', '--until-end'],
  ],
  validate: ['text', 'json', 'github', 'sarif'].map((format) => ['validate', '{}', '--format', format]).concat([['validate', '{}', '--connect', '--timeout', '2s']]), // prettier-ignore
  test: [['test', '{}']],
  lag: [['lag', '{}'], ['lag', '{}', '--json'], ['lag', '{}', '--check']], // prettier-ignore
  explain: [[], ['-o', 'json'], ['-o', 'mermaid'], ['--live'], ['--acls'], ['--topics']].map((words) => ['explain', '{}', ...words]), // prettier-ignore
  docs: [
    ['docs', 'kafka'],
    ['docs', 'errors'],
  ],
  eval: [['eval', 'event.id', '--pipeline', '{}'], ['eval', 'vars.pepper', '--pipeline', '{}'], ['eval', 'vars', '--pipeline', '{}', '-o', 'json']], // prettier-ignore
  init: [['init', 'made', '--from', 'kafka', '--topic', 'TOPIC']],
  quickstart: [['quickstart', '--for', '300ms']],
  'dlq ls': [['dlq', 'ls', '{}'], ['dlq', 'ls', '{}', '-o', 'json']], // prettier-ignore
  'dlq inspect': [['dlq', 'inspect', '{}', '--limit', '9'], ['dlq', 'inspect', '{}', '-o', 'json', '--limit', '9']], // prettier-ignore
  'dlq stats': [['dlq', 'stats', '{}'], ['dlq', 'stats', '{}', '--json']], // prettier-ignore
  'dlq replay': [['dlq', 'replay', '{}', '--all', '--here', '--dry-run'], ['dlq', 'replay', '{}', '--all', '--here', '--yes']], // prettier-ignore
  'dlq resolve': [['dlq', 'resolve', '{}', '--all', '--note', 'tried']],
  'dlq purge': [['dlq', 'purge', '{}', '--resolved', '--before', '1ms', '--yes']],
  doctor: [['doctor', '{}', '--timeout', '2s', '--sample', '100ms'], ['doctor', '{}', '--json', '--timeout', '2s', '--sample', '100ms']], // prettier-ignore
  runbook: [['runbook', '--json']],
  assess: [['assess', '--questions']],
  'alerts test': [['alerts', 'test', '{}']],
  rewind: [['rewind', '{}', '--to', 'earliest', '--dry-run', '--json'], ['rewind', '{}', '--to', 'earliest', '--yes']], // prettier-ignore
  status: [['status', '--json'], ['status', 'NAME', '--json']], // prettier-ignore
  tap: [['tap', 'NAME', '--after', 'map-1', '-n', '1']],
  resume: [['resume', 'NAME']],
  destroy: [['destroy', '{}', '--dry-run', '--json'], ['destroy', '{}', '--dead-letters', '--yes']], // prettier-ignore
  generate: ['prometheus', 'grafana', 'systemd', 'dockerfile', 'kubernetes'].map((kind) => ['generate', kind, '{}']),
  drill: [['drill', '{}', '--list'], ['drill', '{}', '--yes', '--for', '1s', '--within', '3s', '--only', 'kill,sink-away', '--json']], // prettier-ignore
  completion: [['completion', 'bash']],
};
/** Somebody asks to see records. */
const showsRecords: ReadonlySet<string> = new Set([
  'eval',
  'init',
  'dlq ls',
  'dlq inspect',
  'dlq replay',
  'tap',
  'run',
]);

async function commandsOf(...words: readonly string[]): Promise<readonly string[]> {
  const { stdout } = await bench.run([...words, '--help'], { COLUMNS: '200' });
  // Under several headings; options begin with a dash.
  return [...stdout.matchAll(/^ {2}([a-z]+)[ |<[]/gm)].map(([, name]) => name!).filter((name) => name !== 'help');
}

test('every command of the program has a case', async () => {
  const commands = await commandsOf();
  expect(commands.length).toBeGreaterThan(15);
  const groups = ['dlq', 'alerts'];
  const all = commands.filter((name) => !groups.includes(name));
  for (const group of groups) {
    for (const name of await commandsOf(group)) all.push(`${group} ${name}`);
  }
  expect(Object.keys(cases).toSorted()).toEqual(all.toSorted());
});

/** They move positions, offsets or dead letters: one after the other on the pipeline that works. */
const changes: ReadonlySet<string> = new Set([
  'run',
  'drill',
  'rewind',
  'dlq replay',
  'dlq resolve',
  'dlq purge',
  'destroy',
]);

/** Everything a process has written until its end; one that does not end fails. */
async function outputOf(args: readonly string[]): Promise<{ readonly stdout: string; readonly stderr: string }> {
  const child = bench.start(args, env);
  const limit = setTimeout(() => child.kill('SIGKILL'), 40_000);
  const { signal } = await child.ended;
  clearTimeout(limit);
  expect(signal, `${args.join(' ')} has not ended`).toBeNull();
  return child;
}

/** Commands try for 15 seconds where no broker answers: only those meet that which have a --timeout, or need none. */
function filesFor(command: string, words: readonly string[]): readonly PipelineFile[] {
  const refused = [good, unauthorized, uncertified];
  if (command === 'doctor' || command === 'validate') return [...refused, unreachable, plainListener, invalid];
  return words === cases['run']![0] ? [...refused, invalid] : refused;
}

/** In this order: what is destroyed at the end is there before. */
const order = Object.keys(cases).toSorted((a, b) => Number(a === 'destroy') - Number(b === 'destroy'));
test.for(order)('%s shows no secret', { timeout: 120_000 }, async (command) => {
  const runs = cases[command]!.flatMap((words) => {
    const hasPipeline = words.some((word) => word === '{}' || word === 'NAME');
    return (hasPipeline ? filesFor(command, words) : [good]).map((of) => ({
      of,
      args: words.map((word) => ({ '{}': of.path, NAME: of.name, TOPIC: topic })[word] ?? word),
    }));
  });
  const oneAfterTheOther = async (own: typeof runs): Promise<void> => {
    for (let next = own.shift(); next; next = own.shift()) {
      const what = next.args.join(' ');
      const { stdout, stderr } = await outputOf(next.args);
      expect(stdout + stderr, what).not.toContain('this is a bug');
      expectClean(what, stdout + stderr, planted);
      if (command === 'run' || !showsRecords.has(command)) expectClean(what, stderr, { payload, header });
      if (!showsRecords.has(command)) expectClean(what, stdout, { payload, header });
    }
  };
  const inOrder = changes.has(command) ? runs.filter(({ of }) => of === good) : [];
  const anyOrder = runs.filter((run) => !inOrder.includes(run));
  await Promise.all([oneAfterTheOther(inOrder), ...Array.from({ length: 4 }, () => oneAfterTheOther(anyOrder))]);
});

test('the pipeline of these cases is a good one', async () => {
  const { code, stdout } = await bench.run(['validate', good.path], env);
  expect(code, stdout).toBe(0);
});

test('metrics, the control socket, dead letters, what a killed pipeline leaves: no secret', async () => {
  const running = bench.start(['run', good.path, '--view', 'json', '--metrics', '127.0.0.1:0'], env);
  const [socket] = await eventually('it can be asked', async () => {
    const found = await controlSockets(good.name, env);
    return found.length > 0 && found;
  });
  await eventually('it has dead letters', async () => (await bench.read(good.dlq)).length >= 3, { running: [running] });
  const tap = bench.start(['tap', good.name, '--after', 'map-1', '-n', '1'], env);
  await eventually('an event was shown', async () => {
    await bench.send(topic, [{ partition: 0, key: '3', value: '{"id": 3, "customer": 1, "email": "d@example.org"}' }]);
    return tap.hasEnded;
  });
  expect(tap.stdout).toContain('d@example.org');
  expectClean('tap', tap.stdout + tap.stderr, { ...planted, header });
  for (const args of [['status', good.name, '--json'], ['status'], ['resume', good.name]]) {
    const { stdout, stderr } = await outputOf(args);
    expectClean(args.join(' '), stdout + stderr, { ...planted, header });
  }
  const status = await askControl(socket!.path, 'GET', '/status');
  expectClean('GET /status', JSON.stringify(status), { ...planted, header });
  const address = await eventually('metrics are served', () => /http:\/\/127\.0\.0\.1:\d+/.exec(running.stderr)?.[0]);
  for (const page of ['/metrics', '/healthz', '/readyz', '/nothing']) {
    const answer = await fetch(`${address}${page}`);
    const text = JSON.stringify([...answer.headers]) + (await answer.text());
    expectClean(`GET ${page}`, text, { ...planted, payload, header });
  }
  running.kill('SIGKILL');
  await running.ended;
  expectClean('killed', running.stdout + running.stderr, { ...planted, header });
  for (const { headers } of await bench.read(good.dlq)) {
    const texts = Object.entries(headers ?? {}).map(([name, value]) => `${name}: ${String(value)}`);
    expectClean('headers of a dead letter', texts.join('\n'), planted);
  }
});

test('files that commands have written hold no secret', async () => {
  const names = await readdir(bench.directory, { recursive: true, withFileTypes: true });
  const written = names
    .filter((entry) => entry.isFile())
    .map((entry) => path.join(entry.parentPath, entry.name))
    .filter((file) => !plantedFiles.has(file));
  expect(written.some((file) => file.endsWith('made.yaml'))).toBe(true);
  for (const file of written) expectClean(file, await readFile(file, 'utf8'), planted);
});
