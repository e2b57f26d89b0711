import { describe, expect, it } from 'vitest';
import { Breaker, type BreakerLimits } from '../../src/engine/breaker.ts';
import type { RetryPolicy } from '../../src/engine/epoch.ts';
import { SinkUnavailable } from '../../src/engine/ports.ts';
import { Table, assigned, begin, beginWith, p0, records } from './scripted.ts';

const MINUTE = 60_000;

/** A sink that answers nobody while `away`. */
function awayable(table = new Table()) {
  const world = { table, away: true, tries: 0 };
  table.onWrite = () => {
    world.tries++;
    if (world.away) throw new SinkUnavailable('ECONNREFUSED');
  };
  return world;
}

describe('a sink that is away for longer than retry.for', () => {
  const policy = (action: 'dlq' | 'stop'): RetryPolicy => ({ action, forMs: 10 * MINUTE });

  it('is waited for without end where nothing else is said', async () => {
    const world = awayable();
    const run = begin(world.table);
    const startedMs = run.clock.now();
    run.source.give(assigned(1), records(1, [p0, 0, 10]));
    await run.until(() => run.clock.now() - startedMs > 60 * MINUTE);
    expect(run.letters).toEqual([]);
    world.away = false;
    await run.until(() => world.table.positions.get(p0) === 10);
    await run.end();
  });

  it('then: dlq makes its rows dead letters and goes on, each later batch with one try, until it is back', async () => {
    const world = awayable();
    const other = new Table();
    const run = beginWith({ retry: policy('dlq') }, world.table, other);
    const startedMs = run.clock.now();
    run.source.give(assigned(1), records(1, [p0, 0, 10]));
    await run.until(() => run.letters.length === 10);
    expect(run.clock.now() - startedMs).toBeGreaterThanOrEqual(10 * MINUTE);
    expect(run.clock.now() - startedMs).toBeLessThan(10 * MINUTE + 1000);
    expect(new Set(run.letters.map(({ code, stage }) => `${stage} ${code}`))).toEqual(
      new Set(['sink:table sink_unavailable']),
    );

    const tries = world.tries;
    const laterMs = run.clock.now();
    run.source.give(records(1, [p0, 10, 20]));
    await run.until(() => run.letters.length === 20);
    expect(world.tries).toBe(tries + 1);
    expect(run.clock.now() - laterMs).toBeLessThan(1000);
    expect(world.table.positions.size).toBe(0);

    world.away = false;
    run.source.give(records(1, [p0, 20, 30]));
    await run.until(() => world.table.positions.get(p0) === 30);
    await run.end();
    expect(run.letters.map(({ raw }) => raw.offset)).toEqual(Array.from({ length: 20 }, (_, offset) => offset));
    expect(other.rows.get(0)).toHaveLength(30);
    expect(run.stage.report.sinks[0]).toMatchObject({ offered: 30, written: 10, rejected: 20, difference: 0 });
    expect(run.stage.report.health[0]).toMatchObject({ state: 'OK', failures: 0 });
  });

  it('then: dlq of a sink without positions moves the group past them', async () => {
    const world = awayable(new Table(false));
    const run = beginWith({ retry: policy('dlq') }, world.table);
    run.source.give(assigned(1), records(1, [p0, 0, 10]));
    await run.until(() => run.letters.length === 10);
    await run.until(() => run.source.commits.at(-1)?.[1][0] === 10);
    await run.end();
    expect(world.table.rows.size).toBe(0);
  });

  it('then: dlq counts the time anew for each outage', async () => {
    const world = awayable();
    const run = beginWith({ retry: policy('dlq') }, world.table);
    const startedMs = run.clock.now();
    run.source.give(assigned(1), records(1, [p0, 0, 10]));
    await run.until(() => run.clock.now() - startedMs > 6 * MINUTE);
    world.away = false;
    await run.until(() => world.table.positions.get(p0) === 10);
    world.away = true;
    const againMs = run.clock.now();
    run.source.give(records(1, [p0, 10, 20]));
    await run.until(() => run.letters.length === 10);
    expect(run.clock.now() - againMs).toBeGreaterThanOrEqual(10 * MINUTE);
    await run.end();
  });

  it('then: dlq buries a record that was refused before only once', async () => {
    const world = awayable();
    world.away = false;
    world.table.rejected = [3];
    world.table.onCommit = () => {
      world.away = true;
      throw new SinkUnavailable('ECONNRESET');
    };
    const run = beginWith({ retry: policy('dlq') }, world.table);
    run.source.give(assigned(1), records(1, [p0, 0, 10]));
    await run.until(() => run.letters.length === 10);
    await run.end();
    expect(run.letters.filter(({ raw }) => raw.offset === 3).map(({ code }) => code)).toEqual(['sink_constraint']);
    expect(run.stage.report.sinks[0]).toMatchObject({ rejected: 10, difference: 0 });
  });

  it('then: stop ends the run with what it waited for', async () => {
    const world = awayable();
    const run = beginWith({ retry: policy('stop') }, world.table);
    const startedMs = run.clock.now();
    run.source.give(assigned(1), records(1, [p0, 0, 10]));
    await run.until(() => run.isOver());
    expect(run.clock.now() - startedMs).toBeGreaterThanOrEqual(10 * MINUTE);
    await expect(run.end()).rejects.toMatchObject({
      code: 'sink_unavailable',
      message: 'writing to table failed: ECONNREFUSED',
    });
    expect(run.letters).toEqual([]);
  });

  it('then: stop ends the run also where it is away when partitions are assigned', async () => {
    const table = new Table();
    table.onClaim = () => Promise.reject(new SinkUnavailable('ECONNREFUSED'));
    const run = beginWith({ retry: policy('stop') }, table);
    run.source.give(assigned(1));
    await run.until(() => run.isOver());
    await expect(run.end()).rejects.toMatchObject({ code: 'sink_unavailable' });
  });
});

