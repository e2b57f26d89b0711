/**
 * What every sink that keeps positions must let an operator do with them. A sink's own test calls `sinkPositionsContract`
 * with a harness that makes the sink and its positions on one fresh destination.
 */
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { SinkPositions } from '../../src/declaration/positions.ts';
import { Fenced, type Sink } from '../../src/engine/ports.ts';
import { batchOf, deliver, partitionOf } from './sink.ts';

export interface SinkPositionsHarness {
  /** One more sink of the same pipeline on the same destination; not open. */
  newSink(): Promise<Sink>;
  positions(): Promise<SinkPositions>;
  event(id: number, text: string): unknown;
  close(): Promise<void>;
}

export function sinkPositionsContract(newHarness: () => Promise<SinkPositionsHarness>): void {
  let harness: SinkPositionsHarness;
  let positions: SinkPositions;
  const sinks: Sink[] = [];
  const first = partitionOf(0);
  const second = partitionOf(1);
  beforeEach(async () => {
    harness = await newHarness();
    positions = await harness.positions();
  });
  afterEach(async () => {
    await Promise.all(sinks.splice(0).map((sink) => sink.close()));
    await positions.close();
    await harness.close();
  });

  const openSink = async (): Promise<Sink> => {
    const sink = await harness.newSink();
    sinks.push(sink);
    await sink.open();
    return sink;
  };
  const batch = (from: number) => batchOf(first, from, [harness.event(1, 'a'), harness.event(2, 'b')]);
  const listed = async () =>
    (await positions.list()).map(({ topic, topicId, partition, position }) => [topic, topicId, partition, position]);

  test('there are none before anything was written', async () => {
    expect(await positions.list()).toEqual([]);
    await positions.remove();
  });

  test('what is committed is listed, with its owner', async () => {
    const sink = await openSink();
    await sink.claim([first]);
    await deliver(sink, batch(0));
    const [one, ...rest] = await positions.list();
    expect(rest).toEqual([]);
    expect(one).toMatchObject({
      cluster: 'cluster-1',
      topic: 'orders',
      topicId: 'topic-id-1',
      partition: 0,
      position: 2,
    });
    expect(one).toMatchObject({ ownerEpoch: 1, rebuild: 0 });
    expect(Math.abs(Date.now() - one!.updatedAtMs)).toBeLessThan(60_000);
  });

  test('after a move the next owner begins there, and the former one can write no more', async () => {
    const former = await openSink();
    await former.claim([first, second]);
    await deliver(former, batch(0));
    await positions.move([
      { partition: first, position: 1 },
      { partition: second, position: 70 },
    ]);
    await expect(deliver(former, batch(2))).rejects.toBeInstanceOf(Fenced);
    await former.rollback();
    const next = await openSink();
    expect(await next.claim([first, second])).toEqual(
      new Map([
        [first, 1],
        [second, 70],
      ]),
    );
    expect((await deliver(next, batchOf(first, 1, [harness.event(1, 'c')]))).written).toBe(1);
  });

  test('a sink that is only about to commit is refused too', async () => {
    const former = await openSink();
    await former.claim([first]);
    await deliver(former, batch(0));
    // Nothing is locked yet: a sink that holds locks is waited for.
    const prepared = former.prepare(batch(2));
    await positions.move([{ partition: first, position: 0 }]);
    await expect(former.write(prepared, Number.POSITIVE_INFINITY)).rejects.toBeInstanceOf(Fenced);
    await former.rollback();
    expect(await listed()).toEqual([['orders', 'topic-id-1', 0, 0]]);
  });

  test('positions may be set before anything was written', async () => {
    await positions.move([{ partition: first, position: 40 }]);
    const sink = await openSink();
    expect(await sink.claim([first])).toEqual(new Map([[first, 40]]));
  });

  test('a topic that was created anew is refused until its positions are moved, and the old ones are forgotten', async () => {
    const sink = await openSink();
    await sink.claim([first, second]);
    await deliver(sink, batch(0));
    const anew = partitionOf(0, 'topic-id-2');
    await expect(sink.claim([anew])).rejects.toMatchObject({ code: 'topic_recreated' });
    await positions.move([{ partition: anew, position: 0 }]);
    expect(await listed()).toEqual([['orders', 'topic-id-2', 0, 0]]);
    expect(await sink.claim([anew])).toEqual(new Map([[anew, 0]]));
  });

  test('removed, they are as if there had been none', async () => {
    const sink = await openSink();
    await sink.claim([first]);
    await deliver(sink, batch(0));
    await sink.close();
    await positions.remove();
    expect((await positions.list()).filter(({ position }) => position !== null)).toEqual([]);
  });
}
