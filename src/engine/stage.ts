/**
 * The loop of a sink stage: gather an epoch, transform it, write it. While epoch n is being written, epoch n+1 is
 * gathered and transformed; writes never overlap. The sinks' own positions say where reading starts, so whatever
 * crashes, nothing is lost and nothing counts twice.
 */
import { backoffMs } from './backoff.ts';
import type { Breaker, BreakerOpening } from './breaker.ts';
import { DeliveryAbandoned, type DeliveryOptions, HeldByBreaker, deliver, retrying, wellRoute } from './delivery.ts';
import { type Epoch, type Program, transform } from './epoch.ts';
import { Gathering } from './gathering.ts';
import { GroupOffsets } from './group-offsets.ts';
import { openSink } from './open-sink.ts';
import {
  type Assignment,
  type Chunk,
  type Clock,
  type DeadLetter,
  type DeadLetterQueue,
  Fenced,
  type GatherLimits,
  type Log,
  type Partition,
  type Source,
  type Tap,
} from './ports.ts';
import { Beginnings, type Behind, KnownTopics, claimPositions } from './positions.ts';
import { type StageReport, forgetEpoch, newReport, sealEpoch } from './report.ts';

export interface StageOptions {
  readonly program: Program;
  readonly source: Source;
  readonly deadLetters: DeadLetterQueue;
  readonly clock: Clock;
  readonly random: () => number;
  readonly log: Log;
  readonly limits: GatherLimits;
  /** Micro-batching: an epoch that is not full begins at most this often; null: as soon as there is something. */
  readonly batchEveryMs: number | null;
  /** For how long a sink that is away at the start is waited for before the run fails; null: without end. */
  readonly openMs: number | null;
  /** Default: none. */
  readonly breaker?: Breaker;
  /** Of a former stage, to go on counting where that one failed. Default: a new one. */
  readonly report?: StageReport;
  readonly onDeadLetters: (letters: readonly DeadLetter[]) => void;
  /** By the place of a stage in `newStageCounts`; comes and goes while the stage runs. Default: none. */
  readonly taps?: readonly (Tap | undefined)[];
}

interface Delivery {
  readonly epoch: Epoch;
  /** Resolves to what went wrong, or undefined. Never rejects, so that nobody has to be waiting for it. */
  readonly done: Promise<unknown>;
  failed: boolean;
}

export class Stage {
  readonly report: StageReport;
  readonly #options: StageOptions;
  readonly #delivery: DeliveryOptions;
  /** Aborted by `stop`: gather no more, finish what is begun. */
  readonly #stopping = new AbortController();
  /** Aborted when retrying is pointless: the drain's deadline passed. */
  readonly #givingUp = new AbortController();
  /** Aborted when the epoch in delivery belongs to a former generation. */
  #abandon = new AbortController();
  #inDelivery: Delivery | undefined;
  #generation = 0;
  /** False from the moment a sink refused us until the next assignment has begun: what comes in between is not ours. */
  #owning = false;
  readonly #topics = new KnownTopics();
  readonly #beginnings = new Beginnings();
  readonly #gathering: Gathering;
  readonly #groupOffsets: GroupOffsets;
  #fencedInARow = 0;
  /** Where sinks that keep no positions go on; they skip what lies below while others catch up. */
  #floors: ReadonlyMap<Partition, number> = new Map();

