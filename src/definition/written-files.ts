/** That no file has two writers, and none is read by the pipeline that writes it. */
import { resolve } from 'node:path';
import { isMapping } from './json-schema.ts';
import type { ComponentUse, PipelineDefinition, ValuePath } from './pipeline.ts';
import type { ProblemList } from './problems.ts';

type FileUse = Pick<ComponentUse, 'component' | 'options' | 'path'>;

/** Tells of each file sink whose file a source reads, another sink writes, or the dead letters go to. */
export function checkWrittenFiles(
  sinks: readonly FileUse[],
  sources: readonly FileUse[],
  dlq: PipelineDefinition['dlq'],
  directory: string,
  problems: ProblemList,
): void {
  const filesOf = (uses: readonly FileUse[]): { readonly file: string; readonly at: ValuePath }[] =>
    uses.flatMap(({ component, options, path }) =>
      component === 'file' && isMapping(options) && typeof options.path === 'string'
        ? [{ file: resolve(directory, options.path), at: [...path, 'path'] }]
        : [],
    );
  const read = new Set(filesOf(sources).map(({ file }) => file));
  const written = new Map<string, string>('file' in dlq ? [[dlq.file, 'the dead letters go to']] : []);
  for (const { file, at } of filesOf(sinks)) {
    const writer = written.get(file);
    if (read.has(file)) problems.at(at, 'sink_is_source', 'the source reads the file that this sink writes');
    else if (writer !== undefined) problems.at(at, 'file_written_twice', `${writer} this file too`);
    written.set(file, `sinks[${String(at[1])}] writes`);
  }
}
