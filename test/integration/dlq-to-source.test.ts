/** `pipectl dlq replay --to source`, and letters that other programs have written: ids, states, purge. */
import { expect, test } from 'vitest';
import { sharedBench } from './bench.ts';
import {
  Bench,
  eventually,
  header,
  type Message,
  type Outcome,
  type PipelineFile,
  type ReadRecord,
} from './pipeline.ts';

let bench: Bench;
sharedBench((opened) => (bench = opened));

interface Queue {
  readonly source: string;
  readonly dlq: string;
  run(...words: string[]): Promise<Outcome>;
  sendBack(...words: string[]): Promise<Outcome>;
  stats(): Promise<{ open: number; quarantined: number; total: number }>;
}

/** A queue of Kafka Connect's: `count` letters of as many records of `source`, two partitions. */
async function connectQueue(count: number, more: readonly Message[] = []): Promise<Queue> {
  const { dlq } = await bench.pipeline({});
  const source = await bench.topic(2);
  await bench.topic(1, dlq);
  const at = ['--topic', dlq, '--brokers', bench.brokers];
  await bench.send(dlq, [...Array.from({ length: count }, (_, n) => connectLetter(source, n)), ...more]);
  return {
    source,
    dlq,
    run: (command, ...words) => bench.run(['dlq', command!, ...at, ...words]),
    sendBack: (...words) => bench.run(['dlq', 'replay', ...at, '--to', 'source', '--yes', ...words]),
    stats: async () => JSON.parse((await bench.run(['dlq', 'stats', ...at, '--json'])).stdout) as never,
  };
}

const originalMs = 1_760_000_000_000;

const connectLetter = (source: string, n: number, more: Readonly<Record<string, string>> = {}): Message => ({
  partition: 0,
  key: `order-${n}`,
  value: `{"id":${n}`,
  timestamp: String(originalMs + n),
  headers: {
    trace: Buffer.from([0xff, n % 256]),
    '__connect.errors.topic': source,
    '__connect.errors.partition': String(n % 2),
    '__connect.errors.offset': String(n),
    '__connect.errors.connector.name': 'jdbc',
    '__connect.errors.stage': 'VALUE_CONVERTER',
    '__connect.errors.exception.class.name': 'DataException',
    '__connect.errors.exception.message': 'bad value',
    ...more,
  },
});

const ids = (records: readonly ReadRecord[]): number[] =>
  records.map(({ key }) => Number(String(key).replace('order-', ''))).sort((a, b) => a - b);

const upTo = (count: number): number[] => Array.from({ length: count }, (_, n) => n);

test('records go back to the partition, with the key, value, timestamp and headers they had', async () => {
  const queue = await connectQueue(4);
  expect(await queue.sendBack('--all', '--dry-run')).toMatchObject({
    code: 0,
    stdout: `4 tried, nothing written: 4 sent back (${queue.source} 4)\n`,
  });
  expect(await bench.read(queue.source)).toEqual([]);
  expect(await queue.stats()).toMatchObject({ open: 4 });

  const sent = await queue.sendBack('--key', 'order-1', '--key', 'order-3', '--note', 'converter mended');
  expect(sent).toMatchObject({ code: 0, stdout: `1 selected: 1 sent back (${queue.source} 1)\n` });
  expect(sent.stderr).toContain(`every consumer group of the topic reads them again`);
  expect(await queue.sendBack('--all', '--set', 'id=7')).toMatchObject({
    code: 1,
    stdout: '3 selected\n  3 can not be replayed: its value is no JSON, so --set has no place in it\n',
  });
  expect(await queue.sendBack('--all')).toMatchObject({ code: 0, stdout: expect.stringContaining('3 selected: 3') });
  const records = await bench.read(queue.source);
  expect(ids(records)).toEqual(upTo(4));
  for (const record of records) {
    const n = Number(String(record.key).slice(6));
    expect(record).toMatchObject({ partition: n % 2, timestampMs: originalMs + n });
    expect(String(record.value)).toBe(`{"id":${n}`);
    expect(record.headers!.trace).toEqual(Buffer.from([0xff, n]));
    expect(Object.keys(record.headers!).sort()).toEqual(['pipectl-replay-count', 'pipectl-replay-of', 'trace']);
    expect(header(record, 'pipectl-replay-count')).toBe('1');
  }
  expect(await queue.stats()).toMatchObject({ open: 0, total: 4 });
  expect(await queue.sendBack('--all')).toMatchObject({ code: 0, stdout: '0 selected\n' });
  expect((await queue.run('inspect', '--key', 'order-3')).stdout).toMatch(
    /replayed {3}\S+ by \S+ \(sent\): converter m/,
  );
});

