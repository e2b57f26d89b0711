import { describe, expect, it } from 'vitest';
import { type Program, type Route, transform } from '../../src/engine/epoch.ts';
import type { Chunk, EventRecord, Partition, Sink, Step, Tap } from '../../src/engine/ports.ts';
import { VirtualClock } from '../simulation/clock.ts';

const partition: Partition = { cluster: 'c', topic: 't', topicId: 'i', partition: 0, source: 's' };

/** A chunk whose records carry the given texts, from offset 100 on. */
const chunkOf = (...values: readonly string[]): Chunk => ({
  partition,
  records: values.map((value, i) => ({
    offset: 100 + i,
    timestampMs: i,
    key: null,
    value: Buffer.from(value),
    headers: undefined,
  })),
  nextOffset: 100 + values.length,
  bytes: values.join('').length,
});

const failure = (code: string) => Object.assign(new Error(`because of ${code}`), { code });

const sinkNamed = (name: string, storesPositions = true) => ({ name, storesPositions }) as Sink;
const route = (name: string, rest: Partial<Route> = {}): Route => ({
  sink: sinkNamed(name),
  when: null,
  otherwise: false,
  version: null,
  ...rest,
});

const program = (steps: readonly Step[], routes: readonly Route[]): Program => ({
  inputs: [
    {
      source: 'in',
      steps: [],
      reader: {
        decode: (bytes) => {
          const text = Buffer.from(bytes).toString();
          if (text === 'bad') throw failure('json_invalid');
          return Number(text);
        },
        readKey: (key) => key,
        readMeta: () => null,
      },
    },
  ],
  steps: steps.map((step) => ({ step, stage: `step:${step.name}` })),
  routes,
});

const run = async (
  using: Program,
  chunk: Chunk,
  floors: ReadonlyMap<Partition, number> = new Map(),
  taps: readonly (Tap | undefined)[] = [],
) => {
  const clock = new VirtualClock();
  const epoch = transform(using, 1, [chunk], floors, clock, taps);
  let settled = false;
  void epoch.finally(() => (settled = true));
  while (!settled) await clock.advance();
  return epoch;
};

const events = (records: readonly EventRecord[]) => records.map(({ event }) => event);

describe('transform', () => {
  it('makes a record that can not be decoded a dead letter alone, in the middle of others', async () => {
    const epoch = await run(program([], [route('table')]), chunkOf('1', 'bad', '3'));
    expect(events(epoch.batches[0]!.records)).toEqual([1, 3]);
    expect(epoch.letters).toMatchObject([{ stage: 'decode', code: 'json_invalid', raw: { offset: 101 } }]);
    expect(epoch.ranges).toMatchObject([{ from: 100, to: 103, records: 3 }]);
  });

  it('accounts for every record of every step', async () => {
    const step: Step = {
      name: 'sort',
      kind: 'sort',
      apply(records, outcomes) {
        const out: EventRecord[] = [];
        for (const record of records) {
          const n = record.event as number;
          if (n === 1) outcomes.filtered(record);
          else if (n === 2) outcomes.dropped(record, 'x');
          else if (n === 3) outcomes.dead(record, 'code', 'message');
          else out.push(record);
        }
        return out;
      },
    };
    const epoch = await run(program([step], [route('table')]), chunkOf('1', '2', '3', '4', 'bad'));
    expect(epoch.stages).toMatchObject([
      { in: 5, out: 4, dead: 1, difference: 0 },
      { in: 4, out: 1, filtered: 1, dropped: 1, dead: 1, difference: 0 },
    ]);
  });

  it('lets a batch of several thousand records through in order', async () => {
    const values = Array.from({ length: 3500 }, (_, i) => String(i));
    const epoch = await run(program([], [route('table')]), chunkOf(...values));
    expect(events(epoch.batches[0]!.records)).toEqual(values.map(Number));
  });

  it('moves the position over a chunk without records', async () => {
    const epoch = await run(program([], [route('table')]), { partition, records: [], nextOffset: 7, bytes: 0 });
    expect(epoch.ranges).toMatchObject([{ from: 7, to: 7, records: 0, lastTimestampMs: null }]);
  });
});

