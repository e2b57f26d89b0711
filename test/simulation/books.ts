/** What the world has come to, and the checks that hold it against the fold of the input at every step and at the end. */
import type { StageReport } from '../../src/engine/report.ts';
import { type Fate, type Fates, foldInput } from './fold.ts';
import { isOwnStep, keyOf } from './program.ts';
import type { Scenario, SinkName, SinkPlan } from './scenario.ts';
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
}

/** What a sink holds, and up to where. */
export interface Table {
  readonly plan: SinkPlan;
  readonly positions: Map<number, { position: number; owner: number }>;
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

  constructor(world: World, scenario: Scenario) {
    this.#world = world;
    this.#scenario = scenario;
    this.#fates = foldInput(scenario);
    this.tables = new Map(
      scenario.sinks.map((plan) => [plan.name, { plan, positions: new Map(), rows: new Map(), appended: new Map() }]),
    );
  }

  /** A row became visible. */
  shows(table: Table, key: number, former: Row | undefined, row: Row): void {
    const { name, versioned } = table.plan;
    if (former === undefined) return;
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

  /** A sink's position moves, and rows of the same transaction are already in the table. */
  moves(table: Table, partition: number, from: number, to: number): void {
    if (to < from) this.#world.violate(`${table.plan.name}: position of ${partition} went back from ${from} to ${to}`);
    this.#checkPassed(table, partition, from, to, 'position');
  }

  /** A member that was told `from` when it got the partition commits `to`. */
  groupCommits(partition: number, from: number, to: number): void {
    const tables = [...this.tables.values()];
    // Where a table has gone back, the offsets of the group follow it, or stand for the sinks that rely on them.
    const relied = this.#world.happened.has('fail-over') ? tables.filter(({ plan }) => !plan.storesPositions) : tables;
    if (to < from && relied.length > 0)
      this.#world.violate(`the committed offset of ${partition} was taken back from ${from} to ${to}`);
    for (const table of relied) this.#checkPassed(table, partition, from, to, 'committed offset');
  }

  /** Everything in between is written, or a dead letter, or is not for this sink. */
  #checkPassed({ plan, appended }: Table, partition: number, from: number, to: number, what: string): void {
    for (const { offset, rows, letters } of this.#fates.get(plan.name)![partition]!) {
      if (offset < from) continue;
      if (offset >= to) return;
      const missing = [
        ...rows.filter(({ id }) => !appended.has(id)).map(({ id }) => `row ${id}`),
        ...letters.filter((id) => !this.letters.has(id)).map((id) => `dead letter ${id}`),
      ];
      if (missing.length === 0) continue;
      return this.#world.violate(`${plan.name}: ${what} of ${partition} passed ${missing.join(', ')}`);
    }
  }

  /** The account of one member adds up: each record that came in is in it once, and each event that came out. */
  audit(member: string, report: StageReport): void {
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
      const { name } = this.#scenario.sinks[i]!;
      if (sink.difference !== 0) this.#world.violate(`${member}: ${name} is off by ${sink.difference}`);
      if (sink.offered !== given)
        this.#world.violate(`${member}: ${name} was offered ${sink.offered} of ${given} rows`);
    }
  }

  /** Everything is written everywhere, and the group knows it where a sink relies on that. */
  isDone(committed: ReadonlyMap<number, number>): boolean {
    return this.#scenario.logs.every(({ end }, partition) =>
      this.#scenario.sinks.every(({ name, storesPositions }) =>
        storesPositions
          ? this.tables.get(name)!.positions.get(partition)?.position === end
          : committed.get(partition) === end,
      ),
    );
  }

  /** At the end. */
  compare(): void {
    const letters = new Set<string>();
    for (const [name, fates] of this.#fates) {
      const table = this.tables.get(name)!;
      const all = fates.flat();
      for (const fate of all) for (const id of fate.letters) letters.add(id);
      this.#same(`${name}: appended rows`, new Set(rowsOf(all).map(({ id }) => id)), new Set(table.appended.keys()));
      if (!table.plan.storesPositions) continue;
      const newest = new Map<number, { id: string; version: number }>();
      for (const { id, event } of rowsOf(all)) {
        const key = keyOf(table.plan, event);
        const former = newest.get(key);
        if (former && table.plan.versioned && former.version > event.version) continue;
        newest.set(key, { id, version: event.version });
      }
      this.#same(
        `${name}: rows`,
        new Set([...newest].map(([key, { id }]) => `${key}=${id}`)),
        new Set([...table.rows].map(([key, { id }]) => `${key}=${id}`)),
      );
    }
    this.#same('dead letters', letters, new Set(this.letters.keys()));
  }

  #same(what: string, expected: ReadonlySet<string>, found: ReadonlySet<string>): void {
    const missing = [...expected.difference(found)];
    const surplus = [...found.difference(expected)];
    if (missing.length > 0) this.#world.violate(`${what} missing at the end: ${missing.slice(0, 5).join(', ')}`);
    if (surplus.length > 0) this.#world.violate(`${what} too many at the end: ${surplus.slice(0, 5).join(', ')}`);
  }
}

const rowsOf = (fates: readonly Fate[]) => fates.flatMap(({ rows }) => rows);
