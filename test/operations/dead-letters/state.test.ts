import { appendFile, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { edited, parseEdit } from '../../../src/operations/dead-letters/edit.ts';
import { afterAct, letterStates, type LetterState, statusOf } from '../../../src/operations/dead-letters/state.ts';

const log = { info: () => {}, warn: () => {}, error: () => {} };
const letter = {
  id: 'a1',
  fingerprint: 'f0',
  stage: 'decode',
  code: 'json_syntax',
  attempts: 1,
  failedAtMs: 1000,
  source: {
    name: 's',
    cluster: 'c',
    topic: 't',
    topicId: 'i',
    partition: 0,
    offset: '7',
    element: null,
    timestampMs: 0,
  },
};
const at = '2026-11-22T08:00:00.000Z';
const act = (status: LetterState['status'], note: string | null = null) => ({ status, at, by: 'ada', note });

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'pipectl-state-'));
});
afterEach(() => rm(directory, { recursive: true }));

it('a letter that fails after what its state speaks of is open again; one in quarantine stays there', () => {
  const resolved = afterAct(letter, undefined, act('resolved'));
  expect([statusOf(1000, resolved), statusOf(1001, resolved)]).toEqual(['resolved', 'open']);
  const quarantined = afterAct(letter, undefined, { ...act('quarantined'), attempts: 3 });
  expect(statusOf(2000, quarantined)).toBe('quarantined');
  expect(statusOf(2000, undefined)).toBe('open');
});

it('a new act keeps the former ones and the attempts', () => {
  const first = afterAct(letter, undefined, { ...act('quarantined', 'why'), attempts: 3 });
  const second = afterAct(letter, first, act('resolved', 'not needed'));
  expect(second).toMatchObject({ status: 'resolved', attempts: 3, history: [{ status: 'quarantined', note: 'why' }] });
  expect(second.source).toEqual({ topic: 't', partition: 0, offset: '7' });
});

it('states in a file survive a line that a crash cut off, and the last one of a letter counts', async () => {
  const place = { file: join(directory, 'orders.dlq.ndjson') };
  const store = letterStates(place, log);
  expect(await store.read()).toEqual(new Map());
  await store.write([afterAct(letter, undefined, act('resolved', 'one'))]);
  await appendFile(join(directory, 'orders.dlq.state.ndjson'), '{"id":"a1","status":"op');
  await store.write([afterAct(letter, undefined, act('replayed', 'two'))]);
  expect((await letterStates(place, log).read()).get('a1')).toMatchObject({ status: 'replayed', note: 'two' });
});

const raw = (value: string | null) => ({
  offset: 1,
  timestampMs: 0,
  key: null,
  value: value === null ? null : Buffer.from(value),
  headers: undefined,
});
const edit = (value: string | null, ...texts: string[]) => {
  const given = edited(
    raw(value),
    texts.map((text) => parseEdit(text)!),
  );
  return typeof given === 'string' ? given : Buffer.from(given.value!).toString();
};

it('an edit changes one place, leaves long numbers as they are, and says where it has no place', () => {
  expect(edit('{"id":12345678901234567890,"items":[{"n":1}]}', 'items[0].n=2', 'who.name=Ada')).toBe(
    '{"id":12345678901234567890,"items":[{"n":2}],"who":{"name":"Ada"}}',
  );
  expect(edit('{"a":1}', 'a.b=2')).toBe('--set a.b=2 has no place in its value');
  expect(edit('{"a":[1]}', 'a[1]=2')).toBe('--set a[1]=2 has no place in its value');
  expect(edit('{"a":', 'a=2')).toBe('its value is no JSON, so --set has no place in it');
  expect(edit(null, 'a=2')).toBe('--set a=2 has no place in its value');
  expect(['=1', 'a', '__proto__.x=1', 'a..b=1', 'a=[1'].map(parseEdit)).toEqual(Array(5).fill(undefined));
});
