/** The state of the dead letters as the running pipeline tells it: the status, the metrics and `dlq stats` agree. */
import path from 'node:path';
import { expect, test } from 'vitest';
import { type Family, parsePrometheus, valueOf } from '../runtime/prometheus-text.ts';
import { sharedBench } from './bench.ts';
import { type Bench, eventually, type Message, type Pipectl, type PipelineFile } from './pipeline.ts';

let bench: Bench;
sharedBench((opened) => (bench = opened));

const message = (id: number, n: number, partition = 0): Message => ({
  partition,
  key: String(id),
  value: JSON.stringify({ id, n }),
});
const poison = (key: string): Message => ({ partition: 0, key, value: '{' });

const scrape = async (child: Pipectl): Promise<ReadonlyMap<string, Family>> => {
  const said = child.log.find(({ code }) => code === 'metrics')?.message ?? '';
  const address = /http:\/\/\S+\/metrics/.exec(said)?.[0];
  return parsePrometheus(await (await fetch(address ?? 'http://not.yet')).text());
};

interface Stats {
  readonly total: number;
  readonly open: number;
  readonly quarantined: number;
  readonly uncounted: number;
  readonly causes: readonly { readonly fingerprint: string; readonly open: number; readonly quarantined: number }[];
}
const stats = async ({ path: file }: PipelineFile): Promise<Stats> =>
  JSON.parse((await bench.run(['dlq', 'stats', file, '--json'])).stdout) as Stats;

interface Told {
  readonly total: number;
  readonly byCode: readonly { readonly stage: string; readonly code: string; readonly count: number }[];
  readonly letters: Readonly<Record<'open' | 'replayed' | 'resolved' | 'quarantined' | 'uncounted', number>> | null;
  readonly causes: readonly {
    readonly fingerprint: string;
    readonly count: number;
    readonly letters: Stats['causes'][number] | null;
  }[];
}
const told = async ({ name }: PipelineFile, child: Pipectl): Promise<Told> => {
  const { stdout } = await bench.run(['status', name, '--json', '--pid', String(child.pid)]);
  return (JSON.parse(stdout) as { readonly deadLetters: Told }).deadLetters;
};

