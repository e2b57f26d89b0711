import { findPipeline } from '../definition/find.ts';
import { type LoadedPipeline, loadPipeline } from '../definition/load.ts';
import type { Override } from '../definition/overrides.ts';
import { type Problem, problemOfFile, weighed } from '../definition/problems.ts';
import { type Checked, report } from '../definition/report.ts';
import { checkTogether } from '../definition/together.ts';
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
  return (await planAll([findPipeline(named)], set, environment))[0]!;
}

/** The plans of files that are to run in one process: all of them, or it rejects with what is wrong with any. */
export async function planAll(
  files: readonly string[],
  set: readonly Override[],
  environment: string | null,
): Promise<readonly Plan[]> {
  const plans: Plan[] = [];
  const loadable: LoadedPipeline[] = [];
  const unusable: PipectlError[] = [];
  const problemsOf: (() => readonly Problem[])[] = [];
  for (const file of files) {
    try {
      const loaded = await loadPipeline(file, { env: process.env, mode: 'run', environment, set });
      const plan = await planPipeline(loaded);
      if (plan !== null) plans.push(plan);
      loadable.push(loaded);
      problemsOf.push(() => weighed(loaded.problems.sorted(), loaded.strict));
    } catch (error) {
      if (!(error instanceof PipectlError)) throw error;
      unusable.push(error);
      problemsOf.push(() => [problemOfFile(file, error)]);
    }
  }
  // Where it holds for every file it is the command line that is wrong.
  if (unusable.length === files.length) throw unusable[0]!;
  checkTogether(loadable);
  const checked = files.map((file, index): Checked => ({ file, problems: problemsOf[index]!() }));
  const text = report(checked, 'text').trimEnd();
  const isWrong = checked.some(({ problems }) => problems.some(({ severity }) => severity === 'error'));
  if (plans.length < files.length || isWrong) {
    const what =
      files.length === 1 ? `${files[0]} can't run as it is` : `none of ${files.length} pipelines was started`;
    throw new PipectlError('pipeline_invalid', `${what}\n${text}`);
  }
  if (checked.some(({ problems }) => problems.length > 0)) process.stderr.write(`${text}\n`);
  return plans;
}
