/** How many members the consumer group has: asked of the coordinator after an assignment, and every ten seconds. */
import type { Clock, Source } from '../engine/ports.ts';
import type { StageReport } from '../engine/report.ts';

const ASK_EVERY_MS = 10_000;

export interface MembersOptions {
  readonly report: StageReport;
  readonly source: () => Source;
  readonly clock: Clock;
}

export class Members {
  readonly #options: MembersOptions;
  #assignment: unknown = null;
  #askedAtMs = Number.NEGATIVE_INFINITY;
  #count: number | null = null;

  constructor(options: MembersOptions) {
    this.#options = options;
  }

  /** Null where nobody knows. */
  get count(): number | null {
    return this.#count;
  }

  /** Call as often as you like: it asks when it is time to. */
  look(): void {
    const { report, source, clock } = this.#options;
    const nowMs = clock.now();
    if (!report.connected || report.state !== 'running') return;
    if (report.partitions === this.#assignment && nowMs - this.#askedAtMs < ASK_EVERY_MS) return;
    this.#assignment = report.partitions;
    this.#askedAtMs = nowMs;
    void source()
      .members?.()
      .then((count) => (this.#count = count));
  }
}
