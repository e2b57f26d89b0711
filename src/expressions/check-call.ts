/** Calls: is there such a function, and does it take these arguments? */
import type { Checker } from './check.ts';
import { unify } from './check-types.ts';
import { unknownVar, varValue, type Environment } from './environment.ts';
import { closest } from './closest.ts';
import { EvaluationError } from './errors.ts';
import { foreignFunctions, functions, specialForms } from './functions.ts';
import type { Format } from './format.ts';
import {
  checkLiteral,
  isChecked,
  isPrepared,
  prepare,
  type FunctionSpec,
  type Parameter,
  type ParameterKind,
} from './signature.ts';
import { isNumeric, typeName, type Node, type NodeOf, type Type } from './tree.ts';

export function checkCall(checker: Checker, node: NodeOf<'call'>): Type {
  switch (node.name) {
    case 'has':
      return checkHas(checker, node);
    case 'coalesce': {
      if (node.args.length === 0) return wrongCount(checker, node, 'coalesce takes one or more values');
      return node.args.map((arg) => checker.visit(arg)).reduce(unify);
    }
    case 'cases':
      return checkCases(checker, node);
    default:
  }
  const spec = functions.get(node.name);
  // What is meant for a variable of a function that is not known says nothing of its other arguments.
  const isCheckable = spec !== undefined || !node.args.some(({ kind }) => kind === 'name');
  if (isCheckable) for (const arg of node.args) checker.visit(arg);
  if (spec === undefined) return unknownFunction(checker, node);
  const { parameters } = spec;
  const least = parameters.filter((parameter) => !parameter.optional).length;
  if (node.args.length < least || (node.args.length > parameters.length && parameters.at(-1)?.rest !== true)) {
    return wrongCount(
      checker,
      node,
      `${node.name} takes ${argumentCount(least, parameters)}, not ${node.args.length}`,
      usage(node.name, spec),
    );
  }
  node.args.forEach((arg, i) => checkArgument(checker, node, arg, parameters[Math.min(i, parameters.length - 1)]!));
  if (node.name === 'format') checkFormat(checker, node);
  checkOnTexts(checker, node, spec);
  return spec.result;
}

function argumentCount(least: number, parameters: readonly Parameter[]): string {
  const most =
    parameters.at(-1)?.rest === true ? ' or more' : parameters.length > least ? ` to ${parameters.length}` : '';
  return `${least}${most} ${least === 1 && most === '' ? 'argument' : 'arguments'}`;
}

/** `timestamp("yesterday")` would fail on every record: what is given nothing but texts is tried now. */
function checkOnTexts(checker: Checker, { name, args }: NodeOf<'call'>, { parameters, run }: FunctionSpec): void {
  const texts = args.map((arg) => (arg.kind === 'literal' && typeof arg.value === 'string' ? arg.value : undefined));
  const [first] = args;
  if (first === undefined || texts.includes(undefined) || parameters.some(({ kind }) => isPrepared(kind))) return;
  try {
    run(checker.subject(first), ...(texts as never[]));
  } catch (error) {
    if (!(error instanceof EvaluationError)) throw error;
    checker.problem('bad_literal', `${name}: ${error.message}`, first);
  }
}

const wrongCount = (checker: Checker, node: NodeOf<'call'>, message: string, hint?: string): 'dyn' =>
  checker.problem('wrong_arguments', message, { start: node.nameStart, end: node.end }, hint);

function checkHas(checker: Checker, node: NodeOf<'call'>): Type {
  const [operand] = node.args;
  if (operand === undefined || node.args.length > 1 || (operand.kind !== 'select' && operand.kind !== 'index')) {
    return wrongCount(checker, node, 'has takes the path of a field', 'write has(event.field)');
  }
  checker.asks(operand);
  checker.visit(operand);
  return 'bool';
}

function checkCases(checker: Checker, node: NodeOf<'call'>): Type {
  if (node.args.length < 3 || node.args.length % 2 === 0) {
    return wrongCount(
      checker,
      node,
      'cases takes conditions with their values, and a last value for everything else',
      'write cases(condition, value, condition, value, other)',
    );
  }
  let type: Type = 'null';
  node.args.forEach((arg, i) => {
    if (i % 2 === 0 && i < node.args.length - 1) checker.condition(arg, 'cases');
    else type = unify(type, checker.visit(arg));
  });
  return type;
}

/** `lower(string)`, `round(number, int?)`. */
const usage = (name: string, { parameters }: FunctionSpec): string =>
  `write ${name}(${parameters.map(({ kind, optional, rest }) => `${kind === 'any' ? 'value' : kind}${rest ? ', ...' : optional ? '?' : ''}`).join(', ')})`;

