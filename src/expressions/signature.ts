/** How a function is declared: what it takes, what it gives, what runs. */
import { isZone, readTimePattern, truncationUnits } from './calendar.ts';
import { readFormat } from './format.ts';
import { compilePattern } from './pattern.ts';
import type { SimpleType, Type } from './tree.ts';

/** What an argument must be. The generated code has checked it before the function runs. */
export type ParameterKind =
  | 'any'
  | 'string'
  | 'number'
  | 'int'
  | 'bool'
  | 'list'
  | 'timestamp'
  | PreparedKind
  | CheckedKind;
/** Must be a literal or a var, and is compiled once; the function gets the result. */
export type PreparedKind = 'pattern' | 'format' | 'timePattern';
/** A text; a literal one is checked when the expression is read. */
export type CheckedKind = 'zone' | 'unit';

export interface Parameter {
  readonly kind: ParameterKind;
  readonly optional: boolean;
  /** Takes this and all further arguments. */
  readonly rest: boolean;
}

export interface FunctionSpec {
  readonly parameters: readonly Parameter[];
  readonly result: Type;
  /** False where the result may be null. */
  readonly neverNull: boolean;
  /** `at` names the first argument, for errors. Throws only `EvaluationError`. */
  readonly run: (at: string, ...args: never[]) => unknown;
}

/** `define('string int?', 'string', run)`: parameters by kind, `?` for optional, `...` for any number. `string?` may be null. */
export function define(
  parameters: string,
  result: Type | `${SimpleType}?`,
  run: (at: string, ...args: never[]) => unknown,
): FunctionSpec {
  const nullable = typeof result === 'string' && result.endsWith('?');
  return {
    parameters: parameters.split(' ').map((word) => ({
      kind: word.replace(/\?$|\.\.\.$/, '') as ParameterKind,
      optional: word.endsWith('?') || word.endsWith('...'),
      rest: word.endsWith('...'),
    })),
    result: (nullable ? (result as string).slice(0, -1) : result) as Type,
    neverNull: !nullable,
    run,
  };
}

/** Makes the prepared argument out of a text; throws an Error whose message says what is wrong with it. */
export const prepare: Readonly<Record<PreparedKind, (text: string) => unknown>> = {
  pattern: compilePattern,
  format: readFormat,
  timePattern: readTimePattern,
};

export const isPrepared = (kind: ParameterKind): kind is PreparedKind => Object.hasOwn(prepare, kind);

/** What is wrong with a literal, undefined when nothing is. */
export const checkLiteral: Readonly<Record<CheckedKind, (text: string) => string | undefined>> = {
  zone: (text) =>
    isZone(text) ? undefined : `${JSON.stringify(text)} is no time zone; write one like "Europe/Madrid" or "UTC"`,
  unit: (text) =>
    (truncationUnits as readonly string[]).includes(text)
      ? undefined
      : `${JSON.stringify(text)} is no unit; known are ${truncationUnits.join(', ')}`,
};

export const isChecked = (kind: ParameterKind): kind is CheckedKind => Object.hasOwn(checkLiteral, kind);
