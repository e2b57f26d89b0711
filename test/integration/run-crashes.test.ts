import { setTimeout as delay } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { sharedBench } from './bench.ts';
import { appended, order, orderColumns, orderMessage, orderSteps, orderTable, upserted } from './orders.ts';
import { type Bench, type Message, eventually, header, sum } from './pipeline.ts';

let bench: Bench;
sharedBench((opened) => (bench = opened));

const partitions = 4;
const ids = 500;
const isUnreadable = (n: number): boolean => n % 701 === 5;
/** Refused by the constraint of the append table alone. */
const isRefused = (n: number): boolean => n % 1499 === 7 && n % 3 !== 0 && !isUnreadable(n);

test(
  'killed -9 ten times while producing goes on: nothing is lost, nothing doubled, no dead letter missing',
  { timeout: 120_000 },
  async () => {
    const topic = await bench.topic(partitions);
    const latest = bench.tableName();
    const all = await bench.table(`${orderTable.append}, CONSTRAINT no_sevens CHECK (n % 1499 <> 7)`);
    const columns = { id: 'bigint', n: 'bigint', total: 'bigint' };
    const { path, name, dlq } = await bench.pipeline({
      source: { kafka: { topic, session_timeout: '1500ms' } },
      steps: orderSteps,
      sinks: [
        { postgres: { connection: 'serving', table: latest, key: ['id'], create: true, columns }, name: 'latest' },
        { postgres: { connection: 'serving', table: all, mode: 'append' }, name: 'all' },
      ],
    });
    let sent = 0;
    const messageOf = (n: number): Message => {
      const message = orderMessage(order(n, ids), partitions);
      return isUnreadable(n) ? { ...message, value: `${message.value as string}}` } : message;
    };
    const produce = async (count: number): Promise<void> => {
      await bench.send(
        topic,
        Array.from({ length: count }, (_, i) => messageOf(sent + i)),
      );
      sent += count;
    };
    const behind = async (): Promise<number> =>
      Math.min(await bench.progress(name, 'latest'), await bench.progress(name, 'all'));

    const stopProducing = new AbortController();
    const burst = { wanted: 0 };
    const producing = (async () => {
      while (!stopProducing.signal.aborted) {
        const count = burst.wanted > 0 ? burst.wanted : 40;
        burst.wanted = 0;
        await produce(count);
        await delay(10);
      }
    })();

    for (let round = 1; round <= 10; round++) {
      burst.wanted = 30_000;
      await using child = bench.start(['run', path, '--view', 'none']);
      await eventually('the burst is sent', () => burst.wanted === 0);
      const before = await behind();
      // A random moment: somewhere in the backlog, and then a little later, in whatever the process does just then.
      const progress = before + 1 + Math.floor(Math.random() * 20_000);
      await eventually(`round ${round} makes progress`, async () => (await behind()) >= progress, { running: [child] });
      await delay(Math.random() * 60);
      child.kill('SIGKILL');
      expect(await child.ended).toEqual({ code: null, signal: 'SIGKILL' });
      const left = sent - (await behind());
      expect(left, `round ${round}: it was killed before it had finished`).toBeGreaterThan(0);
    }
    stopProducing.abort();
    await producing;

    await using last = bench.start(['run', path, '--view', 'none']);
    await bench.written(name, sent, [last], { sink: 'latest' });
    await bench.written(name, sent, [last], { sink: 'all' });
    expect(await last.drain()).toEqual({ code: 0, signal: null });

    const numbers = Array.from({ length: sent }, (_, n) => n);
    const readable = numbers.filter((n) => !isUnreadable(n)).map((n) => order(n, ids));
    await bench.expectRows(latest, orderColumns, upserted(readable));
    await bench.expectRows(all, orderColumns, appended(readable.filter(({ n }) => !isRefused(n))));
    expect(sum(await bench.ends(topic))).toBe(sent);

    // At least once each; a repeat of one carries the same id.
    const idsByPlace = new Map<string, Set<string | null>>();
    for (const letter of await bench.read(dlq)) {
      const stage = header(letter, 'pipectl-stage');
      const { n } = JSON.parse(Buffer.from(letter.value!).toString().replace('}}', '}')) as { n: number };
      const place = `${stage} ${n}`;
      idsByPlace.set(place, (idsByPlace.get(place) ?? new Set()).add(header(letter, 'pipectl-dlq-id')));
    }
    const expectedPlaces = numbers.flatMap((n) =>
      isUnreadable(n) ? [`decode ${n}`] : isRefused(n) ? [`sink:all ${n}`] : [],
    );
    expect([...idsByPlace.keys()].toSorted()).toEqual(expectedPlaces.toSorted());
    expect([...idsByPlace.values()].filter((found) => found.size !== 1)).toEqual([]);
    expect(new Set([...idsByPlace.values()].flatMap((found) => [...found])).size).toBe(expectedPlaces.length);
  },
);
