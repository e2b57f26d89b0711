/** Faults of the only broker, on a stack of this file's own. */
import { setTimeout as delay } from 'node:timers/promises';
import { benchOfItsOwn } from '../integration/bench.ts';
import type { Bench } from '../integration/pipeline.ts';
import type { Stack } from '../stack/stack.ts';
import { faultTest } from './fault.ts';
import { Load } from './load.ts';

let stack: Stack;
let bench: Bench;
benchOfItsOwn((opened, started) => ([bench, stack] = [opened, started]));

faultTest('the broker is killed -9 and comes back after 4 s, three times', 300_000, async (fault) => {
  const [broker] = stack.kafka.nodes;
  await using load = await Load.open(bench);
  const child = load.start();
  load.keepProducing();
  await load.runs([child]);
  for (let round = 1; round <= 3; round++) {
    await broker!.kill('SIGKILL');
    fault.fired();
    // Long enough that clients give up and begin anew.
    await delay(4000);
    const goesOn = await load.goesOn();
    await broker!.start();
    await fault.recovers(goesOn, [child]);
  }
  await load.expectAll(fault, [child]);
});

faultTest('the broker stands still for 60 s (SIGSTOP), its connections open', 300_000, async (fault) => {
  const [broker] = stack.kafka.nodes;
  await using load = await Load.open(bench);
  const child = load.start();
  load.keepProducing();
  await load.runs([child]);
  await broker!.pause();
  fault.fired();
  await delay(60_000);
  const goesOn = await load.goesOn();
  await broker!.resume();
  await fault.recovers(goesOn, [child]);
  await load.expectAll(fault, [child]);
});