describe('routing', () => {
  const even = (record: EventRecord) => (record.event as number) % 2 === 0;

  it('gives each sink what its `when` takes, and the rest to the one that says otherwise', async () => {
    const routes = [route('rest', { otherwise: true }), route('even', { when: even }), route('all')];
    const epoch = await run(program([], routes), chunkOf('1', '2', '3'));
    expect(epoch.batches.map(({ records }) => events(records))).toEqual([[1, 3], [2], [1, 2, 3]]);
    expect(epoch.batches.map(({ count }) => count.excluded)).toEqual([1, 2, 0]);
  });

  it('makes a record a dead letter of the one sink whose `when` fails on it', async () => {
    const failing = (record: EventRecord) => {
      if (record.event === 2) throw failure('field_missing');
      return true;
    };
    const epoch = await run(program([], [route('strict', { when: failing }), route('all')]), chunkOf('1', '2'));
    expect(epoch.batches.map(({ records }) => events(records))).toEqual([[1], [1, 2]]);
    expect(epoch.letters).toMatchObject([{ stage: 'sink:strict', code: 'field_missing' }]);
    expect(epoch.batches[0]!.count.rejected).toBe(1);
  });

  it('keeps versions and rows in step', async () => {
    const version = (record: EventRecord) => {
      if (record.event === 2) throw failure('field_missing');
      return (record.event as number) * 10;
    };
    const epoch = await run(program([], [route('table', { version })]), chunkOf('1', '2', '3'));
    expect(events(epoch.batches[0]!.records)).toEqual([1, 3]);
    expect(epoch.batches[0]!.versions).toEqual([10, 30]);
  });

  it('does not offer a sink without positions what it had before, while another one catches up', async () => {
    const routes = [route('table'), route('stdout', { sink: sinkNamed('stdout', false) })];
    const epoch = await run(program([], routes), chunkOf('1', '2', '3'), new Map([[partition, 102]]));
    expect(epoch.batches.map(({ records }) => events(records))).toEqual([[1, 2, 3], [3]]);
    expect(epoch.batches[1]!.count.skippedOffset).toBe(2);
  });

  it('does not give the rest what another sink took before, while this one catches up', async () => {
    const routes = [
      route('stdout', { sink: sinkNamed('stdout', false), when: even }),
      route('rest', { otherwise: true }),
    ];
    const epoch = await run(program([], routes), chunkOf('1', '2', '3', '4'), new Map([[partition, 103]]));
    expect(epoch.batches.map(({ records }) => events(records))).toEqual([[4], [1, 3]]);
    expect(epoch.batches[0]!.count.skippedOffset).toBe(1);
  });

  it('gives the rest a record whose version fails at a sink without a condition, and not one whose `when` fails', async () => {
    const failing = (record: EventRecord) => {
      if (record.event === 2) throw failure('field_missing');
      return record.event === 3;
    };
    const rest = () => route('rest', { otherwise: true });
    const byVersion = await run(program([], [route('all', { version: failing }), rest()]), chunkOf('1', '2', '3'));
    expect(events(byVersion.batches[1]!.records)).toEqual([1, 2, 3]);
    const byCondition = await run(program([], [route('some', { when: failing }), rest()]), chunkOf('1', '2', '3'));
    expect(events(byCondition.batches[1]!.records)).toEqual([1]);
  });

  it('lets an error that is not the record’s fault through', async () => {
    const bug = () => {
      throw new TypeError('a bug');
    };
    const running = transform(
      program([], [route('table', { when: bug })]),
      1,
      [chunkOf('1')],
      new Map(),
      new VirtualClock(),
    );
    await expect(running).rejects.toThrow('a bug');
  });
});

