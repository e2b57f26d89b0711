/** One kafkajs consumer: a member of the group from its first join until it breaks or is closed. */
import type { Consumer, EachBatchPayload } from 'kafkajs';
import type { Clock, Log } from '../../engine/ports.ts';
import { ownCommit } from './group-admin.ts';
import { createClient } from './client.ts';
import type { KafkaConnection } from './connection.ts';
import type { FetchedPartition } from './fetched-partition.ts';
import { staticMember } from './static-member.ts';

export interface SessionSettings {
  readonly connection: KafkaConnection;
  readonly group: string;
  /** Of a static member (KIP-345); null: a member that is known by its connection alone. */
  readonly instance: string | null;
  readonly topics: readonly string[];
  readonly fetchWaitMs: number;
  readonly fetchBytesMax: number;
  readonly partitionBytesMax: number;
  readonly sessionTimeoutMs: number;
  readonly rebalanceTimeoutMs: number;
  readonly heartbeatMs: number;
  readonly clock: Clock;
  readonly log: Log;
  /** Ends all connections at once. */
  readonly cut: AbortSignal;
}

export interface SessionEvents {
  /** Called before anything of the assignment is fetched; it must pause what it does not want yet. */
  joined(session: GroupSession, assignment: Readonly<Record<string, readonly number[]>>): void;
  /** False: not wanted at this offset; the position stays. */
  fetched(session: GroupSession, fetched: FetchedPartition): boolean;
  readonly full: boolean;
  room(signal: AbortSignal): Promise<void>;
}

export interface TopicPosition {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
}

export class GroupSession {
  readonly #settings: SessionSettings;
  readonly #events: SessionEvents;
  readonly #consumer: Consumer;
  readonly #over = new AbortController();
  readonly #closed = new AbortController();
  readonly #end: (reason: Error) => void;
  /** Resolves with the reason when this consumer is of no more use. */
  readonly ended: Promise<Error>;
  #memberId = '';
  #progressAtMs: number;
  #joining = true;
  #acknowledged = 0;

