import { appendFile, mkdtemp, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { DeadLetter, Log, RawRecord } from '../../../src/engine/ports.ts';
import { FileDeadLetterQueue } from '../../../src/operations/dead-letters/file-queue.ts';
import { LetterFollower } from '../../../src/operations/dead-letters/follow.ts';
import { listCauses, newestDeadLetters, readLetters } from '../../../src/operations/dead-letters/list.ts';
import { planPurge } from '../../../src/operations/dead-letters/purge.ts';
import { deadLetterRecord } from '../../../src/operations/dead-letters/record.ts';
import { afterAct, type LetterStatus, letterStates } from '../../../src/operations/dead-letters/state.ts';
import type { TopicReader } from '../../../src/operations/dead-letters/tail.ts';

const log: Log = { info: () => {}, warn: () => {}, error: () => {} };
const context = { pipeline: 'p', pipelineHash: 'h', secrets: [], form: { redact: [], compat: null } };
const noPace = (): void => undefined;

const letter = (offset: number, failedAtMs: number, word = 'broken'): DeadLetter => ({
  raw: { offset, timestampMs: 1, key: Buffer.from('k'), value: Buffer.from(`{"n":${offset}}`), headers: undefined },
  partition: { cluster: 'c', topic: 'in', topicId: 'T', partition: 0, source: 's' },
  element: '',
  stage: 'decode',
  code: 'json_syntax',
  message: `line ${offset} is ${word}`,
  failedAtMs,
});

describe('a queue in a file', () => {
  let directory: string;
  let file: string;
  let queue: FileDeadLetterQueue;
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'pipectl-follow-'));
    file = join(directory, 'p.dlq.ndjson');
    queue = new FileDeadLetterQueue(file, context);
  });
  afterEach(async () => {
    await queue.close();
    await rm(directory, { recursive: true });
  });
  const follower = () => LetterFollower.ofFile(file);

  it('followed look by look has the numbers `dlq stats` reads, whatever happens to it', async () => {
    const store = letterStates({ file }, log);
    const following = follower();
    // A fixed sequence that looks like chance.
    let seed = 7;
    const below = (n: number): number => (seed = (seed * 48_271) % 2_147_483_647) % n;
    for (let step = 0; step < 150; step++) {
      const act = below(10);
      if (act < 6) {
        const words = ['broken', 'cut', 'empty'];
        const some = Array.from({ length: 1 + below(4) }, () => letter(below(60), 1000 + step, words[below(3)]));
        await queue.append(some);
      } else if (act < 9) {
        const views = await newestDeadLetters({ file }, {}, 1 + below(8), log);
        const states = await store.read();
        const status = (['replayed', 'resolved', 'quarantined', 'open'] as const)[below(4)]!;
        const said = { status, at: new Date(step).toISOString(), by: 'ada', note: null };
        await store.write(views.map((view) => afterAct({ ...view, id: view.id! }, states.get(view.id!), said)));
      } else {
        await (await planPurge({ file }, await store.read(), store, Date.now(), log)).carryOut();
      }
      if (below(3) > 0) continue;
      await following.look(noPace);
      const [{ letters }, list] = await Promise.all([
        readLetters({ file }, {}, await store.read(), log),
        listCauses({ file }, {}, await store.read(), step, log),
      ]);
      const count = (of: LetterStatus): number => letters.filter(({ status }) => status === of).length;
      expect(following.counts!.whole).toEqual({
        open: list.open,
        quarantined: list.quarantined,
        replayed: count('replayed'),
        resolved: count('resolved'),
        uncounted: 0,
      });
      for (const { fingerprint, open, quarantined } of list.causes)
        expect(following.counts!.ofCause(fingerprint)).toMatchObject({ open, quarantined });
    }
    expect(following.counts!.whole).toMatchObject({ open: expect.toSatisfy((open) => open > 5) });
    // Whoever begins now comes to the same.
    const late = follower();
    await late.look(noPace);
    await following.look(noPace);
    expect(late.counts!.whole).toEqual(following.counts!.whole);
  });

  it('waits for the end of a line that is being written, and begins anew where lines were cut off or are others', async () => {
    const following = follower();
    expect(following.counts).toBeNull();
    await following.look(noPace);
    expect(following.counts!.whole.open).toBe(0);
    await queue.append([letter(1, 1), letter(2, 1)]);
    await appendFile(file, '{"timestamp":1,"hea');
    await following.look(noPace);
    expect(following.counts!.whole.open).toBe(2);
    await queue.append([letter(3, 1)]);
    await following.look(noPace);
    expect(following.counts!.whole.open).toBe(3);

    const text = `${JSON.stringify({ timestamp: 1, headers: {}, key: null, value: 'x' })}\n`;
    await truncate(file, 10);
    await appendFile(file, `\n${text}`);
    await following.look(noPace);
    expect(following.counts!.whole.open).toBe(1);
    await rm(file);
    await following.look(noPace);
    expect(following.counts!.whole.open).toBe(0);
    // Longer than what was read before.
    await writeFile(file, text.repeat(5));
    await following.look(noPace);
    expect(following.counts!.whole.open).toBe(5);
  });

  it('goes on where reading was ended half way', async () => {
    await queue.append(Array.from({ length: 9 }, (_, offset) => letter(offset, 1)));
    const following = follower();
    let given = 0;
    const breaks = (): void => {
      if (++given % 4 === 0) throw new Error('away');
    };
    await expect(following.look(breaks)).rejects.toThrow('away');
    expect(following.counts).toBeNull();
    await expect(following.look(breaks)).rejects.toThrow('away');
    await following.look(breaks);
    expect(following.counts!.whole.open).toBe(9);
    expect(given).toBeLessThanOrEqual(11);
  });
});

