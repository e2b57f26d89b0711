/** What types operators take and give. */
import { isNumeric, type BinaryOperator, type Type } from './tree.ts';

/** The type of a value that is one or the other. */
export function unify(a: Type, b: Type): Type {
  if (a === 'null') return b;
  if (b === 'null' || a === b) return a;
  if (isNumeric(a) && isNumeric(b)) return 'number';
  if (typeof a === 'object' && typeof b === 'object') {
    if ('list' in a && 'list' in b) return { list: unify(a.list, b.list) };
    if ('map' in a && 'map' in b) return { map: unify(a.map, b.map) };
  }
  return 'dyn';
}

const kindOfType = (type: Type): string =>
  typeof type === 'object' ? ('list' in type ? 'list' : 'map') : isNumeric(type) ? 'number' : type;

/** False where values of these types can never be equal. Anything may be null. */
export function sameKind(a: Type, b: Type): boolean {
  const [x, y] = [kindOfType(a), kindOfType(b)];
  return x === y || x === 'dyn' || y === 'dyn' || x === 'null' || y === 'null';
}

const ordered: ReadonlySet<string> = new Set(['number', 'string', 'timestamp', 'duration', 'dyn']);

/** The type of an arithmetic or ordering operation, undefined where it does not take these. */
export function resultOf(
  operator: Exclude<BinaryOperator, '==' | '!=' | '&&' | '||' | 'in'>,
  a: Type,
  b: Type,
): Type | undefined {
  const [x, y] = [kindOfType(a), kindOfType(b)];
  switch (operator) {
    case '<':
    case '<=':
    case '>':
    case '>=': {
      return ordered.has(x) && ordered.has(y) && sameKind(a, b) ? 'bool' : undefined;
    }
    case '*':
    case '/':
    case '%':
      if (!['number', 'dyn'].includes(x) || !['number', 'dyn'].includes(y)) return undefined;
      if (operator === '%' && (a === 'double' || b === 'double')) return undefined;
      return numeric(operator, a, b);
    default:
  }
  if (x === 'number' && y === 'number') return numeric(operator, a, b);
  if (x === 'dyn' && y === 'dyn') return 'dyn';
  const pair = `${x}${operator}${y}`;
  switch (pair) {
    case 'number+dyn':
    case 'dyn+number':
    case 'number-dyn':
    case 'dyn-number':
      return numeric(operator, a, b);
    case 'string+string':
    case 'string+dyn':
    case 'dyn+string':
      return 'string';
    case 'timestamp+duration':
    case 'duration+timestamp':
    case 'timestamp+dyn':
    case 'dyn+timestamp':
    case 'timestamp-duration':
      return 'timestamp';
    case 'timestamp-timestamp':
    case 'dyn-timestamp':
    case 'duration+duration':
    case 'duration-duration':
    case 'duration-dyn':
      return 'duration';
    case 'list+list':
      return unify(a, b);
    case 'list+dyn':
    case 'dyn+list':
      return { list: 'dyn' };
    case 'duration+dyn':
    case 'dyn+duration':
    case 'timestamp-dyn':
    case 'dyn-duration':
      return 'dyn';
    default:
      return undefined;
  }
}

function numeric(operator: BinaryOperator, a: Type, b: Type): Type {
  if (a === 'decimal' || b === 'decimal') return 'decimal';
  if (a === 'int' && b === 'int') return operator === '/' ? 'number' : 'int';
  // A side known only at run time may be a decimal, and then so is the result.
  const exact = (type: Type): boolean => type === 'int' || type === 'double';
  return exact(a) && exact(b) ? 'double' : 'number';
}
