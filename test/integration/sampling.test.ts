import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command } from 'commander';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { registerEval } from '../../src/cli/eval.ts';
import { registerInit } from '../../src/cli/init.ts';
import { openKafkaAdmin } from '../../src/connections/kafka/admin.ts';
import { openKafkaProducer } from '../../src/connections/kafka/producer.ts';
import type { Log } from '../../src/engine/ports.ts';
import { isPassed, runTestFile } from '../../src/testing/run.ts';
import { stackAddress, uniqueName } from '../stack/shared.ts';

const log: Log = { info: () => {}, warn: () => {}, error: () => {} };
const brokers = stackAddress('kafka');
const home = process.cwd();

let topic: string;
let directory: string;
let printed: string;
let noted: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'pipectl-sampling-'));
  process.chdir(directory);
  printed = '';
  noted = '';
  vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
    printed += String(text);
    return true;
  });
  vi.spyOn(process.stderr, 'write').mockImplementation((text) => {
    noted += String(text);
    return true;
  });
  topic = uniqueName('sampled');
  const admin = await openKafkaAdmin({ brokers }, log);
  await admin.createTopic({ topic, partitions: 3 });
  await admin.close();
});
afterEach(async () => {
  vi.restoreAllMocks();
  process.exitCode = undefined;
  process.chdir(home);
  await rm(directory, { recursive: true });
});

async function produce(values: readonly string[]): Promise<void> {
  const producer = openKafkaProducer({ brokers }, log);
  const messages = values.map((value, index) => ({
    key: Buffer.from(`k${index}`),
    value: Buffer.from(value),
    headers: {},
    timestampMs: 1_700_000_000_000 + index,
  }));
  expect(await producer.produceAll(topic, messages)).toEqual([]);
  await producer.close();
}

async function pipectl(...argv: readonly string[]): Promise<void> {
  const program = new Command().exitOverride();
  registerEval(program);
  registerInit(program);
  await program.parseAsync(argv, { from: 'user' });
}

test('eval --topic evaluates on the newest records of all partitions, with their key and place', async () => {
  await produce(Array.from({ length: 40 }, (_, id) => JSON.stringify({ id })));
  await pipectl('eval', '[event.id, key, meta.topic]', '--topic', topic, '--brokers', brokers, '-n', '3', '-o', 'json');
  const values = printed
    .trimEnd()
    .split('\n')
    .map((line) => (JSON.parse(line) as { value: unknown }).value);
  expect(values).toEqual([39, 38, 37].map((id) => [id, `k${id}`, topic]));
});

test('init --from kafka writes a pipeline and a test for what the topic holds', async () => {
  const orders = Array.from({ length: 150 }, (_, id) =>
    JSON.stringify({ id, at: '2026-01-01T00:00:00Z', who: { name: 'Ana' }, ...(id % 2 === 0 ? { coupon: 'X' } : {}) }),
  );
  await produce([...orders, '{"id": broken']);
  await pipectl('init', 'orders', '--from', 'kafka', '--topic', topic, '--brokers', brokers);
  expect(noted).toContain('1 event was dead in decode');
  const text = await readFile('orders.yaml', 'utf8');
  expect(text).toContain(`# What 99 of the newest records of "${topic}" held`);
  expect(text).toMatch(/# {3}coupon {4}text, in (49|50) of 99\n/);
  expect(text).toContain('at: timestamp(event.at)\n      who_name: event.who.name\n');
  expect(isPassed(await runTestFile('orders.test.yaml'))).toBe(true);

  printed = '';
  await pipectl('eval', 'event.who_name', '--pipeline', 'orders.yaml', '-n', '1');
  expect(printed).toBe('"Ana"  (string)\n');
});

test('init --from kafka says that there is nothing to look at', async () => {
  await expect(pipectl('init', '--from', 'kafka', '--topic', topic, '--brokers', brokers)).rejects.toMatchObject({
    code: 'sample_empty',
    message: `topic ${topic} holds no readable record`,
  });
});
