/** Replays dead letters in this process: their steps, their sinks and a lane to the dead-letter queue, and nothing else. */
import { newRouteHealth, retrying } from '../engine/delivery.ts';
import type { Program, RetryPolicy } from '../engine/epoch.ts';
import type { Clock, DeadLetter, DeadLetterQueue, Log, Sink } from '../engine/ports.ts';
import { type Replayed, replay } from '../engine/replay.ts';
import { PipectlError } from '../errors.ts';
import { deadLetterId, fingerprintOf, publicMessage } from '../operations/dead-letters/record.ts';
import { redactedLetter } from '../plan/redact.ts';
import type { Replayable } from '../operations/dead-letters/replayable.ts';
import { afterAct, attemptsMax, type LetterAct, type LetterState } from '../operations/dead-letters/state.ts';
import { componentContexts } from '../plan/component-context.ts';
import type { Plan } from '../plan/index.ts';
import { type Assembly, assemble } from './assemble.ts';

export interface ReplayerOptions {
  readonly clock: Clock;
  readonly log: Log;
  /** `trial`: nothing is written. */
  readonly kind: 'real' | 'trial';
  /** What is done about a sink that is away. */
  readonly retry: RetryPolicy;
  /** Whether another process runs the pipeline. Asked where a sink has room for one writer alone. */
  readonly isRunning: () => Promise<boolean>;
  /** Aborted when it is to stop between two attempts. */
  readonly signal: AbortSignal;
}

/** What became of one letter. */
export interface ReplayResult extends Replayed<Replayable> {
  /** Of the failures, each once. */
  readonly fingerprints: readonly string[];
  /** Now in quarantine. */
  readonly isQuarantined: boolean;
  /** To be written to the states, in this order. */
  readonly states: readonly LetterState[];
}

export class Replayer {
  /** All sinks of the pipeline, open. */
  readonly sinks: readonly Pick<Sink, 'name' | 'storesPositions' | 'replayGuard'>[];
  readonly #plan: Plan;
  readonly #assembly: Assembly;
  readonly #program: Program;
  readonly #options: ReplayerOptions;
  readonly #pipeline: string;

  private constructor(plan: Plan, assembly: Assembly, program: Program, options: ReplayerOptions) {
    this.sinks = program.routes.map(({ sink }) => sink);
    this.#plan = plan;
    this.#assembly = assembly;
    this.#program = program;
    this.#options = options;
    this.#pipeline = componentContexts(plan, { ...options, random: Math.random })('dlq').pipeline;
  }

  /** Opens lookups and sinks. Rejects with what can't be opened. */
  static async open(plan: Plan, options: ReplayerOptions): Promise<Replayer> {
    const { retry, clock, log, signal } = options;
    const assembly = await assemble(plan, { clock, log, untilEnd: true, dryRun: null });
    const all = await assembly.program({ sinks: [...plan.sinks.keys()], isMain: true });
    const program = { ...all, routes: all.routes.map((route) => ({ ...route, retry })) };
    const replayer = new Replayer(plan, assembly, program, options);
    try {
      if (options.kind === 'real') await refuseOwned(replayer.sinks, options.isRunning);
      await Promise.all(assembly.lookups.map((lookup) => lookup.open()));
      for (const { sink } of program.routes) {
        const doing = `connecting to ${sink.name}`;
        const world = { clock, log, random: Math.random };
        await retrying(world, signal, newRouteHealth(), 'sink_unavailable', doing, () => sink.open(signal), retry);
        if (options.kind === 'real' || sink.replayGuard !== undefined) await sink.claim([]);
      }
    } catch (error) {
      await replayer.close();
      throw error;
    }
    return replayer;
  }

