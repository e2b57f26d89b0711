/** Which source of the pipeline a record of a case comes from. */
import type { PipelineDefinition, SourceUse } from '../definition/pipeline.ts';
import { takesIn, topicsOf } from '../definition/topics.ts';
import type { TestRecord } from './test-file.ts';

/** The source it names, else the one that reads its topic, else the only one. Null where that is no source or not clear. */
export function sourceOf(
  { sources }: Pick<PipelineDefinition, 'sources'>,
  { source, topic }: Pick<TestRecord, 'source' | 'topic'>,
): SourceUse | null {
  if (source !== null) return sources.find(({ name }) => name === source) ?? null;
  if (sources.length === 1) return sources[0];
  return sources.find((use) => topic !== null && topicsOf(use).some((named) => takesIn(named, topic))) ?? null;
}

/** The topic of records that name none: the source's, or the first of several. For other sources the path, or its name. */
export function firstTopic({ name: source, options }: SourceUse): string {
  const { topic, topics, path } = options as Readonly<Record<string, unknown>>;
  const names = [topic, topics, path].flat().filter((name) => typeof name === 'string');
  return names.find((name) => !name.startsWith('/') || name === path) ?? source;
}
