/** `status` and `tap` beside a running pipeline, and a status view whose terminal nobody reads. */
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { once } from 'node:events';
import { expect, test } from 'vitest';
import type { StatusSnapshot } from '../../src/runtime/status.ts';
import { sharedBench } from './bench.ts';
import { appended, orderColumns, orderMessage, orders, orderSteps, orderTable } from './orders.ts';
import { type Bench, cli, eventually, type Pipectl } from './pipeline.ts';
import { Terminal, terminalTest } from './terminal.ts';

let bench: Bench;
sharedBench((opened) => (bench = opened));

const partitions = 2;

async function statusOf(name: string): Promise<StatusSnapshot | undefined> {
  const { code, stdout } = await bench.run(['status', name, '--json']);
  return code === 0 ? (JSON.parse(stdout) as StatusSnapshot) : undefined;
}

/** The status, once it is as wanted. */
const statusWhere = (name: string, what: string, wanted: (status: StatusSnapshot) => boolean, running: Pipectl) =>
  eventually(
    what,
    async () => {
      const status = await statusOf(name);
      return status !== undefined && wanted(status) && status;
    },
    { running: [running] },
  );

test('status tells from outside which sink is down and why records are dead; tap shows events; resume goes on', async () => {
  const topic = await bench.topic(partitions);
  const table = await bench.table(orderTable.append);
  const { path: file, name } = await bench.pipeline({
    source: { kafka: { topic } },
    steps: orderSteps,
    sinks: [
      { postgres: { connection: 'serving', table, mode: 'append' } },
      {
        postgres: { url: 'postgres://report:planted-pass@127.0.0.1:1/none', table: 'x', key: ['id'] },
        name: 'reports',
        required: false,
      },
    ],
    dlq: { breaker: { ratio: 0.01, over: '60s', min: 20 } },
  });
  const input = orders(0, 600);
  const send = (some: typeof input) =>
    bench.send(
      topic,
      some.map((one) => orderMessage(one, partitions)),
    );
  await send(input.slice(0, 300));
  await using child = bench.start(['run', file]);
  await bench.written(name, 300, [child]);
  await bench.send(topic, [{ partition: 0, key: 'k', value: '{"id": 4711,' }]);

  const troubled = await statusWhere(
    name,
    'a sink that is down, a dead letter, and a member',
    ({ sinks, deadLetters, members }) => sinks[1]!.state === 'DOWN' && deadLetters.total === 1 && members === 1,
    child,
  );
  expect(troubled).toMatchObject({
    version: 1,
    pipeline: name,
    file,
    pid: child.pid,
    account: { read: 301, dead: 1, difference: 0 },
    sinks: [{ state: 'OK' }, { name: 'reports', note: expect.stringContaining('ECONNREFUSED') }],
    deadLetters: { causes: [{ stage: 'decode', code: 'json_syntax' }] },
  });
  const list = await bench.run(['status', '--json']);
  const mine = list.stdout.split('\n').filter((line) => line.includes(name));
  expect(mine.map((line) => JSON.parse(line) as unknown)).toMatchObject([
    {
      pipeline: name,
      pid: child.pid,
      state: 'running',
      lag: 0,
      dead: 1,
      ok: false,
      causes: expect.arrayContaining([expect.stringContaining('reports DOWN')]),
    },
  ]);
  expect((await bench.run(['status'])).stdout).toMatch(new RegExp(`${name}.* running .*! reports DOWN`));

  const tap = bench.start(['tap', file, '--after', 'filter-1', '-n', '3', '--redact', 'price', '--redact', 'key']);
  await eventually('the tap is open', async () => {
    await send(input.slice(300, 400));
    return tap.hasEnded;
  });
  expect(await tap.ended).toMatchObject({ code: 0 });
  const events = tap.stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as { event: Record<string, unknown> });
  expect(events).toHaveLength(3);
  for (const event of events)
    expect(event).toMatchObject({ topic, key: '***', event: { status: 'paid', price: '***' } });
  expect(tap.stderr).toContain('pipectl: 3 of 3 events');
  expect(await bench.run(['tap', name, '--after', 'filter-2'])).toMatchObject({
    code: 2,
    stderr: expect.stringMatching(
      /no step "filter-2"; did you mean "filter-1"\?\n {2}it has decode, filter-1 and map-1/,
    ),
  });
  expect(await bench.run(['tap', 'nobody', '--after', 'source'])).toMatchObject({ code: 1 });

  // More poison than the breaker lets through.
  await bench.send(
    topic,
    Array.from({ length: 1500 }, () => ({ partition: 1, key: null, value: 'poison' })),
  );
  const held = await statusWhere(name, 'an open breaker', ({ state }) => state === 'breaker open', child);
  expect(held.breakers[0]).toMatchObject({ state: 'open', causes: [{ code: 'json_syntax' }] });
  expect(await bench.run(['resume', name])).toMatchObject({ code: 0 });
  await statusWhere(name, 'the dead letters of the poison', ({ deadLetters }) => deadLetters.total === 1501, child);

  expect(await child.drain()).toMatchObject({ code: 0 });
  expect(await statusOf(name)).toBeUndefined();
  expect(child.stdout + child.stderr).not.toContain('planted-pass');
});

