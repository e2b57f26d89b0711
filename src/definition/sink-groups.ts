/** The consumer groups of a pipeline: its own, and one for each sink that reads for itself. */
import type { PipelineDefinition, SinkUse } from './pipeline.ts';

type Named = Pick<PipelineDefinition, 'group' | 'sinks'>;

/** A sink that is not required reads at its own pace, so it has positions of its own in the group too. */
export const sinkGroup = ({ group }: Pick<PipelineDefinition, 'group'>, { name }: Pick<SinkUse, 'name'>): string =>
  `${group}.${name}`;

/** The pipeline's own group, then those of the sinks that are not required. `sink` is null for the first. */
export function groupsOf(definition: Named): readonly { readonly group: string; readonly sink: string | null }[] {
  const optional = definition.sinks.filter(({ required }) => !required);
  return [
    { group: definition.group, sink: null },
    ...optional.map((sink) => ({ group: sinkGroup(definition, sink), sink: sink.name })),
  ];
}
