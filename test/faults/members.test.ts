/** Several members: frozen beyond their session, and coming and going. */
import { setTimeout as delay } from 'node:timers/promises';
import { expect } from 'vitest';
import { sharedBench } from '../integration/bench.ts';
import { type Bench, eventually, type Pipectl } from '../integration/pipeline.ts';
import { faultTest } from './fault.ts';
import { Load, logged, owned, partitions } from './load.ts';
import { postgresProxy } from './proxy.ts';

let bench: Bench;
sharedBench((opened) => (bench = opened));

const open = (): Promise<Load> =>
  Load.open(bench, { source: { session_timeout: '2s' }, sink: { idle_transaction_timeout: '1s' } });

const shared = (...members: readonly Pipectl[]): Promise<true> =>
  eventually('both have two partitions', () => members.every((member) => owned(member) === 2) || undefined, {
    running: members,
    withinMs: 60_000,
  });

for (const [place, at] of [
  ['before it begins a transaction', /^Q BEGIN; SET CONSTRAINTS/],
  ['inside its open transaction', /^Q COMMIT\0$/],
] as const) {
  faultTest(
    `a member is frozen beyond its session ${place}, and wakes when its partitions are taken over`,
    300_000,
    async (fault) => {
      await using toDatabase = await postgresProxy(bench.url);
      await using load = await open();
      const frozen = load.start({ PG_URL: toDatabase.url });
      const other = load.start();
      load.keepProducing();
      for (let round = 1; round <= 3; round++) {
        await shared(frozen, other);
        const refused = logged(frozen, 'fenced');
        const awake = Promise.withResolvers<void>();
        const { promise: asleep, resolve: sleep } = Promise.withResolvers<void>();
        // What it was about to send arrives when it wakes.
        toDatabase.arm({
          at,
          when: 'held',
          act: () => {
            frozen.kill('SIGSTOP');
            sleep();
            return awake.promise;
          },
        });
        await asleep;
        fault.fired();
        await eventually('the other has all partitions', () => owned(other) === partitions, {
          running: [other],
          withinMs: 60_000,
        });
        // Also the partitions that were the frozen one's go on, also where its transaction held their rows.
        const before = await bench.positions(load.file.name, 'all');
        await eventually(
          'it writes them all',
          async () => (await bench.positions(load.file.name, 'all')).every((position, i) => position > before[i]!),
          { running: [other], withinMs: 60_000 },
        );
        frozen.kill('SIGCONT');
        awake.resolve();
        const goesOn = await load.goesOn();
        await eventually('its late write is refused', () => logged(frozen, 'fenced') > refused || undefined, {
          running: [frozen, other],
          withinMs: 60_000,
        });
        await fault.recovers(goesOn, [frozen, other]);
      }
      fault.holds('each late write refused');
      await shared(frozen, other);
      await load.expectAll(fault, [frozen, other]);
    },
  );
}

faultTest(
  'a member is frozen while it claims partitions, and raises the owner epoch after the rightful owner',
  300_000,
  async (fault) => {
    await using toDatabase = await postgresProxy(bench.url);
    await using load = await open();
    const rightful = load.start();
    load.keepProducing();
    for (let round = 1; round <= 3; round++) {
      await eventually('it has all partitions', () => owned(rightful) === partitions, {
        running: [rightful],
        withinMs: 60_000,
      });
      const takenBefore = logged(rightful, 'assigned');
      const refused = logged(rightful, 'fenced');
      const awake = Promise.withResolvers<void>();
      const { promise: asleep, resolve: sleep } = Promise.withResolvers<void>();
      const late = load.start({ PG_URL: toDatabase.url });
      toDatabase.arm({
        at: /^P .*SET owner_epoch = t\.owner_epoch \+ 1/s,
        when: 'held',
        act: () => {
          late.kill('SIGSTOP');
          sleep();
          return awake.promise;
        },
      });
      await asleep;
      fault.fired();
      await eventually(
        'the rightful owner has all partitions again',
        () => owned(rightful) === partitions && logged(rightful, 'assigned') > takenBefore,
        { running: [rightful], withinMs: 60_000 },
      );
      await eventually('and writes', await load.goesOn(), { running: [rightful], withinMs: 60_000 });
      late.kill('SIGCONT');
      awake.resolve();
      const goesOn = await load.goesOn();
      await eventually('the rightful owner is refused', () => logged(rightful, 'fenced') > refused || undefined, {
        running: [rightful, late],
        withinMs: 60_000,
      });
      await fault.recovers(goesOn, [rightful, late]);
      await shared(rightful, late);
      expect(await late.drain()).toEqual({ code: 0, signal: null });
    }
    fault.holds('the rightful owner, refused, raised it anew');
    await load.expectAll(fault, [rightful]);
  },
);

faultTest(
  'three members come and go every few seconds for a minute, by SIGTERM and kill -9',
  300_000,
  async (fault) => {
    await using load = await open();
    const over = performance.now() + 60_000;
    load.keepProducing();
    const slot = async (): Promise<void> => {
      while (performance.now() < over) {
        const member = load.start();
        await eventually('it has partitions', () => owned(member) > 0 || performance.now() > over, {
          withinMs: 60_000,
        });
        await delay(1000 + Math.random() * 3000);
        if (Math.random() < 0.5) {
          expect(await member.drain()).toEqual({ code: 0, signal: null });
        } else {
          member.kill('SIGKILL');
          await member.ended;
        }
        fault.fired();
        await delay(Math.random() * 1000);
      }
    };
    await Promise.all([slot(), slot(), slot()]);
    expect(fault.timesFired).toBeGreaterThan(9);
    const goesOn = await load.goesOn();
    const sinceMs = performance.now();
    const members = [load.start(), load.start(), load.start()];
    await fault.recovers(goesOn, members, sinceMs);
    await load.expectAll(fault, members);
  },
);
