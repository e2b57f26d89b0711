/** What the world has come to, and the checks that hold it against the fold of the input at every step and at the end. */
import type { StageReport } from '../../src/engine/report.ts';
import { type ExpectedRow, type Fate, type Fates, foldInput } from './fold.ts';
import { isOwnStep, keyOf } from './program.ts';
import { type Scenario, type SinkName, type SinkPlan, lanesOf } from './scenario.ts';
import type { World } from './world.ts';

/** A row as readers see it. */
export interface Row {
  /** The record it is from, `partition:offset:element`. */
  readonly id: string;
  readonly partition: number;
  readonly offset: number;
  /** Number of the element in an exploded record; 0 for a whole one. */
  readonly element: number;
  readonly version: number;
  /** Number of the rebuild it was written in. */
  readonly rebuild: number;
}

/** What a sink holds, and up to where. */
export interface Table {
  readonly plan: SinkPlan;
  /** A claimed partition without anything written has no position. */
  readonly positions: Map<number, { position: number | null; owner: number }>;
  /** Raised when records are to be written anew: their rows replace what is there. */
  rebuild: number;
  /** From where on the rebuild has written each partition anew. */
  readonly rebuiltFrom: Map<number, number>;
  /** The rows the rebuild was to write anew. Who is given up instead stays in the upsert table as it was. */
  readonly before: Set<string>;
  /** What comes before is not promised: reading began there, or the log has lost it. Unknown while absent. */
  readonly begins: Map<number, number>;
  /** The upsert table. */
  readonly rows: Map<number, Row>;
  /** The append table; for a sink without positions all it has put out. */
  readonly appended: Map<string, number>;
}

export class Books {
  readonly tables: ReadonlyMap<SinkName, Table>;
  readonly letters = new Map<string, number>();
  readonly #world: World;
  readonly #scenario: Scenario;
  readonly #fates: Fates;
  #isLateThere: boolean;

  constructor(world: World, scenario: Scenario) {
    this.#world = world;
    this.#scenario = scenario;
    this.#fates = foldInput(scenario);
    this.tables = new Map(
      scenario.sinks.map((plan) => [
        plan.name,
        {
          plan,
          positions: new Map(),
          rows: new Map(),
          appended: new Map(),
          rebuild: 0,
          rebuiltFrom: new Map(),
          before: new Set(),
          begins: new Map(scenario.startsLatest ? [] : scenario.logs.map((_, partition) => [partition, 0])),
        },
      ]),
    );
    this.#isLateThere = scenario.change !== 'add sink';
  }

  /** The sinks that are in the pipeline now. */
  get plans(): readonly SinkPlan[] {
    return this.#isLateThere ? this.#scenario.sinks : this.#scenario.sinks.filter(({ name }) => name !== 'late');
  }

