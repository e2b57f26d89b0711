/** A stage with a source that gives what it is told to and sinks that note what they get, under a clock that moves. */
import { expect } from 'vitest';
import type { RetryPolicy } from '../../src/engine/epoch.ts';
import {
  type DeadLetter,
  type Partition,
  type Sink,
  type SinkBatch,
  type Source,
  type SourceEvent,
  TooManyRejections,
  type WriteResult,
} from '../../src/engine/ports.ts';
import { Stage, type StageOptions } from '../../src/engine/stage.ts';
import { VirtualClock } from './clock.ts';

const partitionNumber = (partition: number): Partition => ({
  cluster: 'c',
  topic: 't',
  topicId: 't1',
  partition,
  source: 's',
});
export const [p0, p1] = [partitionNumber(0), partitionNumber(1)];

export const assigned = (generation: number, committed: number | null = null, initial = 0): SourceEvent => ({
  kind: 'assigned',
  assignment: {
    generation,
    partitions: [p0, p1].map((partition) => ({ partition, committed, logStart: 0, logEnd: 1000, initial })),
  },
});

/** Records of one partition with the offsets `[from, to)`, each with its offset as event, or a text that can't be read. */
export const records = (
  generation: number,
  ...ranges: readonly (readonly [Partition, number, number, 'bad'?])[]
): SourceEvent => ({
  kind: 'records',
  generation,
  chunks: ranges.map(([partition, from, to, text]) => ({
    partition,
    nextOffset: to,
    bytes: to - from,
    records: Array.from({ length: to - from }, (_, i) => ({
      offset: from + i,
      timestampMs: 0,
      key: null,
      value: Buffer.from(text ?? String(from + i)),
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
export class Table implements Sink {
  readonly name = 'table';
  readonly storesPositions: boolean;
  readonly rows = new Map<number, number[]>();
  readonly positions = new Map<Partition, number>();
  claims = 0;
  onClaim: () => Promise<void> = () => Promise.resolve();
  onWrite: (batch: SinkBatch) => void = () => undefined;
  onCommit: () => void = () => undefined;
  rejected: readonly number[] = [];
  /** What each write was told it may refuse at most. */
  readonly bounds: number[] = [];
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
  async write(prepared: unknown, rejectionsMax: number): Promise<WriteResult> {
    const batch = prepared as SinkBatch;
    this.bounds.push(rejectionsMax);
    this.onWrite(batch);
    this.#staged = batch;
    const rejected = batch.records
      .filter(({ raw }) => this.rejected.includes(raw.offset))
      .map((record) => ({ record, code: 'sink_constraint', message: 'refused' }));
    if (rejected.length > rejectionsMax) throw new TooManyRejections(rejected.slice(0, rejectionsMax + 1));
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

export const begin = (...sinks: Table[]) => beginWith({}, ...sinks);

interface Scripted extends Partial<Pick<StageOptions, 'batchEveryMs' | 'openMs' | 'breaker'>> {
  readonly retry?: RetryPolicy;
}

/** Starts a stage on a virtual clock. `retry` is that of the first sink. */
export function beginWith({ retry, ...options }: Scripted, ...sinks: Table[]) {
  const clock = new VirtualClock();
  const source = new ScriptedSource();
  const letters: DeadLetter[] = [];
  const told: DeadLetter[] = [];
  const log: string[] = [];
  const note = (code: string, message: string) => void log.push(`${code}: ${message}`);
  const stage = new Stage({
    program: {
      inputs: [
        {
          source: 'in',
          steps: [],
          reader: {
            decode(value) {
              const text = Buffer.from(value).toString();
              if (text === 'bad') throw Object.assign(new Error('not a number'), { code: 'json_invalid' });
              return Number(text);
            },
            readKey: (key) => key,
            readMeta: () => null,
          },
        },
      ],
      steps: [],
      routes: sinks.map((sink, i) => ({
        sink,
        when: null,
        otherwise: false,
        version: null,
        ...(retry && i === 0 && { retry }),
      })),
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
    log: { info: () => undefined, warn: note, error: note },
    limits: { recordsMax: 100, bytesMax: 10_000 },
    batchEveryMs: null,
    openMs: 1000,
    ...options,
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
    /** Warnings and errors. */
    log,
    until,
    /** Lets so much time go by. */
    async pass(forMs: number) {
      let isOver = false;
      void clock.sleep(forMs).then(() => (isOver = true));
      await until(() => isOver);
    },
    async end() {
      stage.stop();
      await until(() => over);
      await done;
      if (error !== undefined) throw error as Error;
    },
    isOver: () => over,
  };
}
