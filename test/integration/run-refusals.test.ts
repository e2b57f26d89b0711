import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { freePort, listen } from '../stack/loopback.ts';
import { uniqueName } from '../stack/shared.ts';
import { sharedBench } from './bench.ts';
import { appended, orderColumns, orderMessage, orders, orderSteps, orderTable } from './orders.ts';
import { type Bench, eventually, type Outcome } from './pipeline.ts';

let bench: Bench;
sharedBench((opened) => (bench = opened));

/** What a person reads: not the log, which is for machines. */
const spoken = ({ stderr }: Outcome): string =>
  stderr
    .split('\n')
    .filter((line) => !line.startsWith('{'))
    .join('\n')
    .trimEnd();

/** It ended with this code and said why in a sentence with a way out, without a stack. */
function expectRefusal(outcome: Outcome, code: number, sentence: RegExp): void {
  expect(outcome.code).toBe(code);
  expect(spoken(outcome)).toMatch(sentence);
  expect(spoken(outcome)).toMatch(/^pipectl: /);
  expect(outcome.stderr + outcome.stdout).not.toMatch(/^\s+at .*:\d+|this is a bug|internal_error|unhandled/im);
}

describe('a pipeline that does not fit is refused in a sentence with the way out', () => {
  const postgres = (table: string, options: object = { key: ['id'] }) => [
    { postgres: { connection: 'serving', table, ...options } },
  ];
  const runWith = async (definition: object): Promise<Outcome> => {
    const { path: file } = await bench.pipeline({
      source: { kafka: { topic: await bench.topic() } },
      steps: orderSteps,
      ...definition,
    });
    return bench.run(['run', file, '--until-end']);
  };

  test('a table that is not there', async () => {
    const table = await bench.table(orderTable.upsert);
    expectRefusal(
      await runWith({ sinks: postgres(`${table}x`) }),
      1,
      new RegExp(`there is no table .*${table}x.*did you mean ${table}.*\\n.*create: true`),
    );
  });

  test('a field without a column', async () => {
    const table = await bench.table('id bigint PRIMARY KEY, n bigint, totals bigint');
    expectRefusal(await runWith({ sinks: postgres(table) }), 1, /total.*\n.*totals|total.*totals/);
  });

  test('a column that needs a value and gets none', async () => {
    const table = await bench.table(`${orderTable.upsert}, region text NOT NULL`);
    expectRefusal(await runWith({ sinks: postgres(table) }), 1, /column region .*needs a value.*\n.*set: \{ region/);
  });

  test('a key without a unique index', async () => {
    const table = await bench.table(orderTable.append);
    expectRefusal(await runWith({ sinks: postgres(table) }), 1, /CREATE UNIQUE INDEX/);
  });

  test('a topic that is not there', async () => {
    const table = await bench.table(orderTable.upsert);
    const missing = uniqueName('missing');
    expectRefusal(
      await runWith({ source: { kafka: { topic: missing } }, sinks: postgres(table) }),
      1,
      new RegExp(`topic ${missing}`),
    );
  });

  test('a variable that is not set', async () => {
    const { path: file } = await bench.pipeline({
      source: { kafka: { topic: 'any', brokers: '${NO_SUCH_BROKERS}' } },
      sinks: [{ stdout: {} }],
    });
    expectRefusal(await bench.run(['run', file]), 1, /NO_SUCH_BROKERS/);
  });

  test('a file that is not YAML: with the place', async () => {
    const file = path.join(bench.directory, 'broken.yaml');
    await writeFile(file, 'name: broken\nsource:\n  kafka: { topic: a\nsinks:\n  - stdout: {}\n');
    expectRefusal(await bench.run(['run', file]), 1, /broken\.yaml:\d+:\d+ /);
  });

  test('a key that is misspelt: with the place and what was meant', async () => {
    const file = path.join(bench.directory, 'misspelt.yaml');
    await writeFile(file, 'source:\n  kafka: { topic: a }\nsinks:\n  - stdout: {}\nstepps: []\n');
    expectRefusal(await bench.run(['run', file]), 1, /misspelt\.yaml:5:1 [^]*steps/);
  });

  test('wrong usage ends with 2', async () => {
    expect((await bench.run(['run', 'a.yaml', '--no-such-option'])).code).toBe(2);
    expect((await bench.run(['run', 'a.yaml', '--max-dead-letters', 'many'])).code).toBe(2);
  });
});

test(
  'a database and a broker that are away at the start end with 3 and a sentence, and do not tell the password',
  { timeout: 60_000 },
  async () => {
    const topic = await bench.topic();
    const { path: file } = await bench.pipeline({
      source: { kafka: { topic } },
      steps: orderSteps,
      sinks: [{ postgres: { connection: 'serving', table: 'any', key: ['id'] } }],
    });
    const url = new URL(bench.url);
    url.port = String(await freePort());
    const [withoutDatabase, withoutBroker] = await Promise.all([
      bench.run(['run', file], { PG_URL: url.href }),
      bench.run(['run', file, '--set', 'sinks=[{ stdout: {} }]'], { KAFKA_BROKERS: `127.0.0.1:${await freePort()}` }),
    ]);
    expectRefusal(
      withoutDatabase,
      3,
      new RegExp(`connecting to PostgreSQL at 127\\.0\\.0\\.1:${url.port}: .*ECONNREFUSED`),
    );
    expectRefusal(withoutBroker, 3, /Kafka.*127\.0\.0\.1/);
  },
);

test('what no waiting mends about a broker ends the run at once', async () => {
  const definition = { source: { kafka: { topic: 'any' } }, sinks: [{ stdout: {} }] };
  const sasl = { mechanism: 'plain', username: 'u', password: '${SASL_PASSWORD}' };
  const connections = { kafka: { kafka: { brokers: '${KAFKA_BROKERS}', sasl } } };
  const [plain, withLogin] = [await bench.pipeline(definition), await bench.pipeline({ ...definition, connections })];
  const startedMs = performance.now();
  const [login, address] = await Promise.all([
    bench.run(['run', withLogin.path], { SASL_PASSWORD: 'wrong-hunter2' }),
    bench.run(['run', plain.path], { KAFKA_BROKERS: '127.0.0.1:99999' }),
  ]);
  expectRefusal(login, 1, /connecting to Kafka at 127\.0\.0\.1[^]*SASL[^]*\n.*sasl/);
  expectRefusal(address, 1, /127\.0\.0\.1:99999[^]*65535/);
  expect(login.stderr).not.toContain('hunter2');
  expect(performance.now() - startedMs).toBeLessThan(8000);
});

test(
  'a service that never answers ends the run after 15 seconds, and a signal at once',
  { timeout: 40_000 },
  async () => {
    await using silent = await listen();
    const env = { KAFKA_BROKERS: `127.0.0.1:${silent.port}`, PG_URL: `postgres://u:p@127.0.0.1:${silent.port}/d` };
    const source = { kafka: { topic: 'any' } };
    const printing = await bench.pipeline({ source, sinks: [{ stdout: {} }] });
    const writing = await bench.pipeline({
      source,
      sinks: [{ postgres: { connection: 'serving', table: 'any', key: ['id'] } }],
    });
    await Promise.all(
      [printing, writing].map(async ({ path: file }) => {
        const startedMs = performance.now();
        expectRefusal(await bench.run(['run', file], env), 3, /no answer/);
        expect(performance.now() - startedMs).toBeLessThan(17_000);
      }),
    );
    for (const { path: file } of [printing, writing]) {
      await using child = bench.start(['run', file], env);
      await eventually('it has started', () => child.log.some(({ code }) => code === 'started'));
      const signalledMs = performance.now();
      child.kill('SIGINT');
      expect(await child.ended).toEqual({ code: 0, signal: null });
      expect(performance.now() - signalledMs).toBeLessThan(1000);
    }
  },
);

test('a table that is dropped while rows are written to it ends the run with 1 and a sentence', async () => {
  const topic = await bench.topic();
  const table = await bench.table(orderTable.append);
  const { path: file, name } = await bench.pipeline({
    source: { kafka: { topic } },
    steps: orderSteps,
    sinks: [{ postgres: { connection: 'serving', table, mode: 'append' } }],
  });
  const send = (from: number): Promise<void> =>
    bench.send(
      topic,
      orders(from, from + 100).map((one) => orderMessage(one, 1)),
    );
  await send(0);
  await using child = bench.start(['run', file]);
  await bench.written(name, 100, [child]);
  await bench.query(`DROP TABLE ${table}`);
  await send(100);
  const ended = await child.ended;
  expectRefusal(
    { ...ended, stdout: child.stdout, stderr: child.stderr },
    1,
    new RegExp(`there is no table .*${table}`),
  );
  expect(await bench.progress(name)).toBe(100);
});

test('a wrong password is told as what it is, and not printed', async () => {
  const topic = await bench.topic();
  const { path: file } = await bench.pipeline({
    source: { kafka: { topic } },
    steps: orderSteps,
    sinks: [{ postgres: { connection: 'serving', table: 'any', key: ['id'] } }],
  });
  const url = new URL(bench.url);
  url.password = 'wrong-hunter2-password';
  const outcome = await bench.run(['run', file], { PG_URL: url.href });
  expectRefusal(outcome, 1, /password authentication failed.*\n.*check user and password/);
  expect(outcome.stderr + outcome.stdout).not.toContain('hunter2');
});

describe('a log that is not what it was is never read on silently', () => {
  async function stoppedPipeline() {
    const topic = await bench.topic();
    const table = await bench.table(orderTable.append);
    const pipeline = await bench.pipeline({
      source: { kafka: { topic } },
      steps: orderSteps,
      sinks: [{ postgres: { connection: 'serving', table, mode: 'append' } }],
    });
    const input = orders(0, 1000);
    await bench.send(
      topic,
      input.map((one) => orderMessage(one, 1)),
    );
    expect((await bench.run(['run', pipeline.path, '--until-end'])).code).toBe(0);
    return { ...pipeline, topic, table, input };
  }

  test('records deleted before they were read', async () => {
    const { path: file, topic, table, input } = await stoppedPipeline();
    await bench.send(
      topic,
      orders(1000, 1500).map((one) => orderMessage(one, 1)),
    );
    await bench.truncate(topic, 1200);
    expectRefusal(
      await bench.run(['run', file, '--until-end']),
      1,
      new RegExp(`${topic} partition 0.* 1000.* 1200.*200 `),
    );
    await bench.expectRows(table, orderColumns, appended(input));
  });

  test.each([
    ['longer', 2000],
    ['shorter', 500],
  ])('a topic created anew, now %s than what was read', async (_, count) => {
    const { path: file, topic, table, input } = await stoppedPipeline();
    await bench.recreate(topic);
    await bench.send(
      topic,
      orders(0, count).map((one) => orderMessage(one, 1)),
    );
    expectRefusal(
      await bench.run(['run', file, '--until-end']),
      1,
      new RegExp(`${topic}.*(created anew|another topic)`),
    );
    await bench.expectRows(table, orderColumns, appended(input));
  });

  test('a topic deleted and created anew while it is read', async () => {
    const topic = await bench.topic();
    const table = await bench.table(orderTable.append);
    const { path: file, name } = await bench.pipeline({
      source: { kafka: { topic } },
      steps: orderSteps,
      sinks: [{ postgres: { connection: 'serving', table, mode: 'append' } }],
    });
    const input = orders(0, 1000);
    await bench.send(
      topic,
      input.map((one) => orderMessage(one, 1)),
    );
    await using child = bench.start(['run', file]);
    await bench.written(name, 1000, [child]);
    await bench.recreate(topic);
    const ended = await child.ended;
    await bench.send(
      topic,
      orders(0, 1500).map((one) => orderMessage(one, 1)),
    );
    expectRefusal(
      { ...ended, stdout: child.stdout, stderr: child.stderr },
      1,
      new RegExp(`${topic}.*(created anew|another topic)`),
    );
    await bench.expectRows(table, orderColumns, appended(input));
  });
});
