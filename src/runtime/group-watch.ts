/**
 * What only Kafka knows of a running pipeline: the members and the lag of the whole group, also of partitions that nobody
 * owns, and how the cluster is. Asked beside the source's connections, so that it never stands in the way of records; what
 * can't be asked is not known, and stops nothing.
 */
import type { KafkaAdmin } from '../connections/kafka/admin.ts';
import { retentionOf } from '../connections/kafka/cluster-description.ts';
import type { Clock, Log } from '../engine/ports.ts';
import { retentionRisk } from '../operations/doctor/group.ts';
import { type GroupLag, LagMonitor } from '../operations/lag.ts';
import { withinTime } from '../operations/time-limit.ts';
import type { SharedAdmin } from './shared-admin.ts';

/** The consumer group as a whole. */
export interface GroupFacts {
  readonly atMs: number;
  readonly lag: GroupLag;
  /** This member speaks for the group: it owns the first of the partitions that are owned. */
  readonly speaks: boolean;
  /** Records in the topic of the dead letters; null where it is none, or was not told. */
  readonly deadLetters: number | null;
}

export interface ClusterFacts {
  readonly atMs: number;
  readonly brokers: number;
  readonly underReplicated: number;
  /** On all brokers together; null where this user may not see it. */
  readonly topicBytes: ReadonlyMap<string, number> | null;
  /** Of topics that delete old records. */
  readonly retentionMs: ReadonlyMap<string, number>;
}

export interface GroupWatchOptions {
  readonly cluster: SharedAdmin;
  readonly group: string;
  /** Those that are read, as far as their names are known. */
  readonly topics: readonly string[];
  readonly deadLetterTopic: string | null;
  readonly clock: Clock;
  readonly log: Log;
  /** Whether this member owns a partition now. */
  readonly owns: (topic: string, partition: number) => boolean;
  /**
   * How often this member was given partitions. Each time it is looked at once more; before the first the group is as
   * others, or a former run, have left it.
   */
  readonly assignments: () => number;
  /** Default: 10 s. */
  readonly everyMs?: number;
}

const groupEveryMs = 10_000;
const assignedEveryMs = 200;
const clusterEveryMs = 60_000;
const lookMs = 15_000;
/** What was seen longer ago is not known any more. */
const staleMs = 60_000;
const retentionAgainMs = 3_600_000;

export class GroupWatch {
  readonly #options: GroupWatchOptions;
  readonly #closing = new AbortController();
  readonly #done: Promise<void>;
  #monitor: { readonly admin: KafkaAdmin; readonly lag: LagMonitor } | null = null;
  #group: GroupFacts | null = null;
  #cluster: ClusterFacts | null = null;
  #warnedAtMs: number | null = null;

  /** Starts to look. */
  constructor(options: GroupWatchOptions) {
    this.#options = options;
    this.#done = this.#run();
  }

  /** Null before the first answer, and when the last one is long ago. */
  get group(): GroupFacts | null {
    return this.#group !== null && this.#isFresh(this.#group.atMs, staleMs) ? this.#group : null;
  }

  get cluster(): ClusterFacts | null {
    return this.#cluster !== null && this.#isFresh(this.#cluster.atMs, clusterEveryMs + staleMs) ? this.#cluster : null;
  }

  /** As it was last known; null before the first answer. */
  get speaks(): boolean | null {
    return this.#group?.speaks ?? null;
  }

  /** Records may be deleted before they are read; null where that is not known. */
  get nearsRetention(): boolean | null {
    return this.group === null || this.#cluster === null ? null : this.#warnedAtMs !== null;
  }

  /** Never rejects. The connection is its owner's to close. */
  async close(): Promise<void> {
    this.#closing.abort();
    await this.#done;
  }

