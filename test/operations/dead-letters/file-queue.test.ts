import { appendFile, mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { SinkUnavailable, type DeadLetter, type Log } from '../../../src/engine/ports.ts';
import { FileDeadLetterQueue } from '../../../src/operations/dead-letters/file-queue.ts';
import { type DeadLetterFilter, listCauses, newestDeadLetters } from '../../../src/operations/dead-letters/list.ts';

let directory: string;
let file: string;
const opened: FileDeadLetterQueue[] = [];
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'pipectl-dlq-'));
  file = join(directory, 'deep', 'p.dlq.ndjson');
});
afterEach(async () => {
  await Promise.all(opened.splice(0).map(async (queue) => await queue.close()));
  await rm(directory, { recursive: true });
});

const log: Log = { info: () => {}, warn: () => {}, error: () => {} };
const queueAt = (path: string) => {
  const queue = new FileDeadLetterQueue(path, {
    pipeline: 'p',
    pipelineHash: 'h',
    secrets: [],
    form: { redact: [], compat: null },
  });
  opened.push(queue);
  return queue;
};
const letter = (offset: number, change: Partial<DeadLetter> = {}): DeadLetter => ({
  raw: {
    offset,
    timestampMs: 1,
    key: Buffer.from(`key-${offset}`),
    value: Buffer.from(`{"n":${offset}}`),
    headers: undefined,
  },
  partition: { cluster: 'file', topic: 'in.ndjson', topicId: 'T', partition: 0, source: 's' },
  element: '',
  stage: 'decode',
  code: 'json_syntax',
  message: `line ${offset} is broken`,
  failedAtMs: 1000 + offset,
  ...change,
});

it('what was appended is read back byte for byte', async () => {
  const binary = Buffer.from([0xff, 0x00, 0x7b]);
  const headers = { binary: Buffer.from([0xfe]), list: [Buffer.from('a'), 'b'], text: 'ñ' };
  await queueAt(file).append([letter(1, { raw: { offset: 1, timestampMs: 1, key: null, value: binary, headers } })]);
  const [view] = await newestDeadLetters({ file }, {}, 10, log);
  expect(view!.record.key).toBeNull();
  expect(Buffer.from(view!.record.value!)).toEqual(binary);
  expect(view!.headers).toEqual({
    binary: Buffer.from([0xfe]),
    list: [Buffer.from('a'), Buffer.from('b')],
    text: Buffer.from('ñ'),
  });
  expect(view!.record.place).toEqual({ queue: file, partition: 0, offset: '1' });
});

it('appends behind what is there, on a line of its own after a half written one', async () => {
  await queueAt(file).append([letter(1)]);
  await appendFile(file, '{"timestamp":1,"hea');
  await queueAt(file).append([letter(2), letter(3)]);
  expect((await readFile(file, 'utf8')).split('\n')).toHaveLength(5);
  const letters = await newestDeadLetters({ file }, {}, 10, log);
  expect(letters.map((view) => view.source.offset)).toEqual(['3', '2', '1']);
});

it('only the owner of the file may read it: it holds payloads', async () => {
  await queueAt(file).append([letter(1)]);
  expect((await stat(file)).mode & 0o777).toBe(0o600);
});

it('a file that can not be written asks to try again', async () => {
  await expect(queueAt(join('/dev/null', 'p.dlq')).append([letter(1)])).rejects.toThrow(SinkUnavailable);
});

it('lists causes with counts, times and growth', async () => {
  const minute = 60_000;
  await queueAt(file).append([
    letter(1, { failedAtMs: 0 }),
    letter(2, { failedAtMs: 9 * minute }),
    letter(3, { failedAtMs: 8 * minute, message: 'line 3 is broken' }),
    letter(4, { stage: 'sink:orders', code: 'not_null', message: 'column is null', failedAtMs: minute }),
  ]);
  const list = await listCauses({ file }, {}, new Map(), 10 * minute, log);
  expect(list).toMatchObject({
    total: 4,
    uncounted: 0,
    causes: [
      {
        count: 3,
        stage: 'decode',
        code: 'json_syntax',
        message: 'line 2 is broken',
        firstAtMs: 0,
        lastAtMs: 9 * minute,
        perMinute: 0.4,
      },
      { count: 1, stage: 'sink:orders', code: 'not_null', perMinute: 0 },
    ],
  });
});

it.each<[string, (first: { fingerprint: string; id: string }) => DeadLetterFilter, string[]]>([
  ['a fingerprint prefix', ({ fingerprint }) => ({ fingerprint: fingerprint.slice(0, 4) }), ['2', '1']],
  ['an id prefix', ({ id }) => ({ id: id.slice(0, 12) }), ['1']],
  ['all sinks', () => ({ stage: 'sink' }), ['3']],
  ['one stage', () => ({ stage: 'sink:orders' }), ['3']],
  ['a stage that is only the beginning of a name', () => ({ stage: 'sink:ord' }), []],
  ['a key', () => ({ key: 'key-2' }), ['2']],
  ['a time from', () => ({ sinceMs: 1002 }), ['3', '2']],
  ['a time before', () => ({ untilMs: 1002 }), ['1']],
])('filters by %s', async (_, filter, offsets) => {
  await queueAt(file).append([letter(1), letter(2), letter(3, { stage: 'sink:orders' })]);
  const all = await newestDeadLetters({ file }, {}, 10, log);
  const first = all.find((view) => view.source.offset === '1')!;
  const found = await newestDeadLetters({ file }, filter({ fingerprint: first.fingerprint, id: first.id! }), 10, log);
  expect(found.map((view) => view.source.offset)).toEqual(offsets);
});

it('shows the newest, in whatever order they lie', async () => {
  await queueAt(file).append([
    letter(1, { failedAtMs: 50 }),
    letter(2, { failedAtMs: 90 }),
    letter(3, { failedAtMs: 10 }),
    letter(4, { failedAtMs: 70 }),
  ]);
  const letters = await newestDeadLetters({ file }, {}, 2, log);
  expect(letters.map((view) => view.failedAtMs)).toEqual([90, 70]);
});

it('a queue that was never written holds nothing', async () => {
  expect(await newestDeadLetters({ file }, {}, 2, log)).toEqual([]);
});

it('dead letters of several sinks at once are all kept', async () => {
  const queue = queueAt(file);
  const batches = Array.from({ length: 20 }, (_, at) => [letter(2 * at), letter(2 * at + 1, { stage: 'sink:b' })]);
  await Promise.all(batches.map((letters) => queue.append(letters)));
  const lines = (await readFile(file, 'utf8')).trimEnd().split('\n');
  const keys = lines.map((line) => (JSON.parse(line) as { key: string }).key);
  expect(keys.sort()).toEqual(Array.from({ length: 40 }, (_, offset) => `key-${offset}`).sort());
});
