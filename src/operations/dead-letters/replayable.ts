/** From a letter in the queue back to the record it was. */
import { kafkaOptionsOf } from '../../definition/kafka-connection.ts';
import type { LetterHistory, Log, Partition, RawRecord } from '../../engine/ports.ts';
import type { ReplayLetter } from '../../engine/replay.ts';
import { componentContexts } from '../../plan/component-context.ts';
import type { Plan } from '../../plan/index.ts';
import type { Edit } from './edit.ts';
import { edited } from './edit.ts';
import { deadLetterId } from './record.ts';
import { SourceTopics } from './source-topics.ts';
import type { DeadLetterView } from './view.ts';

export interface Replayable extends ReplayLetter {
  readonly id: string;
  readonly view: DeadLetterView;
  /** As it was read, without edits. */
  readonly original: RawRecord;
  /** What it has behind it if it fails again. */
  readonly history: LetterHistory;
}

/** Why a letter can't be replayed, for a person. */
export interface Refused {
  readonly view: DeadLetterView;
  readonly reason: string;
}

const writers = { connect: 'Kafka Connect', spring: 'Spring', unknown: 'another program' };

/** Why no pipeline can take a letter up; null where one can. */
export function whyForeign({ writer, source }: Pick<DeadLetterView, 'writer' | 'source'>): string | null {
  if (writer === 'pipectl') return null;
  const wayOut = source.topic === null ? '' : '; `--to source` puts its record back into its topic';
  return `it was written by ${writers[writer]}, and no pipeline knows its steps${wayOut}`;
}

/** Why what a letter stands for can't be had; its record has to be read again. */
export const whyGone = ({ redacted }: Pick<DeadLetterView, 'redacted'>): string =>
  redacted.length > 0
    ? 'fields of its value were redacted, and its record is no longer in the source'
    : 'its value was too large for the queue, and its record is no longer in the source';

/** Asks the cluster where a letter does not say all: letters of former versions, and values that were left out. */
export class Replayables {
  readonly #plan: Plan;
  readonly #pipeline: string;
  readonly #edits: readonly Edit[];
  readonly #partitions = new Map<string, Partition>();
  readonly #sources: SourceTopics;

  constructor(plan: Plan, { log, edits = [] }: { readonly log: Log; readonly edits?: readonly Edit[] }) {
    this.#plan = plan;
    this.#pipeline = componentContexts(plan, { clock: never, random: Math.random, log })('dlq').pipeline;
    const isFromKafka = plan.definition.sources[0].component === 'kafka';
    this.#sources = new SourceTopics(isFromKafka ? kafkaOptionsOf(plan.definition) : null, log);
    this.#edits = edits;
  }

  /** `attempts`: how often its record has failed, where more is known than the letter says. */
  async of(view: DeadLetterView, attempts: number): Promise<Replayable | Refused> {
    const { id, stage, source, record, pipeline } = view;
    const refused = (reason: string): Refused => ({ view, reason });
    const foreign = whyForeign(view);
    if (foreign !== null) return refused(foreign);
    if (pipeline !== this.#pipeline || stage === null)
      return refused(`it is one of pipeline ${pipeline}; \`--to source\` puts its record back into its topic`);
    if (source.topic === null || source.partition === null || source.offset === null || source.timestampMs === null)
      return refused('it does not say where its record was read');
    if (view.isPurged) return refused('its value was removed by dlq purge');
    const partition = await this.#partitionOf(view);
    if (partition === null)
      return refused(`topic ${source.topic} is another one now, or none, and the letter does not say which it was`);
    if (this.#plan.inputs.length > 1 && this.#plan.inputs.every(({ use }) => use.name !== partition.source))
      return refused(`the pipeline has no source ${partition.source}`);
    let original: RawRecord = {
      offset: Number(source.offset),
      timestampMs: source.timestampMs,
      key: record.key,
      value: record.value,
      headers: view.headers,
    };
    if (view.payloadOmitted || view.redacted.length > 0) {
      const { topic, topicId, partition: number } = partition;
      const found = await this.#sources.recordAt(topic, topicId, number, original.offset);
      if (found === null) return refused(whyGone(view));
      original = found;
    }
    const raw = this.#edits.length === 0 ? original : edited(original, this.#edits);
    if (typeof raw === 'string') return refused(raw);
    return {
      id,
      view,
      stage,
      partition,
      element: source.element ?? '',
      // An object of its own: results are told apart by it.
      raw: { ...raw },
      original,
      history: {
        attempts: Math.max(attempts, view.attempts ?? 1) + 1,
        replayCount: (view.replayCount ?? 0) + 1,
        firstFailedAtMs: view.firstFailedAtMs ?? view.failedAtMs,
      },
    };
  }

  close(): Promise<void> {
    return this.#sources.close();
  }

  async #partitionOf({ id, stage, source }: DeadLetterView): Promise<Partition | null> {
    const name = source.name ?? this.#plan.inputs[0].use.name;
    const topic = source.topic!;
    const partition = source.partition!;
    let log = source.cluster === null || source.topicId === null ? null : source;
    if (log === null) {
      // A letter of a former version: its id says whether the topic is the one it came from.
      const now = await this.#sources.topic(topic);
      const place = { partition: { topicId: now?.topicId ?? '', partition }, raw: { offset: Number(source.offset) } };
      const same = deadLetterId({ ...place, element: source.element ?? '', stage: stage! }, this.#pipeline) === id;
      log = now !== null && same ? { ...source, ...now } : null;
    }
    if (log === null) return null;
    const key = JSON.stringify([log.cluster, log.topicId, partition, name]);
    let found = this.#partitions.get(key);
    if (found === undefined) {
      found = { cluster: log.cluster!, topic, topicId: log.topicId!, partition, source: name };
      this.#partitions.set(key, found);
    }
    return found;
  }
}

/** Names are all that is asked for. */
const never = { now: () => 0, sleep: () => Promise.resolve() };