function unknownFunction(checker: Checker, node: NodeOf<'call'>): 'dyn' {
  const { name, nameStart } = node;
  const foreign = Object.hasOwn(foreignFunctions, name.toLowerCase())
    ? foreignFunctions[name.toLowerCase()]
    : undefined;
  const near = closest(name, [...functions.keys(), ...specialForms]);
  const exact = near?.toLowerCase() === name.toLowerCase() ? near : undefined;
  const hint =
    exact !== undefined
      ? `did you mean ${exact}?`
      : foreign !== undefined
        ? `write ${foreign}`
        : near === undefined
          ? undefined
          : `did you mean ${near}?`;
  return checker.problem(
    'unknown_function',
    `${name} is not a function`,
    { start: nameStart, end: nameStart + name.length },
    hint,
  );
}

const accepts: Partial<Record<ParameterKind, (type: Type) => boolean>> = {
  number: isNumeric,
  int: (type) => type === 'int' || type === 'number',
  bool: (type) => type === 'bool',
  list: (type) => typeof type === 'object' && 'list' in type,
  timestamp: (type) => type === 'timestamp',
};

const needed: Partial<Record<ParameterKind, string>> = {
  number: 'a number',
  int: 'an integer',
  bool: 'true or false',
  list: 'a list',
  timestamp: 'a timestamp',
};

function checkArgument(checker: Checker, call: NodeOf<'call'>, arg: Node, { kind }: Parameter): void {
  const { type } = arg;
  if (kind === 'any') return;
  const fits = accepts[kind] ?? ((other: Type) => other === 'string');
  if (type !== 'dyn' && !fits(type)) {
    const hint = needed[kind] === undefined && isNumeric(type) ? `write string(${checker.subject(arg)})`
      : kind === 'list' ? 'name a field that holds a list'
      : kind === 'timestamp' && type === 'string' ? `write timestamp(${checker.subject(arg)})` : undefined; // prettier-ignore
    checker.problem(
      'type_mismatch',
      `${call.name} needs ${needed[kind] ?? 'text'}, and ${checker.subject(arg)} is ${typeName(type)}`,
      arg,
      hint,
    );
    return;
  }
  if (isPrepared(kind)) {
    const text = constantText(arg, checker.environment);
    if (text === undefined) {
      const what = kind === 'pattern' ? 'the pattern' : 'the format';
      checker.problem(
        'wrong_arguments',
        `${what} of ${call.name} must be a text in quotes or a var: it is compiled once, before the first record`,
        arg,
        kind === 'pattern' ? String.raw`write the pattern itself, such as r"^A-\d+$"` : 'write it as a text in quotes',
      );
    } else if (text !== unknownVar) {
      try {
        prepare[kind](text);
      } catch (error) {
        checker.problem(
          'bad_literal',
          // A var may be a secret, and the reason quotes the pattern.
          arg.kind === 'literal'
            ? reason(error)
            : `${checker.subject(arg)} holds no ${kind === 'pattern' ? 'pattern' : 'format'} that can be read`,
          arg,
          kind === 'pattern' ? 'patterns are written as RE2 reads them; r"\\d+" keeps backslashes' : undefined,
        );
      }
    }
  } else if (isChecked(kind) && arg.kind === 'literal') {
    const message = checkLiteral[kind](String(arg.value));
    if (message !== undefined) checker.problem('bad_literal', message, arg);
  }
}

const reason = (error: unknown): string => (error instanceof Error ? error.message : String(error));

/** The text of a literal or a var, `unknownVar` where it will be known only when the pipeline runs, else undefined. */
export function constantText(node: Node, environment: Environment): string | typeof unknownVar | undefined {
  if (node.kind === 'literal') return typeof node.value === 'string' ? node.value : undefined;
  if (node.kind !== 'select' || node.target.kind !== 'name' || node.target.name !== 'vars') return undefined;
  const value = varValue(environment, node.field);
  return typeof value === 'string' || value === unknownVar ? value : undefined;
}

function checkFormat(checker: Checker, node: NodeOf<'call'>): void {
  const [pattern, ...values] = node.args;
  const text = constantText(pattern!, checker.environment);
  if (typeof text !== 'string') return;
  let format: Format;
  try {
    format = prepare.format(text) as Format;
  } catch {
    return; // checkArgument has said why.
  }
  const [only] = values;
  if (values.length === 1 && only!.kind !== 'list' && (only!.type === 'dyn' || typeof only!.type === 'object')) return;
  const given = values.length === 1 && only!.kind === 'list' ? only!.items.length : values.length;
  if (given !== format.directives.length) {
    wrongCount(
      checker,
      node,
      `format has ${format.directives.length} directives and ${given} values`,
      'give one value for each directive; %% is a percent sign',
    );
  }
}
