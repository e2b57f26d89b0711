/** What `validate --connect` adds: what is not there, or not as the pipeline file wants it, with the place that asks for it. */
import type { ProblemList } from '../definition/problems.ts';
import { exitCodes, PipectlError } from '../errors.ts';
import type { Plan } from '../plan/index.ts';
import { livePartsOf } from './live-check.ts';
import { withinTime } from './time-limit.ts';

/** Looks at every service of a pipeline, at once. `unreachable`: those that can't be told about, by name. */
export async function addLiveProblems(
  plan: Plan,
  problems: ProblemList,
  limitMs: number,
): Promise<{ readonly unreachable: readonly string[] }> {
  const unreachable: string[] = [];
  await Promise.all(
    livePartsOf(plan).map(async ({ service, path, look }) => {
      try {
        const checks = await withinTime(limitMs, service, look);
        for (const { problem } of checks) {
          if (problem === undefined) continue;
          const { path: at, code, message, hint, severity } = problem;
          problems.at(at, code, message, { ...(hint && { hint }), ...(severity && { severity }) });
        }
      } catch (error) {
        if (!(error instanceof PipectlError)) throw error;
        if (error.exitCode === exitCodes.unreachable) unreachable.push(service);
        const hint = error.hint === undefined ? {} : { hint: error.hint };
        problems.at(path, error.code, error.message, { ...hint, on: 'key' });
      }
    }),
  );
  return { unreachable };
}
