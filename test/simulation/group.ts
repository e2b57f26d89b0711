/** The broker: logs, the coordinator of the group, and a member's view of both. */
import type {
  Assignment,
  Chunk,
  GatherLimits,
  Partition,
  RawRecord,
  Source,
  SourceEvent,
} from '../../src/engine/ports.ts';
import type { Books } from './books.ts';
import type { Member } from './member.ts';
import { indexOf, partitionOf } from './program.ts';
import type { Scenario } from './scenario.ts';
import { SESSION_MS, type World } from './world.ts';

/** The consumer group. */
export class Group {
  generation = 0;
  readonly committed = new Map<number, number>();
  readonly #world: World;
  readonly #books: Books;
  readonly #partitions: number;
  /** Number of the stage whose group it is. */
  readonly #lane: number;
  #present: SimulatedSource[] = [];

  constructor(world: World, books: Books, partitions: number, lane: number) {
    this.#world = world;
    this.#books = books;
    this.#partitions = partitions;
    this.#lane = lane;
  }

  get size(): number {
    return this.#present.length;
  }

  has(source: SimulatedSource): boolean {
    return this.#present.includes(source);
  }

  join(source: SimulatedSource): void {
    if (!this.has(source)) this.#present.push(source);
    this.rebalance();
  }

  leave(source: SimulatedSource): void {
    if (!this.has(source)) return;
    this.#present = this.#present.filter((other) => other !== source);
    this.rebalance();
  }

