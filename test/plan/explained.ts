import { loadPipeline } from '../../src/definition/load.ts';
import { parseOverride } from '../../src/definition/overrides.ts';
import { type Explanation, explainPipeline } from '../../src/plan/explain.ts';
import { planPipeline } from '../../src/plan/index.ts';
import { Written } from '../../src/plan/written.ts';

interface Options {
  readonly project?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly set?: readonly string[];
  /** Other files, by absolute path. */
  readonly files?: Readonly<Record<string, string>>;
}

/** Explains a pipeline whose file is `/project/orders.yaml`. */
export async function explained(
  text: string,
  { project, env = {}, set = [], files = {} }: Options = {},
): Promise<Explanation> {
  const texts: Readonly<Record<string, string | undefined>> = {
    '/project/orders.yaml': text,
    '/project/pipectl.yaml': project,
    ...files,
  };
  const readFile = (path: string): string => {
    const found = texts[path];
    if (found === undefined) throw new Error(`no file ${path}`);
    return found;
  };
  const options = { env, set: set.map((one) => parseOverride(one)!), readFile };
  const loaded = await loadPipeline('/project/orders.yaml', { ...options, mode: 'validate' });
  const plan = await planPipeline(loaded);
  if (plan === null)
    throw new Error(
      loaded.problems
        .sorted()
        .map(({ message }) => message)
        .join('\n'),
    );
  return explainPipeline(plan, loaded, new Written('/project/orders.yaml', options));
}
