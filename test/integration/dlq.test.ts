import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command } from 'commander';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { registerDlq } from '../../src/cli/dlq.ts';
import { openKafkaAdmin, type KafkaAdmin } from '../../src/connections/kafka/admin.ts';
import { openKafkaProducer } from '../../src/connections/kafka/producer.ts';
import { SinkUnavailable, type DeadLetter, type Log, type RawRecord } from '../../src/engine/ports.ts';
import { KafkaDeadLetterQueue } from '../../src/operations/dead-letters/kafka-queue.ts';
import { stackAddress, uniqueName } from '../stack/shared.ts';

const log: Log = { info: () => {}, warn: () => {}, error: () => {} };
const brokers = stackAddress('kafka');
const connection = { brokers };
const context = { pipeline: 'orders', pipelineHash: 'h', secrets: ['s3cret'], form: { redact: [], compat: null } };

let admin: KafkaAdmin;
let topic: string;
let queue: KafkaDeadLetterQueue;
let printed: string;
beforeAll(async () => {
  admin = await openKafkaAdmin(connection, log);
});
afterAll(async () => {
  await admin.close();
});
beforeEach(() => {
  topic = uniqueName('dlq');
  queue = new KafkaDeadLetterQueue(topic, connection, context, log);
  printed = '';
  vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
    printed += String(text);
    return true;
  });
});
afterEach(async () => {
  vi.restoreAllMocks();
  process.exitCode = 0;
  await queue.close();
});

const letter = (offset: number, change: Partial<DeadLetter> = {}, raw: Partial<RawRecord> = {}): DeadLetter => ({
  raw: {
    offset,
    timestampMs: 1_700_000_000_000,
    key: Buffer.from(`order-${offset}`),
    value: Buffer.from(`{"id":${offset},`),
    headers: { trace: Buffer.from([0xff, 0x01]) },
    ...raw,
  },
  partition: { cluster: 'c', topic: 'orders', topicId: 'T', partition: 2, source: 'kafka' },
  element: '',
  stage: 'decode',
  code: 'json_syntax',
  message: `line ends at ${offset}, password s3cret`,
  // As the process clock tells it, with a fraction.
  failedAtMs: Date.now() + 0.25,
  ...change,
});

async function dlq(...words: string[]): Promise<string> {
  printed = '';
  const program = new Command().exitOverride();
  registerDlq(program);
  await program.parseAsync(['dlq', ...words], { from: 'user' });
  return printed;
}

async function recordsOf(name: string): Promise<RawRecord[]> {
  const records: RawRecord[] = [];
  await admin.readTopic(name, { onRecord: (record) => void records.push(record) });
  return records;
}

test('the first dead letter creates the topic; each arrives byte for byte, a tombstone as null', async () => {
  await queue.append([letter(1), letter(2, {}, { value: null })]);
  const [first, second] = await recordsOf(topic);
  expect(Buffer.from(first!.value!)).toEqual(Buffer.from('{"id":1,'));
  expect(Buffer.from(first!.key!)).toEqual(Buffer.from('order-1'));
  expect(first!.headers!.trace).toEqual(Buffer.from([0xff, 0x01]));
  expect(second!.value).toBeNull();
});

test('a record too large for the topic keeps its key and headers and costs no other', async () => {
  await queue.append([letter(1), letter(2, {}, { value: Buffer.alloc(1_500_000, 'x') }), letter(3)]);
  const { letters } = JSON.parse(
    await dlq('inspect', '--topic', topic, '--brokers', brokers, '--limit', '9', '-o', 'json'),
  ) as {
    letters: { source: { offset: string }; key: string; value: string | null; payloadOmitted: boolean }[];
  };
  const shown = letters.map(({ source, key, value, payloadOmitted }) => [source.offset, key, value, payloadOmitted]);
  expect(shown.toSorted((a, b) => (String(a) < String(b) ? -1 : 1))).toEqual([
    ['1', 'order-1', '{"id":1,', false],
    ['2', 'order-2', null, true],
    ['3', 'order-3', '{"id":3,', false],
  ]);
});

