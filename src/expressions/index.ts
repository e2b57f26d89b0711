/**
 * Expressions: CEL (https://github.com/google/cel-spec), compiled to plain JavaScript functions. They read `event`, `key`,
 * `meta` and `vars`, and nothing else: no I/O, no clock, no chance, no unbounded loop. So an expression gives the same on
 * every evaluation of a record.
 */
import { Checker } from './check.ts';
import { truthHint } from './check-hints.ts';
import { SyntaxProblem, type ExpressionProblem } from './errors.ts';
import type { Environment } from './environment.ts';
import { generateAssign, generateObject, generateValue, type Scope, type Unit } from './generate.ts';
import { parse } from './parse.ts';
import { parseTemplate } from './template.ts';
import type { Timestamp } from './timestamp.ts';
import { typeName, type Node, type Type } from './tree.ts';

export { Decimal, isDecimal } from './decimal.ts';
export { closest } from './closest.ts';
export { EvaluationError, type ExpressionProblem } from './errors.ts';
export { unknownVar } from './environment.ts';
export type { Scope } from './generate.ts';
export { Duration, Timestamp } from './timestamp.ts';
export { lookUpField } from './check-field.ts';
export { eitherType } from './either-type.ts';
export { isNumeric, isObjectType, typeName, type Node, type ObjectType, type Type } from './tree.ts';

/** What expressions see as `meta`. */
export interface Meta {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
  /** The record's own timestamp, as the log has it. */
  readonly timestamp: Timestamp;
  readonly headers: Readonly<Record<string, string>>;
  /** Name of the source in the pipeline file. */
  readonly source: string;
  readonly late: boolean;
}

export interface Expression {
  readonly text: string;
  readonly type: Type;
  /** For whoever compiles it to something else. */
  readonly tree: Node;
  /** Paths it reads, up to the first computed element: `event.customer.id`, `meta.topic`, `vars.pepper`. */
  readonly reads: readonly string[];
  /** What works and is hardly meant so: a field read that may be absent. */
  readonly warnings: readonly ExpressionProblem[];
  /** Throws `EvaluationError` and nothing else. */
  readonly evaluate: (scope: Scope) => unknown;
}

export interface ExpressionOptions {
  /** Values may be wrapped as `SecretVar`, or be `unknownVar` where they are known only at `run`. */
  readonly vars?: Readonly<Record<string, unknown>>;
  /** Names that may be read here. Default: event, key, meta, vars. Others are read from the scope by their name. */
  readonly names?: readonly string[];
  /** What is known about the event. Default: nothing. */
  readonly event?: Type;
  /** The value must be true or false: anything else is a problem, or an `EvaluationError` where only the record tells. */
  readonly expected?: 'bool';
}

export type Compiled =
  | { readonly ok: true; readonly expression: Expression }
  | { readonly ok: false; readonly problems: readonly ExpressionProblem[] };

const units = new WeakMap<Expression, Unit>();

/** Compiles a YAML scalar: text is an expression; numbers, true, false and null are themselves. */
export function compileExpression(source: unknown, options: ExpressionOptions = {}): Compiled {
  if (typeof source === 'string') return compile(source, options, parse);
  const text = typeof source === 'bigint' ? String(source) : JSON.stringify(source);
  const isScalar =
    source === null ||
    typeof source === 'boolean' ||
    typeof source === 'bigint' ||
    (typeof source === 'number' && Number.isFinite(source));
  if (isScalar) {
    const type = typeof source === 'number' && !Number.isSafeInteger(source) ? 'double' : 'int';
    return compile(text, options, () => ({ kind: 'literal', value: source, type, start: 0, end: text.length }));
  }
  const hint = Array.isArray(source)
    ? `write the list as text: '["a", "b"]'`
    : `write the map as text: '{"name": event.name}'`;
  return failed({
    code: 'not_an_expression',
    message: 'an expression is a text, a number, true, false or null',
    hint,
    start: 0,
    end: 0,
  });
}

/** Compiles text in which `{...}` holds an expression; `{{` and `}}` are braces. The value is always text. */
export function compileTemplate(text: string, options: ExpressionOptions = {}): Compiled {
  return compile(text, options, parseTemplate);
}

function compile(text: string, options: ExpressionOptions, read: (text: string) => Node): Compiled {
  const environment: Environment = {
    vars: options.vars ?? {},
    names: options.names ?? ['event', 'key', 'meta', 'vars'],
    event: options.event ?? 'dyn',
  };
  let tree: Node;
  try {
    tree = read(text);
  } catch (error) {
    if (error instanceof SyntaxProblem) return failed(error.problem);
    throw error;
  }
  const checker = new Checker(text, environment);
  const type = checker.visit(tree);
  const condition = options.expected === 'bool';
  if (condition && type !== 'bool' && type !== 'dyn') {
    const message = `true or false is needed here, and this is ${typeName(type)}`;
    checker.problem('type_mismatch', message, tree, truthHint(checker.subject(tree), type));
  }
  if (checker.problems.length > 0) return { ok: false, problems: checker.problems };
  const unit: Unit = { text, tree, environment, condition };
  const value = lazily(() => generateValue(unit));
  const expression: Expression = {
    text,
    type,
    tree,
    reads: [...checker.reads],
    warnings: checker.warnings,
    get evaluate() {
      return value();
    },
  };
  units.set(expression, unit);
  return { ok: true, expression };
}

/** Code is generated when it is first run: `validate` runs none, and generating takes longer than checking. */
function lazily<T>(make: () => T): () => T {
  let made: T | undefined;
  return () => (made ??= make());
}

const failed = (problem: ExpressionProblem): Compiled => ({ ok: false, problems: [problem] });

const unitsOf = (fields: Readonly<Record<string, Expression>>): (readonly [string, Unit])[] =>
  Object.entries(fields).map(([field, expression]) => [field, units.get(expression)!] as const);

/**
 * One function that builds an object of all fields, for `map`. Its errors name the field they happened in; only what
 * `compileExpression` and `compileTemplate` returned can be compiled so.
 */
export function compileObject(fields: Readonly<Record<string, Expression>>): (scope: Scope) => Record<string, unknown> {
  const object = lazily(() => generateObject(unitsOf(fields)));
  return (scope) => object()(scope);
}

/** One function that sets all fields on the event in place and returns it, for `set`: all see the event as it was. */
export function compileAssign(fields: Readonly<Record<string, Expression>>): (scope: Scope) => Record<string, unknown> {
  const assign = lazily(() => generateAssign(unitsOf(fields)));
  return (scope) => assign()(scope);
}
