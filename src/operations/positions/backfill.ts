import { exitCodes, PipectlError } from '../../errors.ts';
import { isPipelineName } from '../../definition/names.ts';
import type { Plan } from '../../plan/index.ts';

/**
 * The same pipeline as a backfill beside the live one: a group and positions of its own, under `name`. `fromMs`: it begins
 * at the first record of each partition whose timestamp is at or after it. The version of a row stays comparable with the
 * rows of the live pipeline, so none of them replaces a newer one of the other.
 */
export function backfillPlan(plan: Plan, name: string, fromMs: number | null = null): Plan {
  const { definition } = plan;
  const [{ component }] = definition.sources;
  const group = definition.prefix + name;
  if (!isPipelineName(name))
    throw usage(`"${name}" can not be the name of a group`, 'use letters, digits, ".", "_" and "-"');
  if (name === definition.name || group === definition.group)
    throw usage(`${name} is the pipeline itself`, 'give the backfill a name of its own: --as orders-2026-11');
  if (component !== 'kafka') {
    throw usage(
      `a ${component} source has no times to begin at and no group to stand beside`,
      '`pipectl rewind FILE --to earliest` reads it again',
    );
  }
  const inputs = plan.inputs.map((input) => {
    const start = fromMs === null ? {} : { start: new Date(fromMs).toISOString() };
    return { ...input, use: { ...input.use, options: { ...(input.use.options as object), ...start } } };
  });
  return {
    ...plan,
    definition: { ...definition, name, group, backfillOf: definition.name },
    inputs: inputs as unknown as Plan['inputs'],
  };
}

const usage = (message: string, hint: string): PipectlError =>
  new PipectlError('usage', message, { hint, exitCode: exitCodes.usage });