test('an unreachable broker asks to try again', async () => {
  const away = new KafkaDeadLetterQueue(topic, { brokers: '127.0.0.1:1', connect_timeout: '200ms' }, context, log);
  await expect(away.append([letter(1)])).rejects.toThrow(SinkUnavailable);
}, 40_000);

describe('pipectl dlq', () => {
  test('ls groups by cause, and inspect shows one whole, without the secret', async () => {
    await queue.append([
      letter(1),
      letter(2),
      letter(3, { stage: 'sink:orders', code: 'not_null', message: 'column "id" is null' }),
    ]);
    const list = JSON.parse(await dlq('ls', '--topic', topic, '--brokers', brokers, '-o', 'json')) as {
      total: number;
      causes: { count: number; stage: string; fingerprint: string }[];
    };
    expect(list.total).toBe(3);
    expect(list.causes.map(({ count, stage }) => [count, stage])).toEqual([
      [2, 'decode'],
      [1, 'sink:orders'],
    ]);
    expect(await dlq('ls', '--topic', topic, '--brokers', brokers, '--stage', 'sink')).toMatch(
      /\b1 dead letters of 1 causes\n[^]*not_null {2}column "id" is null\n$/,
    );

    const shown = await dlq(
      'inspect',
      '--topic',
      topic,
      '--brokers',
      brokers,
      '--fingerprint',
      list.causes[0]!.fingerprint,
      '--key',
      'order-1',
    );
    expect(shown).toContain('why        json_syntax: line ends at 1, password ***\n');
    expect(shown).toContain('from       orders partition 2 offset 1\n');
    expect(shown).toContain('value\n  {"id":1,\n');
    expect(process.exitCode).toBe(0);
  });

  test("ls reads a queue of Kafka Connect's", async () => {
    await admin.createTopic({ topic });
    const producer = openKafkaProducer(connection, log);
    const header = (name: string, value: string) => [`__connect.errors.${name}`, Buffer.from(value)];
    const headers = Object.fromEntries([
      header('topic', 'orders'),
      header('stage', 'VALUE_CONVERTER'),
      header('exception.class.name', 'DataException'),
      header('exception.message', 'bad'),
    ]);
    await producer.produceAll(topic, [{ key: null, value: Buffer.from('x'), headers }]);
    await producer.close();
    expect(await dlq('ls', '--topic', topic, '--brokers', brokers)).toMatch(
      /VALUE_CONVERTER {2}DataException {2}bad\n$/,
    );
  });

  test('--since skips what failed before', async () => {
    const now = Date.now();
    await queue.append([letter(1, { failedAtMs: now - 7_200_000 }), letter(2, { failedAtMs: now - 60_000 })]);
    expect(await dlq('ls', '--topic', topic, '--brokers', brokers, '--since', '1h')).toContain(
      ' 1 dead letters of 1 causes\n',
    );
    expect(await dlq('ls', '--topic', topic, '--brokers', brokers, '--until', '1h')).toContain(
      ' 1 dead letters of 1 causes\n',
    );
  });

  test('a topic that does not exist is an error; the one of a pipeline without a dead letter is empty', async () => {
    await expect(dlq('ls', '--topic', topic, '--brokers', brokers)).rejects.toMatchObject({
      code: 'kafka_topic_missing',
    });
    const directory = await mkdtemp(join(tmpdir(), 'pipectl-dlq-'));
    try {
      const file = join(directory, 'orders.yaml');
      const pipeline = {
        name: topic,
        source: { kafka: { topic: 'orders', brokers } },
        sinks: [{ discard: {} }],
        dlq: { topic },
      };
      await writeFile(file, JSON.stringify(pipeline));
      expect(await dlq('ls', file)).toBe(`no dead letters in ${topic}\n`);
      expect(await dlq('inspect', file)).toBe(`no such dead letter in ${topic}\n`);
      expect(process.exitCode).toBe(1);
    } finally {
      await rm(directory, { recursive: true });
    }
  });
});
