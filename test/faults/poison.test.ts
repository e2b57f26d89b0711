/** Records that can't be written, many at once and in bad places. */
import { expect } from 'vitest';
import { sharedBench } from '../integration/bench.ts';
import { type Bench, eventually, header, statusLines } from '../integration/pipeline.ts';
import { faultTest } from './fault.ts';
import { logged } from './load.ts';

let bench: Bench;
sharedBench((opened) => (bench = opened));

const constrained = 'id bigint, n bigint CHECK (n >= 0)';

/** Two tables with a constraint, of numbers by id. */
async function numbers() {
  const topic = await bench.topic();
  const [latest, all] = [await bench.table(`${constrained}, UNIQUE (id)`), await bench.table(constrained)];
  const pipeline = await bench.pipeline({
    source: { kafka: { topic } },
    sinks: [
      { postgres: { connection: 'serving', table: latest, key: ['id'] }, name: 'latest' },
      { postgres: { connection: 'serving', table: all, mode: 'append' }, name: 'all' },
    ],
  });
  const send = (rows: readonly (readonly [id: number, n: number])[]): Promise<void> =>
    bench.send(
      topic,
      rows.map(([id, n]) => ({ partition: 0, key: String(id), value: JSON.stringify({ id, n }) })),
    );
  /** Offsets of the dead letters of a sink, each once. */
  const refused = async (sink: string): Promise<number[]> => {
    const letters = (await bench.read(pipeline.dlq)).filter((one) => header(one, 'pipectl-stage') === `sink:${sink}`);
    return [...new Set(letters.map((one) => Number(header(one, 'pipectl-source-offset'))))].toSorted((a, b) => a - b);
  };
  return { ...pipeline, latest, all, send, refused };
}

const columns = ['id', 'n'];
type Row = readonly [id: number, n: number];
const bad = ([, n]: Row): boolean => n < 0;
const offsetsOf = (rows: readonly Row[], is: (row: Row) => boolean): number[] =>
  rows.flatMap((row, offset) => (is(row) ? [offset] : []));

faultTest('5,000 refused rows at once open the breaker; `pipectl resume`', 180_000, async (fault) => {
  const { path: file, name, latest, all, send, refused } = await numbers();
  const rows = Array.from({ length: 13_000 }, (_, i): Row => [i, i >= 3000 && i < 8000 ? -1 : i]);
  await send(rows.slice(0, 3000));
  await using child = bench.start(['run', file, '--view', 'json']);
  await bench.written(name, 3000, [child], { sink: 'all' });
  await send(rows.slice(3000));
  await eventually('the breaker opens', () => logged(child, 'breaker_open') > 0 || undefined, {
    running: [child],
    withinMs: 60_000,
  });
  fault.fired();
  const held = [await bench.progress(name, 'all'), await bench.progress(name, 'latest')];
  // Some may have gone through before the share was too large, never most of them.
  expect((await refused('all')).length).toBeLessThan(2500);
  fault.holds('most of the bad rows are held back');
  const sinceMs = performance.now();
  expect((await bench.run(['resume', file])).code).toBe(0);
  await fault.recovers(async () => (await bench.progress(name, 'all')) > held[0]!, [child], sinceMs);
  for (const sink of ['latest', 'all']) await bench.written(name, rows.length, [child], { sink });
  expect(await child.drain()).toEqual({ code: 0, signal: null });
  const good = rows.filter((row) => !bad(row));
  await bench.expectRows(latest, columns, good);
  await bench.expectRows(all, columns, good);
  fault.holds('upsert table = fold of the input', 'append table has every row once');
  for (const sink of ['latest', 'all']) expect(await refused(sink)).toEqual(offsetsOf(rows, bad));
  fault.holds('dead letters complete');
  expect(statusLines(child.stdout).at(-1)!.account).toMatchObject({ pending: 0, difference: 0 });
  fault.holds('account adds up');
});

faultTest(
  'a key a thousand times in one batch with a bad version: last, in the middle, first',
  120_000,
  async (fault) => {
    for (const place of [999, 500, 0]) {
      const { path: file, latest, all, send, refused } = await numbers();
      const rows = Array.from({ length: 1000 }, (_, i): Row => [7, i === place ? -1 : i]);
      await send(rows);
      const { code, stdout } = await bench.run(['run', file, '--until-end', '--view', 'json']);
      expect(code).toBe(0);
      const good = rows.filter((row) => !bad(row));
      await bench.expectRows(latest, columns, [good.at(-1)!]);
      await bench.expectRows(all, columns, good);
      expect(await refused('all')).toEqual([place]);
      // Where a later version of the batch replaces it, it never comes to the database.
      expect(await refused('latest')).toEqual(place === 999 ? [place] : []);
      expect(statusLines(stdout).at(-1)!.account).toMatchObject({ pending: 0, difference: 0 });
      fault.fired();
    }
    fault.holds(
      'upsert table = fold of the input',
      'append table has every row once',
      'dead letters complete',
      'account adds up',
    );
  },
);

faultTest('a constraint is broken in the middle of 5,000 rows', 120_000, async (fault) => {
  const { path: file, latest, all, send, refused } = await numbers();
  const rows = Array.from({ length: 5000 }, (_, i): Row => [i, i === 2500 || i === 2501 ? -1 : i]);
  await send(rows);
  const { code, stdout } = await bench.run(['run', file, '--until-end', '--view', 'json']);
  expect(code).toBe(0);
  const good = rows.filter((row) => !bad(row));
  await bench.expectRows(latest, columns, good);
  await bench.expectRows(all, columns, good);
  for (const sink of ['latest', 'all']) expect(await refused(sink)).toEqual([2500, 2501]);
  fault.fired((await refused('all')).length);
  expect(statusLines(stdout).at(-1)!.account).toMatchObject({ pending: 0, difference: 0 });
  fault.holds(
    'upsert table = fold of the input',
    'append table has every row once',
    'dead letters complete',
    'account adds up',
  );
});
