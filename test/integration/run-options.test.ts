import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { uniqueName } from '../stack/shared.ts';
import { sharedBench } from './bench.ts';
import { appended, orderColumns, orderMessage, orders, orderSteps, orderTable, upserted } from './orders.ts';
import { type Bench, type Status, statusLines, eventually } from './pipeline.ts';

let bench: Bench;
sharedBench((opened) => (bench = opened));

describe('run', () => {
  async function orderPipeline(count: number, mode: 'upsert' | 'append' = 'upsert', partitions = 2) {
    const topic = await bench.topic(partitions);
    const table = await bench.table(orderTable[mode]);
    const postgres = { connection: 'serving', table, ...(mode === 'append' ? { mode } : { key: ['id'] }) };
    const file = await bench.pipeline({ source: { kafka: { topic } }, steps: orderSteps, sinks: [{ postgres }] });
    const input = orders(0, count);
    await bench.send(
      topic,
      input.map((one) => orderMessage(one, partitions)),
    );
    return { ...file, topic, table, input };
  }

  test('--until-end writes what is there, commits it and ends; the next run goes on behind it', async () => {
    const { path: file, name, topic, table, input } = await orderPipeline(3000, 'append');
    expect((await bench.run(['run', file, '--until-end'])).code).toBe(0);
    await bench.expectRows(table, orderColumns, appended(input));
    expect(await bench.committed(name, topic)).toEqual(await bench.ends(topic));

    const more = orders(3000, 5000);
    await bench.send(
      topic,
      more.map((one) => orderMessage(one, 2)),
    );
    const { code, stdout } = await bench.run(['run', file, '--until-end', '--view', 'json']);
    expect(code).toBe(0);
    await bench.expectRows(table, orderColumns, appended([...input, ...more]));
    expect(statusLines(stdout).at(-1)!.account).toMatchObject({ read: 2000, difference: 0 });
  });

  test('the account of --view json is the account of the tables', async () => {
    const { path: file, table, input } = await orderPipeline(4000);
    const { stdout } = await bench.run(['run', file, '--until-end', '--view', 'json']);
    const rows = upserted(input);
    await bench.expectRows(table, orderColumns, rows);
    const { account, sinks, stages } = statusLines(stdout).at(-1)!;
    const passed = appended(input).length;
    expect(account).toMatchObject({ read: 4000, filtered: 4000 - passed, dead: 0, pending: 0, difference: 0 });
    expect(stages.find(({ name }) => name === 'filter-1')).toMatchObject({
      in: 4000,
      out: passed,
      filtered: 4000 - passed,
    });
    const [{ offered, written, superseded }] = sinks as [Status['sinks'][number]];
    expect(offered).toBe(passed);
    expect(written + superseded).toBe(passed);
    expect(written).toBeGreaterThanOrEqual(rows.length);
  });

  test('--dry-run prints the rows and writes nothing: no table, no topic, no group, no position', async () => {
    const topic = await bench.topic(2);
    const table = bench.tableName();
    const {
      path: file,
      name,
      dlq,
    } = await bench.pipeline({
      source: { kafka: { topic } },
      steps: orderSteps,
      sinks: [{ postgres: { connection: 'serving', table, key: ['id'], create: true } }],
    });
    const input = orders(0, 300);
    await bench.send(topic, [
      ...input.map((one) => orderMessage(one, 2)),
      { partition: 0, key: null, value: 'broken' },
    ]);
    const { code, stdout } = await bench.run(['run', file, '--dry-run', '--until-end']);
    expect(code).toBe(0);
    const lines = stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as { row?: Record<string, number>; dead_letter?: object });
    const rows = lines.flatMap(({ row }) => (row ? [[row.id, row.n, row.total]] : []));
    expect(rows.toSorted()).toEqual(appended(input).toSorted());
    expect(lines.filter(({ dead_letter: letter }) => letter)).toMatchObject([
      { dead_letter: { topic, partition: 0, stage: 'decode' } },
    ]);

    expect(await bench.query('SELECT to_regclass($1)', [table])).toEqual([[null]]);
    expect(await bench.positions(name)).toEqual([]);
    expect(await bench.kafka.listTopics()).not.toContain(dlq);
    expect((await bench.kafka.listGroups()).groups.map(({ groupId }) => groupId)).not.toContain(name);
  });

  test('start: latest leaves out what was there, and nothing that came while it was away', async () => {
    const topic = await bench.topic();
    const table = await bench.table(orderTable.append);
    const { path: file, name } = await bench.pipeline({
      source: { kafka: { topic, start: 'latest', session_timeout: '2s' } },
      steps: orderSteps,
      sinks: [{ postgres: { connection: 'serving', table, mode: 'append' } }],
    });
    await bench.send(
      topic,
      orders(0, 100).map((one) => orderMessage(one, 1)),
    );
    await using child = bench.start(['run', file]);
    await eventually('the group begins at the end', async () => (await bench.committed(name, topic))[0] === 100, {
      running: [child],
    });
    child.kill('SIGKILL');
    await child.ended;
    const input = orders(100, 300);
    await bench.send(
      topic,
      input.map((one) => orderMessage(one, 1)),
    );
    expect((await bench.run(['run', file, '--until-end'])).code).toBe(0);
    await bench.expectRows(table, orderColumns, appended(input));
  });

  test('--set changes a value of the file for this run', async () => {
    const { path: file, table, input } = await orderPipeline(500);
    const other = await bench.table(orderTable.upsert);
    expect((await bench.run(['run', file, '--until-end', '--set', `sinks[0].postgres.table=${other}`])).code).toBe(0);
    await bench.expectRows(other, orderColumns, upserted(input));
    await bench.expectRows(table, orderColumns, []);
  });

  test('--max-dead-letters ends with 4 when there are more, with 0 when there are just as many', async () => {
    const { path: file, topic } = await orderPipeline(100);
    await bench.send(
      topic,
      Array.from({ length: 5 }, () => ({ partition: 0, key: null, value: '{' })),
    );
    const refused = await bench.run(['run', file, '--until-end', '--max-dead-letters', '4']);
    expect(refused.code).toBe(4);
    expect(refused.stderr).toMatch(/^pipectl: stopped after 5 dead letters/m);
    await bench.send(
      topic,
      Array.from({ length: 4 }, () => ({ partition: 0, key: null, value: '{' })),
    );
    expect((await bench.run(['run', file, '--until-end', '--max-dead-letters', '4'])).code).toBe(0);
  });
});