test('without --to source, without --yes and where it does not fit, it says what to do and does nothing', async () => {
  const queue = await connectQueue(1, [{ partition: 0, key: 'x', value: 'y' }]);
  expect(await queue.run('replay', '--all')).toMatchObject({
    code: 2,
    stderr: expect.stringMatching(/does not say how its records are processed[^]*--to source/),
  });
  expect(await queue.run('replay', '--all', '--to', 'source')).toMatchObject({
    code: 2,
    stderr: expect.stringMatching(/1 into \S+; every consumer group[^]*--yes/),
  });
  expect(await queue.sendBack('--all', '--here')).toMatchObject({ code: 2, stderr: expect.stringContaining('--here') });
  expect(await bench.read(queue.source)).toEqual([]);
  expect(await queue.sendBack('--all')).toMatchObject({
    code: 1,
    stdout: expect.stringMatching(
      /^2 selected: 1 sent back .*\n {2}1 can not be replayed: it does not say which topic/,
    ),
  });
});

test('a record with two letters is sent once, a letter names no topic of its choice, and the third time needs force', async () => {
  const queue = await connectQueue(1);
  await bench.send(queue.dlq, [
    connectLetter(queue.source, 0, { '__connect.errors.stage': 'TASK_PUT' }),
    connectLetter('__consumer_offsets', 1),
    connectLetter(queue.dlq, 2),
    connectLetter('missing-topic', 3),
    connectLetter(queue.source, 4, { 'pipectl-replay-count': '2' }),
  ]);
  expect(await queue.sendBack('--all')).toMatchObject({
    code: 1,
    stdout: [
      `6 selected: 1 sent back (${queue.source} 1), 1 of records that are sent back already, 1 of these in quarantine now`,
      '  1 can not be replayed: records are not written into __consumer_offsets',
      `  1 can not be replayed: records are not written into ${queue.dlq}`,
      '  1 can not be replayed: topic missing-topic is not there',
      '  1 can not be replayed: its record has failed 3 times, so it belongs in quarantine; --force takes it',
      '',
    ].join('\n'),
  });
  expect(ids(await bench.read(queue.source))).toEqual([0]);
  expect(await queue.stats()).toMatchObject({ open: 3, quarantined: 1 });
  expect(await queue.sendBack('--key', 'order-4', '--force')).toMatchObject({ code: 0 });
  const again = (await bench.read(queue.source)).find(({ key }) => String(key) === 'order-4')!;
  expect(header(again, 'pipectl-replay-count')).toBe('3');
  await bench.send(queue.dlq, [connectLetter(queue.source, 0)]);
  expect(await queue.sendBack('--key', 'order-0')).toMatchObject({
    code: 0,
    stdout: '1 selected: 1 of records that are sent back already\n',
  });
});

test('killed half way and run again, every record is sent once', async () => {
  const queue = await connectQueue(300);
  const words = ['replay', '--topic', queue.dlq, '--brokers', bench.brokers, '--to', 'source', '--all', '--yes'];
  for (const least of [30, 120]) {
    const operator = bench.start(['dlq', ...words, '--rate', '50/s']);
    await eventually('some are sent', async () => (await bench.read(queue.source)).length > least, {
      running: [operator],
    });
    operator.kill('SIGKILL');
    await operator.ended;
  }
  const before = ids(await bench.read(queue.source)).length;
  expect(before).toBeLessThan(300);
  expect(await queue.sendBack('--all', '--rate', '1000')).toMatchObject({
    code: 0,
    stdout: expect.stringContaining(`${300 - before} sent back`),
  });
  expect(ids(await bench.read(queue.source))).toEqual(upTo(300));
  expect(await queue.stats()).toMatchObject({ open: 0, total: 300 });
}, 90_000);

test('of two operators the later one goes on where the first one was, and every record is sent once', async () => {
  const queue = await connectQueue(300);
  const words = ['replay', '--topic', queue.dlq, '--brokers', bench.brokers, '--to', 'source', '--all', '--yes'];
  const first = bench.start(['dlq', ...words, '--rate', '20/s']);
  await eventually('some are sent', async () => (await bench.read(queue.source)).length > 20, { running: [first] });
  const second = bench.start(['dlq', ...words, '--rate', '300/s']);
  expect(await second.ended, second.stderr).toMatchObject({ code: 0 });
  expect(await first.ended, first.stderr).toMatchObject({ code: 1 });
  expect(first.stderr).toContain('somebody else sends the letters');
  expect(ids(await bench.read(queue.source))).toEqual(upTo(300));
  expect(await queue.stats()).toMatchObject({ open: 0, total: 300 });
}, 90_000);

