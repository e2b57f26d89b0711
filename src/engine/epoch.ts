/**
 * From chunks of raw records to batches for the sinks: decode, steps, routing. Pure computation over arrays, no promise
 * per record. One epoch is everything that is written, dead-lettered and committed together.
 */
import { SinkCount, StageCount } from './account.ts';
import type {
  Chunk,
  Clock,
  DeadLetter,
  EventRecord,
  OffsetRange,
  Partition,
  Sink,
  Step,
  StepOutcomes,
  Tap,
} from './ports.ts';
import { type RecordReader, StreamRecord } from './record.ts';

/** One sink with what decides which rows it gets. */
export interface Route {
  readonly sink: Sink;
  /** Takes a row or not; null takes all. May throw an error with a `code`. */
  readonly when: ((record: EventRecord) => boolean) | null;
  /** Takes the rows that no other route's `when` took. */
  readonly otherwise: boolean;
  /** What "newer" means for the row; null: the sink's own order. May throw an error with a `code`. */
  readonly version: ((record: EventRecord) => unknown) | null;
  /** What is done about a sink that stays away. Default: it is waited for. */
  readonly retry?: RetryPolicy;
}

/** What becomes of a batch whose sink has been away for `forMs`. */
export type RetryPolicy =
  | { readonly action: 'wait' }
  /** `dlq`: its rows become dead letters and the next batch is tried once; `stop`: the run ends. */
  | { readonly action: 'dlq' | 'stop'; readonly forMs: number };

export interface PlannedStep {
  readonly step: Step;
  /** Where its dead letters say they failed: `step:NAME`, or `timestamp`. */
  readonly stage: string;
}

/** How the records of one source are read, and what happens to them before they meet those of the others. */
export interface ProgramInput {
  /** `Partition.source` of its partitions. */
  readonly source: string;
  readonly reader: RecordReader;
  readonly steps: readonly PlannedStep[];
}

/** A pipeline compiled for one stage. */
export interface Program {
  readonly inputs: readonly ProgramInput[];
  /** For the records of all inputs. */
  readonly steps: readonly PlannedStep[];
  readonly routes: readonly Route[];
  /**
   * The `when` of sinks that another stage writes: what they take is not for the one that takes the rest. Such a sink
   * has no rows here. Default: none.
   */
  readonly elsewhere?: readonly ((record: EventRecord) => boolean)[];
  /** True where another stage makes the dead letters of decode and steps from the same records. */
  readonly sinkLettersOnly?: boolean;
}

/** The input that reads a partition. A program with one input reads them all. */
export function inputOf({ inputs }: Pick<Program, 'inputs'>, { source }: Partition): ProgramInput {
  const input = inputs.length === 1 ? inputs[0] : inputs.find((one) => one.source === source);
  if (input === undefined) throw new Error(`no input reads source ${source}`);
  return input;
}

/** One count for each stage: of every input decode and its own steps, then the steps for all. */
export const newStageCounts = ({ inputs, steps }: Pick<Program, 'inputs' | 'steps'>): StageCount[] =>
  [...inputs.flatMap((input) => [null, ...input.steps]), ...steps].map(() => new StageCount());

/** What one epoch has for one sink. */
export interface RouteBatch {
  readonly records: EventRecord[];
  readonly versions: unknown[] | undefined;
  readonly count: SinkCount;
}

/** How far an epoch moves one partition. */
export interface EpochRange extends OffsetRange {
  readonly records: number;
  /** Timestamp of the last record; null without records. */
  readonly lastTimestampMs: number | null;
}

export interface Epoch {
  readonly generation: number;
  /** How far each partition moves when the epoch is sealed. */
  readonly ranges: readonly EpochRange[];
  readonly read: number;
  readonly bytes: number;
  /** In the order of `newStageCounts`. */
  readonly stages: readonly StageCount[];
  /** Events that came through all steps. */
  readonly delivered: number;
  readonly letters: readonly DeadLetter[];
  /** In the order of `Program.routes`. */
  readonly batches: readonly RouteBatch[];
}

