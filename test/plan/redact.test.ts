import { expect, it } from 'vitest';
import type { DeadLetter } from '../../src/engine/ports.ts';
import { redactedLetter } from '../../src/plan/redact.ts';

const letter = (value: string | null, message = 'broken'): DeadLetter => ({
  stage: 'step:map',
  code: 'x',
  message,
  failedAtMs: 0,
  partition: { cluster: 'c', topic: 't', topicId: 'i', partition: 0, source: 's' },
  element: '',
  raw: { offset: 0, timestampMs: 0, key: null, value: value === null ? null : Buffer.from(value), headers: undefined },
});

function redacted(value: string | null, paths: readonly string[], message?: string) {
  const form = { redact: paths.map((path) => path.split('.')) };
  const { letter: after, redaction } = redactedLetter(letter(value, message), form);
  return { value: after.raw.value === null ? null : String(after.raw.value), message: after.message, redaction };
}

it.each([
  ['a field', '{"a":1,"b":2}', ['a'], '{"a":"***","b":2}'],
  ['a field inside a field', '{"a":{"b":"x","c":3}}', ['a.b'], '{"a":{"b":"***","c":3}}'],
  ['a whole mapping or list', '{"a":{"b":1},"c":[1]}', ['a', 'c'], '{"a":"***","c":"***"}'],
  ['every element of a list', '{"l":[{"a":1},{"a":2,"b":3},4]}', ['l.a'], '{"l":[{"a":"***"},{"a":"***","b":3},4]}'],
  ['lists in lists', '[[{"a":1}],[{"a":null}]]', ['a'], '[[{"a":"***"}],[{"a":"***"}]]'],
  ['a field twice', '{"a":1,"a":2}', ['a'], '{"a":"***"}'],
  ['long integers beside it', '{"a":1,"n":12345678901234567890}', ['a'], '{"a":"***","n":12345678901234567890}'],
])('blots out %s, and nothing else', (_, value, paths, expected) => {
  expect(redacted(value, paths)).toMatchObject({ value: expected, redaction: 'redacted' });
});

it('leaves a record that has none of the fields whole, byte for byte, and a tombstone null', () => {
  expect(redacted('{ "b": 1.0 }', ['a', 'b.c'])).toMatchObject({ value: '{ "b": 1.0 }', redaction: null });
  expect(redacted(null, ['a'])).toMatchObject({ value: null, redaction: null });
});

it('leaves out what it can not read: what is not understood can not be redacted', () => {
  expect(redacted('{"email":"ana@example.com"', ['email'])).toMatchObject({ value: null, redaction: 'omitted' });
});

it('keeps key and headers, also of a record that computes them when they are asked for', () => {
  const raw = {
    offset: 7,
    timestampMs: 9,
    get key() {
      return Buffer.from('k');
    },
    get headers() {
      return { trace: 'a' };
    },
    get value() {
      return Buffer.from('{"a":1}');
    },
  };
  const computed = Object.create(raw, { offset: { value: 7 }, timestampMs: { value: 9 } }) as typeof raw;
  const { letter: after } = redactedLetter({ ...letter(null), raw: computed }, { redact: [['a']] });
  expect({ ...after.raw, value: String(after.raw.value) }).toEqual({
    offset: 7,
    timestampMs: 9,
    key: Buffer.from('k'),
    headers: { trace: 'a' },
    value: '{"a":"***"}',
  });
});

it('hides the values in the message too, those inside a mapping and numbers among them', () => {
  const value = '{"p":{"mail":" ana@example.com ","card":4111111111111111},"n":5}';
  expect(redacted(value, ['p'], 'ana@example.com has 4111111111111111, n is 5').message).toBe('*** has ***, n is 5');
});