  constructor(settings: SessionSettings, events: SessionEvents) {
    this.#settings = settings;
    this.#events = events;
    this.#progressAtMs = settings.clock.now();
    const { promise, resolve } = Promise.withResolvers<Error>();
    this.ended = promise;
    this.#end = (reason) => {
      this.#over.abort();
      resolve(reason);
    };
    const cut = AbortSignal.any([settings.cut, this.#closed.signal]);
    this.#consumer = createClient(settings.connection, settings.log, cut).consumer({
      groupId: settings.group,
      sessionTimeout: settings.sessionTimeoutMs,
      rebalanceTimeout: settings.rebalanceTimeoutMs,
      heartbeatInterval: settings.heartbeatMs,
      // New partitions are noticed when metadata is read again.
      metadataMaxAge: 5_000,
      minBytes: 1,
      maxBytes: settings.fetchBytesMax,
      maxBytesPerPartition: settings.partitionBytesMax,
      maxWaitTimeInMs: settings.fetchWaitMs,
      allowAutoTopicCreation: false,
      ...(settings.instance === null ? {} : { partitionAssigners: [staticMember(settings.instance)] }),
      retry: {
        initialRetryTime: 100,
        maxRetryTime: 1000,
        retries: 4,
        restartOnFailure: () => Promise.resolve(false),
      },
    });
  }

  get memberId(): string {
    return this.#memberId;
  }

  /** Connects and joins; does not wait for the assignment. Failures show in `ended`. */
  async run(): Promise<void> {
    const { CRASH, STOP, GROUP_JOIN, REBALANCING, FETCH, COMMIT_OFFSETS } = this.#consumer.events;
    this.#consumer.on(GROUP_JOIN, ({ payload }) => {
      this.#memberId = payload.memberId;
      this.#joining = false;
      this.#progress();
      if (!this.#over.signal.aborted) this.#events.joined(this, payload.memberAssignment);
    });
    this.#consumer.on(REBALANCING, () => {
      this.#joining = true;
      this.#progress();
    });
    this.#consumer.on(FETCH, () => this.#progress());
    this.#consumer.on(COMMIT_OFFSETS, () => {
      this.#acknowledged++;
    });
    this.#consumer.on(CRASH, ({ payload }) => this.#end(payload.error));
    this.#consumer.on(STOP, () => void this.#stopped());
    void this.#watch();
    try {
      await this.#consumer.connect();
      await this.#consumer.subscribe({ topics: [...this.#settings.topics], fromBeginning: true });
      await this.#consumer.run({
        autoCommit: false,
        eachBatchAutoResolve: false,
        // One after the other: they only take note of bytes, or wait for the same room.
        partitionsConsumedConcurrently: 1,
        eachBatch: (payload) => this.#take(payload),
      });
    } catch (error) {
      this.#end(error as Error);
    }
  }

  pause(assignment: Readonly<Record<string, readonly number[]>>): void {
    const partitions = Object.entries(assignment).map(([topic, numbers]) => ({ topic, partitions: [...numbers] }));
    if (partitions.length > 0) this.#ask(() => this.#consumer.pause(partitions));
  }

  seek({ topic, partition, offset }: TopicPosition): void {
    this.#ask(() => this.#consumer.seek({ topic, partition, offset: String(offset) }));
  }

  resume(topic: string, partition: number): void {
    this.#ask(() => this.#consumer.resume([{ topic, partitions: [partition] }]));
  }

  /** True when the coordinator has taken them, false when this consumer is no longer running. Sent once. */
  async commit(positions: readonly TopicPosition[]): Promise<boolean> {
    const before = this.#acknowledged;
    await this.#consumer.commitOffsets(
      positions.map(({ topic, partition, offset }) => ({
        topic,
        partition,
        offset: String(offset),
        metadata: ownCommit,
      })),
    );
    return this.#acknowledged > before;
  }

  /** Gives this consumer up; `close` follows. */
  abandon(reason: Error): void {
    this.#end(reason);
  }

  /** Leaves the group and disconnects, for as long as that may take. Never rejects. */
  async close(): Promise<void> {
    this.#end(new Error('closed'));
    await this.#consumer.disconnect().catch(() => undefined);
    this.#closed.abort();
  }

  async #stopped(): Promise<void> {
    // A crash stops first and then says why.
    await this.#settings.clock.sleep(2000, this.#over.signal);
    this.#end(new Error('the consumer stopped by itself'));
  }

  async #take(payload: EachBatchPayload): Promise<void> {
    const fetched = payload.batch as unknown as FetchedPartition;
    const { signal } = this.#over;
    if (signal.aborted) return;
    this.#progress();
    if (!this.#events.fetched(this, fetched)) return;
    // At once: what is kept is this side's business from here on, and the next fetch goes on behind it.
    payload.resolveOffset(fetched.lastOffset());
    while (this.#events.full && !signal.aborted) {
      const nap = new AbortController();
      const wake = () => nap.abort();
      signal.addEventListener('abort', wake, { once: true });
      const room = this.#events.room(nap.signal);
      await Promise.race([room, this.#settings.clock.sleep(this.#settings.heartbeatMs, nap.signal)]);
      signal.removeEventListener('abort', wake);
      nap.abort();
      this.#progress();
      // Throws when the group rebalances: kafkajs must see that to join again.
      if (!signal.aborted) await payload.heartbeat();
    }
  }

  /** A consumer that has just stopped refuses; `ended` tells that. */
  #ask(change: () => void): void {
    try {
      change();
    } catch (error) {
      this.#end(error as Error);
    }
  }

  #progress(): void {
    this.#progressAtMs = this.#settings.clock.now();
  }

  /** Heartbeats go on while a fetch hangs, so it is the loop itself that is watched. */
  async #watch(): Promise<void> {
    const { clock, connection, rebalanceTimeoutMs, sessionTimeoutMs } = this.#settings;
    const loopMs = connection.requestTimeoutMs + 5000;
    const joinMs = rebalanceTimeoutMs + sessionTimeoutMs + 5000;
    while (!this.#over.signal.aborted) {
      await clock.sleep(1000, this.#over.signal);
      const silentMs = clock.now() - this.#progressAtMs;
      if (silentMs > (this.#joining ? joinMs : loopMs)) {
        this.#end(new Error(`no progress for ${Math.round(silentMs / 1000)} s`));
      }
    }
  }
}
