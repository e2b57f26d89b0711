import { expect, it } from 'vitest';
import type { DeadLetter } from '../../../src/engine/ports.ts';
import { DeadLetterCauses } from '../../../src/operations/dead-letters/causes.ts';

const letter = (message: string, failedAtMs: number): DeadLetter => ({
  raw: { offset: failedAtMs, timestampMs: failedAtMs, key: null, value: Buffer.from('{'), headers: undefined },
  partition: { cluster: 'c', topic: 'orders', topicId: 't', partition: 0, source: 'orders' },
  element: '',
  stage: 'decode',
  code: 'bad',
  message,
  failedAtMs,
});

it('counts by cause, the most frequent first, with the newest message', () => {
  const causes = new DeadLetterCauses(['pw']);
  causes.add(letter('field missing', 1000));
  causes.add(letter('row 1 broken pw', 2000));
  causes.add(letter('row 2 broken pw', 5000));
  expect(causes.snapshot(5000)).toMatchObject([
    { count: 2, stage: 'decode', code: 'bad', message: 'row 2 broken ***', firstAtMs: 2000, lastAtMs: 5000 },
    { count: 1, message: 'field missing' },
  ]);
});

it('tells the rate of the last minute, and of the time since the first where that is shorter', () => {
  const causes = new DeadLetterCauses([]);
  for (let second = 0; second < 20; second++) causes.add(letter('x', second * 1000));
  expect(causes.snapshot(20_000)[0]!.perSecond).toBeCloseTo(1);
  expect(causes.snapshot(70_000)[0]!.perSecond).toBeCloseTo(9 / 60);
  expect(causes.snapshot(200_000)[0]!).toMatchObject({ perSecond: 0, count: 20 });
});

it('keeps the hundred causes seen last', () => {
  const causes = new DeadLetterCauses([]);
  const word = (index: number) =>
    `${String.fromCharCode(97 + Math.floor(index / 26))}${String.fromCharCode(97 + (index % 26))}`;
  for (let index = 0; index < 100; index++) causes.add(letter(`cause ${word(index)}`, index));
  causes.add(letter('cause aa', 200));
  causes.add(letter('cause zz', 201));
  const messages = causes.snapshot(201).map(({ message }) => message);
  expect(messages).toHaveLength(100);
  expect(messages).toContain('cause aa');
  expect(messages).not.toContain('cause ab');
});
