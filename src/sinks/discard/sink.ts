import type { Partition, Sink, SinkBatch, WriteResult } from '../../engine/ports.ts';

/** Takes everything and keeps nothing. */
export class DiscardSink implements Sink {
  readonly name: string;
  readonly storesPositions = false;

  constructor(name: string) {
    this.name = name;
  }

  async open(): Promise<void> {}

  async claim(): Promise<ReadonlyMap<Partition, number>> {
    return new Map();
  }

  prepare(batch: SinkBatch): number {
    return batch.records.length;
  }

  async write(prepared: number): Promise<WriteResult> {
    return { written: prepared, supersededInBatch: 0, skippedOffset: 0, skippedVersion: 0, rejected: [] };
  }

  async commit(): Promise<void> {}

  async rollback(): Promise<void> {}

  async close(): Promise<void> {}
}