test('made, replayed, dead again, resolved: `dlq stats`, the status and the metrics tell the same', async () => {
  const topic = await bench.topic(2);
  const table = await bench.table('id bigint PRIMARY KEY, n bigint, _pipectl_version bigint[], CHECK (n >= 0)');
  const file = await bench.pipeline({
    source: { kafka: { topic } },
    sinks: [{ postgres: { connection: 'serving', table, mode: 'upsert', key: ['id'] } }],
    dlq: { breaker: 'off' },
  });
  // Letters of a former run are letters of the queue too.
  await bench.send(topic, [message(1, -1), message(2, -2), poison('x')]);
  expect(await bench.run(['run', file.path, '--until-end', '--view', 'none'])).toMatchObject({ code: 0 });

  const members = [0, 1].map(() => bench.start(['run', file.path, '--view', 'json', '--metrics', '0']));
  const agrees = async (expected: Readonly<Record<string, number>>): Promise<void> => {
    for (const member of members)
      await eventually(
        'the status tells them',
        async () => {
          const { letters } = await told(file, member);
          expect(letters).toMatchObject({ ...expected, uncounted: 0 });
          return true;
        },
        { running: members },
      );
    const counted = await stats(file);
    const { open = 0, replayed = 0, resolved = 0, quarantined = 0 } = expected;
    expect(counted).toMatchObject({ open, quarantined, total: open + replayed + resolved + quarantined });
    await eventually(
      'one member tells the metric',
      async () => {
        const scraped = await Promise.all(members.map(scrape));
        const tellers = scraped.filter((families) => families.has('pipectl_dlq_open_records'));
        expect(tellers).toHaveLength(1);
        expect(valueOf(tellers[0]!, 'pipectl_dlq_open_records')).toBe(open);
        for (const [status, count] of Object.entries(expected))
          expect(valueOf(tellers[0]!, 'pipectl_dlq_letters', { status })).toBe(count);
        return true;
      },
      { running: members },
    );
  };
  const none = { open: 0, replayed: 0, resolved: 0, quarantined: 0 };
  await agrees({ ...none, open: 3 });

  await bench.send(topic, [message(3, -3), message(4, -4, 1), message(5, 5, 1), poison('y')]);
  await bench.written(file.name, 7, members);
  await agrees({ ...none, open: 6 });

  await bench.query(`ALTER TABLE ${table} DROP CONSTRAINT ${table}_n_check`);
  expect(await bench.run(['dlq', 'replay', file.path, '--stage', 'sink'])).toMatchObject({ code: 0 });
  await agrees({ ...none, open: 2, replayed: 4 });

  // What a replay makes is counted with its cause: by the member that took it up.
  const made = async (): Promise<number> => {
    const each = await Promise.all(members.map((member) => told(file, member)));
    return each.reduce((sum, { total }) => sum + total, 0);
  };
  expect(await made()).toBe(3);
  expect(await bench.run(['dlq', 'replay', file.path, '--key', 'y'])).toMatchObject({ code: 1 });
  await agrees({ ...none, open: 2, replayed: 4 });
  expect(await made()).toBe(4);
  expect(await bench.run(['dlq', 'replay', file.path, '--key', 'y'])).toMatchObject({ code: 1 });
  await agrees({ ...none, open: 1, replayed: 4, quarantined: 1 });
  expect(await made()).toBe(5);
  const scraped = await Promise.all(members.map(scrape));
  const written = scraped.flatMap((families) => families.get('pipectl_dlq_records_total')?.samples ?? []);
  const syntax = written.filter(({ labels }) => labels['error_code'] === 'json_syntax');
  expect(syntax.reduce((sum, { value }) => sum + value, 0)).toBe(3);
  const { causes } = await stats(file);
  const decode = causes.find(({ quarantined }) => quarantined === 1);
  const shown = (await Promise.all(members.map((member) => told(file, member)))).flatMap((one) => one.causes);
  const same = shown.filter(({ fingerprint }) => fingerprint === decode!.fingerprint);
  expect(same.reduce((sum, { count }) => sum + count, 0)).toBe(3);
  for (const { letters } of same) expect(letters).toMatchObject({ open: decode!.open, quarantined: 1 });

  expect(await bench.run(['dlq', 'resolve', file.path, '--key', 'x', '--note', 'n'])).toMatchObject({ code: 0 });
  await agrees({ ...none, replayed: 4, resolved: 1, quarantined: 1 });
  // Of the topic the first letters are all closed now: they go, and are counted no more.
  expect(await bench.run(['dlq', 'purge', file.path, '--resolved', '--before', '0s', '--yes'])).toMatchObject({
    code: 0,
    stdout: expect.stringMatching(/\b[1-5] removed/),
  });
  const left = await stats(file);
  expect(left.total).toBeLessThan(6);
  await eventually('the purged ones are counted no more', async () => {
    const { letters } = await told(file, members[0]!);
    return letters!.replayed + letters!.resolved === left.total - 1 && letters!.quarantined === 1;
  });
  for (const member of members) expect(await member.drain()).toMatchObject({ code: 0 });
}, 120_000);

test('letters in a file are counted too, and each process tells those of its own', async () => {
  const topic = await bench.topic();
  const queue = path.join(bench.directory, `${topic}.dlq.ndjson`);
  const file = await bench.pipeline({
    source: { kafka: { topic } },
    sinks: [{ discard: {} }],
    dlq: { file: queue, breaker: 'off' },
  });
  const running = bench.start(['run', file.path, '--view', 'none', '--metrics', '0']);
  await bench.send(topic, [poison('x'), poison('y')]);
  const openAndResolved = (open: number, resolved: number) =>
    eventually(
      `${open} are open`,
      async () => {
        expect(await told(file, running)).toMatchObject({ letters: { open, resolved } });
        expect(valueOf(await scrape(running), 'pipectl_dlq_open_records')).toBe(open);
        return true;
      },
      { running: [running] },
    );
  await openAndResolved(2, 0);
  expect(await bench.run(['dlq', 'resolve', file.path, '--key', 'x', '--note', 'n'])).toMatchObject({ code: 0 });
  await openAndResolved(1, 1);
  expect(await stats(file)).toMatchObject({ open: 1, total: 2 });
  expect(await running.drain()).toMatchObject({ code: 0 });
});
