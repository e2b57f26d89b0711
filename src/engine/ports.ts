/**
 * The contracts between the engine and everything that touches the world. The engine calls these and nothing else, so
 * the same engine runs in production, under a clock a test moves, and in the simulator.
 *
 * Times are milliseconds since the epoch, sizes are bytes, offsets are safe integers.
 */

/** Wall clock and timers. Production uses the system's, tests move their own. */
export interface Clock {
  /** Milliseconds since the epoch, with a fraction where the clock has one. */
  now(): number;
  /** Resolves after `delayMs`, or at once when `signal` aborts; 0 gives pending I/O a turn. Never rejects. */
  sleep(delayMs: number, signal?: AbortSignal): Promise<void>;
}

/**
 * One partition of one log. The source hands out one object per partition and assignment, so identity is equality
 * within a generation. `cluster`, `topicId` and `partition` together name the log for good: a topic that was deleted
 * and created again has another `topicId`.
 */
export interface Partition {
  /** Kafka cluster id; `file` for files. */
  readonly cluster: string;
  readonly topic: string;
  readonly topicId: string;
  readonly partition: number;
  /** Name of the source in the pipeline file that reads it. */
  readonly source: string;
}

export type HeaderValue = Uint8Array | string | readonly (Uint8Array | string)[] | undefined;

/**
 * A record as it lies in the log. Its bytes are never changed. A source may make key, value and headers when they are asked
 * for: a spread leaves those out, so a copy names them.
 */
export interface RawRecord {
  readonly offset: number;
  readonly timestampMs: number;
  readonly key: Uint8Array | null;
  readonly value: Uint8Array | null;
  readonly headers: Readonly<Record<string, HeaderValue>> | undefined;
}

/** Consecutive records of one partition, in offset order. */
export interface Chunk {
  readonly partition: Partition;
  readonly records: readonly RawRecord[];
  /**
   * The position after this chunk. May lie beyond the last record's offset + 1, since logs have gaps (compaction,
   * transaction markers), and a chunk may be empty and still move the position.
   */
  readonly nextOffset: number;
  /** Size of keys and values together, for bounds. */
  readonly bytes: number;
}

export interface AssignedPartition {
  readonly partition: Partition;
  /** The group's committed offset, null where there is none. */
  readonly committed: number | null;
  /** The committed offset was not committed by a pipeline: somebody has moved it. */
  readonly isMoved?: boolean;
  /** First offset that still exists. */
  readonly logStart: number;
  /** Offset the next produced record will get (last stable offset for a transactional topic). */
  readonly logEnd: number;
  /** Where to begin without any position: the pipeline's `source.start` (earliest, latest, a time), already looked up. */
  readonly initial: number;
}

/** What this member owns in one generation of the group. */
export interface Assignment {
  /** Rises with every (re)assignment this member is given, also when a client was rebuilt. */
  readonly generation: number;
  readonly partitions: readonly AssignedPartition[];
}

export type SourceEvent =
  /** The engine must answer with `begin` before any record of this generation is delivered. */
  | { readonly kind: 'assigned'; readonly assignment: Assignment }
  | { readonly kind: 'records'; readonly generation: number; readonly chunks: readonly Chunk[] }
  /** Everything this source will ever give has been given (a file's end; the end offsets seen at start). */
  | { readonly kind: 'ended' };

/** How much one epoch may hold; an epoch holds at least one chunk, a chunk is never split below one record. */
export interface GatherLimits {
  readonly recordsMax: number;
  readonly bytesMax: number;
}

/**
 * Reads logs as a member of a consumer group. One engine calls it, one call at a time; `next` is the exception: while
 * it waits, `begin`, `commit`, `reassign` and `close` may be called.
 */
export interface Source {
  /**
   * Connects and joins. Rejects when the first connection fails for a reason that waiting does not mend, and soon after
   * `signal` aborts, with whatever it waited for.
   */
  start(signal?: AbortSignal): Promise<void>;
  /**
   * Everything fetched so far, within `limits`, as soon as there is something. Chunks of one partition come in offset
   * order and without overlap. No record of a former assignment comes after the event of a newer one, and none of a
   * newer one before `begin` has answered it. Never waits to fill a batch. The source goes on fetching in the
   * background up to its own byte bound and stops there (back-pressure) while its membership is kept alive.
   * Rejects only with `SourceFailed`.
   */
  next(limits: GatherLimits): Promise<SourceEvent>;
  /**
   * Answers `assigned`: delivery starts at these positions, one for every partition of the assignment. A position beyond
   * the end of the log, once that is looked up afresh, is `SourceFailed`: it is not the log the position belongs to.
   */
  begin(generation: number, positions: ReadonlyMap<Partition, number>): void;
  /**
   * Commits next-to-read offsets for the group under `generation`. Resolves `refused` when the group has moved on;
   * that is no error, another member or generation goes on from the sinks' positions. Transient failures are retried
   * inside; resolves `failed` when that took too long.
   */
  commit(generation: number, positions: ReadonlyMap<Partition, number>): Promise<'committed' | 'refused' | 'failed'>;
  /**
   * A sink refused our owner epoch: ask the coordinator whether we are still a member, and give `assigned` again with
   * what is still ours (a newer generation number; empty when we lost everything).
   */
  reassign(): Promise<void>;
  /** What is known about the end of each owned partition, for lag. Cheap and synchronous: values seen in fetches. */
  ends(): ReadonlyMap<Partition, number>;
  /** True while it fetches no more, since what it holds is not taken. Default: never. */
  readonly full?: boolean;
  /** Leaves the group and disconnects. A pending `next` resolves `ended`. Never rejects. */
  close(): Promise<void>;
}