describe('several inputs', () => {
  const keep = (name: string, take: (event: number) => boolean): Step => ({
    name,
    kind: 'filter',
    apply: (records, outcomes) =>
      records.filter((record) => {
        const isTaken = take(record.event as number);
        if (!isTaken) outcomes.filtered(record);
        return isTaken;
      }),
  });
  const planned = (step: Step) => ({ step, stage: `step:${step.name}` });
  const of = (source: string): Partition => ({ ...partition, topic: source, topicId: source, source });
  const chunk = (source: string, ...values: string[]): Chunk => ({ ...chunkOf(...values), partition: of(source) });
  const [reading] = program([], []).inputs;
  const doubling = { ...reading!.reader, decode: (bytes: Uint8Array) => 2 * Number(Buffer.from(bytes).toString()) };
  const merged = (steps: readonly Step[]): Program => ({
    inputs: [
      { source: 'a', reader: reading!.reader, steps: [planned(keep('small', (event) => event < 3))] },
      { source: 'b', reader: doubling, steps: [] },
    ],
    steps: steps.map(planned),
    routes: [route('table')],
  });
  const runAll = async (using: Program, ...chunks: Chunk[]) => {
    const clock = new VirtualClock();
    const epoch = transform(using, 1, chunks, new Map(), clock);
    let settled = false;
    void epoch.then(
      () => (settled = true),
      () => (settled = true),
    );
    while (!settled) await clock.advance();
    return epoch;
  };

  it('are each read in their own way and go through their own steps, then all through those for all', async () => {
    const epoch = await runAll(
      merged([keep('even', (event) => event % 2 === 0)]),
      chunk('a', '1', '2', '3', 'bad'),
      chunk('b', '4', '5'),
    );
    expect(epoch.batches[0]!.records.map(({ event }) => event)).toEqual([2, 8, 10]);
    expect(epoch.stages).toMatchObject([
      { in: 4, out: 3, dead: 1 },
      { in: 3, out: 2, filtered: 1 },
      { in: 2, out: 2 },
      { in: 4, out: 3, filtered: 1 },
    ]);
    expect(epoch.delivered).toBe(3);
  });

  it('have their account add up where no step is for all', async () => {
    const { stages, delivered, read } = await runAll(merged([]), chunk('a', '1', '9', 'bad'), chunk('b', '4'));
    const lost = stages.reduce((sum, { filtered, dead }) => sum + filtered + dead, 0);
    expect([read, lost, delivered]).toEqual([4, 2, 2]);
  });

  it('take no record of a source that is none of them', async () => {
    await expect(runAll(merged([]), chunk('c', '1'))).rejects.toThrow('no input reads source c');
  });
});

describe('two stages that read the same records', () => {
  const even = (record: EventRecord) => (record.event as number) % 2 === 0;
  const strict = (record: EventRecord) => {
    if (record.event === 3) throw failure('field_missing');
    return even(record);
  };
  const rest = route('rest', { otherwise: true });
  /** What the sink that takes the rest gets in the main stage while `optional` is written by another one. */
  const mainStage = (optional: Route['when'], ...routes: Route[]): Program => ({
    ...program([], [...routes, rest]),
    elsewhere: [optional!],
  });

  it('give the sink that takes the rest nothing that a sink of the other stage takes', async () => {
    const epoch = await run(mainStage(even), chunkOf('1', '2', '3', '4'));
    expect(events(epoch.batches[0]!.records)).toEqual([1, 3]);
    expect(epoch.batches[0]!.count).toMatchObject({ offered: 4, excluded: 2 });
  });

  it('judge the rest against the sinks of both', async () => {
    const four = route('four', { when: (record) => record.event === 4 || record.event === 5 });
    const epoch = await run(mainStage(even, four), chunkOf('1', '2', '4', '5'));
    expect(epoch.batches.map(({ records }) => events(records))).toEqual([[4, 5], [1]]);
  });

  it('bury a record once on which `when` of the other stage fails, and give it to no sink', async () => {
    const main = await run(mainStage(strict), chunkOf('1', '2', '3'));
    const other = await run(
      { ...program([], [route('optional', { when: strict })]), sinkLettersOnly: true },
      chunkOf('1', '2', '3'),
    );
    expect(events(main.batches[0]!.records)).toEqual([1]);
    expect(events(other.batches[0]!.records)).toEqual([2]);
    expect([...main.letters, ...other.letters]).toMatchObject([{ stage: 'sink:optional', raw: { offset: 102 } }]);
  });

  it('give every record to exactly one of both where the one that takes the rest is the optional one', async () => {
    const main = await run(program([], [route('even', { when: even })]), chunkOf('1', '2', '3'));
    const other = await run(
      { ...program([], [rest]), elsewhere: [even], sinkLettersOnly: true },
      chunkOf('1', '2', '3'),
    );
    expect([main, other].map(({ batches }) => events(batches[0]!.records))).toEqual([[2], [1, 3]]);
  });

  it('bury what decode and steps refuse in the main stage alone, and account for it in both', async () => {
    const refuse: Step = {
      name: 'refuse',
      kind: 'refuse',
      apply: (records, outcomes) =>
        records.filter((record) => record.event !== 2 || outcomes.dead(record, 'code', 'message')),
    };
    const whole = program([refuse], [route('table')]);
    const main = await run(whole, chunkOf('1', '2', 'bad'));
    const other = await run({ ...whole, sinkLettersOnly: true }, chunkOf('1', '2', 'bad'));
    expect(main.letters.map(({ stage }) => stage)).toEqual(['decode', 'step:refuse']);
    expect(other.letters).toEqual([]);
    expect(other.stages).toMatchObject([
      { in: 3, out: 2, dead: 1, difference: 0 },
      { in: 2, out: 1, dead: 1, difference: 0 },
    ]);
  });

  it('are alike in a bug of a condition: it is thrown, not buried', async () => {
    const bug = () => {
      throw new TypeError('a bug');
    };
    const running = transform(mainStage(bug), 1, [chunkOf('1')], new Map(), new VirtualClock());
    await expect(running).rejects.toThrow('a bug');
  });
});

