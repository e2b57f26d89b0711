import { describe, expect, it } from 'vitest';
import type { Program, Route } from '../../src/engine/epoch.ts';
import type {
  DeadLetter,
  EventRecord,
  Partition,
  Sink,
  SinkBatch,
  Step,
  Unwritten,
  WriteResult,
} from '../../src/engine/ports.ts';
import { replay, type ReplayLetter } from '../../src/engine/replay.ts';

const partition: Partition = { cluster: 'c', topic: 't', topicId: 'i', partition: 0, source: 's' };
const letter = (offset: number, value: string, stage = 'decode', element = ''): ReplayLetter => ({
  raw: { offset, timestampMs: 0, key: null, value: Buffer.from(value), headers: undefined },
  partition,
  element,
  stage,
});

/** Keeps what was committed; says `unwritten` of the events it is told. */
class TableSink implements Sink {
  readonly name: string;
  readonly storesPositions = true;
  readonly rows: unknown[] = [];
  readonly batches: SinkBatch[] = [];
  readonly #says: ReadonlyMap<unknown, Unwritten | 'rejected'>;
  #pending: unknown[] = [];
  replayGuard?: () => 'exact';

  constructor(name: string, says: readonly (readonly [unknown, Unwritten | 'rejected'])[] = [], isGuarded = true) {
    this.name = name;
    this.#says = new Map(says);
    if (isGuarded) this.replayGuard = () => 'exact';
  }

  prepare(batch: SinkBatch): SinkBatch {
    this.batches.push(batch);
    return batch;
  }

  write({ records }: SinkBatch): Promise<WriteResult> {
    const said = (record: EventRecord) => this.#says.get(record.event);
    const rejected = records.filter((record) => said(record) === 'rejected');
    const unwritten = records.flatMap((record) => {
      const why = said(record);
      return why === undefined || why === 'rejected' ? [] : [[record, why] as const];
    });
    this.#pending = records.filter((record) => said(record) === undefined).map(({ event }) => event);
    return Promise.resolve({
      written: this.#pending.length,
      supersededInBatch: 0,
      skippedOffset: 0,
      skippedVersion: unwritten.length,
      rejected: rejected.map((record) => ({ record, code: 'sink_refused', message: 'no' })),
      unwritten: new Map(unwritten),
    });
  }

