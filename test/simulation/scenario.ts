/** One seeded run: chaos first, then peace until the lag is gone, then the books are compared with a fold of the input. */
import type { EventRecord, Step } from '../../src/engine/ports.ts';
import type { RecordReader } from '../../src/engine/record.ts';
import { Stage } from '../../src/engine/stage.ts';
import { VirtualClock, seeded } from './clock.ts';
import {
  type Event,
  type Log,
  Member,
  type PlantedBug,
  SimulatedOutput,
  SimulatedQueue,
  SimulatedSink,
  SimulatedSource,
  World,
} from './world.ts';

const PARTITIONS = 3;
const RECORDS = 60;
const KEYS = 7;
const SESSION_MS = 150;
const CHAOS_MS = 3_000;
/** How long the members that are left may take: frozen ones thaw, sinks back off. */
const SURVIVORS_MS = 60_000;
/** More virtual steps than any run that makes progress needs. */
const STEPS_MAX = 100_000;

export interface Outcome {
  /** What is wrong; empty when all is well. */
  readonly violations: readonly string[];
  /** What happened to the members, to see that faults did fire. */
  readonly happened: readonly string[];
}

export async function simulate(seed: number, bug: PlantedBug | null = null): Promise<Outcome> {
  const clock = new VirtualClock();
  const random = seeded(seed);
  const world = new World(
    clock,
    random,
    { unavailable: random() * 0.15, lostAnswer: random() * 0.15, stalled: random() * 0.02 },
    makeLog(random, clock.now()),
  );
  const run = new Run(world, bug, random() < 0.5);
  await run.play();
  return { violations: [...run.violations, ...compare(world, run.tables)], happened: run.happened };
}

interface Process {
  readonly stage: Stage;
  readonly member: Member;
  readonly source: SimulatedSource;
  over: boolean;
}

class Run {
  readonly violations: string[] = [];
  readonly happened: string[] = [];
  readonly #world: World;
  readonly #bug: PlantedBug | null;
  readonly #processes: Process[] = [];
  /** Two with positions of their own and one without; else one. */
  readonly hasSeveralSinks: boolean;

  constructor(world: World, bug: PlantedBug | null, hasSeveralSinks: boolean) {
    this.#world = world;
    this.#bug = bug;
    this.hasSeveralSinks = hasSeveralSinks;
  }

  async play(): Promise<void> {
    const { clock } = this.#world;
    const chaosUntilMs = clock.now() + CHAOS_MS;
    this.#spawn(false);
    this.#spawn(false);
    void this.#chaos(chaosUntilMs);
    let peaceful: Process | undefined;
    let survivors: readonly Process[] | undefined;
    let ending = false;
    for (let steps = 0; steps < STEPS_MAX; steps++) {
      const moved = await clock.advance();
      if (peaceful?.over) return;
      if (moved && clock.now() < chaosUntilMs) continue;
      survivors ??= this.#endFaults();
      // Who is left must do it alone, whatever had befallen them.
      if (moved && survivors.length > 0 && !ending && !this.#world.isDone(this.tables)) {
        if (clock.now() < chaosUntilMs + SURVIVORS_MS) continue;
        this.violations.push('the members that were left did not finish');
      }
      if (!ending) {
        ending = true;
        this.#endMembers();
      } else if (!peaceful && this.#living().length === 0 && !this.#world.members.some(({ inGroup }) => inGroup)) {
        peaceful = this.#spawn(true);
      } else if (!moved) {
        break;
      }
    }
    this.violations.push('the lag did not go to zero after the faults had ended');
  }

  get tables(): readonly ('table' | 'audit')[] {
    return this.hasSeveralSinks ? ['table', 'audit'] : ['table'];
  }

