/** What the status says of partitions: which is hot, idle, falling behind or standing still. Time moves only by `pass`. */
import { beforeAll, describe, expect, test } from 'vitest';
import { loadPipeline } from '../../src/definition/load.ts';
import type { Partition } from '../../src/engine/ports.ts';
import { newReport, type PartitionProgress, type StageReport } from '../../src/engine/report.ts';
import { type Plan, planPipeline } from '../../src/plan/index.ts';
import { Snapshots } from '../../src/runtime/snapshot.ts';
import type { PartitionStatus, StatusSnapshot } from '../../src/runtime/status.ts';

const text = 'source: { file: { path: in.ndjson } }\nsinks: [ { discard: {} } ]\n';
let plan: Plan;
beforeAll(async () => {
  const readFile = (path: string): string => {
    if (path === '/p/orders.yaml') return text;
    throw Object.assign(new Error('no such file'), { code: 'ENOENT' });
  };
  const loaded = await loadPipeline('/p/orders.yaml', { env: {}, mode: 'validate', readFile });
  plan = (await planPipeline(loaded))!;
});

/** Records a second that come to a partition, and that are written. */
type Rates = readonly [comingIn: number, written: number];

class Pipeline {
  nowMs = 1_700_000_000_000;
  isFull = false;
  /** Letters a replay has made. */
  /** Letters that are durable. */
  letters: StatusSnapshot['deadLetters']['byCode'] = [];
  readonly report: StageReport;
  readonly #ends = new Map<Partition, number>();
  readonly #snapshots: Snapshots;

  constructor(partitions: number) {
    const reader = { decode: () => null, readKey: () => null, readMeta: () => null };
    this.report = newReport({ inputs: [{ source: 's', reader, steps: [] }], steps: [], routes: [{} as never] });
    this.#snapshots = new Snapshots({
      plan,
      lanes: [{ sinks: [0], report: this.report, breaker: null, ends: () => this.#ends, isFull: () => this.isFull }],
      sourceText: 't',
      clock: { now: () => this.nowMs, sleep: () => Promise.resolve() },
      member: 'm',
      members: () => 1,
      events: [],
      deadLetterCauses: () => [],
      deadLetterCounts: () => this.letters,
      deadLetterDestination: 'dlq',
      letters: null,
    });
    this.assign(Array.from({ length: partitions }, (_, number) => number));
    this.#snapshots.sample();
  }

