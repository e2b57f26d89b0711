/** `dlq replay`: letters are handed to the running pipeline, and their ends read from the states. */
import { setTimeout as delay } from 'node:timers/promises';
import { type KafkaAdmin, openKafkaAdmin } from '../../connections/kafka/admin.ts';
import { openKafkaProducer } from '../../connections/kafka/producer.ts';
import type { PipelineDefinition } from '../../definition/pipeline.ts';
import type { Log } from '../../engine/ports.ts';
import { PipectlError } from '../../errors.ts';
import { lighterDeadLetter } from './record.ts';
import { whyForeign } from './replayable.ts';
import { replayGroup, replayTopic, type ReplayRequest, requestRecord } from './request.ts';
import type { Selection } from './select.ts';
import { type LetterState, readState, statePlace } from './state.ts';
import { countRefused, newTally, type ReplayTally } from './tally.ts';

export interface HandOverOptions {
  readonly definition: PipelineDefinition;
  readonly place: {
    readonly topic: string;
    readonly connection: Readonly<Record<string, unknown>>;
    readonly isLazy: boolean;
  };
  readonly states: ReadonlyMap<string, LetterState>;
  readonly request: ReplayRequest;
  /** Letters a second. */
  readonly ratePerSecond: number;
  readonly log: Log;
  readonly signal: AbortSignal;
}

const atOnce = 50;
const askEveryMs = 300;
/** Members look for the topic every five seconds. */
const joinMs = 30_000;
/** Answers are read from so long before the first letter on: the clocks of members may be behind ours. */
const clockSkewMs = 5 * 60_000;
const dayMs = 86_400_000;

export class HandOver implements AsyncDisposable {
  readonly #options: HandOverOptions;
  readonly #admin: KafkaAdmin;
  readonly #startedMs = Date.now();
  /** Letters that were handed over and have no answer yet. */
  readonly #waiting = new Set<string>();
  readonly #tally = newTally(0);
  #handed = 0;

  private constructor(options: HandOverOptions, admin: KafkaAdmin) {
    this.#options = options;
    this.#admin = admin;
  }

  static async open(options: HandOverOptions): Promise<HandOver> {
    return new HandOver(options, await openKafkaAdmin(options.place.connection, options.log));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#admin.close();
  }

  /** Resolves when all are durable in the topic, or `signal` aborted. */
  async give(selection: Selection): Promise<number> {
    const { definition, place, states, request, ratePerSecond, log, signal } = this.#options;
    const topic = replayTopic(definition);
    if (!(await this.#admin.describeTopics([topic])).has(topic))
      // A copy of the values, which nobody needs when they have been taken up.
      await this.#admin.createTopic({ topic, config: { 'retention.ms': String(dayMs) } });
    const producer = openKafkaProducer(place.connection, log);
    try {
      await selection.each(Math.max(1, Math.min(atOnce, Math.ceil(ratePerSecond / 5))), async (views) => {
        const own = views.filter((view) => {
          const why = whyForeign(view);
          if (why !== null) countRefused(this.#tally, why);
          return why === null;
        });
        const records = own.map((view) => requestRecord(view, request, states.get(view.id), Date.now()));
        for (const { index } of await producer.produceAll(topic, records))
          await producer.produceAll(topic, [lighterDeadLetter(records[index]!)!]);
        for (const view of own) this.#waiting.add(view.id);
        this.#handed += own.length;
        const waitMs = this.#startedMs + (this.#handed / ratePerSecond) * 1000 - Date.now();
        if (waitMs > 0) await delay(waitMs, undefined, { signal }).catch(() => undefined);
        return !signal.aborted;
      });
    } finally {
      await producer.close();
    }
    return this.#handed;
  }

  /** Resolves when every letter has an answer, or `signal` aborted. Rejects where nobody is there to give one. */
  async answers(selected: number): Promise<ReplayTally> {
    const { definition, place, request, signal } = this.#options;
    const tally = this.#tally;
    tally.selected = selected;
    const topic = statePlace(place);
    let joinedMs = Date.now();
    while (this.#waiting.size > 0 && !signal.aborted) {
      if ((await this.#admin.describeTopics([topic])).has(topic))
        await this.#admin.readTopic(topic, {
          fromTimestampMs: this.#startedMs - clockSkewMs,
          onRecord: ({ value }) => {
            const state = value === null ? undefined : readState(Buffer.from(value).toString('utf8'));
            if (state?.run === request.run) this.#count(state, tally);
          },
        });
      if (this.#waiting.size === 0) break;
      const { members } = await this.#admin.groupDescription(replayGroup(definition));
      if (members.length > 0) joinedMs = Date.now();
      else if (Date.now() - joinedMs > joinMs)
        throw new PipectlError('dlq_nobody_runs', `no member of ${definition.name} takes dead letters up`, {
          hint: 'they are in the topic and will be when one runs; or replay them in this process alone: --here',
          exitCode: 3,
        });
      await delay(askEveryMs, undefined, { signal }).catch(() => undefined);
    }
    return tally;
  }

  #count({ id, end, status, fingerprint, reason = '' }: LetterState, tally: ReplayTally): void {
    if (end === 'dead' && status !== 'replayed') tally.fingerprints.add(fingerprint);
    if (!this.#waiting.delete(id) || end === undefined) return;
    if (end === 'refused') countRefused(tally, reason);
    else tally.ends[end]++;
    if (status === 'quarantined') tally.quarantined++;
  }
}
