import { appendFile, mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as fc from 'fast-check';
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { SourceContext } from '../../../src/declaration/component.ts';
import type { AssignedPartition, GatherLimits, RawRecord, Source } from '../../../src/engine/ports.ts';
import { fileSource } from '../../../src/sources/file/index.ts';
import { recordBytesMax } from '../../../src/sources/file/record-reader.ts';

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'pipectl-file-source-'));
});
afterEach(async () => {
  await rm(directory, { recursive: true });
});

type Options = Parameters<typeof fileSource.create>[0];
const wide: GatherLimits = { recordsMax: 1000, bytesMax: 1 << 24 };

async function started(options: Options): Promise<{ source: Source; partitions: readonly AssignedPartition[] }> {
  const context = {
    name: 'file',
    pipeline: 'p',
    directory,
    clock: { now: () => 1_700_000_000_000 },
  } as unknown as SourceContext;
  const source = await fileSource.create(options, context);
  await source.start();
  const event = await source.next(wide);
  if (event.kind !== 'assigned') throw new Error(`expected an assignment, got ${event.kind}`);
  return { source, partitions: event.assignment.partitions };
}

interface ReadRecord {
  readonly topic: string;
  readonly offset: number;
  readonly text: string;
}

/** Reads everything, from the given position of the first file. */
async function readAll(
  options: Options,
  from = 0,
  limits = wide,
): Promise<{ records: ReadRecord[]; position: number }> {
  const { source, partitions } = await started(options);
  source.begin(1, new Map(partitions.map(({ partition }, index) => [partition, index === 0 ? from : 0])));
  const records: ReadRecord[] = [];
  let position = from;
  for (;;) {
    const event = await source.next(limits);
    if (event.kind !== 'records') break;
    for (const { partition, records: raws, nextOffset } of event.chunks) {
      records.push(...raws.map((raw) => ({ topic: partition.topic, offset: raw.offset, text: text(raw) })));
      position = nextOffset;
    }
  }
  await source.close();
  return { records, position };
}

const text = (raw: RawRecord): string => Buffer.from(raw.value!).toString();
const write = async (name: string, content: string | Buffer) => await writeFile(join(directory, name), content);
const texts = (records: readonly ReadRecord[]) => records.map((record) => record.text);

it('reads one record a line, at its byte offset, whatever ends the line', async () => {
  await write('a.ndjson', '\ufeff{"a":1}\r\n\n\r\n{"b":"ñ"}\n{"c":3}');
  const { records, position } = await readAll({ path: 'a.ndjson' });
  expect(records).toEqual([
    { topic: 'a.ndjson', offset: 3, text: '{"a":1}' },
    { topic: 'a.ndjson', offset: 15, text: '{"b":"ñ"}' },
    { topic: 'a.ndjson', offset: 26, text: '{"c":3}' },
  ]);
  expect(position).toBe(33);
});

it('goes on from the position after any record, in chunks of any size, without loss or repeat', async () => {
  const line = fc.string({ unit: fc.constantFrom('x', 'ñ', ' '), maxLength: 8 });
  const limits = fc.record({ recordsMax: fc.integer({ min: 1, max: 4 }), bytesMax: fc.integer({ min: 1, max: 20 }) });
  await fc.assert(
    fc.asyncProperty(
      fc.array(line, { maxLength: 8 }),
      fc.constantFrom('\n', '\r\n'),
      fc.boolean(),
      limits,
      async (lines, lineBreak, endsInBreak, chosen) => {
        await write('any.ndjson', lines.join(lineBreak) + (endsInBreak ? lineBreak : ''));
        const whole = await readAll({ path: 'any.ndjson' }, 0, chosen);
        expect(texts(whole.records)).toEqual(lines.filter((text) => text !== ''));
        for (const [index, record] of whole.records.entries()) {
          const rest = await readAll({ path: 'any.ndjson' }, record.offset, chosen);
          expect(rest.records).toEqual(whole.records.slice(index));
        }
      },
    ),
    { numRuns: 40 },
  );
});

