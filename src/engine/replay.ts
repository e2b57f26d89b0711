/**
 * Dead letters once more: through decode and steps to the sinks, or to the one sink that refused them, beside whatever runs.
 * Moves no position. Each letter comes to one end.
 */
import { type DeliveryOptions, deliver, newRouteHealth } from './delivery.ts';
import { type Epoch, type Program, transform } from './epoch.ts';
import type {
  Chunk,
  DeadLetter,
  EventRecord,
  Partition,
  RawRecord,
  Sink,
  SinkBatch,
  Unwritten,
  WriteResult,
} from './ports.ts';

/** A dead letter to be processed again. */
export interface ReplayLetter {
  /** The original record, or an edited copy of it. A letter has one of its own. */
  readonly raw: RawRecord;
  /** Where the record was read at first. Equal ones are one object. */
  readonly partition: Partition;
  /** Which element of the record failed; `''`: the whole. */
  readonly element: string;
  /** Where it failed; `sink:NAME` goes to that sink alone. */
  readonly stage: string;
}

/**
 * `delivered`: every sink has it now. `superseded`: what is there stays, since it is not surely older. `filtered`: no
 * sink takes it. `dead`: it failed again. `ahead`: the pipeline has its record still before it.
 */
export type ReplayEnd = 'delivered' | 'superseded' | 'filtered' | 'dead' | 'ahead';

export interface Replayed<L extends ReplayLetter> {
  readonly letter: L;
  readonly end: ReplayEnd;
  /** Why it is dead again; durable but in a trial. */
  readonly failures: readonly DeadLetter[];
}

export interface ReplayOptions extends Pick<DeliveryOptions, 'deadLetters' | 'clock' | 'random' | 'log' | 'stopping'> {
  /** `trial`: what sinks with transactions say is found out and undone, others are not asked. */
  readonly kind: 'real' | 'trial';
}

/**
 * Replays some letters together. `program` has every sink of the pipeline; its sinks are open. Rejects with what a sink
 * rejects with, and with `DeliveryAbandoned` when `signal` aborts.
 */
export async function replay<L extends ReplayLetter>(
  program: Program,
  letters: readonly L[],
  options: ReplayOptions,
  signal: AbortSignal,
): Promise<readonly Replayed<L>[]> {
  const groups = Map.groupBy(letters, ({ stage }) => sinkIndex(program, stage));
  const replayed: Replayed<L>[] = [];
  for (const [index, group] of groups) {
    const part = index === null ? program : onlySink(program, index);
    replayed.push(...(await replayGroup(part, group, options, signal)));
  }
  return replayed;
}

/** The sink that alone gets it; null: all of them. A sink that is gone makes it one for all that are there now. */
function sinkIndex({ routes }: Program, stage: string): number | null {
  const index = routes.findIndex(({ sink }) => stage === `sink:${sink.name}`);
  return index < 0 ? null : index;
}

function onlySink(program: Program, index: number): Program {
  const elsewhere = program.routes.flatMap(({ when }, i) => (i !== index && when !== null ? [when] : []));
  return { ...program, routes: [program.routes[index]!], elsewhere };
}

