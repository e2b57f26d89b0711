/**
 * What is there already of what a pipeline uses, and what `run` would create: topics, consumer group, tables, files.
 * Looks and changes nothing.
 */
import { glob, stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { kafkaOptionsOf } from '../definition/kafka-connection.ts';
import type { PipelineDefinition, SinkUse, SourceUse, ValuePath } from '../definition/pipeline.ts';
import type { KafkaAdmin } from '../connections/kafka/admin.ts';
import { groupsOf } from '../definition/sink-groups.ts';
import type { TopicMetadata } from '../connections/kafka/metadata.ts';
import { silentLog } from '../engine/ports.ts';
import { PipectlError } from '../errors.ts';
import { grantHint } from '../plan/cluster-needs.ts';
import type { Plan } from '../plan/index.ts';

export interface LiveCheck {
  /** `created`: by `run`. `missing`: it stops `run`. `breach`: of the project's conventions; strict where warnings are errors. */
  readonly status: 'exists' | 'created' | 'missing' | 'breach' | 'unknown';
  /** `topic orders`, `table "public"."orders"`. */
  readonly subject: string;
  readonly message: string;
  /** Of what is missing or a breach: where the pipeline file asks for it. */
  readonly problem?: LiveProblem;
}

export interface LiveProblem {
  /** A code of `errors.ts`. */
  readonly code: string;
  readonly message: string;
  readonly hint: string | undefined;
  /** Default: error. */
  readonly severity?: 'warning';
  readonly path: ValuePath;
}

/** What is looked at in one service. */
export interface LivePart {
  /** `Kafka`, `sink postgres`. */
  readonly service: string;
  /** Where the pipeline names it. */
  readonly path: ValuePath;
  /** Rejects with `PipectlError`, exit code 3 where the service can't be reached. `signal` gives up. */
  readonly look: (signal?: AbortSignal) => Promise<readonly LiveCheck[]>;
}

export interface LiveFindings {
  readonly checks: readonly LiveCheck[];
}

/** Connects. Rejects with `PipectlError`, exit code 3 where a service can't be reached. */
export async function checkLive(plan: Plan): Promise<LiveFindings> {
  const checks: LiveCheck[] = [];
  for (const { look } of livePartsOf(plan)) checks.push(...(await look()));
  return { checks };
}

/** Each service on its own, so that one that is away does not hide what is wrong with the others. */
export function livePartsOf({ definition, sinks }: Plan): readonly LivePart[] {
  const [source] = definition.sources;
  return [
    source.component === 'kafka'
      ? { service: 'Kafka', path: source.path, look: (signal) => checkKafka(definition, signal) }
      : { service: `source ${source.name}`, path: source.path, look: () => checkFiles(definition) },
    ...sinks.map(({ use, fields, version }) => ({
      service: `sink ${use.name}`,
      path: use.path,
      look: (signal?: AbortSignal) => checkSink(use, definition, { fields, versioned: version !== null }, signal),
    })),
  ];
}

/** Something that stops `run`, as an answer and as a problem of the pipeline file. */
export function missing(subject: string, problem: LiveProblem): LiveCheck {
  const { message, hint } = problem;
  return { status: 'missing', subject, message: hint === undefined ? message : `${message}; ${hint}`, problem };
}

/**
 * A topic with fewer partitions than the project's conventions ask for; empty where it has enough. Dead letters are not
 * held to it: `run` creates their topic with one. `path` is where the pipeline names the topic.
 */
export function partitionBreach(topic: string, partitions: number, min: number | null, path: ValuePath): LiveCheck[] {
  if (min === null || partitions >= min) return [];
  const has = counted(partitions, 'partition');
  const message = `topic ${topic} has ${has}, and \`conventions.partitions.min\` is ${min}: no more than ${counted(partitions, 'member')} can share the work`;
  const hint = `raise it with \`kafka-topics.sh --alter --topic ${topic} --partitions ${min}\` (keys move to other partitions then), or change the convention`;
  const problem: LiveProblem = { code: 'topic_partitions', severity: 'warning', message, hint, path };
  return [{ status: 'breach', subject: `topic ${topic}`, message: `${message}; ${hint}`, problem }];
}

/** Null where this user may not ask for it. */
export async function allowed<T>(answer: Promise<T>): Promise<T | null> {
  try {
    return await answer;
  } catch (error) {
    if (error instanceof PipectlError && error.code === 'kafka_not_authorized') return null;
    throw error;
  }
}

/** A right of the pipeline's user that is missing, with the command that grants it. */
function forbidden(
  definition: PipelineDefinition,
  resource: 'topic' | 'group',
  name: string,
  what: string,
  path: ValuePath,
): LiveCheck {
  const problem: LiveProblem = {
    code: 'kafka_not_authorized',
    message: `this user may not ${what} ${resource} ${name}`,
    hint: grantHint(definition, resource, name),
    path,
  };
  return missing(`${resource} ${name}`, problem);
}

async function checkKafka(definition: PipelineDefinition, signal?: AbortSignal): Promise<LiveCheck[]> {
  const { sources } = definition;
  const { openKafkaAdmin } = await import('../connections/kafka/admin.ts');
  const admin = await openKafkaAdmin(kafkaOptionsOf(definition), silentLog, signal);
  try {
    const checks: LiveCheck[] = [];
    const there = new Map<string, TopicMetadata>();
    for (const source of sources) {
      const found = await checkTopics(source, admin, definition);
      checks.push(...found.checks);
      for (const [name, topic] of found.there) there.set(name, topic);
    }
    checks.push(...(await checkGroup(admin, definition, there)), ...(await checkDeadLetterTopic(admin, definition)));
    return checks;
  } finally {
    await admin.close();
  }
}

/** Where the group stands, and whether this user may use it and those of optional sinks. `there`: the topics it reads. */
async function checkGroup(
  admin: KafkaAdmin,
  definition: PipelineDefinition,
  there: ReadonlyMap<string, TopicMetadata>,
): Promise<LiveCheck[]> {
  const { sources, sinks, group } = definition;
  const checks: LiveCheck[] = [];
  for (const { group: name, sink } of groupsOf(definition)) {
    const { path } = sinks.find((one) => one.name === sink) ?? sources[0];
    if ((await allowed(admin.groupDescription(name))) === null)
      checks.push(forbidden(definition, 'group', name, 'use', path));
  }
  if (checks.some(({ subject }) => subject === `group ${group}`)) return checks;
  const { state, members } = await admin.groupDescription(group);
  const offsets = await admin.groupOffsets(group, [...there.keys()]);
  const subject = `group ${group}`;
  const total = [...there.values()].reduce((sum, { partitions }) => sum + partitions.length, 0);
  const committed = [...offsets.values()].reduce((sum, partitions) => sum + partitions.size, 0);
  if (committed === 0) {
    const starts = new Set(sources.map(({ options }) => (options as { readonly start: string }).start));
    const message = `has committed no offsets: \`run\` begins at ${[...starts].join(' or ')}, or where its sinks stand`;
    checks.push({ status: state === 'Dead' ? 'created' : 'exists', subject, message });
    return checks;
  }
  const running = members.length === 0 ? 'no members' : counted(members.length, 'member');
  checks.push({ status: 'exists', subject, message: `${running}, offsets of ${committed} of ${total} partitions` });
  for (const [name, partitions] of offsets) {
    const ends = new Map((await admin.topicOffsets(name)).map(({ partition, end }) => [partition, end]));
    const places = [...partitions].map(
      ([partition, offset]) => `${partition}: ${offset}/${ends.get(partition) ?? '?'}`,
    );
    if (places.length > 0)
      checks.push({
        status: 'exists',
        subject: `offsets ${name}`,
        message: `committed/end of partition ${places.join(', ')}`,
      });
  }
  return checks;
}

async function checkDeadLetterTopic(admin: KafkaAdmin, definition: PipelineDefinition): Promise<LiveCheck[]> {
  const { dlq } = definition;
  if (!('topic' in dlq)) return [];
  const described = await allowed(admin.describeTopics([dlq.topic]));
  const found = described?.get(dlq.topic);
  if (described === null || found?.rights?.write === false)
    return [forbidden(definition, 'topic', dlq.topic, 'write dead letters to', ['dlq', 'topic'])];
  return [
    found === undefined
      ? { status: 'created', subject: `topic ${dlq.topic}`, message: 'with the first dead letter, with 1 partition' }
      : { status: 'exists', subject: `topic ${dlq.topic}`, message: counted(found.partitions.length, 'partition') },
  ];
}

/** The topics of one source. */
async function checkTopics(source: SourceUse, admin: KafkaAdmin, definition: PipelineDefinition) {
  const { nearTopics, readSelection } = await import('../connections/kafka/topics.ts');
  const { topic, topics } = source.options as {
    readonly topic?: string;
    readonly topics?: string | readonly string[];
  };
  const selection = readSelection(topics ?? topic ?? [])!;
  const all = await admin.topics();
  const names = selection instanceof RegExp ? all.filter((name) => selection.test(name)) : selection;
  const there = new Map<string, TopicMetadata>();
  const checks: LiveCheck[] = [];
  for (const [index, name] of names.entries()) {
    const path =
      topics === undefined
        ? [...source.path, 'topic']
        : [...source.path, 'topics', ...(Array.isArray(topics) ? [index] : [])];
    const described = await allowed(admin.describeTopics([name]));
    const found = described?.get(name);
    if (described === null || found?.rights?.read === false)
      checks.push(forbidden(definition, 'topic', name, 'read', path));
    else if (found === undefined) {
      const near = nearTopics(name, all);
      const hint = `correct its name${near.length === 0 ? '' : ` (there is ${near.join(', ')})`}, or create it: \`run\` does not`;
      const message = `topic ${name} does not exist`;
      checks.push(missing(`topic ${name}`, { code: 'kafka_topic_missing', message, hint, path }));
    } else {
      there.set(name, found);
      checks.push(
        { status: 'exists', subject: `topic ${name}`, message: counted(found.partitions.length, 'partition') },
        ...partitionBreach(name, found.partitions.length, definition.partitionsMin, path),
      );
    }
  }
  if (names.length === 0) {
    const message = `no topic fits ${String(selection)}`;
    const hint = 'correct the expression, or create a topic that fits';
    const path = [...source.path, 'topics'];
    checks.push(missing(`topics ${String(selection)}`, { code: 'kafka_topic_missing', message, hint, path }));
  }
  return { checks, there };
}

async function checkFiles({ sources, dlq, directory }: PipelineDefinition): Promise<LiveCheck[]> {
  const checks: LiveCheck[] = [];
  for (const source of sources) checks.push(...(await checkPaths(source, directory)));
  if ('file' in dlq) checks.push(await fileCheck(dlq.file));
  return checks;
}

async function checkPaths(source: SourceUse, directory: string): Promise<LiveCheck[]> {
  const { path } = source.options as { readonly path?: string | readonly string[] };
  const checks: LiveCheck[] = [];
  for (const pattern of [path ?? []].flat()) {
    const found: string[] = [];
    for await (const file of glob(resolve(directory, pattern))) found.push(file);
    const subject = `file ${pattern}`;
    const problem = {
      code: 'file_not_found',
      message: `no file matches ${pattern}`,
      hint: 'paths start at the directory of the pipeline file',
      path: [...source.path, 'path'],
    };
    checks.push(
      found.length === 0
        ? missing(subject, problem)
        : { status: 'exists', subject, message: counted(found.length, 'file') },
    );
  }
  return checks;
}

async function fileCheck(path: string): Promise<LiveCheck> {
  const found = await stat(path).catch(() => null);
  return found === null
    ? { status: 'created', subject: `file ${path}`, message: 'with the first line' }
    : { status: 'exists', subject: `file ${path}`, message: `${found.size} bytes, lines are added` };
}

interface Expected {
  readonly fields: readonly string[] | null;
  readonly versioned: boolean;
}

async function checkSink(
  use: SinkUse,
  definition: PipelineDefinition,
  expected: Expected,
  signal?: AbortSignal,
): Promise<LiveCheck[]> {
  switch (use.component) {
    case 'postgres': {
      const { checkPostgresSink } = await import('./live-postgres.ts');
      return checkPostgresSink(use, definition, expected, signal);
    }
    case 'file': {
      const { path } = use.options as { readonly path: string };
      return [await fileCheck(resolve(definition.directory, path))];
    }
    case 'stdout':
    case 'discard':
      return [];
    default:
      return [{ status: 'unknown', subject: `sink ${use.name}`, message: `${use.component} is not looked at` }];
  }
}

const counted = (count: number, noun: string): string => `${count} ${noun}${count === 1 ? '' : 's'}`;
