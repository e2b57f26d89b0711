import { expect, it } from 'vitest';
import type { DeadLetter } from '../../../src/engine/ports.ts';
import { DeadLetterCauses } from '../../../src/operations/dead-letters/causes.ts';

const partition = { cluster: 'c', topic: 'orders', topicId: 't', partition: 3, source: 'orders' };

const letter = (message: string, failedAtMs: number, value: Uint8Array | null = null, offset = 7): DeadLetter => ({
  stage: 'decode',
  code: 'bad',
  message,
  failedAtMs,
  partition,
  element: '',
  raw: { offset, timestampMs: 500, key: Buffer.from('k'), value, headers: undefined },
});

it('keeps a record of each cause, cut and without secrets, the newest of about a second', () => {
  const causes = new DeadLetterCauses(['hunter22'], { redact: [] });
  causes.add(letter('x', 1000, Buffer.from('{"pw":"hunter22"}'), 1));
  causes.add(letter('x', 1500, Buffer.from('too soon'), 2));
  const { fingerprint } = causes.snapshot(2000)[0]!;
  expect(causes.sample(fingerprint)).toEqual({
    topic: 'orders',
    partition: 3,
    offset: '1',
    timestampMs: 500,
    failedAtMs: 1000,
    message: 'x',
    key: 'k',
    value: '{"pw":"***"}',
    valueBytes: 17,
  });
  const large = Buffer.from('ü'.repeat(5000));
  causes.add(letter('x', 2000, large.subarray(0, 9_999)));
  expect(causes.sample(fingerprint)).toMatchObject({ value: 'ü'.repeat(1024), valueBytes: 9_999 });
  causes.add(letter('x', 3000, Buffer.from([0xff, 0, 1])));
  expect(causes.sample(fingerprint)).toMatchObject({ value: '0xff0001' });
  causes.add(letter('x', 4000, null));
  expect(causes.sample(fingerprint)).toMatchObject({ value: null, valueBytes: 0 });
  expect(causes.sample('unknown')).toBeNull();
});

it('counts by cause, the most frequent first, with the newest message', () => {
  const causes = new DeadLetterCauses(['pw'], { redact: [] });
  causes.add(letter('field missing', 1000));
  causes.add(letter('row 1 broken pw', 2000));
  causes.add(letter('row 2 broken pw', 5000));
  expect(causes.snapshot(5000)).toMatchObject([
    { count: 2, stage: 'decode', code: 'bad', message: 'row 2 broken ***', firstAtMs: 2000, lastAtMs: 5000 },
    { count: 1, message: 'field missing' },
  ]);
});

it('tells the rate of the last minute, and of the time since the first where that is shorter', () => {
  const causes = new DeadLetterCauses([], { redact: [] });
  for (let second = 0; second < 20; second++) causes.add(letter('x', second * 1000));
  expect(causes.snapshot(20_000)[0]!.perSecond).toBeCloseTo(1);
  expect(causes.snapshot(70_000)[0]!.perSecond).toBeCloseTo(9 / 60);
  expect(causes.snapshot(200_000)[0]!).toMatchObject({ perSecond: 0, count: 20 });
});

it('keeps the hundred causes seen last', () => {
  const causes = new DeadLetterCauses([], { redact: [] });
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

it('shows neither in the record nor in the message what is to be redacted', () => {
  const causes = new DeadLetterCauses([], { redact: [['email']] });
  causes.add(letter('no mail to ana@example.com', 1000, Buffer.from('{"email":"ana@example.com"}')));
  const { fingerprint, message } = causes.snapshot(1000)[0]!;
  expect(message).toBe('no mail to ***');
  expect(causes.sample(fingerprint)).toMatchObject({ value: '{"email":"***"}', message });
});