test('a terminal that nobody reads, and a view that is killed, stop nothing', async () => {
  const topic = await bench.topic(partitions);
  const table = await bench.table(orderTable.append);
  const { path: file, name } = await bench.pipeline({
    source: { kafka: { topic } },
    steps: orderSteps,
    sinks: [{ postgres: { connection: 'serving', table, mode: 'append' } }],
  });
  const input = orders(0, 900);
  const send = (from: number, to: number) =>
    bench.send(
      topic,
      input.slice(from, to).map((one) => orderMessage(one, partitions)),
    );
  /** In a terminal of its own, whose output nobody takes: after some 70 KiB it takes no more. */
  const atTerminal = (args: readonly string[]) => {
    const command = `stty cols 250 rows 90; exec '${process.execPath}' '${cli}' ${args.join(' ')}`;
    const env = { ...process.env, KAFKA_BROKERS: bench.brokers, PG_URL: bench.url, TERM: 'xterm', LANG: 'C.UTF-8' };
    const child = spawn('script', ['-qfc', command, '/dev/null'], {
      env,
      cwd: bench.directory,
      stdio: ['pipe', 'pipe', 'ignore'],
    });
    return { child, ended: once(child, 'exit') };
  };
  const running = atTerminal(['run', file]);
  await send(0, 300);
  await bench.written(name, 300, []);
  const attached = atTerminal(['status', name]);
  // Until the picture was drawn often enough to fill every buffer on its way.
  await eventually(
    'a view that has been full for a while',
    async () => {
      await send(0, 0);
      const status = await statusOf(name);
      return status !== undefined && status.atMs - status.startedAtMs > 15_000;
    },
    { withinMs: 60_000 },
  );
  await send(300, 600);
  await bench.written(name, 600, []);
  attached.child.kill('SIGKILL');
  await attached.ended;
  await send(600, 900);
  await bench.written(name, 900, []);
  const { pid } = (await statusOf(name))!;
  // Also its end needs nobody who reads.
  process.kill(pid, 'SIGTERM');
  await eventually('it has drained and ended', () => hasEnded(pid), { withinMs: 20_000 });
  running.child.kill('SIGKILL');
  await running.ended;
  await bench.expectRows(table, orderColumns, appended(input));
});

/** Loaded before pipectl: from `atMs` of its life on its view can't write a number, until it has failed for so often. */
const failing = (atMs: number): string =>
  `--import=data:text/javascript,${encodeURIComponent(`
    const { get } = Object.getOwnPropertyDescriptor(Intl.NumberFormat.prototype, 'format');
    let left = 50;
    Object.defineProperty(Intl.NumberFormat.prototype, 'format', {
      get() {
        if (performance.now() > ${atMs} && left-- > 0) throw new Error('planted');
        return get.call(this);
      },
    });
  `)}`;

terminalTest(
  'a view that fails, one that is killed -9 and a terminal that is closed under one stop nothing',
  async () => {
    const topic = await bench.topic(partitions);
    const table = await bench.table(orderTable.append);
    const { path: file, name } = await bench.pipeline({
      source: { kafka: { topic } },
      steps: orderSteps,
      sinks: [{ postgres: { connection: 'serving', table, mode: 'append' } }],
    });
    const input = orders(0, 1200);
    let written = 0;
    /** Resolves when the next orders are in the table. */
    const goesOn = async (): Promise<void> => {
      const next = input.slice(written, (written += 300));
      await bench.send(
        topic,
        next.map((one) => orderMessage(one, partitions)),
      );
      await bench.written(name, written, []);
    };
    const env = { KAFKA_BROKERS: bench.brokers, PG_URL: bench.url };
    const atTerminal = (...args: readonly string[]): Promise<Terminal> =>
      Terminal.open([process.execPath, ...args], { env, cwd: bench.directory });
    const shows = (terminal: Terminal, text: string): Promise<boolean> =>
      eventually(`the screen shows ${text}`, async () => (await terminal.screen()).includes(text), {
        withinMs: 30_000,
      });

    await using running = await atTerminal(failing(6000), cli, 'run', file);
    await shows(running, 'RUNNING');
    await goesOn();
    await shows(running, 'the status view failed (planted); the pipeline goes on, its status follows in plain lines');
    await goesOn();
    await shows(running, `${name} RUNNING`);

    const attached = await atTerminal(cli, 'status', name);
    await shows(attached, 'difference 0  ok');
    process.kill(attached.pid, 'SIGKILL');
    await eventually('it is gone', () => attached.hasEnded());
    await attached[Symbol.asyncDispose]();
    await goesOn();

    const closed = await atTerminal(cli, 'status', name);
    await shows(closed, 'difference 0  ok');
    await closed[Symbol.asyncDispose]();
    await eventually('its view has ended, too', () => hasEnded(closed.pid));
    await goesOn();

    expect((await statusOf(name))!.pid).toBe(running.pid);
    await running.press('C-c');
    await eventually('it has drained and ended', () => running.hasEnded());
    await shows(running, 'difference 0  ok');
    await bench.expectRows(table, orderColumns, appended(input));
  },
);

/** It is gone, or a zombie: whoever started it is stuck itself. */
function hasEnded(pid: number): boolean {
  try {
    return readFileSync(`/proc/${pid}/stat`, 'latin1').split(') ')[1]!.startsWith('Z');
  } catch {
    return true;
  }
}
