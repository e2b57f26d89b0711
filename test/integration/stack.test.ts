import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { Admin, Producer, stringSerializers } from '@platformatic/kafka';
import { Client } from 'pg';
import { describe, expect, test, vi } from 'vitest';
import { projectRoot } from '../stack/install.ts';
import { isListening } from '../stack/loopback.ts';
import { descendants, isAlive, sendSignal } from '../stack/process-tree.ts';
import { stackAddress, uniqueName } from '../stack/shared.ts';
import { startStack } from '../stack/stack.ts';

const quiet = { print: (): void => {} };
const within10s = { timeout: 10_000, interval: 50 };

describe('nothing is left behind', () => {
  test.each(['SIGKILL', 'SIGTERM', 'SIGINT', 'SIGHUP'] as const)('when the owner gets %s', async (signal) => {
    const { owner, ports, processes, logs } = await ownedStack(['postgres']);
    expect(processes.filter(isAlive)).toEqual(processes);
    owner.kill(signal);
    await expectNothingLeft(ports, processes);
    await vi.waitFor(() => expect(existsSync(path.join(logs, '..', 'data'))).toBe(false), within10s);
    expect(readFileSync(path.join(logs, 'postgres.log'), 'utf8')).toContain('ready to accept connections');
  });

  test('when the owner of Kafka and PostgreSQL is killed while both stand still', async () => {
    const { owner, ports, processes } = await ownedStack(['kafka', 'postgres']);
    for (const pid of processes.slice(1)) sendSignal(pid, 'SIGSTOP');
    owner.kill('SIGKILL');
    await expectNothingLeft(ports, processes);
  });

  test('when the supervisor itself is killed', async () => {
    const stack = await startStack({ services: ['postgres'], ...quiet });
    const supervisor = stack.supervisorPid ?? 0;
    const processes = [supervisor, ...descendants(supervisor)];
    expect(processes.length).toBeGreaterThan(1);
    sendSignal(supervisor, 'SIGKILL');
    await expectNothingLeft([portOf(stack.postgres.url)], processes);
    await stack.stop();
    expect(existsSync(path.join(stack.logsDirectory, '..', 'data'))).toBe(false);
  });
});

describe('PostgreSQL', () => {
  test('keeps what was committed through kill -9, an immediate shutdown and a restart, at the same address', async () => {
    await using stack = await startStack({ services: ['postgres'], ...quiet });
    const { postgres } = stack;
    await query(postgres.url, 'CREATE TABLE kept (id int)');
    await query(postgres.url, 'INSERT INTO kept VALUES (1)');
    await postgres.kill();
    await expect(query(postgres.url, 'SELECT 1')).rejects.toThrow('ECONNREFUSED');
    await postgres.restart();
    await query(postgres.url, 'INSERT INTO kept VALUES (2)');
    await postgres.stop('immediate');
    expect(postgres.pid).toBe(undefined);
    await postgres.restart();
    await postgres.restart();
    expect(await query(postgres.url, 'SELECT id FROM kept ORDER BY id')).toEqual([{ id: 1 }, { id: 2 }]);
  });

  test('answers nothing while it is paused and everything when it goes on', async () => {
    await using stack = await startStack({ services: ['postgres'], ...quiet });
    const client = new Client({ connectionString: stack.postgres.url });
    await client.connect();
    await stack.postgres.pause();
    let answered = false;
    const answer = client.query('SELECT 1 AS one').then(({ rows }) => {
      answered = true;
      return rows as unknown[];
    });
    await expect(query(stack.postgres.url, 'SELECT 1', 300)).rejects.toThrow(/timeout/i);
    expect(answered).toBe(false);
    await stack.postgres.resume();
    expect(await answer).toEqual([{ one: 1 }]);
    await client.end();
  });
});