describe('a queue in a topic', () => {
  /** One partition. */
  interface Topic {
    topicId: string;
    start: number;
    records: RawRecord[];
  }
  const topics = new Map<string, Topic>();
  let reads: number[] = [];
  beforeEach(() => {
    topics.clear();
    reads = [];
  });
  const admin: TopicReader = {
    describeTopics: (names) =>
      Promise.resolve(
        new Map(
          names.flatMap((topic) => {
            const found = topics.get(topic);
            return found ? [[topic, { topic, topicId: found.topicId } as never] as const] : [];
          }),
        ),
      ),
    topicOffsets(topic) {
      const { start, records } = topics.get(topic)!;
      return Promise.resolve([{ partition: 0, start, end: start + records.length }]);
    },
    async readSpans(topic, spans, { onRecord }) {
      const { start, records } = topics.get(topic)!;
      for (const { from, to } of spans)
        for (const record of records.slice(from - start, to - start)) {
          reads.push(record.offset);
          await onRecord(record, 0);
        }
    },
  };
  const add = (...letters: readonly DeadLetter[]): void => {
    const topic = topics.get('dlq') ?? { topicId: 'one', start: 0, records: [] };
    topics.set('dlq', topic);
    for (const one of letters)
      topic.records.push({ ...deadLetterRecord(one, context), offset: topic.start + topic.records.length });
  };
  const deleteBelow = (offset: number): void => {
    const topic = topics.get('dlq')!;
    topic.records.splice(0, offset - topic.start);
    topic.start = offset;
  };
  const follower = () => LetterFollower.ofTopic('dlq', () => Promise.resolve(admin));

  it('is empty before it is made, reads each record once, and forgets what the broker deletes', async () => {
    const following = follower();
    await following.look(noPace);
    expect(following.counts!.whole.open).toBe(0);
    add(letter(1, 1), letter(2, 1), letter(3, 1));
    await following.look(noPace);
    add(letter(4, 1));
    await following.look(noPace);
    await following.look(noPace);
    expect(following.counts!.whole.open).toBe(4);
    expect(reads).toEqual([0, 1, 2, 3]);
    deleteBelow(3);
    await following.look(noPace);
    expect(following.counts!.whole.open).toBe(1);
    expect(reads).toHaveLength(4);
  });

  it('counts anew where the topic is another one, or has lost its last records', async () => {
    const following = follower();
    add(letter(1, 1), letter(2, 1), letter(3, 1));
    await following.look(noPace);
    topics.get('dlq')!.records.pop();
    await following.look(noPace);
    expect(following.counts!.whole.open).toBe(2);
    topics.delete('dlq');
    add(letter(7, 1));
    topics.get('dlq')!.topicId = 'two';
    await following.look(noPace);
    expect(following.counts!.whole.open).toBe(1);
    topics.delete('dlq');
    await following.look(noPace);
    expect(following.counts!.whole.open).toBe(0);
  });
});
