/** The topics that a group reads: found, looked at again, and described where their partitions are assigned. */
import type { AssignedPartition, Log, Partition } from '../../engine/ports.ts';
import type { KafkaAdmin, PartitionOffsets } from './admin.ts';
import { assignTopics, findTopics, type KafkaInput, type StartAt, topicReaders } from './topics.ts';

/** Partitions by topic. */
export type Owned = Readonly<Record<string, readonly number[]>>;

export interface GroupTopicsSettings {
  readonly inputs: readonly KafkaInput[];
  readonly group: string;
  readonly log: Log;
}

export class GroupTopics {
  readonly #admin: KafkaAdmin;
  readonly #settings: GroupTopicsSettings;
  readonly #cluster: string;
  /** Each with the source that reads it. */
  #readers: ReadonlyMap<string, KafkaInput>;
  /** As they were at the first look: a partition that is not among them is read from its first record, also with `latest`. */
  readonly #offsets: ReadonlyMap<string, PartitionOffsets>;
  /** Of topics that two sources would read, those that were told of. */
  readonly #contested = new Set<string>();

  private constructor(
    admin: KafkaAdmin,
    settings: GroupTopicsSettings,
    cluster: string,
    readers: ReadonlyMap<string, KafkaInput>,
    offsets: ReadonlyMap<string, PartitionOffsets>,
  ) {
    this.#admin = admin;
    this.#settings = settings;
    this.#cluster = cluster;
    this.#readers = readers;
    this.#offsets = offsets;
  }

  /** Rejects like `topicReaders`. */
  static async find(admin: KafkaAdmin, settings: GroupTopicsSettings): Promise<GroupTopics> {
    const cluster = await admin.clusterId();
    const readers = await topicReaders(admin, settings.inputs);
    return new GroupTopics(admin, settings, cluster, readers, await offsetsOf(admin, [...readers.keys()]));
  }

  get names(): readonly string[] {
    return [...this.#readers.keys()];
  }

  /** By `placeKey`, where the partitions ended at the first look, or with `untilMs` the first record at or after it. */
  async ends(untilMs: number | undefined): Promise<ReadonlyMap<string, number>> {
    const ends = untilMs === undefined ? null : await this.#offsetsAt(this.names, () => untilMs);
    return new Map([...this.#offsets].map(([key, { end }]) => [key, ends?.get(key) ?? end]));
  }

  /** Rejects with `kafka_topic_missing` where one of them is gone. */
  async check(): Promise<void> {
    await findTopics(this.#admin, this.names);
  }

  /** Takes up topics that fit a pattern and are new; their names. Says once of each why it can't be read. */
  async takeUpAdded(): Promise<readonly string[]> {
    const { inputs, log } = this.#settings;
    // Where they can not be told now they can be the next time; what went away shows in the fetches.
    const assigned = await assignTopics(this.#admin, inputs).catch(() => null);
    if (assigned === null) return [];
    for (const [topic, message] of assigned.contested) {
      if (!this.#contested.has(topic))
        log.warn('source_topics', `${message}: it is left out until the next start, which it stops`);
      this.#contested.add(topic);
    }
    const added = [...assigned.found].filter(([topic]) => !this.#readers.has(topic));
    this.#readers = new Map([...this.#readers, ...added]);
    return added.map(([topic]) => topic);
  }

  /** The topic of one of these partitions that was deleted and made anew; null where none is known to be. */
  async findAnew(partitions: readonly Partition[]): Promise<string | null> {
    const topics = new Set(partitions.map(({ topic }) => topic));
    const described = topics.size === 0 ? null : await this.#admin.describeTopics([...topics]).catch(() => null);
    const anew = partitions.find(({ topic, topicId }) => (described?.get(topic)?.topicId ?? topicId) !== topicId);
    return anew?.topic ?? null;
  }

  async describe(owned: Owned): Promise<AssignedPartition[]> {
    const topics = Object.keys(owned);
    const [described, offsets, committed, starts] = await Promise.all([
      this.#admin.describeTopics(topics),
      offsetsOf(this.#admin, topics),
      this.#admin.groupCommits(this.#settings.group, topics),
      this.#offsetsAt(topics, (topic) => this.#reader(topic).start),
    ]);
    return topics.flatMap((topic) => {
      const { start, source } = this.#reader(topic);
      return owned[topic]!.toSorted((a, b) => a - b).map((partition) => {
        const key = placeKey(topic, partition);
        const log = offsets.get(key);
        const topicId = described.get(topic)?.topicId;
        if (log === undefined || topicId === undefined)
          throw new Error(`${topic} partition ${partition} is not known yet`);
        const commit = committed.get(topic)?.get(partition);
        const latest = start === 'latest' && this.#offsets.has(key);
        return {
          partition: { cluster: this.#cluster, topic, topicId, partition, source },
          committed: commit?.offset ?? null,
          isMoved: commit?.isOwn === false,
          logStart: log.start,
          logEnd: log.end,
          initial: latest ? log.end : (starts.get(key) ?? log.start),
        };
      });
    });
  }

  /** Of topics for which a time is given. */
  async #offsetsAt(topics: readonly string[], timeOf: (topic: string) => StartAt): Promise<Map<string, number>> {
    const offsets = await Promise.all(
      topics.map(async (topic) => {
        const at = timeOf(topic);
        const found = typeof at === 'number' ? [...(await this.#admin.offsetsAt(topic, at))] : [];
        return found.map(([partition, offset]) => [placeKey(topic, partition), offset] as const);
      }),
    );
    return new Map(offsets.flat());
  }

  #reader(topic: string): KafkaInput {
    const input = this.#readers.get(topic);
    if (input === undefined) throw new Error(`no source reads ${topic}`);
    return input;
  }
}

/** A partition as a key of maps. */
export function placeKey(topic: string, partition: number): string {
  return `${topic}/${partition}`;
}

async function offsetsOf(admin: KafkaAdmin, topics: readonly string[]): Promise<Map<string, PartitionOffsets>> {
  const offsets = await Promise.all(topics.map((topic) => admin.topicOffsets(topic)));
  return new Map(
    topics.flatMap((topic, at) => offsets[at]!.map((one) => [placeKey(topic, one.partition), one] as const)),
  );
}
