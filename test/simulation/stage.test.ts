import { describe, expect, it } from 'vitest';
import { type Assignment, Fenced, type SourceEvent, SinkUnavailable } from '../../src/engine/ports.ts';
import { Table, assigned, begin, beginWith, p0, p1, records } from './scripted.ts';

describe('an epoch that was refused because of one partition', () => {
  /** Epoch 0 to 10 of both partitions is refused; `then` arrives while the stage waits to ask whose they are. */
  async function refuseFirstEpoch(then: SourceEvent) {
    const table = new Table();
    const run = begin(table);
    let refused = false;
    table.onWrite = () => {
      if (refused) return;
      refused = true;
      void run.clock.sleep(1).then(() => run.source.give(then));
      throw new Fenced('partition 1 has another owner');
    };
    run.source.onReassign = () => run.source.give(assigned(2), records(2, [p0, 0, 20], [p1, 0, 10]));
    run.source.give(assigned(1), records(1, [p0, 0, 10], [p1, 0, 10]));
    return { table, run };
  }

  it('takes what was gathered behind it along, also of other partitions', async () => {
    const { table, run } = await refuseFirstEpoch(records(1, [p0, 10, 20]));
    await run.until(() => table.positions.get(p0) === 20);
    await run.end();
    expect(table.rows.get(0)).toEqual(Array.from({ length: 20 }, (_, offset) => offset));
    expect(run.stage.report.pending).toBe(0);
  });

  it('is read again before the run ends, though the source had already told its end', async () => {
    const { table, run } = await refuseFirstEpoch({ kind: 'ended' });
    await run.until(() => run.isOver() || table.positions.get(p1) === 10);
    expect(table.positions.get(p1)).toBe(10);
    await run.end();
  });
});

it('a sink that is fenced while it claims asks again who owns the partitions', async () => {
  const table = new Table();
  const run = begin(table);
  table.onClaim = () => (table.claims === 1 ? Promise.reject(new Fenced('a newer owner')) : Promise.resolve());
  run.source.onReassign = () => run.source.give(assigned(2), records(2, [p0, 0, 5]));
  run.source.give(assigned(1));
  await run.until(() => table.positions.get(p0) === 5);
  await run.end();
  expect(run.source.begun.map(([generation]) => generation)).toEqual([2]);
});

it('a sink whose write is refused is shown as FENCED, with the reason, until its partitions are claimed anew', async () => {
  const table = new Table();
  const run = begin(table);
  table.onWrite = () => {
    if (table.claims === 1) throw new Fenced('owner epoch 1 was followed by 2');
  };
  let shown: unknown;
  run.source.onReassign = () => {
    shown = { ...run.stage.report.health[0]! };
    run.source.give(assigned(2), records(2, [p0, 0, 5]));
  };
  run.source.give(assigned(1), records(1, [p0, 0, 5]));
  await run.until(() => table.positions.get(p0) === 5);
  await run.end();
  expect(shown).toMatchObject({ state: 'FENCED', cause: 'owner epoch 1 was followed by 2', nextTryAtMs: null });
  expect(run.stage.report.health[0]).toMatchObject({ state: 'OK', cause: '' });
});

describe('a sink that stands behind the group when its partitions are claimed', () => {
  const claimAt = async (...positions: [typeof p0, number][]) => {
    const table = new Table();
    for (const [partition, position] of positions) table.positions.set(partition, position);
    const run = begin(table);
    run.source.give(assigned(1, 500));
    await run.until(() => run.source.begun.length === 1);
    await run.end();
    return run;
  };

  it('was set back to an older state: that is said with both numbers, and reading begins at its own', async () => {
    const run = await claimAt([p0, 120], [p1, 499]);
    expect(run.log).toEqual([
      'going_back: table stands behind the group, up to 381 records are read again for it: it stands at 120 of t partition 0, and 500 was committed: its database was set back to an older state, or the pipeline ran without it',
    ]);
    expect(run.source.begun).toEqual([[1, { 0: 120, 1: 499 }]]);
  });

  it('may be new, which is said otherwise', async () => {
    const run = await claimAt();
    expect(run.log).toEqual([
      'going_back: table stands behind the group, up to 1000 records are read again for it: it has no position yet',
    ]);
  });

  it('is not spoken of where it stands at what was committed, or before it', async () => {
    expect((await claimAt([p0, 500], [p1, 700])).log).toEqual([]);
  });
});

