/** `alerts:` on real services: who is told, when, and once. */
import { expect, test } from 'vitest';
import type { StatusSnapshot } from '../../src/runtime/status.ts';
import { receiver } from '../runtime/alerts/receiver.ts';
import { sharedBench } from './bench.ts';
import { appended, orderColumns, orderMessage, orders, orderSteps, orderTable } from './orders.ts';
import { type Bench, eventually, type Pipectl } from './pipeline.ts';

let bench: Bench;
sharedBench((opened) => (bench = opened));

const partitions = 4;

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

test(
  'killed (kill -9), the member that speaks is followed by another one: what it told is resolved, what it could not tell is told',
  { timeout: 180_000 },
  async () => {
    await using hook = await receiver();
    const topic = await bench.topic(partitions);
    const table = await bench.table(orderTable.append);
    const { path: file, name } = await bench.pipeline({
      source: { kafka: { topic, session_timeout: '3s' } },
      steps: orderSteps,
      sinks: [{ postgres: { connection: 'serving', table, mode: 'append', lock_timeout: '300ms' }, name: 'main' }],
      alerts: {
        lag: { records: 500, for: '1s' },
        sinks: { down: '2s' },
        notify: [{ webhook: hook.url }],
      },
    });
    const start = (): Pipectl => bench.start(['run', file, '--view', 'json']);
    const input = orders(0, 4000);
    const send = (from: number, to: number) =>
      bench.send(
        topic,
        input.slice(from, to).map((one) => orderMessage(one, partitions)),
      );
    const lastOf = ({ stdout }: Pipectl) => JSON.parse(stdout.trimEnd().split('\n').at(-1) ?? '') as StatusSnapshot;
    /** Who owns partition 0, and the other one. */
    const roles = (running: readonly Pipectl[]) =>
      eventually(
        'both own partitions',
        () => {
          const owned = running.map((child) => lastOf(child).partitions.map(({ partition }) => partition));
          const speaker = running[owned.findIndex((own) => own.includes(0))];
          const heir = running.find((child) => child !== speaker);
          return owned.every((own) => own.length === partitions / 2) && speaker && heir && { speaker, heir };
        },
        { running, withinMs: 60_000 },
      );
    const times = ({ log }: Pipectl, code: string): number => log.filter((line) => line.code === code).length;
    const alertsIn = (child: Pipectl): readonly number[] => [times(child, 'alert_lag'), times(child, 'alert_sink')];
    const knowsMore = (child: Pipectl, before: readonly number[]): boolean =>
      alertsIn(child).every((count, i) => count > before[i]!);
    const told = (state: string, since: number): number =>
      new Set(hook.got.slice(since).flatMap((one) => (one.state === state ? [one.alert] : []))).size;

    await using first = start();
    await using second = start();
    const before = await roles([first, second]);
    await send(0, 400);
    await bench.written(name, 400, [first, second], { sink: 'main' });
    {
      await using _lock = await bench.lock(table);
      await send(400, 2200);
      await eventually('both know, and it is told', () => knowsMore(before.heir, [0, 0]) && told('firing', 0) === 2, {
        running: [first, second],
        withinMs: 40_000,
      });
      before.speaker.kill('SIGKILL');
      await before.speaker.ended;
    }
    await eventually('the other one tells that it is over', () => told('resolved', 0) === 2, {
      running: [before.heir],
      withinMs: 60_000,
    });
    await bench.written(name, 2200, [before.heir], { sink: 'main' });

    await using third = start();
    const after = await roles([before.heir, third]);
    const heard = hook.got.length;
    const known = [alertsIn(after.heir), alertsIn(after.speaker)] as const;
    {
      await using _lock = await bench.lock(table);
      hook.refusals = Number.POSITIVE_INFINITY;
      await send(2200, 4000);
      await eventually('both know', () => knowsMore(after.heir, known[0]) && knowsMore(after.speaker, known[1]), {
        running: [before.heir, third],
        withinMs: 40_000,
      });
      after.speaker.kill('SIGKILL');
      await after.speaker.ended;
      hook.refusals = 0;
      await eventually('the other one tells what began', () => told('firing', heard) === 2, {
        running: [after.heir],
        withinMs: 60_000,
      });
    }
    await eventually('and that it is over', () => told('resolved', heard) === 2, {
      running: [after.heir],
      withinMs: 60_000,
    });
    await bench.written(name, 4000, [after.heir], { sink: 'main' });
    expect(await after.heir.drain()).toMatchObject({ code: 0 });
    for (const alert of ['lag', 'sink:main']) {
      const messages = hook.got.filter((message) => message.alert === alert);
      expect(new Set(messages.map(({ id }) => id)).size).toBe(1);
      // What a receiver keeps that drops what it had last.
      const states = messages.map(({ state }) => state).filter((state, i, all) => state !== all[i - 1]);
      expect(states).toEqual(['firing', 'resolved', 'firing', 'resolved']);
      expect(messages.at(-1)!.member).toBe(lastOf(after.heir).member);
    }
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