/**
 * Records handled before others get a turn: about a millisecond of work. Between slices the answer of a database to the former
 * epoch is read and its next statement sent, so that it does not idle while we compute.
 */
const SLICE_RECORDS = 250;

/**
 * Runs an epoch's records through the program. `floors` says below which offset sinks without positions of their own
 * have everything already; `taps` see what leaves a stage, by its place in `newStageCounts`. Rejects only when a step
 * says stop (`on_error: stop`) or has a bug.
 */
export async function transform(
  program: Program,
  generation: number,
  chunks: readonly Chunk[],
  floors: ReadonlyMap<Partition, number>,
  clock: Clock,
  taps: readonly (Tap | undefined)[] = [],
): Promise<Epoch> {
  const letters: DeadLetter[] = [];
  const stepLetters: DeadLetter[] = program.sinkLettersOnly === true ? [] : letters;
  const stages = newStageCounts(program);
  const stagesAt = stagePlaces(program);
  const shared = stages.length - program.steps.length;
  const batches = program.routes.map((route): RouteBatch => ({
    records: [],
    versions: route.version ? [] : undefined,
    count: new SinkCount(),
  }));
  const ranges = new Map<Partition, EpochRange>();
  let read = 0;
  let bytes = 0;
  let delivered = 0;

  for (const chunk of chunks) {
    const { partition, records } = chunk;
    const before = ranges.get(partition);
    ranges.set(partition, {
      partition,
      from: before?.from ?? records[0]?.offset ?? chunk.nextOffset,
      to: chunk.nextOffset,
      records: (before?.records ?? 0) + records.length,
      lastTimestampMs: records.at(-1)?.timestampMs ?? before?.lastTimestampMs ?? null,
    });
    read += records.length;
    bytes += chunk.bytes;
    const input = inputOf(program, partition);
    const own = stagesAt.get(input)!;
    for (let start = 0; start < records.length; start += SLICE_RECORDS) {
      const end = Math.min(start + SLICE_RECORDS, records.length);
      let slice = decode(chunk, start, end, input.reader, stages[own]!, stepLetters, clock);
      taps[own]?.(slice);
      slice = applySteps(input.steps, slice, stages, own + 1, stepLetters, clock, taps);
      slice = applySteps(program.steps, slice, stages, shared, stepLetters, clock, taps);
      delivered += slice.length;
      route(program, slice, batches, floors, letters, clock);
      if (end < records.length || chunk !== chunks.at(-1)) await clock.sleep(0);
    }
  }
  return { generation, ranges: [...ranges.values()], read, bytes, stages, delivered, letters, batches };
}

/** Where the stages of each input begin. */
function stagePlaces({ inputs }: Program): ReadonlyMap<ProgramInput, number> {
  const places = new Map<ProgramInput, number>();
  let next = 0;
  for (const input of inputs) {
    places.set(input, next);
    next += 1 + input.steps.length;
  }
  return places;
}

function decode(
  chunk: Chunk,
  start: number,
  end: number,
  reader: RecordReader,
  count: StageCount,
  letters: DeadLetter[],
  clock: Clock,
): StreamRecord[] {
  const startedMs = clock.now();
  const decoded: StreamRecord[] = [];
  for (let i = start; i < end; i++) {
    const record = new StreamRecord(chunk.records[i]!, chunk.partition, reader);
    try {
      record.decode();
    } catch (error) {
      letters.push(deadLetter(record, 'decode', reasonOf(error), startedMs));
      continue;
    }
    decoded.push(record);
  }
  count.in += end - start;
  count.out += decoded.length;
  count.dead += end - start - decoded.length;
  count.busyMs += clock.now() - startedMs;
  return decoded;
}

/** `first` is the place of the first step's count among `stages`. */
function applySteps(
  steps: readonly PlannedStep[],
  records: StreamRecord[],
  stages: readonly StageCount[],
  first: number,
  letters: DeadLetter[],
  clock: Clock,
  taps: readonly (Tap | undefined)[],
): StreamRecord[] {
  let slice = records;
  for (let i = 0; i < steps.length && slice.length > 0; i++) {
    slice = applyStep(steps[i]!, slice, stages[first + i]!, letters, clock);
    taps[first + i]?.(slice);
  }
  return slice;
}

