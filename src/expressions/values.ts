/** Values at run time: their kinds, reading fields without ever reaching a prototype, equality and order. */
import { Decimal, isDecimal } from './decimal.ts';
import { EvaluationError } from './errors.ts';
import { Duration, Timestamp } from './timestamp.ts';

export type Kind = 'null' | 'bool' | 'number' | 'string' | 'bytes' | 'timestamp' | 'duration' | 'list' | 'map';

/** A number is a JS number, a bigint (an integer beyond 2^53) or a Decimal; everything else has one representation. */
export function kindOf(value: unknown): Kind {
  switch (typeof value) {
    case 'string':
      return 'string';
    case 'number':
    case 'bigint':
      return 'number';
    case 'boolean':
      return 'bool';
    default:
      if (value === null || value === undefined) return 'null';
      if (Array.isArray(value)) return 'list';
      if (isDecimal(value)) return 'number';
      if (value instanceof Timestamp) return 'timestamp';
      if (value instanceof Duration) return 'duration';
      return value instanceof Uint8Array ? 'bytes' : 'map';
  }
}

const kindNames: Record<Kind, string> = {
  null: 'null',
  bool: 'true or false',
  number: 'a number',
  string: 'text',
  bytes: 'bytes',
  timestamp: 'a timestamp',
  duration: 'a duration',
  list: 'a list',
  map: 'a map',
};

export const kindName = (value: unknown): string => kindNames[kindOf(value)];

/** Fails because `subject` holds a value that can't be used there. `needed`: `+ needs numbers`. */
export function unusable(value: unknown, subject: string, needed: string): never {
  if (value === null || value === undefined)
    throw new EvaluationError('null_operand', `${subject} is null; ${needed}`, subject);
  throw new EvaluationError('type_mismatch', `${subject} is ${kindName(value)}; ${needed}`, subject);
}

const isMap = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && kindOf(value) === 'map';

/**
 * Names that some value could answer without owning a field of that name: all of the prototypes, and what our own
 * classes hold. Reading any other name from any value gives a field of a map or undefined, so it can be read directly.
 */
const reserved = new Set<string>([
  'c',
  'e',
  's',
  'length',
  'lastIndex',
  ...Object.getOwnPropertyNames(new Timestamp(0)),
]);
const prototypes = [
  Object,
  Array,
  String,
  Number,
  BigInt,
  Boolean,
  Buffer,
  Uint8Array,
  Object.getPrototypeOf(Uint8Array),
  Timestamp,
  Duration,
  Decimal,
];
for (const owner of prototypes) {
  for (const name of Object.getOwnPropertyNames((owner as { prototype: object }).prototype)) reserved.add(name);
}

export const isDirectlyReadable = (field: string): boolean => !reserved.has(field) && !/^\d/.test(field);

/** The field of a map, undefined where it is absent or `target` is no map. */
function own(target: unknown, field: string): unknown {
  return isMap(target) && Object.hasOwn(target, field) ? target[field] : undefined;
}

/** `target.field`, where it must be there. `subject` names the target: `event.customer`. */
export function select(target: unknown, field: string, subject: string): unknown {
  const value = own(target, field);
  if (value !== undefined) return value;
  if (!isMap(target)) return unusable(target, subject, `it has no field ${field}`);
  const path = `${subject}.${field}`;
  throw new EvaluationError('field_missing', `${path} is missing; where it may be, write ${subject}.?${field}`, path);
}

/** `target.?field`: null where the field or the target is absent. */
export function selectOptional(target: unknown, field: string, subject: string): unknown {
  if (target === null || target === undefined) return null;
  if (!isMap(target)) return unusable(target, subject, `it has no field ${field}`);
  return own(target, field) ?? null;
}

/** `target[index]`, where it must be there. */
export function element(target: unknown, index: unknown, subject: string, path: string): unknown {
  const value = find(target, index, subject);
  if (value === undefined) throw new EvaluationError('field_missing', `${path} is missing`, path);
  return value;
}

export function elementOptional(target: unknown, index: unknown, subject: string): unknown {
  return target === null || target === undefined ? null : (find(target, index, subject) ?? null);
}

