/** SIGTERM at every phase: the process ends with 0, and what it says it has done is done. */
import { expect } from 'vitest';
import { sharedBench } from '../integration/bench.ts';
import { type Bench, eventually } from '../integration/pipeline.ts';
import { faultTest } from './fault.ts';
import { Load } from './load.ts';
import { kafkaProxy, postgresProxy } from './proxy.ts';

let bench: Bench;
sharedBench((opened) => (bench = opened));

const phases: readonly [phase: string, service: 'postgres' | 'kafka', at: RegExp][] = [
  ['it connects to the database', 'postgres', /^Q SET statement_timeout/],
  ['it joins the group', 'kafka', /^JoinGroup$/],
  ['it waits for its assignment', 'kafka', /^SyncGroup$/],
  ['it claims partitions', 'postgres', /^P .*SET owner_epoch = t\.owner_epoch \+ 1/s],
  ['it fetches', 'kafka', /^Fetch$/],
  ['it begins a transaction', 'postgres', /^Q BEGIN; SET CONSTRAINTS/],
  ['it sends rows', 'postgres', /^d$/],
  ['it looks for a refused row', 'postgres', /^Q SAVEPOINT part/],
  ['it sends dead letters', 'kafka', /^Produce$/],
  ['it commits', 'postgres', /^Q COMMIT\0$/],
  ["it commits the group's offsets", 'kafka', /^OffsetCommit$/],
  ['it leaves the group (a second one)', 'kafka', /^LeaveGroup$/],
];

faultTest(
  `SIGTERM at each of ${phases.length} phases, from connecting to leaving the group`,
  400_000,
  async (fault) => {
    await using toDatabase = await postgresProxy(bench.url);
    await using toBroker = await kafkaProxy(bench.brokers);
    await using load = await Load.open(bench, { source: { session_timeout: '2s' } });
    const env = { PG_URL: toDatabase.url, KAFKA_BROKERS: toBroker.brokers };
    load.keepProducing();
    for (const [phase, service, at] of phases) {
      const proxy = service === 'postgres' ? toDatabase : toBroker;
      const { sprung } = proxy;
      const child = load.start(env);
      const { promise: signalled, resolve } = Promise.withResolvers<void>();
      proxy.arm({
        at,
        when: 'passed',
        act: () => {
          child.kill('SIGTERM');
          resolve();
        },
      });
      if (at.source.includes('LeaveGroup')) {
        const goesOn = await load.goesOn();
        await eventually('it works', goesOn, { running: [child], withinMs: 60_000 });
        child.kill('SIGTERM');
        await Promise.race([signalled, child.ended]);
        // The second one leaves at once, unless the first had come to its end.
        const { code, signal } = await child.ended;
        expect([0, 143, 'SIGTERM'], phase).toContain(code ?? signal);
      } else {
        await Promise.race([signalled, child.ended]);
        expect(await child.ended, phase).toEqual({ code: 0, signal: null });
        // What the group shows is what the tables have.
        const positions = await bench.positions(load.file.name, 'all');
        const committed = await bench.committed(load.file.name, load.topic);
        expect(
          committed.map((offset) => Math.max(offset, 0)),
          phase,
        ).toEqual(committed.map((_, i) => positions[i] ?? 0));
      }
      expect(proxy.sprung, phase).toBe(sprung + 1);
      fault.fired();
    }
    fault.holds('each ended with 0', 'group offsets = positions');
    const goesOn = await load.goesOn();
    const sinceMs = performance.now();
    const last = load.start(env);
    await fault.recovers(goesOn, [last], sinceMs);
    await load.expectAll(fault, [last]);
  },
);