  /** The members who are to finish what is left, if chance wants it. */
  #endFaults(): readonly Process[] {
    this.#world.faults = { unavailable: 0, lostAnswer: 0, stalled: 0 };
    this.#world.queueAwayUntilMs = 0;
    return this.#world.random() < 0.5 ? this.#living() : [];
  }

  /** Ends all members, frozen ones once they thaw. */
  #endMembers(): void {
    for (const process of this.#living()) {
      if (this.#world.random() < 0.5) process.stage.stop();
      else this.#crash(process);
    }
  }

  #living(): Process[] {
    return this.#processes.filter(({ over }) => !over);
  }

  async #chaos(untilMs: number): Promise<void> {
    const { clock, random } = this.#world;
    for (;;) {
      await clock.sleep(random() * 400);
      if (clock.now() >= untilMs) return;
      const living = this.#living();
      const victim = living[Math.floor(random() * living.length)];
      const dice = random();
      if (victim && dice < 0.3) this.#crash(victim);
      else if (victim && dice < 0.55) this.#freeze(victim);
      else if (victim && dice < 0.7) victim.stage.stop();
      else if (dice < 0.8) this.#takeQueueAway();
      if (this.#living().length < 3) this.#spawn(false);
    }
  }

  #takeQueueAway(): void {
    this.happened.push('queue away');
    this.#world.queueAwayUntilMs = this.#world.clock.now() + SESSION_MS * (1 + this.#world.random() * 5);
  }

  #crash(process: Process): void {
    this.happened.push('crash');
    process.over = true;
    process.member.crash();
    this.#expelLater(process);
  }

  #freeze({ member, source }: Process): void {
    this.happened.push('freeze');
    member.freeze(SESSION_MS * (0.5 + this.#world.random() * 4));
    this.#expelLater({ source });
  }

  #expelLater({ source }: Pick<Process, 'source'>): void {
    void this.#world.clock.sleep(SESSION_MS).then(() => {
      if (source.inGroup) source.expel();
      return undefined;
    });
  }

  #spawn(untilEnd: boolean): Process {
    const world = this.#world;
    const member = new Member(world.clock);
    const source = new SimulatedSource(world, member, untilEnd, this.#bug);
    const sinks = this.hasSeveralSinks
      ? [
          new SimulatedSink('table', world, member, this.#bug),
          new SimulatedSink('audit', world, member, this.#bug),
          new SimulatedOutput(world, member),
        ]
      : [new SimulatedSink('table', world, member, this.#bug)];
    const stage = new Stage({
      program: {
        inputs: [{ source: 'orders', reader, steps: [] }],
        steps: [{ stage: 'step:odd', step: filterOdd }],
        routes: sinks.map((sink) => ({ sink, when: null, otherwise: false, version: null })),
      },
      source,
      deadLetters: new SimulatedQueue(world, member, this.#bug),
      clock: world.clock,
      random: world.random,
      log: { info: () => undefined, warn: () => undefined, error: () => undefined },
      limits: { recordsMax: 12, bytesMax: 1000 },
      batchEveryMs: null,
      openMs: Number.POSITIVE_INFINITY,
      onDeadLetters: () => undefined,
    });
    const process: Process = { stage, member, source, over: false };
    this.#processes.push(process);
    void this.#watch(process);
    return process;
  }

  async #watch(process: Process): Promise<void> {
    try {
      await process.stage.run();
    } catch (error) {
      if (!process.over) this.violations.push(`a member died: ${String(error)}`);
    }
    process.over = true;
    const { report } = process.stage;
    for (const part of [...report.stages, ...report.sinks]) {
      if (part.difference !== 0) this.violations.push(`the account is off by ${part.difference}`);
    }
    if (report.pending !== 0) this.violations.push(`${report.pending} records pending after the end`);
  }
}

const reader: RecordReader = {
  decode: (bytes) => {
    try {
      return JSON.parse(Buffer.from(bytes).toString()) as unknown;
    } catch {
      throw Object.assign(new Error('not JSON'), { code: 'json_invalid' });
    }
  },
  readKey: (key) => key,
  readMeta: () => null,
};

const filterOdd: Step = {
  name: 'odd',
  kind: 'filter',
  apply(records, outcomes) {
    return records.filter((record: EventRecord) => {
      const kept = (record.event as Event).n % 5 !== 0;
      if (!kept) outcomes.filtered(record);
      return kept;
    });
  },
};

function makeLog(random: () => number, fromMs: number): Log[] {
  return Array.from({ length: PARTITIONS }, (_, partition) => {
    let end = 0;
    let timestampMs = fromMs;
    const gap = () => (random() < 0.1 ? Math.floor(random() * 30) : 0);
    const records = Array.from({ length: RECORDS }, () => {
      const offset = end + gap();
      end = offset + 1;
      timestampMs += (2 * random() * CHAOS_MS) / RECORDS;
      const event: Event = { id: partition * KEYS + Math.floor(random() * KEYS), n: Math.floor(random() * 1000) };
      const value = random() < 0.05 ? Buffer.from('{broken') : Buffer.from(JSON.stringify(event));
      return { offset, timestampMs, key: null, value, headers: undefined };
    });
    return { records, end: end + gap() };
  });
}

/** The plain fold of the input, and how the world differs from it. */
function compare(world: World, names: readonly ('table' | 'audit')[]): string[] {
  const rows = new Map<number, number>();
  const appended: string[] = [];
  const printed: string[] = [];
  const letters: string[] = [];
  for (const [partition, { records }] of world.log.entries()) {
    for (const { offset, value } of records) {
      const text = Buffer.from(value!).toString();
      const event = text === '{broken' ? null : (JSON.parse(text) as Event);
      if (event === null) {
        letters.push(`${partition}:${offset}:decode`);
        continue;
      }
      if (event.n % 5 === 0) continue;
      printed.push(`${partition}:${offset}`);
      if (event.n % 11 === 0) letters.push(...names.map((name) => `${partition}:${offset}:sink:${name}`));
      else {
        rows.set(event.id, event.n);
        appended.push(`${partition}:${offset}`);
      }
    }
  }
  const violations: string[] = [];
  const say = (what: string, expected: unknown, found: unknown) => {
    if (JSON.stringify(expected) !== JSON.stringify(found))
      violations.push(`${what} differ from the fold of the input`);
  };
  for (const name of names) {
    const found = world.tables[name];
    say(`rows of ${name}`, [...rows].sort(byKey), [...found.rows].sort(byKey));
    say(`appended rows of ${name}`, appended.sort(), [...found.appended].sort());
  }
  if (names.includes('audit')) say('printed rows', printed.sort(), [...world.printed].sort());
  say('dead letters', letters.sort(), [...world.letters.keys()].sort());
  return violations;
}

const byKey = (a: readonly [number, number], b: readonly [number, number]): number => a[0] - b[0];