  /** From now on the pipeline has the sink `late`. */
  addLate(committed: ReadonlyMap<number, number>): void {
    this.#isLateThere = true;
    const { begins } = this.tables.get('late')!;
    if (this.#scenario.startsLatest) for (const [partition, offset] of committed) begins.set(partition, offset);
  }

  /** The tables of one stage: 0 is that of the required sinks. */
  lane(index: number): readonly Table[] {
    return lanesOf(this.plans)[index]!.map(({ name }) => this.tables.get(name)!);
  }

  /** A row became visible. */
  shows(table: Table, key: number, former: Row | undefined, row: Row): void {
    const { name, versioned } = table.plan;
    if (former === undefined || row.rebuild > former.rebuild) return;
    const goesBack = versioned
      ? row.version < former.version
      : row.offset < former.offset || (row.offset === former.offset && row.element < former.element);
    if (goesBack) this.#world.violate(`${name}: the row of key ${key} goes back from ${former.id} to ${row.id}`);
  }

  appends({ plan, appended }: Table, id: string): void {
    const times = (appended.get(id) ?? 0) + 1;
    appended.set(id, times);
    if (plan.storesPositions && times > 1) this.#world.violate(`${plan.name}: row ${id} was appended ${times} times`);
  }

  /**
   * A sink's position moves, null where it had none, and rows of the same transaction, of records from `first` on, are
   * already in the table.
   */
  moves(table: Table, partition: number, from: number | null, first: number, to: number): void {
    if (from === null && !table.begins.has(partition)) table.begins.set(partition, first);
    if (from !== null && to < from)
      this.#world.violate(`${table.plan.name}: position of ${partition} went back from ${from} to ${to}`);
    this.#checkPassed(table, partition, from ?? 0, to, 'position');
  }

  /** A member that was told `from` when it got the partition commits `to`. */
  groupCommits(lane: number, partition: number, from: number, to: number): void {
    const tables = this.lane(lane);
    // What reading begins with is known from here on.
    for (const { begins } of tables) if (!begins.has(partition)) begins.set(partition, to);
    const outputs = tables.filter(({ plan }) => !plan.storesPositions);
    const hasFailedOver = this.#world.happened.has('fail-over');
    // Where a table stands behind, the offsets of the group follow it, or stand for the sinks that rely on them.
    // A table that a member claimed which had looked up the end of the log sooner stands behind what another one began with.
    const mayFollow =
      hasFailedOver ||
      this.#scenario.startsLatest ||
      tables.some(({ plan }) => plan.name === 'late' || plan.retry.action === 'dlq');
    if (to < from && (outputs.length > 0 || !mayFollow))
      this.#world.violate(`the committed offset of ${partition} was taken back from ${from} to ${to}`);
    // Who starts at the end does so later than a table that has begun before the group knew of it.
    const isAhead = hasFailedOver || (this.#scenario.startsLatest && outputs.length > 0);
    const relied = isAhead ? outputs : tables;
    for (const table of relied) this.#checkPassed(table, partition, from, to, 'committed offset');
  }

  /** Everything in between is written, or a dead letter, or is not for this sink. */
  #checkPassed(table: Table, partition: number, from: number, to: number, what: string): void {
    const missing = this.#firstMissing(table, partition, from, to);
    if (missing.length === 0) return;
    this.#world.violate(`${table.plan.name}: ${what} of ${partition} passed ${missing.join(', ')}`);
  }

  /** What the first record in between that is not done lacks; empty when all are done. */
  #firstMissing(table: Table, partition: number, from: number, to: number): readonly string[] {
    const { plan, appended, begins } = table;
    const first = Math.max(from, begins.get(partition) ?? Infinity);
    for (const { offset, rows, letters } of this.#fates.get(plan.name)![partition]!) {
      if (offset < first) continue;
      if (offset >= to) break;
      const missing = [
        ...rows.filter(({ id }) => !appended.has(id) && !this.#isGivenUp(plan, id)).map(({ id }) => `row ${id}`),
        ...letters.filter((id) => !this.letters.has(id)).map((id) => `dead letter ${id}`),
      ];
      if (missing.length > 0) return missing;
    }
    return [];
  }

  /** Its sink was away for too long, so that it is a dead letter. */
  #isGivenUp({ name, retry }: SinkPlan, id: string): boolean {
    return retry.action === 'dlq' && this.letters.has(`${id}:sink:${name}`);
  }

