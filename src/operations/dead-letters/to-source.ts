/**
 * `dlq replay --to source`: the records of letters are written into their topics once more, for every group that reads
 * them. A batch of records and what is noted of their letters are one transaction, so each is sent once: whoever begins
 * later takes the transactional id over, and reads what was noted after that.
 */
import { setTimeout as delay } from 'node:timers/promises';
import {
  openTransactionalProducer,
  ProducerFenced,
  type ProducerMessage,
  type TransactionalProducer,
} from '../../connections/kafka/producer.ts';
import { isTopicName } from '../../definition/names.ts';
import type { Log } from '../../engine/ports.ts';
import { type Edit, edited } from './edit.ts';
import type { DeadLetterPlace } from './queue.ts';
import { sentBackHeaders } from './record.ts';
import { whyGone } from './replayable.ts';
import type { Selection } from './select.ts';
import { SourceTopics } from './source-topics.ts';
import {
  afterAct,
  attemptsMax,
  type LetterAct,
  type LetterState,
  type LetterStates,
  stateMessage,
  statePlace,
  statusOf,
} from './state.ts';
import { countRefused, newTally, type ReplayTally } from './tally.ts';
import type { DeadLetterView } from './view.ts';

export interface ToSourceOptions {
  readonly place: Extract<DeadLetterPlace, { topic: string }>;
  readonly store: LetterStates;
  readonly act: Pick<LetterAct, 'by' | 'note'>;
  readonly edits: readonly Edit[];
  /** Letters in quarantine too, and those whose record has failed too often. */
  readonly isForced: boolean;
  /** Nothing is written. */
  readonly isTrial: boolean;
  /** Whether records may be written into a topic: the letter says which it was, and anybody may have written that. */
  readonly takes: (topic: string) => boolean;
  /** Letters a second. */
  readonly ratePerSecond: number;
  readonly log: Log;
  readonly signal: AbortSignal;
}

/** A record on its way, and the letters that stand for it: one that failed twice has two. */
interface Outgoing {
  readonly topic: string;
  readonly message: ProducerMessage;
  readonly views: DeadLetterView[];
}

const atOnceMax = 50;

/**
 * Resolves with what became of them; of fewer than were selected where `signal` aborted. Rejects with `ProducerFenced` where
 * somebody else has begun to send the letters of this queue, and with `TransactionLost`: what was sent by then is noted.
 */
export async function sendToSource(selection: Selection, options: ToSourceOptions): Promise<ReplayTally> {
  const { place, store, isTrial, ratePerSecond, log, signal } = options;
  const producer = isTrial
    ? null
    : openTransactionalProducer(place.connection, `pipectl.${place.topic}.to-source`, log);
  const sources = new SourceTopics(place.connection, log);
  const startedMs = Date.now();
  let given = 0;
  try {
    if (producer !== null) {
      await store.prepare();
      await producer.claim();
    }
    // Not before: what a former owner of the id had begun is decided by the claim.
    const sender = new Sender(options, producer, sources, await store.read(), selection.count);
    const atOnce = Math.max(1, Math.min(atOnceMax, Math.ceil(ratePerSecond / 5)));
    await selection.each(atOnce, async (views) => {
      await sender.send(views);
      given += views.length;
      const waitMs = isTrial ? 0 : startedMs + (given / ratePerSecond) * 1000 - Date.now();
      if (waitMs > 0) await delay(waitMs, undefined, { signal }).catch(() => undefined);
      return !signal.aborted;
    });
    return sender.tally;
  } catch (error) {
    // A transaction left open would hold up everyone who reads committed records of the topic, until it times out.
    if (!(error instanceof ProducerFenced)) await producer?.claim().catch(() => undefined);
    throw error;
  } finally {
    await Promise.all([producer?.close(), sources.close()]);
  }
}

class Sender {
  readonly tally: ReplayTally;
  readonly #options: ToSourceOptions;
  readonly #producer: TransactionalProducer | null;
  readonly #sources: SourceTopics;
  readonly #states: Map<string, LetterState>;
  /** When a record was sent back last, by its place in the source. */
  readonly #sentMs = new Map<string, number>();

  constructor(
    options: ToSourceOptions,
    producer: TransactionalProducer | null,
    sources: SourceTopics,
    states: Map<string, LetterState>,
    selected: number,
  ) {
    this.tally = newTally(selected);
    this.#options = options;
    this.#producer = producer;
    this.#sources = sources;
    this.#states = states;
    for (const { end, source, at } of states.values())
      if (end === 'sent' && source.offset !== null) this.#sentMs.set(keyOf(source), Date.parse(at));
  }