describe('a tap', () => {
  interface Counted {
    n: number;
  }
  const counted = (record: EventRecord): Counted => record.event as Counted;
  /** Changes the very events it is given, as steps may. */
  const addTen: Step = {
    name: 'add',
    kind: 'add',
    apply(records) {
      for (const record of records) counted(record).n += 10;
      return records as EventRecord[];
    },
  };
  const odd: Step = {
    name: 'odd',
    kind: 'odd',
    apply: (records, outcomes) =>
      records.filter((record) => {
        if (counted(record).n % 2 === 1) return true;
        outcomes.filtered(record);
        return false;
      }),
  };
  const planned = (step: Step) => ({ step, stage: `step:${step.name}` });
  const [reading] = program([], []).inputs;
  const decode = (bytes: Uint8Array): Counted => ({ n: reading!.reader.decode(bytes) as number });
  /** Stages: decode and `odd` of the one input, decode of the other one, then `add` for both. */
  const merged: Program = {
    inputs: [
      { source: 'x', reader: { ...reading!.reader, decode }, steps: [planned(odd)] },
      { source: 's', reader: { ...reading!.reader, decode }, steps: [] },
    ],
    steps: [planned(addTen)],
    routes: [route('table')],
  };
  /** Sees numbers at each place of a stage. */
  const watching = (places: readonly number[]) => {
    const seen: number[][] = [[], [], [], []];
    const at =
      (place: number): Tap =>
      (records) =>
        seen[place]!.push(...records.map((record) => counted(record).n));
    return { seen, taps: seen.map((_, place) => (places.includes(place) ? at(place) : undefined)) };
  };
  const fromX = (chunk: Chunk): Chunk => ({ ...chunk, partition: { ...partition, source: 'x' } });

  it('sees what leaves its stage, and not what fails or is filtered there, before the next step changes it', async () => {
    const { seen, taps } = watching([0, 1, 2, 3]);
    await run(merged, fromX(chunkOf('1', 'bad', '2', '3')), new Map(), taps);
    expect(seen).toEqual([[1, 2, 3], [1, 3], [], [11, 13]]);
    await run(merged, chunkOf('2', '4'), new Map(), taps);
    expect(seen).toEqual([
      [1, 2, 3],
      [1, 3],
      [2, 4],
      [11, 13, 12, 14],
    ]);
  });

  it('sees every record of a large epoch, slice by slice, and changes nothing of it', async () => {
    const values = Array.from({ length: 1100 }, (_, n) => String(n));
    const slices: number[] = [];
    const tap: Tap = (records) => slices.push(records.length);
    const watched = await run(merged, chunkOf(...values), new Map(), [undefined, undefined, tap]);
    const unwatched = await run(merged, chunkOf(...values));
    expect(slices).toEqual([250, 250, 250, 250, 100]);
    expect(events(watched.batches[0]!.records)).toEqual(events(unwatched.batches[0]!.records));
    expect(watched.stages.map(({ in: given, out }) => [given, out])).toEqual(
      unwatched.stages.map(({ in: given, out }) => [given, out]),
    );
  });

  it('that is opened or closed in the middle of an epoch counts from the next slice on', async () => {
    const values = Array.from({ length: 1000 }, (_, n) => String(n));
    const slices: string[] = [];
    const taps: (Tap | undefined)[] = [];
    taps[2] = () => {
      slices.push('read');
      // Opens one behind it, and closes itself at its third slice.
      taps[3] = () => slices.push('added');
      if (slices.filter((slice) => slice === 'read').length === 3) taps[2] = undefined;
    };
    await run(merged, chunkOf(...values), new Map(), taps);
    expect(slices).toEqual(['read', 'added', 'read', 'added', 'read', 'added', 'added']);
  });
});
