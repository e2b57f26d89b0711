import { expect, test } from 'vitest';
import { sharedBench } from './bench.ts';
import { type Bench, type Message, header } from './pipeline.ts';

let bench: Bench;
sharedBench((opened) => (bench = opened));

const orderPartitions = 3;
const paymentPartitions = 2;
const placedMs = Date.parse('2026-03-02T09:00:00Z');

const isTest = (n: number): boolean => n % 7 === 3;
const isUntimed = (n: number): boolean => n % 101 === 5;
const isUnreadable = (n: number): boolean => n % 97 === 11;

const orderOf = (n: number): Message => ({
  partition: n % orderPartitions,
  key: String(n),
  value: JSON.stringify({
    id: n,
    cents: n * 3,
    placed_at: isUntimed(n) ? 'soon' : new Date(placedMs + n).toISOString(),
    test: isTest(n),
  }),
});
const paymentOf = (n: number): Message => ({
  partition: n % paymentPartitions,
  // Keys of another form than those of the orders.
  key: JSON.stringify({ order: n }),
  value: isUnreadable(n) ? `order=${n}` : JSON.stringify({ amount: n * 2, at: placedMs + 10 * n }),
});
const numbers = (count: number) => Array.from({ length: count }, (_, n) => n);

/** The rows that must come of it: what the steps say, written down a second time. */
const rowsOf = (count: number): unknown[][] => [
  ...numbers(count)
    .filter((n) => !isTest(n) && !isUntimed(n))
    .map((n) => [n, 'orders', n * 3, placedMs + n]),
  ...numbers(count)
    .filter((n) => !isUnreadable(n))
    .map((n) => [n, 'payments', n * 2, placedMs + 10 * n]),
];
const sorted = (rows: readonly (readonly unknown[])[]): string[] => rows.map((row) => row.join(' ')).toSorted();

async function shop() {
  const orders = await bench.topic(orderPartitions);
  const payments = await bench.topic(paymentPartitions);
  const table = bench.tableName();
  const columns = { id: 'bigint', cents: 'bigint', at: 'timestamptz', source: 'text' };
  const pipeline = await bench.pipeline({
    sources: {
      orders: {
        kafka: { topic: orders, session_timeout: '1500ms' },
        time: { field: 'event.placed_at' },
        steps: [
          { filter: '!event.test', name: 'real' },
          { map: { id: 'event.id', cents: 'event.cents', at: 'timestamp(event.placed_at)' } },
        ],
      },
      payments: {
        kafka: { topic: payments, key_format: 'json' },
        time: { field: 'event.at', unit: 'ms' },
        steps: [{ map: { id: 'key.order', cents: 'event.amount', at: 'millis(event.at)' }, name: 'captured' }],
      },
    },
    steps: [{ set: { source: 'meta.source' } }],
    sinks: [{ postgres: { connection: 'serving', table, mode: 'append', create: true, columns } }],
  });
  return { orders, payments, table, ...pipeline };
}

const readRows = (table: string) =>
  bench.query(`SELECT id::int, source, cents::int, (extract(epoch FROM at) * 1000)::bigint FROM ${table}`);

test(
  'two topics with forms and times of their own come to one table, each record once, through kill -9',
  { timeout: 120_000 },
  async () => {
    const { orders, payments, table, path, name, dlq } = await shop();
    let sent = 0;
    const produce = async (count: number) => {
      const batch = numbers(count).map((n) => sent + n);
      await Promise.all([bench.send(orders, batch.map(orderOf)), bench.send(payments, batch.map(paymentOf))]);
      sent += count;
    };
    for (let round = 0; round < 5; round++) {
      const member = bench.start(['run', path, '--view', 'json']);
      // Killed somewhere in the middle of what was sent, wherever it then is.
      await produce(3000);
      await bench.written(name, sent, [member]);
      await produce(3000);
      member.kill('SIGKILL');
      await member.ended;
    }
    const last = await bench.run(['run', path, '--until-end', '--view', 'json']);
    expect(last, last.stderr).toMatchObject({ code: 0 });
    expect(sorted(await readRows(table))).toEqual(sorted(rowsOf(sent)));

    const letters = await bench.read(dlq);
    const place = (letter: (typeof letters)[number]) =>
      `${header(letter, 'pipectl-source-topic')} ${header(letter, 'pipectl-stage')} ${header(letter, 'pipectl-error-code')}`;
    // A crash between dead letter and commit repeats it.
    expect(new Set(letters.map(place))).toEqual(
      new Set([`${orders} timestamp invalid_argument`, `${payments} decode json_syntax`]),
    );
  },
);

