import type { Chunk, Clock, GatherLimits, Source, SourceEvent } from './ports.ts';

/** Why there is nothing to wait for. */
export type Interruption = 'stopping' | 'delivery failed';

export interface GatheringOptions {
  readonly source: Pick<Source, 'next'>;
  readonly clock: Clock;
  readonly limits: GatherLimits;
  /** Records are held until this long after the former ones were given on; null: not at all. */
  readonly everyMs: number | null;
  readonly interrupted: () => Interruption | undefined;
}

interface Held {
  readonly generation: number;
  readonly chunks: Chunk[];
  /** What else fits in. */
  room: GatherLimits;
}

/**
 * Listens to the source, one call of `next` at a time. For micro-batches it holds records until their interval is over,
 * they are as many as one epoch takes, or the source has ended; what is no record never waits.
 */
export class Gathering {
  readonly #options: GatheringOptions;
  #listening = false;
  #arrived: { event: SourceEvent } | { error: unknown } | undefined;
  #held: Held | null = null;
  /** What is held is given on from then on. */
  #dueMs = Number.NEGATIVE_INFINITY;
  /** Ends the wait: something arrived, the interval is over, or somebody says so. */
  #wake: () => void = () => undefined;

  constructor(options: GatheringOptions) {
    this.#options = options;
  }

  /** Looks again whether it is interrupted. */
  wake(): void {
    this.#wake();
  }

  /** The next event, or why there is none to wait for. Rejects with what the source rejects with. */
  async next(): Promise<SourceEvent | Interruption> {
    const { clock, everyMs, interrupted } = this.#options;
    for (;;) {
      const interruption = interrupted();
      if (interruption !== undefined) return interruption;
      const arrived = this.#arrived;
      this.#arrived = undefined;
      if (arrived && 'error' in arrived) throw arrived.error;
      if (arrived?.event.kind === 'records' && everyMs !== null) this.#hold(arrived.event);
      else if (arrived?.event.kind === 'ended' && this.#held !== null) {
        // First what came before the end.
        this.#arrived = arrived;
        return this.#release(this.#held);
      } else if (arrived) {
        // Another assignment reads again what was held.
        this.#held = null;
        return arrived.event;
      }
      const held = this.#held;
      if (held !== null && (isFull(held) || clock.now() >= this.#dueMs)) return this.#release(held);
      await this.#wait();
    }
  }

  #hold({ generation, chunks }: SourceEvent & { readonly kind: 'records' }): void {
    if (this.#held?.generation !== generation) {
      this.#held = { generation, chunks: [], room: this.#options.limits };
    }
    const { room } = this.#held;
    this.#held.chunks.push(...chunks);
    this.#held.room = {
      recordsMax: room.recordsMax - chunks.reduce((sum, { records }) => sum + records.length, 0),
      bytesMax: room.bytesMax - chunks.reduce((sum, { bytes }) => sum + bytes, 0),
    };
  }

  #release({ generation, chunks }: Held): SourceEvent {
    this.#held = null;
    this.#dueMs = this.#options.clock.now() + this.#options.everyMs!;
    return { kind: 'records', generation, chunks };
  }

  async #wait(): Promise<void> {
    const { clock } = this.#options;
    const over = new AbortController();
    // Not Promise.race: its reactions would pile up on every promise that lives as long as the run.
    const woken = new Promise<void>((resolve) => (this.#wake = resolve));
    this.#listen();
    if (this.#held !== null) {
      void clock.sleep(this.#dueMs - clock.now(), over.signal).then(() => {
        // One that was ended must not end the next wait: the two would end each other for ever.
        if (!over.signal.aborted) this.#wake();
      });
    }
    await woken;
    over.abort();
  }

  #listen(): void {
    if (this.#listening) return;
    this.#listening = true;
    const arrive = (arrived: { event: SourceEvent } | { error: unknown }) => {
      this.#listening = false;
      this.#arrived = arrived;
      this.#wake();
    };
    this.#options.source.next(this.#held?.room ?? this.#options.limits).then(
      (event) => arrive({ event }),
      (error: unknown) => arrive({ error }),
    );
  }
}

const isFull = ({ room }: Held): boolean => room.recordsMax <= 0 || room.bytesMax <= 0;
