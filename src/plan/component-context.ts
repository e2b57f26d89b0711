import type { RuntimeContext } from '../declaration/component.ts';
import type { PipelineDefinition } from '../definition/pipeline.ts';

/** What a component of this pipeline gets, by the component's name. */
export function componentContexts(
  { definition, hash }: { readonly definition: PipelineDefinition; readonly hash: string },
  world: Pick<RuntimeContext, 'clock' | 'random' | 'log'>,
): (name: string) => RuntimeContext {
  return (name) => ({
    ...world,
    name,
    // Positions are kept under it: two environments may share a database.
    pipeline: definition.prefix + definition.name,
    ...(definition.backfillOf !== undefined && { backfillOf: definition.prefix + definition.backfillOf }),
    pipelineHash: hash,
    directory: definition.directory,
    connection: (kind, connection) => definition.connections[connection ?? kind]?.options ?? {},
  });
}
