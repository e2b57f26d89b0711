import { readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { describe, expect, it } from 'vitest';
import { findPipelines } from '../../src/definition/find.ts';
import { loadPipeline } from '../../src/definition/load.ts';
import { planPipeline } from '../../src/plan/index.ts';
import { findTests } from '../../src/testing/find.ts';
import { textReport } from '../../src/testing/report.ts';
import { isPassed, runTestFile } from '../../src/testing/run.ts';

const directory = join(import.meta.dirname, '../../pipelines');
const tests = (await findTests([directory])).map((file) => relative(process.cwd(), file));

describe('the example pipelines', () => {
  it.for(tests)('pass %s', async (file) => {
    const result = await runTestFile(file);
    expect(result.cases).not.toEqual([]);
    expect(isPassed(result), textReport([result])).toBe(true);
  });

  it('have tests, every one of them', async () => {
    const files = readdirSync(directory, { recursive: true, encoding: 'utf8' });
    const pipelines = findPipelines([directory]).map((file) => relative(directory, file));
    expect(pipelines.filter((file) => !files.includes(file.replace(/\.yaml$/, '.test.yaml')))).toEqual([]);
  });

  it('are without a problem, where no variable is set too', async () => {
    for (const file of findPipelines([directory])) {
      const loaded = await loadPipeline(file, { env: {}, mode: 'validate' });
      await planPipeline(loaded);
      expect(loaded.problems.sorted(), file).toEqual([]);
    }
  });

  it('begin with the schema for editors, and are all in the README', async () => {
    const readme = readFileSync(join(directory, 'README.md'), 'utf8');
    for (const file of findPipelines([directory]).map((path) => relative(directory, path))) {
      expect(readFileSync(join(directory, file), 'utf8'), file).toMatch(/^# yaml-language-server: \$schema=\S+\n/);
      expect(readme, file).toContain(`](${file.split('/')[0]})`);
    }
  });
});