test('SIGTERM ends it between two batches, says what is left, and leaves no transaction open', async () => {
  const queue = await connectQueue(200);
  const at = ['--topic', queue.dlq, '--brokers', bench.brokers];
  const operator = bench.start(['dlq', 'replay', ...at, '--to', 'source', '--all', '--yes', '--rate', '20/s']);
  await eventually('some are sent', async () => (await bench.read(queue.source)).length > 20, { running: [operator] });
  expect(await operator.drain()).toMatchObject({ code: 1 });
  expect(operator.stdout).toMatch(/^200 selected: \d+ sent back \(.*\), \d+ not come to: run it again\n$/);
  const ends = await bench.ends(queue.source);
  await bench.send(queue.source, [{ partition: 0, key: 'order-999', value: 'later' }]);
  expect((await bench.ends(queue.source))[0]).toBe(ends[0]! + 1);
  expect(ids(await bench.read(queue.source)).at(-1)).toBe(999);
}, 60_000);

test('letters of other programs are resolved and purged by their ids, and whoever else reads them is thought of', async () => {
  const queue = await connectQueue(3);
  const bigEndian = Buffer.alloc(8);
  bigEndian.writeBigInt64BE(77n);
  await bench.send(queue.dlq, [
    {
      partition: 0,
      key: 'spring',
      value: 's',
      headers: { 'kafka_dlt-original-topic': queue.source, 'kafka_dlt-original-offset': bigEndian },
    },
    { partition: 0, key: 'bare', value: 'b' },
  ]);
  const { letters } = JSON.parse((await queue.run('inspect', '--limit', '9', '-o', 'json')).stdout) as {
    letters: { id: string; writer: string; key: string; status: string }[];
  };
  expect(letters.map(({ writer, status }) => `${writer} ${status}`).sort()).toEqual([
    'connect open',
    'connect open',
    'connect open',
    'spring open',
    'unknown open',
  ]);
  const idOf = (key: string): string => letters.find((letter) => letter.key === key)!.id;
  for (const key of ['order-0', 'order-1', 'spring'])
    expect(await queue.run('resolve', '--id', idOf(key), '--note', 'looked at')).toMatchObject({
      code: 0,
      stdout: '1 resolved, 0 closed before\n',
    });
  expect(await queue.run('resolve', '--id', idOf('order-0'), '--note', 'again')).toMatchObject({
    code: 1,
    stdout: '0 resolved, 1 closed before\n',
  });
  expect(await queue.stats()).toMatchObject({ open: 2, total: 5 });
  expect((await queue.run('ls')).stdout).toMatch(/ 3 +1 .*DataException/);
  const purge = (...words: string[]) => queue.run('purge', '--resolved', '--before', '0s', ...words);
  expect((await purge('--dry-run')).stdout).toBe(
    `${queue.dlq}: the values of 2 dead letters are to go\n` +
      '  1 more have to wait: a topic gives up its records from the front, and holds partition 0 from offset 2 on (open)\n' +
      '  2 of them were put there by another program: whoever else reads this topic loses them\n',
  );
  expect(await purge('--yes')).toMatchObject({ code: 0 });
  expect((await bench.read(queue.dlq)).map(({ key }) => String(key))).toEqual(['order-2', 'spring', 'bare']);
  expect(await queue.stats()).toMatchObject({ open: 2, total: 3 });
});

async function redacting(definition: Readonly<Record<string, unknown>> = {}) {
  const [topic, table] = [await bench.topic(), await bench.table('id bigint PRIMARY KEY, email text CHECK (id > 0)')];
  const file = await bench.pipeline({
    source: { kafka: { topic } },
    sinks: [{ postgres: { connection: 'serving', table, key: ['id'] } }],
    dlq: { breaker: 'off', redact: ['email'], compat: 'connect' },
    ...definition,
  });
  await bench.send(topic, [
    { partition: 0, key: 'a', value: '{"id":-1,"email":"ana@example.com"}' },
    { partition: 0, key: 'b', value: '{"id":-2,"email":"bea@example.com"' },
  ]);
  expect(await bench.run(['run', file.path, '--until-end', '--view', 'none'])).toMatchObject({ code: 0 });
  const mend = () => bench.query(`ALTER TABLE ${table} DROP CONSTRAINT ${table}_id_check`);
  return { topic, table, file, mend };
}