async function replayGroup<L extends ReplayLetter>(
  program: Program,
  letters: readonly L[],
  { kind, ...options }: ReplayOptions,
  signal: AbortSignal,
): Promise<Replayed<L>[]> {
  const byRaw = new Map(letters.map((letter) => [letter.raw, letter]));
  const isMeant = ({ raw, element }: Pick<EventRecord, 'raw' | 'element'>): boolean =>
    isWithin(element, byRaw.get(raw)!.element);
  const whole = await transform(program, 0, chunksOf(letters), new Map(), options.clock);
  const epoch: Epoch = {
    ...whole,
    ranges: [],
    letters: whole.letters.filter(isMeant),
    batches: whole.batches.map((batch) => {
      const meant = batch.records.map(isMeant);
      return {
        ...batch,
        records: batch.records.filter((_, i) => meant[i]),
        versions: batch.versions?.filter((_, i) => meant[i]),
      };
    }),
  };

  const watched = program.routes.map((route) => ({ ...route, sink: new WatchedSink(route.sink, kind) }));
  const failures: DeadLetter[] = [];
  const delivery: DeliveryOptions = {
    ...options,
    routes: watched,
    health: watched.map(newRouteHealth),
    onDeadLetters: (dead) => void failures.push(...dead),
    onWritten: () => undefined,
  };
  const prepared = watched.map(({ sink }, i) => {
    const { records, versions } = epoch.batches[i]!;
    return sink.prepare({ records, ranges: [], replay: kind, ...(versions && { versions }) });
  });
  await deliver(epoch, prepared, delivery, signal);

  const ends = new Map<RawRecord, Set<Unwritten | 'delivered'>>();
  for (const [i, { sink }] of watched.entries()) {
    for (const record of epoch.batches[i]!.records) {
      const end = sink.endOf(record);
      if (end === undefined) continue;
      const found = ends.get(record.raw) ?? new Set();
      ends.set(record.raw, found.add(end));
    }
  }
  return letters.map((letter) => {
    const own = failures.filter(({ raw }) => raw === letter.raw);
    return { letter, failures: own, end: endOf(own, ends.get(letter.raw) ?? new Set()) };
  });
}

function endOf(failures: readonly DeadLetter[], ends: ReadonlySet<Unwritten | 'delivered'>): ReplayEnd {
  if (failures.length > 0) return 'dead';
  if (ends.has('ahead')) return 'ahead';
  if (ends.has('delivered') || ends.has('repeated')) return 'delivered';
  return ends.has('superseded') ? 'superseded' : 'filtered';
}

/** The other elements of its record have gone their way, or have letters of their own. */
const isWithin = (element: string, of: string): boolean =>
  of === '' || element === '' || element === of || element.startsWith(`${of}.`) || of.startsWith(`${element}.`);

function chunksOf(letters: readonly ReplayLetter[]): Chunk[] {
  const byPartition = Map.groupBy(letters, ({ partition }) => partition);
  return [...byPartition].map(([partition, own]) => {
    const records = own.map(({ raw }) => raw).toSorted((a, b) => a.offset - b.offset);
    return { partition, records, nextOffset: records.at(-1)!.offset + 1, bytes: 0 };
  });
}

/** A sink that remembers what became of each record. */
class WatchedSink implements Sink {
  readonly name: string;
  readonly storesPositions = true;
  readonly #sink: Sink;
  readonly #kind: 'real' | 'trial';
  #result: WriteResult | null = null;

  constructor(sink: Sink, kind: 'real' | 'trial') {
    this.name = sink.name;
    this.#sink = sink;
    this.#kind = kind;
  }

  /** Undefined where it was rejected. */
  endOf(record: EventRecord): Unwritten | 'delivered' | undefined {
    if (this.#result?.rejected.some((rejection) => rejection.record === record)) return undefined;
    return this.#result?.unwritten?.get(record) ?? 'delivered';
  }

  prepare(batch: SinkBatch): unknown {
    return this.#isAsked ? this.#sink.prepare(batch) : null;
  }

  async write(prepared: unknown, rejectionsMax: number): Promise<WriteResult> {
    this.#result = this.#isAsked ? await this.#sink.write(prepared, rejectionsMax) : nothing;
    return this.#result;
  }

  async commit(): Promise<void> {
    if (this.#kind === 'trial') return this.rollback();
    await this.#sink.commit();
  }

  async rollback(): Promise<void> {
    if (this.#isAsked) await this.#sink.rollback();
  }

  open = () => Promise.resolve();
  claim = () => Promise.resolve(new Map<Partition, number>());
  close = () => Promise.resolve();

  /** A sink that can't undo what it wrote is left out of a trial. */
  get #isAsked(): boolean {
    return this.#kind === 'real' || this.#sink.replayGuard !== undefined;
  }
}

const nothing: WriteResult = {
  written: 0,
  supersededInBatch: 0,
  skippedOffset: 0,
  skippedVersion: 0,
  rejected: [],
};
