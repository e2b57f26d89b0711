/** What members write to: tables that keep positions in the same transaction, an output that keeps none, dead letters. */
import {
  type DeadLetter,
  type DeadLetterQueue,
  type EventRecord,
  Fenced,
  type Partition,
  type Rejection,
  type Sink,
  type SinkBatch,
  SinkUnavailable,
  TooManyRejections,
  type WriteResult,
} from '../../src/engine/ports.ts';
import type { Books, Row, Table } from './books.ts';
import type { BreakerWatch } from './breaker-watch.ts';
import type { Member } from './member.ts';
import { indexOf, isRefused, keyOf } from './program.ts';
import type { Event } from './scenario.ts';
import { SESSION_MS, type World } from './world.ts';

/** What a transaction is to change. */
interface Staged {
  readonly rows: readonly { readonly key: number; readonly row: Row }[];
  readonly ranges: SinkBatch['ranges'];
}

/** One connection to the database, with its transaction. Ends when it stands idle in a transaction for too long. */
class Session {
  staged: Staged | null = null;
  #ended = false;
  #touchedMs = 0;
  readonly #world: World;

  constructor(world: World) {
    this.#world = world;
  }

  get isOver(): boolean {
    return this.#ended || (this.staged !== null && this.#world.clock.now() - this.#touchedMs > SESSION_MS);
  }

  /** A call of this session has arrived. */
  touch(): void {
    if (this.isOver) throw new SinkUnavailable('session terminated');
    this.#touchedMs = this.#world.clock.now();
  }

  holds(partition: number): boolean {
    return !this.isOver && (this.staged?.ranges.some((range) => indexOf(range.partition) === partition) ?? false);
  }

  rollback(): void {
    if (this.isOver) this.end();
    else this.staged = null;
  }

  end(): void {
    this.#ended = true;
  }
}

/** A database: one table, and the sessions that have a transaction open. */
export class Database {
  readonly table: Table;
  readonly #sessions = new Set<Session>();
  /** What a replica has, which is behind. */
  #replica: Pick<Table, 'positions' | 'rows' | 'appended'> | null = null;
  /** Nobody answers. */
  isAway = false;

  constructor(table: Table) {
    this.table = table;
  }

  open(world: World): Session {
    const session = new Session(world);
    this.#sessions.add(session);
    return session;
  }

  replicate(): void {
    const { positions, rows, appended } = this.table;
    const copies = [...positions].map(([partition, stored]) => [partition, { ...stored }] as const);
    this.#replica = { positions: new Map(copies), rows: new Map(rows), appended: new Map(appended) };
  }

  /** What the replica has is of no use any more. */
  forgetReplica(): void {
    this.#replica = null;
  }

