import { expect, it } from 'vitest';
import { worstExitCode } from '../../src/cli/worst-exit-code.ts';
import { exitCodes } from '../../src/errors.ts';

it('of several pipelines the worst end is told: what needs a person goes before what the next run may mend', () => {
  expect(worstExitCode([0, 0])).toBe(0);
  expect(worstExitCode([0, 3, 0])).toBe(3);
  expect(worstExitCode([3, 4])).toBe(4);
  expect(worstExitCode([4, 1, 3])).toBe(1);
  expect(worstExitCode([1, 2])).toBe(2);
});

it('no exit code is taken for success', () => {
  for (const code of Object.values(exitCodes)) expect(worstExitCode([0, code])).toBe(code);
});