  /** The account of one member adds up: each record that came in is in it once, and each event that came out. */
  audit(member: string, lane: readonly SinkPlan[], report: StageReport): void {
    const { stages, sinks, read, delivered } = report;
    const steps = this.#scenario.steps.filter((name) => !isOwnStep(name)).length;
    const own = stages.slice(0, stages.length - steps);
    // Every source has its own decode and own steps: together they are one chain, as the steps for all are.
    const inputs = own.length / (this.#scenario.steps.length - steps + 1);
    const chain = [
      ...Array.from({ length: own.length / inputs }, (_, level) =>
        own.filter((_, i) => i % (own.length / inputs) === level),
      ),
      ...stages.slice(own.length).map((stage) => [stage]),
    ];
    let given = read;
    for (const [i, level] of chain.entries()) {
      const got = level.reduce((sum, stage) => sum + stage.in, 0);
      if (got !== given) this.#world.violate(`${member}: step ${i} got ${got} of ${given} records`);
      for (const stage of level)
        if (stage.difference !== 0) this.#world.violate(`${member}: step ${i} is off by ${stage.difference}`);
      given = level.reduce((sum, stage) => sum + stage.out, 0);
    }
    if (delivered !== given) this.#world.violate(`${member}: ${delivered} of ${given} events came through`);
    for (const [i, sink] of sinks.entries()) {
      const { name } = lane[i]!;
      if (sink.difference !== 0) this.#world.violate(`${member}: ${name} is off by ${sink.difference}`);
      if (sink.offered !== given)
        this.#world.violate(`${member}: ${name} was offered ${sink.offered} of ${given} rows`);
    }
  }

  /** Everything is written by all sinks of a stage, and the group knows it where a sink relies on that. */
  isDone(lane: number, committed: ReadonlyMap<number, number>): boolean {
    const tables = this.lane(lane);
    return this.#scenario.logs.every(({ end }, partition) =>
      tables.every((table) => {
        if (!table.plan.storesPositions) return committed.get(partition) === end;
        const position = table.positions.get(partition)?.position ?? null;
        // Who was given up, or began at the end, stands where it stood until it gets its next batch.
        const mayStand = position === null || table.plan.retry.action === 'dlq';
        const isRead = mayStand && committed.get(partition) === end;
        return position === end || (isRead && this.#firstMissing(table, partition, position ?? 0, end).length === 0);
      }),
    );
  }

  /** The lowest place any sink of a stage stands at; undefined where one has none, or nobody has begun. */
  lowest(lane: number, partition: number, committed: ReadonlyMap<number, number>): number | undefined {
    const known = this.lane(lane).map(({ plan, positions }) =>
      plan.storesPositions ? positions.get(partition)?.position : committed.get(partition),
    );
    const lowest = Math.min(...known.map((one) => one ?? Number.NaN));
    return Number.isNaN(lowest) ? undefined : lowest;
  }

  /** A sink is told to go on elsewhere. What it is to write again is taken out of append tables. */
  move(table: Table, partition: number, to: number): void {
    for (const id of table.appended.keys()) {
      const [of, offset] = id.split(':').map(Number);
      if (of !== partition || offset! < to) continue;
      table.appended.delete(id);
      table.before.add(id);
    }
    const { owner = 0 } = table.positions.get(partition) ?? {};
    if (table.plan.storesPositions) table.positions.set(partition, { position: to, owner: owner + 1 });
  }

  /** The log has lost what lies before, and somebody has decided to go on without it. */
  forgoes(table: Table, partition: number, logStart: number): void {
    const former = table.begins.get(partition);
    if (former !== undefined) table.begins.set(partition, Math.max(former, logStart));
  }

  /** At the end. */
  compare(): void {
    const lettersNeeded = new Set<string>();
    const lettersAllowed = new Set<string>();
    for (const [name, fates] of this.#fates) {
      const table = this.tables.get(name)!;
      const { plan, appended, begins } = table;
      const rowsNeeded = new Set<string>();
      const rowsAllowed = new Set<string>();
      for (const [partition, all] of fates.entries()) {
        for (const { offset, rows, letters } of all) {
          const isNeeded = offset >= (begins.get(partition) ?? Infinity);
          for (const { id } of rows) {
            rowsAllowed.add(id);
            if (isNeeded && !this.#isGivenUp(plan, id)) rowsNeeded.add(id);
            if (plan.retry.action === 'dlq') lettersAllowed.add(`${id}:sink:${name}`);
          }
          for (const id of letters) {
            lettersAllowed.add(id);
            if (isNeeded) lettersNeeded.add(id);
          }
        }
      }
      this.#same(`${name}: appended rows`, rowsNeeded, rowsAllowed, new Set(appended.keys()));
      if (plan.storesPositions) this.#compareRows(table, rowsOf(fates.flat()));
    }
    this.#same('dead letters', lettersNeeded, lettersAllowed, new Set(this.letters.keys()));
  }

  /** The upsert table is a plain fold of the rows that were written. */
  #compareRows({ plan, appended, before, rows, rebuiltFrom }: Table, expected: readonly ExpectedRow[]): void {
    const newest = new Map<number, { readonly id: string; readonly version: number; readonly rebuild: number }>();
    for (const { id, event } of expected) {
      if (!appended.has(id) && !before.has(id)) continue;
      const [partition, offset] = id.split(':').map(Number);
      const isAnew = appended.has(id) && offset! >= (rebuiltFrom.get(partition!) ?? Infinity);
      const rebuild = isAnew ? 1 : 0;
      const key = keyOf(plan, event);
      const former = newest.get(key);
      const isOlder =
        former &&
        (former.rebuild > rebuild || (plan.versioned && former.rebuild === rebuild && former.version > event.version));
      if (!isOlder) newest.set(key, { id, version: event.version, rebuild });
    }
    const name = (key: number, id: string, rebuild: number) => `${key}=${id} of rebuild ${rebuild}`;
    const wanted = new Set([...newest].map(([key, { id, rebuild }]) => name(key, id, rebuild)));
    this.#same(
      `${plan.name}: rows`,
      wanted,
      wanted,
      new Set([...rows].map(([key, { id, rebuild }]) => name(key, id, rebuild))),
    );
  }

  #same(what: string, needed: ReadonlySet<string>, allowed: ReadonlySet<string>, found: ReadonlySet<string>): void {
    const missing = [...needed.difference(found)];
    const surplus = [...found.difference(allowed)];
    if (missing.length > 0) this.#world.violate(`${what} missing at the end: ${missing.slice(0, 5).join(', ')}`);
    if (surplus.length > 0) this.#world.violate(`${what} too many at the end: ${surplus.slice(0, 5).join(', ')}`);
  }
}

const rowsOf = (fates: readonly Fate[]) => fates.flatMap(({ rows }) => rows);
