import { appendFile, mkdtemp, open, readFile, rm, writeFile, type FileHandle } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  Fenced,
  SinkUnavailable,
  type EventRecord,
  type Partition,
  type SinkBatch,
} from '../../../src/engine/ports.ts';
import { readCommitted } from '../../../src/sinks/file/committed.ts';
import { FileSink } from '../../../src/sinks/file/sink.ts';
import { sinkContract } from '../../contract/sink.ts';

let directory: string;
let path: string;
const opened: FileSink[] = [];
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'pipectl-file-sink-'));
  path = join(directory, 'out', 'rows.ndjson');
});
afterEach(async () => {
  await Promise.all(opened.splice(0).map(async (sink) => await sink.close()));
  await rm(directory, { recursive: true });
});

const p0: Partition = { cluster: 'c', topic: 't', topicId: 'T', partition: 0, source: 's' };
const p1: Partition = { ...p0, partition: 1 };

const record = (partition: Partition, offset: number, event: unknown = offset): EventRecord => ({
  event,
  raw: { offset, timestampMs: 0, key: null, value: null, headers: undefined },
  partition,
  element: '',
  key: null,
  meta: null,
});

const batch = (from: number, to: number, partition = p0): SinkBatch => ({
  records: Array.from({ length: to - from }, (_, index) => record(partition, from + index)),
  ranges: [{ partition, from, to }],
});

type Open = ConstructorParameters<typeof FileSink>[3];

async function claimed(openFile?: Open, partitions = [p0, p1]) {
  const sink = new FileSink('file', path, 'pipeline', openFile);
  opened.push(sink);
  await sink.open();
  const positions = await sink.claim(partitions);
  return { sink, positions };
}

async function deliver(sink: FileSink, given: SinkBatch) {
  const result = await sink.write(sink.prepare(given));
  await sink.commit();
  return result;
}

const rows = async () => (await readFile(path, 'utf8')).split('\n').slice(0, -1).map(Number);

it('a new owner begins at the committed positions, per partition', async () => {
  const { sink, positions } = await claimed();
  expect(positions.size).toBe(0);
  await deliver(sink, {
    records: [record(p0, 0), record(p1, 7)],
    ranges: [
      { partition: p0, from: 0, to: 1 },
      { partition: p1, from: 7, to: 9 },
    ],
  });
  await deliver(sink, { records: [], ranges: [{ partition: p0, from: 1, to: 4 }] });
  const next = await claimed();
  expect(next.positions).toEqual(
    new Map([
      [p0, 4],
      [p1, 9],
    ]),
  );
  expect(await rows()).toEqual([0, 7]);
});

it('rows that were written and not committed are gone for the next owner', async () => {
  const { sink } = await claimed();
  await deliver(sink, batch(0, 2));
  await sink.write(sink.prepare(batch(2, 5)));
  expect(await rows()).toEqual([0, 1, 2, 3, 4]);
  const next = await claimed();
  expect(next.positions.get(p0)).toBe(2);
  expect(await rows()).toEqual([0, 1]);
});

it('a rolled back batch leaves nothing, and can be written again', async () => {
  const { sink } = await claimed();
  await sink.write(sink.prepare(batch(0, 3)));
  await sink.rollback();
  expect(await rows()).toEqual([]);
  await deliver(sink, batch(0, 3));
  expect(await rows()).toEqual([0, 1, 2]);
});

it('records below the position are skipped and counted, also where the batch was prepared before the commit', async () => {
  const { sink } = await claimed();
  const second = sink.prepare(batch(1, 4));
  await deliver(sink, batch(0, 2));
  const result = await sink.write(second);
  await sink.commit();
  expect(result).toMatchObject({ written: 2, skippedOffset: 1 });
  expect(await rows()).toEqual([0, 1, 2, 3]);
});

it('a batch that lies wholly below the position does not move it back', async () => {
  const { sink } = await claimed();
  await deliver(sink, batch(0, 5));
  expect(await deliver(sink, batch(0, 2))).toMatchObject({ written: 0, skippedOffset: 2 });
  expect((await claimed()).positions.get(p0)).toBe(5);
});

it('what somebody else wrote behind the rows of a batch is cut off by its commit', async () => {
  const { sink } = await claimed();
  await sink.write(sink.prepare(batch(0, 2)));
  await appendFile(path, '98\n99\n');
  await sink.commit();
  expect(await rows()).toEqual([0, 1]);
});

it('a topic that was created anew under the same name is refused: its records would be added as new ones', async () => {
  const { sink } = await claimed();
  await deliver(sink, batch(0, 3));
  await expect(claimed(undefined, [{ ...p0, topicId: 'other' }])).rejects.toMatchObject({ code: 'topic_recreated' });
});

it('an event that has no JSON form is rejected alone', async () => {
  const { sink } = await claimed();
  const poison: Record<string, unknown> = {};
  poison.self = poison;
  const result = await deliver(sink, {
    records: [record(p0, 0), record(p0, 1, poison), record(p0, 2)],
    ranges: [{ partition: p0, from: 0, to: 3 }],
  });
  expect(result.written).toBe(2);
  expect(result.rejected).toMatchObject([{ record: { raw: { offset: 1 } }, code: 'row_not_encodable' }]);
  expect(await rows()).toEqual([0, 2]);
});

