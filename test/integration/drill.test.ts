/** `pipectl drill` on real services: what it makes of a pipeline that holds, and of one that does not. */
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { type AddressInfo, Socket } from 'node:net';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { connect as connectTls, createServer as createTlsServer } from 'node:tls';
import { promisify } from 'node:util';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { ServiceProxy } from '../../src/operations/drill/proxy.ts';
import type { DrillReport } from '../../src/operations/drill/report.ts';
import { leadThrough } from '../../src/operations/drill/routes.ts';
import { stackAddress } from '../stack/shared.ts';
import { orderColumns, orderMessage, orders, orderSteps, orderTable, upserted } from './orders.ts';
import { Bench, eventually, type Pipectl } from './pipeline.ts';

let bench: Bench;
beforeAll(async () => {
  bench = await Bench.open({ brokers: stackAddress('kafka'), url: stackAddress('postgres') });
});
afterEach(() => bench.expectNoSecrets());
afterAll(() => bench[Symbol.asyncDispose]());

const partitions = 4;
const env = ['--env', 'rehearsal'];

async function rehearsal() {
  const [topic, table] = [await bench.topic(partitions), await bench.table(orderTable.upsert)];
  const file = await bench.pipeline({
    source: { kafka: { topic, session_timeout: '2s' } },
    steps: orderSteps,
    sinks: [
      {
        postgres: {
          connection: 'serving',
          table,
          key: ['id'],
          lock_timeout: '300ms',
          idle_transaction_timeout: '1s',
        },
      },
    ],
    environments: { rehearsal: { prefix: 'reh-' } },
  });
  return { path: file.path, name: file.name, group: `reh-${file.name}`, topic, table };
}

/** Keeps sending orders, until it goes out of scope. */
function input(topic: string) {
  let sent = 0;
  const over = new AbortController();
  const sending = (async () => {
    while (!over.signal.aborted) {
      const more = orders(sent, sent + 40);
      await bench.send(
        topic,
        more.map((one) => orderMessage(one, partitions)),
      );
      sent += more.length;
      await delay(50, undefined, { signal: over.signal }).catch(() => undefined);
    }
  })();
  const stop = async (): Promise<number> => {
    over.abort();
    await sending;
    return sent;
  };
  return { stop, [Symbol.asyncDispose]: async () => void (await stop()) };
}

const isThere = (pid: number): boolean => {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
};

/** Processes that a drill has said something of. */
const pidsIn = ({ stderr }: Pipectl): number[] => [
  ...new Set([...stderr.matchAll(/process (\d+)/g)].map(([, pid]) => Number(pid))),
];

test('a pipeline comes through a kill, a freeze, a sink and a broker that are away, and bad records; its rows are right', async () => {
  const { path: file, group, topic, table } = await rehearsal();
  await using records = input(topic);
  const drill = bench.start([
    'drill', file, ...env, '--for', '1500ms', '--outage', '3s', '--poison', '--json',
    '--only', 'kill,freeze,sink-away,broker-away,poison',
  ]); // prettier-ignore
  const { code } = await drill.ended;
  expect(code, drill.stderr + drill.stdout).toBe(0);
  const report = JSON.parse(drill.stdout) as DrillReport & { readonly held: boolean };
  expect(report).toMatchObject({ held: true, group, processes: 2, environment: 'rehearsal', skipped: [] });
  expect(report.faults.map(({ fault }) => fault)).toEqual(['kill', 'freeze', 'sink-away', 'broker-away', 'poison']);
  const by = Object.fromEntries(report.faults.map((one) => [one.fault, one]));
  for (const { recovery, checks } of report.faults) {
    expect(recovery.lagBackMs).toBeGreaterThan(0);
    expect(checks.every(({ verdict }) => verdict === 'held')).toBe(true);
  }
  // Every connection of two processes, and their tries meanwhile; what was away stood still for as long.
  for (const away of ['sink-away', 'broker-away']) {
    expect(by[away]!.fired).toBeGreaterThanOrEqual(2);
    expect(by[away]!.recovery.standstillMs).toBeGreaterThan(2000);
  }
  // Nobody takes over what a dead or frozen process owned before its session is over.
  for (const gone of ['kill', 'freeze']) expect(by[gone]!.recovery.standstillMs).toBeGreaterThan(1000);
  expect(by['poison']!.checks).toContainEqual(
    expect.objectContaining({ check: 'dead_letters', message: expect.stringContaining('10 bad records') as string }),
  );
  expect(report.atEnd.map(({ check, verdict }) => [check, verdict])).toEqual([
    ['drained', 'held'],
    ['positions', 'held'],
  ]);
  // No process is left; what the drill does not compare is compared here.
  expect(pidsIn(drill).filter(isThere)).toEqual([]);
  const sent = await records.stop();
  expect(await bench.run(['run', file, ...env, '--until-end'])).toMatchObject({ code: 0 });
  await bench.expectRows(table, orderColumns, upserted(orders(0, sent)));
  await bench.kafka.deleteTopics({ topics: [`${group}.dlq`] });
}, 90_000);

