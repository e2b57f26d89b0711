import { describe, expect, it } from 'vitest';
import {
  type Assignment,
  type DeadLetter,
  Fenced,
  type Partition,
  type Sink,
  type SinkBatch,
  SinkUnavailable,
  type Source,
  type SourceEvent,
  type WriteResult,
} from '../../src/engine/ports.ts';
import { Stage } from '../../src/engine/stage.ts';
import { VirtualClock } from './clock.ts';

const partitionNumber = (partition: number): Partition => ({
  cluster: 'c',
  topic: 't',
  topicId: 't1',
  partition,
  source: 's',
});
const [p0, p1] = [partitionNumber(0), partitionNumber(1)];

const assigned = (generation: number, committed: number | null = null): SourceEvent => ({
  kind: 'assigned',
  assignment: {
    generation,
    partitions: [p0, p1].map((partition) => ({ partition, committed, logStart: 0, logEnd: 1000, initial: 0 })),
  },
});

/** Records of one partition with the offsets `[from, to)`, each with its offset as event. */
const records = (generation: number, ...ranges: readonly (readonly [Partition, number, number])[]): SourceEvent => ({
  kind: 'records',
  generation,
  chunks: ranges.map(([partition, from, to]) => ({
    partition,
    nextOffset: to,
    bytes: to - from,
    records: Array.from({ length: to - from }, (_, i) => ({
      offset: from + i,
      timestampMs: 0,
      key: null,
      value: Buffer.from(String(from + i)),
      headers: undefined,
    })),
  })),
});

/** Gives what it is told to give. */
class ScriptedSource implements Source {
  readonly begun: [number, Record<number, number>][] = [];
  readonly commits: [number, Record<number, number>][] = [];
  onReassign: () => void = () => undefined;
  onCommit: () => Promise<void> = () => Promise.resolve();
  #events: SourceEvent[] = [];
  #wake: () => void = () => undefined;

  give(...events: SourceEvent[]): void {
    this.#events.push(...events);
    this.#wake();
  }
  async next(): Promise<SourceEvent> {
    while (this.#events.length === 0) await new Promise<void>((resolve) => (this.#wake = resolve));
    return this.#events.shift()!;
  }
  begin(generation: number, positions: ReadonlyMap<Partition, number>): void {
    this.begun.push([generation, byNumber(positions)]);
  }
  async commit(generation: number, positions: ReadonlyMap<Partition, number>) {
    this.commits.push([generation, byNumber(positions)]);
    await this.onCommit();
    return 'committed' as const;
  }
  async reassign(): Promise<void> {
    this.onReassign();
  }
  start: Source['start'] = () => Promise.resolve();
  ends = () => new Map();
  close = () => Promise.resolve();
}

const byNumber = (positions: ReadonlyMap<Partition, number>): Record<number, number> =>
  Object.fromEntries([...positions].map(([{ partition }, position]) => [partition, position]));

/** Keeps the offsets it was given, with positions unless told otherwise; takes whatever lies at or above its position. */
class Table implements Sink {
  readonly name = 'table';
  readonly storesPositions: boolean;
  readonly rows = new Map<number, number[]>();
  readonly positions = new Map<Partition, number>();
  claims = 0;
  onClaim: () => Promise<void> = () => Promise.resolve();
  onWrite: (batch: SinkBatch) => void = () => undefined;
  onCommit: () => void = () => undefined;
  rejected: readonly number[] = [];
  #staged: SinkBatch | undefined;

  constructor(storesPositions = true) {
    this.storesPositions = storesPositions;
  }
  async claim(partitions: readonly Partition[]): Promise<ReadonlyMap<Partition, number>> {
    this.claims++;
    await this.onClaim();
    return new Map([...this.positions].filter(([partition]) => partitions.includes(partition)));
  }
  prepare(batch: SinkBatch): SinkBatch {
    return batch;
  }
  async write(prepared: unknown): Promise<WriteResult> {
    const batch = prepared as SinkBatch;
    this.onWrite(batch);
    this.#staged = batch;
    const rejected = batch.records
      .filter(({ raw }) => this.rejected.includes(raw.offset))
      .map((record) => ({ record, code: 'sink_constraint', message: 'refused' }));
    const written = batch.records.length - rejected.length;
    return { written, supersededInBatch: 0, skippedOffset: 0, skippedVersion: 0, rejected };
  }
  async commit(): Promise<void> {
    this.onCommit();
    const { records: given, ranges } = this.#staged!;
    for (const { partition, to } of ranges) this.positions.set(partition, to);
    for (const { partition, raw } of given) {
      const rows = this.rows.get(partition.partition) ?? [];
      this.rows.set(partition.partition, rows);
      rows.push(raw.offset);
    }
  }
  open: Sink['open'] = () => Promise.resolve();
  rollback = () => Promise.resolve();
  close = () => Promise.resolve();
}

function begin(...sinks: Table[]) {
  return beginEvery(null, ...sinks);
}

function beginEvery(batchEveryMs: number | null, ...sinks: Table[]) {
  const clock = new VirtualClock();
  const source = new ScriptedSource();
  const letters: DeadLetter[] = [];
  const told: DeadLetter[] = [];
  const stage = new Stage({
    program: {
      inputs: [
        {
          source: 'in',
          steps: [],
          reader: {
            decode: (value) => Number(Buffer.from(value).toString()),
            readKey: (key) => key,
            readMeta: () => null,
          },
        },
      ],
      steps: [],
      routes: sinks.map((sink) => ({ sink, when: null, otherwise: false, version: null })),
    },
    source,
    deadLetters: {
      append(more) {
        letters.push(...more);
        return Promise.resolve();
      },
    },
    clock,
    random: () => 0.5,
    log: { info: () => undefined, warn: () => undefined, error: () => undefined },
    limits: { recordsMax: 100, bytesMax: 10_000 },
    batchEveryMs,
    openMs: 1000,
    onDeadLetters: (more) => told.push(...more),
  });
  let error: unknown;
  let over = false;
  const done = stage
    .run()
    .catch((reason: unknown) => (error = reason))
    .finally(() => (over = true));
  const until = async (condition: () => boolean) => {
    for (let turn = 0; turn < 5000 && !condition(); turn++) await clock.advance();
    expect(condition(), `${condition.toString()} within 5,000 turns; ${String(error)}`).toBe(true);
  };
  return {
    stage,
    source,
    clock,
    letters,
    told,
    until,
    async end() {
      stage.stop();
      await until(() => over);
      await done;
      if (error !== undefined) throw error as Error;
    },
    isOver: () => over,
  };
}

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
  const run = beginEvery(3_600_000, table);
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
    const run = beginEvery(everyMs, table);
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
    const run = beginEvery(everyMs, table);
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
    const run = beginEvery(everyMs, table);
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
