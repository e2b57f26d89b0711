/**
 * What is there already of what a pipeline uses, and what `run` would create: topics, consumer group, tables, files.
 * Looks and changes nothing.
 */
import { glob, stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import type { PipelineDefinition, SinkUse } from '../definition/pipeline.ts';
import type { Log } from '../engine/ports.ts';
import type { Plan } from '../plan/index.ts';

export interface LiveCheck {
  /** `created`: by `run`. `missing`: it stops `run`. */
  readonly status: 'exists' | 'created' | 'missing' | 'unknown';
  /** `topic orders`, `table "public"."orders"`. */
  readonly subject: string;
  readonly message: string;
}

export interface LiveFindings {
  readonly checks: readonly LiveCheck[];
}

/** Connects. Rejects with `PipectlError`, exit code 3 where a service can't be reached. */
export async function checkLive(plan: Plan): Promise<LiveFindings> {
  const { definition } = plan;
  const checks =
    definition.sources[0].component === 'kafka' ? await checkKafka(definition) : await checkFiles(definition);
  for (const { use, fields, version } of plan.sinks)
    checks.push(...(await checkSink(use, definition, { fields, versioned: version !== null })));
  return { checks };
}

/** Failures come back as errors of the calls. */
const silent: Log = { info: () => {}, warn: () => {}, error: () => {} };

async function checkKafka({ sources: [source], group, dlq, connections }: PipelineDefinition): Promise<LiveCheck[]> {
  const [{ openKafkaAdmin }, { readSelection }] = await Promise.all([
    import('../connections/kafka/admin.ts'),
    import('../connections/kafka/topics.ts'),
  ]);
  const { topic, topics, connection, start } = source.options as {
    readonly topic?: string;
    readonly topics?: string | readonly string[];
    readonly connection?: string;
    readonly start: string;
  };
  const admin = await openKafkaAdmin(connections[connection ?? 'kafka']?.options ?? {}, silent);
  try {
    const selection = readSelection(topics ?? topic ?? [])!;
    const names =
      selection instanceof RegExp ? (await admin.topics()).filter((name) => selection.test(name)) : selection;
    const there = await admin.describeTopics(names);
    const checks: LiveCheck[] = names.map((name) => {
      const found = there.get(name);
      return found === undefined
        ? { status: 'missing', subject: `topic ${name}`, message: 'does not exist, and `run` does not create it' }
        : { status: 'exists', subject: `topic ${name}`, message: counted(found.partitions.length, 'partition') };
    });
    if (names.length === 0)
      checks.push({ status: 'missing', subject: `topics ${String(selection)}`, message: 'no topic fits' });

    const { state, members } = await admin.groupDescription(group);
    const offsets = await admin.groupOffsets(group, [...there.keys()]);
    const subject = `group ${group}`;
    const total = [...there.values()].reduce((sum, { partitions }) => sum + partitions.length, 0);
    const committed = [...offsets.values()].reduce((sum, partitions) => sum + partitions.size, 0);
    if (committed === 0) {
      const message = `has committed no offsets: \`run\` begins at ${start}, or where its sinks stand`;
      checks.push({ status: state === 'Dead' ? 'created' : 'exists', subject, message });
    } else {
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
    }
    if ('topic' in dlq) {
      const found = (await admin.describeTopics([dlq.topic])).get(dlq.topic);
      checks.push(
        found === undefined
          ? {
              status: 'created',
              subject: `topic ${dlq.topic}`,
              message: 'with the first dead letter, with 1 partition',
            }
          : { status: 'exists', subject: `topic ${dlq.topic}`, message: counted(found.partitions.length, 'partition') },
      );
    }
    return checks;
  } finally {
    await admin.close();
  }
}

async function checkFiles({ sources: [source], dlq, directory }: PipelineDefinition): Promise<LiveCheck[]> {
  const { path } = source.options as { readonly path?: string | readonly string[] };
  const checks: LiveCheck[] = [];
  for (const pattern of [path ?? []].flat()) {
    const found: string[] = [];
    for await (const file of glob(resolve(directory, pattern))) found.push(file);
    checks.push(
      found.length === 0
        ? { status: 'missing', subject: `file ${pattern}`, message: 'no file matches' }
        : { status: 'exists', subject: `file ${pattern}`, message: counted(found.length, 'file') },
    );
  }
  if ('file' in dlq) checks.push(await fileCheck(dlq.file));
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

async function checkSink(use: SinkUse, definition: PipelineDefinition, expected: Expected): Promise<LiveCheck[]> {
  switch (use.component) {
    case 'postgres': {
      const { checkPostgresSink } = await import('./live-postgres.ts');
      return checkPostgresSink(use, definition, expected);
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
