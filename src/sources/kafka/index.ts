import type { Static } from 'typebox';
import { textCodec } from '../../codecs/text.ts';
import { kafkaConnection } from '../../connections/kafka/index.ts';
import { readSelection } from '../../connections/kafka/topics.ts';
import { defineSource, type SourceContext } from '../../declaration/component.ts';
import { withConnection } from '../../declaration/connection.ts';
import { duration, eventSchemaFile, size } from '../../declaration/options.ts';
import { Type } from '../../declaration/type.ts';
import { parseDuration, parseSize, parseTime } from '../../declaration/units.ts';
import type { Codec, Source } from '../../engine/ports.ts';

const options = withConnection(
  kafkaConnection,
  Type.Object({
    topic: Type.Optional(Type.String({ minLength: 1, description: 'The topic to read.' })),
    topics: Type.Optional(
      Type.Union([Type.Array(Type.String({ minLength: 1 }), { minItems: 1 }), Type.String({ pattern: '^/.+/$' })], {
        description: 'Several topics: a list, or a regular expression `/^shop\\./`, also over those that come later.',
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
    instance: Type.Optional(
      Type.String({
        pattern: '^[A-Za-z0-9._-]{1,200}$',
        description:
          'Name of this process in the group, as a rule `${HOSTNAME}`: restarted within `session_timeout` it gets its partitions back, and no other member notices. Each process needs one of its own.',
      }),
    ),
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

type Options = Static<typeof options>;
type Topics = Pick<Options, 'topic' | 'topics'>;

/** Topics given by their names, each with its place. */
function* namedTopics({ topic, topics }: Topics) {
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

  create: (given, context) => createKafkaSource([{ name: context.name, options: given }], context),

  merged: {
    shared: ['buffer', 'fetch_bytes', 'partition_bytes', 'fetch_wait', 'instance', 'session_timeout'],

    check(inputs, contexts) {
      for (const [index, { options: own }] of inputs.entries()) {
        for (const { name, options: other } of inputs.slice(0, index)) {
          const place = [...placesOfTopics(own)].find(([, topic]) =>
            topicsIn(other).some((one) => overlaps(one, topic)),
          );
          if (place === undefined) continue;
          const [path, topic] = place;
          const message = `${topic} is read by ${name} already: a record is of one source`;
          contexts[index]!.problem(path, 'source_topics', message, 'read each topic in one source');
        }
      }
    },

    create: createKafkaSource,
  },
});

/** Each with its place; a regular expression with its slashes. */
function* placesOfTopics(given: Topics) {
  yield* namedTopics(given);
  if (typeof given.topics === 'string') yield [['topics'], given.topics] as const;
}

const topicsIn = (given: Topics): readonly string[] => [...placesOfTopics(given)].map(([, topic]) => topic);

/** Whether two of names and regular expressions surely stand for the same topic. Of two expressions only Kafka tells. */
function overlaps(one: string, other: string): boolean {
  const [a, b] = [readSelection(one), readSelection(other)];
  if (a instanceof RegExp) return b instanceof RegExp ? one === other : a.test(other);
  return b instanceof RegExp ? b.test(one) : one === other;
}

async function createKafkaSource(
  inputs: readonly { readonly name: string; readonly options: Options }[],
  context: SourceContext,
): Promise<Source> {
  const { clock, random, log, untilEnd, untilMs, group } = context;
  const [{ options: shared }] = inputs as readonly [(typeof inputs)[0]];
  const sessionTimeoutMs = parseDuration(shared.session_timeout)!;
  const settings = {
    connection: context.connection('kafka', shared.connection),
    inputs: inputs.map(({ name, options: given }) => ({
      source: name,
      topics: readSelection(given.topics ?? given.topic!)!,
      start: readStart(given.start)!,
    })),
    bufferBytesMax: parseSize(shared.buffer)!,
    fetchBytesMax: parseSize(shared.fetch_bytes)!,
    partitionBytesMax: parseSize(shared.partition_bytes)!,
    fetchWaitMs: parseDuration(shared.fetch_wait)!,
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
    instance: shared.instance ?? null,
    untilEnd,
    ...(untilMs !== undefined && { untilMs }),
    sessionTimeoutMs,
    rebalanceTimeoutMs: 2 * sessionTimeoutMs,
    // A rebalance shows in the answer to a heartbeat: often, so that members meet quickly.
    heartbeatMs: Math.min(1000, sessionTimeoutMs / 3),
  });
}
