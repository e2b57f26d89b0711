import { expect, onTestFinished, test, vi } from 'vitest';
import { openKafkaAdmin } from '../../src/connections/kafka/admin.ts';
import type { DeadLetter } from '../../src/engine/ports.ts';
import { KafkaDeadLetterQueue } from '../../src/operations/dead-letters/kafka-queue.ts';
import { partitionOf } from '../contract/sink.ts';
import { stackAddress, uniqueName } from '../stack/shared.ts';
import { Bench } from './pipeline.ts';

const log = { info() {}, warn() {}, error() {} };
const letter = (offset: number): DeadLetter => ({
  raw: { offset, timestampMs: 1, key: null, value: Buffer.from(String(offset)), headers: undefined },
  partition: partitionOf(0),
  element: '',
  stage: 'sink:a',
  code: 'sink_constraint',
  message: 'refused',
  failedAtMs: Date.now(),
});
const sockets = () => process.getActiveResourcesInfo().filter((name) => name === 'TCPSocketWrap').length;

test('the first dead letters of several sinks at once are all kept, and closing leaves no connection', async () => {
  const brokers = stackAddress('kafka');
  const topic = uniqueName('dlq');
  const before = sockets();
  const queue = new KafkaDeadLetterQueue(
    topic,
    { brokers },
    { pipeline: 'p', pipelineHash: 'h', secrets: [], form: { redact: [], compat: null } },
    log,
  );
  await Promise.all([0, 1, 2, 3].map((offset) => queue.append([letter(offset)])));
  await queue.close();
  // Sockets end a turn after they were told to.
  await expect.poll(sockets, { timeout: 5000 }).toBe(before);

  const admin = await openKafkaAdmin({ brokers }, log);
  onTestFinished(() => admin.close());
  const values: string[] = [];
  await admin.readTopic(topic, { onRecord: ({ value }) => void values.push(String(value)) });
  expect(values.sort()).toEqual(['0', '1', '2', '3']);
});

test('a topic that was deleted while letters are written is made anew', async () => {
  const brokers = stackAddress('kafka');
  const topic = uniqueName('dlq');
  const queue = new KafkaDeadLetterQueue(
    topic,
    { brokers },
    { pipeline: 'p', pipelineHash: 'h', secrets: [], form: { redact: [], compat: null } },
    log,
  );
  onTestFinished(() => queue.close());
  await queue.append([letter(0)]);
  await using bench = await Bench.open({ brokers, url: stackAddress('postgres') });
  await bench.kafka.deleteTopics({ topics: [topic] });
  await vi.waitUntil(
    () =>
      queue.append([letter(1)]).then(
        () => true,
        () => false,
      ),
    { timeout: 30_000, interval: 100 },
  );
  const values = (await bench.read(topic)).map(({ value }) => String(value));
  expect(values).toContain('1');
});