  /** The partitions of a member in this generation. */
  owned(source: SimulatedSource): number[] {
    const at = this.#present.indexOf(source);
    const all = Array.from({ length: this.#partitions }, (_, partition) => partition);
    return all.filter((partition) => (partition + this.generation) % this.#present.length === at);
  }

  /** A new generation. Each member hears of it with its next heartbeat; until then it goes on with what it had. */
  rebalance(): void {
    this.generation++;
    for (const source of this.#present) void source.hear(this.generation);
  }

  /** `told` is what each partition had committed when the member got it. */
  commit(
    source: SimulatedSource,
    generation: number,
    positions: ReadonlyMap<Partition, number>,
    told: ReadonlyMap<number, number>,
  ): boolean {
    if (generation !== this.generation || !this.has(source)) {
      this.#world.happened.add('commit refused');
      return false;
    }
    for (const [partition, position] of positions) {
      const index = indexOf(partition);
      this.#books.groupCommits(this.#lane, index, told.get(index) ?? 0, position);
      this.committed.set(index, position);
    }
    return true;
  }
}

/** Who looks at the books of a member's run. */
export interface Looks {
  readonly onCall: () => void;
  readonly onBegin: () => void;
}

/** How often a member that waits asks whether there is something new. */
const HEARTBEAT_MS = SESSION_MS / 3;
const COMMIT_TRIES = 10;

export class SimulatedSource implements Source {
  readonly #world: World;
  readonly #group: Group;
  readonly #scenario: Scenario;
  /** What retention has left of each log. */
  readonly #logStarts: readonly number[];
  readonly #member: Member;
  readonly #looks: Looks;
  /** Gives `ended` once what it owns is read. */
  readonly #untilEnd: boolean;
  /** This member's count of its assignments, and the group's generation of the present one. */
  #generation = 0;
  #groupGeneration = 0;
  #announced: Assignment | undefined;
  #told: ReadonlyMap<number, number> = new Map();
  #positions = new Map<Partition, number>();
  #begun = false;
  #begunAt: ReadonlyMap<number, number> = new Map();
  #commitsSent = 0;
  #commitsArrived = 0;
  #hasJoined = false;
  #closed = false;
  #wake: () => void = () => undefined;

  constructor(
    world: World,
    group: Group,
    scenario: Scenario,
    logStarts: readonly number[],
    member: Member,
    looks: Looks,
    untilEnd: boolean,
  ) {
    this.#world = world;
    this.#group = group;
    this.#scenario = scenario;
    this.#member = member;
    this.#logStarts = logStarts;
    this.#looks = looks;
    this.#untilEnd = untilEnd;
  }

  async start(): Promise<void> {
    const { random, clock } = this.#world;
    await clock.sleep(random() * 50);
    await this.#world.pass(this.#member, 'join', 'before it');
    this.#hasJoined = true;
    if (!this.#closed) this.#group.join(this);
  }

  /** The coordinator has called for a new generation. */
  async hear(groupGeneration: number): Promise<void> {
    const { random, clock } = this.#world;
    await clock.sleep(random() * (random() < 0.2 ? SESSION_MS : 20));
    await this.#member.running();
    if (groupGeneration === this.#group.generation && this.#group.has(this)) this.#announce();
  }

  /** The client was rebuilt, or has learnt that the group no longer knows it. */
  rejoin(): void {
    if (this.#closed || this.#member.isDown) return;
    this.#world.trace(this.#world.clock.now(), this.#member.name, 'rejoin', 'done');
    this.#forget();
    this.#group.leave(this);
    this.#group.join(this);
  }

  /** The member is down: beyond its session others get its partitions, and it does not know. */
  async fallSilent(): Promise<void> {
    await this.#world.clock.sleep(SESSION_MS);
    if (this.#member.isDown && this.#group.has(this)) {
      this.#world.trace(this.#world.clock.now(), this.#member.name, 'session', 'expired');
      this.#group.leave(this);
    }
    await this.#member.running();
    await this.#world.clock.sleep(this.#world.random() * HEARTBEAT_MS);
    if (!this.#group.has(this) && this.#hasJoined) this.rejoin();
  }

  #announce(): void {
    this.#forget();
    this.#groupGeneration = this.#group.generation;
    this.#told = new Map(this.#group.committed);
    this.#announced = {
      generation: this.#generation,
      partitions: this.#group.owned(this).map((index) => ({
        partition: partitionOf(index),
        committed: this.#group.committed.get(index) ?? null,
        logStart: this.#logStarts[index]!,
        logEnd: this.#scenario.logs[index]!.end,
        initial: Math.max(this.#logStarts[index]!, this.#scenario.startsLatest ? this.#endOf(index) : 0),
      })),
    };
    this.#wake();
  }

  /** Offset the next record will get. */
  #endOf(index: number): number {
    const { records, end } = this.#scenario.logs[index]!;
    const nowMs = this.#world.clock.now();
    const coming = records.findIndex(({ timestampMs }) => timestampMs > nowMs);
    return coming < 0 ? end : (records[coming - 1]?.offset ?? -1) + 1;
  }

  /** The group's offset of a partition when reading it began. */
  begunAt(index: number): number {
    return this.#begunAt.get(index) ?? 0;
  }

  /** Nothing of what it had is given any more, and no commit taken, until a new assignment has begun. */
  #forget(): void {
    this.#generation++;
    this.#groupGeneration = -1;
    this.#announced = undefined;
    this.#begun = false;
  }

  async next(limits: GatherLimits): Promise<SourceEvent> {
    const { clock, random } = this.#world;
    for (;;) {
      await clock.sleep(random() * 5);
      await this.#world.pass(this.#member, 'next', 'before it gave');
      this.#looks.onCall();
      if (this.#closed) return { kind: 'ended' };
      const assignment = this.#announced;
      if (assignment) {
        this.#announced = undefined;
        this.#trace('assigned', assignment.partitions.map(({ partition }) => indexOf(partition)).join(' '));
        return { kind: 'assigned', assignment };
      }
      const chunks = this.#begun ? this.#fetch(limits) : [];
      if (chunks.length > 0) {
        this.#trace('records', chunks.map((chunk) => `${indexOf(chunk.partition)}<${chunk.nextOffset}`).join(' '));
        return { kind: 'records', generation: this.#generation, chunks };
      }
      if (this.#untilEnd && this.#begun && this.#hasReadAll()) return { kind: 'ended' };
      await this.#news();
    }
  }

  #trace(what: string, text: string): void {
    this.#world.trace(this.#world.clock.now(), this.#member.name, what, text);
  }

  #hasReadAll(): boolean {
    const { logs } = this.#scenario;
    return [...this.#positions].every(([partition, position]) => position >= logs[indexOf(partition)]!.end);
  }

  /** Until it is woken, or the next record can be read. */
  async #news(): Promise<void> {
    const { clock } = this.#world;
    let nextMs = Number.POSITIVE_INFINITY;
    if (this.#begun) {
      for (const [partition, position] of this.#positions) {
        const coming = this.#scenario.logs[indexOf(partition)]!.records.find(({ offset }) => offset >= position);
        nextMs = Math.min(nextMs, coming?.timestampMs ?? nextMs);
      }
    }
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
      // What comes together is fetched together.
      if (nextMs < Number.POSITIVE_INFINITY) void clock.sleep(nextMs - clock.now() + 20).then(resolve);
    });
  }

  #fetch(limits: GatherLimits): Chunk[] {
    const { random, clock } = this.#world;
    const chunks: Chunk[] = [];
    let { recordsMax: room, bytesMax: bytesLeft } = limits;
    for (const [partition, position] of this.#positions) {
      const { records: all, end } = this.#scenario.logs[indexOf(partition)]!;
      if (position >= end) continue;
      const first = firstAt(all, position);
      const most = Math.min(room, 1 + Math.floor(random() * 8));
      const records: RawRecord[] = [];
      let bytes = 0;
      for (let i = first; i < all.length && records.length < most && all[i]!.timestampMs <= clock.now(); i++) {
        const size = all[i]!.value!.byteLength;
        if (bytes + size > bytesLeft && (records.length > 0 || chunks.length > 0)) break;
        bytes += size;
        records.push(all[i]!);
      }
      // The broker tells of a gap only together with what lies behind it.
      const behind = all[first + records.length];
      const gapEnd = behind === undefined ? end : behind.timestampMs <= clock.now() ? behind.offset : position;
      const afterLast = (records.at(-1)?.offset ?? position - 1) + 1;
      const nextOffset = records.length > 0 && random() < 0.5 ? afterLast : Math.max(afterLast, gapEnd);
      if (nextOffset === position) continue;
      this.#positions.set(partition, nextOffset);
      chunks.push({ partition, records, nextOffset, bytes });
      room -= records.length;
      bytesLeft -= bytes;
      if (room <= 0 || bytesLeft <= 0) break;
    }
    return chunks;
  }

