import { encodeJson } from '../../codecs/json.ts';
import type { SourceContext } from '../../declaration/component.ts';
import {
  SourceFailed,
  type Chunk,
  type GatherLimits,
  type Partition,
  type RawRecord,
  type Source,
  type SourceEvent,
} from '../../engine/ports.ts';
import { EvaluationError } from '../../expressions/index.ts';
import { hashText, Random } from './random.ts';
import type { Template } from './template.ts';

export interface GenerateOptions {
  readonly template: Template;
  /** All partitions together; null: as fast as records are taken. */
  readonly ratePerSecond: number | null;
  /** Infinity: without end. */
  readonly count: number;
  readonly seed: number;
  readonly partitions: number;
  /** Share of the records that are cut off. */
  readonly brokenRatio: number;
  /** Times of the events; null: when they are generated. */
  readonly clock: { readonly fromMs: number; readonly everyMs: number } | null;
}

const brokenSalt = hashText('broken');

/**
 * A log that is computed instead of stored. Event n lies in partition `n % partitions` at offset `floor(n / partitions)`
 * and depends on seed, template and n alone, so reading again from any position gives the same records: with a sink that
 * keeps positions each event counts once, whatever was killed in between. (Times are part of that only with `clock`; else
 * an event happens when it is generated.) Events become due at the rate, whether they are taken or not: what is due and not
 * taken is the lag.
 */
export class GenerateSource implements Source {
  readonly #options: GenerateOptions;
  readonly #context: SourceContext;
  readonly #partitions: readonly Partition[];
  readonly #random: Random;
  readonly #closing = new AbortController();
  readonly #begun = Promise.withResolvers<void>();
  #isAssigned = false;
  #failure: SourceFailed | null = null;
  /** Number of the next event, and of the first after `begin`. */
  #n = 0;
  #first = 0;
  #begunAtMs = 0;
  /** Next offset to deliver, by partition. */
  #offsets: number[];

