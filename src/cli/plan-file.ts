import { findPipelines } from '../definition/find.ts';
import { loadPipeline } from '../definition/load.ts';
import { parseOverride } from '../definition/overrides.ts';
import { report } from '../definition/report.ts';
import { PipectlError, exitCodes } from '../errors.ts';
import { type Plan, planPipeline } from '../plan/index.ts';

/**
 * The plan of the pipeline that `named` stands for; nothing named means the one pipeline of this folder. Warnings go to
 * stderr. Rejects with the whole report where there are errors.
 */
export async function planFile(named: string | undefined, set: readonly string[]): Promise<Plan> {
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
  const loaded = await loadPipeline(file, { env: process.env, mode: 'run', set: overrides });
  const plan = await planPipeline(loaded);
  const text = report([{ file, problems: loaded.problems.sorted() }], 'text').trimEnd();
  if (plan === null) throw new PipectlError('pipeline_invalid', `${file} can't run as it is\n${text}`);
  if (loaded.problems.sorted().length > 0) process.stderr.write(`${text}\n`);
  return plan;
}
