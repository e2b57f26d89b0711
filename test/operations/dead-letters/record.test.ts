import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { DeadLetter, RawRecord } from '../../../src/engine/ports.ts';
import {
  deadLetterId,
  deadLetterRecord,
  fingerprintOf,
  lighterDeadLetter,
  publicMessage,
  sentBackHeaders,
  stripControls,
} from '../../../src/operations/dead-letters/record.ts';
import { readDeadLetter } from '../../../src/operations/dead-letters/view.ts';

const raw: RawRecord = {
  offset: 42,
  timestampMs: 1_700_000_000_000,
  key: Buffer.from('k'),
  value: Buffer.from([0xff, 0x00]),
  headers: { trace: Buffer.from([0xfe]), tags: [Buffer.from('a'), 'b'], 'pipectl-stage': 'forged' },
};
const letter: DeadLetter = {
  raw,
  partition: { cluster: 'c', topic: 'orders', topicId: 'T1', partition: 3, source: 's' },
  element: '2',
  stage: 'sink:orders',
  code: 'not_null',
  message: 'column "id" of order 17 is null',
  failedAtMs: 1_700_000_100_000,
};
const context = {
  pipeline: 'p',
  pipelineHash: 'h',
  secrets: ['hunter2', 'hunter2-long'],
  form: { redact: [], compat: null },
};
const asQueued = (record: ReturnType<typeof deadLetterRecord>) => ({
  ...record,
  place: { queue: 'p.dlq', partition: 0, offset: '5' },
});

it('keeps key, value and headers byte for byte and says where and why it failed', () => {
  const record = deadLetterRecord(letter, context);
  expect(record.key).toBe(raw.key);
  expect(record.value).toBe(raw.value);
  expect(record.headers.trace).toBe(raw.headers!.trace);
  expect(record.headers.tags).toBe(raw.headers!.tags);
  expect(readDeadLetter(asQueued(record))).toMatchObject({
    writer: 'pipectl',
    id: deadLetterId(letter, 'p'),
    pipeline: 'p',
    stage: 'sink:orders',
    code: 'not_null',
    message: 'column "id" of order 17 is null',
    source: { topic: 'orders', partition: 3, offset: '42', element: '2', timestampMs: raw.timestampMs },
    attempts: 1,
    replayCount: 0,
    failedAtMs: letter.failedAtMs,
    payloadOmitted: false,
    headers: { trace: raw.headers!.trace, tags: raw.headers!.tags },
  });
});

it('of a record that was sent back to its topic counts that, and bears none of its marks', () => {
  const headers = { ...raw.headers, ...sentBackHeaders(raw.headers!, { id: 'a1', replayCount: 2 }) };
  expect(headers).toMatchObject({ trace: raw.headers!.trace, 'pipectl-replay-count': '2', 'pipectl-replay-of': 'a1' });
  const view = readDeadLetter(asQueued(deadLetterRecord({ ...letter, raw: { ...raw, headers } }, context)));
  expect(view).toMatchObject({ attempts: 3, replayCount: 2, id: deadLetterId(letter, 'p') });
  expect(Object.keys(view.headers)).toEqual(['trace', 'tags']);
  const forged = { ...raw, headers: { 'pipectl-replay-count': '-1e9' } };
  expect(readDeadLetter(asQueued(deadLetterRecord({ ...letter, raw: forged }, context))).attempts).toBe(1);
});

describe('with compat: connect', () => {
  const compatible = { ...context, form: { redact: [], compat: 'connect' } } as const;

  it("it has Kafka Connect's headers too, and stays ours", () => {
    const { headers } = deadLetterRecord(letter, compatible);
    expect(headers).toMatchObject({
      '__connect.errors.topic': 'orders',
      '__connect.errors.partition': '3',
      '__connect.errors.offset': '42',
      '__connect.errors.connector.name': 'p',
      '__connect.errors.task.id': '0',
      '__connect.errors.stage': 'TASK_PUT',
      '__connect.errors.class.name': 'sink:orders',
      '__connect.errors.exception.class.name': 'not_null',
      '__connect.errors.exception.message': 'column "id" of order 17 is null',
      'pipectl-stage': 'sink:orders',
    });
    const { 'pipectl-dlq-id': _, ...foreign } = headers;
    const place = { queue: 'p.dlq', partition: 0, offset: '5' };
    const asConnect = readDeadLetter({ place, timestampMs: 1, key: null, value: null, headers: foreign });
    expect(asConnect).toMatchObject({ writer: 'connect', stage: 'TASK_PUT', source: { offset: '42' } });
    const view = readDeadLetter(asQueued(deadLetterRecord(letter, compatible)));
    expect(view).toMatchObject({ writer: 'pipectl', stage: 'sink:orders' });
    expect(Object.keys(view.headers)).toEqual(['trace', 'tags']);
  });

  it.each([
    ['decode', 'VALUE_CONVERTER'],
    ['timestamp', 'TRANSFORMATION'],
    ['step:mask', 'TRANSFORMATION'],
  ])('the stage %s is %s there', (stage, name) => {
    expect(deadLetterRecord({ ...letter, stage }, compatible).headers['__connect.errors.stage']).toBe(name);
  });

  it('headers of a record that Kafka Connect has written stay its own without it', () => {
    const own = { ...raw, headers: { '__connect.errors.topic': 'first' } };
    const view = readDeadLetter(asQueued(deadLetterRecord({ ...letter, raw: own }, context)));
    expect(view.headers).toEqual({ '__connect.errors.topic': 'first' });
  });
});