  constructor(options: GenerateOptions, context: SourceContext) {
    this.#options = options;
    this.#context = context;
    this.#random = new Random(options.seed);
    this.#offsets = Array.from({ length: options.partitions }, () => 0);
    // Positions of another seed or partition count belong to another log.
    const topicId = `seed-${options.seed}-of-${options.partitions}`;
    this.#partitions = this.#offsets.map((_, partition) => ({
      cluster: 'generate',
      topic: context.name,
      topicId,
      partition,
      source: context.name,
    }));
  }

  async start(): Promise<void> {}

  async next(limits: GatherLimits): Promise<SourceEvent> {
    const { clock } = this.#context;
    const { signal } = this.#closing;
    if (!this.#isAssigned) {
      this.#isAssigned = true;
      return { kind: 'assigned', assignment: { generation: 1, partitions: this.#partitions.map(assigned) } };
    }
    await this.#begun.promise;
    for (;;) {
      if (this.#failure !== null) throw this.#failure;
      if (signal.aborted || this.#n >= this.#options.count) return { kind: 'ended' };
      const due = this.#due();
      if (due <= this.#n) {
        await clock.sleep(this.#untilNextMs(), signal);
        continue;
      }
      // Nothing here waits for I/O, so timers and signals get their turn now.
      if (this.#options.ratePerSecond === null) await clock.sleep(0);
      const chunks = this.#take(due, limits);
      if (chunks.length > 0) return { kind: 'records', generation: 1, chunks };
    }
  }

  begin(_generation: number, positions: ReadonlyMap<Partition, number>): void {
    const { length } = this.#partitions;
    this.#offsets = this.#partitions.map((partition) => positions.get(partition) ?? 0);
    this.#n = Math.min(...this.#offsets.map((offset, partition) => offset * length + partition));
    this.#first = this.#n;
    this.#begunAtMs = this.#context.clock.now();
    this.#begun.resolve();
  }

  async commit(): Promise<'committed'> {
    return 'committed';
  }

  /** There is no coordinator to ask: whoever came later goes on. */
  async reassign(): Promise<void> {
    this.#failure = new SourceFailed('source_taken_over', `another process runs pipeline ${this.#context.pipeline}`);
    this.#closing.abort();
  }

  ends(): ReadonlyMap<Partition, number> {
    const { length } = this.#partitions;
    const due = this.#options.ratePerSecond === null ? this.#n : this.#due();
    return new Map(
      this.#partitions.map((partition, number) => [
        partition,
        Math.max(this.#offsets[number]!, Math.ceil((due - number) / length)),
      ]),
    );
  }

  async close(): Promise<void> {
    this.#closing.abort();
    this.#begun.resolve();
  }

  /** How many events there are by now. */
  #due(): number {
    const { ratePerSecond, count } = this.#options;
    if (ratePerSecond === null) return count;
    const elapsedMs = this.#context.clock.now() - this.#begunAtMs;
    return Math.min(count, this.#first + Math.floor((elapsedMs * ratePerSecond) / 1000) + 1);
  }

  #untilNextMs(): number {
    const nextAtMs = this.#begunAtMs + ((this.#n - this.#first) * 1000) / this.#options.ratePerSecond!;
    return Math.max(1, Math.ceil(nextAtMs - this.#context.clock.now()));
  }

  #timeOf(n: number, nowMs: number): number {
    const { clock, ratePerSecond } = this.#options;
    if (clock !== null) return clock.fromMs + n * clock.everyMs;
    return ratePerSecond === null ? nowMs : this.#begunAtMs + ((n - this.#first) * 1000) / ratePerSecond;
  }

  /** The events from here to `due` within `limits`, those that were delivered before left out. */
  #take(due: number, { recordsMax, bytesMax }: GatherLimits): Chunk[] {
    const { length } = this.#partitions;
    const nowMs = this.#context.clock.now();
    const taken = new Map<number, { records: RawRecord[]; bytes: number }>();
    let records = 0;
    let bytes = 0;
    for (; this.#n < due && records < recordsMax && (bytes < bytesMax || records === 0); this.#n++) {
      const number = this.#n % length;
      const offset = Math.floor(this.#n / length);
      if (offset < this.#offsets[number]!) continue;
      const record = this.#record(this.#n, offset, this.#timeOf(this.#n, nowMs));
      const size = record.value!.length + (record.key?.length ?? 0);
      const chunk = taken.get(number) ?? { records: [], bytes: 0 };
      taken.set(number, chunk);
      chunk.records.push(record);
      chunk.bytes += size;
      this.#offsets[number] = offset + 1;
      records++;
      bytes += size;
    }
    return [...taken].map(([number, chunk]) => ({
      partition: this.#partitions[number]!,
      nextOffset: this.#offsets[number]!,
      ...chunk,
    }));
  }

  #record(n: number, offset: number, timeMs: number): RawRecord {
    const { template, brokenRatio } = this.#options;
    try {
      const { event, key } = template.generate(this.#random, n, timeMs);
      const value = Buffer.from(encodeJson(event));
      return {
        offset,
        timestampMs: Math.floor(timeMs),
        key: key === null ? null : Buffer.from(key),
        value: this.#isBroken(n, brokenRatio) ? value.subarray(0, value.length >> 1) : value,
        headers: undefined,
      };
    } catch (error) {
      if (!(error instanceof EvaluationError)) throw error;
      throw new SourceFailed('generate_failed', `event ${n} can't be generated: ${error.message}`, { cause: error });
    }
  }

  #isBroken(n: number, ratio: number): boolean {
    if (ratio === 0) return false;
    this.#random.moveTo(n, brokenSalt);
    return this.#random.fraction() < ratio;
  }
}

const assigned = (partition: Partition) => ({
  partition,
  committed: null,
  logStart: 0,
  // The log has no end: every position lies in it.
  logEnd: Number.MAX_SAFE_INTEGER,
  initial: 0,
});