  /** Replays some letters together. `act`: by whom, and with which note. */
  async replay(
    letters: readonly Replayable[],
    act: Pick<LetterAct, 'by' | 'note' | 'edits' | 'run'>,
    states: ReadonlyMap<string, LetterState>,
  ): Promise<readonly ReplayResult[]> {
    const { signal, ...options } = this.#options;
    const deadLetters = options.kind === 'trial' ? nowhere : this.#queueFor(letters);
    const replayed = await replay(
      this.#program,
      letters,
      { ...options, random: Math.random, deadLetters, stopping: signal },
      signal,
    );
    return replayed.map((one) => this.#resultOf(one, act, states));
  }

  /** Never rejects. */
  async close(): Promise<void> {
    const { lookups, deadLetters } = this.#assembly;
    await Promise.all([
      ...this.#program.routes.map(({ sink }) => sink.close()),
      ...lookups.map((lookup) => lookup.close()),
      deadLetters.close(),
    ]);
  }

  /** Adds to a letter that is dead again what its record has behind it; an edit was for this time alone. */
  #queueFor(letters: readonly Replayable[]): DeadLetterQueue {
    const byRaw = new Map(letters.map((letter) => [letter.raw, letter]));
    const withHistory = (dead: DeadLetter): DeadLetter => {
      const { original, history } = byRaw.get(dead.raw)!;
      return { ...dead, raw: original, history };
    };
    return { append: (dead) => this.#assembly.deadLetters.append(dead.map(withHistory)) };
  }

  #resultOf(
    replayed: Replayed<Replayable>,
    { by, note, run, edits = [] }: Pick<LetterAct, 'by' | 'note' | 'edits' | 'run'>,
    states: ReadonlyMap<string, LetterState>,
  ): ReplayResult {
    const { letter, end, failures } = replayed;
    const { secrets, letterForm } = this.#plan.definition;
    const { attempts } = letter.history;
    const at = new Date(this.#options.clock.now()).toISOString();
    const act = { at, by, note, end, ...(run && { run }), ...(edits.length > 0 && { edits }) };
    const isQuarantined = end === 'dead' && attempts >= attemptsMax;
    const dead = failures.map((failure) => {
      const message = publicMessage(redactedLetter(failure, letterForm).letter.message, secrets);
      const { stage, code, failedAtMs } = failure;
      const id = deadLetterId(failure, this.#pipeline);
      return { ...letter.view, id, stage, code, failedAtMs, fingerprint: fingerprintOf(stage, code, message) };
    });
    const after: LetterState[] = dead.map((again) =>
      afterAct(again, states.get(again.id), { ...act, attempts, status: isQuarantined ? 'quarantined' : 'open' }),
    );
    // Another failure has a letter of its own, and this one is over.
    if (end !== 'ahead' && dead.every(({ id }) => id !== letter.id))
      after.push(afterAct(letter.view, states.get(letter.id), { ...act, status: 'replayed' }));
    return {
      ...replayed,
      isQuarantined,
      fingerprints: [...new Set(dead.map(({ fingerprint }) => fingerprint))],
      states: after,
    };
  }
}

/** Whoever runs would take it back in the middle of the replay. */
async function refuseOwned(sinks: Replayer['sinks'], isRunning: () => Promise<boolean>): Promise<void> {
  const owned = sinks.filter((sink) => sink.storesPositions && sink.replayGuard === undefined).map(({ name }) => name);
  if (owned.length === 0 || !(await isRunning())) return;
  throw new PipectlError(
    'group_not_empty',
    `${owned.join(', ')} has one writer, the pipeline that runs; nothing was replayed`,
  );
}

const nowhere: DeadLetterQueue = { append: () => Promise.resolve() };

/** Which sinks keep what is newer, and add a row once. Throws where an older row could replace a newer one unasked. */
export function checkGuards({ sinks }: Replayer, isMeant: boolean): readonly string[] {
  const unguarded = sinks.filter((sink) => sink.replayGuard?.() === 'unguarded').map(({ name }) => name);
  if (unguarded.length > 0 && !isMeant)
    throw new PipectlError(
      'replay_unguarded',
      `${unguarded.join(', ')} keeps no version of its rows: a replayed record may replace a newer row`,
    );
  return sinks.filter((sink) => sink.replayGuard === undefined).map(({ name }) => name);
}