describe('Kafka', () => {
  test('keeps its topics through kill -9 and a restart at the same address', async () => {
    await using stack = await startStack({ services: ['kafka'], ...quiet });
    const { brokers, nodes } = stack.kafka;
    const topic = uniqueName('kept');
    await withAdmin(brokers, (admin) => admin.createTopics({ topics: [topic], partitions: 1, replicas: 1 }));
    expect(await produceOffset(brokers, topic)).toBe(0n);
    await nodes[0]?.kill();
    expect(await isListening(portOf(brokers))).toBe(false);
    await nodes[0]?.restart();
    await vi.waitFor(async () => expect(await produceOffset(brokers, topic)).toBe(1n), within10s);
  });

  test('of three nodes takes records with acks from all while one is dead', async () => {
    await using stack = await startStack({ services: ['kafka'], kafkaNodes: 3, ...quiet });
    const { brokers, nodes } = stack.kafka;
    const topic = uniqueName('survives');
    await withAdmin(brokers, (admin) => admin.createTopics({ topics: [topic], partitions: 1, replicas: 3 }));
    expect(await produceOffset(brokers, topic)).toBe(0n);
    const leader = await withAdmin(brokers, async (admin) => {
      const { topics } = await admin.metadata({ topics: [topic] });
      return topics.get(topic)?.partitions[0]?.leader ?? 0;
    });
    await nodes[leader - 1]?.kill();
    const alive = brokers
      .split(',')
      .filter((_, index) => index !== leader - 1)
      .join(',');
    await vi.waitFor(async () => expect(await produceOffset(alive, topic)).toBe(1n), {
      timeout: 30_000,
      interval: 200,
    });
  });
});

test('the services all integration tests share answer', async () => {
  expect(await query(stackAddress('postgres'), 'SHOW fsync')).toEqual([{ fsync: 'on' }]);
  const brokers = stackAddress('kafka');
  expect(await withAdmin(brokers, async (admin) => (await admin.metadata({ topics: [] })).brokers.size)).toBe(
    brokers.split(',').length,
  );
});

/** A stack kept up by another process, as `npm run stack` does it. */
async function ownedStack(services: readonly string[]): Promise<{
  owner: ChildProcess;
  ports: number[];
  processes: number[];
  logs: string;
}> {
  const owner = spawn(
    process.execPath,
    ['--import', 'tsx', 'test/stack/keep-up.ts', '--services', services.join(',')],
    { cwd: projectRoot, stdio: ['ignore', 'pipe', 'pipe'] },
  );
  let [exports, notes] = ['', ''];
  owner.stdout?.on('data', (chunk) => (exports += String(chunk)));
  owner.stderr?.on('data', (chunk) => (notes += String(chunk)));
  const ended = once(owner, 'exit').then(() => {
    throw new Error(`the stack did not come up: ${notes}`);
  });
  const up = vi.waitFor(() => expect(notes).toContain('stack: up'), { timeout: 50_000, interval: 20 });
  ended.catch(() => {});
  await Promise.race([up, ended]);
  return {
    owner,
    ports: [...exports.matchAll(/PIPECTL_STACK_\w+='(.*)'/g)].map((match) => portOf(match[1] ?? '')),
    processes: descendants(owner.pid ?? 0),
    logs: /logs in (\S+);/.exec(notes)?.[1] ?? '',
  };
}

async function expectNothingLeft(ports: readonly number[], processes: readonly number[]): Promise<void> {
  expect(ports.length).toBeGreaterThan(0);
  await vi.waitFor(async () => {
    expect(processes.filter(isAlive)).toEqual([]);
    for (const port of ports) expect(await isListening(port)).toBe(false);
  }, within10s);
}

function portOf(address: string): number {
  return Number(/:(\d+)(?:[,/]|$)/.exec(address)?.[1]);
}

async function query(url: string, sql: string, connectMs = 5_000): Promise<unknown[]> {
  const client = new Client({ connectionString: url, connectionTimeoutMillis: connectMs });
  client.on('error', () => {});
  try {
    await client.connect();
    return (await client.query(sql)).rows as unknown[];
  } finally {
    await client.end();
  }
}

async function withAdmin<T>(brokers: string, work: (admin: Admin) => Promise<T>): Promise<T> {
  const admin = new Admin({ clientId: 'stack-test', bootstrapBrokers: brokers.split(',') });
  try {
    return await work(admin);
  } finally {
    await admin.close();
  }
}

/** Writes one record with acks from all replicas. @returns its offset */
async function produceOffset(brokers: string, topic: string): Promise<bigint | undefined> {
  const producer = new Producer({
    clientId: 'stack-test',
    bootstrapBrokers: brokers.split(','),
    serializers: stringSerializers,
    retries: 0,
  });
  try {
    const { offsets } = await producer.send({ messages: [{ topic, value: 'x' }], acks: -1 });
    return offsets?.[0]?.offset;
  } finally {
    await producer.close();
  }
}