test('the account of each source adds up, and its stages are told apart', { timeout: 60_000 }, async () => {
  const { orders, payments, path, name } = await shop();
  const count = 400;
  await Promise.all([
    bench.send(orders, numbers(count).map(orderOf)),
    bench.send(payments, numbers(count).map(paymentOf)),
  ]);
  const { stdout, stderr, code } = await bench.run(['run', path, '--until-end', '--view', 'json']);
  expect(code, stderr).toBe(0);
  const { account, stages } = JSON.parse(stdout.trimEnd().split('\n').at(-1)!) as {
    account: Record<string, number>;
    stages: readonly Record<string, unknown>[];
  };
  const delivered = rowsOf(count).length;
  expect(account).toMatchObject({ read: 2 * count, delivered, difference: 0 });
  const untimed = numbers(count).filter(isUntimed).length;
  const tests = numbers(count).filter((n) => isTest(n) && !isUntimed(n)).length;
  expect(stages.slice(1).map(({ name: stage, in: given, out }) => [stage, given, out])).toEqual([
    ['decode orders', count, count],
    ['timestamp orders', count, count - untimed],
    ['real', count - untimed, count - untimed - tests],
    ['map-1', count - untimed - tests, count - untimed - tests],
    ['decode payments', count, count - numbers(count).filter(isUnreadable).length],
    ['timestamp payments', delivered - (count - untimed - tests), delivered - (count - untimed - tests)],
    ['captured', delivered - (count - untimed - tests), delivered - (count - untimed - tests)],
    ['set-1', delivered, delivered],
  ]);

  // One group reads both.
  const lag = await bench.run(['lag', path, '--json']);
  const { group, partitions } = JSON.parse(lag.stdout) as {
    group: string;
    partitions: { topic: string; lag: number }[];
  };
  expect(group).toBe(name);
  expect(partitions.map(({ topic, lag: behind }) => [topic, behind]).toSorted()).toEqual(
    [
      ...Array.from({ length: orderPartitions }, () => [orders, 0]),
      ...Array.from({ length: paymentPartitions }, () => [payments, 0]),
    ].toSorted(),
  );
});

test('a dry run shows the rows of both, and eval the events after a step of one', { timeout: 60_000 }, async () => {
  const { orders, payments, path, table } = await shop();
  await Promise.all([bench.send(orders, [orderOf(1), orderOf(2)]), bench.send(payments, [paymentOf(4)])]);
  const dry = await bench.run(['run', path, '--until-end', '--dry-run', '--view', 'json']);
  const rows = dry.stdout
    .split('\n')
    .flatMap((line) => (line.includes('"row"') ? [(JSON.parse(line) as { row: unknown }).row] : []));
  expect(rows).toHaveLength(3);
  expect(rows).toContainEqual({
    id: 4,
    cents: 8,
    at: new Date(placedMs + 40).toISOString(),
    source: 'payments',
  });
  expect(await bench.query('SELECT to_regclass($1) IS NULL', [table])).toEqual([[true]]);

  const after = await bench.run(['eval', 'event.cents', '--pipeline', path, '--after', 'captured']);
  expect(after, after.stderr).toMatchObject({ code: 0, stdout: '8  (int)\n' });
  const of = await bench.run(['eval', 'event.cents', '--pipeline', path, '--source', 'orders', '-n', '9']);
  // Which partition answers first is chance.
  expect(of.stdout.match(/[36] {2}/g)?.toSorted()).toEqual(['3  ', '6  ']);
});

test('a topic that two patterns take in is refused at the start with its name', { timeout: 60_000 }, async () => {
  const topic = await bench.topic();
  const { path } = await bench.pipeline({
    sources: {
      one: { kafka: { topics: `/^${topic}$/` } },
      other: { kafka: { topics: `/${topic}$/` } },
    },
    sinks: [{ stdout: {} }],
  });
  for (const args of [[], ['--dry-run']]) {
    const refused = await bench.run(['run', path, '--until-end', ...args]);
    expect(refused.code).toBe(1);
    expect(refused.stderr).toContain(`topic ${topic} is read by two sources, one and other`);
    expect(refused.stderr).toContain('source_topics');
  }
});
