/** A Kafka consumer group as the engine's `Source`. The contract of each method stands in `engine/ports.ts`. */
import { backoffMs } from '../../engine/backoff.ts';
import {
  SourceFailed,
  type Assignment,
  type Clock,
  type GatherLimits,
  type Log,
  type Partition,
  type Source,
  type SourceEvent,
} from '../../engine/ports.ts';
import { PipectlError } from '../../errors.ts';
import { openKafkaAdmin, type KafkaAdmin } from './admin.ts';
import { isTransient, kafkaErrorType } from './client.ts';
import { readConnection } from './connection.ts';
import { Delivery, type Feed } from './delivery.ts';
import type { FetchedPartition } from './fetched-partition.ts';
import { GroupSession, type SessionEvents } from './group-session.ts';
import { GroupTopics, type Owned, placeKey } from './group-topics.ts';
import type { KafkaInput } from './topics.ts';

export interface KafkaSourceSettings {
  /** Options of the `kafka` connection. */
  readonly connection: Readonly<Record<string, unknown>>;
  /** One at least; no two may read the same topic. */
  readonly inputs: readonly KafkaInput[];
  /** What may be fetched ahead of the engine; one fetch may go beyond it. */
  readonly bufferBytesMax: number;
  /** Most of one fetch, and of one partition in it. */
  readonly fetchBytesMax: number;
  readonly partitionBytesMax: number;
  /** How long a broker may wait for data. */
  readonly fetchWaitMs: number;
  readonly clock: Clock;
  readonly random: () => number;
  readonly log: Log;
}

export interface GroupSourceSettings extends KafkaSourceSettings {
  readonly group: string;
  /** Of a static member (KIP-345), unique in the group; null: none. */
  readonly instance: string | null;
  readonly untilEnd: boolean;
  /** With `untilEnd`: the first record of each partition at or after this time is not read. Default: to the end. */
  readonly untilMs?: number;
  readonly sessionTimeoutMs: number;
  readonly rebalanceTimeoutMs: number;
  readonly heartbeatMs: number;
}

/** The group has moved on, or forgotten us. */
const movedOn = new Set([
  'ILLEGAL_GENERATION',
  'UNKNOWN_MEMBER_ID',
  'REBALANCE_IN_PROGRESS',
  'FENCED_INSTANCE_ID',
  'KafkaJSNonRetriableError', // no consumer runs
]);
const commitForMs = 10_000;
const reconnectMsMax = 5000;
const leaveWithinMs = 1500;
/** So often a position beyond the end, or a missing topic, is taken for a cluster that has not settled. */
const unsettledTries = 4;
/** So often it is looked whether topics are the same ones, and whether new ones fit a pattern. */
const topicsEveryMs = 5_000;

export class GroupSource implements Source, SessionEvents {
  readonly #settings: GroupSourceSettings;
  readonly #delivery: Delivery;
  readonly #closing = new AbortController();
  /** Ends the connections of every session that is left. */
  readonly #cut = new AbortController();
  #admin!: KafkaAdmin;
  #topics!: GroupTopics;
  #bounds: ReadonlyMap<string, number> | null = null;
  #session: GroupSession | null = null;
  #owned: Owned = {};
  #generation = 0;
  /** What was announced and not yet begun, and what is being read. */
  #assignment: Assignment | null = null;
  #feeds = new Map<string, Feed>();
  /** Sessions in a row that did not get as far as an assignment. */
  #failures = 0;
  /** Assignments in a row that were to begin beyond the end of a log. */
  #beyondEnd = 0;

  constructor(settings: GroupSourceSettings) {
    this.#settings = settings;
    this.#delivery = new Delivery(settings.bufferBytesMax, settings.untilEnd);
  }

  async start(signal?: AbortSignal): Promise<void> {
    const { connection, log, inputs, untilEnd, untilMs } = this.#settings;
    this.#admin = await openKafkaAdmin(connection, log, signal);
    try {
      this.#topics = await GroupTopics.find(this.#admin, this.#settings);
      if (untilEnd) this.#bounds = await this.#topics.ends(untilMs);
    } catch (error) {
      await this.#admin.close();
      throw error;
    }
    void this.#supervise();
    const followsPattern = !untilEnd && inputs.some(({ topics }) => topics instanceof RegExp);
    void this.#watchTopics(followsPattern);
  }