test('a redacted letter holds no such value anywhere, and is replayed from its record in the source', async () => {
  const { table, file, mend } = await redacting();
  const letters = await bench.read(file.dlq);
  expect(letters.map(({ value }) => value && String(value))).toEqual([null, '{"id":-1,"email":"***"}']);
  expect(
    JSON.stringify(letters.map(({ value, headers }) => [String(value), Object.values(headers!).map(String)])),
  ).not.toContain('example.com');
  expect(letters.map((letter) => header(letter, 'pipectl-payload'))).toEqual(['omitted', 'redacted']);
  expect(letters.map((letter) => header(letter, '__connect.errors.stage'))).toEqual(['VALUE_CONVERTER', 'TASK_PUT']);
  expect((await bench.run(['dlq', 'inspect', file.path, '--key', 'a'])).stdout).toContain('redacted   email\n');
  await mend();
  expect(await bench.run(['dlq', 'replay', file.path, '--here', '--all', '--yes'])).toMatchObject({
    code: 1,
    stdout: expect.stringMatching(/^2 selected: 1 delivered, 1 dead again \([0-9a-f]{8}\)\n$/),
  });
  await bench.expectRows(table, ['id', 'email'], [[-1, 'ana@example.com']]);
  expect((await bench.read(file.dlq)).every(({ value }) => !String(value).includes('example.com'))).toBe(true);
});

test('a redacted letter whose record is gone is refused with that reason, by either way', async () => {
  const { topic, file, mend } = await redacting();
  await mend();
  await bench.truncate(topic, 2);
  const gone = '2 can not be replayed: fields of its value were redacted, and its record is no longer in the source';
  for (const way of [['--here'], ['--to', 'source']])
    expect(await bench.run(['dlq', 'replay', file.path, ...way, '--all', '--yes'])).toMatchObject({
      code: 1,
      stdout: `2 selected\n  ${gone}\n`,
    });
});

test('sent back from a pipeline, a record is whole, comes through the pipeline itself, and counts its failures', async () => {
  const { topic, table, file, mend } = await redacting();
  const sendBack = (...words: string[]) => bench.run(['dlq', 'replay', file.path, '--to', 'source', '--yes', ...words]);
  const sent = await sendBack('--key', 'a', '--set', 'email=new@example.com');
  expect(sent).toMatchObject({ code: 0, stdout: `1 selected: 1 sent back (${topic} 1)\n` });
  expect(sent.stderr).toMatch(/postgres has no `version:`: an older record replaces a newer row/);
  const again = (await bench.read(topic)).at(-1)!;
  expect(String(again.value)).toBe('{"id":-1,"email":"new@example.com"}');
  const toTheEnd = (of: PipelineFile) => bench.run(['run', of.path, '--until-end', '--view', 'none']);
  expect(await toTheEnd(file)).toMatchObject({ code: 0 });
  const dead = (await bench.read(file.dlq)).at(-1)!;
  expect([
    header(dead, 'pipectl-source-offset'),
    header(dead, 'pipectl-attempts'),
    header(dead, 'pipectl-replay-count'),
  ]).toEqual(['2', '2', '1']);
  await mend();
  expect(await sendBack('--key', 'a')).toMatchObject({ code: 0 });
  expect(await toTheEnd(file)).toMatchObject({ code: 0 });
  await bench.expectRows(table, ['id', 'email'], [[-1, 'new@example.com']]);
  expect(JSON.parse((await bench.run(['dlq', 'stats', file.path, '--json'])).stdout)).toMatchObject({
    open: 1,
    total: 3,
  });
});

test("a member's lane and --here leave another program's letters alone and say what can be done", async () => {
  const { topic, file } = await redacting();
  await bench.send(file.dlq, [connectLetter(topic, 9)]);
  expect(await bench.run(['dlq', 'replay', file.path, '--here', '--key', 'order-9', '--yes'])).toMatchObject({
    code: 1,
    stdout: expect.stringMatching(/1 can not be replayed: it was written by Kafka Connect, .*--to source/),
  });
  const running = bench.start(['run', file.path, '--view', 'none']);
  await eventually('it runs', () => running.log.some(({ code }) => code === 'assigned'), { running: [running] });
  await eventually('the group has it', async () => {
    const { groups } = await bench.kafka.describeGroups([file.name]);
    return groups[0]!.members.length === 1;
  });
  expect(await bench.run(['dlq', 'replay', file.path, '--key', 'order-9'])).toMatchObject({
    code: 1,
    stdout: expect.stringMatching(/1 can not be replayed: it was written by Kafka Connect, .*--to source/),
  });
  expect(await running.drain()).toMatchObject({ code: 0 });
}, 60_000);
