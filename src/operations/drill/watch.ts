/** Looks at a pipeline from outside, twice a second: what Kafka says of its groups, and its processes of themselves. */
import { setTimeout as delay } from 'node:timers/promises';
import type { KafkaAdmin } from '../../connections/kafka/admin.ts';
import type { PipelineDefinition } from '../../definition/pipeline.ts';
import { groupsOf } from '../../definition/sink-groups.ts';
import { takesIn, topicsOf } from '../../definition/topics.ts';
import { type StatusSnapshot, unaccountedRows } from '../../runtime/status.ts';
import type { Crew } from './crew.ts';

/** Next offset to be written, and the end of the log. */
export interface PartitionLook {
  readonly position: number;
  readonly end: number;
}

/** What a process says of itself. */
export interface MemberLook {
  readonly pid: number;
  readonly state: string;
  /** What it can't account for, by where: empty where everything adds up. */
  readonly differences: readonly string[];
}

export interface Look {
  readonly atMs: number;
  /** By a name that says the group too, where there are several. A partition that nobody knows is not there. */
  readonly partitions: ReadonlyMap<string, PartitionLook>;
  /** Those that answered. */
  readonly members: readonly MemberLook[];
}

const everyMs = 500;
/** One that stands still must not hold up the look at the others. */
const answerMs = 400;
/** Kafka may be asked in vain for so long: a group that moves to another coordinator gives no answer meanwhile. */
const vainMs = 15_000;

export class Watch {
  readonly looks: Look[] = [];
  readonly #definition: PipelineDefinition;
  /** Null where the source is no Kafka: then the processes tell how far they are. */
  readonly #kafka: KafkaAdmin | null;
  readonly #crew: Crew;
  readonly #signal: AbortSignal;
  #answeredAtMs = Date.now();

  constructor(definition: PipelineDefinition, kafka: KafkaAdmin | null, crew: Crew, signal: AbortSignal) {
    this.#definition = definition;
    this.#kafka = kafka;
    this.#crew = crew;
    this.#signal = signal;
  }

  /** Looks of a span of time. */
  since(atMs: number): readonly Look[] {
    return this.looks.filter((look) => look.atMs >= atMs);
  }

  /** Looks on until `isDone` or the time is over; true where it was done. Rejects where Kafka is away, or the drill is to end. */
  async until(withinMs: number, isDone: () => boolean): Promise<boolean> {
    const deadline = Date.now() + withinMs;
    for (;;) {
      await this.#look();
      if (isDone()) return true;
      const leftMs = deadline - Date.now();
      if (leftMs <= 0) return false;
      await delay(Math.min(everyMs, leftMs), undefined, { signal: this.#signal });
    }
  }

  /** Only looks on. */
  async during(ms: number): Promise<void> {
    await this.until(ms, () => false);
  }

  async #look(): Promise<void> {
    const answers = await Promise.all(
      this.#crew.members.map((member) =>
        Promise.race([member.status(), delay(answerMs, null, { ref: false, signal: this.#signal })]),
      ),
    );
    const statuses = answers.filter((status) => status !== null);
    try {
      const partitions = this.#kafka === null ? told(statuses) : await this.#asked(this.#kafka);
      this.#answeredAtMs = Date.now();
      this.looks.push({ atMs: Date.now(), partitions, members: statuses.map(memberLook) });
    } catch (error) {
      if (Date.now() - this.#answeredAtMs > vainMs) throw error;
    }
  }

  async #asked(kafka: KafkaAdmin): Promise<Look['partitions']> {
    const { sources } = this.#definition;
    const named = sources.flatMap(topicsOf);
    const groups = groupsOf(this.#definition);
    // Offsets before ends: the other way round a commit could lie beyond the end.
    const committed = await Promise.all(groups.map(({ group }) => kafka.groupOffsets(group)));
    const topics = new Set(
      committed.flatMap((offsets) => [...offsets.keys()]).filter((topic) => named.some((one) => takesIn(one, topic))),
    );
    const ends = new Map(
      await Promise.all([...topics].map(async (topic) => [topic, await kafka.topicOffsets(topic)] as const)),
    );
    const partitions = new Map<string, PartitionLook>();
    for (const [index, offsets] of committed.entries()) {
      const { sink } = groups[index]!;
      for (const [topic, ofTopic] of offsets) {
        for (const { partition, end } of ends.get(topic) ?? []) {
          const position = ofTopic.get(partition);
          if (position === undefined) continue;
          partitions.set(`${topic} ${partition}${sink === null ? '' : ` of ${sink}`}`, { position, end });
        }
      }
    }
    return partitions;
  }
}

/** What processes say of the partitions they own. */
function told(statuses: readonly StatusSnapshot[]): Look['partitions'] {
  return new Map(
    statuses.flatMap(({ partitions }) =>
      partitions.map(({ topic, partition, position, end }) => [
        `${topic} ${partition}`,
        { position, end: end ?? position },
      ]),
    ),
  );
}

function memberLook({ pid, state, account, sinks }: StatusSnapshot): MemberLook {
  const differences = [
    ...(account.difference === 0 ? [] : [`${account.difference} records`]),
    ...sinks.flatMap((sink) => {
      const missing = unaccountedRows(sink);
      return missing === 0 ? [] : [`${missing} rows of ${sink.name}`];
    }),
  ];
  return { pid, state, differences };
}
