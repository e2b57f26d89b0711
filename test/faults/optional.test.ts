/** A sink that is away: one the pipeline does not need, and what `retry` says about one that it does. */
import { setTimeout as delay } from 'node:timers/promises';
import { expect } from 'vitest';
import { sharedBench } from '../integration/bench.ts';
import { appended, orderColumns, orderTable } from '../integration/orders.ts';
import { type Bench, eventually, header } from '../integration/pipeline.ts';
import { faultTest } from './fault.ts';
import { Load, logged, readable } from './load.ts';
import { postgresProxy } from './proxy.ts';

let bench: Bench;
sharedBench((opened) => (bench = opened));

// oxlint-disable-next-line unicorn/no-thenable -- a word of the file, in an object nobody awaits
const retryThen = (then: 'dlq' | 'stop') => ({ retry: { for: '5s', then } });

/** The usual load with a third sink, `away`, behind a proxy of its own. */
async function withThirdSink(words: object) {
  const toDatabase = await postgresProxy(bench.url);
  const third = await bench.table(orderTable.append);
  const load = await Load.open(bench, {
    moreSinks: [{ postgres: { connection: 'away', table: third, mode: 'append' }, name: 'away', ...words }],
    definition: {
      connections: {
        kafka: { kafka: { brokers: '${KAFKA_BROKERS}' } },
        serving: { postgres: { url: '${PG_URL}' } },
        away: { postgres: { url: '${AWAY_URL}' } },
      },
    },
  });
  const behind = (): Promise<number> => bench.progress(load.file.name, 'away');
  return {
    load,
    third,
    toDatabase,
    start: () => load.start({ AWAY_URL: toDatabase.url }),
    behind,
    moves: async () => {
      const before = await behind();
      return async () => (await behind()) > before;
    },
    async [Symbol.asyncDispose]() {
      await load[Symbol.asyncDispose]();
      await toDatabase[Symbol.asyncDispose]();
    },
  };
}

faultTest('a sink with `required: false` is away for a minute', 300_000, async (fault) => {
  await using withThird = await withThirdSink({ required: false });
  const { load, third, toDatabase, start, behind, moves } = withThird;
  const child = start();
  load.keepProducing();
  await load.runs([child]);
  await eventually('the third sink runs', async () => (await behind()) > 0, { running: [child] });
  toDatabase.cut();
  fault.fired();
  for (let second = 0; second < 60; second += 10) {
    const goesOn = await load.goesOn();
    await delay(10_000);
    expect(await goesOn(), `the others go on in second ${second}`).toBe(true);
  }
  fault.holds('the others went on all the time');
  const goesOn = await moves();
  toDatabase.mend();
  await fault.recovers(goesOn, [child]);
  await load.stopProducing();
  const log = await bench.read(load.topic);
  await bench.written(load.file.name, log.length, [child], { sink: 'away', withinMs: 120_000 });
  await load.expectAll(fault, [child]);
  await bench.expectRows(third, orderColumns, appended(readable(log)));
  fault.holds('it has caught up, every row once');
});

faultTest('a sink with `retry: { for: 5s, then: dlq }` is away for half a minute', 300_000, async (fault) => {
  await using withThird = await withThirdSink(retryThen('dlq'));
  const { load, third, toDatabase, start, moves } = withThird;
  const child = start();
  load.keepProducing();
  await load.runs([child]);
  toDatabase.cut();
  await eventually('rows of the sink become dead letters', () => logged(child, 'sink_given_up') > 0 || undefined, {
    running: [child],
    withinMs: 60_000,
  });
  await delay(25_000);
  fault.fired();
  const goesOn = await moves();
  toDatabase.mend();
  await fault.recovers(goesOn, [child]);
  await load.stopProducing();
  const log = await bench.read(load.topic);
  await load.everythingWritten(log.length, [child]);
  expect(await child.drain()).toEqual({ code: 0, signal: null });

  const letters = await bench.read(load.file.dlq);
  const isGivenUp = (letter: (typeof letters)[number]): boolean => header(letter, 'pipectl-stage') === 'sink:away';
  expect(new Set(letters.filter(isGivenUp).map((letter) => header(letter, 'pipectl-error-code')))).toEqual(
    new Set(['sink_unavailable']),
  );
  const inLetters = readable(letters.filter(isGivenUp)).map(({ n }) => n);
  expect(inLetters.length).toBeGreaterThan(0);
  const inTable = (await bench.query(`SELECT n::int FROM ${third}`)).map(([n]) => n as number);
  expect(new Set(inTable).size).toBe(inTable.length);
  const expected = appended(readable(log)).map(([, n]) => n!);
  expect([...new Set([...inTable, ...inLetters])].toSorted((a, b) => a - b)).toEqual(
    expected.toSorted((a, b) => a - b),
  );
  fault.holds('each of its rows is in the table once or among the dead letters');
  load.readLetters = () => Promise.resolve(letters.filter((letter) => !isGivenUp(letter)));
  await load.expectTables(fault, log);
  load.expectAccounts(fault);
});

faultTest(
  'a sink with `retry: { for: 5s, then: stop }` is away, and there at the next start',
  300_000,
  async (fault) => {
    await using withThird = await withThirdSink(retryThen('stop'));
    const { load, third, toDatabase, start } = withThird;
    const child = start();
    load.keepProducing();
    await load.runs([child]);
    toDatabase.cut();
    fault.fired();
    expect(await child.ended).toEqual({ code: 3, signal: null });
    fault.holds('it ended with 3');
    const goesOn = await load.goesOn();
    toDatabase.mend();
    const sinceMs = performance.now();
    const next = start();
    await fault.recovers(goesOn, [next], sinceMs);
    await load.stopProducing();
    const log = await bench.read(load.topic);
    await bench.written(load.file.name, log.length, [next], { sink: 'away', withinMs: 120_000 });
    await load.expectAll(fault, [next]);
    await bench.expectRows(third, orderColumns, appended(readable(log)));
  },
);
