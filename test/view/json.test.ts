import { PassThrough, Writable } from 'node:stream';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { jsonLine, snapshotOf, startJsonView } from '../../src/view/json.ts';
import { healthy, troubled } from './fixtures.ts';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

test('a line is one JSON object with a version, the snapshot, offsets as text and null for unknown', () => {
  const first = { ...troubled.partitions[0], position: 9_007_199_254_740_991, end: null, lag: null };
  const line = jsonLine({ ...troubled, partitions: [first as never] });
  expect(line).not.toContain('\n');
  expect(JSON.parse(line)).toEqual({
    version: 1,
    ...troubled,
    partitions: [{ ...first, position: '9007199254740991' }],
  });
});

test('a snapshot comes back as it was, and one of another version not at all', () => {
  const unread = { ...troubled.partitions[0]!, end: null, lag: null };
  const snapshot = { ...troubled, partitions: [...troubled.partitions, unread] };
  expect(snapshotOf(JSON.parse(jsonLine(snapshot)))).toEqual(snapshot);
  expect(snapshotOf({ ...snapshot, version: 2 })).toBeNull();
  expect(snapshotOf(null)).toBeNull();
});

test('of a process that does not count the letters of its queue their number is unknown', () => {
  const { letters: _, causes, ...deadLetters } = troubled.deadLetters;
  const [{ letters: __, ...cause }] = causes as [(typeof causes)[0]];
  const former = { ...troubled, version: 1, deadLetters: { ...deadLetters, causes: [cause] } };
  expect(snapshotOf(former)!.deadLetters).toMatchObject({ letters: null, causes: [{ letters: null }] });
});

test('no control character of the data reaches a terminal, and the text is the same when parsed', () => {
  const message = 'a\u009b2J\u001b[2J\u007f';
  const line = jsonLine({ ...healthy, events: [{ atMs: 0, level: 'info', code: 'x', message }] });
  expect(line).not.toMatch(/\p{Cc}/u);
  expect(JSON.parse(line)).toMatchObject({ events: [{ message }] });
});

test('a line comes at the start, at every interval and at the end', () => {
  const out = new PassThrough({ encoding: 'utf8' });
  const view = startJsonView({ snapshots: () => healthy, out, intervalMs: 1_000 });
  vi.advanceTimersByTime(2_500);
  view.close();
  vi.advanceTimersByTime(5_000);
  expect(String(out.read()).trim().split('\n')).toHaveLength(4);
});

test('a reader that stands still gets no more lines instead of filling the memory', () => {
  const out = new Writable({ highWaterMark: 1_000, write: () => undefined });
  const view = startJsonView({ snapshots: () => healthy, out, intervalMs: 10 });
  vi.advanceTimersByTime(1_000);
  expect(out.writableLength).toBe(Buffer.byteLength(jsonLine(healthy)) + 1);
  view.close();
});
