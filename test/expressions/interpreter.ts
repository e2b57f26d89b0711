/** A plain interpreter of typed trees, written from the rules and not from the compiler: what the fuzz test compares with. */
import { Decimal } from '../../src/expressions/index.ts';
import type { Node } from '../../src/expressions/tree.ts';

export class Failure extends Error {
  readonly code: string;
  constructor(code: string) {
    super(code);
    this.code = code;
  }
}

type Locals = Readonly<Record<string, unknown>>;
type Kind = 'null' | 'boolean' | 'string' | 'int' | 'double' | 'decimal' | 'list' | 'map';

const fail = (code: string): never => {
  throw new Failure(code);
};

function kind(value: unknown): Kind {
  if (value === null) return 'null';
  if (typeof value === 'boolean' || typeof value === 'string') return typeof value as 'boolean' | 'string';
  if (typeof value === 'bigint') return 'int';
  if (typeof value === 'number') return Number.isSafeInteger(value) ? 'int' : 'double';
  return value instanceof Decimal ? 'decimal' : Array.isArray(value) ? 'list' : 'map';
}

const numeric = (value: unknown): boolean => ['int', 'double', 'decimal'].includes(kind(value));
const wrong = (value: unknown): never => fail(value === null ? 'null_operand' : 'type_mismatch');
const big = (value: unknown): InstanceType<typeof Decimal> => new Decimal(String(value));

function field(holder: unknown, name: unknown): unknown {
  if (kind(holder) === 'map')
    return typeof name === 'string' ? Object.getOwnPropertyDescriptor(holder, name)?.value : wrong(name);
  if (kind(holder) !== 'list' || typeof name === 'string') return wrong(kind(holder) === 'list' ? name : holder);
  return (holder as unknown[]).find((_, i) => i === Number(name));
}

const below = (node: Node): boolean =>
  (node.kind === 'select' || node.kind === 'index') && (node.optional || below(node.target));

export function interpret(node: Node, locals: Locals): unknown {
  switch (node.kind) {
    case 'literal':
      return node.value;
    case 'name':
      return locals[node.name];
    case 'select':
    case 'index': {
      const holder = interpret(node.target, locals);
      const name = node.kind === 'select' ? node.field : interpret(node.index, locals);
      if (holder === null && below(node)) return null;
      if (node.kind === 'select' && kind(holder) !== 'map') return wrong(holder);
      return field(holder, name) ?? (below(node) || field(holder, name) === null ? null : fail('field_missing'));
    }
    case 'unary': {
      if (node.operator === '!') return !condition(node.operand, locals);
      const value = interpret(node.operand, locals);
      return numeric(value) ? arithmetic('-', 0, value, node.type === 'double') : wrong(value);
    }
    case 'binary':
      return binary(node.operator, node.left, node.right, locals);
    case 'conditional':
      return interpret(condition(node.test, locals) ? node.yes : node.no, locals);
    case 'list':
      return node.items.map((item) => interpret(item, locals));
    case 'map':
      return Object.fromEntries(
        node.entries.map(({ key, value }) => [interpret(key, locals), interpret(value, locals)]),
      );
    case 'macro': {
      const list = interpret(node.list, locals);
      if (!Array.isArray(list)) return wrong(list);
      const test = (item: unknown): boolean => condition(node.body, { ...locals, [node.variable]: item });
      if (node.macro === 'map')
        return list.map((item: unknown) => interpret(node.body, { ...locals, [node.variable]: item }));
      if (node.macro === 'filter') return list.filter(test);
      if (node.macro === 'exists_one') return list.filter(test).length === 1;
      return node.macro === 'all' ? list.every(test) : list.some(test);
    }
    case 'call':
      return call(node.name, node.args, locals);
    default:
      throw new Error(`not interpreted: ${node.kind}`);
  }
}

function condition(node: Node, locals: Locals): boolean {
  const value = interpret(node, locals);
  return typeof value === 'boolean' ? value : wrong(value);
}

function call(name: string, args: readonly Node[], locals: Locals): unknown {
  if (name === 'coalesce') {
    for (const arg of args) {
      const value = interpret(arg, locals);
      if (value !== null) return value;
    }
    return null;
  }
  if (name === 'has') {
    const [path] = args as [Extract<Node, { kind: 'select' }>];
    let value: unknown;
    try {
      value =
        path.target.kind === 'select' && !call('has', [path.target], locals) ? null : interpret(path.target, locals);
    } catch (error) {
      if (error instanceof Failure) return false;
      throw error;
    }
    return kind(value) === 'map' && Object.hasOwn(value as object, path.field);
  }
  const value = interpret(args[0]!, locals);
  if (name === 'lower') return typeof value === 'string' ? value.toLowerCase() : wrong(value);
  if (name === 'size')
    return typeof value === 'string' || Array.isArray(value)
      ? value.length
      : kind(value) === 'map'
        ? Object.keys(value as object).length
        : wrong(value);
  throw new Error(`not interpreted: ${name}`);
}

