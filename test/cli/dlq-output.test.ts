import { expect, it } from 'vitest';
import { causesJson, causesTable, lettersJson, lettersText } from '../../src/cli/dlq-output.ts';
import { readDeadLetter } from '../../src/operations/dead-letters/view.ts';

const nowMs = Date.parse('2026-11-22T12:00:00Z');
const cause = {
  fingerprint: 'a3f90000',
  count: 1204,
  open: 7,
  quarantined: 0,
  stage: 'decode',
  code: 'json_syntax',
  message: 'unexpected \u001b[2J',
  firstAtMs: nowMs,
  lastAtMs: nowMs,
  perMinute: 2,
};
const counts = { total: 1204, open: 7, quarantined: 0, oldestOpenAtMs: nowMs, perMinute: 2, uncounted: 0 };
const letter = (value: Buffer | null, headers: Record<string, string> = {}) =>
  readDeadLetter({
    place: { queue: 'orders.dlq', partition: 0, offset: '5' },
    timestampMs: nowMs,
    key: Buffer.from('k\u001b]0;title\u0007'),
    value,
    headers: {
      'pipectl-dlq-id': 'id1',
      'pipectl-stage': 'decode',
      'pipectl-error-message': 'broken',
      'pipectl-error-fingerprint': 'a3f90000',
      ...headers,
    },
  });

it('lists causes with numbers on the right and nothing that obeys the terminal', () => {
  const shown = causesTable({ ...counts, causes: [cause] }, 3, 'orders.dlq', nowMs);
  expect(shown).toMatch(/^orders\.dlq {2}1,204 dead letters of 3 causes\nCAUSE +COUNT +OPEN +PER MIN/);
  expect(shown).toMatch(/\na3f90000 +1,204 +7 +2\.0 .*decode +json_syntax +unexpected/);
  expect(shown).toMatch(/\nand 2 more causes: --limit\n$/);
  expect(shown).not.toContain('\u001b');
});

it('shows a JSON value with indentation, and its key, without control characters', () => {
  const shown = lettersText([letter(Buffer.from('{"id":1,"note":"a"}'))], new Map(), 'orders.dlq');
  expect(shown).toContain('value\n  {\n    "id": 1,\n    "note": "a"\n  }\n');
  // eslint-disable-next-line no-control-regex
  expect(shown).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f]/);
});

it('does not round long numbers in the value', () => {
  expect(lettersText([letter(Buffer.from('{"id":12345678901234567890}'))], new Map(), 'q')).toContain(
    '  {"id":12345678901234567890}\n',
  );
});

it.each([
  ['a tombstone', letter(null), 'null (tombstone)'],
  ['an omitted value', letter(null, { 'pipectl-payload': 'omitted' }), 'omitted: too large'],
  ['bytes that are no text', letter(Buffer.from([0xff, 0x01])), '  ff 01\n'],
])('tells %s from the others', (_, view, text) => {
  expect(lettersText([view], new Map(), 'q')).toContain(text);
});

it('JSON is whole and escapes what a terminal would obey', () => {
  const shown = lettersJson([letter(Buffer.from('{"a":"\u009b"}')), letter(Buffer.from([0xff]))], new Map());
  expect(shown).not.toMatch(/[\u007f-\u009f]/);
  expect(JSON.parse(shown)).toMatchObject({
    letters: [
      { id: 'id1', value: '{"a":"\u009b"}', headers: {}, queue: { offset: '5' } },
      { value: { base64: '/w==' } },
    ],
  });
  expect(JSON.parse(causesJson({ ...counts, causes: [cause] }))).toMatchObject({
    causes: [{ firstAt: '2026-11-22T12:00:00.000Z' }],
  });
});
