/** What every Kafka source must keep to, on a real broker. `engine/ports.ts` has the contract in words. */
import { randomBytes } from 'node:crypto';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { openKafkaAdmin, type KafkaAdmin } from '../../src/connections/kafka/admin.ts';
import { GroupSource, type GroupSourceSettings } from '../../src/connections/kafka/group-source.ts';
import { openKafkaProducer } from '../../src/connections/kafka/producer.ts';
import type { Assignment, Chunk, Log, Partition, Source, SourceEvent } from '../../src/engine/ports.ts';
import { systemClock } from '../../src/runtime/clock.ts';

export type Connection = Readonly<Record<string, unknown>>;

export interface SourceOptions {
  readonly topics: readonly string[];
  readonly group: string;
  readonly start?: 'earliest' | 'latest' | number;
  readonly untilEnd?: boolean;
  readonly bufferBytesMax?: number;
  readonly fetchBytesMax?: number;
}

export interface KafkaSourceContract {
  /** Options of the `kafka` connection. */
  readonly connection: () => Connection;
}

/** Members of the group keep their session for this long. */
const sessionTimeoutMs = 6000;

/** What a group source of a test is made with. */
export function groupSettings(
  connection: Connection,
  { topics, start = 'earliest', ...options }: SourceOptions,
): GroupSourceSettings {
  return {
    connection,
    inputs: [{ source: 'orders', topics, start }],
    instance: null,
    untilEnd: false,
    bufferBytesMax: 32 << 20,
    fetchBytesMax: 16 << 20,
    partitionBytesMax: 1 << 20,
    fetchWaitMs: 100,
    sessionTimeoutMs,
    rebalanceTimeoutMs: 2 * sessionTimeoutMs,
    heartbeatMs: 300,
    clock: systemClock,
    random: Math.random,
    log: silent,
    ...options,
  };
}

export const silent: Log = { info() {}, warn() {}, error() {} };
export const unique = (prefix: string): string => `${prefix}-${randomBytes(5).toString('hex')}`;
const within = { timeout: 30_000, interval: 50 };
const all = { recordsMax: 1_000_000, bytesMax: 1 << 30 };

/** What the engine does, in short: answers assignments, takes records, and checks what the port promises. */
export class Member {
  readonly source: Source;
  readonly values: string[] = [];
  readonly assignments: Assignment[] = [];
  /** Next offset per partition number, of the present generation. */
  positions = new Map<Partition, number>();
  generation = 0;
  ended = false;
  failure: Error | null = null;
  readonly #from: (assignment: Assignment) => ReadonlyMap<Partition, number>;

  constructor(source: Source, from = committedOrInitial) {
    this.source = source;
    this.#from = from;
  }

  /** Goes on until the source ends. */
  async run(): Promise<void> {
    try {
      while (!this.ended) this.take(await this.source.next(all));
    } catch (error) {
      this.failure = error as Error;
    }
  }

  take(event: SourceEvent): void {
    switch (event.kind) {
      case 'ended':
        this.ended = true;
        break;
      case 'assigned':
        expect(event.assignment.generation).toBeGreaterThan(this.generation);
        this.generation = event.assignment.generation;
        this.assignments.push(event.assignment);
        this.positions = new Map(this.#from(event.assignment));
        this.source.begin(this.generation, this.positions);
        break;
      case 'records':
        expect(event.generation).toBe(this.generation);
        for (const chunk of event.chunks) this.#takeChunk(chunk);
        break;
    }
  }

  get partitions(): number[] {
    return [...this.positions.keys()].map(({ partition }) => partition).toSorted((a, b) => a - b);
  }

  commit() {
    return this.source.commit(this.generation, this.positions);
  }

  #takeChunk({ partition, records, nextOffset }: Chunk): void {
    let position = this.positions.get(partition);
    expect(position, 'a partition that was assigned').toBeTypeOf('number');
    for (const record of records) {
      expect(record.offset).toBeGreaterThanOrEqual(position!);
      position = record.offset + 1;
      this.values.push(Buffer.from(record.value ?? []).toString());
    }
    expect(nextOffset).toBeGreaterThanOrEqual(position!);
    this.positions.set(partition, nextOffset);
  }
}

export function committedOrInitial({ partitions }: Assignment): ReadonlyMap<Partition, number> {
  return new Map(partitions.map(({ partition, committed, initial }) => [partition, committed ?? initial]));
}

