/** Which topics a source reads. */
import { PipectlError } from '../../errors.ts';
import type { KafkaAdmin } from './admin.ts';

export type TopicSelection = readonly string[] | RegExp;

/** Where reading starts without a position: the first record, the end, or the first record at or after a time (ms). */
export type StartAt = 'earliest' | 'latest' | number;

/** What one source of the pipeline reads. */
export interface KafkaInput {
  /** Its name. */
  readonly source: string;
  readonly topics: TopicSelection;
  readonly start: StartAt;
}

/** A list as it is, or `/regex/` read. Undefined when the expression is not readable. */
export function readSelection(topics: string | readonly string[]): TopicSelection | undefined {
  if (typeof topics !== 'string') return topics;
  const pattern = /^\/(.+)\/$/s.exec(topics)?.[1];
  if (pattern === undefined) return [topics];
  try {
    return new RegExp(pattern, 'u');
  } catch {
    return undefined;
  }
}

/** The names of topics that exist. Rejects with `kafka_topic_missing` when one does not, or none fits the pattern. */
export async function findTopics(admin: KafkaAdmin, selection: TopicSelection): Promise<readonly string[]> {
  if (selection instanceof RegExp) {
    const found = (await admin.topics()).filter((topic) => selection.test(topic));
    if (found.length > 0) return found;
    throw new PipectlError('kafka_topic_missing', `no topic fits /${selection.source}/`);
  }
  const existing = await admin.describeTopics(selection);
  const missing = selection.filter((topic) => !existing.has(topic));
  if (missing.length === 0) return selection;
  const near = nearTopics(missing[0]!, await admin.topics());
  throw new PipectlError(
    'kafka_topic_missing',
    `${missing.length === 1 ? 'topic' : 'topics'} ${missing.join(', ')} not found` +
      (near.length === 0 ? '' : `; there is ${near.join(', ')}`),
  );
}

type TopicReader = Pick<KafkaInput, 'source' | 'topics'>;

/**
 * The topics that exist, each with the one of `readers` that reads it. Rejects like `findTopics`, and with `source_topics`
 * where two of them read the same: a record is one source's.
 */
export async function topicReaders<T extends TopicReader>(
  admin: KafkaAdmin,
  readers: readonly T[],
): Promise<ReadonlyMap<string, T>> {
  const { found, contested } = await assignTopics(admin, readers);
  const [first] = contested;
  if (first === undefined) return found;
  throw new PipectlError('source_topics', first[1], { hint: 'read each topic in one source' });
}

/** The same, with those that two readers read left out: each has its sentence in `contested`. */
export async function assignTopics<T extends TopicReader>(
  admin: KafkaAdmin,
  readers: readonly T[],
): Promise<{ readonly found: ReadonlyMap<string, T>; readonly contested: ReadonlyMap<string, string> }> {
  const found = new Map<string, T>();
  const contested = new Map<string, string>();
  for (const reader of readers) {
    for (const topic of await findTopics(admin, reader.topics)) {
      const other = found.get(topic) ?? reader;
      if (other === reader) found.set(topic, reader);
      else contested.set(topic, `topic ${topic} is read by two sources, ${other.source} and ${reader.source}`);
    }
  }
  for (const topic of contested.keys()) found.delete(topic);
  return { found, contested };
}

/** Names that share most of their pairs of letters with `name` (Dice's coefficient), best first, at most three. */
export function nearTopics(name: string, topics: readonly string[]): string[] {
  const pairs = pairsOf(name);
  return topics
    .map((topic) => {
      const others = pairsOf(topic);
      const shared = [...pairs].filter((pair) => others.has(pair)).length;
      return { topic, likeness: (2 * shared) / (pairs.size + others.size) };
    })
    .filter(({ likeness }) => likeness > 0.5)
    .sort((a, b) => b.likeness - a.likeness)
    .slice(0, 3)
    .map(({ topic }) => topic);
}

function pairsOf(name: string): Set<string> {
  const lower = ` ${name.toLowerCase()} `;
  return new Set(Array.from({ length: lower.length - 1 }, (_, at) => lower.slice(at, at + 2)));
}