  async send(views: readonly DeadLetterView[]): Promise<void> {
    const { isForced } = this.#options;
    const after: LetterState[] = [];
    const outgoing = new Map<string, Outgoing>();
    const at = new Date().toISOString();
    for (const view of views) {
      const status = statusOf(view.failedAtMs, this.#states.get(view.id));
      if (status !== 'open' && !(isForced && status === 'quarantined')) {
        // Somebody else was faster.
        this.tally.selected--;
        continue;
      }
      const attempts = Math.max(this.#states.get(view.id)?.attempts ?? 1, view.attempts ?? 1);
      if (attempts >= attemptsMax && !isForced) {
        const reason = `its record has failed ${attempts} times, so it belongs in quarantine; --force takes it`;
        countRefused(this.tally, reason);
        this.tally.quarantined++;
        after.push(this.#after(view, { status: 'quarantined', at, end: 'refused', reason, attempts }));
        continue;
      }
      const key = view.source.offset === null ? view.id : keyOf(view.source);
      const sentMs = this.#sentMs.get(key);
      const same = outgoing.get(key);
      if (sentMs !== undefined && view.failedAtMs < sentMs) {
        this.tally.ends.repeated++;
        after.push(this.#after(view, { status: 'replayed', at, end: 'sent' }));
      } else if (same === undefined) {
        const found = await this.#outgoing(view);
        if (typeof found === 'string') countRefused(this.tally, found);
        else outgoing.set(key, found);
      } else same.views.push(view);
    }
    for (const [topic, group] of Map.groupBy(outgoing.entries(), ([, { topic: of }]) => of)) {
      const messages = group.map(([, { message }]) => message);
      const tooLarge = new Map(
        ((await this.#producer?.produceAll(topic, messages)) ?? []).map((one) => [one.index, one]),
      );
      for (const [index, [key, one]] of group.entries()) {
        const refused = tooLarge.get(index);
        if (refused !== undefined) {
          const reason = `topic ${topic} takes no record of ${refused.bytes} bytes`;
          countRefused(this.tally, reason, one.views.length);
          continue;
        }
        this.#sentMs.set(key, Number.POSITIVE_INFINITY);
        this.tally.ends.sent++;
        this.tally.ends.repeated += one.views.length - 1;
        this.tally.topics.set(topic, (this.tally.topics.get(topic) ?? 0) + 1);
        after.push(...one.views.map((view) => this.#after(view, { status: 'replayed', at, end: 'sent' })));
      }
    }
    if (this.#producer === null || after.length === 0) return;
    await this.#producer.produceAll(statePlace(this.#options.place), after.map(stateMessage));
    await this.#producer.commit();
    for (const state of after) this.#states.set(state.id, state);
  }

  #after(
    view: DeadLetterView,
    done: Pick<LetterAct, 'status' | 'at' | 'end' | 'reason'> & { readonly attempts?: number },
  ): LetterState {
    const { act, edits } = this.#options;
    const changed = edits.length > 0 && done.status === 'replayed';
    return afterAct(view, this.#states.get(view.id), {
      ...act,
      ...done,
      ...(changed && { edits: edits.map(({ text }) => text) }),
    });
  }

  /** The record as it is to be written; a text that says why it can't be. */
  async #outgoing(view: DeadLetterView): Promise<Outgoing | string> {
    const { takes, edits } = this.#options;
    const { topic, partition, offset, cluster, topicId, timestampMs } = view.source;
    if (topic === null) return 'it does not say which topic its record came from';
    if (!isTopicName(topic) || !takes(topic)) return `records are not written into ${topic}`;
    if (view.isPurged) return 'its value was removed by dlq purge';
    const now = await this.#sources.topic(topic);
    if (now === null) return `topic ${topic} is not there`;
    if (cluster !== null && cluster !== now.cluster) return 'its record came from another cluster';
    let { key, value } = view.record;
    let { headers } = view;
    let atMs = timestampMs;
    if (view.payloadOmitted || view.redacted.length > 0) {
      const isKnown = topicId !== null && partition !== null && offset !== null;
      const found = isKnown ? await this.#sources.recordAt(topic, topicId, partition, Number(offset)) : null;
      if (found === null) return whyGone(view);
      ({ key, value, headers = {}, timestampMs: atMs } = found);
    }
    if (edits.length > 0) {
      const copy = edited({ offset: 0, timestampMs: 0, key, value, headers }, edits);
      if (typeof copy === 'string') return copy;
      ({ value } = copy);
    }
    const message: ProducerMessage = {
      key,
      value,
      headers: sentBackHeaders(headers, { id: view.id, replayCount: (view.replayCount ?? 0) + 1 }),
      ...(atMs !== null && atMs >= 0 && { timestampMs: atMs }),
      // Where its key lies, whichever way its producer picks partitions.
      ...(partition !== null && partition >= 0 && partition < now.partitions && { partition }),
    };
    return { topic, message, views: [view] };
  }
}

const keyOf = ({ topic, partition, offset }: LetterState['source']): string =>
  JSON.stringify([topic, partition, offset]);