  commit(): Promise<void> {
    this.rows.push(...this.#pending);
    this.#pending = [];
    return Promise.resolve();
  }

  rollback(): Promise<void> {
    this.#pending = [];
    return Promise.resolve();
  }

  open = () => Promise.resolve();
  claim = () => Promise.resolve(new Map());
  close = () => Promise.resolve();
}

/** `[1,2]` becomes 1 and 2; anything else stays. */
const explode: Step = {
  name: 'explode',
  kind: 'explode',
  expands: true,
  apply: (records) =>
    records.flatMap((record) =>
      Array.isArray(record.event)
        ? record.event.map((event, i) =>
            (record as never as { forElement(i: number, event: unknown): EventRecord }).forElement(i, event),
          )
        : [record],
    ),
};

const route = (sink: Sink, rest: Partial<Route> = {}): Route => ({
  sink,
  when: null,
  otherwise: false,
  version: null,
  ...rest,
});
const program = (routes: readonly Route[]): Program => ({
  inputs: [
    {
      source: 's',
      steps: [],
      reader: {
        decode: (bytes) => decoded(Buffer.from(bytes).toString()),
        readKey: (key) => key,
        readMeta: () => null,
      },
    },
  ],
  steps: [{ step: explode, stage: 'step:explode' }],
  routes,
});

function decoded(text: string): unknown {
  if (text === 'bad') throw Object.assign(new Error('bad'), { code: 'json_syntax' });
  return JSON.parse(text) as unknown;
}

async function replayed(routes: readonly Route[], letters: readonly ReplayLetter[], kind: 'real' | 'trial' = 'real') {
  const durable: DeadLetter[] = [];
  const results = await replay(
    program(routes),
    letters,
    {
      kind,
      deadLetters: { append: (dead) => Promise.resolve(void durable.push(...dead)) },
      clock: { now: () => 0, sleep: () => Promise.resolve() },
      random: () => 0,
      log: { info: () => {}, warn: () => {}, error: () => {} },
      stopping: new AbortController().signal,
    },
    new AbortController().signal,
  );
  const ends = new Map(results.map((one) => [one.letter, one.end]));
  return { ends: letters.map((one) => ends.get(one)), durable, results };
}

describe('a replay', () => {
  it('gives a letter of a sink to that sink alone, others to all, and moves no position', async () => {
    const [a, b] = [new TableSink('a'), new TableSink('b')];
    const { ends } = await replayed([route(a), route(b)], [letter(7, '1', 'sink:b'), letter(3, '2', 'step:gone')]);
    expect(ends).toEqual(['delivered', 'delivered']);
    expect(a.rows).toEqual([2]);
    expect(b.rows.toSorted()).toEqual([1, 2]);
    for (const { ranges, replay: kind } of [...a.batches, ...b.batches])
      expect({ ranges, kind }).toEqual({ ranges: [], kind: 'real' });
  });

  it('leaves to the other sinks what their `when` takes when one of them takes the rest', async () => {
    const [big, rest] = [new TableSink('big'), new TableSink('rest')];
    const routes = [route(big, { when: ({ event }) => Number(event) > 10 }), route(rest, { otherwise: true })];
    const { ends } = await replayed(routes, [letter(1, '20', 'sink:rest'), letter(2, '5', 'sink:rest')]);
    expect(ends).toEqual(['filtered', 'delivered']);
    expect([big.rows, rest.rows]).toEqual([[], [5]]);
  });

  it('takes of an exploded record the element that failed, and of one that never decoded all', async () => {
    const sink = new TableSink('a', [[2, 'rejected']]);
    const { ends, durable } = await replayed(
      [route(sink)],
      [letter(1, '[1,2,3]', 'sink:a', '2'), letter(2, '[1,2]', 'decode'), letter(3, '[2,4]', 'step:x', '1')],
    );
    expect(ends).toEqual(['delivered', 'dead', 'delivered']);
    expect(sink.rows.toSorted()).toEqual([1, 3, 4]);
    expect(durable.map(({ raw, element, stage }) => [raw.offset, element, stage])).toEqual([[2, '1', 'sink:a']]);
  });

  it.each<[string, readonly (Unwritten | 'rejected' | undefined)[], string]>([
    ['dead before everything', ['rejected', 'ahead'], 'dead'],
    ['ahead before delivered', [undefined, 'ahead'], 'ahead'],
    ['delivered before superseded', ['superseded', undefined], 'delivered'],
    ['delivered where a former replay has added it', ['repeated', 'superseded'], 'delivered'],
    ['superseded where no sink takes it', ['superseded', 'superseded'], 'superseded'],
  ])('over several sinks is %s', async (_, says, end) => {
    const sinks = says.map((said, i) => new TableSink(`s${i}`, said === undefined ? [] : [[1, said]]));
    expect(
      (
        await replayed(
          sinks.map((sink) => route(sink)),
          [letter(1, '1')],
        )
      ).ends,
    ).toEqual([end]);
  });

  it('on trial commits nothing, and asks no sink that could not undo it', async () => {
    const [table, out] = [new TableSink('table', [[2, 'superseded']]), new TableSink('out', [], false)];
    const { ends } = await replayed(
      [route(table), route(out)],
      [letter(1, '1'), letter(2, '2'), letter(3, 'bad')],
      'trial',
    );
    expect(ends).toEqual(['delivered', 'delivered', 'dead']);
    expect([table.rows, out.rows, out.batches]).toEqual([[], [], []]);
    expect(table.batches).toMatchObject([{ replay: 'trial' }]);
  });
});
