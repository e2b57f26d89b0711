import { findPipelines } from '../definition/find.ts';
import { loadPipeline } from '../definition/load.ts';
import { parseOverride } from '../definition/overrides.ts';
import { weighed } from '../definition/problems.ts';
import { report } from '../definition/report.ts';
import { PipectlError, exitCodes } from '../errors.ts';
import { type Plan, planPipeline } from '../plan/index.ts';

/**
 * The plan of the pipeline that `named` stands for, in an environment of its project; nothing named means the one pipeline of
 * this folder. Warnings go to stderr. Rejects with the whole report where there are errors, and in a strict environment
 * warnings.
 */
export async function planFile(
  named: string | undefined,
  set: readonly string[],
  environment: string | null = null,
): Promise<Plan> {
  const files = await findPipelines(named === undefined ? [] : [named]);
  if (files.length !== 1) {
    const message = `${named} holds ${files.length} pipelines: name one of ${files.join(', ')}`;
    throw new PipectlError('usage', message, { exitCode: exitCodes.usage });
  }
  const [file] = files as [string];
  const overrides = set.map((text) => {
    const override = parseOverride(text);
    if (override !== null) return override;
    throw new PipectlError('set_invalid', `--set ${text} is not path=value`, { exitCode: exitCodes.usage });
  });
  const loaded = await loadPipeline(file, { env: process.env, mode: 'run', environment, set: overrides });
  const plan = await planPipeline(loaded);
  const problems = weighed(loaded.problems.sorted(), loaded.strict);
  const text = report([{ file, problems }], 'text').trimEnd();
  if (plan === null || problems.some(({ severity }) => severity === 'error'))
    throw new PipectlError('pipeline_invalid', `${file} can't run as it is\n${text}`);
  if (problems.length > 0) process.stderr.write(`${text}\n`);
  return plan;
}
