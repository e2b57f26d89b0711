/** Takes up the dead letters that `dlq replay` hands to the running pipeline, beside its stages and without a part in them. */
import { backoffMs } from '../engine/backoff.ts';
import type { Chunk, Clock, DeadLetter, Log, Source } from '../engine/ports.ts';
import { PipectlError } from '../errors.ts';
import { parseEdit } from '../operations/dead-letters/edit.ts';
import { deadLetterPlace } from '../operations/dead-letters/queue.ts';
import { type Replayable, Replayables } from '../operations/dead-letters/replayable.ts';
import { readRequest, replayGroup, replayTopic, type ReplayRequest } from '../operations/dead-letters/request.ts';
import { afterAct, letterStates, type LetterState } from '../operations/dead-letters/state.ts';
import { type DeadLetterView, readDeadLetter } from '../operations/dead-letters/view.ts';
import { componentContexts } from '../plan/component-context.ts';
import type { Plan } from '../plan/index.ts';
import { checkGuards, Replayer } from './replay.ts';
import type { SharedAdmin } from './shared-admin.ts';

/** A metadata request so often is all that the lane costs while nobody replays. */
const LOOK_EVERY_MS = 5_000;
const RESTART_MS = 1_000;
const RESTART_MS_MAX = 60_000;
const limits = { recordsMax: 100, bytesMax: 16 * 1024 * 1024 };

export interface ReplayLaneOptions {
  readonly plan: Plan;
  readonly clock: Clock;
  readonly random: () => number;
  readonly log: Log;
  /** The cluster the pipeline reads from. */
  readonly cluster: SharedAdmin;
  /** Told of letters that are dead again, once they are durable. */
  readonly onDeadLetters: (letters: readonly DeadLetter[]) => void;
}

interface Asked {
  readonly view: DeadLetterView;
  readonly request: ReplayRequest;
  readonly state: LetterState | undefined;
}

export class ReplayLane {
  readonly #options: ReplayLaneOptions;
  readonly #stopping = new AbortController();
  #replayer: Replayer | null = null;

  constructor(options: ReplayLaneOptions) {
    this.#options = options;
  }

  /** True where letters can be handed over: a pipeline on Kafka. */
  static fits({ definition }: Plan): boolean {
    return definition.sources[0].component === 'kafka' && 'topic' in definition.dlq;
  }

  /** Runs until `stop`. Never rejects: whatever is wrong here is no matter of the pipeline. */
  async run(): Promise<void> {
    const { clock, random, log, cluster } = this.#options;
    const { signal } = this.#stopping;
    for (let failures = 0; !signal.aborted; failures++) {
      try {
        if (await this.#topicAppears()) await this.#takeUp(() => (failures = 0));
      } catch (error) {
        if (signal.aborted) return;
        await cluster.reset();
        log.warn('replay_interrupted', `dead letters that are replayed have to wait: ${(error as Error).message}`);
        await clock.sleep(backoffMs(failures + 1, random(), RESTART_MS, RESTART_MS_MAX), signal);
      }
    }
  }

  /** Finishes the letters at hand; in trouble they are taken up again by whoever comes next. */
  stop(): void {
    this.#stopping.abort();
  }

  /** False when it is to stop before that. */
  async #topicAppears(): Promise<boolean> {
    const { plan, clock, cluster } = this.#options;
    const { signal } = this.#stopping;
    const topic = replayTopic(plan.definition);
    for (;;) {
      await clock.sleep(LOOK_EVERY_MS, signal);
      if (signal.aborted) return false;
      if ((await (await cluster.get()).describeTopics([topic])).has(topic)) return true;
    }
  }