describe('what a pipeline reads and where it writes', () => {
  test('topics by a list and by a regular expression', async () => {
    const prefix = uniqueName('shop');
    const topics = await Promise.all(['eu', 'us', 'asia'].map((region) => bench.topic(2, `${prefix}.${region}`)));
    const inputs = topics.map((_, i) => orders(i * 1000, (i + 1) * 1000, 100));
    await Promise.all(
      topics.map((topic, i) =>
        bench.send(
          topic,
          inputs[i]!.map((one) => orderMessage(one, 2)),
        ),
      ),
    );
    for (const [selection, expected] of [
      [
        [topics[0], topics[2]],
        [inputs[0], inputs[2]],
      ],
      [`/^${prefix}\\.(us|asia)$/`, [inputs[1], inputs[2]]],
    ] as const) {
      const table = await bench.table(orderTable.append);
      const { path: file } = await bench.pipeline({
        source: { kafka: { topics: selection } },
        steps: orderSteps,
        sinks: [{ postgres: { connection: 'serving', table, mode: 'append' } }],
      });
      expect((await bench.run(['run', file, '--until-end'])).code).toBe(0);
      await bench.expectRows(table, orderColumns, appended(expected.flatMap((one) => one!)));
    }
  });

  test('a file into a table, broken lines into the file of dead letters; a second run adds nothing', async () => {
    const input = orders(0, 2000);
    const lines = input.map((one) => JSON.stringify(one));
    lines.splice(1000, 0, '{"id":');
    await writeFile(path.join(bench.directory, 'orders.ndjson'), `${lines.join('\n')}\n`);
    const table = await bench.table(orderTable.append);
    const dlq = uniqueName('dlq');
    const { path: file } = await bench.pipeline({
      source: { file: { path: 'orders.ndjson' } },
      steps: orderSteps,
      sinks: [{ postgres: { connection: 'serving', table, mode: 'append' } }],
      dlq: { file: dlq },
    });
    for (let round = 0; round < 2; round++) {
      expect((await bench.run(['run', file, '--until-end'])).code).toBe(0);
      await bench.expectRows(table, orderColumns, appended(input));
    }
    const letters = (await readFile(path.join(bench.directory, dlq), 'utf8')).trimEnd().split('\n');
    expect(letters).toHaveLength(1);
  });

  test('explode makes a row of each element, with its place and the fields around it', async () => {
    const topic = await bench.topic();
    const table = await bench.table('basket bigint, line int, sku text, PRIMARY KEY (basket, line)');
    const { path: file } = await bench.pipeline({
      source: { kafka: { topic } },
      steps: [
        { explode: 'event.lines' },
        { map: { basket: 'event.basket', line: 'event.index', sku: 'event.item.sku' } },
      ],
      sinks: [{ postgres: { connection: 'serving', table, key: ['basket', 'line'] } }],
    });
    const baskets = Array.from({ length: 200 }, (_, basket) => ({
      basket,
      lines: Array.from({ length: basket % 4 }, (_line, i) => ({ sku: `sku ${basket}-${i}` })),
    }));
    await bench.send(
      topic,
      baskets.map((one) => ({ partition: 0, key: String(one.basket), value: JSON.stringify(one) })),
    );
    const { code, stdout } = await bench.run(['run', file, '--until-end', '--view', 'json']);
    expect(code).toBe(0);
    await bench.expectRows(
      table,
      ['basket', 'line', 'sku'],
      baskets.flatMap(({ basket, lines }) => lines.map(({ sku }, i) => [basket, i, sku])),
    );
    expect(statusLines(stdout).at(-1)!.account.difference).toBe(0);
  });

  test('when and otherwise part the rows between a table and a file', async () => {
    const topic = await bench.topic(2);
    const table = await bench.table('id bigint, n bigint');
    const { path: file } = await bench.pipeline({
      source: { kafka: { topic } },
      steps: [{ map: { id: 'event.id', n: 'event.n' } }],
      sinks: [
        { postgres: { connection: 'serving', table, mode: 'append' }, when: 'event.id < 100' },
        { file: { path: 'rest.ndjson' }, when: 'otherwise' },
      ],
    });
    const input = orders(0, 2000);
    await bench.send(
      topic,
      input.map((one) => orderMessage(one, 2)),
    );
    for (let round = 0; round < 2; round++) {
      const { code, stdout } = await bench.run(['run', file, '--until-end', '--view', 'json']);
      expect(code).toBe(0);
      expect(statusLines(stdout).at(-1)!.account.difference).toBe(0);
      await bench.expectRows(
        table,
        ['id', 'n'],
        input.filter(({ id }) => id < 100).map(({ id, n }) => [id, n]),
      );
      const rest = (await readFile(path.join(bench.directory, 'rest.ndjson'), 'utf8')).trimEnd().split('\n');
      expect(rest.toSorted()).toEqual(
        input
          .filter(({ id }) => id >= 100)
          .map(({ id, n }) => JSON.stringify({ id, n }))
          .toSorted(),
      );
    }
  });
});