describe('two owners', () => {
  it('the former one is fenced at its next write', async () => {
    const former = await claimed();
    await deliver(former.sink, batch(0, 1));
    await claimed();
    await expect(former.sink.write(former.sink.prepare(batch(1, 2)))).rejects.toThrow(Fenced);
  });

  it('the former one is fenced between its write and its commit, and its rollback leaves the new rows alone', async () => {
    const former = await claimed();
    await former.sink.write(former.sink.prepare(batch(0, 3)));
    const next = await claimed();
    await deliver(next.sink, batch(0, 2));
    await expect(former.sink.commit()).rejects.toThrow(Fenced);
    await former.sink.rollback();
    await deliver(next.sink, batch(2, 3));
    expect(await rows()).toEqual([0, 1, 2]);
  });
});

describe('a disk that fails', () => {
  /** Opens the data file with one method failing once, after half of the work where it writes. */
  const failing =
    (
      method: 'write' | 'datasync' | 'truncate',
      code: string,
      calls = { failed: false, armed: true },
    ): NonNullable<Open> =>
    async (...args) => {
      const handle = await open(...args);
      const inner = handle[method].bind(handle) as (...args: unknown[]) => Promise<unknown>;
      const broken = async (...given: unknown[]): Promise<unknown> => {
        if (calls.failed || !calls.armed) return await inner(...given);
        calls.failed = true;
        if (method === 'write') await inner(given[0], given[1], Math.ceil((given[2] as number) / 2), given[3]);
        throw Object.assign(new Error(`${code}: injected`), { code });
      };
      return new Proxy(handle, {
        get: (target, name) => {
          if (name === method) return broken;
          const value = Reflect.get(target, name) as unknown;
          return typeof value === 'function' ? (value.bind(target) as unknown) : value;
        },
      }) as FileHandle;
    };

  it.each([
    ['full while writing', 'write', 'ENOSPC'],
    ['failing at fsync', 'datasync', 'EIO'],
  ] as const)('%s asks to try again, and the rows come once', async (_, method, code) => {
    const { sink } = await claimed(failing(method, code));
    await expect(deliver(sink, batch(0, 3))).rejects.toThrow(SinkUnavailable);
    await sink.rollback();
    expect(await rows()).toEqual([]);
    await deliver(sink, batch(0, 3));
    expect(await rows()).toEqual([0, 1, 2]);
  });

  it('that could not even truncate in the rollback is cleaned by the next write', async () => {
    const calls = { failed: false, armed: false };
    const { sink } = await claimed(failing('truncate', 'EIO', calls));
    await sink.write(sink.prepare(batch(0, 9)));
    calls.armed = true;
    await sink.rollback();
    expect(calls.failed).toBe(true);
    await deliver(sink, batch(0, 2));
    expect(await rows()).toEqual([0, 1]);
  });
});

describe('a file that is not what was committed', () => {
  it('is refused when it holds data of somebody else', async () => {
    await claimed();
    const foreign = join(directory, 'mine.txt');
    await writeFile(foreign, 'precious\n');
    await expect(new FileSink('file', foreign, 'pipeline').open()).rejects.toMatchObject({ code: 'sink_file_foreign' });
    expect(await readFile(foreign, 'utf8')).toBe('precious\n');
  });

  it('is refused when another pipeline writes it', async () => {
    await claimed();
    await expect(new FileSink('file', path, 'other').open()).rejects.toMatchObject({ code: 'sink_file_foreign' });
  });

  it('is refused to the second of two sinks that began with it at the same time', async () => {
    const first = new FileSink('first', path, 'pipeline');
    const second = new FileSink('second', path, 'pipeline');
    opened.push(first, second);
    await first.open();
    await second.open();
    await first.claim([p0]);
    await expect(second.claim([p0])).rejects.toMatchObject({ code: 'sink_file_foreign' });
    await deliver(first, batch(0, 3));
    expect(await rows()).toEqual([0, 1, 2]);
  });

  it('is refused when committed rows are missing, instead of leaving a hole', async () => {
    const { sink } = await claimed();
    await deliver(sink, batch(0, 3));
    await writeFile(path, '0\n');
    await expect(new FileSink('file', path, 'pipeline').open()).rejects.toMatchObject({ code: 'sink_file_lost' });
  });

  it('loses what was added behind the committed rows', async () => {
    const { sink } = await claimed();
    await deliver(sink, batch(0, 2));
    await appendFile(path, 'torn row');
    await claimed();
    expect(await rows()).toEqual([0, 1]);
  });
});

sinkContract('file', async () => {
  const contractDirectory = await mkdtemp(join(tmpdir(), 'pipectl-file-sink-'));
  const contractPath = join(contractDirectory, 'rows.ndjson');
  return {
    newSink: async () => new FileSink('file', contractPath, 'pipeline'),
    event: (id, text) => ({ id, text }),
    poison(id) {
      const poison: Record<string, unknown> = { id };
      poison.self = poison;
      return poison;
    },
    async visible() {
      const length = (await readCommitted(contractPath))?.bytes ?? 0;
      const lines = (await readFile(contractPath)).subarray(0, length).toString().split('\n').slice(0, -1);
      return lines
        .map((line) => JSON.parse(line) as { id: number; text: string })
        .toSorted((a, b) => a.id - b.id)
        .map(({ id, text }) => `${id}:${text}`);
    },
    fences: true,
    close: async () => await rm(contractDirectory, { recursive: true }),
  };
});

it('closing in the middle of a batch cuts off what it wrote', async () => {
  const { sink } = await claimed();
  await deliver(sink, batch(0, 1));
  await sink.write(sink.prepare(batch(1, 5)));
  await sink.close();
  expect(await rows()).toEqual([0]);
});