  async #takeUp(onProgress: () => void): Promise<void> {
    const { signal } = this.#stopping;
    const source = await this.#source();
    const close = (): void => void source.close();
    signal.addEventListener('abort', close, { once: true });
    try {
      await source.start(signal);
      for (;;) {
        const event = await source.next(limits);
        if (event.kind === 'ended') return;
        if (event.kind === 'assigned') {
          const { generation, partitions } = event.assignment;
          const starts = partitions.map(({ partition, committed, logStart }) => {
            return [partition, Math.max(committed ?? 0, logStart)] as const;
          });
          source.begin(generation, new Map(starts));
          continue;
        }
        for (const chunk of event.chunks) await this.#replay(chunk);
        await source.commit(
          event.generation,
          new Map(event.chunks.map((chunk) => [chunk.partition, chunk.nextOffset])),
        );
        onProgress();
      }
    } finally {
      signal.removeEventListener('abort', close);
      await source.close();
      await this.#replayer?.close();
      this.#replayer = null;
    }
  }

  #source(): Promise<Source> {
    const { plan, clock, random, log } = this.#options;
    const { definition, inputs } = plan;
    const [{ use, declaration }] = inputs;
    // Read as the source is, under other names. A static member's instance is its own group's.
    const { topics: _, instance: __, ...options } = use.options as Readonly<Record<string, unknown>>;
    return declaration.create({ ...options, topic: replayTopic(definition), start: 'earliest' } as never, {
      ...componentContexts(plan, { clock, random, log })(use.name),
      group: replayGroup(definition),
      untilEnd: false,
      detached: false,
      vars: definition.vars,
    });
  }

  async #replay({ partition, records }: Chunk): Promise<void> {
    const asked = records.flatMap(({ offset, timestampMs, key, value, headers = {} }): Asked[] => {
      const place = { queue: partition.topic, partition: partition.partition, offset: String(offset) };
      const queued = { place, timestampMs, key, value, headers };
      const found = readRequest(queued);
      const view = readDeadLetter(queued);
      return found === undefined || view.writer !== 'pipectl' ? [] : [{ view, ...found }];
    });
    for (const together of Map.groupBy(asked, ({ request }) => JSON.stringify(request)).values())
      await this.#replayTogether(together);
  }

  /** Letters of one request. Each has an answer in the states before the next ones are taken up. */
  async #replayTogether(asked: readonly Asked[]): Promise<void> {
    const { plan, log, clock, onDeadLetters } = this.#options;
    const { request } = asked[0]!;
    const states = new Map(
      asked.flatMap(({ view, state }) => (state === undefined ? [] : [[view.id, state] as const])),
    );
    const edits = request.edits.flatMap((text) => parseEdit(text) ?? []);
    const replayables = new Replayables(plan, { log, edits });
    const store = letterStates(deadLetterPlace(plan.definition), log);
    const { run, by, note } = request;
    const left = (view: DeadLetterView, end: 'refused' | 'ahead', reason?: string): LetterState =>
      afterAct(view, states.get(view.id), {
        status: 'open',
        at: new Date(clock.now()).toISOString(),
        by,
        note,
        run,
        end,
        ...(reason !== undefined && { reason }),
      });
    const answers: LetterState[] = [];
    try {
      const letters: Replayable[] = [];
      const refusal = await this.#open(request.isMeant);
      for (const { view, state } of asked) {
        const letter = refusal ?? (await replayables.of(view, state?.attempts ?? 0));
        if (typeof letter === 'string') answers.push(left(view, 'refused', letter));
        else if ('reason' in letter) answers.push(left(view, 'refused', letter.reason));
        else letters.push(letter);
      }
      if (letters.length > 0) {
        const results = await this.#replayer!.replay(letters, { by, note, run, edits: request.edits }, states);
        onDeadLetters(results.flatMap(({ failures }) => failures));
        for (const { end, letter, states: after } of results)
          answers.push(...(end === 'ahead' ? [left(letter.view, end)] : after));
      }
      await store.write(answers);
      log.info('replayed', `${asked.length} dead letters were replayed for ${by}`, { run });
    } finally {
      await Promise.all([replayables.close(), store.close()]);
    }
  }

  /** Opens the sinks with the first letter. Resolves to the reason where these can't be replayed here. */
  async #open(isMeant: boolean): Promise<string | null> {
    const { plan, clock, log } = this.#options;
    const { signal } = this.#stopping;
    try {
      this.#replayer ??= await Replayer.open(plan, {
        clock,
        log,
        kind: 'real',
        signal,
        retry: { action: 'wait' },
        isRunning: () => Promise.resolve(true),
      });
      checkGuards(this.#replayer, isMeant);
      return null;
    } catch (error) {
      if (error instanceof PipectlError && ['group_not_empty', 'replay_unguarded'].includes(error.code))
        return error.message;
      throw error;
    }
  }
}
