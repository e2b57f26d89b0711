/** What an expression gives on a sample, in words. */
import { encodeJson } from '../../codecs/json.ts';
import { hideSecretsIn } from '../../declaration/secrets.ts';
import { PipectlError } from '../../errors.ts';
import {
  compileExpression,
  EvaluationError,
  type Expression,
  type ExpressionProblem,
  isDecimal,
  type Scope,
} from '../../expressions/index.ts';
import { kindOf } from '../../expressions/values.ts';
import { typeText } from '../../plan/event-type.ts';
import { displayWidth } from '../../view/text.ts';
import type { Samples } from './samples.ts';

export type Answer =
  | { readonly value: unknown; readonly type: string }
  | { readonly error: { readonly code: string; readonly message: string } };

/** Compiles against the sample. Throws `PipectlError` that points at what is wrong. */
export function compileOn(text: string, { vars, type }: Pick<Samples, 'vars' | 'type'>): Expression {
  const compiled = compileExpression(text, { vars, event: type });
  if (compiled.ok) return compiled.expression;
  const [first] = compiled.problems;
  throw new PipectlError(first!.code, problemsText(text, compiled.problems), { hint: first!.hint ?? '' });
}

/** Each problem with the line it is in and a caret below its place. */
export function problemsText(text: string, problems: readonly ExpressionProblem[]): string {
  return problems
    .map(({ code, message, hint, start, end }, index) => {
      const lineStart = text.lastIndexOf('\n', start - 1) + 1;
      const lineEnd = text.indexOf('\n', start) === -1 ? text.length : text.indexOf('\n', start);
      const before = ' '.repeat(displayWidth(text.slice(lineStart, start)));
      const marked = '^'.repeat(Math.max(1, displayWidth(text.slice(start, Math.min(end, lineEnd)))));
      const shown = visible(text.slice(lineStart, lineEnd));
      const lines = [`${message}  [${code}]`, `  ${shown}`, `  ${before}${marked}`];
      // The first problem's hint is that of the error.
      return [...lines, ...(hint === undefined || index === 0 ? [] : [`  ${hint}`])].join('\n');
    })
    .join('\n');
}

export function answer(expression: Expression, scope: Scope, secrets: readonly string[]): Answer {
  try {
    const value = expression.evaluate(scope);
    return { value: hideSecretsIn(value, secrets), type: valueType(value, expression) };
  } catch (error) {
    if (!(error instanceof EvaluationError)) throw error;
    return { error: { code: error.code, message: error.message } };
  }
}

/** The type that was checked, where one was; else that of the value. */
function valueType(value: unknown, { type }: Pick<Expression, 'type'>): string {
  const kind = kindOf(value);
  if (kind === 'null') return 'null';
  if (type !== 'dyn' && type !== 'number') return typeText(type);
  if (kind !== 'number') return kind;
  if (isDecimal(value)) return 'decimal';
  return typeof value === 'bigint' || Number.isInteger(value) ? 'int' : 'double';
}

export function answerText(given: Answer): string {
  if ('error' in given) return `! ${visible(given.error.message)}  [${given.error.code}]`;
  return `${jsonText(given.value)}  (${given.type})`;
}

export const answerJson = (given: Answer): string => jsonText(given);

/** JSON escapes only the first 32 control characters; a terminal obeys more. */
export const jsonText = (value: unknown): string =>
  encodeJson(value).replace(/[\u007f-\u009f]|\p{Cf}/gu, (character) =>
    Array.from(
      { length: character.length },
      (_, unit) => `\\u${character.charCodeAt(unit).toString(16).padStart(4, '0')}`,
    ).join(''),
  );

/** Control characters must not reach the terminal. A tab stays as wide as it is counted. */
const visible = (text: string): string =>
  text.replace(/[\p{Cc}\p{Cf}]/gu, (character) => (character === '\t' ? ' ' : '\u{fffd}'));
