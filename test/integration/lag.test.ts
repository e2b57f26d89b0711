import { Command } from 'commander';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { registerLag } from '../../src/cli/lag.ts';
import { openKafkaAdmin, type KafkaAdmin } from '../../src/connections/kafka/admin.ts';
import { createClient } from '../../src/connections/kafka/client.ts';
import { readConnection } from '../../src/connections/kafka/connection.ts';
import { openKafkaProducer } from '../../src/connections/kafka/producer.ts';
import type { Log } from '../../src/engine/ports.ts';
import { stackAddress, uniqueName } from '../stack/shared.ts';

const log: Log = { info: () => {}, warn: () => {}, error: () => {} };
const brokers = stackAddress('kafka');
const connection = { brokers };
const hourMs = 3_600_000;

let admin: KafkaAdmin;
let topic: string;
let group: string;
let printed: string;
let leave: () => Promise<void>;
beforeAll(async () => {
  admin = await openKafkaAdmin(connection, log);
});
afterAll(async () => {
  await admin.close();
});
beforeEach(async () => {
  topic = uniqueName('lag');
  group = uniqueName('group');
  leave = async () => {};
  await admin.createTopic({ topic, partitions: 3 });
  await produce(0, 20, Date.now() - hourMs);
  await produce(1, 10, Date.now() - hourMs);
  vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
    printed += String(text);
    return true;
  });
});
afterEach(async () => {
  vi.restoreAllMocks();
  process.exitCode = 0;
  await leave();
});

async function produce(partition: number, count: number, timestampMs: number): Promise<void> {
  const producer = openKafkaProducer(connection, log);
  const messages = Array.from({ length: count }, (_, index) => ({
    key: null,
    value: Buffer.from(`${index}`),
    headers: {},
    timestampMs,
    partition,
  }));
  await producer.produceAll(topic, messages);
  await producer.close();
}

/** A member of another kind of application: joins, commits what it is told to, and reads on without committing. */
async function joinAndCommit(offsets: Readonly<Record<number, number>>) {
  const consumer = createClient(readConnection({ brokers, client_id: 'billing' }), log).consumer({ groupId: group });
  await consumer.connect();
  await consumer.subscribe({ topic, fromBeginning: true });
  const joined = new Promise<void>((resolve) => consumer.on(consumer.events.GROUP_JOIN, () => resolve()));
  await consumer.run({ autoCommit: false, eachMessage: async () => {} });
  await joined;
  await consumer.commitOffsets(
    Object.entries(offsets).map(([partition, offset]) => ({
      topic,
      partition: Number(partition),
      offset: String(offset),
    })),
  );
  leave = async () => {
    leave = async () => {};
    await consumer.disconnect();
  };
}

async function lag(...words: string[]): Promise<string> {
  printed = '';
  const program = new Command().exitOverride();
  registerLag(program);
  await program.parseAsync(['lag', '--group', group, '--brokers', brokers, '--interval', '100ms', ...words], {
    from: 'user',
  });
  return printed;
}

interface Shown {
  state: string;
  members: number;
  lag: number | null;
  partitions: {
    partition: number;
    committed: string | null;
    end: string;
    lag: number | null;
    behindMs: number | null;
    verdict: string;
    owner: string | null;
  }[];
}
const shown = async (...words: string[]) => JSON.parse(await lag('--json', ...words)) as Shown;

test('shows a working group: lag, its age in seconds, owner, verdict', async () => {
  await joinAndCommit({ 0: 5, 1: 10 });
  const { state, members, lag, partitions } = await shown();
  expect({ state, members, lag }).toEqual({ state: 'Stable', members: 1, lag: 15 });
  expect(partitions).toMatchObject([
    {
      partition: 0,
      committed: '5',
      end: '20',
      lag: 15,
      verdict: 'WARN',
      owner: expect.stringMatching(/^billing\//) as string,
    },
    { partition: 1, committed: '10', end: '10', lag: 0, behindMs: 0, verdict: 'OK' },
    { partition: 2, committed: null, end: '0', lag: 0, verdict: 'OK' },
  ]);
  expect(partitions[0]!.behindMs).toBeGreaterThanOrEqual(hourMs);
  expect(partitions[0]!.behindMs).toBeLessThan(hourMs + 60_000);
});

test('shows the lag of a group nobody is in, and where it never committed', async () => {
  await joinAndCommit({ 0: 5 });
  await leave();
  const { state, members, partitions } = await shown();
  expect({ state, members }).toEqual({ state: 'Empty', members: 0 });
  expect(partitions).toMatchObject([
    { lag: 15, owner: null, verdict: 'NO_MEMBERS' },
    { committed: null, lag: null, verdict: 'NEVER_COMMITTED' },
    { committed: null, lag: 0, verdict: 'OK' },
  ]);
});

test('prints a table for people', async () => {
  await joinAndCommit({ 0: 20, 1: 10 });
  expect(await lag()).toMatch(
    new RegExp(
      `^group ${group}  Stable, 1 members  lag 0 \\(0/s\\)\\n +TOPIC +PART[^\\n]*\\n +${topic} +0 +20 +20 +0 +0 +0 +0 +0 s`,
    ),
  );
});

describe('--check', () => {
  test.each([
    [['--warn-lag', '100', '--max-lag', '200'], 0, 'LAG OK'],
    [['--warn-lag', '14', '--max-lag', '200'], 1, 'LAG WARNING'],
    [['--warn-lag', '10', '--max-lag', '14'], 2, 'LAG CRITICAL'],
    [['--warn-seconds', '60', '--max-seconds', '7200'], 1, 'LAG WARNING'],
    [['--max-seconds', '3599'], 2, 'LAG CRITICAL'],
  ])('%j exits %d', async (words, exitCode, word) => {
    await joinAndCommit({ 0: 5, 1: 10 });
    expect(await lag('--check', ...words)).toMatch(
      new RegExp(`^${word} - ${group} lag 15, 36\\d\\d s behind.* \\| '${group} lag'=15;`),
    );
    expect(process.exitCode).toBe(exitCode);
  });

  test('a group that does not exist is unknown, 3', async () => {
    expect(await lag('--check')).toBe(`LAG UNKNOWN - consumer group ${group} does not exist\n`);
    expect(process.exitCode).toBe(3);
  });
});

test('a group that does not exist is an error that names it', async () => {
  await expect(lag()).rejects.toMatchObject({
    code: 'group_unknown',
    message: `consumer group ${group} does not exist`,
  });
});
