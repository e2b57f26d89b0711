/** `conventions:` of a project or a pipeline, both hold the same. */
import { isMapping } from './json-schema.ts';
import type { ProblemList } from './problems.ts';
import { parseTopicConvention, type TopicConvention } from './topic-convention.ts';

/** Null where nothing is said. */
export interface Conventions {
  readonly topics: TopicConvention | null;
  /** What a topic has at least. */
  readonly partitionsMin: number | null;
}

export function conventionsOf(conventions: unknown, problems: ProblemList): Conventions {
  const { topic, partitions } = isMapping(conventions) ? conventions : {};
  const min = isMapping(partitions) ? partitions.min : undefined;
  return { topics: topicConvention(topic, problems), partitionsMin: typeof min === 'number' ? min : null };
}

function topicConvention(text: unknown, problems: ProblemList): TopicConvention | null {
  const path = ['conventions', 'topic'];
  if (typeof text !== 'string' || text === '' || problems.isIgnored(path)) return null;
  const convention = parseTopicConvention(text);
  if (convention === null) {
    problems.at(path, 'value_wrong', 'conventions.topic has no <word> in it, or one that is not closed', {
      hint: "write it as '<domain>.<entity>.<event>.v<N>'",
    });
  }
  return convention;
}