  /** Fails over to the replica: rows, positions and owner epochs are those of an older time. */
  failOver(): boolean {
    if (this.#replica === null) return false;
    for (const session of this.#sessions) session.end();
    for (const name of ['positions', 'rows', 'appended'] as const) {
      const map = this.table[name] as Map<number | string, unknown>;
      map.clear();
      for (const [key, value] of this.#replica[name]) map.set(key, value);
    }
    this.#replica = null;
    return true;
  }

  /** No transaction is open. */
  isQuiet(): boolean {
    return [...this.#sessions].every((session) => session.isOver || session.staged === null);
  }

  /** Another session has locked a position row. */
  isLocked(partitions: Iterable<number>, own: Session): boolean {
    const wanted = [...partitions];
    for (const session of this.#sessions) {
      if (session.isOver) this.#sessions.delete(session);
      else if (session !== own && wanted.some((partition) => session.holds(partition))) return true;
    }
    return false;
  }
}

export class SimulatedTable implements Sink {
  readonly name: string;
  readonly storesPositions = true;
  readonly #world: World;
  readonly #books: Books;
  readonly #database: Database;
  readonly #table: Table;
  readonly #member: Member;
  /** The owner epoch this member has claimed, per partition. */
  readonly #owned = new Map<number, number>();
  /** How far this member knows each partition to be committed. */
  readonly #reached = new Map<number, number>();
  readonly #refusalsMax: number;
  readonly #watch: BreakerWatch | null;
  #session: Session;

  constructor(
    world: World,
    books: Books,
    database: Database,
    member: Member,
    refusalsMax: number,
    watch: BreakerWatch | null,
  ) {
    this.name = database.table.plan.name;
    this.#world = world;
    this.#books = books;
    this.#database = database;
    this.#table = database.table;
    this.#member = member;
    this.#refusalsMax = refusalsMax;
    this.#watch = watch;
    this.#session = database.open(world);
  }

  open(): Promise<void> {
    return this.#call('open', [], () => undefined);
  }

  claim(partitions: readonly Partition[]): Promise<ReadonlyMap<Partition, number>> {
    return this.#call('claim', partitions, () => {
      const known = new Map<Partition, number>();
      for (const partition of partitions) {
        const index = indexOf(partition);
        const stored = this.#table.positions.get(index);
        const owner = (stored?.owner ?? 0) + 1;
        this.#table.positions.set(index, { position: stored?.position ?? null, owner });
        this.#owned.set(index, owner);
        this.#reached.set(index, stored?.position ?? 0);
        if (stored && stored.position !== null) known.set(partition, stored.position);
      }
      return known;
    });
  }

  prepare(batch: SinkBatch): SinkBatch {
    return batch;
  }

  write(prepared: unknown, rejectionsMax: number): Promise<WriteResult> {
    const { records, versions, ranges } = prepared as SinkBatch;
    // Sooner than it has to, since the batches of a simulation are small.
    const most =
      rejectionsMax === Number.POSITIVE_INFINITY ? rejectionsMax : Math.min(rejectionsMax, this.#refusalsMax);
    this.#watch?.attempts(this.name);
    const partitions = ranges.map(({ partition }) => partition);
    return this.#call('write', partitions, (session) => {
      this.#checkOwner(ranges);
      const rejected: Rejection[] = [];
      const rows: { key: number; row: Row }[] = [];
      let skippedOffset = 0;
      for (const [i, record] of records.entries()) {
        const event = record.event as Event;
        if (record.raw.offset < this.#positionOf(record.partition)) skippedOffset++;
        else if (isRefused(event)) rejected.push({ record, code: 'constraint', message: 'simulated constraint' });
        else
          rows.push({
            key: keyOf(this.#table.plan, event),
            row: rowOf(record, versions?.[i], this.#table.rebuild),
          });
      }
      if (rejected.length > most) throw new TooManyRejections(rejected);
      // As SQL does: what the transaction has done so far belongs to it.
      const { rows: former, ranges: formerRanges } = session.staged ?? { rows: [], ranges: [] };
      session.staged = { rows: [...former, ...rows], ranges: [...formerRanges, ...ranges] };
      // One row of each key is left; which one does not matter to the count.
      const written = new Set(rows.map(({ key }) => key)).size;
      const supersededInBatch = rows.length - written;
      return { written, supersededInBatch, skippedOffset, skippedVersion: 0, rejected };
    });
  }

  async commit(): Promise<void> {
    const ranges = await this.#call('commit', [], (session) => {
      const { staged } = session;
      session.staged = null;
      for (const { key, row } of staged?.rows ?? []) this.#put(key, row);
      for (const { partition, from, to } of staged?.ranges ?? []) {
        const stored = this.#table.positions.get(indexOf(partition))!;
        const moved = Math.max(to, stored.position ?? 0);
        this.#books.moves(this.#table, indexOf(partition), stored.position, from, moved);
        stored.position = moved;
      }
      return staged?.ranges ?? [];
    });
    for (const { partition, to } of ranges) this.#reached.set(indexOf(partition), to);
  }

  async rollback(): Promise<void> {
    this.#session.rollback();
  }

  async close(): Promise<void> {
    this.#session.end();
  }

  #put(key: number, row: Row): void {
    const former = this.#table.rows.get(key);
    this.#books.appends(this.#table, row.id);
    const isAnew = former !== undefined && row.rebuild > former.rebuild;
    if (this.#table.plan.versioned && former && !isAnew && row.version <= former.version) return;
    this.#books.shows(this.#table, key, former, row);
    this.#table.rows.set(key, row);
  }

  #positionOf(partition: Partition): number {
    return this.#table.positions.get(indexOf(partition))!.position ?? 0;
  }

  /** Under the lock of the position rows, which the transaction holds until its end. */
  #checkOwner(ranges: SinkBatch['ranges']): void {
    for (const { partition } of ranges) {
      const index = indexOf(partition);
      const stored = this.#table.positions.get(index);
      if (stored?.owner !== this.#owned.get(index)) throw new Fenced('has another owner');
      if ((stored!.position ?? 0) < this.#reached.get(index)!) throw new Fenced('has gone back to an older state');
    }
  }

  #call<T>(doing: string, partitions: readonly Partition[], effect: (session: Session) => T): Promise<T> {
    // What was written in a session that is over can't be committed in another one.
    if (this.#session.isOver && doing !== 'commit') this.#session = this.#database.open(this.#world);
    const session = this.#session;
    const locks = partitions.map(indexOf);
    return this.#world.call(this.#member, `${this.name} ${doing}`, {
      locked: () => this.#database.isLocked(locks, session),
      effect: () => {
        if (this.#database.isAway) throw new SinkUnavailable('simulated long outage');
        session.touch();
        return effect(session);
      },
      lost: () => (this.#session = this.#database.open(this.#world)),
      hungUp: () => session.end(),
    });
  }
}

function rowOf({ raw, partition, element, event }: EventRecord, version: unknown, rebuild: number): Row {
  const index = indexOf(partition);
  return {
    id: `${index}:${raw.offset}:${element}`,
    partition: index,
    offset: raw.offset,
    element: Number(element),
    version: (version as number | undefined) ?? (event as Event).version,
    rebuild,
  };
}

/** Puts out what it gets and keeps no positions: its place is the group's. */
export class SimulatedOutput implements Sink {
  readonly name: string;
  readonly storesPositions = false;
  readonly #world: World;
  readonly #books: Books;
  readonly #table: Table;
  readonly #member: Member;
  /** The group's offset of a partition when reading it began. */
  readonly #begunAt: (partition: number) => number;

  constructor(world: World, books: Books, table: Table, member: Member, begunAt: (partition: number) => number) {
    this.#begunAt = begunAt;
    this.name = table.plan.name;
    this.#world = world;
    this.#books = books;
    this.#table = table;
    this.#member = member;
  }

  prepare(batch: SinkBatch): SinkBatch {
    return batch;
  }

  write(prepared: unknown): Promise<WriteResult> {
    const { records } = prepared as SinkBatch;
    const again = records.find(({ partition, raw }) => raw.offset < this.#begunAt(indexOf(partition)));
    if (again) this.#world.violate(`${this.name}: ${rowOf(again, 0, 0).id} was put out below the group's offset`);
    return this.#world.call(this.#member, `${this.name} write`, {
      effect: () => {
        for (const record of records) this.#books.appends(this.#table, rowOf(record, 0, 0).id);
        return { written: records.length, supersededInBatch: 0, skippedOffset: 0, skippedVersion: 0, rejected: [] };
      },
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
  readonly #books: Books;
  readonly #member: Member;
  readonly #watch: BreakerWatch | null;
  /** Of a stage beside that of the required sinks. */
  readonly #isBeside: boolean;

  constructor(world: World, books: Books, member: Member, watch: BreakerWatch | null, isBeside: boolean) {
    this.#world = world;
    this.#books = books;
    this.#member = member;
    this.#watch = watch;
    this.#isBeside = isBeside;
  }

  append(letters: readonly DeadLetter[]): Promise<void> {
    this.#watch?.appends(letters);
    const foreign = letters.find(({ stage }) => this.#isBeside && !stage.startsWith('sink:'));
    if (foreign) this.#world.violate(`${this.#member.name}: a stage beside writes a dead letter of ${foreign.stage}`);
    return this.#world.call(this.#member, 'dead letters', {
      effect: () => {
        const known = this.#books.letters;
        for (const { partition, raw, element, stage } of letters) {
          const id = `${indexOf(partition)}:${raw.offset}:${element}:${stage}`;
          known.set(id, (known.get(id) ?? 0) + 1);
        }
      },
    });
  }
}
