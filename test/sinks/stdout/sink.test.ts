import { Writable } from 'node:stream';
import { expect, it } from 'vitest';
import type { EventRecord, SinkBatch } from '../../../src/engine/ports.ts';
import { StdoutSink } from '../../../src/sinks/stdout/sink.ts';

const batchOf = (...events: unknown[]): SinkBatch => ({
  records: events.map((event) => ({ event }) as EventRecord),
  ranges: [],
});

it('prints one line a row and waits until the stream has taken them', async () => {
  const taken: string[] = [];
  let release = (): void => {};
  const stream = new Writable({
    write(chunk: Buffer, _encoding, done) {
      taken.push(chunk.toString());
      release = done;
    },
  });
  const sink = new StdoutSink('stdout', stream);
  await sink.open();
  const writing = sink.write(sink.prepare(batchOf({ id: 1 }, { id: 12345678901234567890n })));
  await expect(Promise.race([writing, Promise.resolve('waiting')])).resolves.toBe('waiting');
  release();
  await expect(writing).resolves.toMatchObject({ written: 2, rejected: [] });
  expect(taken).toEqual(['{"id":1}\n{"id":12345678901234567890}\n']);
});

it('a reader that went away ends the run with exit code 0, a broken output with 1', async () => {
  const failing = (code: string) =>
    new Writable({ write: (_chunk, _encoding, done) => done(Object.assign(new Error(code), { code })) });
  const write = async (code: string) => {
    const sink = new StdoutSink('stdout', failing(code));
    await sink.open();
    await sink.write(sink.prepare(batchOf(1)));
  };
  await expect(write('EPIPE')).rejects.toMatchObject({ code: 'output_closed', exitCode: 0 });
  await expect(write('EIO')).rejects.toMatchObject({ code: 'output_failed', exitCode: 1 });
});

it('sinks of many pipelines on one stream add no listener each', async () => {
  const stream = new Writable({ write: (_chunk, _encoding, done) => done() });
  for (let i = 0; i < 20; i++) await new StdoutSink('stdout', stream).open();
  expect(stream.listenerCount('error')).toBe(1);
});
