/** The page that tells how to write tests. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { isPassed } from '../../src/testing/run.ts';
import { Workspace } from './workspace.ts';

let workspace: Workspace;
beforeEach(() => {
  workspace = new Workspace();
});
afterEach(() => workspace.close());

it('the example of docs/testing-pipelines.md passes, as it is written there', async () => {
  const page = readFileSync(join(import.meta.dirname, '../../docs/testing-pipelines.md'), 'utf8');
  const [pipeline, tests] = [...page.matchAll(/^```yaml\n(.*?)^```$/gms)].map(([, text]) => text);
  const result = await workspace.run(pipeline!, tests!);
  expect(result.problems).toEqual([]);
  expect(result.cases.map(({ name, differences }) => ({ name, differences }))).toEqual([
    { name: 'a paid order becomes a row', differences: [] },
    { name: 'an order that is not paid is left out, a broken one is a dead letter', differences: [] },
  ]);
  // And it looks at the pipeline: with another filter it does not pass.
  expect(isPassed(await workspace.run(pipeline!.replace('"paid"', '"open"'), tests!))).toBe(false);
});
