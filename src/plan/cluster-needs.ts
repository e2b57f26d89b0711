/**
 * What a pipeline needs of a Kafka cluster, for whoever gives it out: topics, and the rights of the user it runs as.
 * Kafka's documentation, "Operations and resources on protocols", says which request needs which right; what is granted
 * here is the least that `run` gets along with. READ implies DESCRIBE, and since Kafka 2.8 (KIP-679) WRITE on a topic is
 * enough for an idempotent producer.
 */
import { kafkaOptionsOf } from '../definition/kafka-connection.ts';
import type { PipelineDefinition } from '../definition/pipeline.ts';
import { groupsOf } from '../definition/sink-groups.ts';
import { topicsOf } from '../definition/topics.ts';
import { errorTable } from '../errors.ts';

export interface TopicNeed {
  /** A name, or a regular expression between slashes. */
  readonly topic: string;
  readonly role: 'source' | 'dead letters';
  /** Null: what its producers need. */
  readonly partitions: number | null;
  /** Topic settings, as `kafka-topics.sh --config` takes them. */
  readonly config: Readonly<Record<string, string>>;
  /** True where `run` creates it when it is missing and it may. */
  readonly createdByRun: boolean;
  readonly why: string;
}

export interface AclNeed {
  readonly resource: 'topic' | 'group';
  readonly name: string;
  /** `prefixed`: every resource whose name begins so. */
  readonly pattern: 'literal' | 'prefixed';
  readonly operations: readonly ('READ' | 'WRITE' | 'DESCRIBE' | 'CREATE')[];
  readonly why: string;
}

export interface ClusterNeeds {
  /** `host:port,...`; may hold a variable that is not set. */
  readonly brokers: string;
  /** Whom the rights are for; null where the connection does not tell. */
  readonly user: string | null;
  readonly topics: readonly TopicNeed[];
  readonly acls: readonly AclNeed[];
}

/** A week: dead letters wait for a person. */
const deadLetterRetentionMs = 7 * 86_400_000;

/** Of a pipeline that reads from Kafka. */
export function clusterNeeds(definition: PipelineDefinition): ClusterNeeds {
  const { sources, dlq } = definition;
  const inputs = sources.flatMap(topicsOf);
  const { brokers, sasl } = kafkaOptionsOf(definition) as {
    readonly brokers?: string | readonly string[];
    readonly sasl?: { readonly username?: string };
  };
  const dlqTopic = 'topic' in dlq ? dlq.topic : null;
  return {
    brokers: [brokers ?? 'localhost:9092'].flat().join(','),
    user: sasl?.username ?? null,
    topics: [
      ...inputs.map((input): TopicNeed => ({
        topic: input,
        role: 'source',
        partitions: null,
        config: {},
        createdByRun: false,
        why: 'read by the pipeline, which never creates it',
      })),
      ...(dlqTopic === null ? [] : [deadLetterTopic(dlqTopic)]),
    ],
    acls: [
      ...inputs.map((input): AclNeed => ({
        resource: 'topic',
        ...named(input),
        operations: ['READ', 'DESCRIBE'],
        why: 'reads records',
      })),
      ...groupsOf(definition).map(({ group, sink }): AclNeed => ({
        resource: 'group',
        name: group,
        pattern: 'literal',
        operations: ['READ'],
        why:
          sink === null
            ? 'joins the consumer group and commits offsets'
            : `the same for sink ${sink}, which reads for itself`,
      })),
      ...(dlqTopic === null
        ? []
        : [
            {
              resource: 'topic',
              name: dlqTopic,
              pattern: 'literal',
              operations: ['WRITE', 'READ', 'DESCRIBE', 'CREATE'],
              why: 'writes dead letters, READ counts them; CREATE is needed only where the topic is not made beforehand',
            } satisfies AclNeed,
            {
              resource: 'topic',
              name: `${dlqTopic}.state`,
              pattern: 'literal',
              operations: ['READ', 'DESCRIBE'],
              why: 'counts what became of dead letters; without it their number is unknown, and all else as it was',
            } satisfies AclNeed,
          ]),
    ],
  };
}

const deadLetterTopic = (topic: string): TopicNeed => ({
  topic,
  role: 'dead letters',
  partitions: 1,
  config: { 'cleanup.policy': 'delete', 'retention.ms': String(deadLetterRetentionMs) },
  createdByRun: true,
  why: '`run` creates it with the first dead letter, with 1 partition and else the settings of the broker',
});

/** Rights know no regular expressions: the text such a one begins with, else all topics. */
function named(input: string): Pick<AclNeed, 'name' | 'pattern'> {
  const expression = /^\/(.*)\/$/s.exec(input)?.[1];
  if (expression === undefined) return { name: input, pattern: 'literal' };
  const prefix = /^\^((?:[A-Za-z0-9_-]|\\[.-])*)(?![*?{|])/.exec(expression)?.[1]?.replaceAll('\\', '') ?? '';
  return prefix === '' || expression.includes('|')
    ? { name: '*', pattern: 'literal' }
    : { name: prefix, pattern: 'prefixed' };
}

/** `kafka-topics.sh` commands that create what must be there, one a line; what is not ours to create is a comment. */
export function topicCommands({ brokers, topics }: ClusterNeeds): string {
  const lines = topics.map(({ topic, role, partitions, config, why }) => {
    if (role === 'source') return `# ${topic}: ${why}`;
    const settings = Object.entries(config).map(([name, value]) => ` --config ${quoted(`${name}=${value}`)}`);
    return `kafka-topics.sh --bootstrap-server ${quoted(brokers)} --create --if-not-exists --topic ${quoted(topic)} --partitions ${partitions ?? 1}${settings.join('')}`;
  });
  return lines.map((line) => `${line}\n`).join('');
}

/** `kafka-acls.sh` commands that give the rights, one a line. */
export function aclCommands(needs: ClusterNeeds): string {
  const header = needs.user === null ? '# PIPECTL_USER is the user the pipeline runs as\n' : '';
  return header + needs.acls.map((acl) => `${aclCommand(needs, acl)}\n`).join('');
}

function aclCommand({ brokers, user }: ClusterNeeds, { resource, name, pattern, operations }: AclNeed): string {
  const principal = user === null ? '"User:$PIPECTL_USER"' : quoted(`User:${user}`);
  const allowed = operations.map((operation) => ` --operation ${operation}`).join('');
  const kind = pattern === 'prefixed' ? ' --resource-pattern-type prefixed' : '';
  return `kafka-acls.sh --bootstrap-server ${quoted(brokers)} --add --allow-principal ${principal}${allowed} --${resource} ${quoted(name)}${kind}`;
}

/** What to do where the rights on a topic or group of the pipeline are missing. */
export function grantHint(definition: PipelineDefinition, resource: AclNeed['resource'], name: string): string {
  const needs = clusterNeeds(definition);
  const acl = needs.acls.find(
    (need) =>
      need.resource === resource &&
      (need.pattern === 'prefixed' ? name.startsWith(need.name) : need.name === name || need.name === '*'),
  );
  return acl === undefined ? errorTable.kafka_not_authorized.hint : `grant it: \`${aclCommand(needs, acl)}\``;
}

/** One word for a POSIX shell, whatever it holds. */
const quoted = (text: string): string =>
  /^[A-Za-z0-9_./:,=@%+-]+$/.test(text) ? text : `'${text.replaceAll("'", String.raw`'\''`)}'`;
