/** `alerts:` on real services: who is told, when, and once. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import type { AlertMessage } from '../../src/runtime/alerts/message.ts';
import { stackAddress } from '../stack/shared.ts';
import { appended, orderColumns, orderMessage, orders, orderSteps, orderTable } from './orders.ts';
import { Bench, eventually } from './pipeline.ts';

let bench: Bench;
beforeAll(async () => {
  bench = await Bench.open({ brokers: stackAddress('kafka'), url: stackAddress('postgres') });
});
afterEach(() => bench.expectNoSecrets());
afterAll(() => bench[Symbol.asyncDispose]());

const partitions = 4;

/** Takes messages; refuses the first few. */
async function receiver(refusals = 0) {
  const got: AlertMessage[] = [];
  let left = refusals;
  const server = createServer((request, response) => {
    let text = '';
    request.on('data', (part: Buffer) => (text += part.toString()));
    request.on('end', () => {
      if (left-- > 0) return response.writeHead(503).end();
      got.push(JSON.parse(text) as AlertMessage);
      return response.writeHead(200).end();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    got,
    url: `http://127.0.0.1:${port}/hook-s3cret-path`,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

test(
  'two members tell once that the lag grows and that the sink is down, and once that it is over',
  { timeout: 120_000 },
  async () => {
    await using hook = await receiver(2);
    const topic = await bench.topic(partitions);
    const table = await bench.table(orderTable.append);
    const { path: file, name } = await bench.pipeline({
      source: { kafka: { topic } },
      steps: orderSteps,
      sinks: [{ postgres: { connection: 'serving', table, mode: 'append', lock_timeout: '300ms' }, name: 'main' }],
      alerts: {
        lag: { records: 500, for: '1s' },
        sinks: { down: '2s' },
        notify: [{ webhook: '${ALERT_WEBHOOK}' }],
      },
    });
    const env = { ALERT_WEBHOOK: hook.url };
    const input = orders(0, 4000);
    const send = (from: number, to: number) =>
      bench.send(
        topic,
        input.slice(from, to).map((one) => orderMessage(one, partitions)),
      );
    await using first = bench.start(['run', file, '--view', 'json'], env);
    await using second = bench.start(['run', file, '--view', 'json'], env);
    const running = [first, second];
    const owned = (child: typeof first): number => {
      const line = child.stdout.trimEnd().split('\n').at(-1) ?? '';
      return (JSON.parse(line) as { partitions: unknown[] }).partitions.length;
    };
    await eventually('both own partitions', () => owned(first) > 0 && owned(second) > 0, { running, withinMs: 60_000 });
    await send(0, 400);
    await bench.written(name, 400, running, { sink: 'main' });
    {
      await using _lock = await bench.lock(table);
      await send(400, 4000);
      await eventually(
        'both alerts are told',
        () => new Set(hook.got.filter(({ state }) => state === 'firing').map(({ alert }) => alert)).size === 2,
        { running, withinMs: 40_000 },
      );
      // The other member sees it too, and says who tells it.
      await eventually(
        'both members know',
        () => running.every(({ stderr }) => stderr.includes('"alert_lag"') && stderr.includes('"alert_sink"')),
        { running, withinMs: 40_000 },
      );
    }
    await bench.written(name, 4000, running, { sink: 'main' });
    await eventually('both are over', () => hook.got.filter(({ state }) => state === 'resolved').length >= 2, {
      running,
      withinMs: 60_000,
    });
    await eventually(
      'both members know that, too',
      () => running.every(({ stderr }) => stderr.split('"alert_resolved"').length >= 3),
      { running, withinMs: 40_000 },
    );
    for (const child of running) expect(await child.drain()).toMatchObject({ code: 0 });
    expect(hook.got.map(({ alert, state }) => `${alert} ${state}`).toSorted()).toEqual([
      'lag firing',
      'lag resolved',
      'sink:main firing',
      'sink:main resolved',
    ]);
    const [firing, resolved] = ['firing', 'resolved'].map((state) =>
      hook.got.find((message) => message.alert === 'lag' && message.state === state)!,
    );
    expect(firing!.id).toBe(resolved!.id);
    expect(firing!.readings[0]!.value).toBeGreaterThan(500);
    expect(running.map(({ stderr }) => stderr).join('')).toContain('another member tells it');
    for (const { stderr } of running) expect(stderr).not.toContain('s3cret');
    await bench.expectRows(table, orderColumns, appended(input));
  },
);

test('a target that is away, refuses or hangs holds nothing up', async () => {
  const topic = await bench.topic(1);
  const table = await bench.table(orderTable.append);
  const { path: file, name } = await bench.pipeline({
    source: { kafka: { topic } },
    steps: orderSteps,
    sinks: [{ postgres: { connection: 'serving', table, mode: 'append' } }],
    dlq: { breaker: 'off' },
    alerts: {
      dlq: { new: true },
      notify: [
        { webhook: 'http://127.0.0.1:1/s3cret' },
        { command: [process.execPath, '-e', 'setInterval(() => {}, 1000)'], timeout: '60s' },
        { command: ['/no/such/program'] },
      ],
    },
  });
  const input = orders(0, 2000);
  await using child = bench.start(['run', file]);
  await bench.send(topic, [{ partition: 0, key: null, value: '{' }, ...input.map((one) => orderMessage(one, 1))]);
  await bench.written(name, 2001, [child]);
  await eventually('it fires', () => child.log.some(({ code }) => code === 'alert_dlq'), { running: [child] });
  await eventually('one was not told', () => child.log.some(({ code }) => code === 'alert_not_sent'), {
    running: [child],
  });
  expect(await child.drain()).toMatchObject({ code: 0 });
  expect(child.stderr).not.toContain('s3cret');
  await bench.expectRows(table, orderColumns, appended(input));
});

test('alerts test tells everyone and says what came back', async () => {
  await using hook = await receiver();
  const { path: file, name } = await bench.pipeline({
    source: { kafka: { topic: 'none' } },
    sinks: [{ discard: {} }],
    alerts: { notify: [{ webhook: hook.url }, { slack: '${SLACK}' }] },
  });
  const all = await bench.run(['alerts', 'test', file], { SLACK: hook.url });
  expect(all).toMatchObject({ code: 0 });
  expect(all.stdout).toMatch(
    /^told {6}webhook 127\.0\.0\.1:\d+: HTTP 200\ntold {6}slack 127\.0\.0\.1:\d+: HTTP 200\n$/,
  );
  expect(hook.got[0]).toMatchObject({ state: 'test', pipeline: name });
  const gone = await receiver();
  await gone[Symbol.asyncDispose]();
  const part = await bench.run(['alerts', 'test', file], { SLACK: gone.url });
  expect(part).toMatchObject({ code: 1 });
  expect(part.stdout).toMatch(/^NOT TOLD {2}slack 127\.0\.0\.1:\d+: ECONNREFUSED$/m);
  expect(part.stdout + part.stderr).not.toContain('s3cret');
  const nobody = await bench.pipeline({ source: { kafka: { topic: 'none' } }, sinks: [{ discard: {} }] });
  expect(await bench.run(['alerts', 'test', nobody.path])).toMatchObject({ code: 1 });
});
