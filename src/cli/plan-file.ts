import { findPipeline } from '../definition/find.ts';
import { loadPipeline } from '../definition/load.ts';
import type { Override } from '../definition/overrides.ts';
import { weighed } from '../definition/problems.ts';
import { report } from '../definition/report.ts';
import { PipectlError } from '../errors.ts';
import { type Plan, planPipeline } from '../plan/index.ts';

/**
 * The plan of the pipeline that `named` stands for, in an environment of its project; nothing named means the one pipeline of
 * this folder. Warnings go to stderr. Rejects with the whole report where there are errors, and in a strict environment
 * warnings.
 */
export async function planFile(
  named: string | undefined,
  set: readonly Override[],
  environment: string | null = null,
): Promise<Plan> {
  const file = findPipeline(named);
  const loaded = await loadPipeline(file, { env: process.env, mode: 'run', environment, set });
  const plan = await planPipeline(loaded);
  const problems = weighed(loaded.problems.sorted(), loaded.strict);
  const text = report([{ file, problems }], 'text').trimEnd();
  if (plan === null || problems.some(({ severity }) => severity === 'error'))
    throw new PipectlError('pipeline_invalid', `${file} can't run as it is\n${text}`);
  if (problems.length > 0) process.stderr.write(`${text}\n`);
  return plan;
}
