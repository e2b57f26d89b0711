import { textCodec } from '../../codecs/text.ts';
import { kafkaConnection } from '../../connections/kafka/index.ts';
import { readSelection } from '../../connections/kafka/topics.ts';
import { defineSource } from '../../declaration/component.ts';
import { withConnection } from '../../declaration/connection.ts';
import { duration, eventSchemaFile, size } from '../../declaration/options.ts';
import { Type } from '../../declaration/type.ts';
import { parseDuration, parseSize, parseTime } from '../../declaration/units.ts';
import type { Codec } from '../../engine/ports.ts';

const options = withConnection(
  kafkaConnection,
  Type.Object({
    topic: Type.Optional(Type.String({ minLength: 1, description: 'The topic to read.' })),
    topics: Type.Optional(
      Type.Union([Type.Array(Type.String({ minLength: 1 }), { minItems: 1 }), Type.String({ pattern: '^/.+/$' })], {
        description: 'Several topics: a list, or a regular expression `/^shop\\./` over those that exist at start.',
      }),
    ),
    format: Type.Union([Type.Literal('json')], { default: 'json', description: 'How values are encoded.' }),
    schema: eventSchemaFile(),
    key_format: Type.Union([Type.Literal('text'), Type.Literal('json')], {
      default: 'text',
      description: 'How keys are encoded.',
    }),
    start: Type.String({
      default: 'earliest',
      description:
        'Where a new pipeline begins: `earliest`, `latest`, or a time such as `2026-11-01T00:00:00Z`. Without meaning once there is a position.',
    }),
    buffer: size({
      default: '8MiB',
      description: 'How much may be fetched ahead of the pipeline. One fetch may go beyond it.',
    }),
    fetch_bytes: size({ default: '4MiB', description: 'The most one fetch brings.' }),
    partition_bytes: size({ default: '256KiB', description: 'The most one fetch brings of a partition.' }),
    fetch_wait: duration({ default: '100ms', description: 'How long a broker waits for a record to come.' }),
    session_timeout: duration({
      default: '30s',
      description: 'After this time without a heartbeat the group gives the partitions of a member to others.',
    }),
  }),
);

function readStart(text: string): 'earliest' | 'latest' | number | undefined {
  return text === 'earliest' || text === 'latest' ? text : parseTime(text);
}

async function jsonCodec(): Promise<Codec> {
  const { decodeJson } = await import('../../codecs/json.ts');
  return { decode: decodeJson };
}

/** Kafka's rule. */
const topicName = /^(?!\.{1,2}$)[A-Za-z0-9._-]{1,249}$/;

/** Topics given by their names, each with its place. */
function* namedTopics({ topic, topics }: { readonly topic?: string; readonly topics?: string | readonly string[] }) {
  if (topic !== undefined) yield [['topic'], topic] as const;
  if (typeof topics === 'object')
    for (const [index, name] of topics.entries()) yield [['topics', index], name] as const;
}

export const kafkaSource = defineSource({
  kind: 'source',
  name: 'kafka',
  summary: 'Reads topics as a member of a consumer group.',
  example: 'kafka: { topic: shop.orders.placed.v1, format: json }',
  options,

  check(given, context) {
    if (given.topic !== undefined && given.topics !== undefined) {
      context.problem(['topics'], 'source_topics', 'either topic or topics, not both', 'remove one of them');
    }
    if (given.topic === undefined && given.topics === undefined) {
      context.problem([], 'source_topics', 'no topic is named', 'write `topic: NAME`, or `topics:` for several');
    }
    if (given.topics !== undefined && readSelection(given.topics) === undefined) {
      context.problem(
        ['topics'],
        'source_topics',
        'this is not a readable regular expression',
        'write it between slashes: /^shop\\./',
      );
    }
    for (const [path, name] of namedTopics(given)) {
      if (topicName.test(name)) continue;
      const hint = name.startsWith('/')
        ? 'a pattern is written as `topics: /.../`'
        : 'letters, digits, ".", "_" and "-", at most 249';
      context.problem(path, 'name_invalid', `"${name}" can not be the name of a topic`, hint);
    }
    if (readStart(given.start) === undefined) {
      context.problem(
        ['start'],
        'source_start',
        `${given.start} is not a place to start from`,
        'earliest, latest, or a time with its zone: 2026-11-01T00:00:00Z',
      );
    }
  },

  // Producers put records of one key into one partition of a topic, but each topic is a log of its own.
  order: ({ topic, topics }) =>
    topic !== undefined || (typeof topics === 'object' && topics.length === 1) ? 'key' : 'partition',

  eventSchema: ({ schema }) => schema,

  codec: jsonCodec,
  keyCodec: ({ key_format }) => (key_format === 'text' ? Promise.resolve(textCodec) : jsonCodec()),

  async create(given, context) {
    const { name, clock, random, log, untilEnd, group } = context;
    const sessionTimeoutMs = parseDuration(given.session_timeout)!;
    const settings = {
      connection: context.connection('kafka', given.connection),
      topics: readSelection(given.topics ?? given.topic!)!,
      start: readStart(given.start)!,
      source: name,
      bufferBytesMax: parseSize(given.buffer)!,
      fetchBytesMax: parseSize(given.fetch_bytes)!,
      partitionBytesMax: parseSize(given.partition_bytes)!,
      fetchWaitMs: parseDuration(given.fetch_wait)!,
      clock,
      random,
      log,
    };
    if (context.detached) {
      const { DetachedSource } = await import('../../connections/kafka/detached-source.ts');
      return new DetachedSource({ ...settings, untilEnd });
    }
    const { GroupSource } = await import('../../connections/kafka/group-source.ts');
    return new GroupSource({
      ...settings,
      group,
      untilEnd,
      sessionTimeoutMs,
      rebalanceTimeoutMs: 2 * sessionTimeoutMs,
      // A rebalance shows in the answer to a heartbeat: often, so that members meet quickly.
      heartbeatMs: Math.min(1000, sessionTimeoutMs / 3),
    });
  },
});