  begin(generation: number, positions: ReadonlyMap<Partition, number>): void {
    if (generation !== this.#generation) return;
    this.#trace('begin', [...positions].map(([partition, at]) => `${indexOf(partition)}@${at}`).join(' '));
    // As a client that begins anew where a record is gone: nobody must let it come to that.
    this.#positions = new Map(
      [...positions].map(([partition, at]) => [partition, Math.max(at, this.#logStarts[indexOf(partition)]!)]),
    );
    this.#begunAt = this.#told;
    this.#looks.onBegin();
    this.#begun = true;
    this.#wake();
  }

  async commit(
    generation: number,
    positions: ReadonlyMap<Partition, number>,
  ): Promise<'committed' | 'refused' | 'failed'> {
    this.#looks.onCall();
    for (let attempt = 1; ; attempt++) {
      // Asked before every try: a repeat after a rejoin would speak for the new generation.
      if (generation !== this.#generation) return 'refused';
      try {
        return await this.#commitOnce(positions);
      } catch {
        if (attempt === COMMIT_TRIES || this.#closed) return 'failed';
      }
    }
  }

  #commitOnce(positions: ReadonlyMap<Partition, number>): Promise<'committed' | 'refused'> {
    const groupGeneration = this.#groupGeneration;
    const told = this.#told;
    const order = ++this.#commitsSent;
    return this.#world.call(this.#member, 'commit offsets', {
      effect: () => {
        // What was overtaken on its way comes to nothing, as on one connection.
        if (order < this.#commitsArrived) return 'refused';
        this.#commitsArrived = order;
        return this.#group.commit(this, groupGeneration, positions, told) ? 'committed' : 'refused';
      },
    });
  }

  async reassign(): Promise<void> {
    const { clock, random } = this.#world;
    const generation = this.#generation;
    await clock.sleep(random() * 20);
    await this.#world.pass(this.#member, 'reassign', 'before it was answered');
    this.#world.happened.add('reassigned');
    // In the meantime the group has answered by itself.
    if (generation !== this.#generation) return;
    if (!this.#group.has(this)) this.rejoin();
    // Else the group is in a rebalance, and the next heartbeat brings what it gives.
    else if (this.#groupGeneration === this.#group.generation) this.#announce();
  }

  ends(): ReadonlyMap<Partition, number> {
    return new Map();
  }

  close(): Promise<void> {
    this.#closed = true;
    this.#wake();
    this.#group.leave(this);
    return Promise.resolve();
  }
}

/** Index of the first record at or after an offset. */
function firstAt(records: readonly RawRecord[], offset: number): number {
  let low = 0;
  let high = records.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (records[middle]!.offset < offset) low = middle + 1;
    else high = middle;
  }
  return low;
}
