/** What takes the place of the services in a case: a log that is fed, and sinks that remember what they were given. */
import type {
  AssignedPartition,
  DeadLetter,
  DeadLetterQueue,
  EventRecord,
  Partition,
  RawRecord,
  Sink,
  SinkBatch,
  Source,
  SourceEvent,
  WriteResult,
} from '../engine/ports.ts';

interface FedRecord {
  readonly partition: Partition;
  readonly raw: RawRecord;
}

/** Gives what was fed so far, in the order it was fed, also across partitions. */
export class FedSource implements Source {
  readonly #partitions: readonly AssignedPartition[];
  #fed: FedRecord[] = [];
  #isAssigned = false;
  #isEnded = false;
  #wake: () => void = () => undefined;

  constructor(partitions: readonly AssignedPartition[]) {
    this.#partitions = partitions;
  }

  feed(record: FedRecord): void {
    this.#fed.push(record);
    this.#wake();
  }

  end(): void {
    this.#isEnded = true;
    this.#wake();
  }

  async next(): Promise<SourceEvent> {
    if (!this.#isAssigned) {
      this.#isAssigned = true;
      return { kind: 'assigned', assignment: { generation: 1, partitions: this.#partitions } };
    }
    while (this.#fed.length === 0 && !this.#isEnded) await new Promise<void>((resolve) => (this.#wake = resolve));
    if (this.#fed.length === 0) return { kind: 'ended' };
    const runs: { readonly partition: Partition; readonly records: RawRecord[] }[] = [];
    for (const { partition, raw } of this.#fed) {
      const last = runs.at(-1);
      if (last?.partition === partition) last.records.push(raw);
      else runs.push({ partition, records: [raw] });
    }
    this.#fed = [];
    const chunks = runs.map((run) => ({ ...run, nextOffset: run.records.at(-1)!.offset + 1, bytes: 0 }));
    return { kind: 'records', generation: 1, chunks };
  }

  start = () => Promise.resolve();
  begin = () => undefined;
  commit = () => Promise.resolve('committed' as const);
  reassign = () => Promise.resolve();
  ends = () => new Map(this.#partitions.map(({ partition, logEnd }) => [partition, logEnd]));

  close(): Promise<void> {
    this.end();
    return Promise.resolve();
  }
}

/** Remembers the rows it was given, in order. */
export class RecordingSink implements Sink {
  readonly name: string;
  readonly storesPositions = false;
  readonly rows: unknown[] = [];
  #written: readonly EventRecord[] = [];

  constructor(name: string) {
    this.name = name;
  }

  prepare({ records }: SinkBatch): readonly EventRecord[] {
    return records;
  }

  write(prepared: unknown): Promise<WriteResult> {
    this.#written = prepared as readonly EventRecord[];
    const written = this.#written.length;
    return Promise.resolve({ written, supersededInBatch: 0, skippedOffset: 0, skippedVersion: 0, rejected: [] });
  }

  commit(): Promise<void> {
    for (const { event } of this.#written) this.rows.push(event);
    return Promise.resolve();
  }

  open = () => Promise.resolve();
  claim = () => Promise.resolve(new Map());
  rollback = () => Promise.resolve();
  close = () => Promise.resolve();
}

export class RecordingQueue implements DeadLetterQueue {
  readonly letters: DeadLetter[] = [];

  append(letters: readonly DeadLetter[]): Promise<void> {
    this.letters.push(...letters);
    return Promise.resolve();
  }
}
