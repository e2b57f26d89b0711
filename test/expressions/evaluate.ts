import {
  compileExpression,
  EvaluationError,
  Timestamp,
  type Expression,
  type ExpressionOptions,
  type ExpressionProblem,
} from '../../src/expressions/index.ts';

export const meta = {
  topic: 'orders',
  partition: 3,
  offset: 41,
  timestamp: new Timestamp(1_700_000_000_000_000),
  headers: { trace: 'abc' },
  source: 'shop',
  late: false,
};

export function compiled(source: unknown, options?: ExpressionOptions): Expression {
  const result = compileExpression(source, options);
  if (!result.ok)
    throw new Error(
      result.problems.map((problem) => `${problem.code}: ${problem.message} (${problem.hint ?? ''})`).join('\n'),
    );
  return result.expression;
}

/** The value of an expression on an event. */
export function evaluate(source: unknown, event: unknown = {}, options?: ExpressionOptions): unknown {
  return compiled(source, options).evaluate({ event, key: 'k1', meta });
}

/** What the record makes of it: code, path and message of the error. */
export function failure(
  source: unknown,
  event: unknown = {},
  options?: ExpressionOptions,
): { code: string; path: string | undefined; message: string } {
  const expression = compiled(source, options);
  try {
    expression.evaluate({ event, key: 'k1', meta });
  } catch (error) {
    if (error instanceof EvaluationError) return { code: error.code, path: error.path, message: error.message };
    throw error;
  }
  throw new Error(`${String(source)} did not fail`);
}

/** What `validate` says. */
export function problems(source: unknown, options?: ExpressionOptions): readonly ExpressionProblem[] {
  const result = compileExpression(source, options);
  return result.ok ? [] : result.problems;
}
