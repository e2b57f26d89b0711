/** What one run is about: the records in the log and the pipeline that reads them, both drawn by the seed. */
import type { BreakerLimits } from '../../src/engine/breaker.ts';
import type { RetryPolicy } from '../../src/engine/epoch.ts';
import type { GatherLimits, RawRecord } from '../../src/engine/ports.ts';

/** What a record of the simulation holds. Steps and sinks decide by `n`, see `program.ts` and `fold.ts`. */
export interface Event {
  /** The key of the row it becomes. */
  readonly id: number;
  readonly n: number;
  /** Unique in a run: what "newer" means for sinks with `version:`. */
  readonly version: number;
  /** What `explode` makes of it. */
  readonly items?: readonly Event[];
}

/**
 * One partition. Offsets have gaps, as compaction and transactions leave them, also at the end. A record can be read from
 * its timestamp on.
 */
export interface Log {
  readonly records: readonly RawRecord[];
  readonly end: number;
}

export type SinkName = 'table' | 'audit' | 'rest' | 'output' | 'late';

export interface SinkPlan {
  readonly name: SinkName;
  /** A table with rows, appended rows and positions in one transaction; else an output that keeps no positions. */
  readonly storesPositions: boolean;
  /** Which events it takes: all, those of its `when`, or those no `when` took. */
  readonly takes: 'all' | 'when' | 'otherwise';
  /** Rows are replaced by a higher `version` only; else by the later write. */
  readonly versioned: boolean;
  /** Else it is written by a stage of its own. */
  readonly required: boolean;
  /** What is done about it when it stays away. */
  readonly retry: RetryPolicy;
}

/** What an operator does while no member runs. `add sink`: `late` is there from then on. */
export type Change = 'rewind' | 'add sink' | 'truncate';

export interface Scenario {
  readonly logs: readonly Log[];
  /** Which steps there are. */
  readonly steps: readonly ('explode' | 'filter' | 'check')[];
  readonly sinks: readonly SinkPlan[];
  readonly limits: GatherLimits;
  readonly batchEveryMs: number | null;
  /** How long faults go on, and records come in. */
  readonly chaosMs: number;
  /** Reading begins at the end there is, not at the beginning. */
  readonly startsLatest: boolean;
  readonly breaker: BreakerLimits | null;
  /** Refusals after which a table gives a batch up, where it is told of a bound at all. */
  readonly refusalsMax: number;
  /** Where the members are ended once, and something is changed before others start. */
  readonly change: Change | null;
}

/** The sinks each stage writes: the required ones together, each other one alone. */
export const lanesOf = (sinks: readonly SinkPlan[]): readonly (readonly SinkPlan[])[] => [
  sinks.filter(({ required }) => required),
  ...sinks.filter(({ required }) => !required).map((sink) => [sink]),
];

/** A breaker that forgets nothing as long as a run lasts, so that what it must do can be told from totals. */
export const LONG_MS = 3_600_000;

/** Keys of each partition. */
export const KEYS = 5;

type Chance = () => number;

export function drawScenario(random: Chance, fromMs: number, chaosMs: number, recordsMax: number): Scenario {
  const chance = (share: number) => random() < share;
  const upTo = (most: number) => 1 + Math.floor(random() * most);
  const sink = (name: SinkName, takes: SinkPlan['takes']): SinkPlan => ({
    name,
    takes,
    storesPositions: name !== 'output',
    versioned: name !== 'output' && chance(0.4),
    required: name === 'table' || name === 'late' || chance(0.65),
    retry: chance(0.65) ? { action: 'wait' } : { action: chance(0.5) ? 'dlq' : 'stop', forMs: upTo(200) },
  });
  const sinks = [sink('table', chance(0.3) ? 'when' : 'all')];
  if (chance(0.4)) sinks.push(sink('audit', chance(0.5) ? 'when' : 'all'));
  if (chance(0.3)) sinks.unshift(sink('rest', 'otherwise'));
  if (chance(0.5)) sinks.push(sink('output', chance(0.3) ? 'when' : 'all'));
  const change = chance(0.4) ? (['rewind', 'add sink', 'truncate'] as const)[upTo(3) - 1]! : null;
  if (change === 'add sink') sinks.push(sink('late', 'all'));
  return {
    logs: drawLogs(random, upTo(4), recordsMax, fromMs, chaosMs),
    steps: (['explode', 'filter', 'check'] as const).filter(() => chance(0.5)),
    sinks,
    limits: { recordsMax: upTo(20), bytesMax: chance(0.3) ? 200 : 5000 },
    batchEveryMs: chance(0.25) ? upTo(200) : null,
    chaosMs,
    startsLatest: chance(0.15),
    breaker: chance(0.3) ? { ratio: random() * 0.4, overMs: chance(0.6) ? LONG_MS : upTo(500), min: upTo(5) } : null,
    refusalsMax: upTo(4),
    change,
  };
}

function drawLogs(random: Chance, partitions: number, recordsMax: number, fromMs: number, chaosMs: number): Log[] {
  let version = 0;
  const gap = () => (random() < 0.1 ? Math.floor(random() * 30) : 0);
  const drawEvent = (partition: number): Event => {
    version += 1 + Math.floor(random() * 3);
    return {
      id: partition * KEYS + Math.floor(random() * KEYS),
      n: Math.floor(random() * 1000),
      version: random() < 0.3 ? -version : version,
    };
  };
  return Array.from({ length: partitions }, (_, partition) => {
    const count = Math.ceil((0.3 + random() * 0.7) * recordsMax);
    let end = 0;
    let timestampMs = fromMs;
    const records = Array.from({ length: count }, (): RawRecord => {
      const offset = end + gap();
      end = offset + 1;
      timestampMs += (2.2 * random() * chaosMs) / count;
      const items = Array.from({ length: Math.floor(random() * 4) }, () => drawEvent(partition));
      const value = random() < 0.05 ? '{broken' : JSON.stringify({ ...drawEvent(partition), items });
      return { offset, timestampMs, key: null, value: Buffer.from(value), headers: undefined };
    });
    return { records, end: end + gap() };
  });
}