/** The source can't go on: data loss, a topic created anew, authorisation. Carries an error code of `errors.ts`. */
export class SourceFailed extends Error {
  readonly code: string;
  /** Where it could go on if somebody says so; empty where nowhere in particular. */
  readonly goOn: readonly Place[];
  constructor(code: string, message: string, options: ErrorOptions & { readonly goOn?: readonly Place[] } = {}) {
    super(message, options);
    this.name = 'SourceFailed';
    this.code = code;
    this.goOn = options.goOn ?? [];
  }
}

/** An offset of a partition. */
export interface Place {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
}

/** One record on its way through the steps. `engine/record.ts` has the class; sinks and steps need only this. */
export interface EventRecord {
  /** The decoded value as the last step left it. */
  event: unknown;
  readonly raw: RawRecord;
  readonly partition: Partition;
  /** Which element of an exploded record this is (`''` for a whole record, else `3` or `3.0`). */
  readonly element: string;
  /** The record's key as the source's key format reads it. */
  readonly key: unknown;
  /** What expressions see as `meta`. */
  readonly meta: unknown;
}

/** Where a batch moves a sink's position on one partition: from `from` (inclusive) to `to` (exclusive). */
export interface OffsetRange {
  readonly partition: Partition;
  readonly from: number;
  readonly to: number;
}

/** What one sink is to write for one epoch. */
export interface SinkBatch {
  /**
   * In the order of the source within a partition. A record whose offset lies below the sink's own position must be
   * skipped by the sink, inside its transaction.
   */
  readonly records: readonly EventRecord[];
  /** `version:` per record, where the sink declares one; else absent. Same length as `records`. */
  readonly versions?: readonly unknown[];
  /** Every partition of the epoch, also those of which no record survived the steps. */
  readonly ranges: readonly OffsetRange[];
  /**
   * Dead letters that are processed again: `ranges` is empty and no position may move. A row that is there stays unless
   * the record is surely newer, by the log and offset it was read from at first. `trial`: `rollback` follows, and nothing
   * outside the transaction may change.
   */
  readonly replay?: 'real' | 'trial';
}

export interface Rejection {
  readonly record: EventRecord;
  /** An error code of `errors.ts`. */
  readonly code: string;
  /** Why, for a person. May name columns and constraints. */
  readonly message: string;
}

/** What became of a batch, in rows. `written + superseded + skipped* + rejected = records.length`. */
export interface WriteResult {
  readonly written: number;
  /** Replaced by a later record of the same key within the batch. */
  readonly supersededInBatch: number;
  /** Below the sink's own position: already written by an earlier attempt or owner. */
  readonly skippedOffset: number;
  /** The row that is there has a higher version. */
  readonly skippedVersion: number;
  /** Refused for good, each with its reason; becomes a dead letter. */
  readonly rejected: readonly Rejection[];
  /** Of a replay: the records that were not written just now, and why. They count as skipped. */
  readonly unwritten?: ReadonlyMap<EventRecord, Unwritten>;
}

/**
 * `superseded`: the row that is there is not surely older. `repeated`: a former replay has added it. `ahead`: the sink
 * has the record still before it and will write it by itself.
 */
export type Unwritten = 'superseded' | 'repeated' | 'ahead';

/**
 * Writes batches. One engine calls it, one call at a time, in this order for each batch:
 * `prepare`, `write`, then `commit` or `rollback`. `prepare` of the next batch may come before `commit` of the former.
 *
 * Throwing means: `SinkUnavailable` - transient, the engine rolls back and tries the same batch again with back-off;
 * `Fenced` - a newer owner exists, the engine rolls back and asks the source to `reassign`; anything else is a bug or a
 * broken set-up and stops the pipeline with its text.
 */
