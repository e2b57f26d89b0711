/** Faults of PostgreSQL, on a stack of this file's own. */
import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import { expect, onTestFinished } from 'vitest';
import { benchOfItsOwn } from '../integration/bench.ts';
import { type Bench, eventually } from '../integration/pipeline.ts';
import type { Stack } from '../stack/stack.ts';
import { faultTest } from './fault.ts';
import { Load, logged, memoryMiB } from './load.ts';
import { postgresProxy } from './proxy.ts';

let stack: Stack;
let bench: Bench;
benchOfItsOwn((opened, started) => ([bench, stack] = [opened, started]));

/** Of this load, in the server. */
const sessions = ({ file }: Load): [sql: string, values: string[]] => [
  'FROM pg_stat_activity WHERE application_name LIKE $1',
  [`pipectl/${file.name}/%`],
];

faultTest(
  'PostgreSQL stops at once (-m immediate) during a COMMIT: before, while and after it',
  300_000,
  async (fault) => {
    await using toDatabase = await postgresProxy(bench.url);
    await using load = await Load.open(bench);
    const child = load.start({ PG_URL: toDatabase.url });
    load.keepProducing();
    await load.runs([child]);
    for (let round = 0; round < 12; round++) {
      const { promise: stopped, resolve } = Promise.withResolvers<void>();
      toDatabase.arm({
        at: /^Q COMMIT\0$/,
        when: (['asked', 'passed', 'answered'] as const)[round % 3]!,
        act: async () => {
          await stack.postgres.stop('immediate');
          resolve();
        },
      });
      await stopped;
      await stack.postgres.start();
      await fault.recovers(await load.goesOn(), [child]);
    }
    fault.fired(toDatabase.sprung);
    expect(toDatabase.sprung).toBe(12);
    await load.expectAll(fault, [child]);
  },
);

faultTest('PostgreSQL is away for 60 s', 300_000, async (fault) => {
  await using load = await Load.open(bench);
  const child = load.start();
  load.keepProducing();
  await load.runs([child]);
  const before = logged(child, 'sink_unavailable');
  await stack.postgres.stop('fast');
  await delay(60_000);
  fault.fired();
  expect(logged(child, 'sink_unavailable')).toBeGreaterThan(before);
  await stack.postgres.start();
  await fault.recovers(await load.goesOn(), [child]);
  await load.expectAll(fault, [child]);
});

faultTest('a table is locked for 30 s', 300_000, async (fault) => {
  await using load = await Load.open(bench, { sink: { lock_timeout: '1s' } });
  const child = load.start();
  load.keepProducing();
  await load.runs([child]);
  await using lock = await bench.lock(load.all);
  await delay(30_000);
  // Each is a write that gave up waiting.
  fault.fired(child.log.filter(({ code, message }) => code === 'sink_unavailable' && /55P03/.test(message)).length);
  const goesOn = await load.goesOn();
  await lock.release();
  await fault.recovers(goesOn, [child]);
  await load.expectAll(fault, [child]);
});

faultTest('connections are terminated over and over, forty rounds under load', 300_000, async (fault) => {
  await using load = await Load.open(bench);
  const child = load.start();
  load.keepProducing();
  await load.runs([child]);
  for (let round = 1; round <= 40; round++) {
    const goesOn = await load.goesOn();
    const [what, values] = sessions(load);
    const gone = await bench.query(`SELECT pg_terminate_backend(pid) ${what}`, values);
    fault.fired(gone.length);
    await fault.recovers(goesOn, [child]);
  }
  expect(fault.timesFired).toBeGreaterThanOrEqual(40);
  await load.expectAll(fault, [child]);
});

/** Takes every connection the server gives, also those that become free, until it is closed. */
async function hoard(url: string) {
  const clients: pg.Client[] = [];
  let isOver = false;
  const take = async (): Promise<boolean> => {
    const client = new pg.Client(url);
    client.on('error', () => {});
    try {
      await client.connect();
      clients.push(client);
      return true;
    } catch {
      return false;
    }
  };
  while (await take());
  const hoarding = (async () => {
    while (!isOver) if (!(await take())) await delay(2);
  })();
  return {
    first: clients[0]!,
    async [Symbol.asyncDispose]() {
      isOver = true;
      await hoarding;
      await Promise.all(clients.map((client) => client.end()));
    },
  };
}

faultTest('PostgreSQL has no connection left (max_connections) for 20 s', 300_000, async (fault) => {
  await using load = await Load.open(bench);
  const child = load.start();
  load.keepProducing();
  await load.runs([child]);
  const refusals = (): number => child.log.filter(({ message }) => message.includes('53300')).length;
  {
    await using taken = await hoard(bench.url);
    const [what, values] = sessions(load);
    // It may be the quicker one, and get its place back.
    await eventually('pipectl has none', async () => {
      await taken.first.query(`SELECT pg_terminate_backend(pid) ${what}`, values);
      await delay(100);
      return (await taken.first.query(`SELECT pid ${what}`, values)).rowCount === 0 && refusals() > 0;
    });
    await delay(20_000);
    expect((await taken.first.query(`SELECT pid ${what}`, values)).rowCount).toBe(0);
    fault.fired(refusals());
  }
  await fault.recovers(await load.goesOn(), [child]);
  await load.expectAll(fault, [child]);
});

const median = (numbers: readonly number[]): number => numbers.toSorted((a, b) => a - b)[numbers.length >> 1]!;

faultTest('PostgreSQL is away for two minutes at full input', 900_000, async (fault) => {
  await using load = await Load.open(bench);
  const child = load.start();
  load.keepProducing(2000, 200);
  await load.runs([child]);
  const sentBefore = load.sent;
  await stack.postgres.stop('immediate');
  fault.fired();
  const samples: number[] = [];
  const sampling = setInterval(() => samples.push(memoryMiB(child)), 1000);
  onTestFinished(() => clearInterval(sampling));
  await delay(120_000);
  const sentMeanwhile = load.sent - sentBefore;
  // Far more than what it may hold.
  expect(sentMeanwhile).toBeGreaterThan(100_000);
  expect(logged(child, 'sink_unavailable')).toBeGreaterThan(5);
  const growth = median(samples.slice(-30)) - median(samples.slice(30, 60));
  await stack.postgres.start();
  await fault.recovers(await load.goesOn(), [child]);
  await load.stopProducing();
  await load.everythingWritten(load.sent, [child]);
  clearInterval(sampling);
  const highest = Math.max(...samples);
  expect(highest).toBeLessThan(350);
  expect(growth).toBeLessThan(30);
  fault.holds(
    `memory flat while ${sentMeanwhile.toLocaleString('en')} records wait: ${Math.round(growth)} MiB more at the end than after half a minute, at most ${Math.round(highest)} MiB until all is written`,
  );
  await load.expectAll(fault, [child]);
});