it('gives at most what the limits allow, and reads on where it stopped', async () => {
  await write('a.ndjson', '111\n222\n333\n444\n555\n');
  const { source, partitions } = await started({ path: 'a.ndjson' });
  source.begin(1, new Map([[partitions[0]!.partition, 0]]));
  const sizes: number[] = [];
  for (
    let event = await source.next({ recordsMax: 3, bytesMax: 100 });
    event.kind === 'records';
    event = await source.next({ recordsMax: 9, bytesMax: 3 })
  ) {
    sizes.push(event.chunks.reduce((sum, chunk) => sum + chunk.records.length, 0));
  }
  await source.close();
  expect(sizes).toEqual([3, 1, 1]);
});

it('lines that span blocks arrive whole', async () => {
  const lines = Array.from({ length: 40 }, (_, index) => `${index}`.padEnd(100_003, 'x'));
  await write('long.ndjson', lines.join('\n'));
  const { records } = await readAll({ path: 'long.ndjson' });
  expect(texts(records)).toEqual(lines);
});

it('a line over the bound becomes one record the codec refuses, and costs no other', async () => {
  // More than the reader holds at once.
  const longBytes = 3 * recordBytesMax;
  const long = Buffer.alloc(longBytes, 'x');
  await write('huge.ndjson', Buffer.concat([Buffer.from('1\n'), long, Buffer.from('\n2\n')]));
  const { source, partitions } = await started({ path: 'huge.ndjson' });
  source.begin(1, new Map([[partitions[0]!.partition, 0]]));
  const codec = await fileSource.codec({ path: 'huge.ndjson' });
  const outcomes: unknown[] = [];
  const positions: number[] = [];
  for (let event = await source.next(wide); event.kind === 'records'; event = await source.next(wide)) {
    for (const chunk of event.chunks) {
      positions.push(chunk.nextOffset);
      for (const { value } of chunk.records) {
        try {
          outcomes.push(Number(codec.decode(value!)));
        } catch (error) {
          outcomes.push((error as { code: string }).code);
        }
      }
    }
  }
  await source.close();
  expect(outcomes).toEqual([1, 'line_too_long', 2]);
  // Never in the middle of the line: after a restart its rest would be a record of its own.
  const lineStarts = [2, longBytes + 3, longBytes + 5];
  expect(positions.filter((position) => !lineStarts.includes(position))).toEqual([]);
  expect(positions.at(-1)).toBe(lineStarts.at(-1));
});

it('each CSV value carries its header, so that a dead letter is readable by itself', async () => {
  await write('a.csv', 'id,note\r\n1,"two\nlines"\r\n2,x\r\n');
  const { records } = await readAll({ path: 'a.csv' });
  expect(texts(records)).toEqual(['id,note\n1,"two\nlines"', 'id,note\n2,x']);
  const codec = await fileSource.codec({ path: 'a.csv' });
  expect(records.map((record) => codec.decode(Buffer.from(record.text)))).toEqual([
    { id: '1', note: 'two\nlines' },
    { id: '2', note: 'x' },
  ]);
  const resumed = await readAll({ path: 'a.csv' }, records[1]!.offset);
  expect(texts(resumed.records)).toEqual(['id,note\n2,x']);
});

it('a CSV quote that is never closed costs its own line only', async () => {
  await write('bad.csv', '1,"a\n2,b\n3,c\n');
  const { records } = await readAll({ path: 'bad.csv', columns: ['id', 'name'] });
  expect(texts(records)).toEqual(['1,"a', '2,b', '3,c']);
});

it('a header that can not name the columns stops with the place', async () => {
  await write('twice.csv', 'id,id\n1,2\n');
  await expect(readAll({ path: 'twice.csv' })).rejects.toMatchObject({
    code: 'csv_header',
    message: 'twice.csv: the header names "id" twice',
  });
});

