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
}

export interface PlannedStep {
  readonly step: Step;
  /** Where its dead letters say they failed: `step:NAME`, or `timestamp`. */
  readonly stage: string;
}

/** A pipeline compiled for one stage. */
export interface Program {
  readonly reader: (partition: Partition) => RecordReader;
  readonly steps: readonly PlannedStep[];
  readonly routes: readonly Route[];
}

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
  /** Decode first, then the steps in order. */
  readonly stages: readonly StageCount[];
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
 * have everything already. Rejects only when a step says stop (`on_error: stop`) or has a bug.
 */
export async function transform(
  program: Program,
  generation: number,
  chunks: readonly Chunk[],
  floors: ReadonlyMap<Partition, number>,
  clock: Clock,
): Promise<Epoch> {
  const letters: DeadLetter[] = [];
  const stages = [new StageCount(), ...program.steps.map(() => new StageCount())];
  const batches = program.routes.map((route): RouteBatch => ({
    records: [],
    versions: route.version ? [] : undefined,
    count: new SinkCount(),
  }));
  const ranges = new Map<Partition, EpochRange>();
  let read = 0;
  let bytes = 0;

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
    const reader = program.reader(partition);
    for (let start = 0; start < records.length; start += SLICE_RECORDS) {
      const end = Math.min(start + SLICE_RECORDS, records.length);
      let slice = decode(chunk, start, end, reader, stages[0]!, letters, clock);
      for (let i = 0; i < program.steps.length && slice.length > 0; i++) {
        slice = applyStep(program.steps[i]!, slice, stages[i + 1]!, letters, clock);
      }
      route(program.routes, slice, batches, floors, letters, clock);
      if (end < records.length || chunk !== chunks.at(-1)) await clock.sleep(0);
    }
  }
  return { generation, ranges: [...ranges.values()], read, bytes, stages, letters, batches };
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
  routes: readonly Route[],
  records: readonly EventRecord[],
  batches: readonly RouteBatch[],
  floors: ReadonlyMap<Partition, number>,
  letters: DeadLetter[],
  clock: Clock,
): void {
  const nowMs = clock.now();
  // Records some `when` took; only needed where a route waits for the others.
  const taken = routes.some(({ otherwise }) => otherwise) ? new Set<EventRecord>() : undefined;
  for (const last of [false, true]) {
    for (let i = 0; i < routes.length; i++) {
      if (routes[i]!.otherwise === last) offer(routes[i]!, records, batches[i]!, taken, floors, letters, nowMs);
    }
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
      taken?.add(record);
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