  /** Takes these over where their logs end. */
  assign(numbers: readonly number[]): void {
    const former = [...this.#ends.keys()];
    this.report.assignments++;
    this.report.state = 'running';
    this.report.partitions = new Map(
      numbers.map((number): [Partition, PartitionProgress] => {
        const known = former.find(({ partition }) => partition === number);
        const partition = known ?? { cluster: 'c', topic: 't', topicId: 'i', partition: number, source: 's' };
        const end = this.#ends.get(partition) ?? 1000;
        this.#ends.set(partition, end);
        return [partition, { partition, position: end, records: 0, lastTimestampMs: null }];
      }),
    );
  }

  /** Two samples a second, as at run time. */
  pass(seconds: number, rates: readonly Rates[] = []): this {
    for (let half = 0; half < 2 * seconds; half++) {
      this.nowMs += 500;
      for (const progress of this.report.partitions.values()) {
        const [comingIn, written] = rates[progress.partition.partition] ?? [0, 0];
        const end = this.#ends.get(progress.partition)! + comingIn / 2;
        this.#ends.set(progress.partition, end);
        const before = progress.position;
        progress.position = Math.min(end, before + written / 2);
        if (progress.position > before) progress.lastTimestampMs = this.nowMs - 250;
      }
      this.#snapshots.sample();
    }
    return this;
  }

  get status(): StatusSnapshot {
    return this.#snapshots.take();
  }

  get partitions(): readonly PartitionStatus[] {
    return this.status.partitions;
  }
}

const steady = (perSecond: number): Rates => [perSecond, perSecond];

describe('a hot partition', () => {
  test('gets at least twice what the others get on average, and its share of all is told', () => {
    const { partitions } = new Pipeline(5).pass(6, [steady(200), ...Array<Rates>(4).fill(steady(100))]);
    expect(partitions.map(({ hotShare }) => hotShare)).toEqual([expect.closeTo(1 / 3, 5), null, null, null, null]);
    expect(partitions.map(({ note }) => note)).toEqual(['hot: 33% of all', '', '', '', '']);
  });

  test('is none that gets a little less than twice, that is alone, or where next to nothing comes', () => {
    const shares = (rates: readonly Rates[]) =>
      new Pipeline(rates.length).pass(6, rates).partitions.map(({ hotShare }) => hotShare);
    expect(shares([steady(198), steady(100), steady(100)])).toEqual([null, null, null]);
    expect(shares([steady(5000)])).toEqual([null]);
    expect(shares([steady(8), steady(0)])).toEqual([null, null]);
  });

  test('is hot by what is produced to it, not by what is written of it', () => {
    const { partitions } = new Pipeline(3).pass(6, [[300, 0], steady(100), steady(100)]);
    expect(partitions[0]).toMatchObject({ hotShare: 0.6, inPerSecond: 0 });
  });

  test('is no longer hot a few seconds after the others get as much', () => {
    const pipeline = new Pipeline(2).pass(6, [steady(300), steady(100)]);
    expect(pipeline.partitions[0]!.hotShare).toBe(0.75);
    expect(pipeline.pass(6, [steady(300), steady(300)]).partitions[0]!.hotShare).toBeNull();
  });
});

describe('an idle partition', () => {
  test('had nothing new for a minute, and nothing waits; its first record ends that', () => {
    const pipeline = new Pipeline(2).pass(59, [steady(0), steady(10)]);
    expect(pipeline.partitions.map(({ idleMs }) => idleMs)).toEqual([null, null]);
    pipeline.pass(2, [steady(0), steady(10)]);
    expect(pipeline.partitions.map(({ idleMs }) => idleMs)).toEqual([61_000, null]);
    pipeline.pass(1, [steady(2), steady(10)]);
    expect(pipeline.partitions.map(({ idleMs }) => idleMs)).toEqual([null, null]);
  });

  test('is none in which records wait, however long nothing was added', () => {
    const pipeline = new Pipeline(1).pass(1, [[100, 0]]).pass(120);
    expect(pipeline.partitions[0]).toMatchObject({ idleMs: null, lag: 100, verdict: 'STALL' });
  });

  test('counts anew where it was given away and came back', () => {
    const pipeline = new Pipeline(2).pass(90);
    pipeline.assign([1]);
    pipeline.pass(1);
    pipeline.assign([0, 1]);
    expect(pipeline.pass(10).partitions.map(({ idleMs }) => idleMs)).toEqual([null, 101_000]);
  });
});

describe('a partition falls behind', () => {
  test('where its lag grows by more than a twentieth of what comes in', () => {
    const { partitions } = new Pipeline(2).pass(6, [
      [1000, 940],
      [1000, 960],
    ]);
    expect(partitions.map(({ verdict }) => verdict)).toEqual(['WARN', 'OK']);
    expect(partitions[0]).toMatchObject({ lag: 360, catchUpMs: null });
    expect(partitions[0]!.lagChangePerSecond).toBeCloseTo(60);
  });

  test('only where it goes on: the lag of each rises until an epoch is written', () => {
    const pipeline = new Pipeline(1).pass(8, [[100, 0]]).pass(10, [[100, 100]]);
    const verdicts = new Set<string>();
    for (let epoch = 0; epoch < 20; epoch++) {
      for (const written of [0, 0, 0, 400]) verdicts.add(pipeline.pass(1, [[100, written]]).partitions[0]!.verdict);
    }
    expect([...verdicts]).toEqual(['OK']);
    for (let epoch = 0; epoch < 5; epoch++) pipeline.pass(3, [[100, 0]]).pass(1, [[100, 200]]);
    expect(pipeline.partitions[0]!.verdict).toBe('WARN');
  });

  test('no longer when the lag falls, and then the time until it is gone is told', () => {
    const pipeline = new Pipeline(1).pass(10, [[1000, 500]]).pass(6, [[1000, 1500]]);
    const [partition] = pipeline.partitions;
    expect(partition).toMatchObject({ verdict: 'OK', lag: 2000 });
    expect(partition!.catchUpMs).toBeCloseTo(4000);
  });

  test('in time by the age of what was written last; without lag by nothing, before the first record unknown', () => {
    const pipeline = new Pipeline(1).pass(1, [[100, 0]]);
    expect(pipeline.partitions[0]!.behindMs).toBeNull();
    pipeline.pass(1, [[100, 50]]);
    expect(pipeline.partitions[0]!.behindMs).toBe(250);
    pipeline.nowMs += 5000;
    expect(pipeline.partitions[0]!.behindMs).toBe(5250);
    expect(pipeline.pass(2, [[0, 500]]).partitions[0]).toMatchObject({ behindMs: 0, lag: 0 });
  });
});

describe('a partition has stalled', () => {
  test('that has lag and has not moved for ten seconds, and how long that is', () => {
    const pipeline = new Pipeline(1).pass(2, [steady(100)]).pass(10, [[100, 0]]);
    expect(pipeline.partitions[0]!.verdict).toBe('WARN');
    pipeline.pass(1, [[100, 0]]);
    expect(pipeline.partitions[0]).toMatchObject({ verdict: 'STALL', note: 'no progress for 11 s' });
    expect(pipeline.pass(1, [[100, 10]]).partitions[0]!.verdict).toBe('WARN');
  });

  test('never while it is empty', () => {
    expect(new Pipeline(1).pass(300).partitions[0]).toMatchObject({ verdict: 'OK', lag: 0 });
  });
});

test('the pipeline is back-pressured while its source was full at more than half of the last ten looks', () => {
  const pipeline = new Pipeline(1);
  const fullFor = (looks: number): string => {
    pipeline.isFull = true;
    pipeline.pass(looks / 2);
    pipeline.isFull = false;
    return pipeline.status.state;
  };
  expect(fullFor(5)).toBe('running');
  pipeline.pass(10);
  expect(fullFor(6)).toBe('back-pressured');
  expect(pipeline.pass(5).status.state).toBe('running');
});

test('the lag of a member is unknown until it has its partitions, and then that of all it owns', () => {
  const pipeline = new Pipeline(2).pass(4, [
    [100, 50],
    [100, 75],
  ]);
  expect(pipeline.status).toMatchObject({ lag: 300, lagChangePerSecond: expect.closeTo(75, 5) as number });
  pipeline.report.state = 'rebalancing';
  expect(pipeline.status.lag).toBeNull();
});

test('letters are counted once they are durable, also of an epoch that waits for its sink and of replays, of which no record is read', () => {
  const pipeline = new Pipeline(1).pass(10);
  pipeline.letters = [
    { stage: 'decode', code: 'json_syntax', count: 4 },
    { stage: 'sink:all', code: 'sink_constraint', count: 2 },
  ];
  const { deadLetters, account } = pipeline.pass(1).status;
  expect(deadLetters).toMatchObject({ total: 6, letters: null });
  expect(deadLetters.perSecond).toBeGreaterThan(0);
  expect(account).toMatchObject({ dead: 0, difference: 0 });
});
