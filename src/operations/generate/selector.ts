import type { PipelineDefinition } from '../../definition/pipeline.ts';

/** `{pipeline="orders",stage="read"}`: the labels every metric of a pipeline has, and more of them. */
export function selectorOf({
  name,
  environment,
}: Pick<PipelineDefinition, 'name' | 'environment'>): (...more: string[]) => string {
  const own = [`pipeline=${quoted(name)}`, ...(environment === null ? [] : [`environment=${quoted(environment)}`])];
  return (...more) => `{${[...own, ...more].join(',')}}`;
}

/** Strings of PromQL have the escapes of Go, of which these are the ones that matter. */
const quoted = (text: string): string =>
  `"${text.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n')}"`;
