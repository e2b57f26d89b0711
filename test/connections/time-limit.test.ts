import { beforeEach, expect, onTestFinished, test, vi } from 'vitest';
import { withinMs } from '../../src/connections/time-limit.ts';

beforeEach(() => {
  vi.useFakeTimers();
  onTestFinished(() => void vi.useRealTimers());
});

const tooLate = () => new Error('too late');

test('an answer in time is given back, and no timer keeps the process', async () => {
  await expect(withinMs(1000, () => Promise.resolve('yes'), tooLate)).resolves.toBe('yes');
  expect(vi.getTimerCount()).toBe(0);
});

test('who does not answer is told to stop, and what it rejects with then is of no interest', async () => {
  const answer = withinMs(
    1000,
    (signal) => new Promise((_, reject) => signal.addEventListener('abort', () => reject(new Error('stopped')))),
    tooLate,
  );
  const outcome = expect(answer).rejects.toThrow('too late');
  await vi.advanceTimersByTimeAsync(1000);
  await outcome;
});
