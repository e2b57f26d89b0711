import type { Clock, Partition, Source } from './ports.ts';

/** At most this often the group's offsets are committed where every sink keeps its own position: they are for display. */
const DISPLAY_COMMIT_EVERY_MS = 500;

export interface GroupOffsetsOptions {
  readonly source: Pick<Source, 'commit'>;
  readonly clock: Clock;
  /** No sink relies on the group's offsets. */
  readonly forDisplay: boolean;
  /** Ends the wait for a planned commit. */
  readonly stopping: AbortSignal;
  /** Where each partition stands now, and in which generation. */
  readonly read: () => { readonly generation: number; readonly positions: ReadonlyMap<Partition, number> };
}

/**
 * Keeps the group's committed offsets near the positions: after every epoch where a sink relies on them, else at
 * intervals. One commit at a time, so that a later one is never overtaken; what is asked for meanwhile waits for the
 * next one, which takes the newest positions.
 */
export class GroupOffsets {
  readonly #options: GroupOffsetsOptions;
  #sentAtMs = Number.NEGATIVE_INFINITY;
  #planned = false;
  /** The commit that is under way. */
  #committing: Promise<void> | undefined;
  /** Positions have moved since it was sent. */
  #again = false;

  constructor(options: GroupOffsetsOptions) {
    this.#options = options;
  }

  /** Positions have moved: commits now or soon. */
  plan(): void {
    const { clock, forDisplay, stopping } = this.#options;
    if (this.#planned) return;
    const waitMs = forDisplay ? this.#sentAtMs + DISPLAY_COMMIT_EVERY_MS - clock.now() : 0;
    if (waitMs <= 0) {
      void this.commit();
      return;
    }
    this.#planned = true;
    void clock.sleep(waitMs, stopping).then(() => {
      this.#planned = false;
      return this.commit();
    });
  }

  /** Commits where each partition stands. Resolves when the newest positions were sent and answered. */
  commit(): Promise<void> {
    this.#again = true;
    this.#committing ??= this.#commitNewest();
    return this.#committing;
  }

  async #commitNewest(): Promise<void> {
    const { clock, source, read } = this.#options;
    while (this.#again) {
      this.#again = false;
      this.#sentAtMs = clock.now();
      const { generation, positions } = read();
      await (positions.size > 0 ? source.commit(generation, positions) : undefined);
    }
    // In the same turn as the last look at `#again`: who asks from now on begins anew.
    this.#committing = undefined;
  }
}
