import type { PipelineDefinition } from '../definition/pipeline.ts';

/** A hint with its commands as they are to be typed for this pipeline: `pipectl rewind FILE` names the file. */
export function hintFor(hint: string, { name, backfillOf, file, environment }: PipelineDefinition): string {
  const named = /^[\w./-]+$/.test(file) ? file : `'${file.replaceAll("'", `'\\''`)}'`;
  const place = environment === null ? named : `${named} --env ${environment}`;
  // What moves the live pipeline does not help a backfill beside it.
  const fitting =
    backfillOf !== undefined && hint.includes('pipectl rewind')
      ? `to begin the backfill anew: \`pipectl destroy FILE --as ${name}\`, then the same run again`
      : hint;
  return fitting.replaceAll(/(?<=pipectl \w+ )FILE\b/g, () => place);
}