it('is stamped with the time it failed in whole milliseconds, so that retention counts from there', () => {
  expect(deadLetterRecord({ ...letter, failedAtMs: letter.failedAtMs + 0.7 }, context).timestampMs).toBe(
    letter.failedAtMs,
  );
});

it('a tombstone stays null', () => {
  expect(deadLetterRecord({ ...letter, raw: { ...raw, value: null } }, context).value).toBeNull();
});

describe('the id', () => {
  it('is the same on every redelivery', () => {
    const again = { ...letter, failedAtMs: 1, message: 'other', code: 'other' };
    expect(deadLetterId(again, 'p')).toBe(deadLetterId(letter, 'p'));
  });

  it.each([
    ['another element', { element: '3' }],
    ['another stage', { stage: 'decode' }],
    ['another offset', { raw: { ...raw, offset: 43 } }],
    ['a topic created anew', { partition: { ...letter.partition, topicId: 'T2' } }],
  ])('differs for %s', (_, change) => {
    expect(deadLetterId({ ...letter, ...change }, 'p')).not.toBe(deadLetterId(letter, 'p'));
  });
});

describe('the fingerprint', () => {
  const of = (message: string) => fingerprintOf('decode', 'x', message);

  it.each([
    ['numbers', 'row 17 of 1,204 after 3.5 s', 'row 9 of 11 after 40 s'],
    ['quoted values', 'value "a" is no number', 'value "b c" is no number'],
    ['ids', 'no order 0b8f6c1e-8f1e-4c53-9d0c-5f1f6b2a7c11', 'no order 11111111-8f1e-4c53-9d0c-5f1f6b2a7c12'],
    ['hexadecimal', 'hash deadbeef01', 'hash 77cafe00aa'],
  ])('does not depend on %s', (_, one, other) => {
    expect(of(one)).toBe(of(other));
  });

  it('depends on words, code and stage', () => {
    expect(of('field missing')).not.toBe(of('field null'));
    expect(fingerprintOf('a', 'x', 'm')).not.toBe(fingerprintOf('b', 'x', 'm'));
    expect(fingerprintOf('a', 'x', 'm')).not.toBe(fingerprintOf('a', 'y', 'm'));
  });
});

describe('a message', () => {
  it('holds no secret, not even one inside another, nor the password of a URL', () => {
    expect(publicMessage('login hunter2-long and hunter2 at postgres://u:pw@h/d', context.secrets)).toBe(
      'login *** and *** at postgres://u:***@h/d',
    );
  });

  it('is one line of at most 1 KiB of whole characters without control characters', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 3000 }), (message) => {
        const shown = publicMessage(message, []);
        expect(Buffer.byteLength(shown)).toBeLessThanOrEqual(1024);
        expect(shown).not.toMatch(/[\p{Cc}\u2028-\u202e]/u);
      }),
      { numRuns: 30 },
    );
    expect(publicMessage('ñ'.repeat(600), [])).toBe(`${'ñ'.repeat(510)}...`);
  });
});

it('text for a terminal can neither move the cursor nor turn the line around', () => {
  expect(stripControls('a\u001b[2Jb\u009bc\u202ed\te\nf')).toBe('a [2Jb c d\te\nf');
});

it('a redacted letter says so, and one too large for the queue loses its value all the same', () => {
  const redacting = { ...context, form: { redact: [['email'], ['card', 'number']], compat: null } };
  const value = Buffer.from('{"id":1,"email":"ana@example.com"}');
  const record = deadLetterRecord({ ...letter, raw: { ...raw, value } }, redacting);
  expect(String(record.value)).toBe('{"id":1,"email":"***"}');
  expect(readDeadLetter(asQueued(record))).toMatchObject({
    redacted: ['email', 'card.number'],
    payloadOmitted: false,
    headers: { trace: raw.headers!.trace },
  });
  const lighter = lighterDeadLetter(record)!;
  expect(lighter.value).toBeNull();
  expect(readDeadLetter(asQueued(lighter))).toMatchObject({ redacted: ['email', 'card.number'], payloadOmitted: true });
  expect(readDeadLetter(asQueued(deadLetterRecord(letter, redacting)))).toMatchObject({ payloadOmitted: true });
});

it('what is too large for the queue loses its value first, then its headers, then its key, and says so', () => {
  const whole = deadLetterRecord(letter, context);
  const first = lighterDeadLetter(whole)!;
  expect([first.value, first.key, first.headers.trace]).toEqual([null, raw.key, raw.headers!.trace]);
  expect(readDeadLetter(asQueued(first)).payloadOmitted).toBe(true);
  const second = lighterDeadLetter(first)!;
  expect([second.key, second.headers.trace, second.headers['pipectl-headers']]).toEqual([
    raw.key,
    undefined,
    'omitted',
  ]);
  const third = lighterDeadLetter(second)!;
  expect([third.key, third.headers['pipectl-key']]).toEqual([null, 'omitted']);
  expect(lighterDeadLetter(third)).toBeNull();
});
