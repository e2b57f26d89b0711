import { expect, it } from 'vitest';
import { Gathering } from '../../src/engine/gathering.ts';
import type { Clock, SourceEvent } from '../../src/engine/ports.ts';

it('waits for a micro-batch with a clock that takes its time to end a wait', async () => {
  let waits = 0;
  // A wait that is ended tells so a few turns later; the port promises no more.
  const clock: Clock = {
    now: () => 0,
    sleep: async (_, signal) => {
      waits++;
      await new Promise<void>((resolve) => signal?.addEventListener('abort', () => resolve()));
      for (let turn = 0; turn < 5; turn++) await Promise.resolve();
      // Two waits that end each other for ever would leave no turn for the test to fail in.
      if (waits > 100) await new Promise(() => undefined);
    },
  };
  let give: (event: SourceEvent) => void = () => undefined;
  const gathering = new Gathering({
    source: { next: () => new Promise((resolve) => (give = resolve)) },
    clock,
    limits: { recordsMax: 10, bytesMax: 10 },
    everyMs: 1000,
    interrupted: () => undefined,
  });
  const records = (): SourceEvent => ({ kind: 'records', generation: 1, chunks: [] });
  const first = gathering.next();
  await new Promise((resolve) => setImmediate(resolve));
  give(records());
  expect(await first).toEqual(records());
  const second = gathering.next();
  for (let i = 0; i < 3; i++) {
    await new Promise((resolve) => setImmediate(resolve));
    give(records());
  }
  await new Promise((resolve) => setImmediate(resolve));
  expect(waits).toBeLessThan(10);
  give({ kind: 'ended' });
  expect(await second).toEqual(records());
});
