/** One seeded run: faults first, then peace until the lag is gone; the books are compared with a fold of the input. */
import { Breaker } from '../../src/engine/breaker.ts';
import type { StageReport } from '../../src/engine/report.ts';
import { Stage } from '../../src/engine/stage.ts';
import { OptionalStage } from '../../src/runtime/optional-stage.ts';
import { Books } from './books.ts';
import { BreakerWatch } from './breaker-watch.ts';
import { VirtualClock, allAtRest, seeded } from './clock.ts';
import { Group, SimulatedSource } from './group.ts';
import { Member } from './member.ts';
import { programOf } from './program.ts';
import { type Scenario, type SinkName, type SinkPlan, drawScenario, lanesOf } from './scenario.ts';
import { Database, SimulatedOutput, SimulatedQueue, SimulatedTable } from './sinks.ts';
import { type Faults, type Strike, type Tracer, World, noFaults } from './world.ts';

const CHAOS_MS = 1_500;
const RECORDS_MAX = 30;
/** What goes through all places of a run is as small as it can be. */
const STRIKE_CHAOS_MS = 300;
const STRIKE_RECORDS_MAX = 8;
const MEMBERS_MAX = 3;
/** How long the members that are left may take: frozen ones thaw, calls back off for up to 10 s. */
const LIVENESS_MS = 60_000;
/** A stage that was down for long waits for up to a minute before it starts anew. */
const RECOVERY_MS = 300_000;
/** An operator looks after so long at most. */
const OPERATOR_MS = 500;
/** More virtual steps than any run that makes progress needs. */
const STEPS_MAX = 100_000;

export interface Outcome {
  /** What is wrong; empty when all is well. */
  readonly violations: readonly string[];
  /** Which faults did happen. */
  readonly happened: ReadonlySet<string>;
  /** At how many places a member could have been stopped. */
  readonly places: number;
}

export interface SimulateOptions {
  /** No chance: the one fault is this. */
  readonly strike?: Strike | null;
  readonly trace?: Tracer;
}

/** Plays the run of a seed. The same seed and strike give the same run, step by step. */
export async function simulate(seed: number, options: SimulateOptions = {}): Promise<Outcome> {
  const { strike, trace = () => undefined } = options;
  const clock = new VirtualClock();
  const random = seeded(seed);
  const faults = strike === undefined ? drawFaults(random) : noFaults;
  const world = new World(clock, random, faults, strike ?? null, trace);
  const isSmall = strike !== undefined;
  const scenario = drawScenario(
    random,
    clock.now(),
    isSmall ? STRIKE_CHAOS_MS : CHAOS_MS,
    isSmall ? STRIKE_RECORDS_MAX : RECORDS_MAX,
  );
  const run = new Run(world, scenario, isSmall);
  await run.play();
  return { violations: world.violations, happened: world.happened, places: world.places };
}

/** Each run has some faults often and some not at all. */
function drawFaults(random: () => number): Faults {
  const upTo = (most: number) => (random() < 0.25 ? 0 : random() * most);
  return {
    crash: upTo(0.012),
    freeze: upTo(0.012),
    unavailable: upTo(0.1),
    broken: upTo(0.1),
    lostAnswer: upTo(0.1),
    stalled: upTo(0.03),
  };
}

interface Lane {
  readonly plans: readonly SinkPlan[];
  readonly breaker: Breaker | null;
  readonly watch: BreakerWatch | null;
  /** Another one after each restart. */
  source: SimulatedSource;
  readonly stage: Stage;
}

interface Process {
  readonly member: Member;
  readonly lanes: readonly Lane[];
  readonly optionals: readonly OptionalStage[];
  readonly untilEnd: boolean;
  /** It was asked to stop, so it is not one that finishes what is left. */
  isStopping: boolean;
}

class Run {
  readonly #world: World;
  readonly #scenario: Scenario;
  readonly #books: Books;
  /** One for each stage. */
  readonly #groups: readonly Group[];
  readonly #databases: ReadonlyMap<SinkName, Database>;
  readonly #logStarts: number[];
  readonly #living = new Set<Process>();
  readonly #isQuiet: boolean;
  #members = 0;
  /** Nobody starts a member now. */
  #isChanging = false;
  /** Retention has taken records that were not written. */
  #hasLost = false;
  #isPeace = false;

