import { expect, test } from 'vitest';
import { sharedBench } from './bench.ts';
import { type Bench, statusLines, type Message, header } from './pipeline.ts';

let bench: Bench;
sharedBench((opened) => (bench = opened));

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
  ['a tombstone', null, 'step:map-1', 'null_operand'],
  ['a list 10,000 deep', nested(10_000), 'decode', 'json_too_deep'],
  ['a number', '42', 'step:map-1', 'type_mismatch'],
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

  const atSink = poisons.filter(([, , stage]) => stage === 'sink:postgres').length;
  const status = statusLines(stdout).at(-1)!;
  expect(status).toMatchObject({
    state: 'stopped',
    account: { read: messages.length, dead: poisons.length - atSink, pending: 0, difference: 0 },
    sinks: [{ offered: 5000 + atSink, written: 5000, rejected: atSink }],
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
  const versions: readonly [id: number, n: number][] = [
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

test('rows on stdout without a terminal: what became of the run is told on stderr', async () => {
  const topic = await bench.topic();
  const { path: file, dlq } = await bench.pipeline({ source: { kafka: { topic } }, sinks: [{ stdout: {} }] });
  await bench.send(topic, [
    { partition: 0, key: null, value: '{"id":1}' },
    { partition: 0, key: null, value: 'no JSON' },
  ]);
  const { code, stdout, stderr } = await bench.run(['run', file, '--until-end']);
  expect(code).toBe(0);
  expect(stdout).toBe('{"id":1}\n');
  expect(stderr).toMatch(new RegExp(`^  dead letters: 1 in ${dlq}$`, 'm'));
});
