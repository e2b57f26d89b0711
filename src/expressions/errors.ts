/** What can be wrong with an expression: a problem when it is read, an `EvaluationError` when it runs. */

export type ProblemCode =
  | 'syntax'
  | 'not_an_expression'
  | 'not_a_field'
  | 'unknown_name'
  | 'unknown_field'
  | 'field_optional'
  | 'field_unlisted'
  | 'unknown_function'
  | 'wrong_arguments'
  | 'type_mismatch'
  | 'bad_literal'
  | 'too_large';

/** `start` and `end` are offsets into the expression's text; `hint` says what to write instead. */
export interface ExpressionProblem {
  readonly code: ProblemCode;
  readonly message: string;
  readonly hint?: string;
  readonly start: number;
  readonly end: number;
}

/** Leaves the parser at the first syntax error. */
export class SyntaxProblem extends Error {
  readonly problem: ExpressionProblem;
  constructor(problem: ExpressionProblem) {
    super(problem.message);
    this.problem = problem;
  }
}

export type EvaluationCode =
  | 'field_missing'
  | 'null_operand'
  | 'type_mismatch'
  | 'overflow'
  | 'division_by_zero'
  | 'invalid_argument'
  | 'too_large';

/**
 * An expression could not be evaluated on this record. The message holds paths and types, never values of fields or
 * vars. `path` is what could not be read or used; `field` the field being computed, where `map` or `set` computes several.
 */
export class EvaluationError extends Error {
  override readonly name = 'EvaluationError';
  readonly code: EvaluationCode;
  readonly path: string | undefined;
  readonly field: string | undefined;
  constructor(code: EvaluationCode, message: string, path?: string, field?: string) {
    super(message);
    this.code = code;
    this.path = path;
    this.field = field;
  }
}
