import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { stackAddress, uniqueName } from '../stack/shared.ts';
import {
  Bench,
  type Message,
  appended,
  eventually,
  header,
  orderColumns,
  orderMessage,
  orderSteps,
  orderTable,
  orders,
  upserted,
} from './pipeline.ts';

let bench: Bench;
beforeAll(async () => {
  bench = await Bench.open({ brokers: stackAddress('kafka'), url: stackAddress('postgres') });
});
afterEach(() => bench.expectNoSecrets());
afterAll(() => bench[Symbol.asyncDispose]());

/** The status at the end, from `--view json`. */
interface Status {
  readonly state: string;
  readonly account: {
    readonly read: number;
    readonly filtered: number;
    readonly dead: number;
    readonly pending: number;
    readonly difference: number;
  };
  readonly stages: readonly {
    readonly name: string;
    readonly in: number;
    readonly out: number;
    readonly filtered: number;
    readonly dead: number;
  }[];
  readonly sinks: readonly {
    readonly name: string;
    readonly offered: number;
    readonly written: number;
    readonly superseded: number;
    readonly rejected: number;
  }[];
  readonly deadLetters: { readonly total: number };
}

const statusLines = (stdout: string): Status[] =>
  stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Status);

const nested = (depth: number): string => '['.repeat(depth) + ']'.repeat(depth);

/** Each spoils one record of its own kind: what it is, its value, where it must fail and with which code. */
const poisons: readonly [what: string, value: string | Buffer | null, stage: string, code: string][] = [
  ['JSON that is cut off', '{"id": 1, "n":', 'decode', 'json_syntax'],
  [
    'bytes that are not UTF-8',
    Buffer.from('7b226964223a312c226e6f7465223a22fffe227d', 'hex'),
    'decode',
    'invalid_utf8',
  ],
  ['no bytes at all', '', 'decode', 'json_syntax'],
  ['a tombstone', null, 'step:map', 'null_operand'],
  ['a list 10,000 deep', nested(10_000), 'decode', 'json_too_deep'],
  ['a number', '42', 'step:map', 'type_mismatch'],
  ['a field 10,000 deep', `{"id":1,"n":1,"note":"deep","extra":${nested(10_000)}}`, 'decode', 'json_too_deep'],
  ['a number beyond every double', '{"id":1,"n":1e400,"note":"huge"}', 'sink:postgres', 'sink_value_type'],
  [
    'a whole number beyond 64 bits',
    '{"id":1,"n":123456789012345678901234567890,"note":"huge"}',
    'sink:postgres',
    'sink_value_range',
  ],
  ['a value of 1 MB', `{"id":1,"n":1,"note":"${'x'.repeat(900_000)}"}`, 'sink:postgres', 'sink_value_range'],
  ['a row the CHECK refuses', '{"id":1,"n":-1,"note":"check"}', 'sink:postgres', 'sink_constraint'],
  ['null in a column that is NOT NULL', '{"id":1,"n":null,"note":"null"}', 'sink:postgres', 'sink_value_null'],
  ['a text too long for its column', '{"id":1,"n":1,"note":"twelve chars"}', 'sink:postgres', 'sink_value_range'],
  ['a NUL character', '{"id":1,"n":1,"note":"a\\u0000b"}', 'sink:postgres', 'sink_value_text'],
];
const spoiltSteps = [{ map: { id: 'event.id', n: 'event.n', note: 'event.note', extra: 'event.?extra' } }];