function binary(operator: string, left: Node, right: Node, locals: Locals): unknown {
  if (operator === '&&') return condition(left, locals) && condition(right, locals);
  if (operator === '||') return condition(left, locals) || condition(right, locals);
  const [a, b] = [interpret(left, locals), interpret(right, locals)];
  if (operator === '==' || operator === '!=') return same(a, b) === (operator === '==');
  if (operator === 'in') {
    if (Array.isArray(b)) return b.some((item) => same(item, a));
    if (kind(b) !== 'map') return wrong(b);
    return typeof a === 'string' ? Object.hasOwn(b as object, a) : wrong(a);
  }
  if (/[<>]/.test(operator)) {
    for (const value of [a, b])
      if (['null'].includes(kind(value)) && (value === a || comparable(a))) fail('null_operand');
    if (!comparable(a) || !(numeric(a) ? numeric(b) : kind(a) === kind(b))) return fail('type_mismatch');
    const order = numeric(a) ? big(a).cmp(big(b)) : (a as string) < (b as string) ? -1 : a === b ? 0 : 1;
    return { '<': order < 0, '<=': order <= 0, '>': order > 0, '>=': order >= 0 }[operator];
  }
  if (!numeric(a) || !numeric(b)) {
    if (operator === '+' && typeof a === 'string' && typeof b === 'string') return a + b;
    if (operator === '+' && Array.isArray(a) && Array.isArray(b)) return [...(a as unknown[]), ...(b as unknown[])];
    return fail(
      operator === '%' && numeric(a)
        ? whole(a) && b === null
          ? 'null_operand'
          : operator === '%' && !whole(a)
            ? 'type_mismatch'
            : b === null
              ? 'null_operand'
              : 'type_mismatch'
        : operator === '%'
          ? a === null
            ? 'null_operand'
            : 'type_mismatch'
          : a === null || b === null
            ? 'null_operand'
            : 'type_mismatch',
    );
  }
  return arithmetic(operator, a, b, left.type === 'double' || right.type === 'double');
}

const comparable = (value: unknown): boolean => numeric(value) || typeof value === 'string';
const whole = (value: unknown): boolean => big(value).eq(big(value).round(0, 0)) && kind(value) !== 'double';

function same(a: unknown, b: unknown): boolean {
  if (numeric(a) && numeric(b)) return big(a).eq(big(b));
  if (kind(a) !== kind(b)) return false;
  if (kind(a) === 'list' || kind(a) === 'map') {
    const [x, y] = [Object.entries(a as object), Object.entries(b as object)];
    return (
      x.length === y.length &&
      x.every(([key, value]) => Object.hasOwn(b as object, key) && same(value, (b as Record<string, unknown>)[key]))
    );
  }
  return a === b;
}

function arithmetic(operator: string, a: unknown, b: unknown, double: boolean): unknown {
  if (operator === '%' && !(whole(a) && whole(b))) return fail('type_mismatch');
  if ((operator === '/' || operator === '%') && big(b).eq(0)) return fail('division_by_zero');
  const [x, y] = [big(a), big(b)];
  const exact = (): InstanceType<typeof Decimal> =>
    operator === '+'
      ? x.plus(y)
      : operator === '-'
        ? x.minus(y)
        : operator === '*'
          ? x.times(y)
          : operator === '/'
            ? x.div(y)
            : x.mod(y);
  if (kind(a) === 'decimal' || kind(b) === 'decimal') return exact();
  if (!double && kind(a) === 'int' && kind(b) === 'int') {
    if (operator === '/' && !x.mod(y).eq(0)) return Number(a) / Number(b);
    const result = BigInt(exact().toFixed(0));
    if (BigInt.asIntN(64, result) !== result) return fail('overflow');
    return Number.isSafeInteger(Number(result)) ? Number(result) : result;
  }
  const [n, m] = [Number(a), Number(b)];
  const result = operator === '+' ? n + m : operator === '-' ? n - m : operator === '*' ? n * m : n / m;
  return Number.isFinite(result) ? result : fail('overflow');
}