describe("the group's offsets", () => {
  it('wait for a slow coordinator one at a time: the newest counts, none queue up', async () => {
    const output = new Table(false);
    const run = begin(output);
    run.source.onCommit = () => run.clock.sleep(1000);
    run.source.give(assigned(1));
    for (let at = 0; at < 500; at++) run.source.give(records(1, [p0, at, at + 1]));
    await run.until(() => output.rows.get(0)?.length === 500);
    await run.end();
    expect(run.source.commits.length).toBeLessThan(5);
    expect(run.source.commits.at(-1)).toEqual([1, { 0: 500, 1: 0 }]);
  });

  it('are never those of a former generation in the name of a new one', async () => {
    const table = new Table();
    const run = begin(table);
    table.onClaim = async () => {
      if (table.claims === 1) return;
      // Another member went on meanwhile; claiming takes longer than the interval of commits.
      table.positions.set(p0, 100);
      await run.clock.sleep(5000);
    };
    table.onCommit = () => {
      if (run.source.begun.length === 1) run.source.give(assigned(2), records(2, [p0, 100, 110]));
    };
    run.source.give(assigned(1), records(1, [p0, 0, 10]));
    await run.until(() => table.positions.get(p0) === 110);
    await run.end();
    const ofSecond = run.source.commits.filter(([generation]) => generation === 2);
    expect(ofSecond.length).toBeGreaterThan(0);
    for (const [, { 0: position }] of ofSecond) expect(position).toBeGreaterThanOrEqual(100);
  });

  it('do not go back while a sink with positions catches up: one without has its place there', async () => {
    const table = new Table();
    const output = new Table(false);
    const run = begin(table, output);
    table.positions.set(p0, 50).set(p1, 100);
    run.source.give(assigned(1, 100), records(1, [p0, 50, 60]));
    await run.until(() => table.positions.get(p0) === 60);
    await run.end();
    expect(run.source.begun).toEqual([[1, { 0: 50, 1: 100 }]]);
    for (const [, positions] of run.source.commits) expect(positions).toEqual({ 0: 100, 1: 100 });
    expect(output.rows.get(0)).toBeUndefined();
  });
});

it('a rejected record becomes one dead letter, however often its batch is tried', async () => {
  const table = new Table();
  const run = begin(table);
  table.rejected = [3];
  let commits = 0;
  table.onCommit = () => {
    if (++commits < 4) throw new SinkUnavailable('no answer');
  };
  run.source.give(assigned(1), records(1, [p0, 0, 10]));
  await run.until(() => table.positions.get(p0) === 10);
  await run.end();
  expect(commits).toBe(4);
  expect(run.letters.map(({ raw }) => raw.offset)).toEqual([3]);
  expect(run.told).toHaveLength(1);
});

it('a sink that was in trouble is told to be well once its partitions belong to somebody else', async () => {
  const table = new Table();
  const run = begin(table);
  table.onWrite = () => {
    throw new SinkUnavailable('away');
  };
  run.source.give(assigned(1), records(1, [p0, 0, 10]));
  await run.until(() => run.stage.report.health[0]!.state === 'RETRYING');
  const nothing: Assignment = { generation: 2, partitions: [] };
  run.source.give({ kind: 'assigned', assignment: nothing });
  await run.until(() => run.source.begun.length === 2);
  await run.end();
  expect(run.stage.report.health[0]).toMatchObject({
    state: 'OK',
    failingSinceMs: null,
    nextTryAtMs: null,
    pendingRows: 0,
  });
});

it('a delivery that fails for good ends the run at once, also where batches are begun once an hour', async () => {
  const table = new Table();
  const run = beginWith({ batchEveryMs: 3_600_000 }, table);
  const startedMs = run.clock.now();
  table.onWrite = () => {
    throw new Error('the table is gone');
  };
  run.source.give(assigned(1), records(1, [p0, 0, 10]));
  await run.until(() => run.isOver());
  expect(run.clock.now() - startedMs).toBeLessThan(1000);
  await expect(run.end()).rejects.toThrow('the table is gone');
});