test('poison records in the middle of 5,000 are dead letters byte for byte, each with its cause, and cost no other record', async () => {
  const topic = await bench.topic();
  const table = await bench.table(
    'id bigint PRIMARY KEY, n bigint NOT NULL CHECK (n >= 0), note varchar(10), extra jsonb',
  );
  const { path: file, dlq } = await bench.pipeline({
    source: { kafka: { topic } },
    steps: spoiltSteps,
    sinks: [{ postgres: { connection: 'serving', table, key: ['id'] } }],
  });
  const rows = Array.from({ length: 5000 }, (_, i) => [i + 10, i, `row ${i % 7}`]);
  const messages = rows.map(([id, n, note], i): Message => ({
    partition: 0,
    key: i % 11 === 0 ? null : String(id),
    value: JSON.stringify({ id, n, note }),
  }));
  const headers = { trace: Buffer.from([0xff, 0x00, 0x7b]), 'content-type': 'application/json', empty: '' };
  poisons.forEach(([what, value], i) =>
    messages.splice(300 * (i + 1), 0, { partition: 0, key: `poison ${what}`, value, headers }),
  );
  await bench.send(topic, messages);

  const { code, stdout } = await bench.run(['run', file, '--until-end', '--view', 'json']);
  expect(code).toBe(0);
  await bench.expectRows(table, ['id', 'n', 'note'], rows);

  const letters = await bench.read(dlq);
  const found = letters.map((letter) => [
    Buffer.from(letter.key!).toString().replace('poison ', ''),
    header(letter, 'pipectl-stage'),
    header(letter, 'pipectl-error-code'),
  ]);
  expect(found.toSorted()).toEqual(poisons.map(([what, , stage, reason]) => [what, stage, reason]).toSorted());
  for (const letter of letters) {
    const sent = messages.find(({ key }) => key === Buffer.from(letter.key!).toString())!;
    expect(letter.value === null ? null : Buffer.from(letter.value).toString('hex')).toBe(
      sent.value === null ? null : Buffer.from(sent.value).toString('hex'),
    );
    for (const [name, value] of Object.entries(headers))
      expect(Buffer.from(letter.headers![name] as Uint8Array)).toEqual(Buffer.from(value));
    expect(header(letter, 'pipectl-source-topic')).toBe(topic);
    expect(header(letter, 'pipectl-source-offset')).toBe(String(messages.indexOf(sent)));
  }

  const status = statusLines(stdout).at(-1)!;
  expect(status).toMatchObject({
    state: 'stopped',
    account: { read: messages.length, dead: poisons.length, pending: 0, difference: 0 },
    sinks: [{ offered: 5000 + poisons.filter(([, , stage]) => stage === 'sink:postgres').length, written: 5000 }],
    deadLetters: { total: poisons.length },
  });
});

test('a record larger than a dead letter may be leaves its key, its headers and its place', async () => {
  const topic = await bench.topic();
  const table = await bench.table('id bigint PRIMARY KEY, note varchar(10)');
  const { path: file, dlq } = await bench.pipeline({
    source: { kafka: { topic } },
    sinks: [{ postgres: { connection: 'serving', table, key: ['id'] } }],
  });
  await bench.send(topic, [
    { partition: 0, key: 'one', value: '{"id":1,"note":"fits"}' },
    { partition: 0, key: 'large', value: `{"id":2,"note":"${'x'.repeat(2_000_000)}"}`, headers: { trace: 'abc' } },
    { partition: 0, key: 'three', value: '{"id":3,"note":"fits"}' },
  ]);
  expect((await bench.run(['run', file, '--until-end'])).code).toBe(0);
  await bench.expectRows(
    table,
    ['id', 'note'],
    [
      [1, 'fits'],
      [3, 'fits'],
    ],
  );
  const [letter, ...more] = await bench.read(dlq);
  expect(more).toEqual([]);
  expect(letter!.value).toBeNull();
  expect(Buffer.from(letter!.key!).toString()).toBe('large');
  expect([
    header(letter!, 'trace'),
    header(letter!, 'pipectl-payload'),
    header(letter!, 'pipectl-source-offset'),
  ]).toEqual(['abc', 'omitted', '1']);
});

