/** That no file has two writers, and none is read by the pipeline that writes it. */
import { resolve } from 'node:path';
import { isMapping } from './json-schema.ts';
import type { ComponentUse, PipelineDefinition, ValuePath } from './pipeline.ts';
import type { ProblemList } from './problems.ts';

type FileUse = Pick<ComponentUse, 'component' | 'options' | 'path'>;

interface WrittenFile {
  /** Absolute. */
  readonly file: string;
  readonly at: ValuePath;
}

const filesOf = (uses: readonly FileUse[], directory: string): readonly WrittenFile[] =>
  uses.flatMap(({ component, options, path }) =>
    component === 'file' && isMapping(options) && typeof options.path === 'string'
      ? [{ file: resolve(directory, options.path), at: [...path, 'path'] }]
      : [],
  );

/** The files that a pipeline writes, its dead letters among them. */
export function writtenFiles({
  sinks,
  dlq,
  directory,
}: Pick<PipelineDefinition, 'sinks' | 'dlq' | 'directory'>): readonly WrittenFile[] {
  const letters = 'file' in dlq ? [{ file: resolve(directory, dlq.file), at: ['dlq', 'file'] }] : [];
  return [...letters, ...filesOf(sinks, directory)];
}

/** Tells of each file sink whose file a source reads, another sink writes, or the dead letters go to. */
export function checkWrittenFiles(
  sinks: readonly FileUse[],
  sources: readonly FileUse[],
  dlq: PipelineDefinition['dlq'],
  directory: string,
  problems: ProblemList,
): void {
  const read = new Set(filesOf(sources, directory).map(({ file }) => file));
  const written = new Map<string, string>('file' in dlq ? [[dlq.file, 'the dead letters go to']] : []);
  for (const { file, at } of filesOf(sinks, directory)) {
    const writer = written.get(file);
    if (read.has(file)) problems.at(at, 'sink_is_source', 'the source reads the file that this sink writes');
    else if (writer !== undefined) problems.at(at, 'file_written_twice', `${writer} this file too`);
    written.set(file, `sinks[${String(at[1])}] writes`);
  }
}
