/** Where a pipeline's dead letters go, and that they never come back in as its input. */
import { resolve } from 'node:path';
import { connectionKeyword } from '../declaration/connection.ts';
import { isMapping, type JsonSchema } from './json-schema.ts';
import { isTopicName } from './names.ts';
import type { ComponentUse, PipelineDefinition } from './pipeline.ts';
import type { ProblemList } from './problems.ts';
import { takesIn, topicsOf } from './topics.ts';

export type DeadLetterPlace = PipelineDefinition['dlq'];

interface Pipeline {
  readonly name: string;
  /** The first one, where there are several. */
  readonly source: ComponentUse;
  readonly sourceSchema: JsonSchema;
  readonly directory: string;
  /** Stands before the topic. */
  readonly prefix: string;
}

/** A topic beside a Kafka source, else a file beside the pipeline. A file path comes back absolute. */
export function deadLetterPlace(
  given: unknown,
  { name, source, sourceSchema, directory, prefix }: Pipeline,
  problems: ProblemList,
): DeadLetterPlace {
  const { topic, file } = isMapping(given) ? given : {};
  const hasKafka = sourceSchema[connectionKeyword] === 'kafka';
  if (typeof topic === 'string' && typeof file === 'string') {
    problems.at(['dlq', 'file'], 'value_wrong', 'dead letters go to a topic or to a file, not to both', {
      on: 'key',
      hint: 'keep one of the two',
    });
  } else if (typeof topic === 'string' && !hasKafka) {
    problems.at(['dlq', 'topic'], 'dlq_no_kafka', `dlq.topic needs Kafka, but the source is ${source.component}`, {
      on: 'key',
    });
  }
  if (typeof topic === 'string' && !problems.isIgnored(['dlq', 'topic']) && !isTopicName(topic)) {
    problems.at(['dlq', 'topic'], 'name_invalid', `"${topic}" can not be the name of a topic`, {
      hint: 'use letters, digits, ".", "_" and "-", at most 249',
    });
  }
  if (typeof file === 'string') return { file: resolve(directory, file) };
  if (typeof topic === 'string') return { topic: prefix + topic };
  return hasKafka ? { topic: `${prefix}${name}.dlq` } : { file: resolve(directory, `${name}.dlq.ndjson`) };
}

/** A dead letter that is read again fails again, for ever. */
export function checkDeadLetters(
  dlq: DeadLetterPlace,
  /** The pipeline itself says where; else its name or its project does. */
  isNamed: boolean,
  source: Pick<ComponentUse, 'options' | 'path'>,
  directory: string,
  problems: ProblemList,
): void {
  const { topic, path } = isMapping(source.options) ? source.options : {};
  const key = topic === undefined ? 'topics' : 'topic';
  if ('topic' in dlq && topicsOf(source).some((input) => takesIn(input, dlq.topic))) {
    const message = `the source reads ${dlq.topic}, which receives its dead letters`;
    problems.at(isNamed ? ['dlq', 'topic'] : [...source.path, key], 'dlq_is_source', message);
  }
  if ('file' in dlq && typeof path === 'string' && resolve(directory, path) === dlq.file) {
    const message = 'the source reads the file which receives its dead letters';
    problems.at(isNamed ? ['dlq', 'file'] : [...source.path, 'path'], 'dlq_is_source', message);
  }
}
