import { writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:net';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Finding } from '../../src/operations/doctor/finding.ts';
import { freePort } from '../stack/loopback.ts';
import { stackAddress } from '../stack/shared.ts';
import { Bench } from './pipeline.ts';

let bench: Bench;
beforeAll(async () => {
  bench = await Bench.open({ brokers: stackAddress('kafka'), url: stackAddress('postgres') });
});
afterAll(() => bench[Symbol.asyncDispose]());

async function orders() {
  const topic = await bench.topic(2);
  const table = await bench.table('id bigint PRIMARY KEY');
  const pipeline = await bench.pipeline({
    source: { kafka: { topic } },
    steps: [{ map: { id: 'event.id' } }],
    sinks: [{ postgres: { connection: 'serving', table, key: ['id'] } }],
  });
  return { ...pipeline, topic, table };
}

async function doctor(args: readonly string[], env: NodeJS.ProcessEnv = {}) {
  const began = performance.now();
  const { code, stdout, stderr } = await bench.run(['doctor', ...args, '--json', '--sample', '200ms'], env);
  const { findings } = JSON.parse(stdout || stderr) as { findings: Finding[] };
  const about = (check: string, subject: RegExp = /./) =>
    findings.filter((finding) => finding.check === check && subject.test(finding.subject));
  return { code, findings, about, seconds: (performance.now() - began) / 1000 };
}

describe('doctor', () => {
  test('tells one broker as a risk, and everything else as it is', async () => {
    const { path: file, topic } = await orders();
    await bench.send(topic, [{ partition: 0, key: null, value: '{"id": 1}' }]);
    const { code, about, findings } = await doctor([file]);
    expect(about('brokers')).toMatchObject([
      { severity: 'warning', message: expect.stringContaining('1 broker') as string },
    ]);
    expect(about('replication')).toMatchObject([{ severity: 'warning', subject: `topic ${topic}` }]);
    expect(about('disk', /^broker 1 /)[0]!.message).toMatch(/^\d+ % used, .* free, grows by/);
    expect(about('disk', /^topic /)[0]!.message).toMatch(/^[1-9]\d* B in all copies/);
    expect(about('versions', /cluster/)[0]!.message).toMatch(/^Kafka \d/);
    expect(about('versions', /postgres/)[0]!.message).toMatch(/^PostgreSQL \d/);
    expect(about('clock', /postgres/)).toMatchObject([{ severity: 'ok' }]);
    expect(about('group')).toContainEqual(
      expect.objectContaining({ severity: 'info', message: expect.stringContaining('never committed') as string }),
    );
    expect(findings.filter(({ severity }) => severity === 'error')).toEqual([]);
    expect(code).toBe(0);
  });

  test('as a check is a warning in one line', async () => {
    const { path: file } = await orders();
    const { code, stdout } = await bench.run(['doctor', file, '--check', '--sample', '200ms']);
    expect(stdout).toMatch(/^DOCTOR WARNING - 2 warnings; cluster: 1 broker: [^\n]*\n$/);
    expect(code).toBe(1);
  });

  test('tells several pipelines in one list, the cluster and the server once', async () => {
    const [first, second] = [await orders(), await orders()];
    const { about } = await doctor([first.path, second.path]);
    expect(about('brokers')).toHaveLength(1);
    expect(about('connections')).toHaveLength(1);
    expect(
      about('replication')
        .map(({ subject }) => subject)
        .toSorted(),
    ).toEqual([`topic ${first.topic}`, `topic ${second.topic}`].toSorted());
  });

  test('a topic and a table that are missing are errors with a remedy, beside the rest', async () => {
    const { path: file } = await bench.pipeline({
      source: { kafka: { topic: 'not-there' } },
      sinks: [{ postgres: { connection: 'serving', table: 'not_there', key: ['id'] } }],
    });
    const { code, findings, about } = await doctor([file]);
    const errors = findings.filter(({ severity }) => severity === 'error');
    expect(errors.map(({ message }) => message)).toEqual([
      'topic not-there does not exist',
      'there is no table "not_there"',
    ]);
    for (const { remedy } of errors) expect(remedy).toMatch(/create/);
    expect(about('brokers')).toHaveLength(1);
    expect(code).toBe(1);
  });

  test('a topic with fewer partitions than the conventions ask for is a warning', async () => {
    const { path: file } = await bench.pipeline({
      conventions: { partitions: { min: 3 } },
      source: { kafka: { topic: await bench.topic(2) } },
      sinks: [{ discard: {} }],
    });
    const { about } = await doctor([file]);
    expect(about('convention')).toMatchObject([
      { severity: 'warning', remedy: expect.stringContaining('--partitions 3') as string },
    ]);
  });

  test('records from the future are told', async () => {
    const { path: file, topic } = await orders();
    const timestamp = String(Date.now() + 3_600_000);
    await bench.send(topic, [{ partition: 1, key: null, value: '{"id": 1}', timestamp }]);
    const { about } = await doctor([file]);
    expect(about('clock', /^topic/)[0]!.message).toMatch(/^newest records are 3[56]\d\d s ahead/);
  });

  test('a wrong password is a finding without the password, and the rest is told', async () => {
    const { path: file } = await orders();
    const url = new URL(bench.url);
    url.password = 'not-the-password';
    const { code, about, findings } = await doctor([file], { PG_URL: url.href });
    expect(about('sink')).toMatchObject([
      { severity: 'error', remedy: expect.stringContaining('sink-down') as string },
    ]);
    expect(about('brokers')).toHaveLength(1);
    expect(JSON.stringify(findings)).not.toContain('not-the-password');
    expect(code).toBe(1);
  });

  test('a database that is stopped is a finding, and Kafka is told', async () => {
    const { path: file } = await orders();
    const { code, about } = await doctor([file], { PG_URL: `postgres://me@127.0.0.1:${await freePort()}/x` });
    expect(about('sink')[0]!.message).toContain('ECONNREFUSED');
    expect(about('brokers')[0]!.message).toContain('1 broker');
    expect(code).toBe(1);
  });

  test('where nothing can be reached it ends with exit code 3, and as a check with unknown', async () => {
    const { path: file } = await orders();
    const away = `127.0.0.1:${await freePort()}`;
    const env = { KAFKA_BROKERS: away, PG_URL: `postgres://me@${away}/x` };
    const { code, findings } = await doctor([file, '--timeout', '2s'], env);
    expect(findings.filter(({ severity }) => severity === 'error')).toHaveLength(2);
    expect(code).toBe(3);
    const check = await bench.run(['doctor', file, '--check', '--timeout', '2s'], env);
    expect(check.stdout).toMatch(/^DOCTOR UNKNOWN - 2 errors; /);
    expect(check.code).toBe(3);
  });

  test('services that take connections and never answer do not hold it up', async () => {
    const sockets = new Set<{ destroy(): void }>();
    const mute: Server = createServer((socket) => sockets.add(socket));
    await new Promise<void>((resolve) => mute.listen(0, '127.0.0.1', resolve));
    try {
      const { port } = mute.address() as { port: number };
      const { path: file } = await orders();
      const env = { KAFKA_BROKERS: `127.0.0.1:${port}`, PG_URL: `postgres://me@127.0.0.1:${port}/x` };
      const { code, seconds } = await doctor([file, '--timeout', '1s'], env);
      expect(code).toBe(3);
      expect(seconds).toBeLessThan(12);
    } finally {
      for (const socket of sockets) socket.destroy();
      mute.close();
    }
  });

  test('a file with errors is a finding, and the other file is looked at', async () => {
    const { path: file } = await orders();
    const broken = path.join(bench.directory, 'broken.yaml');
    await writeFile(broken, 'source: { kafka: { topic: orders } }\nsinks: [ { stdot: {} } ]\n');
    const { code, about } = await doctor([broken, file]);
    expect(about('file', /broken\.yaml:2:/)).toMatchObject([{ severity: 'error' }]);
    expect(about('brokers')).toHaveLength(1);
    expect(code).toBe(1);
  });

  test('needs no pipeline with --brokers, and is wrong usage without a file or brokers', async () => {
    const { code, about } = await doctor(['--brokers', bench.brokers]);
    expect(about('brokers')).toHaveLength(1);
    expect(code).toBe(0);
    const none = await bench.run(['doctor', 'nowhere.yaml']);
    expect(none.code).toBe(2);
    expect((await bench.run(['doctor', 'nowhere.yaml', '--check'])).code).toBe(3);
  });
});
