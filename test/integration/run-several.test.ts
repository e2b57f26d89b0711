/** Several pipelines in one process, on real services: they share the process, not a fate. */
import { expect, test } from 'vitest';
import { parsePrometheus, valueOf } from '../runtime/prometheus-text.ts';
import { sharedBench } from './bench.ts';
import { type Order, appended, orderColumns, orderMessage, orders, orderSteps, orderTable } from './orders.ts';
import { type Bench, type Pipectl, eventually, sum } from './pipeline.ts';

let bench: Bench;
sharedBench((opened) => (bench = opened));

const partitions = 2;

async function orderPipeline(more: Readonly<Record<string, unknown>> = {}) {
  const topic = await bench.topic(partitions);
  const table = await bench.table(orderTable.append);
  const file = await bench.pipeline({
    // So that a restart after a kill need not wait long for the group to let go.
    source: { kafka: { topic, session_timeout: '6s' } },
    steps: orderSteps,
    sinks: [{ postgres: { connection: 'serving', table, mode: 'append' } }],
    ...more,
  });
  const send = (input: readonly Order[]) =>
    bench.send(
      topic,
      input.map((one) => orderMessage(one, partitions)),
    );
  const expectRows = (input: readonly Order[]) => bench.expectRows(table, orderColumns, appended(input));
  return { ...file, topic, table, send, expectRows };
}

/** Its code in the log of one pipeline. */
const hasLogged = (child: Pipectl, pipeline: string, code: string): boolean =>
  child.log.some((line) => line.code === code && (line as { pipeline?: string }).pipeline === pipeline);

/** Names and process ids that `pipectl status` lists, of these pipelines. */
async function listed(names: readonly string[]) {
  const { stdout } = await bench.run(['status', '--json']);
  return stdout
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as { pipeline: string; pid: number })
    .filter(({ pipeline }) => names.includes(pipeline))
    .map(({ pipeline, pid }) => [pipeline, pid]);
}

const get = async (address: string, path: string) => {
  const answer = await fetch(`${address}${path}`);
  return { status: answer.status, lines: (await answer.text()).trimEnd().split('\n') };
};

