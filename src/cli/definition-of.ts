import { findPipeline } from '../definition/find.ts';
import { loadPipeline } from '../definition/load.ts';
import type { PipelineDefinition } from '../definition/pipeline.ts';
import { report } from '../definition/report.ts';
import { PipectlError } from '../errors.ts';

/**
 * The definition of a pipeline in an environment, for commands that look at it from outside: its steps are not compiled, and what is
 * wrong with its steps and sinks does not matter. Rejects with the report where the source can't be used.
 */
export async function definitionOf(named: string | undefined, environment: string | null): Promise<PipelineDefinition> {
  const file = findPipeline(named);
  const { definition, problems } = await loadPipeline(file, { env: process.env, mode: 'run', environment });
  const isUsable =
    definition !== null &&
    Object.values(definition.connections).every(({ kind, path }) => kind !== 'kafka' || !problems.hasErrorsBelow(path));
  if (isUsable) return definition;
  throw new PipectlError('pipeline_invalid', report([{ file, problems: problems.sorted() }], 'text').trimEnd());
}

/** Brokers of commands that are told no pipeline: `--brokers`, else what the environment says, else this machine. */
export function kafkaOptions(brokers: string | undefined): Readonly<Record<string, unknown>> {
  return { brokers: brokers ?? process.env.KAFKA_BROKERS ?? 'localhost:9092' };
}