export interface Sink {
  readonly name: string;
  /** True when positions are kept with the rows in one transaction. Else the group's committed offset is the truth. */
  readonly storesPositions: boolean;
  /**
   * Connects and checks that what it writes to fits (table, columns, unique key). Gives up connecting when `signal`
   * aborts: it is `SinkUnavailable` then.
   */
  open(signal?: AbortSignal): Promise<void>;
  /**
   * Called after every assignment and before the first batch of it: raises the owner epoch of each partition and
   * returns the stored positions; a partition without one is left out. From here on a write by a former owner fails.
   */
  claim(partitions: readonly Partition[]): Promise<ReadonlyMap<Partition, number>>;
  /** Turns records into what goes over the wire. Synchronous, no I/O: runs while the former batch is being written. */
  prepare(batch: SinkBatch): unknown;
  /**
   * Begins the sink's transaction, writes, leaves it open. One bad row never costs another: permanent refusals are
   * isolated and returned, as long as they are no more than `rejectionsMax`; beyond that it rejects with
   * `TooManyRejections`, since to take a batch apart row by row is slow and so many refusals are hardly the rows' fault.
   * A sink without transactions writes here, and `commit` does nothing.
   */
  write(prepared: unknown, rejectionsMax: number): Promise<WriteResult>;
  /** Makes rows and positions visible together. */
  commit(): Promise<void>;
  /** Undoes `write`. Called also when the state is unknown; never rejects. */
  rollback(): Promise<void>;
  /**
   * What a replay may rely on, once it is open. `exact`: newer rows stay, an added row is added once. `unguarded`: it may
   * put an older row over a newer one. Absent: each replay writes again.
   */
  replayGuard?(): 'exact' | 'unguarded';
  /** Flushes nothing, forgets nothing that was committed. Never rejects. */
  close(): Promise<void>;
}

/** Transient: the service is away, busy, or asks to try again. */
export class SinkUnavailable extends Error {
  override name = 'SinkUnavailable';
}

/** A newer owner of the partition has raised the owner epoch. */
export class Fenced extends Error {
  override name = 'Fenced';
}

/** More rows of a batch were refused for good than may be: the search for them was given up. The engine rolls back. */
export class TooManyRejections extends Error {
  override name = 'TooManyRejections';
  /** Those that were found before it was given up. */
  readonly rejected: readonly Rejection[];
  constructor(rejected: readonly Rejection[]) {
    super(`more than ${rejected.length - 1} rows of a batch were refused: ${rejected.at(-1)?.message ?? ''}`);
    this.rejected = rejected;
  }
}

/** A record that could not be processed, with the reason. */
export interface DeadLetter {
  readonly raw: RawRecord;
  readonly partition: Partition;
  readonly element: string;
  /** `decode`, `timestamp`, `step:NAME` or `sink:NAME`. */
  readonly stage: string;
  readonly code: string;
  readonly message: string;
  readonly failedAtMs: number;
  /** Where it was a dead letter before and was replayed. */
  readonly history?: LetterHistory;
}

/** What a record has behind it that is a dead letter again. */
export interface LetterHistory {
  /** How often it has failed, this time included. */
  readonly attempts: number;
  readonly replayCount: number;
  readonly firstFailedAtMs: number;
}

/** The dead-letter queue of a pipeline. */
export interface DeadLetterQueue {
  /** Resolves when all are durable (acks=all, fsync). Rejects with `SinkUnavailable` when they can't be made so now. */
  append(letters: readonly DeadLetter[]): Promise<void>;
}

/** Turns bytes into a value. Synchronous. Throws an error with `code` and `message` when the bytes are not readable. */
export interface Codec {
  decode(bytes: Uint8Array): unknown;
}

/** Where a step sends what does not go on. */
export interface StepOutcomes {
  filtered(record: EventRecord): void;
  /** Left out on purpose (`on_error: drop`, `missing: drop`), counted under the reason. */
  dropped(record: EventRecord, reason: string): void;
  dead(record: EventRecord, code: string, message: string): void;
}

/**
 * One transform step. Gets records in order, a slice of an epoch at a time, and returns those that go on, in order;
 * every record it was given is either returned, turned into returned records (explode) or told to `outcomes` once. It
 * may change `record.event` in place: an event belongs to its record alone.
 */
export interface Step {
  readonly name: string;
  /** The component: `filter`, `map`. */
  readonly kind: string;
  /** True where it makes several records out of one (explode). */
  readonly expands?: boolean;
  apply(records: EventRecord[], outcomes: StepOutcomes): EventRecord[];
}

/**
 * Sees every slice of records that leaves a stage, while somebody watches. Called before the next stage may change their
 * events, so what it wants to keep it must copy. Must be quick and never throw. Records of an epoch that is undone come again.
 */
export type Tap = (records: readonly EventRecord[]) => void;

/**
 * Rows by key, for `enrich`. One pipeline opens it before its first record and closes it after its last one. `get` is
 * synchronous, as steps are: whatever a lookup does not hold in memory it must have fetched before the epoch's steps run.
 */
export interface Lookup {
  /** Loads what has to be there before the first record; rejects with what a user can do about it. */
  open(): Promise<void>;
  /** The row of a key, undefined where there is none. A row is shared by all who ask and never changed. */
  get(key: string): Readonly<Record<string, unknown>> | undefined;
  /** Never rejects. */
  close(): Promise<void>;
}

/** Structured log. `code` is stable; details never hold payloads or secrets. */
export interface Log {
  info(code: string, message: string, details?: Readonly<Record<string, unknown>>): void;
  warn(code: string, message: string, details?: Readonly<Record<string, unknown>>): void;
  error(code: string, message: string, details?: Readonly<Record<string, unknown>>): void;
}

/** Says nothing: for who gets what goes wrong as an error of a call. */
export const silentLog: Log = { info: () => {}, warn: () => {}, error: () => {} };
