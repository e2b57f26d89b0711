/** The wall clock of the process jumps while it works; shifted-clock.mjs makes it jump. */
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { sharedBench } from '../integration/bench.ts';
import { type Bench, eventually } from '../integration/pipeline.ts';
import { faultTest } from './fault.ts';
import { Load } from './load.ts';

let bench: Bench;
sharedBench((opened) => (bench = opened));

const shiftedClock = path.join(import.meta.dirname, 'shifted-clock.mjs');

faultTest("the process's clock jumps an hour forwards, two back, and to where it was", 300_000, async (fault) => {
  await using load = await Load.open(bench, { source: { session_timeout: '6s' } });
  const child = load.start({ NODE_OPTIONS: `--import ${shiftedClock}` });
  load.keepProducing();
  await load.runs([child]);
  for (const shiftMs of [3_600_000, -3_600_000, 0]) {
    const goesOn = await load.goesOn();
    child.kill('SIGUSR2');
    await eventually('the clock has jumped', () => child.stderr.includes(`the clock is ${shiftMs} ms away`), {
      running: [child],
    });
    fault.fired();
    await fault.recovers(goesOn, [child]);
    // Longer than a session: kafkajs sends no heartbeats while the clock is behind, and the member has to join again.
    await delay(10_000);
    await fault.recovers(await load.goesOn(), [child]);
  }
  await load.expectAll(fault, [child]);
});