function applyStep(
  planned: PlannedStep,
  records: EventRecord[],
  count: StageCount,
  letters: DeadLetter[],
  clock: Clock,
): StreamRecord[] {
  const startedMs = clock.now();
  let filtered = 0;
  let dropped = 0;
  let dead = 0;
  const outcomes: StepOutcomes = {
    filtered() {
      filtered++;
    },
    dropped() {
      dropped++;
    },
    dead(record, code, message) {
      dead++;
      letters.push(deadLetter(record, planned.stage, { code, message }, startedMs));
    },
  };
  const given = records.length;
  const out = planned.step.apply(records, outcomes) as StreamRecord[];
  count.in += given;
  count.out += out.length;
  count.filtered += filtered;
  count.dropped += dropped;
  count.dead += dead;
  if (planned.step.expands) count.added += out.length + filtered + dropped + dead - given;
  count.busyMs += clock.now() - startedMs;
  return out;
}

function route(
  { routes, elsewhere = [] }: Program,
  records: readonly EventRecord[],
  batches: readonly RouteBatch[],
  floors: ReadonlyMap<Partition, number>,
  letters: DeadLetter[],
  clock: Clock,
): void {
  const nowMs = clock.now();
  // Records some `when` took; only needed where a route waits for the others.
  const taken = routes.some(({ otherwise }) => otherwise) ? new Set<EventRecord>() : undefined;
  if (taken !== undefined)
    for (const when of elsewhere) for (const record of records) if (takes(when, record)) taken.add(record);
  for (const last of [false, true]) {
    for (let i = 0; i < routes.length; i++) {
      if (routes[i]!.otherwise === last) offer(routes[i]!, records, batches[i]!, taken, floors, letters, nowMs);
    }
  }
}

/** What another stage's `when` fails on is that stage's to bury, and for no other sink either. */
function takes(when: (record: EventRecord) => boolean, record: EventRecord): boolean {
  try {
    return when(record);
  } catch (error) {
    reasonOf(error);
    return true;
  }
}

/** Gives one sink its rows and notes in `taken` those its `when` took. */
function offer(
  { sink, when, otherwise, version }: Route,
  records: readonly EventRecord[],
  batch: RouteBatch,
  taken: Set<EventRecord> | undefined,
  floors: ReadonlyMap<Partition, number>,
  letters: DeadLetter[],
  nowMs: number,
): void {
  const { count } = batch;
  count.offered += records.length;
  for (const record of records) {
    try {
      if (otherwise ? taken!.has(record) : when !== null && !when(record)) {
        count.excluded++;
        continue;
      }
      if (when !== null) taken?.add(record);
      // Asked after `when`: what this sink had before is still not for the one that takes the rest.
      if (!sink.storesPositions && record.raw.offset < (floors.get(record.partition) ?? 0)) {
        count.skippedOffset++;
        continue;
      }
      if (version !== null) batch.versions!.push(version(record));
      batch.records.push(record);
    } catch (error) {
      // Who can't tell whether it is its row, or of what version, keeps it from the one that takes the rest.
      if (when !== null) taken?.add(record);
      count.rejected++;
      letters.push(deadLetter(record, `sink:${sink.name}`, reasonOf(error), nowMs));
    }
  }
}

/** A dead letter for a record that failed at `stage`. */
export function deadLetter(
  record: EventRecord,
  stage: string,
  reason: { code: string; message: string },
  failedAtMs: number,
): DeadLetter {
  const { raw, partition, element } = record;
  return {
    raw,
    partition,
    element,
    stage,
    code: reason.code,
    message: reason.message,
    failedAtMs: Math.floor(failedAtMs),
  };
}

/** Code and message of an error a codec or expression throws for one record. Any other error is a bug and goes on. */
function reasonOf(error: unknown): { code: string; message: string } {
  if (error instanceof Error && 'code' in error && typeof error.code === 'string')
    return { code: error.code, message: error.message };
  throw error;
}