it('a sink without positions is given again what it had before a crash', async () => {
  const printed = new Table(false);
  const before = begin(printed);
  before.source.give(assigned(1), records(1, [p0, 0, 10]));
  await before.until(() => printed.rows.get(0)?.length === 10);
  // Killed here: the group knows nothing of it yet.
  const after = begin(printed);
  after.source.give(assigned(1), records(1, [p0, 0, 10]));
  await after.until(() => after.source.commits.at(-1)?.[1][0] === 10);
  await after.end();
  expect(printed.rows.get(0)).toHaveLength(20);
});

describe('the breaker', () => {
  const limits: BreakerLimits = { ratio: 0.2, overMs: MINUTE, min: 10 };
  const all = (from: number, to: number): number[] => Array.from({ length: to - from }, (_, i) => from + i);

  function guarded(
    rejected: readonly number[],
    { waits = true, ...changes }: Partial<BreakerLimits & { waits: boolean }> = {},
  ) {
    const table = new Table();
    table.rejected = rejected;
    const breaker = new Breaker({ ...limits, ...changes }, waits);
    return { table, breaker, run: beginWith({ breaker }, table) };
  }

  it('opens before anything of an epoch of bad rows is written or dead-lettered, and goes on when it is resumed', async () => {
    const { table, breaker, run } = guarded(all(0, 90));
    run.source.give(assigned(1), records(1, [p0, 0, 100]));
    await run.until(() => breaker.opening !== null);
    run.source.give(records(1, [p0, 100, 110]));
    await run.pass(60 * MINUTE);
    expect(table.positions.size).toBe(0);
    expect(run.letters).toEqual([]);
    expect(breaker.opening).toMatchObject({ causes: [{ stage: 'sink:table', code: 'sink_constraint' }] });
    expect(run.stage.report.health[0]).toMatchObject({ state: 'OK', retries: 0 });

    expect(run.stage.resume('they may go')).not.toBeNull();
    await run.until(() => table.positions.get(p0) === 110);
    await run.end();
    expect(run.letters.map(({ raw }) => raw.offset)).toEqual(all(0, 90));
    expect(run.stage.report.sinks[0]).toMatchObject({ written: 20, rejected: 90, difference: 0 });
  });

  it('opens before the letters of decode and steps are appended', async () => {
    const { table, breaker, run } = guarded([]);
    run.source.give(assigned(1), records(1, [p0, 0, 10], [p0, 10, 40, 'bad']));
    await run.until(() => breaker.opening !== null);
    expect(breaker.opening).toMatchObject({ dead: 30, read: 40, ratio: 0.75 });
    expect(run.letters).toEqual([]);
    expect(table.bounds).toEqual([]);
    run.stage.resume('');
    await run.until(() => table.positions.get(p0) === 40);
    await run.end();
    expect(run.letters).toHaveLength(30);
  });

  it('stays closed below its ratio, and below its least number of dead letters', async () => {
    const few = guarded(all(0, 9));
    few.run.source.give(assigned(1), records(1, [p0, 0, 9]));
    await few.run.until(() => few.table.positions.get(p0) === 9);
    await few.run.end();
    expect(few.run.letters).toHaveLength(9);

    const fifth = guarded(all(0, 20));
    fifth.run.source.give(assigned(1), records(1, [p0, 0, 100]));
    await fifth.run.until(() => fifth.table.positions.get(p0) === 100);
    await fifth.run.end();
    expect(fifth.run.letters).toHaveLength(20);
  });

  it('counts over its window: the same share in the end, but not what is long gone', async () => {
    const { table, breaker, run } = guarded(all(0, 1000), { min: 30 });
    run.source.give(assigned(1));
    for (let at = 0; at < 50; at += 10) {
      run.source.give(records(1, [p0, at, at + 10]));
      await run.until(() => table.positions.get(p0) === at + 10);
      await run.pass(MINUTE);
    }
    expect(breaker.opening).toBeNull();
    run.source.give(records(1, [p0, 50, 60]), records(1, [p0, 60, 70]), records(1, [p0, 70, 80]));
    await run.until(() => breaker.opening !== null);
    await run.end();
  });

  it('tells a sink how many refusals it is to look for, and no end once it was resumed', async () => {
    const { table, breaker, run } = guarded(all(0, 80), { min: 1 });
    run.source.give(assigned(1), records(1, [p0, 0, 100]));
    await run.until(() => breaker.opening !== null);
    // 20% of 100 are 20, but 64 are always looked for. The sink gave up at 65.
    expect(table.bounds).toEqual([64]);
    expect(breaker.opening).toMatchObject({ dead: 65 });
    run.stage.resume('');
    await run.until(() => table.positions.get(p0) === 100);
    expect(table.bounds).toEqual([64, Number.POSITIVE_INFINITY]);
    await run.end();
    expect(run.letters).toHaveLength(80);
  });

  it('stays closed when it was resumed while another sink was still looking for what it refuses', async () => {
    const [quick, slow] = [new Table(), new Table()];
    quick.rejected = slow.rejected = all(0, 80);
    const looking = Promise.withResolvers<void>();
    const write = slow.write.bind(slow);
    slow.write = async (...batch) => {
      await looking.promise;
      return write(...batch);
    };
    const breaker = new Breaker(limits, true);
    const run = beginWith({ breaker }, quick, slow);
    run.source.give(assigned(1), records(1, [p0, 0, 100]));
    await run.until(() => breaker.opening !== null);
    run.stage.resume('');
    looking.resolve();
    await run.until(() => slow.positions.get(p0) === 100 && quick.positions.get(p0) === 100);
    expect(slow.bounds).toEqual([64, Number.POSITIVE_INFINITY]);
    await run.end();
  });

  it('does not hold again what somebody has let go, though its writing takes longer than the window', async () => {
    const { table, breaker, run } = guarded(all(0, 90), { overMs: 10 });
    run.source.give(assigned(1), records(1, [p0, 0, 100]));
    await run.until(() => breaker.opening !== null);
    let isLate = false;
    table.onWrite = () => {
      if (isLate) return;
      isLate = true;
      throw new SinkUnavailable('busy');
    };
    run.stage.resume('');
    await run.until(() => table.positions.get(p0) === 100 || breaker.opening !== null);
    expect(breaker.opening).toBeNull();
    expect(table.positions.get(p0)).toBe(100);
    await run.end();
  });

  it('is not armed for one window after it was resumed, and then opens again', async () => {
    const { table, breaker, run } = guarded(all(0, 1000));
    run.source.give(assigned(1), records(1, [p0, 0, 50]));
    await run.until(() => breaker.opening !== null);
    run.stage.resume('');
    run.source.give(records(1, [p0, 50, 100]));
    await run.until(() => table.positions.get(p0) === 100);
    expect(breaker.isArmed(run.clock.now())).toBe(false);
    await run.pass(2 * MINUTE);
    run.source.give(records(1, [p0, 100, 150]));
    await run.until(() => breaker.opening !== null);
    await run.end();
    expect(table.positions.get(p0)).toBe(100);
  });

  it('ends a run that nobody waits for', async () => {
    const { table, run } = guarded(all(0, 90), { waits: false });
    run.source.give(assigned(1), records(1, [p0, 0, 100]));
    await run.until(() => run.isOver());
    await expect(run.end()).rejects.toMatchObject({ code: 'breaker_open' });
    expect(table.positions.size).toBe(0);
    expect(run.letters).toEqual([]);
  });

  it('does not keep a run that is to stop, and that is no failure', async () => {
    const { table, breaker, run } = guarded(all(0, 90));
    run.source.give(assigned(1), records(1, [p0, 0, 100]), records(1, [p0, 100, 110]));
    await run.until(() => breaker.opening !== null);
    await run.end();
    expect(table.positions.size).toBe(0);
    expect(run.stage.report.pending).toBe(0);
  });

  it('does not count rows that are dead letters because their sink is away', async () => {
    const world = awayable();
    const breaker = new Breaker({ ...limits, min: 1 }, true);
    const run = beginWith({ breaker, retry: { action: 'dlq', forMs: 0 } }, world.table);
    run.source.give(assigned(1), records(1, [p0, 0, 100]));
    await run.until(() => run.letters.length === 100);
    expect(breaker.opening).toBeNull();
    await run.end();
  });
});
