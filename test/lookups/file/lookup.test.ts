import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { RuntimeContext } from '../../../src/declaration/component.ts';
import type { Lookup } from '../../../src/engine/ports.ts';
import { Decimal } from '../../../src/expressions/index.ts';
import { lookupKey } from '../../../src/declaration/lookup-key.ts';
import { fileLookup } from '../../../src/lookups/file/index.ts';

let directory: string;
let logged: string[];
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'pipectl-lookup-'));
  logged = [];
});
afterEach(async () => {
  await rm(directory, { recursive: true });
});

/** Sleeps until the test says that the time has passed. */
class HeldClock {
  #wake: () => void = () => undefined;
  #asleep = Promise.withResolvers<void>();
  now = () => 0;
  sleep = (_: number, signal?: AbortSignal) =>
    new Promise<void>((resolve) => {
      this.#wake = resolve;
      signal?.addEventListener('abort', () => resolve(), { once: true });
      this.#asleep.resolve();
    });

  /** Ends the sleep, and resolves when the next one has begun. */
  async pass(): Promise<void> {
    await this.#asleep.promise;
    this.#asleep = Promise.withResolvers();
    this.#wake();
    await this.#asleep.promise;
  }
}

type Options = Parameters<typeof fileLookup.create>[0];

async function opened(options: Partial<Options>, clock = new HeldClock()): Promise<Lookup> {
  const tell = (code: string, message: string) => void logged.push(`${code}: ${message}`);
  const log = { info: tell, warn: tell, error: tell };
  const context = { name: 'customers', directory, clock, log } as unknown as RuntimeContext;
  const lookup = await fileLookup.create({ key: 'id', limit: '64MiB', path: 'c.csv', ...options }, context);
  await lookup.open();
  return lookup;
}

const write = (name: string, text: string) => writeFile(join(directory, name), text);

describe('a file lookup', () => {
  it.for([
    ['c.csv', '\ufeffid,name\n1,Ana\r\n\n2,"Berg, ""B"""\n'],
    ['c.tsv', 'name\tid\nAna\t1\n"Berg, ""B"""\t2'],
    ['c.json', '[{"id": 1, "name": "Ana"}, {"id": 2, "name": "Berg, \\"B\\""}]'],
    ['c.ndjson', '{"id": "1", "name": "Ana"}\n{"id": 2, "name": "Berg, \\"B\\""}\n'],
  ] as const)('reads %s by its ending', async ([path, text]) => {
    await write(path, text);
    const lookup = await opened({ path });
    expect(lookup.get('1')).toMatchObject({ name: 'Ana' });
    expect(lookup.get('2')).toMatchObject({ name: 'Berg, "B"' });
    expect(lookup.get('3')).toBeUndefined();
    await lookup.close();
  });

  it.for([
    ['a row without the key', 'c.csv', 'no,name\n1,Ana\n', 'c.csv:2  the row has no id'],
    ['a key that is none', 'c.ndjson', '{"id":1}\n{"id":null}\n', "c.ndjson:2  id can't be a key"],
    [
      'a row of another length',
      'c.csv',
      'id,name\n1,"A\nna"\n2\n',
      'c.csv:4  the row has 1 fields, 2 columns are named',
    ],
    ['what is no JSON', 'c.ndjson', '{"id":1}\n{"id":\n', 'c.ndjson:2  '],
    ['a JSON file that is no list', 'c.json', '{"id": 1}', 'c.json:1  a row must be an object'],
  ] as const)('refuses %s, at its line', async ([, path, text, message]) => {
    await write(path, text);
    await expect(opened({ path })).rejects.toMatchObject({
      code: 'lookup_invalid',
      message: expect.stringContaining(message) as string,
    });
  });

  it('refuses a file that is not there, and one larger than its limit', async () => {
    await expect(opened({})).rejects.toMatchObject({ code: 'lookup_unreadable' });
    await write('c.csv', 'id\n1\n2\n3\n');
    await expect(opened({ limit: '8B' })).rejects.toThrow('lookup customers: c.csv is 9 bytes large, 8 are allowed');
  });

  it('takes the last row of a key that stands twice, and says so', async () => {
    await write('c.csv', 'id,name\n1,Ana\n2,Berg\n1,Eva\n');
    const lookup = await opened({});
    expect(lookup.get('1')).toEqual({ id: '1', name: 'Eva' });
    expect(logged).toEqual([
      'lookup_key_twice: lookup customers: 1 keys stand more than once, the last row counts; the first is in c.csv:2',
    ]);
    await lookup.close();
  });

  it('with refresh reads a file that has changed, and keeps the former rows while it can not', async () => {
    const clock = new HeldClock();
    await write('c.csv', 'id,name\n1,Ana\n');
    const lookup = await opened({ refresh: '1s' }, clock);
    await clock.pass();
    expect(logged).toEqual([]);

    await write('next.csv', 'id,name\n1,Ana,too much\n');
    await rename(join(directory, 'next.csv'), join(directory, 'c.csv'));
    await clock.pass();
    expect(lookup.get('1')).toMatchObject({ name: 'Ana' });
    expect(logged.splice(0)).toEqual([
      'lookup_stale: lookup customers stays as it was: c.csv:2  the row has 3 fields, 2 columns are named',
    ]);

    await write('next.csv', 'id,name\n1,Anna\n2,Berg\n');
    await rename(join(directory, 'next.csv'), join(directory, 'c.csv'));
    await clock.pass();
    expect(lookup.get('1')).toMatchObject({ name: 'Anna' });
    expect(logged).toEqual(['lookup_loaded: lookup customers has changed: 2 rows']);
    await lookup.close();
  });
});

it('a key is the text of a text or number, and of nothing else', () => {
  expect(['17', 17, 17n, new Decimal('1.50'), 9007199254740993n].map(lookupKey)).toEqual([
    '17',
    '17',
    '17',
    '1.5',
    '9007199254740993',
  ]);
  expect([null, undefined, true, [1], { id: 1 }].map(lookupKey)).toEqual([null, null, null, null, null]);
});
