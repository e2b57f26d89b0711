/**
 * A small world for the engine: a log, a group coordinator, a database with transactions and a dead-letter queue, all in
 * memory, all failing when chance says so. A member that crashes never hears back from anything; a member that was
 * frozen goes on as if nothing had happened.
 */
import {
  type Assignment,
  type Chunk,
  type DeadLetter,
  type DeadLetterQueue,
  type EventRecord,
  Fenced,
  type GatherLimits,
  type Partition,
  type RawRecord,
  type Rejection,
  type Sink,
  type SinkBatch,
  SinkUnavailable,
  type Source,
  type SourceEvent,
  type WriteResult,
} from '../../src/engine/ports.ts';
import type { VirtualClock } from './clock.ts';

export interface Event {
  readonly id: number;
  readonly n: number;
}

/** What chance may do. All are probabilities per call. */
export interface Faults {
  readonly unavailable: number;
  /** The effect happens, the answer is lost. */
  readonly lostAnswer: number;
  /** The answer takes longer than a session. */
  readonly stalled: number;
}

/**
 * One partition. Offsets have gaps, as compaction and transactions leave them, also at the end. A record can be read from
 * its timestamp on.
 */
export interface Log {
  readonly records: readonly RawRecord[];
  readonly end: number;
}

/** What one sink has written, and up to where. */
export interface Table {
  readonly positions: Map<number, { position: number; owner: number }>;
  readonly rows: Map<number, number>;
  /** Every row ever appended, by `partition:offset`. */
  readonly appended: string[];
}

const newTable = (): Table => ({ positions: new Map(), rows: new Map(), appended: [] });

export class World {
  readonly clock: VirtualClock;
  readonly random: () => number;
  faults: Faults;
  readonly log: readonly Log[];
  readonly committed = new Map<number, number>();
  readonly tables = { table: newTable(), audit: newTable() };
  /** What a sink without positions has printed, by `partition:offset`. */
  readonly printed = new Set<string>();
  readonly letters = new Map<string, number>();
  /** Until then nothing can be added to the dead letters. */
  queueAwayUntilMs = 0;
  readonly members: SimulatedSource[] = [];
  generation = 0;

  constructor(clock: VirtualClock, random: () => number, faults: Faults, log: readonly Log[]) {
    this.clock = clock;
    this.random = random;
    this.faults = faults;
    this.log = log;
  }

  /** What can be read of a partition by now. */
  readable(partition: number): Log {
    const { records, end } = this.log[partition]!;
    const count = records.findIndex(({ timestampMs }) => timestampMs > this.clock.now());
    return count === -1 ? { records, end } : { records: records.slice(0, count), end: records[count]!.offset };
  }

  /** Everything is written everywhere. */
  isDone(names: readonly (keyof World['tables'])[]): boolean {
    return names.every((name) =>
      this.log.every(({ end }, partition) => this.tables[name].positions.get(partition)?.position === end),
    );
  }

  /** A call over the network: takes time, may fail before or after its effect, never returns to a crashed member. */
  async call<T>(member: Member, effect: () => T): Promise<T> {
    await this.clock.sleep(this.random() * 20);
    await member.alive();
    if (this.random() < this.faults.unavailable) throw new SinkUnavailable('simulated outage');
    const result = effect();
    const lost = this.random() < this.faults.lostAnswer;
    const stalled = this.random() < this.faults.stalled;
    await this.clock.sleep(this.random() * (stalled ? 1500 : 20));
    await member.alive();
    if (lost) throw new SinkUnavailable('simulated lost answer');
    return result;
  }

  /** Gives every partition to a member that is in the group, and tells all of them. */
  rebalance(): void {
    this.generation++;
    const present = this.members.filter((member) => member.inGroup);
    for (const member of present) member.lose();
    for (const [partition] of this.log.entries())
      present[(partition + this.generation) % Math.max(1, present.length)]?.gain(partition);
    for (const member of present) member.announce();
  }
}

