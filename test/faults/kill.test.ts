/** kill -9, at each named point of the write order and at random, under load. */
import { setTimeout as delay } from 'node:timers/promises';
import { expect } from 'vitest';
import { sharedBench } from '../integration/bench.ts';
import { type Bench, eventually, type Pipectl } from '../integration/pipeline.ts';
import { type Fault, faultTest } from './fault.ts';
import { Load } from './load.ts';
import { kafkaProxy, postgresProxy, type Proxy, type Trap } from './proxy.ts';

let bench: Bench;
sharedBench((opened) => (bench = opened));

const killed = { code: null, signal: 'SIGKILL' };

/** The write order of architecture.md, as it is seen on the wire. */
const points: readonly [point: string, service: 'postgres' | 'kafka', at: RegExp, when: Trap['when']][] = [
  ['partitions are about to be claimed', 'postgres', /^P .*SET owner_epoch = t\.owner_epoch \+ 1/s, 'asked'],
  [
    'partitions are claimed, the answer is on its way',
    'postgres',
    /^P .*SET owner_epoch = t\.owner_epoch \+ 1/s,
    'answered',
  ],
  ["the sink's transaction is about to begin", 'postgres', /^Q BEGIN; SET CONSTRAINTS/, 'asked'],
  ['the transaction has begun, rows are on their way', 'postgres', /^d$/, 'asked'],
  ['rows are written, the answer is on its way', 'postgres', /^Q BEGIN; SET CONSTRAINTS/, 'answered'],
  ['a refused row is being looked for', 'postgres', /^Q SAVEPOINT part/, 'answered'],
  ['dead letters are about to be sent', 'kafka', /^Produce$/, 'asked'],
  ['dead letters are durable, the answer is on its way', 'kafka', /^Produce$/, 'answered'],
  ['the commit is about to be sent', 'postgres', /^Q COMMIT\0$/, 'asked'],
  ['the commit has happened, the answer is on its way', 'postgres', /^Q COMMIT\0$/, 'answered'],
  ["the group's offsets are about to be committed", 'kafka', /^OffsetCommit$/, 'asked'],
  ["the group's offsets are committed, the answer is on its way", 'kafka', /^OffsetCommit$/, 'answered'],
];

const roundsAPoint = 3;

/** Starts the next process and notes how long it takes until both tables go on. */
async function restart(fault: Fault, load: Load, env: NodeJS.ProcessEnv): Promise<Pipectl> {
  const goesOn = await load.goesOn();
  const sinceMs = performance.now();
  const child = load.start(env);
  await fault.recovers(goesOn, [child], sinceMs);
  return child;
}

for (const [point, service, at, when] of points) {
  faultTest(`kill -9 when ${point}`, 180_000, async (fault) => {
    await using toDatabase = await postgresProxy(bench.url);
    await using toBroker = await kafkaProxy(bench.brokers);
    await using load = await Load.open(bench, { source: { session_timeout: '1500ms' } });
    const env = { PG_URL: toDatabase.url, KAFKA_BROKERS: toBroker.brokers };
    const proxy: Proxy = service === 'postgres' ? toDatabase : toBroker;
    await load.produce(3000);
    load.keepProducing();
    let child = await restart(fault, load, env);
    for (let round = 1; round <= roundsAPoint; round++) {
      let victim = child;
      if (point.startsWith('partitions')) {
        // Only whoever comes anew claims.
        expect(await victim.drain()).toEqual({ code: 0, signal: null });
        victim = load.start(env);
      }
      proxy.arm({ at, when, act: () => victim.kill('SIGKILL') });
      expect(await victim.ended).toEqual(killed);
      child = await restart(fault, load, env);
    }
    expect(proxy.sprung).toBe(roundsAPoint);
    fault.fired(proxy.sprung);
    await load.expectAll(fault, [child]);
  });
}

faultTest('kill -9 at random, fifty times in a row under load', 900_000, async (fault) => {
  await using load = await Load.open(bench, { source: { session_timeout: '1500ms' } });
  load.keepProducing(40, 10);
  for (let round = 1; round <= 50; round++) {
    const burst = load.produce(8000);
    const child = await restart(fault, load, {});
    await burst;
    const target = (await load.progress()) + 1 + Math.floor(Math.random() * 4000);
    await eventually(`round ${round} makes progress`, async () => (await load.progress()) >= target, {
      running: [child],
      withinMs: 60_000,
    });
    await delay(Math.random() * 60);
    child.kill('SIGKILL');
    expect(await child.ended).toEqual(killed);
    expect(load.sent - (await load.progress()), `round ${round}: killed before it had finished`).toBeGreaterThan(0);
    fault.fired();
  }
  await load.expectAll(fault, [load.start()]);
});
