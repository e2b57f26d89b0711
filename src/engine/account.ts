/**
 * The account of a pipeline: what came in, and what became of it. Counts are taken per epoch and added to the totals
 * when the epoch is sealed, so an epoch that is undone and read again is not counted twice.
 */
import type { WriteResult } from './ports.ts';

/** What became of the records one stage was given. `in + added = out + filtered + dropped + dead`. */
export class StageCount {
  in = 0;
  out = 0;
  filtered = 0;
  dropped = 0;
  dead = 0;
  /** Records made beyond the one that was given (explode: elements - 1). */
  added = 0;
  /** Time spent, in ms. */
  busyMs = 0;

  add(other: StageCount): void {
    this.in += other.in;
    this.out += other.out;
    this.filtered += other.filtered;
    this.dropped += other.dropped;
    this.dead += other.dead;
    this.added += other.added;
    this.busyMs += other.busyMs;
  }

  /** Must be 0. */
  get difference(): number {
    return this.in + this.added - this.out - this.filtered - this.dropped - this.dead;
  }
}

/** What became of the rows one sink was offered. `offered = written + superseded + skipped + excluded + rejected`. */
export class SinkCount {
  offered = 0;
  written = 0;
  superseded = 0;
  skippedOffset = 0;
  skippedVersion = 0;
  /** Not taken by `when`. */
  excluded = 0;
  rejected = 0;

  add(other: SinkCount): void {
    this.offered += other.offered;
    this.written += other.written;
    this.superseded += other.superseded;
    this.skippedOffset += other.skippedOffset;
    this.skippedVersion += other.skippedVersion;
    this.excluded += other.excluded;
    this.rejected += other.rejected;
  }

  /** Adds what the sink said of one batch. */
  settle(result: WriteResult): void {
    this.written += result.written;
    this.superseded += result.supersededInBatch;
    this.skippedOffset += result.skippedOffset;
    this.skippedVersion += result.skippedVersion;
    this.rejected += result.rejected.length;
  }

  /** Must be 0. */
  get difference(): number {
    return (
      this.offered -
      this.written -
      this.superseded -
      this.skippedOffset -
      this.skippedVersion -
      this.excluded -
      this.rejected
    );
  }
}
