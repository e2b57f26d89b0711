/** The example pipelines as they are, but for the names of topics and tables, run against real services. */
import { randomBytes } from 'node:crypto';
import { cp, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { parse } from 'yaml';
import { findPipelines } from '../../src/definition/find.ts';
import { stackAddress } from '../stack/shared.ts';
import { Bench } from './pipeline.ts';

const examples = path.resolve(import.meta.dirname, '../../pipelines');
const files = findPipelines([examples]).map((file) => path.relative(examples, file));
const tag = `ex${randomBytes(4).toString('hex')}`;

const flight = JSON.stringify({
  id: 7,
  origin: 'SEA',
  destination: 'BOS',
  scheduled: '2001-01-15T08:00:00Z',
  departed: '2001-01-15T08:42:00Z',
  delay_minutes: 42,
  distance_miles: 2496,
});

let bench: Bench;
beforeAll(async () => {
  bench = await Bench.open({ brokers: stackAddress('kafka'), url: stackAddress('postgres') });
  await cp(examples, path.join(bench.directory, 'pipelines'), { recursive: true });
});
afterAll(async () => {
  await bench[Symbol.asyncDispose]();
});

/** Names that no other run has. Each file has its own tables: several write into `orders`, in forms of their own. */
const own = (text: string, number: number): string =>
  text
    .replaceAll(/\b(shops?|aviation|plant|devices)(\\?\.)(?=[\w([])/g, `${tag}n${number}$2`)
    .replaceAll(/\btable: (\w+)/g, `table: ${tag}_${number}_$1`)
    .replace(/^name: (\S+)/m, `name: $1-${tag}`);

interface Record {
  readonly topic?: string;
  readonly source?: string;
  readonly partition?: number | bigint;
  readonly key?: string;
  readonly timestamp?: string;
  readonly value: unknown;
}

interface TestFile {
  readonly cases: readonly {
    readonly events?: readonly unknown[];
    readonly records?: readonly Record[];
    readonly expect: { readonly rows: readonly unknown[] | { readonly [sink: string]: readonly unknown[] } };
  }[];
}

/** Numbers beyond what a double can hold stay what they are. */
const exact = (value: unknown): string =>
  JSON.stringify(value, (_, item: unknown) =>
    typeof item === 'bigint' ? (JSON as unknown as { rawJSON(text: string): unknown }).rawJSON(String(item)) : item,
  );

/** Sends what the first case of the tests beside a pipeline is about, and tells how many rows come of it. */
async function feed(definition: string, tests: string): Promise<number> {
  const { source, sources } = parse(definition) as {
    source?: { kafka?: { topic?: string; topics?: string } };
    sources?: { [name: string]: { kafka: { topic: string } } };
  };
  const [first] = (parse(tests, { intAsBigInt: true }) as TestFile).cases;
  const records = first!.records ?? first!.events!.map((value): Record => ({ value }));
  const topicOf = ({ topic, source: name }: Record): string =>
    topic ?? (name === undefined ? source!.kafka!.topic! : sources![name]!.kafka.topic);
  for (const [topic, sent] of Map.groupBy(records, topicOf)) {
    await bench.topic(4, topic);
    const messages = sent.map(({ partition, key, timestamp, value }) => ({
      partition: Number(partition ?? 0),
      key: key ?? null,
      value: exact(value),
      ...(timestamp === undefined ? {} : { timestamp: String(Date.parse(timestamp)) }),
    }));
    await bench.send(topic, messages);
  }
  const { rows } = first!.expect;
  if (Array.isArray(rows)) return rows.length;
  // What goes to a file is no row of a table.
  return Object.entries(rows).flatMap(([sink, ofSink]) => (sink === 'unknown' ? [] : (ofSink as unknown[]))).length;
}

test.for(files.map((file, number) => [file, number] as const))('%s runs', async ([file, number]) => {
  const at = path.join(bench.directory, 'pipelines', file);
  const definition = own(await readFile(at, 'utf8'), number);
  await writeFile(at, definition);
  const isKafka = /^ +kafka:/m.test(definition);
  const tests = own(await readFile(at.replace(/\.yaml$/, '.test.yaml'), 'utf8'), number);
  const expected = isKafka ? await feed(definition, tests) : null;
  // The flights of the quickstart, from a file of its own.
  await writeFile(path.join(bench.directory, 'flights.ndjson'), flight);
  // It is the table of another team, which pipectl does not create.
  if (file === 'telemetry-widening.yaml')
    await bench.query(`CREATE TABLE ${tag}_${number}_device_state (device_id text PRIMARY KEY)`);
  const name = /^name: (\S+)/m.exec(definition)![1]!;

  const { code, stdout, stderr } = await bench.run(['run', at, '--until-end', '--view', 'json'], {
    FLIGHTS_FILE: path.join(bench.directory, 'flights.ndjson'),
    PEPPER: 'a long random text',
    SEARCH_URL: bench.url,
  });
  expect(stderr).not.toContain('"level":"error"');
  expect(code, stderr).toBe(0);
  const tables = [...new Set([...definition.matchAll(/\btable: (\w+)/g)].map(([, table]) => table!))];
  let rows = 0;
  for (const table of tables) {
    rows += (await bench.query(`SELECT count(*)::int FROM ${table}`))[0]![0] as number;
    await bench.query(`DROP TABLE ${table}`);
  }
  if (expected !== null) expect(rows, stdout).toBe(expected);
  else if (tables.length > 0) expect(rows).toBeGreaterThan(0);
  await bench.query('DELETE FROM pipectl.positions WHERE pipeline = $1', [name]);
});
