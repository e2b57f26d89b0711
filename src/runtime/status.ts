/**
 * The one picture of a running pipeline. The status view, plain lines, JSON lines and metrics are all made from it, so
 * they can't disagree. Plain data: rates are per second, times are milliseconds, unknown is null and never -1.
 */
export type RunState =
  | 'starting'
  | 'rebalancing'
  | 'running'
  | 'back-pressured'
  | 'sink down'
  | 'breaker open'
  | 'fenced'
  | 'draining'
  | 'stopped'
  | 'failed';

export interface StageStatus {
  /** `produced`, `decode`, `timestamp`, then the steps by name. */
  readonly name: string;
  readonly kind: string;
  /** Null where the stage has none (`produced` has only `out`). */
  readonly inPerSecond: number | null;
  readonly outPerSecond: number | null;
  readonly filteredPerSecond: number | null;
  readonly deadPerSecond: number | null;
  /** Totals since start, in records. */
  readonly in: number;
  readonly out: number;
  readonly filtered: number;
  readonly dropped: number;
  readonly dead: number;
  /** Records a step made out of one (explode), beyond the one it was given. */
  readonly added: number;
  /** Share of wall time spent in it, 0 to 1. */
  readonly busy: number;
}

export type Verdict = 'OK' | 'WARN' | 'STALL';

export interface PartitionStatus {
  readonly topic: string;
  readonly partition: number;
  readonly owner: string;
  /** Next offset to be written. */
  readonly position: number;
  readonly end: number | null;
  readonly lag: number | null;
  readonly lagChangePerSecond: number | null;
  /** Age of the next record to be processed: how far behind the partition is in time; 0 without lag. */
  readonly behindMs: number | null;
  readonly inPerSecond: number;
  /** Time until the lag is gone at the present rates; null when it does not fall. */
  readonly catchUpMs: number | null;
  readonly verdict: Verdict;
  /** Nothing was produced to it for so long, and nothing waits; null while it is in use. */
  readonly idleMs: number | null;
  /** Its share of what is produced, where it gets at least twice what the others get on average; else null. From 0 to 1. */
  readonly hotShare: number | null;
  /** A few words after the verdict: `hot: 24% of all`, `idle 4m10s`. */
  readonly note: string;
}

export interface SinkStatus {
  readonly name: string;
  readonly required: boolean;
  readonly rowsPerSecond: number;
  /** Mean rows a batch, of the recent ones. */
  readonly batchRows: number | null;
  readonly writeP95Ms: number | null;
  readonly retries: number;
  /**
   * Rows gathered for it and not yet written. Of a sink that is not required: records its own group has not yet written
   * of what is in the log; null where that is not known.
   */
  readonly behindRows: number | null;
  readonly state: 'OK' | 'RETRYING' | 'DOWN' | 'FENCED';
  /** Since when it has been in trouble; null without trouble. */
  readonly sinceMs: number | null;
  /** Cause and next try: `ECONNREFUSED, next in 22 s`. Without secrets. */
  readonly note: string;
  /** Totals since start, in rows: offered = written + the rest + pending. */
  readonly offered: number;
  readonly written: number;
  readonly superseded: number;
  readonly skippedOffset: number;
  readonly skippedVersion: number;
  readonly excluded: number;
  readonly rejected: number;
}

/** Rows of a sink that nothing is known of. Must be 0. */
export function unaccountedRows(sink: SinkStatus): number {
  const { offered, written, superseded, skippedOffset, skippedVersion, excluded, rejected } = sink;
  return offered - written - superseded - skippedOffset - skippedVersion - excluded - rejected;
}

/** The share of dead letters, and what happens when it is too large. */
export interface BreakerStatus {
  /** `unarmed`: for one window after it was resumed it does not open. */
  readonly state: 'closed' | 'open' | 'unarmed';
  /** The sink whose stage it holds; null: that of all required sinks. */
  readonly sink: string | null;
  /** Dead letters per record read, over the window; of an open one what it opened for. */
  readonly ratio: number;
  /** Above this it opens. */
  readonly ratioMax: number;
  readonly overMs: number;
  /** Since when it is open; null while it is not. */
  readonly sinceMs: number | null;
  /** Why it opened, the most frequent first. */
  readonly causes: readonly {
    readonly stage: string;
    readonly code: string;
    readonly message: string;
    readonly count: number;
  }[];
}