describe('where batches are begun once an hour', () => {
  const everyMs = 3_600_000;

  it('what comes in the meantime is one epoch', async () => {
    const table = new Table();
    const run = beginWith({ batchEveryMs: everyMs }, table);
    const epochs: number[] = [];
    table.onWrite = (batch) => epochs.push(batch.records.length);
    run.source.give(assigned(1), records(1, [p0, 0, 10]));
    await run.until(() => epochs.length === 1);
    const startedMs = run.clock.now();
    run.source.give(records(1, [p0, 10, 20]), records(1, [p0, 20, 30]));
    await run.until(() => epochs.length === 2);
    expect(epochs).toEqual([10, 20]);
    expect(run.clock.now() - startedMs).toBeGreaterThan(everyMs - 1000);
    await run.end();
  });

  it('a full epoch and the end of the input are written at once', async () => {
    const table = new Table();
    const run = beginWith({ batchEveryMs: everyMs }, table);
    const startedMs = run.clock.now();
    run.source.give(assigned(1), records(1, [p0, 0, 10]), records(1, [p0, 10, 110]), records(1, [p0, 110, 115]), {
      kind: 'ended',
    });
    await run.until(() => run.isOver());
    expect(table.rows.get(0)).toHaveLength(115);
    expect(run.clock.now() - startedMs).toBeLessThan(10_000);
    await run.end();
  });

  it('an assignment is answered at once, and what was held is read again by whoever owns it', async () => {
    const table = new Table();
    const run = beginWith({ batchEveryMs: everyMs }, table);
    run.source.give(assigned(1), records(1, [p0, 0, 10]));
    await run.until(() => table.rows.has(0));
    const startedMs = run.clock.now();
    run.source.give(records(1, [p0, 10, 20]), assigned(2));
    await run.until(() => run.source.begun.length === 2);
    expect(run.clock.now() - startedMs).toBeLessThan(10_000);
    expect(run.source.begun[1]).toEqual([2, { 0: 10, 1: 0 }]);
    await run.end();
    expect(table.rows.get(0)).toHaveLength(10);
  });
});

describe('a sink that can not be reached', () => {
  /** Its connection is never answered. */
  function unreachable() {
    const table = new Table();
    table.open = (signal) =>
      new Promise((_, reject) => signal!.addEventListener('abort', () => reject(new SinkUnavailable('no answer'))));
    return { ...begin(table), table };
  }

  it('ends the run after the time for it', async () => {
    const run = unreachable();
    const startedMs = run.clock.now();
    await run.until(() => run.isOver());
    expect(run.clock.now() - startedMs).toBe(1000);
    await expect(run.end()).rejects.toMatchObject({ code: 'sink_unavailable', message: 'no answer' });
  });

  it('does not keep a run that is to stop', async () => {
    const run = unreachable();
    const startedMs = run.clock.now();
    await run.end();
    expect(run.clock.now()).toBe(startedMs);
  });
});

it('a source that can not be reached does not keep a run that is to stop', async () => {
  const run = begin(new Table());
  let connecting = false;
  run.source.start = (signal) => {
    connecting = true;
    return new Promise((_, reject) => signal!.addEventListener('abort', () => reject(new Error('no answer'))));
  };
  await run.until(() => connecting);
  await run.end();
  expect(run.source.begun).toEqual([]);
});

it('a member whose first epoch was refused begins again where it began, though the end of the log has moved on', async () => {
  const table = new Table();
  const output = new Table(false);
  const run = begin(table, output);
  table.onWrite = () => {
    if (table.claims === 1) throw new Fenced('a newer owner');
  };
  run.source.onReassign = () => run.source.give(assigned(2, null, 7), records(2, [p0, 3, 10]));
  run.source.give(assigned(1, null, 3), records(1, [p0, 3, 7]));
  await run.until(() => table.positions.get(p0) === 10);
  await run.end();
  expect(run.source.begun.at(-1)).toEqual([2, { 0: 3, 1: 3 }]);
  expect(table.rows.get(0)).toEqual([3, 4, 5, 6, 7, 8, 9]);
});
