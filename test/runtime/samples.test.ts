import { expect, it } from 'vitest';
import { Samples } from '../../src/runtime/samples.ts';

it('gives the growth per second over about the last five seconds', () => {
  const samples = new Samples();
  expect(samples.perSecond).toBeNull();
  for (let second = 0; second <= 20; second++) samples.add(second * 1000, second < 10 ? 0 : (second - 10) * 100);
  expect(samples.perSecond).toBe(100);
});

it('stays bounded however often it is asked', () => {
  const samples = new Samples();
  for (let i = 0; i < 10_000; i++) samples.add(i, i);
  expect(samples.perSecond).toBeCloseTo(1000);
});
