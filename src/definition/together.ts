/** What pipelines that run in one process must not have in common. */
import type { LoadedPipeline } from './load.ts';
import { groupsOf } from './sink-groups.ts';
import { writtenFiles } from './written-files.ts';

/**
 * Tells, at each of two, what it shares with the other: a name or a consumer group, by which they would take each other's
 * positions, partitions and status, or a file that both write.
 */
export function checkTogether(pipelines: readonly LoadedPipeline[]): void {
  for (const { definition, problems } of pipelines) {
    for (const { definition: other } of pipelines) {
      if (definition === null || other === null || definition === other) continue;
      const groups = new Set(groupsOf(other).map(({ group }) => group));
      const shared = groupsOf(definition).find(({ group }) => groups.has(group))?.group;
      if (definition.name === other.name)
        problems.at(['name'], 'pipeline_twice', `${other.file} is the pipeline ${other.name} too`);
      else if (shared !== undefined)
        problems.at(['group'], 'pipeline_twice', `${other.file} reads as the consumer group ${shared} too`);
      const files = new Set(writtenFiles(other).map(({ file }) => file));
      for (const { file, at } of writtenFiles(definition))
        if (files.has(file)) problems.at(at, 'file_written_twice', `${other.file} writes this file too`);
    }
  }
}