test('where the database refuses a newer version of a key, the older one of the same batch lands', async () => {
  const topic = await bench.topic();
  const table = await bench.table('id bigint PRIMARY KEY, n bigint CHECK (n > 0)');
  const { path: file, dlq } = await bench.pipeline({
    source: { kafka: { topic } },
    sinks: [{ postgres: { connection: 'serving', table, key: ['id'] } }],
  });
  const versions = [
    [1, 1],
    [2, 5],
    [1, -1],
    [3, -7],
    [2, -2],
    [2, 6],
    [4, 1],
    [4, -1],
    [4, -2],
  ];
  await bench.send(
    topic,
    versions.map(([id, n]) => ({ partition: 0, key: String(id), value: JSON.stringify({ id, n }) })),
  );
  expect((await bench.run(['run', file, '--until-end'])).code).toBe(0);
  await bench.expectRows(
    table,
    ['id', 'n'],
    [
      [1, 1],
      [2, 6],
      [4, 1],
    ],
  );
  const refused = (await bench.read(dlq)).map((letter) => Number(header(letter, 'pipectl-source-offset')));
  // The -2 of key 2 never came to the database: a later one of the batch replaced it, and was taken.
  expect(refused.toSorted((a, b) => a - b)).toEqual(
    versions.flatMap(([id, n], offset) => (n < 0 && id !== 2 ? [offset] : [])),
  );
});

describe('run', () => {
  async function orderPipeline(count: number, mode: 'upsert' | 'append' = 'upsert', partitions = 2) {
    const topic = await bench.topic(partitions);
    const table = await bench.table(orderTable[mode]);
    const postgres = { connection: 'serving', table, ...(mode === 'append' ? { mode } : { key: ['id'] }) };
    const file = await bench.pipeline({ source: { kafka: { topic } }, steps: orderSteps, sinks: [{ postgres }] });
    const input = orders(0, count);
    await bench.send(
      topic,
      input.map((one) => orderMessage(one, partitions)),
    );
    return { ...file, topic, table, input };
  }

  test('--until-end writes what is there, commits it and ends; the next run goes on behind it', async () => {
    const { path: file, name, topic, table, input } = await orderPipeline(3000, 'append');
    expect((await bench.run(['run', file, '--until-end'])).code).toBe(0);
    await bench.expectRows(table, orderColumns, appended(input));
    expect(await bench.committed(name, topic)).toEqual(await bench.ends(topic));

    const more = orders(3000, 5000);
    await bench.send(
      topic,
      more.map((one) => orderMessage(one, 2)),
    );
    const { code, stdout } = await bench.run(['run', file, '--until-end', '--view', 'json']);
    expect(code).toBe(0);
    await bench.expectRows(table, orderColumns, appended([...input, ...more]));
    expect(statusLines(stdout).at(-1)!.account).toMatchObject({ read: 2000, difference: 0 });
  });

  test('the account of --view json is the account of the tables', async () => {
    const { path: file, table, input } = await orderPipeline(4000);
    const { stdout } = await bench.run(['run', file, '--until-end', '--view', 'json']);
    const rows = upserted(input);
    await bench.expectRows(table, orderColumns, rows);
    const { account, sinks, stages } = statusLines(stdout).at(-1)!;
    const passed = appended(input).length;
    expect(account).toMatchObject({ read: 4000, filtered: 4000 - passed, dead: 0, pending: 0, difference: 0 });
    expect(stages.find(({ name }) => name === 'filter')).toMatchObject({
      in: 4000,
      out: passed,
      filtered: 4000 - passed,
    });
    const [{ offered, written, superseded }] = sinks as [Status['sinks'][number]];
    expect(offered).toBe(passed);
    expect(written + superseded).toBe(passed);
    expect(written).toBeGreaterThanOrEqual(rows.length);
  });

  test('--dry-run prints the rows and writes nothing: no table, no topic, no group, no position', async () => {
    const topic = await bench.topic(2);
    const table = bench.tableName();
    const {
      path: file,
      name,
      dlq,
    } = await bench.pipeline({
      source: { kafka: { topic } },
      steps: orderSteps,
      sinks: [{ postgres: { connection: 'serving', table, key: ['id'], create: true } }],
    });
    const input = orders(0, 300);
    await bench.send(topic, [
      ...input.map((one) => orderMessage(one, 2)),
      { partition: 0, key: null, value: 'broken' },
    ]);
    const { code, stdout } = await bench.run(['run', file, '--dry-run', '--until-end']);
    expect(code).toBe(0);
    const lines = stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as { row?: Record<string, number>; dead_letter?: object });
    const rows = lines.flatMap(({ row }) => (row ? [[row.id, row.n, row.total]] : []));
    expect(rows.toSorted()).toEqual(appended(input).toSorted());
    expect(lines.filter(({ dead_letter: letter }) => letter)).toMatchObject([
      { dead_letter: { topic, partition: 0, stage: 'decode' } },
    ]);

    expect(await bench.query('SELECT to_regclass($1)', [table])).toEqual([[null]]);
    expect(await bench.positions(name)).toEqual([]);
    expect(await bench.kafka.listTopics()).not.toContain(dlq);
    expect((await bench.kafka.listGroups()).groups.map(({ groupId }) => groupId)).not.toContain(name);
  });

  test('start: latest leaves out what was there, and nothing that came while it was away', async () => {
    const topic = await bench.topic();
    const table = await bench.table(orderTable.append);
    const { path: file, name } = await bench.pipeline({
      source: { kafka: { topic, start: 'latest', session_timeout: '2s' } },
      steps: orderSteps,
      sinks: [{ postgres: { connection: 'serving', table, mode: 'append' } }],
    });
    await bench.send(topic, orders(0, 100).map((one) => orderMessage(one, 1)));
    await using child = bench.start(['run', file]);
    await eventually('the group begins at the end', async () => (await bench.committed(name, topic))[0] === 100, { running: [child] });
    child.kill('SIGKILL');
    await child.ended;
    const input = orders(100, 300);
    await bench.send(topic, input.map((one) => orderMessage(one, 1)));
    expect((await bench.run(['run', file, '--until-end'])).code).toBe(0);
    await bench.expectRows(table, orderColumns, appended(input));
  });

  test('--set changes a value of the file for this run', async () => {
    const { path: file, table, input } = await orderPipeline(500);
    const other = await bench.table(orderTable.upsert);
    expect((await bench.run(['run', file, '--until-end', '--set', `sinks[0].postgres.table=${other}`])).code).toBe(0);
    await bench.expectRows(other, orderColumns, upserted(input));
    await bench.expectRows(table, orderColumns, []);
  });

  test('--max-dead-letters ends with 4 when there are more, with 0 when there are just as many', async () => {
    const { path: file, topic } = await orderPipeline(100);
    await bench.send(
      topic,
      Array.from({ length: 5 }, () => ({ partition: 0, key: null, value: '{' })),
    );
    const refused = await bench.run(['run', file, '--until-end', '--max-dead-letters', '4']);
    expect(refused.code).toBe(4);
    expect(refused.stderr).toMatch(/^pipectl: stopped after 5 dead letters/m);
    await bench.send(
      topic,
      Array.from({ length: 4 }, () => ({ partition: 0, key: null, value: '{' })),
    );
    expect((await bench.run(['run', file, '--until-end', '--max-dead-letters', '4'])).code).toBe(0);
  });
});

