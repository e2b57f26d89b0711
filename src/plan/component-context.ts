import type { RuntimeContext } from '../declaration/component.ts';
import type { PipelineDefinition } from '../definition/pipeline.ts';

/** The name under which sinks keep positions: two environments may share a database. */
export const positionsName = ({ prefix, name }: Pick<PipelineDefinition, 'prefix' | 'name'>): string => prefix + name;

/** What a component of this pipeline gets, by the component's name. */
export function componentContexts(
  { definition, hash }: { readonly definition: PipelineDefinition; readonly hash: string },
  world: Pick<RuntimeContext, 'clock' | 'random' | 'log'>,
): (name: string) => RuntimeContext {
  return (name) => ({
    ...world,
    name,
    pipeline: positionsName(definition),
    pipelineHash: hash,
    directory: definition.directory,
    connection: (kind, connection) => definition.connections[connection ?? kind]?.options ?? {},
  });
}