  async next(limits: GatherLimits): Promise<SourceEvent> {
    const event = await this.#delivery.next(limits);
    // A run to the end may be over before it is time to look again.
    const anew = event.kind === 'ended' && !this.#closing.signal.aborted ? await this.#topicMadeAnew() : null;
    if (anew === null) return event;
    const message = `${anew} was created anew while it was read: it is another log now`;
    throw new SourceFailed('topic_recreated', message);
  }

  begin(generation: number, positions: ReadonlyMap<Partition, number>): void {
    const assignment = this.#assignment;
    const session = this.#session;
    // A newer assignment is on its way, or the client is being rebuilt and brings one.
    if (generation !== this.#generation || assignment === null || session === null) return;
    this.#assignment = null;
    const beyond = assignment.partitions.find(({ partition, logEnd }) => (positions.get(partition) ?? 0) > logEnd);
    this.#beyondEnd = beyond === undefined ? 0 : this.#beyondEnd + 1;
    if (beyond !== undefined) {
      if (this.#beyondEnd < unsettledTries) return void this.#lookAgain(session, generation);
      return this.#lose(beyond.partition, positions.get(beyond.partition)!, beyond.logStart, beyond.logEnd);
    }
    const feeds: Feed[] = [];
    for (const { partition, logStart, logEnd } of assignment.partitions) {
      const position = positions.get(partition);
      if (position === undefined) throw new Error(`no position for ${partition.topic} ${partition.partition}`);
      if (position < logStart) return this.#lose(partition, position, logStart, logEnd);
      const key = placeKey(partition.topic, partition.partition);
      const bound = this.#bounds === null ? null : (this.#bounds.get(key) ?? position);
      const feed: Feed = { partition, fetched: position, delivered: position, end: logEnd, bound };
      feeds.push(feed);
      this.#feeds.set(key, feed);
      if (isDone(feed)) continue;
      session.seek({ topic: partition.topic, partition: partition.partition, offset: position });
      session.resume(partition.topic, partition.partition);
    }
    this.#delivery.open(feeds);
  }

  async commit(
    generation: number,
    positions: ReadonlyMap<Partition, number>,
  ): Promise<'committed' | 'refused' | 'failed'> {
    const { clock, random, log, group } = this.#settings;
    const offsets = [...positions].map(([{ topic, partition }, offset]) => ({ topic, partition, offset }));
    if (offsets.length === 0) return 'committed';
    const deadlineMs = clock.now() + commitForMs;
    for (let attempt = 1; ; attempt++) {
      const session = this.#session;
      // Asked before every try: a repeat after a rejoin would speak for the new generation.
      if (generation !== this.#generation || session === null) return 'refused';
      try {
        return (await session.commit(offsets)) ? 'committed' : 'refused';
      } catch (error) {
        if (movedOn.has(kafkaErrorType(error))) return 'refused';
        if (!isTransient(error) || clock.now() > deadlineMs || this.#closing.signal.aborted) {
          log.warn('kafka_commit_failed', `committing offsets of group ${group}: ${(error as Error).message}`);
          return 'failed';
        }
        await clock.sleep(backoffMs(attempt, random(), 50, 1000), this.#closing.signal);
      }
    }
  }

  async reassign(): Promise<void> {
    const session = this.#session;
    const generation = this.#generation;
    if (session === null) return;
    const description = await this.#admin.groupDescription(this.#settings.group).catch(() => null);
    // In the meantime the group has answered by itself.
    if (generation !== this.#generation || session !== this.#session) return;
    const member = description?.members.some(({ memberId }) => memberId === session.memberId) === true;
    if (!member) session.abandon(new Error('the group no longer knows this member'));
    // While the group rebalances, the next heartbeat brings the new assignment.
    else if (description?.state === 'Stable') this.joined(session, this.#owned);
  }

  ends(): ReadonlyMap<Partition, number> {
    return new Map(this.#delivery.feeds.map(({ partition, end }) => [partition, end]));
  }

  async close(): Promise<void> {
    this.#closing.abort();
    this.#delivery.end();
    const session = this.#session;
    this.#session = null;
    const left = new AbortController();
    const leaving = Promise.resolve(session?.close()).finally(() => left.abort());
    await Promise.race([leaving, this.#settings.clock.sleep(leaveWithinMs, left.signal)]);
    this.#cut.abort();
    await (this.#admin as KafkaAdmin | undefined)?.close();
  }

  // -- what the session tells ---------------------------------------------------------------------------------------

  joined(session: GroupSession, owned: Owned): void {
    if (session !== this.#session) return;
    session.pause(owned);
    this.#failures = 0;
    this.#owned = owned;
    this.#forget();
    void this.#announce(this.#generation, owned);
  }

  fetched(session: GroupSession, fetched: FetchedPartition): boolean {
    const feed = this.#feeds.get(placeKey(fetched.topic, fetched.partition));
    if (session !== this.#session || feed === undefined) return false;
    if (Number(fetched.fetchedOffset) !== feed.fetched) {
      // From before a rebalance, or the client lost its place: only what joins on exactly is taken.
      session.seek({ topic: fetched.topic, partition: fetched.partition, offset: feed.fetched });
      return false;
    }
    this.#delivery.add(feed, fetched);
    if (isDone(feed)) session.pause({ [fetched.topic]: [fetched.partition] });
    return true;
  }

  get full(): boolean {
    return this.#delivery.full;
  }

  room(signal: AbortSignal): Promise<void> {
    return this.#delivery.room(signal);
  }

  // -- inside -------------------------------------------------------------------------------------------------------

  /** Nothing of what was fetched is delivered any more, and no commit is taken, until a new assignment has begun. */
  #forget(): void {
    this.#generation++;
    this.#assignment = null;
    this.#feeds = new Map();
    this.#delivery.reset(this.#generation);
  }

  /** Another member may have written what came after the end was looked up, or the cluster has not settled. */
  async #lookAgain(session: GroupSession, generation: number): Promise<void> {
    const { clock, random } = this.#settings;
    await clock.sleep(backoffMs(this.#beyondEnd, random(), 200, 1000), this.#closing.signal);
    if (generation === this.#generation) this.joined(session, this.#owned);
  }

  /** Keeps a consumer running. Whatever breaks it, the next one comes with a new generation. */
  async #supervise(): Promise<void> {
    const { clock, random, log, group, connection } = this.#settings;
    const { signal } = this.#closing;
    let former = '';
    while (!signal.aborted) {
      const session = new GroupSession(
        {
          ...this.#settings,
          connection: readConnection(connection),
          topics: this.#topics.names,
          cut: this.#cut.signal,
        },
        this,
      );
      this.#session = session;
      if (former !== '' && this.#settings.instance === null) void this.#dismiss(former, session);
      void session.run();
      const reason = await session.ended;
      if (signal.aborted) return;
      former = session.memberId === '' ? former : session.memberId;
      this.#session = null;
      // Another member may own our partitions from now on.
      this.#forget();
      void session.close();
      const failure = await this.#fatal(reason);
      if (failure !== null) return this.#delivery.fail(failure);
      this.#failures++;
      const waitMs = backoffMs(this.#failures, random(), 200, reconnectMsMax);
      log.warn('kafka_reconnecting', `the consumer of group ${group} ended (${reason.message}), next in ${waitMs} ms`);
      await clock.sleep(waitMs, signal);
    }
  }

  async #watchTopics(followsPattern: boolean): Promise<void> {
    const { signal } = this.#closing;
    for (;;) {
      await this.#settings.clock.sleep(topicsEveryMs, signal);
      if (signal.aborted) return;
      await Promise.all([this.#lookForAnew(), followsPattern ? this.#lookForAdded() : undefined]);
    }
  }

  /** A topic that fits a pattern and is new is read from its first record: the group is joined again with it. */
  async #lookForAdded(): Promise<void> {
    const { log, group } = this.#settings;
    const added = await this.#topics.takeUpAdded();
    if (added.length === 0) return;
    const names = added.join(', ');
    log.info('kafka_topics_added', `group ${group} also reads ${names}`);
    this.#session?.abandon(new Error(`new topics: ${names}`));
  }

  /** The next assignment brings its id to the engine, which stops. */
  async #lookForAnew(): Promise<void> {
    const session = this.#session;
    const anew = await this.#topicMadeAnew();
    if (anew !== null) session?.abandon(new Error(`${anew} was created anew`));
  }

  /**
   * A topic that is deleted, created anew and filled beyond our position between two fetches looks like the former one to
   * them: only its id tells.
   */
  #topicMadeAnew(): Promise<string | null> {
    return this.#topics.findAnew([...this.#feeds.values()].map(({ partition }) => partition));
  }

  /** What is left of a member that broke would hold up the join of the next until its session expires. */
  async #dismiss(former: string, session: GroupSession): Promise<void> {
    const { clock, group } = this.#settings;
    while (session === this.#session && session.memberId === '') {
      const done = await this.#admin.removeMember(group, former).then(
        () => true,
        () => false,
      );
      if (done) return;
      await clock.sleep(500, this.#closing.signal);
    }
  }

  /** What no new connection can mend. */
  async #fatal(reason: Error): Promise<SourceFailed | null> {
    if (kafkaErrorType(reason) === 'FENCED_INSTANCE_ID') {
      const { group, instance } = this.#settings;
      const message = `another member of group ${group} has joined as instance ${instance}`;
      return new SourceFailed('kafka_instance_fenced', message, { cause: reason });
    }
    if (!isTransient(reason)) {
      const code = kafkaErrorType(reason).endsWith('_AUTHORIZATION_FAILED')
        ? 'kafka_not_authorized'
        : 'kafka_login_failed';
      return new SourceFailed(code, reason.message, { cause: reason });
    }
    if (kafkaErrorType(reason) === 'KafkaJSGroupCoordinatorNotFound') {
      // kafkajs does not tell why.
      const refusal: unknown = await this.#admin
        .groupDescription(this.#settings.group)
        .catch((error: unknown) => error);
      if (refusal instanceof PipectlError && refusal.code === 'kafka_not_authorized')
        return new SourceFailed(refusal.code, refusal.message, { cause: refusal });
    }
    if (this.#failures < unsettledTries || kafkaErrorType(reason) !== 'UNKNOWN_TOPIC_OR_PARTITION') return null;
    return this.#topics.check().then(
      () => null,
      (error: Error) => new SourceFailed('kafka_topic_missing', error.message, { cause: error }),
    );
  }

  #lose({ topic, partition }: Partition, position: number, logStart: number, logEnd: number): void {
    const happened =
      position < logStart
        ? `${logStart - position} offsets were deleted before they were read`
        : 'the log was cut off or the topic was created anew';
    const place = `${topic} partition ${partition}`;
    const message = `${place}: offset ${position} is next, but the log holds ${logStart} to ${logEnd}: ${happened}`;
    const offset = position < logStart ? logStart : logEnd;
    this.#delivery.fail(new SourceFailed('data_loss', message, { goOn: [{ topic, partition, offset }] }));
  }

  async #announce(generation: number, owned: Owned): Promise<void> {
    const { clock, random, log, group } = this.#settings;
    for (let attempt = 1; generation === this.#generation && !this.#closing.signal.aborted; attempt++) {
      try {
        const partitions = await this.#topics.describe(owned);
        if (generation !== this.#generation) return;
        this.#assignment = { generation, partitions };
        log.info('kafka_assigned', `group ${group}: ${partitions.length} partitions`, { generation });
        this.#delivery.announce(this.#assignment);
        return;
      } catch (error) {
        log.warn('kafka_assignment_failed', `looking up offsets of group ${group}: ${(error as Error).message}`);
        await clock.sleep(backoffMs(attempt, random(), 100, reconnectMsMax), this.#closing.signal);
      }
    }
  }
}

function isDone({ bound, fetched }: Feed): boolean {
  return bound !== null && fetched >= bound;
}