/** One process. */
export class Member {
  #crashed = false;
  #frozenUntilMs = 0;
  readonly #clock: VirtualClock;

  constructor(clock: VirtualClock) {
    this.#clock = clock;
  }

  crash(): void {
    this.#crashed = true;
  }

  freeze(forMs: number): void {
    this.#frozenUntilMs = this.#clock.now() + forMs;
  }

  async alive(): Promise<void> {
    if (this.#clock.now() < this.#frozenUntilMs) await this.#clock.sleep(this.#frozenUntilMs - this.#clock.now());
    if (this.#crashed) await new Promise(() => undefined);
  }
}

const POLL_MS = 25;

export class SimulatedSource implements Source {
  inGroup = false;
  readonly #world: World;
  readonly #member: Member;
  readonly #untilEnd: boolean;
  readonly #bug: PlantedBug | null;
  #generation = 0;
  #owned = new Map<number, Partition>();
  #positions = new Map<Partition, number>();
  #begun = false;
  #announced: Assignment | undefined;
  #closed = false;
  #wake: () => void = () => undefined;

  constructor(world: World, member: Member, untilEnd: boolean, bug: PlantedBug | null) {
    this.#world = world;
    this.#member = member;
    this.#untilEnd = untilEnd;
    this.#bug = bug;
    world.members.push(this);
  }

  async start(): Promise<void> {
    await this.#world.clock.sleep(this.#world.random() * 50);
    await this.#member.alive();
    this.join();
  }

  join(): void {
    this.inGroup = true;
    this.#world.rebalance();
  }

  /** The coordinator has given this member up: others get its partitions, and it does not know. */
  expel(): void {
    this.inGroup = false;
    this.#world.rebalance();
  }

  lose(): void {
    this.#owned = new Map();
  }

  gain(partition: number): void {
    this.#owned.set(partition, { cluster: 'c', topic: 't', topicId: 't1', partition, source: 's' });
  }

  announce(): void {
    this.#generation = this.#world.generation;
    this.#begun = false;
    this.#announced = {
      generation: this.#generation,
      partitions: [...this.#owned].map(([index, partition]) => ({
        partition,
        committed: this.#world.committed.get(index) ?? null,
        logStart: 0,
        logEnd: this.#world.readable(index).end,
        initial: 0,
      })),
    };
    this.#wake();
  }

  async next(limits: GatherLimits): Promise<SourceEvent> {
    for (;;) {
      await this.#world.clock.sleep(this.#world.random() * 5);
      await this.#member.alive();
      if (this.#closed) return { kind: 'ended' };
      if (this.#announced) {
        const assignment = this.#announced;
        this.#announced = undefined;
        return { kind: 'assigned', assignment };
      }
      const chunks = this.#begun ? this.#fetch(limits) : [];
      if (chunks.length > 0) return { kind: 'records', generation: this.#generation, chunks };
      if (this.#world.log.some(({ end }, partition) => this.#world.readable(partition).end < end)) {
        await this.#world.clock.sleep(POLL_MS);
        continue;
      }
      if (this.#untilEnd && this.#begun && this.#owned.size > 0) return { kind: 'ended' };
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }

  #fetch(limits: GatherLimits): Chunk[] {
    const chunks: Chunk[] = [];
    let room = limits.recordsMax;
    for (const [partition, position] of this.#positions) {
      const take = Math.min(room, 1 + Math.floor(this.#world.random() * 8));
      const { records: all, end } = this.#world.readable(partition.partition);
      if (position >= end) continue;
      const coming = all.filter(({ offset }) => offset >= position);
      const records = coming.slice(0, take);
      room -= records.length;
      const last = records.at(-1);
      const gapEnd = coming[take]?.offset ?? end;
      let nextOffset = last !== undefined && this.#world.random() < 0.5 ? last.offset + 1 : gapEnd;
      if (this.#bug === 'step over a record' && coming.length > take) nextOffset = gapEnd + 1;
      this.#positions.set(partition, nextOffset);
      if (this.#bug === 'commit what was only read') this.#world.committed.set(partition.partition, nextOffset);
      chunks.push({ partition, records, nextOffset, bytes: records.length });
      if (room === 0) break;
    }
    return chunks;
  }

  begin(generation: number, positions: ReadonlyMap<Partition, number>): void {
    if (generation !== this.#generation) return;
    this.#positions = new Map(positions);
    this.#begun = true;
    this.#wake();
  }

  async commit(
    generation: number,
    positions: ReadonlyMap<Partition, number>,
  ): Promise<'committed' | 'refused' | 'failed'> {
    try {
      return await this.#world.call(this.#member, () => {
        if (generation !== this.#world.generation || !this.inGroup) return 'refused';
        for (const [{ partition }, position] of positions) this.#world.committed.set(partition, position);
        return 'committed';
      });
    } catch {
      return 'failed';
    }
  }

  async reassign(): Promise<void> {
    await this.#world.clock.sleep(this.#world.random() * 20);
    await this.#member.alive();
    if (this.inGroup) this.announce();
    else this.join();
  }

  ends(): ReadonlyMap<Partition, number> {
    return new Map();
  }

  close(): Promise<void> {
    this.#closed = true;
    this.#wake();
    if (this.inGroup) this.expel();
    return Promise.resolve();
  }
}

/** Mistakes a sink or queue could make; the simulation is judged by whether it finds each of them. */
export const plantedBugs = [
  'ignore the position',
  'move the position back',
  'skip the fence',
  'commit with the write',
  'lose dead letters',
  'hide an outage',
  'swallow a refusal',
  'commit in spite of a rollback',
  'claim in silence',
  'step over a record',
  'commit what was only read',
] as const;
export type PlantedBug = (typeof plantedBugs)[number];

/** An upsert table (`rows`) and an append table (`appended`) with positions in the same transaction. */
export class SimulatedSink implements Sink {
  readonly name: 'table' | 'audit';
  readonly storesPositions = true;
  readonly #world: World;
  readonly #table: Table;
  readonly #member: Member;
  readonly #bug: PlantedBug | null;
  readonly #owned = new Map<number, number>();
  #staged: (() => void) | undefined;

  constructor(name: 'table' | 'audit', world: World, member: Member, bug: PlantedBug | null) {
    this.name = name;
    this.#table = world.tables[name];
    this.#world = world;
    this.#member = member;
    this.#bug = bug;
  }

  open(): Promise<void> {
    return this.#world.call(this.#member, () => undefined);
  }

  claim(partitions: readonly Partition[]): Promise<ReadonlyMap<Partition, number>> {
    return this.#world.call(this.#member, () => {
      this.#owned.clear();
      const known = new Map<Partition, number>();
      for (const partition of partitions) {
        const stored = this.#table.positions.get(partition.partition);
        const owner = (stored?.owner ?? 0) + (this.#bug === 'claim in silence' ? 0 : 1);
        this.#table.positions.set(partition.partition, { position: stored?.position ?? 0, owner });
        this.#owned.set(partition.partition, owner);
        if (stored) known.set(partition, stored.position);
      }
      return known;
    });
  }

  prepare(batch: SinkBatch): SinkBatch {
    return batch;
  }

  write(prepared: unknown): Promise<WriteResult> {
    const { records, ranges } = prepared as SinkBatch;
    return this.#world.call(this.#member, () => {
      if (this.#bug === 'swallow a refusal' && this.#isForeign(ranges)) {
        this.#staged = undefined;
        return { written: records.length, supersededInBatch: 0, skippedOffset: 0, skippedVersion: 0, rejected: [] };
      }
      this.#checkOwner(ranges);
      const rejected: Rejection[] = [];
      const fresh: EventRecord[] = [];
      let skippedOffset = 0;
      for (const record of records) {
        const { n } = record.event as Event;
        if (
          this.#bug !== 'ignore the position' &&
          record.raw.offset < this.#table.positions.get(record.partition.partition)!.position
        )
          skippedOffset++;
        else if (n % 11 === 0) rejected.push({ record, code: 'constraint', message: 'n may not be a multiple of 11' });
        else fresh.push(record);
      }
      const staged = () => {
        this.#checkOwner(ranges);
        for (const { event, raw, partition } of fresh) {
          const { id, n } = event as Event;
          this.#table.rows.set(id, n);
          this.#table.appended.push(`${partition.partition}:${raw.offset}`);
        }
        for (const { partition, to } of ranges) {
          const stored = this.#table.positions.get(partition.partition)!;
          stored.position = this.#bug === 'move the position back' ? to : Math.max(to, stored.position);
        }
      };
      const former = this.#bug === 'commit in spite of a rollback' ? this.#staged : undefined;
      if (this.#bug === 'commit with the write') staged();
      else {
        this.#staged = () => {
          former?.();
          staged();
        };
      }
      return { written: fresh.length, supersededInBatch: 0, skippedOffset, skippedVersion: 0, rejected };
    });
  }

  /** As PostgreSQL's row lock does: nobody can become owner between the check and the commit. */
  #checkOwner(ranges: SinkBatch['ranges']): void {
    if (this.#bug === 'skip the fence') return;
    if (this.#isForeign(ranges)) throw new Fenced('a partition has another owner');
  }

  #isForeign(ranges: SinkBatch['ranges']): boolean {
    return ranges.some(
      ({ partition }) => this.#table.positions.get(partition.partition)!.owner !== this.#owned.get(partition.partition),
    );
  }

  async commit(): Promise<void> {
    const commit = this.#world.call(this.#member, () => {
      this.#staged?.();
      this.#staged = undefined;
    });
    if (this.#bug === 'hide an outage') await commit.catch(() => undefined);
    else await commit;
  }

  rollback(): Promise<void> {
    if (this.#bug !== 'commit in spite of a rollback') this.#staged = undefined;
    return Promise.resolve();
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}

/** Prints what it gets and keeps no positions: its place is the group's. */
export class SimulatedOutput implements Sink {
  readonly name = 'output';
  readonly storesPositions = false;
  readonly #world: World;
  readonly #member: Member;

  constructor(world: World, member: Member) {
    this.#world = world;
    this.#member = member;
  }

  prepare(batch: SinkBatch): SinkBatch {
    return batch;
  }

  write(prepared: unknown): Promise<WriteResult> {
    const { records } = prepared as SinkBatch;
    return this.#world.call(this.#member, () => {
      for (const { partition, raw } of records) this.#world.printed.add(`${partition.partition}:${raw.offset}`);
      return { written: records.length, supersededInBatch: 0, skippedOffset: 0, skippedVersion: 0, rejected: [] };
    });
  }

  open = () => Promise.resolve();
  claim = () => Promise.resolve(new Map());
  commit = () => Promise.resolve();
  rollback = () => Promise.resolve();
  close = () => Promise.resolve();
}

export class SimulatedQueue implements DeadLetterQueue {
  readonly #world: World;
  readonly #member: Member;
  readonly #bug: PlantedBug | null;

  constructor(world: World, member: Member, bug: PlantedBug | null) {
    this.#world = world;
    this.#member = member;
    this.#bug = bug;
  }

  append(letters: readonly DeadLetter[]): Promise<void> {
    if (this.#bug === 'lose dead letters') return Promise.resolve();
    return this.#world.call(this.#member, () => {
      if (this.#world.clock.now() < this.#world.queueAwayUntilMs) throw new SinkUnavailable('simulated outage');
      for (const { partition, raw, stage } of letters) {
        const id = `${partition.partition}:${raw.offset}:${stage}`;
        this.#world.letters.set(id, (this.#world.letters.get(id) ?? 0) + 1);
      }
    });
  }
}