test('a table that is locked for ever is told as not recovered, and nothing else is tried', async () => {
  const { path: file, topic, table } = await rehearsal();
  await using _records = input(topic);
  const drill = bench.start(['drill', file, ...env, '--for', '1s', '--within', '4s', '--only', 'kill,restart']);
  await eventually('it has its baseline', () => drill.stderr.includes('is usual') || undefined, { running: [drill] });
  await using lock = await bench.lock(table);
  await eventually('it has given up waiting', () => drill.stderr.includes('not recovered') || undefined, { running: [drill] }); // prettier-ignore
  await lock.release();
  expect(await drill.ended).toMatchObject({ code: 1 });
  expect(drill.stdout).toMatch(/! recovered: not recovered: .* after 4\.0 s/);
  expect(drill.stdout).toContain('not tried  restart: not recovered from kill');
  expect(drill.stdout).toContain('1 did not hold');
});

test('when the drill itself is killed -9 while a process of it is frozen, no process is left', async () => {
  const { path: file, group, topic } = await rehearsal();
  await using _records = input(topic);
  const drill = bench.start(['drill', file, ...env, '--for', '1s', '--only', 'freeze']);
  await eventually('a process stands still', () => /process \d+ stands still/.test(drill.stderr) || undefined, { running: [drill] }); // prettier-ignore
  const [frozen] = pidsIn(drill);
  expect(isThere(frozen!)).toBe(true);
  drill.kill('SIGKILL');
  await drill.ended;
  await eventually('it is gone', () => !isThere(frozen!) || undefined);
  await eventually('the group is empty', async () => {
    const { groups } = await bench.kafka.describeGroups([group]);
    return groups[0]!.members.length === 0 || undefined;
  });
});

test('it ends its processes when it is interrupted, and wants input, nobody else and an environment of its own', async () => {
  const { path: file, name, group, topic } = await rehearsal();
  const quiet = await bench.run(['drill', file, ...env, '--for', '1s', '--only', 'kill']);
  expect(quiet).toMatchObject({ code: 1, stdout: '' });
  expect(quiet.stderr).toContain('no record came in within 1.0 s');

  expect(await bench.run(['drill', file])).toMatchObject({ code: 2, stdout: '' });
  const listed = await bench.run(['drill', file, '--list']);
  expect(listed).toMatchObject({ code: 0, stderr: '' });
  expect(listed.stdout).toMatch(/^not tried +poison: .* only with --poison$/m);

  await using _records = input(topic);
  const drill = bench.start(['drill', file, ...env, '--for', '1s', '--only', 'freeze']);
  await eventually('it has begun', () => drill.stderr.includes('stands still for') || undefined, { running: [drill] });
  const second = await bench.run(['drill', file, ...env, '--only', 'kill']);
  expect(second).toMatchObject({ code: 1, stdout: '' });
  expect(second.stderr).toContain(`group ${group} has members`);
  drill.kill('SIGINT');
  expect(await drill.ended).toMatchObject({ code: 130 });
  expect(await bench.run(['status', name])).toMatchObject({ code: 1 });
});

test('TLS goes through the proxy, and the certificate is checked against the name of the service', async () => {
  const at = (ending: string) => path.join(bench.directory, `drill.${ending}`);
  const name = ['-subj', '/CN=db', '-addext', 'subjectAltName=DNS:db.example'];
  await promisify(execFile)('openssl', ['req', '-x509', '-days', '1', '-nodes', ...name, '-newkey', 'rsa:2048', '-keyout', at('key'), '-out', at('crt')]); // prettier-ignore
  const [key, cert] = [await readFile(at('key')), await readFile(at('crt'))];
  const server = createTlsServer({ key, cert }, (socket) => void socket.on('error', () => {}).end('hello'));
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const { port } = server.address() as AddressInfo;
  await using proxy = await ServiceProxy.open({ host: '127.0.0.1', port });
  const { connect } = Socket.prototype;
  // Neither name is known to anybody: who connects to it has been led elsewhere.
  leadThrough(
    Socket.prototype,
    ['db.example', 'other.example'].map((host) => ({ host, port: 5432, to: proxy.port })),
  );
  const answer = async (host: string): Promise<unknown> => {
    const socket = connectTls({ host, port: 5432, ca: cert });
    try {
      const [first] = await once(socket, 'data');
      return String(first);
    } catch (error) {
      return (error as NodeJS.ErrnoException).code;
    } finally {
      socket.destroy();
    }
  };
  try {
    expect(await answer('db.example')).toBe('hello');
    expect(await answer('other.example')).toBe('ERR_TLS_CERT_ALTNAME_INVALID');
    proxy.cut();
    expect(await answer('db.example')).toBe('ECONNRESET');
    expect(proxy.struck).toBeGreaterThan(0);
    proxy.mend();
    expect(await answer('db.example')).toBe('hello');
  } finally {
    Socket.prototype.connect = connect;
    server.close();
  }
});