/** What became of the letters of a queue, as `dlq stats` counts them. */
export interface LettersByStatus {
  readonly open: number;
  readonly replayed: number;
  readonly resolved: number;
  readonly quarantined: number;
}

/** The queue as a whole: letters of all members and all runs. */
export interface LettersStatus extends LettersByStatus {
  /** Letters beyond the first million, of which no more is known. */
  readonly uncounted: number;
  readonly openChangePerSecond: number | null;
}

/** Of the letters this process has made. */
export interface DeadLetterCause {
  readonly fingerprint: string;
  readonly count: number;
  /** Of the queue as a whole; null where that is not known. */
  readonly letters: LettersByStatus | null;
  readonly perSecond: number;
  readonly stage: string;
  readonly code: string;
  readonly message: string;
  readonly firstAtMs: number;
  readonly lastAtMs: number;
}

/** The newest record of a cause, as far as a person wants to read it. Never part of a snapshot: it is payload. */
export interface DeadLetterSample {
  readonly topic: string;
  readonly partition: number;
  readonly offset: string;
  readonly timestampMs: number;
  readonly failedAtMs: number;
  readonly message: string;
  /** Text without secrets; bytes that are no text in hexadecimal; null as in the record. */
  readonly key: string | null;
  readonly value: string | null;
  /** Of the whole value; of which `value` may be the beginning. */
  readonly valueBytes: number;
}

export interface Account {
  readonly read: number;
  readonly filtered: number;
  readonly dropped: number;
  readonly dead: number;
  readonly added: number;
  readonly delivered: number;
  readonly pending: number;
  /** Must be 0: read + added - everything else. */
  readonly difference: number;
}

export interface StatusEvent {
  readonly atMs: number;
  readonly level: 'info' | 'warn' | 'error';
  readonly code: string;
  readonly message: string;
  /** It happened so often, the last time at `atMs`. Default: once. */
  readonly times?: number;
}

export interface StatusSnapshot {
  readonly pipeline: string;
  /** The pipeline file, as it was named. */
  readonly file: string;
  readonly environment: string | null;
  /** This process: its name among the members of the group, and its process id. */
  readonly member: string;
  readonly pid: number;
  readonly state: RunState;
  /** The required sinks have answered and the first partitions were taken over. Stays true on lag, ends with the drain. */
  readonly ready: boolean;
  /** How often partitions were assigned anew after the first time. */
  readonly rebalances: number;
  readonly startedAtMs: number;
  readonly atMs: number;
  /** `shop.orders.placed.v1 (json)`. */
  readonly source: string;
  /** Of the consumer group, as it was told in the last ten seconds; null where nobody knows. */
  readonly members: number | null;
  /** Per sink, in words: `effectively once`. */
  readonly delivery: readonly { readonly sink: string; readonly verdict: string }[];
  readonly stages: readonly StageStatus[];
  /** From the record's timestamp to the sink's acknowledgement, of the last minute. */
  readonly endToEnd: { readonly p50Ms: number | null; readonly p95Ms: number | null; readonly p99Ms: number | null };
  readonly account: Account;
  readonly partitions: readonly PartitionStatus[];
  readonly lag: number | null;
  readonly lagChangePerSecond: number | null;
  readonly sinks: readonly SinkStatus[];
  /** Of each stage; empty where it is off. */
  readonly breakers: readonly BreakerStatus[];
  readonly deadLetters: {
    /** Made by this process since start, those that were replayed and are dead again among them. */
    readonly total: number;
    readonly perSecond: number;
    readonly destination: string;
    /** Of all members and runs; null where it is not known: not yet read, or it can't be read. */
    readonly letters: LettersStatus | null;
    readonly causes: readonly DeadLetterCause[];
    /** Letters made durable since start, by stage and error code. */
    readonly byCode: readonly { readonly stage: string; readonly code: string; readonly count: number }[];
  };
  /** Newest first. */
  readonly events: readonly StatusEvent[];
}
