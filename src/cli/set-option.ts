import { type Override, parseOverride } from '../definition/overrides.ts';
import { PipectlError, exitCodes } from '../errors.ts';

/** Reads one `--set path=value` of a command and adds it to the former ones; wrong usage where it has another form. */
export function collectOverride(text: string, former: readonly Override[]): readonly Override[] {
  const override = parseOverride(text);
  if (override) return [...former, override];
  throw new PipectlError('set_invalid', `--set ${text} is not path=value`, { exitCode: exitCodes.usage });
}