/** A topic of its own for one test, with values `0` to `count - 1`. */
export async function topicWith(
  connection: Connection,
  { partitions, count, bytes = 0 }: { partitions: number; count: number; bytes?: number },
) {
  const admin = await openKafkaAdmin(connection, silent);
  const producer = openKafkaProducer(connection, silent);
  onTestFinished(async () => {
    await producer.close();
    await admin.close();
  });
  const topic = unique('contract');
  await admin.createTopic({ topic, partitions });
  const produce = (from: number, to: number, over = partitions) =>
    producer.produceAll(
      topic,
      Array.from({ length: to - from }, (_, at) => ({
        key: null,
        value: Buffer.from(String(from + at).padEnd(bytes, ' ')),
        headers: {},
        partition: (from + at) % over,
      })),
    );
  await produce(0, count);
  return { topic, admin, produce };
}

const numbers = (from: number, to: number): number[] => Array.from({ length: to - from }, (_, at) => from + at);
const asNumbers = (values: readonly string[]): number[] => values.map(Number).toSorted((a, b) => a - b);

export function kafkaSourceContract({ connection }: KafkaSourceContract): void {
  async function join(options: SourceOptions, from = committedOrInitial): Promise<Member> {
    const member = new Member(new GroupSource(groupSettings(connection(), options)), from);
    onTestFinished(() => member.source.close());
    await member.source.start();
    return member;
  }

  async function memberIds(admin: KafkaAdmin, group: string): Promise<string[]> {
    return (await admin.groupDescription(group)).members.map(({ memberId }) => memberId);
  }

  describe('assignment', () => {
    test('comes before the first record, and says where each log begins, ends and was committed', async () => {
      const { topic, admin } = await topicWith(connection(), { partitions: 2, count: 10 });
      const group = unique('group');
      const member = await join({ topics: [topic], group });
      const first = await member.source.next(all);
      const topicId = (await admin.describeTopics([topic])).get(topic)?.topicId;
      expect(topicId).toMatch(/^[0-9a-f]{32}$/);
      expect(first).toMatchObject({
        kind: 'assigned',
        assignment: {
          partitions: [0, 1].map((partition) => ({
            partition: { topic, topicId, partition, cluster: expect.any(String) },
            committed: null,
            logStart: 0,
            logEnd: 5,
            initial: 0,
          })),
        },
      });
      member.take(first);
      member.take(await member.source.next(all));
      expect(member.values.length).toBeGreaterThan(0);
    });

    test('is answered with the positions reading starts from, forward and back', async () => {
      const { topic } = await topicWith(connection(), { partitions: 1, count: 10 });
      const member = await join({ topics: [topic], group: unique('group'), untilEnd: true }, ({ partitions }) => {
        return new Map(partitions.map(({ partition }) => [partition, 7]));
      });
      await member.run();
      expect(member.values).toEqual(['7', '8', '9']);
      const back = await join({ topics: [topic], group: unique('group'), start: 'latest', untilEnd: true }, (given) => {
        expect(given.partitions[0]?.initial).toBe(10);
        return new Map(given.partitions.map(({ partition }) => [partition, 0]));
      });
      await back.run();
      expect(back.values).toHaveLength(10);
    });

    test('lets nothing through until it is answered', async () => {
      const { topic, produce } = await topicWith(connection(), { partitions: 1, count: 5 });
      const member = await join({ topics: [topic], group: unique('group') });
      const assigned = await member.source.next(all);
      await produce(5, 10);
      const early = vi.fn<() => void>();
      const next = member.source.next(all);
      void next.then(early);
      await new Promise((resolve) => setTimeout(resolve, 500));
      expect(early).not.toHaveBeenCalled();
      member.take(assigned);
      member.take(await next);
      await vi.waitFor(async () => {
        if (member.values.length < 10) member.take(await member.source.next(all));
        expect(member.values).toHaveLength(10);
      }, within);
    });

    test('is shared by two members and handed over, with every record read once when positions are committed', async () => {
      const { topic, produce } = await topicWith(connection(), { partitions: 4, count: 400 });
      const group = unique('group');
      const [one, two] = [await join({ topics: [topic], group }), await join({ topics: [topic], group })];
      const running = [one.run(), two.run()];
      await vi.waitFor(() => {
        expect([one.partitions.length, two.partitions.length]).toEqual([2, 2]);
        expect(new Set([...one.partitions, ...two.partitions])).toEqual(new Set([0, 1, 2, 3]));
      }, within);
      // What the first of them read alone, before the second came, was not committed: it comes again.
      await vi.waitFor(() => {
        expect([...one.positions.values(), ...two.positions.values()]).toEqual([100, 100, 100, 100]);
      }, within);
      expect(new Set([...one.values, ...two.values]).size).toBe(400);
      await vi.waitFor(
        async () => expect([await one.commit(), await two.commit()]).toEqual(['committed', 'committed']),
        within,
      );
      const before = one.values.length + two.values.length;
      const read = one.values.length;
      await two.source.close();
      await vi.waitFor(() => expect(one.partitions).toEqual([0, 1, 2, 3]), within);
      await produce(400, 500);
      await vi.waitFor(() => expect(asNumbers(one.values.slice(read))).toEqual(numbers(400, 500)), within);
      expect(one.values.length + two.values.length).toBe(before + 100);
      await one.source.close();
      await Promise.all(running);
    });

    test('is given anew to a member the coordinator has forgotten', async () => {
      const { topic, admin, produce } = await topicWith(connection(), { partitions: 1, count: 5 });
      const group = unique('group');
      const member = await join({ topics: [topic], group });
      const running = member.run();
      await vi.waitFor(() => expect(member.values).toHaveLength(5), within);
      expect(await member.commit()).toBe('committed');
      const [id] = await memberIds(admin, group);
      await admin.removeMember(group, id!);
      await vi.waitFor(() => expect(member.assignments).toHaveLength(2), within);
      await produce(5, 8);
      await vi.waitFor(() => expect(asNumbers(member.values)).toEqual(numbers(0, 8)), within);
      expect(await memberIds(admin, group)).not.toContain(id);
      await member.source.close();
      await running;
    });

    test('is given anew on request to a member that still owns it, under a newer generation', async () => {
      const { topic } = await topicWith(connection(), { partitions: 2, count: 4 });
      const member = await join({ topics: [topic], group: unique('group') });
      const running = member.run();
      await vi.waitFor(() => expect(member.values).toHaveLength(4), within);
      const former = member.generation;
      await member.source.reassign();
      await vi.waitFor(() => expect(member.generation).toBeGreaterThan(former), within);
      expect(member.partitions).toEqual([0, 1]);
      await vi.waitFor(() => expect(member.values).toHaveLength(8), within);
      expect(await member.source.commit(former, member.positions)).toBe('refused');
      expect(await member.commit()).toBe('committed');
      await member.source.close();
      await running;
    });

    test('that is answered beyond the end it told of is given again, with the end as it is by then', async () => {
      const { topic, produce } = await topicWith(connection(), { partitions: 1, count: 4 });
      const member = await join({ topics: [topic], group: unique('group') }, ({ partitions }) => {
        return new Map(partitions.map(({ partition }) => [partition, 6]));
      });
      const first = await member.source.next(all);
      await produce(4, 8);
      member.take(first);
      const running = member.run();
      await vi.waitFor(() => expect(member.values).toEqual(['6', '7']), within);
      expect(member.assignments.map(({ partitions }) => partitions[0]?.logEnd)).toEqual([4, 8]);
      await member.source.close();
      await running;
    });

    test.each([false, true])(
      'that is answered beyond the end again and again ends the source (bounded: %s)',
      async (untilEnd) => {
        const { topic } = await topicWith(connection(), { partitions: 1, count: 4 });
        const member = await join({ topics: [topic], group: unique('group'), untilEnd }, ({ partitions }) => {
          return new Map(partitions.map(({ partition }) => [partition, 6]));
        });
        await member.run();
        expect(member.failure).toMatchObject({ name: 'SourceFailed', code: 'data_loss' });
        expect(member.ended).toBe(false);
      },
    );
  });

  describe('back-pressure', () => {
    test('holds no more than the buffer and a fetch, and a member that is stopped for longer than its session stays one', async () => {
      const bufferBytesMax = 1 << 20;
      const fetchBytesMax = 1 << 20;
      const { topic, admin } = await topicWith(connection(), { partitions: 2, count: 8000, bytes: 1000 });
      const group = unique('group');
      const member = await join({ topics: [topic], group, bufferBytesMax, fetchBytesMax });
      member.take(await member.source.next(all));
      const before = await vi.waitFor(async () => {
        const ids = await memberIds(admin, group);
        expect(ids).toHaveLength(1);
        return ids;
      }, within);
      await new Promise((resolve) => setTimeout(resolve, sessionTimeoutMs + 1500));
      expect(await memberIds(admin, group)).toEqual(before);
      const event = await member.source.next(all);
      member.take(event);
      // Whole batches of both partitions, and nothing that came after the buffer was full.
      expect(member.values.length * 1000).toBeLessThan(bufferBytesMax + 2 * fetchBytesMax);
      expect(member.values.length * 1000).toBeGreaterThan(bufferBytesMax / 2);
      const running = member.run();
      await vi.waitFor(() => expect(asNumbers(member.values)).toEqual(numbers(0, 8000)), within);
      expect(member.assignments).toHaveLength(1);
      await member.source.close();
      await running;
    });

    test('gives an epoch no more than its limits, and goes on where it was cut', async () => {
      const { topic } = await topicWith(connection(), { partitions: 1, count: 100 });
      const member = await join({ topics: [topic], group: unique('group'), untilEnd: true });
      const sizes: number[] = [];
      while (!member.ended) {
        const before = member.values.length;
        const event = await member.source.next({ recordsMax: 30, bytesMax: 1 << 20 });
        member.take(event);
        if (event.kind === 'records') sizes.push(member.values.length - before);
      }
      expect(Math.max(...sizes)).toBeLessThanOrEqual(30);
      expect(member.values).toEqual(numbers(0, 100).map(String));
    });
  });

  describe('commit', () => {
    test('moves the offsets of the group, from which the next member goes on', async () => {
      const { topic, admin } = await topicWith(connection(), { partitions: 1, count: 10 });
      const group = unique('group');
      const first = await join({ topics: [topic], group });
      first.take(await first.source.next(all));
      const [partition] = first.positions.keys();
      expect(await first.source.commit(first.generation, new Map([[partition!, 4]]))).toBe('committed');
      expect(await admin.groupOffsets(group)).toEqual(new Map([[topic, new Map([[0, 4]])]]));
      await first.source.close();
      const second = await join({ topics: [topic], group, untilEnd: true });
      await second.run();
      expect(second.values).toEqual(['4', '5', '6', '7', '8', '9']);
    });

    test('of a former generation is refused, and changes nothing', async () => {
      const { topic, admin } = await topicWith(connection(), { partitions: 2, count: 10 });
      const group = unique('group');
      const first = await join({ topics: [topic], group });
      first.take(await first.source.next(all));
      const { generation, positions } = first;
      const second = await join({ topics: [topic], group });
      const running = [first.run(), second.run()];
      await vi.waitFor(() => expect([first.partitions.length, second.partitions.length]).toEqual([1, 1]), within);
      expect(await first.source.commit(generation, positions)).toBe('refused');
      expect(await admin.groupOffsets(group)).toEqual(new Map());
      await Promise.all([first.source.close(), second.source.close()]);
      await Promise.all(running);
    });
  });

  describe('the end', () => {
    test('of a bounded read is where the log ended at start, whatever is written afterwards', async () => {
      const { topic, produce } = await topicWith(connection(), { partitions: 3, count: 30 });
      const member = await join({ topics: [topic], group: unique('group'), untilEnd: true });
      await produce(30, 60);
      await member.run();
      expect(member.failure).toBeNull();
      expect(asNumbers(member.values)).toEqual(numbers(0, 30));
    });

    test('of an empty topic is at once', async () => {
      const { topic } = await topicWith(connection(), { partitions: 1, count: 0 });
      const member = await join({ topics: [topic], group: unique('group'), untilEnd: true });
      await member.run();
      expect([member.ended, member.values]).toEqual([true, []]);
    });

    test('by close leaves the group within two seconds and ends a pending next', async () => {
      const { topic, admin } = await topicWith(connection(), { partitions: 1, count: 1 });
      const group = unique('group');
      const member = await join({ topics: [topic], group });
      const running = member.run();
      await vi.waitFor(() => expect(member.values).toHaveLength(1), within);
      const began = performance.now();
      await member.source.close();
      expect(performance.now() - began).toBeLessThan(2000);
      await running;
      expect(member.ended).toBe(true);
      expect((await admin.groupDescription(group)).state).toBe('Empty');
    });
  });
}