  constructor(world: World, scenario: Scenario, isQuiet: boolean) {
    this.#world = world;
    this.#scenario = scenario;
    this.#isQuiet = isQuiet;
    this.#books = new Books(world, scenario);
    this.#groups = lanesOf(scenario.sinks).map((_, lane) => new Group(world, this.#books, scenario.logs.length, lane));
    this.#logStarts = scenario.logs.map(() => 0);
    this.#databases = new Map(
      [...this.#books.tables.values()]
        .filter(({ plan }) => plan.storesPositions)
        .map((table) => [table.plan.name, new Database(table)]),
    );
  }

  /** Safety: whatever happens, no check may fail. Liveness: without further faults the lag goes to zero. */
  async play(): Promise<void> {
    const world = this.#world;
    const { chaosMs, change } = this.#scenario;
    const fromMs = world.clock.now();
    const chaosUntilMs = fromMs + chaosMs;
    this.#spawn(false);
    this.#spawn(false);
    if (!this.#isQuiet) void this.#chaos(chaosUntilMs);
    const away = this.#scenario.sinks.filter(({ required, storesPositions }) => !required && storesPositions);
    const isLongAway = away.length > 0 && world.random() < 0.5;
    if (isLongAway) void world.clock.sleep(world.random() * chaosMs).then(() => this.#setAway(away, true));
    if (change !== null) await this.#change(fromMs + (0.2 + 0.6 * world.random()) * chaosMs);
    await this.#advance(() => world.clock.now() >= chaosUntilMs);
    world.endFaults();
    this.#isPeace = true;
    world.trace(world.clock.now(), '', 'faults', 'ended');
    // Who is left must do it alone; or all are ended, and one that comes anew must, up to the end of the log.
    const anew = world.random() < 0.5;
    if (anew) {
      await this.#endAll();
      this.#spawn(true);
    } else if ([...this.#living].every(({ isStopping }) => isStopping) || world.happened.has('fail-over')) {
      // A table that has gone back is noticed by the next write or claim, and a log at its end brings no write.
      this.#spawn(false);
    }
    if (isLongAway) {
      await this.#await(LIVENESS_MS, 'the lag of the required sinks', () => this.#isDone(0));
      this.#setAway(away, false);
    }
    const isOver = () =>
      anew
        ? this.#living.size === 0
        : world.clock.now() >= chaosUntilMs && this.#groups.every((_, i) => this.#isDone(i));
    await this.#await(isLongAway ? RECOVERY_MS : LIVENESS_MS, 'the lag', isOver);
    if (!this.#groups.every((_, lane) => this.#isDone(lane))) world.violate('not all is written at the end');
    await this.#endAll();
    this.#books.compare();
  }

  #isDone(lane: number): boolean {
    return this.#books.isDone(lane, this.#groups[lane]!.committed);
  }

  async #await(limitMs: number, what: string, isOver: () => boolean): Promise<void> {
    const untilMs = this.#world.clock.now() + limitMs;
    await this.#advance(() => isOver() || this.#world.clock.now() > untilMs);
    if (!isOver()) this.#world.violate(`${what} did not go to zero within ${limitMs} ms after the faults had ended`);
  }

  /** Moves time until `isOver`, which is asked when nobody is about to do anything at that moment. */
  async #advance(isOver: () => boolean): Promise<void> {
    for (let steps = 0; steps < STEPS_MAX; steps++) {
      await allAtRest();
      if (isOver() || !(await this.#world.clock.advance())) return;
    }
  }

  /** Ends all members, frozen ones once they thaw, and waits for it. */
  async #endAll(): Promise<void> {
    const { clock, random } = this.#world;
    for (const process of this.#living) {
      if (random() < 0.5) stop(process);
      else process.member.crash();
    }
    const isOver = () => this.#living.size === 0 && this.#groups.every(({ size }) => size === 0);
    const untilMs = clock.now() + LIVENESS_MS;
    await this.#advance(() => isOver() || clock.now() > untilMs);
    if (!isOver()) this.#world.violate('a member that was asked to stop did not');
  }

  #setAway(sinks: readonly SinkPlan[], isAway: boolean): void {
    const { clock, trace, happened } = this.#world;
    happened.add('optional sink away');
    for (const { name } of sinks) {
      trace(clock.now(), '', name, isAway ? 'away' : 'back');
      this.#databases.get(name)!.isAway = isAway;
    }
  }

  /** Ends all members, changes something, and starts others. */
  async #change(atMs: number): Promise<void> {
    const { clock, random, trace, happened } = this.#world;
    const change = this.#scenario.change!;
    await this.#alone(atMs, () => {
      happened.add(change);
      trace(clock.now(), '', 'operator', change);
      if (change === 'rewind') this.#rewind();
      else if (change === 'add sink') this.#books.addLate(this.#groups[0]!.committed);
      else this.#truncate();
    });
    if (!this.#hasLost) return;
    await this.#alone(clock.now() + random() * OPERATOR_MS, () => {
      happened.add('data loss');
      trace(clock.now(), '', 'operator', 'goes on without what is lost');
      this.#goOnWithoutLost();
      this.#hasLost = false;
    });
  }

  /** Does something at that time while no member runs and no transaction is open. */
  async #alone(atMs: number, work: () => void): Promise<void> {
    const { clock } = this.#world;
    await this.#advance(() => clock.now() >= atMs);
    this.#isChanging = true;
    await this.#endAll();
    await this.#advance(() => [...this.#databases.values()].every((database) => database.isQuiet()));
    work();
    for (const database of this.#databases.values()) database.forgetReplica();
    this.#isChanging = false;
    this.#spawn(false);
    this.#spawn(false);
  }

  /** Every partition goes back somewhat; what is written from here on replaces what is there. */
  #rewind(): void {
    for (const [lane, { committed }] of this.#groups.entries()) {
      const targets = this.#scenario.logs.map((_, partition) => {
        const lowest = this.#books.lowest(lane, partition, committed);
        return lowest === undefined ? undefined : Math.floor(this.#world.random() * (lowest + 1));
      });
      for (const table of this.#books.lane(lane)) {
        table.rebuild++;
        for (const [partition, to] of targets.entries()) {
          table.rebuiltFrom.set(partition, to ?? table.positions.get(partition)?.position ?? 0);
          if (to !== undefined) this.#books.move(table, partition, to);
        }
      }
      for (const [partition, to] of targets.entries()) if (to !== undefined) committed.set(partition, to);
    }
  }

  /** Retention takes the beginning of a log, whether or not it was read. */
  #truncate(): void {
    const { random, clock } = this.#world;
    const partition = Math.floor(random() * this.#logStarts.length);
    const there = this.#scenario.logs[partition]!.records.filter(({ timestampMs }) => timestampMs <= clock.now());
    const start = there[Math.floor(random() * there.length)]?.offset ?? 0;
    this.#logStarts[partition] = start;
    for (const [lane, { committed }] of this.#groups.entries()) {
      for (const table of this.#books.lane(lane)) {
        const at =
          (table.plan.storesPositions ? table.positions.get(partition)?.position : null) ?? committed.get(partition);
        // Who has not begun yet begins with what is left.
        if (at === undefined) this.#books.forgoes(table, partition, start);
        else if (at < start) this.#hasLost = true;
      }
    }
  }

  /** As `rewind --to` the start of the log, forward. */
  #goOnWithoutLost(): void {
    for (const [lane, { committed }] of this.#groups.entries()) {
      for (const [partition, start] of this.#logStarts.entries()) {
        for (const table of this.#books.lane(lane)) {
          const stored = table.plan.storesPositions ? table.positions.get(partition)?.position : null;
          if ((stored ?? committed.get(partition) ?? start) >= start) continue;
          this.#books.forgoes(table, partition, start);
          if (typeof stored === 'number') table.positions.get(partition)!.position = start;
        }
        if ((committed.get(partition) ?? start) < start) committed.set(partition, start);
      }
    }
  }

  async #chaos(untilMs: number): Promise<void> {
    const { clock, random } = this.#world;
    for (;;) {
      await clock.sleep(random() * 150);
      if (clock.now() >= untilMs) return;
      if (this.#isChanging) continue;
      const living = [...this.#living];
      const victim = living[Math.floor(random() * living.length)];
      const dice = random();
      if (victim && dice < 0.06) this.#stop(victim);
      else if (victim && dice < 0.14) victim.lanes[Math.floor(random() * victim.lanes.length)]!.source.rejoin();
      else if (dice < 0.22) this.#intrude();
      else if (dice < 0.26) this.#replicate();
      else if (dice < 0.29) this.#failOver();
      if (this.#living.size < MEMBERS_MAX) this.#spawn(false);
    }
  }

  /** As SIGTERM: it drains, and gives up what it can't finish in time. */
  #stop(process: Process): void {
    const { clock, random, trace, happened } = this.#world;
    happened.add('stop');
    trace(clock.now(), process.member.name, 'stop', 'asked');
    stop(process);
    if (random() < 0.5) void clock.sleep(random() * 300).then(() => giveUp(process));
  }

  /** A former owner nobody remembers raises the owner epoch after the rightful one. */
  #intrude(): void {
    const { clock, random, trace, happened } = this.#world;
    for (const { table } of this.#databases.values()) {
      const claimed = [...table.positions.entries()];
      const [partition, stored] = claimed[Math.floor(random() * claimed.length)] ?? [];
      if (!stored) continue;
      happened.add('intruder');
      trace(clock.now(), '', `${table.plan.name} intruder`, `partition ${partition}`);
      stored.owner++;
    }
  }

  /** Not where what is lost by a fail-over could not be read again. */
  #replicate(): void {
    const { startsLatest, change } = this.#scenario;
    if (startsLatest || change === 'truncate') return;
    for (const database of this.#databases.values()) database.replicate();
  }

  #failOver(): void {
    const { clock, trace, happened } = this.#world;
    for (const database of this.#databases.values()) {
      if (!database.failOver()) continue;
      happened.add('fail-over');
      trace(clock.now(), '', `${database.table.plan.name} fail-over`, 'to an older state');
    }
  }

  #spawn(untilEnd: boolean): void {
    const world = this.#world;
    const member: Member = new Member(`m${++this.#members}`, world, () => {
      if (member.hasCrashed) this.#living.delete(process);
      for (const { source } of lanes) void source.fallSilent();
    });
    // Where nobody is there to resume it, an open breaker ends the run.
    const waits = this.#isPeace || this.#isQuiet || world.random() < 0.8;
    const lanes = lanesOf(this.#books.plans).map((_, index) => this.#makeLane(index, member, waits, untilEnd));
    const optionals = lanes.slice(1).map((lane, i) => this.#optional(lane, i + 1, member, untilEnd));
    const process: Process = { member, lanes, optionals, untilEnd, isStopping: false };
    this.#living.add(process);
    world.trace(world.clock.now(), member.name, 'start', untilEnd ? 'until the end' : 'until stopped');
    void this.#watch(process);
  }

  #makeLane(index: number, member: Member, waits: boolean, untilEnd: boolean): Lane {
    const plans = lanesOf(this.#books.plans)[index]!;
    const { breaker: limits } = this.#scenario;
    const breaker = limits && new Breaker(limits, waits);
    const watch = limits && new BreakerWatch(this.#world, member.name, limits, plans);
    const begun = { plans, breaker, watch };
    return { ...begun, ...this.#makeStage(begun, index, member, untilEnd) };
  }

  #optional(lane: Lane, index: number, member: Member, untilEnd: boolean): OptionalStage {
    return new OptionalStage({
      name: lane.plans[0]!.name,
      first: lane.stage,
      next: (report) => {
        this.#world.happened.add('optional stage anew');
        const { stage, source } = this.#makeStage(lane, index, member, untilEnd, report);
        lane.source = source;
        return Promise.resolve(stage);
      },
      clock: member.clock,
      random: this.#world.random,
      log: silent,
    });
  }

  #makeStage(
    { plans, breaker, watch }: Pick<Lane, 'plans' | 'breaker' | 'watch'>,
    index: number,
    member: Member,
    untilEnd: boolean,
    former?: StageReport,
  ): Pick<Lane, 'stage' | 'source'> {
    const world = this.#world;
    const books = this.#books;
    const sinks = plans.map(({ name, storesPositions }) =>
      storesPositions
        ? new SimulatedTable(world, books, this.#databases.get(name)!, member, this.#scenario.refusalsMax, watch)
        : new SimulatedOutput(world, books, books.tables.get(name)!, member, (partition) => source.begunAt(partition)),
    );
    const looks = {
      onCall: () => books.audit(member.name, plans, stage.report),
      onBegin: () => watch?.begins(),
    };
    const source = new SimulatedSource(
      world,
      this.#groups[index]!,
      this.#scenario,
      this.#logStarts,
      member,
      looks,
      untilEnd,
    );
    const stage: Stage = new Stage({
      program: programOf(this.#scenario, books.plans, plans, sinks),
      source,
      deadLetters: new SimulatedQueue(world, books, member, watch, index > 0),
      clock: member.clock,
      random: world.random,
      log: { ...silent, error: (code) => (code === 'breaker_open' ? this.#operate(member, stage, watch) : undefined) },
      limits: this.#scenario.limits,
      batchEveryMs: this.#scenario.batchEveryMs,
      openMs: null,
      onDeadLetters: () => undefined,
      ...(breaker && { breaker }),
      ...(former && { report: former }),
    });
    watch?.reads(stage.report);
    return { stage, source };
  }

  /** The breaker has opened: after a while somebody resumes. */
  #operate(member: Member, stage: Stage, watch: BreakerWatch | null): void {
    const { clock, random, trace, happened } = this.#world;
    happened.add('breaker open');
    trace(clock.now(), member.name, 'breaker', 'open');
    void clock.sleep(random() * OPERATOR_MS).then(() => {
      if (member.hasCrashed || member.isLeft) return;
      watch?.resumed();
      if (stage.resume('simulated') === null) return;
      happened.add('resumed');
      trace(clock.now(), member.name, 'breaker', 'resumed');
    });
  }

  async #watch(process: Process): Promise<void> {
    const { member, lanes, untilEnd } = process;
    const { clock, trace, happened } = this.#world;
    let died = false;
    try {
      await endTogether(process);
      trace(clock.now(), member.name, 'end', 'stopped');
    } catch (error) {
      trace(clock.now(), member.name, 'end', String(error));
      const code = (error as { code?: string }).code ?? '';
      died = code !== 'drain_incomplete';
      if (died) happened.add(code);
      if (!this.#mayDie(process, code)) this.#world.violate(`${member.name} died: ${String(error)}`);
    }
    member.isLeft = true;
    this.#living.delete(process);
    for (const { plans, stage } of lanes) {
      this.#books.audit(member.name, plans, stage.report);
      const { pending } = stage.report;
      if (pending !== 0) this.#world.violate(`${member.name}: ${pending} records pending after the end`);
    }
    // As a supervisor does.
    if (died && this.#isPeace && !process.isStopping && !member.hasCrashed) this.#spawn(untilEnd);
  }

  /** Who was told to give up; what the pipeline asks for; and what nobody can mend but an operator. */
  #mayDie({ lanes }: Process, code: string): boolean {
    if (code === 'drain_incomplete') return true;
    if (code === 'breaker_open') return lanes.some(({ breaker }) => breaker?.waits === false);
    if (code === 'sink_unavailable') return lanes[0]!.plans.some(({ retry }) => retry.action === 'stop');
    return code === 'data_loss' && this.#hasLost;
  }
}

function stop(process: Process): void {
  process.isStopping = true;
  process.lanes[0]!.stage.stop();
  for (const optional of process.optionals) optional.stop();
}

function giveUp({ lanes, optionals }: Process): void {
  lanes[0]!.stage.giveUp();
  for (const optional of optionals) optional.stop();
}

/** Waits for all stages. The first that fails ends the others, and its error is the one that is told. */
async function endTogether(process: Process): Promise<void> {
  const failures: unknown[] = [];
  await Promise.all(
    [process.lanes[0]!.stage, ...process.optionals].map((stage) =>
      stage.run().catch((error: unknown) => {
        failures.push(error);
        giveUp(process);
      }),
    ),
  );
  if (failures.length > 0) throw failures[0];
}

const silent = { info: () => undefined, warn: () => undefined, error: () => undefined };