test('of three one fails midway and ends alone, with its name; the others go on, and SIGTERM waits for the last one', async () => {
  const [failing, late, calm] = await Promise.all([orderPipeline(), orderPipeline(), orderPipeline()]);
  const all = [failing, late, calm];
  const names = all.map(({ name }) => name);
  const input = orders(0, 600);
  const [first, second] = [input.slice(0, 300), input.slice(300)];
  await using child = bench.start(['run', ...all.map(({ path }) => path), '--metrics', '0', '--view', 'json']);
  const address = await eventually(
    'it says where it serves',
    () => /http:\/\/\S+(?=\/metrics)/.exec(child.stderr)?.[0],
    { running: [child] },
  );
  await eventually('all are ready', async () => (await get(address, '/readyz')).status === 200, { running: [child] });
  for (const { send } of all) await send(first);
  for (const { name } of all) await bench.written(name, first.length, [child]);

  // What others on the machine see.
  expect(await listed(names)).toEqual(names.toSorted().map((name) => [name, child.pid]));
  const more: Order[] = [];
  const tapped = bench.start(['tap', calm.name, '--after', 'decode', '-n', '1']);
  await eventually('the tap has seen an event', async () => {
    if (tapped.hasEnded) return true;
    const next = orders(1000 + more.length, 1001 + more.length);
    await calm.send(next);
    more.push(...next);
    return false;
  });
  expect(JSON.parse(tapped.stdout)).toMatchObject({ topic: calm.topic });
  await bench.written(calm.name, first.length + more.length, [child]);
  const numbers = await eventually('the scrape has all of it', async () => {
    const families = parsePrometheus(await (await fetch(`${address}/metrics`)).text());
    const read = names.map((pipeline) =>
      valueOf(families, 'pipectl_stage_records_total', { pipeline, stage: 'read', outcome: 'out' }),
    );
    return sum(read) === 3 * first.length + more.length && families;
  });
  for (const pipeline of names) {
    expect(valueOf(numbers, 'pipectl_rows_total', { pipeline, outcome: 'written' })).toBe(
      appended(pipeline === calm.name ? [...first, ...more] : first).length,
    );
    expect(valueOf(numbers, 'pipectl_state', { pipeline })).toBe(1);
  }
  expect(numbers.get('pipectl_process_resident_memory_bytes')!.samples).toHaveLength(1);

  // One comes to need what the pipeline does not give it.
  await bench.query(`ALTER TABLE ${failing.table} ADD COLUMN region text NOT NULL DEFAULT ''`);
  await bench.query(`ALTER TABLE ${failing.table} ALTER COLUMN region DROP DEFAULT`);
  for (const { send } of all) await send(second);
  await eventually('it says so', () => child.stderr.includes(`pipectl: ${failing.name}: `), { running: [child] });
  await bench.written(late.name, input.length, [child]);
  await bench.written(calm.name, input.length + more.length, [child]);
  const others = [late.name, calm.name].toSorted();
  expect(await listed(names)).toEqual(others.map((name) => [name, child.pid]));
  const states = names.toSorted().map((name) => `${name} ${name === failing.name ? 'failed' : 'running'}`);
  expect(await get(address, '/healthz')).toEqual({ status: 200, lines: ['yes', ...states] });
  expect(await get(address, '/readyz')).toEqual({ status: 503, lines: ['no', ...states] });
  const left = parsePrometheus(await (await fetch(`${address}/metrics`)).text());
  expect(valueOf(left, 'pipectl_state', { pipeline: failing.name, state: 'failed' })).toBe(1);
  expect(left.get('pipectl_build_info')!.samples.map(({ labels }) => labels['pipeline'])).toEqual(
    expect.not.arrayContaining([failing.name]),
  );

  // It counts as stopped: it may be moved, and mended it goes on in a process of its own while the others run.
  const moved = await bench.run(['rewind', failing.path, '--to', 'earliest', '--dry-run']);
  expect(moved).toMatchObject({ code: 0, stdout: expect.stringMatching(/sink postgres/) as string });
  await bench.query(`ALTER TABLE ${failing.table} DROP COLUMN region`);
  expect(await bench.run(['run', failing.path, '--until-end', '--view', 'none'])).toMatchObject({ code: 0 });
  await failing.expectRows(input);

  await using lock = await bench.lock(late.table);
  await late.send(first);
  await eventually('a write waits for the table', async () => (await bench.waiting(late.name)) > 0, {
    running: [child],
  });
  child.kill('SIGTERM');
  await eventually('the calm one has stopped', () => hasLogged(child, calm.name, 'stopped'), { running: [child] });
  expect(hasLogged(child, late.name, 'draining')).toBe(true);
  expect(await get(address, '/readyz')).toMatchObject({ status: 503 });
  await lock.release();
  expect(await child.ended).toEqual({ code: 1, signal: null });
  await late.expectRows([...input, ...first]);
  await calm.expectRows([...input, ...more]);
  for (const { name, topic } of [late, calm])
    expect(await bench.committed(name, topic)).toEqual(await bench.ends(topic));
});

test('what is done by name reaches the pipeline that is meant: resume, and the replay of dead letters', async () => {
  const held = await orderPipeline({ dlq: { breaker: { ratio: 0.1, over: '60s', min: 20 } } });
  const other = await orderPipeline({ dlq: { breaker: 'off' } });
  const broken = { partition: 0, key: 'x', value: '{no json' };
  for (const { topic } of [held, other])
    await bench.send(
      topic,
      Array.from({ length: 30 }, () => broken),
    );
  await using child = bench.start(['run', held.path, other.path]);
  await eventually('the breaker of one opens', () => hasLogged(child, held.name, 'breaker_open'), { running: [child] });
  await bench.written(other.name, 30, [child]);
  expect(await bench.run(['dlq', 'replay', other.path, '--all'])).toMatchObject({
    code: 1,
    stdout: expect.stringMatching(/^30 selected: 30 dead again/) as string,
  });
  expect(await bench.progress(held.name)).toBe(0);
  expect(await bench.run(['resume', other.name])).toMatchObject({ code: 1 });
  expect(await bench.run(['resume', held.name])).toMatchObject({ code: 0 });
  await bench.written(held.name, 30, [child]);
  expect(hasLogged(child, other.name, 'resumed')).toBe(false);
  expect(await child.drain()).toEqual({ code: 0, signal: null });
});