  constructor(options: StageOptions) {
    const { program, clock } = options;
    this.#options = options;
    this.report = options.report ?? newReport(program);
    this.#gathering = new Gathering({
      ...options,
      everyMs: options.batchEveryMs,
      interrupted: () =>
        this.#stopping.signal.aborted ? 'stopping' : this.#inDelivery?.failed ? 'delivery failed' : undefined,
    });
    this.#groupOffsets = new GroupOffsets({
      source: options.source,
      clock,
      forDisplay: program.routes.every(({ sink }) => sink.storesPositions),
      stopping: this.#stopping.signal,
      read: () => ({ generation: this.#generation, positions: this.#positions() }),
    });
    this.#delivery = {
      ...options,
      routes: program.routes,
      health: this.report.health,
      stopping: this.#stopping.signal,
      onWritten: (index, records, elapsedMs) => {
        const nowMs = clock.now();
        const endToEnd = this.report.endToEnd.at(nowMs);
        for (const record of records) endToEnd.add(nowMs - record.raw.timestampMs);
        this.report.writeMs[index]!.at(nowMs).add(elapsedMs);
      },
    };
  }

  /**
   * Runs until the source has ended or `stop` was called, then drains. Opens the sinks; closes source and sinks in any
   * case. Rejects with what stopped the pipeline.
   */
  async run(): Promise<void> {
    const { source, program } = this.#options;
    try {
      await this.#gather();
      this.report.state = 'draining';
      await this.#drain();
      await this.#groupOffsets.commit();
      this.report.state = 'stopped';
    } catch (error) {
      this.report.state = 'failed';
      throw error;
    } finally {
      this.#abandon.abort();
      await this.#inDelivery?.done;
      await Promise.all([source.close(), ...program.routes.map(({ sink }) => sink.close())]);
    }
  }

  /** Stops gathering; what was gathered is still written and committed. */
  stop(): void {
    this.#stopping.abort();
    this.#gathering.wake();
  }

  /** Closes the breaker with a note for the log. Tells what it was open for; null where it was not. */
  resume(note: string): BreakerOpening | null {
    const { breaker, clock, log } = this.#options;
    const opening = breaker?.resume(clock.now()) ?? null;
    if (opening !== null) log.warn('resumed', `goes on after the breaker: ${note}`);
    return opening;
  }

  /** Ends retries too: an epoch that can't be written now stays unwritten and is read again by the next run. */
  giveUp(): void {
    this.stop();
    this.#givingUp.abort();
    this.#abandon.abort();
  }

  /** Connects and gathers until the source has ended or the run is to stop. */
  async #gather(): Promise<void> {
    const { source, program } = this.#options;
    try {
      for (const [i, { sink }] of program.routes.entries())
        await openSink(sink, this.report.health[i]!, this.#options, this.#stopping.signal);
      await this.#start(source);
      this.report.connected = true;
      await this.#loop();
    } catch (error) {
      // Asked to stop while it waited for a sink to come back.
      const stopped = this.#stopping.signal.aborted && !this.#givingUp.signal.aborted;
      if (!(error instanceof DeliveryAbandoned && stopped)) throw error;
    }
  }

  /** Finishes what is being written. What a newer owner refuses, or the breaker holds, is for whoever comes next. */
  async #drain(): Promise<void> {
    try {
      await this.#settle();
    } catch (error) {
      if (!(error instanceof Fenced || error instanceof HeldByBreaker)) throw error;
    }
  }

  async #start(source: Source): Promise<void> {
    const { signal } = this.#stopping;
    try {
      await source.start(signal);
    } catch (error) {
      if (!signal.aborted) throw error;
    }
  }

  async #loop(): Promise<void> {
    for (;;) {
      const event = await this.#gathering.next();
      if (event === 'stopping') return;
      if (event === 'delivery failed') {
        await this.#recover();
        continue;
      }
      switch (event.kind) {
        case 'ended':
          // What is undone is read again, to its end.
          if (!this.#owning) break;
          // The last epoch may still be refused.
          if (!(await this.#former())) return;
          await this.#recover();
          break;
        case 'assigned':
          try {
            await this.#takeOver(event.assignment);
          } catch (error) {
            await this.#refused(error);
          }
          break;
        case 'records':
          // Gathered before a refusal: written now, they would leave the undone epoch out.
          if (!this.#owning) break;
          await this.#process(event.generation, event.chunks);
          break;
      }
    }
  }

  /** Transforms one epoch and starts its delivery as soon as the former one is sealed. */
  async #process(generation: number, chunks: readonly Chunk[]): Promise<void> {
    if (generation !== this.#generation)
      throw new Error(`records of generation ${generation} came in generation ${this.#generation}`);
    const { program, clock } = this.#options;
    const gathered = chunks.reduce((sum, chunk) => sum + chunk.records.length, 0);
    this.report.pending += gathered;
    const epoch = await transform(program, generation, chunks, this.#floors, clock, this.#options.taps);
    const prepared = program.routes.map(({ sink }, i) => {
      const { records, versions } = epoch.batches[i]!;
      return sink.prepare({ records, ranges: epoch.ranges, ...(versions && { versions }) });
    });
    for (const [i, batch] of epoch.batches.entries()) this.report.health[i]!.pendingRows += batch.records.length;
    const failed = await this.#former();
    if (failed) {
      forgetEpoch(this.report, epoch);
      return this.#recover();
    }
    const delivery: Delivery = {
      epoch,
      failed: false,
      done: this.#deliver(epoch, prepared, () => (delivery.failed = true)),
    };
    this.#inDelivery = delivery;
  }

  async #deliver(epoch: Epoch, prepared: readonly unknown[], fail: () => void): Promise<unknown> {
    try {
      await deliver(epoch, prepared, this.#delivery, this.#abandon.signal);
    } catch (error) {
      fail();
      this.#gathering.wake();
      return error ?? new Error('the delivery failed without an error');
    }
    sealEpoch(this.report, epoch);
    this.#fencedInARow = 0;
    this.#groupOffsets.plan();
    return undefined;
  }

  /** Waits for the delivery that is under way; tells whether it failed (it then stays for `#recover`). */
  async #former(): Promise<boolean> {
    if ((await this.#inDelivery?.done) !== undefined) return true;
    this.#inDelivery = undefined;
    return false;
  }

  /** Waits for the delivery that is under way and throws what it failed with. */
  async #settle(): Promise<void> {
    const delivery = this.#inDelivery;
    this.#inDelivery = undefined;
    const error = await delivery?.done;
    if (error === undefined) return;
    forgetEpoch(this.report, delivery!.epoch);
    throw error;
  }

  /** After a failed delivery: a fenced sink means asking who owns the partitions; anything else ends the run. */
  async #recover(): Promise<void> {
    try {
      await this.#settle();
    } catch (error) {
      await this.#refused(error);
    }
  }

  async #refused(error: unknown): Promise<void> {
    // The loop ends next, since it was held only until the run was to stop.
    if (error instanceof HeldByBreaker) return;
    if (!(error instanceof Fenced)) throw error;
    const { log, clock, random, source } = this.#options;
    this.#owning = false;
    log.warn('fenced', `${error.message}; asking the coordinator what is still ours`);
    this.report.state = 'rebalancing';
    this.#fencedInARow++;
    await clock.sleep(backoffMs(this.#fencedInARow, random()), this.#stopping.signal);
    await source.reassign();
  }

  /** Ends what belongs to the former generation, claims the partitions at every sink and starts at the lowest position. */
  async #takeOver(assignment: Assignment): Promise<void> {
    const { source, log } = this.#options;
    const { report } = this;
    report.state = this.#generation === 0 ? 'starting' : 'rebalancing';
    this.#owning = false;
    // A batch that is being written may still land; one that waits for its next try is given up.
    this.#abandon.abort();
    try {
      await this.#settle();
    } catch (error) {
      if (!(error instanceof Fenced || error instanceof DeliveryAbandoned)) throw error;
    }
    this.#abandon = new AbortController();
    if (this.#givingUp.signal.aborted) this.#abandon.abort();
    for (const { partition } of assignment.partitions) this.#topics.recognise(partition);
    const { routes } = this.#options.program;
    const began = this.#beginnings.keep(assignment);
    const { positions, floors, behind } = await claimPositions(began, routes, ({ sink, retry }, partitions, i) => {
      const doing = `claiming partitions at ${sink.name}`;
      // Without its positions there is nothing that could be read for it, so it is waited for also with `then: dlq`.
      const policy = retry?.action === 'stop' ? retry : undefined;
      const claim = () => sink.claim(partitions);
      const { signal } = this.#stopping;
      return retrying(this.#options, signal, report.health[i]!, 'sink_unavailable', doing, claim, policy);
    });
    this.#tellOfGoingBack(behind);
    // What troubled a sink was a batch of the former generation.
    for (const health of report.health) Object.assign(health, wellRoute());
    // Together, so that no commit speaks for the one generation with the positions of the other.
    this.#generation = assignment.generation;
    this.#floors = floors;
    report.partitions = new Map(
      [...positions].map(([partition, position]) => [
        partition,
        { partition, position, records: 0, lastTimestampMs: null },
      ]),
    );
    source.begin(assignment.generation, positions);
    this.#owning = true;
    report.assignments++;
    report.state = 'running';
    log.info('assigned', `owns ${assignment.partitions.length} partitions`, {
      generation: assignment.generation,
      partitions: assignment.partitions.length,
    });
    // From the first moment on the group knows where this pipeline stands, also with `start: latest`.
    this.#groupOffsets.plan();
  }

  /** Says of each sink that stands behind the group by how much and why that may be. */
  #tellOfGoingBack(behind: readonly Behind[]): void {
    for (const { sink, records, partition: at, position, committed } of behind) {
      const why =
        position === null
          ? 'it has no position yet'
          : `it stands at ${position} of ${at.topic} partition ${at.partition}, and ${committed} was committed: its database was set back to an older state, or the pipeline ran without it`;
      const message = `${sink} stands behind the group, up to ${records} records are read again for it: ${why}`;
      this.#options.log.warn('going_back', message, { sink, records, position, committed });
    }
  }

  /** A sink without positions has its place in the group: others that catch up do not take it back. */
  #positions(): ReadonlyMap<Partition, number> {
    const { partitions } = this.report;
    return new Map(
      [...partitions].map(([partition, { position }]) => [
        partition,
        Math.max(position, this.#floors.get(partition) ?? 0),
      ]),
    );
  }
}
