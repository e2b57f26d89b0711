import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { Log } from '../../src/engine/ports.ts';
import { LetterFollower, type Pace } from '../../src/operations/dead-letters/follow.ts';
import type { LetterSeen } from '../../src/operations/dead-letters/view.ts';
import { systemClock } from '../../src/runtime/clock.ts';
import { LetterWatch } from '../../src/runtime/letter-watch.ts';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

/** Letters that a test puts there, or a queue that can't be read. */
function queue() {
  const waiting: LetterSeen[] = [];
  let failure: Error | null = null;
  let looks = 0;
  const follower = new LetterFollower(
    {
      async readOn({ onItem }) {
        looks++;
        if (failure !== null) throw failure;
        for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) await onItem(next, 100);
        return 'read';
      },
      reset: () => undefined,
    },
    { readOn: () => Promise.resolve('read'), reset: () => undefined },
  );
  let id = 0;
  return {
    follower,
    add(count: number) {
      for (let i = 0; i < count; i++)
        waiting.push({
          id: `${id++}`,
          fingerprint: 'f0',
          failedAtMs: 1,
          record: { place: { partition: 0, offset: '0' } },
        });
    },
    fail: (message: string | null) => (failure = message === null ? null : new Error(message)),
    get looks() {
      return looks;
    },
  };
}

const warnings: string[] = [];
const log: Log = { info: () => {}, warn: (_, message) => void warnings.push(message), error: () => {} };
const watchOf = (follower: LetterFollower) => {
  warnings.length = 0;
  const watch = new LetterWatch(follower, { clock: systemClock, log, everyMs: 2000 });
  const done = watch.run();
  return { watch, done };
};

test('nothing is known before the first look; then counts follow the queue, with their growth', async () => {
  const letters = queue();
  letters.add(3);
  const { watch, done } = watchOf(letters.follower);
  expect(watch.letters).toBeNull();
  await vi.advanceTimersByTimeAsync(2100);
  expect(watch.letters).toMatchObject({ open: 3, uncounted: 0, openChangePerSecond: null });
  letters.add(4);
  await vi.advanceTimersByTimeAsync(2000);
  expect(watch.letters).toMatchObject({ open: 7 });
  expect(watch.letters!.openChangePerSecond).toBeCloseTo(2, 1);
  expect(watch.ofCause('f0')).toEqual({ open: 7, replayed: 0, resolved: 0, quarantined: 0 });
  watch.stop();
  await done;
});

test('a queue that can not be read is unknown after a minute, said once, and known again when it can', async () => {
  const letters = queue();
  letters.add(3);
  const { watch, done } = watchOf(letters.follower);
  await vi.advanceTimersByTimeAsync(2100);
  letters.fail('this user may not read topic p.dlq');
  await vi.advanceTimersByTimeAsync(50_000);
  expect(watch.letters).toMatchObject({ open: 3 });
  expect(warnings).toEqual([]);
  await vi.advanceTimersByTimeAsync(300_000);
  expect(watch.letters).toBeNull();
  expect(watch.ofCause('f0')).toBeNull();
  expect(warnings).toEqual(["the dead letters can't be counted: this user may not read topic p.dlq"]);
  letters.fail(null);
  letters.add(1);
  await vi.advanceTimersByTimeAsync(2100);
  expect(watch.letters).toMatchObject({ open: 4 });
  watch.stop();
  await done;
});

test('a large queue is read in portions with rests between them, and is unknown until then', async () => {
  const letters = queue();
  letters.add(10_000);
  const { watch, done } = watchOf(letters.follower);
  await vi.advanceTimersByTimeAsync(3000);
  expect(watch.letters).toBeNull();
  await vi.advanceTimersByTimeAsync(1000);
  expect(watch.letters).toMatchObject({ open: 10_000 });
  expect(letters.looks).toBe(1);
  watch.stop();
  await done;
});

test('it stops at once, also in the middle of a look that has no answer', async () => {
  const pace: Pace[] = [];
  const never = {
    follower: {
      look: (given: Pace) => {
        pace.push(given);
        return new Promise<void>(() => undefined);
      },
      counts: null,
    } as unknown as LetterFollower,
  };
  const { watch, done } = watchOf(never.follower);
  await vi.advanceTimersByTimeAsync(2100);
  expect(pace).toHaveLength(1);
  watch.stop();
  await done;
  expect(watch.letters).toBeNull();
});
