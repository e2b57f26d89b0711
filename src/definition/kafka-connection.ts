/** Which Kafka cluster a pipeline belongs to: the one it reads from also holds its groups and its dead letters. */
import type { PipelineDefinition } from './pipeline.ts';

/** The name of the connection. Sources that are merged read through one. */
export function kafkaConnectionOf({ sources: [source] }: Pick<PipelineDefinition, 'sources'>): string {
  const { connection } = source.options as { readonly connection?: string };
  return connection ?? 'kafka';
}

/** The options of that `kafka` connection. */
export const kafkaOptionsOf = (
  definition: Pick<PipelineDefinition, 'sources' | 'connections'>,
): Readonly<Record<string, unknown>> => definition.connections[kafkaConnectionOf(definition)]?.options ?? {};
