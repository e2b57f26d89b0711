/** Runs test files. */
import { encodeJson } from '../codecs/json.ts';
import { type LoadedPipeline, loadPipeline } from '../definition/load.ts';
import type { Problem } from '../definition/problems.ts';
import { type Plan, planPipeline } from '../plan/index.ts';
import { checkCase, checkUnknownVars, checkVars } from './check.ts';
import { CaseClock } from './clock.ts';
import { type Difference, judge } from './judge.ts';
import { type LoadedTests, loadTests } from './load.ts';
import { runCase } from './run-case.ts';
import type { TestCase, TestFile } from './test-file.ts';

export interface FileResult {
  readonly file: string;
  /** Null where there is none. */
  readonly pipeline: string | null;
  /** Errors of the test file or of the pipeline; with any, no case was run. */
  readonly problems: readonly Problem[];
  readonly cases: readonly CaseResult[];
}

export interface CaseResult {
  readonly name: string;
  readonly line: number;
  readonly column: number;
  readonly elapsedMs: number;
  /** None: it passed. */
  readonly differences: readonly PlacedDifference[];
}

/** A difference with the line of the test file that expects something else. */
export type PlacedDifference = Difference & { readonly line: number };

export interface RunOptions {
  /** Environment of the project, whose vars and connections it brings. Default: none. */
  readonly environment?: string | null;
  /** Only cases whose name holds this text, in whatever case. */
  readonly filter?: string | undefined;
}

export const isPassed = ({ problems, cases }: FileResult): boolean =>
  problems.length === 0 && cases.every(({ differences }) => differences.length === 0);

/** Runs the cases of one file. Rejects with `PipectlError` where a file can't be read. */
export async function runTestFile(file: string, { environment = null, filter }: RunOptions = {}): Promise<FileResult> {
  const loaded = await loadTests(file);
  const { pipeline, tests } = loaded;
  const result = { file, pipeline };
  if (tests === null) return { ...result, problems: errorsOf(loaded), cases: [] };
  const bench = new Bench(tests, loaded, environment);
  const wanted = tests.cases.filter(({ name }) => filter === undefined || includesText(name, filter));
  const runs: { readonly test: TestCase; readonly plan: Plan; readonly clock: CaseClock }[] = [];
  for (const test of wanted) {
    const clock = new CaseClock(test.nowMs);
    const plan = await bench.plan(test, clock);
    if (plan !== null) runs.push({ test, plan, clock });
  }
  const problems = bench.errors();
  if (problems.length > 0) return { ...result, problems, cases: [] };
  const cases: CaseResult[] = [];
  for (const { test, plan, clock } of runs) {
    const startedMs = performance.now();
    const outcome = await runCase(plan, test, clock);
    const differences = judge(test, outcome).map((difference) => ({
      ...difference,
      line: loaded.source.position(loaded.source.locate(difference.path, 'key').start).line,
    }));
    const { line, column } = loaded.source.position(loaded.source.locate(test.path, 'value').start);
    cases.push({ name: test.name, line, column, elapsedMs: performance.now() - startedMs, differences });
  }
  return { ...result, problems, cases };
}

const includesText = (name: string, text: string): boolean => name.toLowerCase().includes(text.toLowerCase());

const errorsOf = ({ problems }: Pick<LoadedTests, 'problems'>): readonly Problem[] =>
  problems.sorted().filter(({ severity }) => severity === 'error');

/** The pipeline of one test file: loaded once for each set of vars and environment variables, planned for each case. */
class Bench {
  readonly #file: string;
  readonly #loaded: LoadedTests;
  readonly #environment: string | null;
  readonly #pipelines = new Map<string, LoadedPipeline>();

  constructor({ pipeline }: TestFile, loaded: LoadedTests, environment: string | null) {
    this.#file = pipeline;
    this.#loaded = loaded;
    this.#environment = environment;
  }

  /** A plan of its own for one case, since steps may keep state; null where there are problems. */
  async plan(test: TestCase, clock: CaseClock): Promise<Plan | null> {
    const { source, problems } = this.#loaded;
    const unchanged = await this.#pipeline({}, test.env);
    checkVars(test, unchanged.vars, source, problems);
    const known = Object.entries(test.vars).filter(([name]) => Object.hasOwn(unchanged.vars, name));
    const pipeline = await this.#pipeline(Object.fromEntries(known), test.env);
    checkUnknownVars(test, pipeline, problems);
    const plan = await planPipeline(pipeline, clock);
    if (plan !== null) checkCase(test, plan, source, problems);
    return plan;
  }

  /** Of the test file and of the pipeline, each once. */
  errors(): readonly Problem[] {
    const all = [this.#loaded, ...this.#pipelines.values()].flatMap(errorsOf);
    const places = new Map(all.map((problem) => [`${problem.file}:${problem.line}:${problem.column}`, problem]));
    return [...places.values()];
  }

  async #pipeline(vars: TestCase['vars'], env: TestCase['env']): Promise<LoadedPipeline> {
    const key = encodeJson([vars, env]);
    const known = this.#pipelines.get(key);
    if (known) return known;
    // A text is itself: `${` in it is not filled in.
    const set = Object.entries(vars).map(([name, value]) => ({
      path: `vars.${name}`,
      value: encodeJson(value).replaceAll('${', () => '$${'),
    }));
    // What comes from outside is not needed to run a case, and must not decide whether it passes.
    const loaded = await loadPipeline(this.#file, { env, mode: 'validate', environment: this.#environment, set });
    this.#pipelines.set(key, loaded);
    return loaded;
  }
}
