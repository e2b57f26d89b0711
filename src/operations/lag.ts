/** How far a consumer group is behind, which way that goes, and a verdict per partition. Works on any group. */
import type { KafkaAdmin } from '../connections/kafka/admin.ts';
import type { GroupDescription } from '../connections/kafka/group-admin.ts';
import { errorTable, PipectlError } from '../errors.ts';
import { judge, type LagSample, type LagVerdict } from './lag-verdict.ts';

/** Rates are per second over the samples taken so far, at most the last minute. Unknown is null. */
export interface PartitionLag {
  readonly topic: string;
  readonly partition: number;
  /** Client id and host of the member that owns it. */
  readonly owner: string | null;
  readonly committed: number | null;
  readonly logStart: number;
  readonly end: number;
  readonly lag: number | null;
  readonly changePerSecond: number | null;
  readonly producePerSecond: number | null;
  readonly consumePerSecond: number | null;
  /** Age of the next record to be read, by its own timestamp; 0 where there is none, also between transaction markers. */
  readonly behindMs: number | null;
  /** It could not be read from that record: it was deleted (then at least so old), or it has no timestamp. */
  readonly behindEstimated: boolean;
  /** Until the lag is gone at the present rates; null while it does not fall. */
  readonly etaMs: number | null;
  readonly verdict: LagVerdict;
}

export interface GroupLag {
  readonly group: string;
  readonly state: GroupDescription['state'];
  /** Null where it is a kind of group that this does not know (of Kafka Streams): it has offsets alone. */
  readonly members: number | null;
  readonly atMs: number;
  /** Of all partitions whose lag is known. */
  readonly lag: number | null;
  readonly changePerSecond: number | null;
  readonly partitions: readonly PartitionLag[];
}

const windowMs = 60_000;
const samplesMax = 120;

interface Watched {
  readonly topic: string;
  readonly partition: number;
  owner: string | null;
  /** The oldest first. */
  samples: LagSample[];
  /** When the committed offset was last seen to move; null if it has not moved while we looked. */
  movedAtMs: number | null;
  /** The next record after `committed`, null where there was none before `end`; kept, since it has to be fetched. */
  next: { readonly committed: number; readonly end: number; readonly record: { timestampMs: number } | null } | null;
}

/** Samples one group. `topics` are looked at even where the group never committed. */
export class LagMonitor {
  readonly #admin: KafkaAdmin;
  readonly #group: string;
  readonly #topics: readonly string[];
  readonly #watched = new Map<string, Watched>();
  #state: GroupDescription['state'] = 'Unknown';
  #members: number | null = 0;
  #atMs = 0;
  #samples = 0;

  constructor(admin: KafkaAdmin, group: string, topics: readonly string[] = []) {
    this.#admin = admin;
    this.#group = group;
    this.#topics = topics;
  }

  /** How many were taken. */
  get samples(): number {
    return this.#samples;
  }

