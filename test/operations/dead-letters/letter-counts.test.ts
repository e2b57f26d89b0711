import { expect, it } from 'vitest';
import { LetterCounts } from '../../../src/operations/dead-letters/letter-counts.ts';
import { LetterTable } from '../../../src/operations/dead-letters/letter-table.ts';
import type { LetterStatus } from '../../../src/operations/dead-letters/state.ts';
import { seeLetter } from '../../../src/operations/dead-letters/view.ts';

const letter = (id: string, { at = 1000, offset = 0, partition = 0, cause = 'f0' } = {}) => ({
  id,
  fingerprint: cause,
  failedAtMs: at,
  record: { place: { partition, offset: String(offset) } },
});
const state = (id: string, status: LetterStatus, at = 1000) => ({
  id,
  status,
  failedAt: new Date(at).toISOString(),
});
const whole = (open: number, replayed = 0, resolved = 0, quarantined = 0, uncounted = 0) => ({
  open,
  replayed,
  resolved,
  quarantined,
  uncounted,
});

it('a letter counts once, as what its last state says, and is open again when it fails after that', () => {
  const counts = new LetterCounts();
  for (const id of ['a', 'b', 'c', 'a']) counts.add(letter(id));
  expect(counts.whole).toEqual(whole(3));
  counts.act(state('a', 'resolved'));
  counts.act(state('b', 'quarantined'));
  counts.act(state('a', 'replayed'));
  expect(counts.whole).toEqual(whole(1, 1, 0, 1));
  counts.add(letter('a', { at: 1001, cause: 'f1' }));
  counts.add(letter('b', { at: 1001 }));
  expect(counts.whole).toEqual(whole(2, 0, 0, 1));
  expect(counts.ofCause('f0')).toEqual({ open: 1, replayed: 0, resolved: 0, quarantined: 1 });
  expect(counts.ofCause('f1')).toEqual({ open: 1, replayed: 0, resolved: 0, quarantined: 0 });
  expect(counts.ofCause('f2')).toBeNull();
});

it('a state that comes before its letter is not forgotten', () => {
  const counts = new LetterCounts();
  counts.act(state('a', 'quarantined'));
  counts.act(state('b', 'resolved'));
  expect(counts.whole).toEqual(whole(0));
  for (const id of ['a', 'b']) counts.add(letter(id));
  expect(counts.whole).toEqual(whole(0, 0, 1, 1));
});

it('letters of other programs are told apart by where they lie, and can be closed', () => {
  const foreign = (offset: number, partition = 0) => {
    const place = { queue: 'connect.dlq', partition, offset: String(offset) };
    return seeLetter({ place, timestampMs: 1000, key: null, value: null, headers: { '__connect.errors.stage': 'x' } });
  };
  const counts = new LetterCounts();
  for (const offset of [1, 2, 2]) counts.add(foreign(offset));
  counts.add(foreign(2, 1));
  expect(counts.whole).toEqual(whole(3));
  counts.act(state(foreign(2).id, 'resolved'));
  expect(counts.whole).toEqual(whole(2, 0, 1));
});

it('what the queue has deleted is counted no more', () => {
  const counts = new LetterCounts();
  for (let offset = 0; offset < 10; offset++) counts.add(letter(`a${offset}`, { offset }));
  counts.add(letter('b', { partition: 1 }));
  counts.act(state('a2', 'resolved'));
  counts.act(state('a7', 'resolved'));
  expect(counts.forget(0, 5)).toBe(true);
  expect(counts.whole).toEqual(whole(5, 0, 1));
  counts.act(state('a9', 'replayed'));
  counts.add(letter('a2', { offset: 20 }));
  expect(counts.whole).toEqual(whole(5, 1, 1));
  expect(counts.ofCause('f0')).toEqual({ open: 5, replayed: 1, resolved: 1, quarantined: 0 });
});

it('beyond its bound it only says how many there are, and that it can not follow deletions', () => {
  const counts = new LetterCounts(3);
  for (const id of ['a', 'b', 'c', 'd', 'e', 'a']) counts.add(letter(id));
  counts.act(state('a', 'resolved'));
  expect(counts.whole).toEqual(whole(2, 0, 1, 0, 2));
  expect(counts.forget(0, 1)).toBe(false);
});

it('the table finds each of many keys, those that share a place too, and none that was dropped', () => {
  const table = new LetterTable();
  // The low bits are the same for many: they stand one behind the other.
  const keys = Array.from({ length: 3_000 }, (_, i) => (BigInt(i) << 40n) | BigInt(i % 1_000));
  for (const [i, key] of keys.entries()) {
    const row = table.add(key);
    table.columns.offset[row] = i;
  }
  const found = (key: bigint): number | undefined => {
    const row = table.find(key);
    return row < 0 ? undefined : table.columns.offset[row];
  };
  expect(keys.filter((key, i) => found(key) !== i)).toEqual([]);
  table.retain((row) => row % 3 === 0);
  expect(table.size).toBe(1000);
  const wrong = keys.filter((key, i) => found(key) !== (i % 3 === 0 ? i : undefined));
  expect(wrong).toEqual([]);
});
