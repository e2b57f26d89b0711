/** One seeded run: faults first, then peace until the lag is gone; the books are compared with a fold of the input. */
import { Stage } from '../../src/engine/stage.ts';
import { Books } from './books.ts';
import { VirtualClock, seeded } from './clock.ts';
import { Group, SimulatedSource } from './group.ts';
import { Member } from './member.ts';
import { programOf } from './program.ts';
import { type Scenario, type SinkName, drawScenario } from './scenario.ts';
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

interface Process {
  readonly stage: Stage;
  readonly member: Member;
  readonly source: SimulatedSource;
  /** It was asked to stop, so it is not one that finishes what is left. */
  isStopping: boolean;
}

class Run {
  readonly #world: World;
  readonly #scenario: Scenario;
  readonly #books: Books;
  readonly #group: Group;
  readonly #databases: ReadonlyMap<SinkName, Database>;
  readonly #living = new Set<Process>();
  readonly #isQuiet: boolean;
  #members = 0;

  constructor(world: World, scenario: Scenario, isQuiet: boolean) {
    this.#world = world;
    this.#scenario = scenario;
    this.#isQuiet = isQuiet;
    this.#books = new Books(world, scenario);
    this.#group = new Group(world, this.#books, scenario.logs.length);
    this.#databases = new Map(
      [...this.#books.tables.values()]
        .filter(({ plan }) => plan.storesPositions)
        .map((table) => [table.plan.name, new Database(table)]),
    );
  }

  /** Safety: whatever happens, no check may fail. Liveness: without further faults the lag goes to zero. */
  async play(): Promise<void> {
    const world = this.#world;
    const chaosUntilMs = world.clock.now() + this.#scenario.chaosMs;
    this.#spawn(false);
    this.#spawn(false);
    if (!this.#isQuiet) void this.#chaos(chaosUntilMs);
    await this.#advance(() => world.clock.now() >= chaosUntilMs);
    world.endFaults();
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
    const untilMs = world.clock.now() + LIVENESS_MS;
    const isOver = () =>
      anew ? this.#living.size === 0 : this.#books.isDone(this.#group.committed) && world.clock.now() >= chaosUntilMs;
    const done = await this.#advance(() => isOver() || world.clock.now() > untilMs);
    if (!done || !isOver() || !this.#books.isDone(this.#group.committed)) {
      world.violate(`the lag did not go to zero within ${LIVENESS_MS} ms after the faults had ended`);
    }
    await this.#endAll();
    this.#books.compare();
  }

  /** Moves time until `isOver`. False when nothing would ever happen again. */
  async #advance(isOver: () => boolean): Promise<boolean> {
    for (let steps = 0; steps < STEPS_MAX; steps++) {
      if (isOver()) return true;
      if (!(await this.#world.clock.advance())) return isOver();
    }
    return false;
  }

  /** Ends all members, frozen ones once they thaw, and waits for it. */
  async #endAll(): Promise<void> {
    for (const { member, stage } of this.#living) {
      if (this.#world.random() < 0.5) stage.stop();
      else member.crash();
    }
    const untilMs = this.#world.clock.now() + LIVENESS_MS;
    await this.#advance(() => (this.#living.size === 0 && this.#group.size === 0) || this.#world.clock.now() > untilMs);
    if (this.#living.size > 0 || this.#group.size > 0) this.#world.violate('a member that was asked to stop did not');
  }

  async #chaos(untilMs: number): Promise<void> {
    const { clock, random } = this.#world;
    for (;;) {
      await clock.sleep(random() * 150);
      if (clock.now() >= untilMs) return;
      const living = [...this.#living];
      const victim = living[Math.floor(random() * living.length)];
      const dice = random();
      if (victim && dice < 0.06) this.#stop(victim);
      else if (victim && dice < 0.14) victim.source.rejoin();
      else if (dice < 0.22) this.#intrude();
      else if (dice < 0.26) for (const database of this.#databases.values()) database.replicate();
      else if (dice < 0.29) this.#failOver();
      if (this.#living.size < MEMBERS_MAX) this.#spawn(false);
    }
  }

  /** As SIGTERM: it drains, and gives up what it can't finish in time. */
  #stop(process: Process): void {
    const { stage, member } = process;
    process.isStopping = true;
    const { clock, random, trace, happened } = this.#world;
    happened.add('stop');
    trace(clock.now(), member.name, 'stop', 'asked');
    stage.stop();
    if (random() < 0.5) void clock.sleep(random() * 300).then(() => stage.giveUp());
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
    const books = this.#books;
    const member: Member = new Member(`m${++this.#members}`, world, () => {
      if (member.hasCrashed) this.#living.delete(process);
      void source.fallSilent();
    });
    const sinks = this.#scenario.sinks.map(({ name, storesPositions }) =>
      storesPositions
        ? new SimulatedTable(world, books, this.#databases.get(name)!, member)
        : new SimulatedOutput(world, books, books.tables.get(name)!, member),
    );
    const audit = () => books.audit(member.name, stage.report);
    const source = new SimulatedSource(world, this.#group, this.#scenario, member, audit, untilEnd);
    const stage = new Stage({
      program: programOf(this.#scenario, sinks),
      source,
      deadLetters: new SimulatedQueue(world, books, member),
      clock: member.clock,
      random: world.random,
      log: silent,
      limits: this.#scenario.limits,
      batchEveryMs: this.#scenario.batchEveryMs,
      openMs: null,
      onDeadLetters: () => undefined,
    });
    const process: Process = { stage, member, source, isStopping: false };
    this.#living.add(process);
    world.trace(world.clock.now(), member.name, 'start', untilEnd ? 'until the end' : 'until stopped');
    void this.#watch(process);
  }

  async #watch(process: Process): Promise<void> {
    const { stage, member } = process;
    const { clock, trace } = this.#world;
    try {
      await stage.run();
      trace(clock.now(), member.name, 'end', 'stopped');
    } catch (error) {
      trace(clock.now(), member.name, 'end', String(error));
      // Only who was told to give up may do so.
      if ((error as { code?: string }).code !== 'drain_incomplete') {
        this.#world.violate(`${member.name} died: ${String(error)}`);
      }
    }
    member.isLeft = true;
    this.#living.delete(process);
    this.#books.audit(member.name, stage.report);
    if (stage.report.pending !== 0) {
      this.#world.violate(`${member.name}: ${stage.report.pending} records pending after the end`);
    }
  }
}

const silent = { info: () => undefined, warn: () => undefined, error: () => undefined };
