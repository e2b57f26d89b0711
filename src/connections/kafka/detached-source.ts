/**
 * Every partition of a topic without a consumer group (`--dry-run`): the cluster learns nothing of it, no group is made
 * and nothing is committed. Reads like the group source, under one generation that never ends by itself.
 */
import { backoffMs } from '../../engine/backoff.ts';
import {
  SourceFailed,
  type AssignedPartition,
  type GatherLimits,
  type Partition,
  type Source,
  type SourceEvent,
} from '../../engine/ports.ts';
import { openKafkaAdmin, type KafkaAdmin } from './admin.ts';
import { createCluster, isTransient, kafkaErrorType } from './client.ts';
import { readConnection } from './connection.ts';
import { Delivery, type Feed } from './delivery.ts';
import type { KafkaSourceSettings } from './group-source.ts';
import type { Cluster } from './kafkajs.ts';
import { fetchOnce } from './log-reader.ts';
import { type KafkaInput, topicReaders } from './topics.ts';

export interface DetachedSourceSettings extends KafkaSourceSettings {
  readonly untilEnd: boolean;
}

export class DetachedSource implements Source {
  readonly #settings: DetachedSourceSettings;
  readonly #delivery: Delivery;
  readonly #closing = new AbortController();
  #cluster: Cluster | null = null;
  #generation = 0;
  #partitions: readonly AssignedPartition[] = [];

  constructor(settings: DetachedSourceSettings) {
    this.#settings = settings;
    this.#delivery = new Delivery(settings.bufferBytesMax, settings.untilEnd);
  }

  async start(stopping?: AbortSignal): Promise<void> {
    const { connection, log, inputs } = this.#settings;
    const admin = await openKafkaAdmin(connection, log, stopping);
    try {
      const found = await topicReaders(admin, inputs);
      this.#partitions = await this.#describe(admin, found);
      const cluster = createCluster(readConnection(connection), log);
      this.#cluster = cluster;
      await cluster.connect();
      await cluster.addMultipleTargetTopics([...found.keys()]);
    } finally {
      await admin.close();
    }
    await this.reassign();
  }

  next(limits: GatherLimits): Promise<SourceEvent> {
    return this.#delivery.next(limits);
  }

  begin(generation: number, positions: ReadonlyMap<Partition, number>): void {
    if (generation !== this.#generation) return;
    const { untilEnd } = this.#settings;
    const feeds = this.#partitions.map(({ partition, logEnd }): Feed => {
      const position = positions.get(partition) ?? 0;
      return { partition, fetched: position, delivered: position, end: logEnd, bound: untilEnd ? logEnd : null };
    });
    this.#delivery.open(feeds);
    for (const topic of new Set(feeds.map(({ partition }) => partition.topic))) {
      void this.#read(
        topic,
        feeds.filter(({ partition }) => partition.topic === topic),
      );
    }
  }

  commit(): Promise<'committed'> {
    return Promise.resolve('committed');
  }

  reassign(): Promise<void> {
    this.#generation++;
    this.#delivery.reset(this.#generation);
    this.#delivery.announce({ generation: this.#generation, partitions: this.#partitions });
    return Promise.resolve();
  }

  ends(): ReadonlyMap<Partition, number> {
    return new Map(this.#delivery.feeds.map(({ partition, end }) => [partition, end]));
  }

  async close(): Promise<void> {
    this.#closing.abort();
    this.#delivery.end();
    await this.#cluster?.disconnect().catch(() => undefined);
  }

  async #describe(admin: KafkaAdmin, readers: ReadonlyMap<string, KafkaInput>): Promise<AssignedPartition[]> {
    const cluster = await admin.clusterId();
    const described = await admin.describeTopics([...readers.keys()]);
    const partitions: AssignedPartition[] = [];
    for (const [topic, { start, source }] of readers) {
      const { topicId } = described.get(topic)!;
      const at = typeof start === 'number' ? await admin.offsetsAt(topic, start) : null;
      for (const log of await admin.topicOffsets(topic)) {
        const { partition } = log;
        partitions.push({
          partition: { cluster, topic, topicId, partition, source },
          committed: null,
          logStart: log.start,
          logEnd: log.end,
          initial: start === 'latest' ? log.end : (at?.get(partition) ?? log.start),
        });
      }
    }
    return partitions;
  }

  async #read(topic: string, feeds: readonly Feed[]): Promise<void> {
    const { clock, random, log } = this.#settings;
    const { signal } = this.#closing;
    const generation = this.#generation;
    let failures = 0;
    while (!signal.aborted && generation === this.#generation) {
      const open = feeds.filter(({ bound, fetched }) => bound === null || fetched < bound);
      if (open.length === 0) return;
      await this.#delivery.room(signal);
      try {
        const positions = new Map(open.map(({ partition, fetched }) => [partition.partition, fetched]));
        const answers = await fetchOnce(this.#cluster!, topic, positions);
        if (generation !== this.#generation) return;
        for (const fetched of answers) {
          this.#delivery.add(
            open.find(({ partition }) => partition.partition === fetched.partition)!,
            fetched,
          );
        }
        failures = 0;
      } catch (error) {
        if (signal.aborted) return;
        const type = kafkaErrorType(error);
        if (type === 'OFFSET_OUT_OF_RANGE') {
          return this.#delivery.fail(new SourceFailed('data_loss', `${topic}: ${(error as Error).message}`));
        }
        if (!isTransient(error)) {
          return this.#delivery.fail(new SourceFailed('kafka_not_authorized', (error as Error).message));
        }
        failures++;
        log.warn('kafka_reconnecting', `reading ${topic}: ${(error as Error).message}`);
        await clock.sleep(backoffMs(failures, random(), 200, 5000), signal);
        await this.#cluster!.refreshMetadata().catch(() => undefined);
      }
    }
  }
}
