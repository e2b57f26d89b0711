import { readdirSync } from 'node:fs';
import { join, relative } from 'node:path';
import { describe, expect, it } from 'vitest';
import { findPipelines } from '../../src/definition/find.ts';
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
    const pipelines = (await findPipelines([directory])).map((file) => relative(directory, file));
    expect(pipelines.filter((file) => !files.includes(file.replace(/\.yaml$/, '.test.yaml')))).toEqual([]);
  });
});