  #isFresh(atMs: number, forMs: number): boolean {
    return this.#options.clock.now() - atMs < forMs;
  }

  async #run(): Promise<void> {
    const { cluster, assignments } = this.#options;
    const { signal } = this.#closing;
    let seen = 0;
    for (;;) {
      await this.#rest(seen);
      if (signal.aborted) return;
      seen = assignments();
      try {
        await withinTime(lookMs, 'Kafka', () => this.#look());
      } catch {
        // Away, or not allowed: what is not known is not told. The source says what is wrong with the connection.
        if (!signal.aborted) await cluster.reset();
      }
    }
  }

  /** Until it is time to look again, or this member was given partitions anew. */
  async #rest(seen: number): Promise<void> {
    const { clock, assignments, everyMs = groupEveryMs } = this.#options;
    const { signal } = this.#closing;
    for (let restedMs = 0; restedMs < everyMs && assignments() === seen && !signal.aborted; restedMs += assignedEveryMs)
      await clock.sleep(assignedEveryMs, signal);
  }

  async #look(): Promise<void> {
    const { cluster, group, topics, clock } = this.#options;
    const admin = await cluster.get();
    if (this.#monitor?.admin !== admin) this.#monitor = { admin, lag: new LagMonitor(admin, group, topics) };
    const monitor = this.#monitor.lag;
    await monitor.sample(() => clock.now());
    const lag = monitor.report();
    this.#group = { atMs: lag.atMs, lag, speaks: this.#speaks(lag), deadLetters: await this.#deadLetters(admin) };
    if (this.#cluster === null || clock.now() - this.#cluster.atMs >= clusterEveryMs)
      this.#cluster = await this.#lookAtCluster(admin, lag);
    this.#watchRetention(this.#group, this.#cluster);
  }

  /**
   * Every member comes to the same answer without asking the others. While the group rebalances the last one stands; where
   * nobody is known to own anything each speaks: twice is better than not at all.
   */
  #speaks({ state, partitions }: GroupLag): boolean {
    if (state !== 'Stable' && this.#group !== null) return this.#group.speaks;
    const owned = partitions.filter(({ owner }) => owner !== null);
    const first = owned.toSorted((a, b) =>
      a.topic === b.topic ? a.partition - b.partition : a.topic < b.topic ? -1 : 1,
    )[0];
    return first === undefined || this.#options.owns(first.topic, first.partition);
  }

  async #deadLetters(admin: KafkaAdmin): Promise<number | null> {
    const { deadLetterTopic } = this.#options;
    if (deadLetterTopic === null) return null;
    const offsets = await admin.topicOffsets(deadLetterTopic).catch(() => null);
    return offsets?.reduce((sum, { end }) => sum + end, 0) ?? null;
  }

  async #lookAtCluster(admin: KafkaAdmin, { partitions }: GroupLag): Promise<ClusterFacts> {
    const { deadLetterTopic, clock } = this.#options;
    const names = new Set([
      ...partitions.map(({ topic }) => topic),
      ...(deadLetterTopic === null ? [] : [deadLetterTopic]),
    ]);
    const description = await admin.describeCluster([...names]);
    const disks = description.brokers.flatMap(({ disks }) => disks ?? []);
    const topicBytes = new Map<string, number>();
    for (const { topics } of disks) {
      for (const [topic, bytes] of topics)
        if (names.has(topic)) topicBytes.set(topic, (topicBytes.get(topic) ?? 0) + bytes);
    }
    const copies = description.topics.flatMap((topic) => topic.copies);
    return {
      atMs: clock.now(),
      brokers: description.brokers.length,
      underReplicated: copies.filter(({ inSync, replicas }) => inSync.length < replicas.length).length,
      topicBytes: disks.length === 0 ? null : topicBytes,
      retentionMs: retentionOf(description),
    };
  }

  /** What Kafka deletes before it is read is lost. Said again every hour, by one member. */
  #watchRetention({ lag, speaks }: GroupFacts, { retentionMs }: ClusterFacts): void {
    const { clock, log } = this.#options;
    const risk = retentionRisk(lag.partitions, retentionMs);
    if (risk === null) {
      this.#warnedAtMs = null;
      return;
    }
    if (this.#warnedAtMs !== null && this.#isFresh(this.#warnedAtMs, retentionAgainMs)) return;
    this.#warnedAtMs = clock.now();
    if (!speaks) return;
    if (risk.severity === 'error') log.error('retention_near', risk.message);
    else log.warn('retention_near', risk.message);
  }
}