it('a glob takes files in the order of their names, each a partition of its own, in one epoch where they are small', async () => {
  await write('b.ndjson', '3\n');
  await write('a.ndjson', '1\n2\n');
  await write('c.txt', 'no\n');
  const { records } = await readAll({ path: '*.ndjson' });
  expect(records.map(({ topic, text }) => `${topic} ${text}`)).toEqual(['a.ndjson 1', 'a.ndjson 2', 'b.ndjson 3']);

  const { source, partitions } = await started({ path: ['b.ndjson', '*.ndjson'] });
  expect(partitions.map(({ partition }) => partition.topic)).toEqual(['b.ndjson', 'a.ndjson']);
  source.begin(1, new Map(partitions.map(({ partition }) => [partition, 0])));
  const event = await source.next(wide);
  expect(event.kind === 'records' && event.chunks.length).toBe(2);
  await source.close();
});

it('no file is an error with the pattern and the directory', async () => {
  await expect(started({ path: 'none-*.ndjson' })).rejects.toMatchObject({
    code: 'file_not_found',
    message: `no file matches none-*.ndjson in ${directory}`,
  });
});

it('a slip of the pen is answered with the file beside it, a directory with what to write', async () => {
  await write('orders.ndjson', '{"id":1}\n');
  await expect(started({ path: 'ordres.ndjson' })).rejects.toMatchObject({ hint: 'did you mean orders.ndjson?' });
  await expect(started({ path: '.' })).rejects.toMatchObject({
    code: 'file_not_found',
    hint: 'name its files: *.ndjson',
  });
});

it('a file keeps its identity when records are appended and loses it when it is replaced', async () => {
  await write('a.ndjson', '{"id":1}\n');
  const identity = async () => (await started({ path: 'a.ndjson' })).partitions[0]!.partition.topicId;
  const before = await identity();
  await appendFile(join(directory, 'a.ndjson'), '{"id":2}\n');
  expect(await identity()).toBe(before);
  await write('a.ndjson', '{"id":9}\n{"id":2}\n');
  const rewritten = await identity();
  expect(rewritten).not.toBe(before);
  await write('new.ndjson', '{"id":9}\n{"id":2}\n');
  await rename(join(directory, 'new.ndjson'), join(directory, 'a.ndjson'));
  expect(await identity()).not.toBe(rewritten);
});

it('a position that is no longer between two records stops instead of reading half a line', async () => {
  await write('a.ndjson', '{"id":1}\n{"id":2,"longer":true}\n');
  await expect(readAll({ path: 'a.ndjson' }, 12)).rejects.toMatchObject({ name: 'SourceFailed', code: 'file_changed' });
});

it('records appended after the last line without a break are read from there', async () => {
  await write('a.ndjson', '1\n2');
  const { position } = await readAll({ path: 'a.ndjson' });
  await appendFile(join(directory, 'a.ndjson'), '\n3\n');
  expect(texts((await readAll({ path: 'a.ndjson' }, position)).records)).toEqual(['3']);
});

it('delivers nothing before begin has answered, and close ends a waiting next', async () => {
  await write('a.ndjson', '1\n');
  const { source } = await started({ path: 'a.ndjson' });
  const waiting = source.next(wide);
  await expect(Promise.race([waiting, Promise.resolve('waiting')])).resolves.toBe('waiting');
  await source.close();
  await expect(waiting).resolves.toEqual({ kind: 'ended' });
});

it('stops when another process has taken over its files', async () => {
  await write('a.ndjson', '1\n');
  const { source } = await started({ path: 'a.ndjson' });
  await source.reassign();
  await expect(source.next(wide)).rejects.toMatchObject({ name: 'SourceFailed', code: 'source_taken_over' });
  await source.close();
});

it('a file that was cut off below the position stops instead of ending at once', async () => {
  await write('a.ndjson', '{"id":1}\n');
  await expect(readAll({ path: 'a.ndjson' }, 18)).rejects.toMatchObject({ name: 'SourceFailed', code: 'file_changed' });
});
