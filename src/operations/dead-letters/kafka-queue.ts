import { openKafkaAdmin } from '../../connections/kafka/admin.ts';
import type { KafkaProducer } from '../../connections/kafka/producer.ts';
import { openKafkaProducer } from '../../connections/kafka/producer.ts';
import { SinkUnavailable, type DeadLetter, type DeadLetterQueue, type Log } from '../../engine/ports.ts';
import { PipectlError } from '../../errors.ts';
import { deadLetterRecord, lighterDeadLetter, type DeadLetterContext, type DeadLetterRecord } from './record.ts';

/** Appends to a topic, acknowledged by all in-sync replicas. Connects, and creates the topic, with the first letter. */
export class KafkaDeadLetterQueue implements DeadLetterQueue {
  readonly #topic: string;
  readonly #connection: Readonly<Record<string, unknown>>;
  readonly #context: DeadLetterContext;
  readonly #log: Log;
  readonly #producer: KafkaProducer;
  /** That the topic is there. Asked by the first append; several sinks may ask at once. */
  #ready: Promise<void> | null = null;

  /** `connection` holds the options of a `kafka` connection. */
  constructor(topic: string, connection: Readonly<Record<string, unknown>>, context: DeadLetterContext, log: Log) {
    this.#topic = topic;
    this.#connection = connection;
    this.#context = context;
    this.#log = log;
    this.#producer = openKafkaProducer(connection, log);
  }

  async append(letters: readonly DeadLetter[]): Promise<void> {
    try {
      await this.#topicReady();
      let waiting: readonly DeadLetterRecord[] = letters.map((letter) => deadLetterRecord(letter, this.#context));
      while (waiting.length > 0) {
        const records = waiting;
        const tooLarge = await this.#producer.produceAll(this.#topic, records);
        waiting = tooLarge.map(({ index, bytes }) => {
          const lighter = lighterDeadLetter(records[index]!);
          if (lighter === null)
            throw new Error(`the topic takes not even a dead letter without its record (${bytes} bytes)`);
          return lighter;
        });
      }
    } catch (error) {
      // Deleted since: the next append makes it anew.
      if (error instanceof PipectlError && error.code === 'kafka_topic_missing') this.#ready = null;
      throw new SinkUnavailable(`dead letters can't be written to topic ${this.#topic}: ${(error as Error).message}`, {
        cause: error,
      });
    }
  }

  async close(): Promise<void> {
    await this.#ready?.catch(() => undefined);
    await this.#producer.close();
  }

  #topicReady(): Promise<void> {
    const asking = (this.#ready ??= this.#createTopic());
    // What failed is not kept: the next append tries anew.
    asking.catch(() => {
      if (this.#ready === asking) this.#ready = null;
    });
    return asking;
  }

  async #createTopic(): Promise<void> {
    const admin = await openKafkaAdmin(this.#connection, this.#log);
    try {
      // Asked first: who may write to a topic that is there need not be allowed to create one.
      const topics = await admin.describeTopics([this.#topic]);
      if (!topics.has(this.#topic)) await admin.createTopic({ topic: this.#topic });
    } finally {
      await admin.close();
    }
  }
}