function find(target: unknown, index: unknown, subject: string): unknown {
  if (Array.isArray(target)) {
    if (typeof index !== 'number' && typeof index !== 'bigint')
      return unusable(index, `the index of ${subject}`, 'a list is indexed by an integer from 0');
    // Only own elements: '-1' or '0.5' would be looked up on the prototype.
    return Number.isInteger(Number(index)) && Number(index) >= 0 ? (target as unknown[])[Number(index)] : undefined;
  }
  if (!isMap(target)) return unusable(target, subject, 'only a list or a map has elements');
  if (typeof index !== 'string') return unusable(index, `the index of ${subject}`, 'a map is indexed by a text');
  return own(target, index);
}

/** The field or element, undefined where there is none, whatever `target` is. */
export function peek(target: unknown, index: unknown): unknown {
  if (typeof index === 'string') return own(target, index);
  return Array.isArray(target) && typeof index === 'number' && Number.isInteger(index) && index >= 0
    ? (target as unknown[])[index]
    : undefined;
}

/** Equality by value across kinds of numbers; values of different kinds are not equal. */
export function equal(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  if (typeof a === 'string' || typeof b === 'string' || typeof a === 'boolean' || typeof b === 'boolean') return false;
  if (a === null || b === null || a === undefined || b === undefined) return false;
  const kind = kindOf(a);
  if (kind !== kindOf(b)) return false;
  switch (kind) {
    case 'number':
      return order(a as AnyNumber, b as AnyNumber) === 0;
    case 'timestamp':
    case 'duration':
      return (a as Timestamp).micros === (b as Timestamp).micros;
    case 'bytes':
      return Buffer.compare(a as Uint8Array, b as Uint8Array) === 0;
    case 'list': {
      const [left, right] = [a as unknown[], b as unknown[]];
      return left.length === right.length && left.every((item, i) => equal(item, right[i]));
    }
    case 'map': {
      const [left, right] = [a as Record<string, unknown>, b as Record<string, unknown>];
      const keys = Object.keys(left);
      return (
        keys.length === Object.keys(right).length &&
        keys.every((key) => Object.hasOwn(right, key) && equal(left[key], right[key]))
      );
    }
    default:
      return false;
  }
}

export type AnyNumber = number | bigint | Decimal;

/** Below, equal or above 0; NaN where one is NaN. Exact across kinds. */
export function order(a: AnyNumber, b: AnyNumber): number {
  if (typeof a !== 'object' && typeof b !== 'object') return a < b ? -1 : a > b ? 1 : a == b ? 0 : NaN; // oxlint-disable-line eqeqeq -- a number and a bigint
  if (typeof a === 'number' && !Number.isFinite(a)) return a;
  if (typeof b === 'number' && !Number.isFinite(b)) return -b;
  return new Decimal(a).cmp(b);
}

/** Order of two values of one kind that has one: numbers, texts (by UTF-16 unit), times, durations. */
export function compare(a: unknown, b: unknown, left: string, right: string, operator: string): number {
  const kind = kindOf(a);
  const needed = `${operator} compares two numbers, texts, timestamps or durations`;
  if (kind === 'null' || kind === 'bool' || kind === 'list' || kind === 'map' || kind === 'bytes')
    return unusable(a, left, needed);
  if (kindOf(b) === 'null') return unusable(b, right, needed);
  if (kind !== kindOf(b)) {
    throw new EvaluationError(
      'type_mismatch',
      `${left} is ${kindName(a)} and ${right} is ${kindName(b)}; ${needed}`,
      left,
    );
  }
  if (kind === 'number') return order(a as AnyNumber, b as AnyNumber);
  if (kind === 'string') return (a as string) < (b as string) ? -1 : a === b ? 0 : 1;
  return (a as Timestamp).micros - (b as Timestamp).micros;
}

/** `item in container`: an element of a list (by value) or a key of a map. */
export function isIn(item: unknown, container: unknown, left: string, right: string): boolean {
  if (Array.isArray(container)) return container.includes(item) || container.some((element) => equal(element, item));
  if (!isMap(container)) return unusable(container, right, 'in looks into a list or the keys of a map');
  if (typeof item !== 'string') return unusable(item, left, 'the keys of a map are texts');
  return own(container, item) !== undefined;
}

export function needBool(value: unknown, subject: string, where: string): boolean {
  return typeof value === 'boolean' ? value : unusable(value, subject, `${where} needs true or false`);
}

/** Longest text or list an expression may build. */
export const sizeMax = 1_048_576;

/** Fails with `too_large` before something of `size` characters or elements is built. */
export function checkSize(size: number, subject: string): void {
  if (size > sizeMax) throw new EvaluationError('too_large', `${subject} would be larger than 1 MiB`, subject);
}