  /** Asks the cluster once. Rejects with `kafka_unreachable` and the like, and `group_unknown`. */
  async sample(now: () => number): Promise<void> {
    // Committed offsets first: an end offset that is older than the commit would make a negative lag.
    const [description, committed] = await Promise.all([
      this.#admin.groupDescription(this.#group),
      this.#admin.groupOffsets(this.#group),
    ]);
    const owners = ownersIn(description);
    const named = new Set([...this.#topics, ...committed.keys(), ...owners.keys()]);
    const topics = named.size === 0 ? [] : [...(await this.#admin.describeTopics([...named])).keys()];
    if (topics.length === 0) {
      const known = description.state !== 'Dead';
      const why = known ? 'has committed nothing and owns nothing' : 'does not exist';
      throw new PipectlError('group_unknown', `consumer group ${this.#group} ${why}`, {
        hint: errorTable.group_unknown.hint,
      });
    }
    const offsets = await Promise.all(
      topics.map(async (topic) => ({ topic, partitions: await this.#admin.topicOffsets(topic) })),
    );

    this.#atMs = now();
    this.#samples++;
    // Brokers say that a group is dead when it is of a kind that was not asked for.
    const isOther = description.state === 'Dead' && committed.size > 0;
    this.#state = isOther ? 'Unknown' : description.state;
    this.#members = isOther ? null : description.members.length;
    for (const { topic, partitions } of offsets) {
      for (const { partition, start, end } of partitions) {
        const watched = this.#watch(topic, partition);
        watched.owner = owners.get(topic)?.get(partition) ?? null;
        add(watched, {
          atMs: this.#atMs,
          committed: committed.get(topic)?.get(partition) ?? null,
          logStart: start,
          end,
        });
      }
    }
    await this.#readNextRecords();
  }

  /** What the samples say. */
  report(): GroupLag {
    const partitions = [...this.#watched.values()]
      .map((watched) => this.#partitionLag(watched))
      .toSorted((a, b) => a.topic.localeCompare(b.topic) || a.partition - b.partition);
    return {
      group: this.#group,
      state: this.#state,
      members: this.#members,
      atMs: this.#atMs,
      lag: sumKnown(partitions.map(({ lag }) => lag)),
      changePerSecond: sumKnown(partitions.map(({ changePerSecond }) => changePerSecond)),
      partitions,
    };
  }

  #watch(topic: string, partition: number): Watched {
    const key = `${topic}/${partition}`;
    const watched = this.#watched.get(key) ?? {
      topic,
      partition,
      owner: null,
      samples: [],
      movedAtMs: null,
      next: null,
    };
    this.#watched.set(key, watched);
    return watched;
  }

  async #readNextRecords(): Promise<void> {
    const waiting = [...this.#watched.values()].filter(({ samples, next }) => {
      const { committed, end } = samples.at(-1)!;
      if (committed === null || committed >= end) return false;
      return next?.committed !== committed || (next.record === null && next.end !== end);
    });
    const byTopic = Map.groupBy(waiting, ({ topic }) => topic);
    await Promise.all(
      [...byTopic].map(async ([topic, partitions]) => {
        const offsets = new Map(
          partitions.map(({ partition, samples }) => [partition, samples.at(-1)!.committed!] as const),
        );
        const records = await this.#admin.recordsAt(topic, offsets);
        for (const watched of partitions) {
          const { end } = watched.samples.at(-1)!;
          const record = records.get(watched.partition) ?? null;
          const kept = record === null ? null : { timestampMs: record.timestampMs };
          watched.next = { committed: offsets.get(watched.partition)!, end, record: kept };
        }
      }),
    );
  }

  #partitionLag({ topic, partition, owner, samples, movedAtMs, next }: Watched): PartitionLag {
    const first = samples[0]!;
    const last = samples.at(-1)!;
    const { committed, end, logStart } = last;
    const seconds = (last.atMs - first.atMs) / 1000;
    const lag = lagOf(last);
    const rate = (from: number | null, to: number | null) =>
      from === null || to === null || seconds <= 0 ? null : (to - from) / seconds;
    const produce = rate(first.end, end);
    const consume = rate(first.committed, committed);
    const nothingToRead = next !== null && next.record === null && next.committed === committed && next.end === end;
    const falls = produce !== null && consume !== null && consume > produce;
    return {
      topic,
      partition,
      owner,
      committed,
      logStart,
      end,
      lag,
      changePerSecond: rate(lagOf(first), lag),
      producePerSecond: produce,
      consumePerSecond: consume,
      ...behind(nothingToRead ? 0 : lag, samples, next),
      etaMs: lag === 0 || nothingToRead ? 0 : falls && lag !== null ? (lag / (consume - produce)) * 1000 : null,
      verdict: judge(samples, { hasMembers: this.#members !== 0, nothingToRead, movedAtMs, windowMs }),
    };
  }
}

/** Nothing to read is no lag, also for a group that never committed there. */
function lagOf({ committed, logStart, end }: LagSample): number | null {
  if (committed === null) return logStart === end ? 0 : null;
  return Math.max(0, end - committed);
}

function behind(
  lag: number | null,
  samples: readonly LagSample[],
  next: Watched['next'],
): Pick<PartitionLag, 'behindMs' | 'behindEstimated'> {
  const { committed, atMs, logStart } = samples.at(-1)!;
  if (lag === 0) return { behindMs: 0, behindEstimated: false };
  if (committed === null || next?.record === null || next?.committed !== committed)
    return { behindMs: null, behindEstimated: false };
  const { timestampMs } = next.record;
  if (timestampMs >= 0) return { behindMs: Math.max(0, atMs - timestampMs), behindEstimated: committed < logStart };
  // Producers may leave the timestamp out (-1). It came after the last look at which the log ended before it.
  const before = samples.findLast(({ end }) => end <= committed);
  return { behindMs: before === undefined ? null : atMs - before.atMs, behindEstimated: before !== undefined };
}

function add(watched: Watched, sample: LagSample): void {
  const former = watched.samples.at(-1);
  if (former !== undefined && former.committed !== sample.committed) watched.movedAtMs = sample.atMs;
  const from = sample.atMs - windowMs;
  // At least the former one stays, however long ago it was: one sample has no rate.
  const kept = watched.samples.filter((kept, index, all) => kept.atMs >= from || index === all.length - 1);
  watched.samples = [...kept.slice(-(samplesMax - 1)), sample];
}

function ownersIn({ members }: GroupDescription): ReadonlyMap<string, ReadonlyMap<number, string>> {
  const owners = new Map<string, Map<number, string>>();
  for (const { clientId, clientHost, assignment } of members) {
    for (const [topic, partitions] of assignment) {
      const ofTopic = owners.get(topic) ?? new Map<number, string>();
      owners.set(topic, ofTopic);
      for (const partition of partitions) ofTopic.set(partition, `${clientId}${clientHost}`);
    }
  }
  return owners;
}

function sumKnown(values: readonly (number | null)[]): number | null {
  const known = values.filter((value) => value !== null);
  return known.length === 0 ? null : known.reduce((sum, value) => sum + value, 0);
}