describe('what a pipeline reads and where it writes', () => {
  test('topics by a list and by a regular expression', async () => {
    const prefix = uniqueName('shop');
    const topics = await Promise.all(['eu', 'us', 'asia'].map((region) => bench.topic(2, `${prefix}.${region}`)));
    const inputs = topics.map((_, i) => orders(i * 1000, (i + 1) * 1000, 100));
    await Promise.all(
      topics.map((topic, i) =>
        bench.send(
          topic,
          inputs[i]!.map((one) => orderMessage(one, 2)),
        ),
      ),
    );
    for (const [selection, expected] of [
      [
        [topics[0], topics[2]],
        [inputs[0], inputs[2]],
      ],
      [`/^${prefix}\\.(us|asia)$/`, [inputs[1], inputs[2]]],
    ] as const) {
      const table = await bench.table(orderTable.append);
      const { path: file } = await bench.pipeline({
        source: { kafka: { topics: selection } },
        steps: orderSteps,
        sinks: [{ postgres: { connection: 'serving', table, mode: 'append' } }],
      });
      expect((await bench.run(['run', file, '--until-end'])).code).toBe(0);
      await bench.expectRows(table, orderColumns, appended(expected.flatMap((one) => one!)));
    }
  });

  test('a file into a table, broken lines into the file of dead letters; a second run adds nothing', async () => {
    const input = orders(0, 2000);
    const lines = input.map((one) => JSON.stringify(one));
    lines.splice(1000, 0, '{"id":');
    await writeFile(path.join(bench.directory, 'orders.ndjson'), `${lines.join('\n')}\n`);
    const table = await bench.table(orderTable.append);
    const dlq = uniqueName('dlq');
    const { path: file } = await bench.pipeline({
      source: { file: { path: 'orders.ndjson' } },
      steps: orderSteps,
      sinks: [{ postgres: { connection: 'serving', table, mode: 'append' } }],
      dlq: { file: dlq },
    });
    for (let round = 0; round < 2; round++) {
      expect((await bench.run(['run', file, '--until-end'])).code).toBe(0);
      await bench.expectRows(table, orderColumns, appended(input));
    }
    const letters = (await readFile(path.join(bench.directory, dlq), 'utf8')).trimEnd().split('\n');
    expect(letters).toHaveLength(1);
  });

  test('explode makes a row of each element, with its place and the fields around it', async () => {
    const topic = await bench.topic();
    const table = await bench.table('basket bigint, line int, sku text, PRIMARY KEY (basket, line)');
    const { path: file } = await bench.pipeline({
      source: { kafka: { topic } },
      steps: [
        { explode: 'event.lines' },
        { map: { basket: 'event.basket', line: 'event.index', sku: 'event.item.sku' } },
      ],
      sinks: [{ postgres: { connection: 'serving', table, key: ['basket', 'line'] } }],
    });
    const baskets = Array.from({ length: 200 }, (_, basket) => ({
      basket,
      lines: Array.from({ length: basket % 4 }, (_line, i) => ({ sku: `sku ${basket}-${i}` })),
    }));
    await bench.send(
      topic,
      baskets.map((one) => ({ partition: 0, key: String(one.basket), value: JSON.stringify(one) })),
    );
    const { code, stdout } = await bench.run(['run', file, '--until-end', '--view', 'json']);
    expect(code).toBe(0);
    await bench.expectRows(
      table,
      ['basket', 'line', 'sku'],
      baskets.flatMap(({ basket, lines }) => lines.map(({ sku }, i) => [basket, i, sku])),
    );
    expect(statusLines(stdout).at(-1)!.account.difference).toBe(0);
  });

  test('when and otherwise part the rows between a table and a file', async () => {
    const topic = await bench.topic(2);
    const table = await bench.table('id bigint, n bigint');
    const { path: file } = await bench.pipeline({
      source: { kafka: { topic } },
      steps: [{ map: { id: 'event.id', n: 'event.n' } }],
      sinks: [
        { postgres: { connection: 'serving', table, mode: 'append' }, when: 'event.id < 100' },
        { file: { path: 'rest.ndjson' }, when: 'otherwise' },
      ],
    });
    const input = orders(0, 2000);
    await bench.send(
      topic,
      input.map((one) => orderMessage(one, 2)),
    );
    for (let round = 0; round < 2; round++) {
      const { code, stdout } = await bench.run(['run', file, '--until-end', '--view', 'json']);
      expect(code).toBe(0);
      expect(statusLines(stdout).at(-1)!.account.difference).toBe(0);
      await bench.expectRows(
        table,
        ['id', 'n'],
        input.filter(({ id }) => id < 100).map(({ id, n }) => [id, n]),
      );
      const rest = (await readFile(path.join(bench.directory, 'rest.ndjson'), 'utf8')).trimEnd().split('\n');
      expect(rest.toSorted()).toEqual(
        input
          .filter(({ id }) => id >= 100)
          .map(({ id, n }) => JSON.stringify({ id, n }))
          .toSorted(),
      );
    }
  });
});
