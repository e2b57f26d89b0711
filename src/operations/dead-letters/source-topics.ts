import { type KafkaAdmin, openKafkaAdmin } from '../../connections/kafka/admin.ts';
import type { Log, RawRecord } from '../../engine/ports.ts';

/** A topic as it is now. */
export interface SourceTopic {
  readonly cluster: string;
  readonly topicId: string;
  readonly partitions: number;
}

/** The topics that letters came from. Connects when it is first asked. */
export class SourceTopics {
  readonly #connection: Readonly<Record<string, unknown>> | null;
  readonly #log: Log;
  /** Null of those that are not there. */
  readonly #topics = new Map<string, SourceTopic | null>();
  #admin: Promise<KafkaAdmin> | null = null;

  /** `connection` holds the options of a `kafka` connection; null where the source is no Kafka. */
  constructor(connection: Readonly<Record<string, unknown>> | null, log: Log) {
    this.#connection = connection;
    this.#log = log;
  }

  /** Null where there is none of that name. */
  async topic(name: string): Promise<SourceTopic | null> {
    const known = this.#topics.get(name);
    if (known !== undefined) return known;
    const admin = await this.#kafka();
    const metadata = (await admin?.describeTopics([name]))?.get(name);
    const found =
      metadata === undefined
        ? null
        : {
            cluster: await admin!.clusterId(),
            topicId: metadata.topicId,
            partitions: metadata.partitions.length,
          };
    this.#topics.set(name, found);
    return found;
  }

  /** The record at an offset; null where it is gone, or the topic is another one than `topicId` says. */
  async recordAt(name: string, topicId: string, partition: number, offset: number): Promise<RawRecord | null> {
    const topic = await this.topic(name);
    if (topic?.topicId !== topicId || partition >= topic.partitions) return null;
    const records = await (await this.#kafka())!.recordsAt(name, new Map([[partition, offset]]));
    const found = records.get(partition) ?? null;
    return found?.offset === offset ? found : null;
  }

  /** Never rejects. */
  async close(): Promise<void> {
    await (await this.#admin?.catch(() => undefined))?.close();
  }

  async #kafka(): Promise<KafkaAdmin | null> {
    if (this.#connection === null) return null;
    this.#admin ??= openKafkaAdmin(this.#connection, this.#log);
    return this.#admin;
  }
}