/** Two in one process, whose writes both wait for a table. */
async function blockedPair() {
  const pair = await Promise.all([orderPipeline(), orderPipeline()]);
  const locks = await Promise.all(pair.map(({ table }) => bench.lock(table)));
  const input = orders(0, 300);
  for (const { send } of pair) await send(input);
  const child = bench.start(['run', ...pair.map(({ path }) => path)]);
  for (const { name } of pair)
    await eventually('its write waits for the table', async () => (await bench.waiting(name)) > 0, {
      running: [child],
    });
  const release = async () => {
    for (const lock of locks) await lock.release();
  };
  return {
    pair,
    child,
    input,
    release,
    async [Symbol.asyncDispose]() {
      await release();
      await child[Symbol.asyncDispose]();
    },
  };
}

test(
  'two that can not drain give up together within the time of one; the next run writes what they left',
  { timeout: 120_000 },
  async () => {
    await using blocked = await blockedPair();
    const { child, pair, input } = blocked;
    child.kill('SIGTERM');
    const askedMs = performance.now();
    expect(await child.ended).toEqual({ code: 3, signal: null });
    expect(performance.now() - askedMs).toBeLessThan(30_000);
    for (const { name } of pair) expect(child.stderr).toContain(`pipectl: ${name}: `);
    await blocked.release();
    expect((await bench.run(['run', ...pair.map(({ path }) => path), '--until-end'])).code).toBe(0);
    for (const { expectRows } of pair) await expectRows(input);
  },
);

test('a second signal leaves at once, whatever still drains', async () => {
  await using blocked = await blockedPair();
  const { child, pair } = blocked;
  child.kill('SIGTERM');
  await eventually('both drain', () => pair.every(({ name }) => hasLogged(child, name, 'draining')), {
    running: [child],
  });
  const askedMs = performance.now();
  child.kill('SIGTERM');
  expect(await child.ended).toEqual({ code: 143, signal: null });
  expect(performance.now() - askedMs).toBeLessThan(1000);
});

test('killed in the middle of the work, each goes on where it was: every row is there once', async () => {
  const pair = await Promise.all([orderPipeline(), orderPipeline()]);
  const input = orders(0, 30_000);
  for (const { send } of pair) await send(input);
  const child = bench.start(['run', ...pair.map(({ path }) => path)]);
  for (const { name } of pair)
    await eventually('it works', async () => (await bench.progress(name)) > 0, { running: [child] });
  child.kill('SIGKILL');
  await child.ended;
  expect(await bench.run(['run', ...pair.map(({ path }) => path), '--until-end'])).toMatchObject({ code: 0 });
  for (const { expectRows } of pair) await expectRows(input);
});

test('a service that is away at the start is the matter of its pipeline alone', async () => {
  const sound = await orderPipeline();
  const alone = await bench.pipeline({
    source: { kafka: { topic: sound.topic } },
    steps: orderSteps,
    sinks: [{ postgres: { url: 'postgres://u@127.0.0.1:1/none', table: 'x', mode: 'append' } }],
  });
  const input = orders(0, 300);
  await sound.send(input);
  const { code, stderr } = await bench.run(['run', alone.path, sound.path, '--until-end', '--view', 'none']);
  expect(code).toBe(3);
  expect(stderr).toMatch(new RegExp(`^pipectl: ${alone.name}: .*ECONNREFUSED`, 'm'));
  expect(stderr).not.toContain(`pipectl: ${sound.name}: `);
  await sound.expectRows(input);
});
