/**
 * Arithmetic where the inlined fast path (two JS numbers with a result below 2^53) does not reach.
 *
 * A JS number that is a safe integer counts as an integer, any other as a double; integers are exact to 64 bits and
 * beyond that fail with `overflow`. A decimal makes the result a decimal, else a double makes it a double. No operation
 * gives NaN or Infinity. `double` is true where the text of the expression says that a side is a double.
 */
import { boundedDecimal, Decimal, decimalFrom, isDecimal } from './decimal.ts';
import { EvaluationError } from './errors.ts';
import { Duration, durationOf, Timestamp, timestampOf } from './timestamp.ts';
import { checkSize, kindName, kindOf, unusable, type AnyNumber } from './values.ts';

type Operation = '+' | '-' | '*' | '/' | '%';

const integerMax = 2n ** 63n - 1n;
const integerMin = -(2n ** 63n);

export const isNumberLike = (value: unknown): value is AnyNumber =>
  typeof value === 'number' || typeof value === 'bigint' || isDecimal(value);

/** True for what counts as an integer. */
export const isInteger = (value: unknown): value is number | bigint =>
  typeof value === 'bigint' || Number.isSafeInteger(value);

/** A bigint as a JS number where that is exact; fails beyond 64 bits. */
export function integer(value: bigint, subject: string): number | bigint {
  if (value > integerMax || value < integerMin)
    throw new EvaluationError('overflow', `${subject} needs an integer of more than 64 bits`, subject);
  return value <= BigInt(Number.MAX_SAFE_INTEGER) && value >= BigInt(Number.MIN_SAFE_INTEGER) ? Number(value) : value;
}

function finite(value: number, subject: string): number {
  if (!Number.isFinite(value))
    throw new EvaluationError('overflow', `${subject} is larger than a double can be`, subject);
  return value;
}

export function toDecimal(value: AnyNumber, subject: string): Decimal {
  if (isDecimal(value)) return value;
  const decimal = decimalFrom(value);
  if (decimal === undefined) throw new EvaluationError('overflow', `${subject} is no finite number`, subject);
  return decimal;
}

function numbers(
  operation: Operation,
  a: AnyNumber,
  b: AnyNumber,
  left: string,
  right: string,
  double: boolean,
): AnyNumber {
  const subject = `${left} ${operation} ${right}`;
  if (operation === '/' && (isDecimal(b) ? b.eq(0) : Number(b) === 0)) {
    throw new EvaluationError('division_by_zero', `${right} is 0 in ${subject}`, right);
  }
  if (isDecimal(a) || isDecimal(b)) {
    const [x, y] = [toDecimal(a, left), toDecimal(b, right)];
    switch (operation) {
      case '+':
        return boundedDecimal(x.plus(y));
      case '-':
        return boundedDecimal(x.minus(y));
      case '*':
        return boundedDecimal(x.times(y));
      case '/':
        return boundedDecimal(x.div(y));
      case '%':
        return boundedDecimal(x.mod(y));
    }
  }
  if (!double && isInteger(a) && isInteger(b)) {
    const [x, y] = [BigInt(a), BigInt(b)];
    switch (operation) {
      case '+':
        return integer(x + y, subject);
      case '-':
        return integer(x - y, subject);
      case '*':
        return integer(x * y, subject);
      case '/':
        return x % y === 0n ? integer(x / y, subject) : Number(x) / Number(y);
      case '%':
        return integer(x % y, subject);
    }
  }
  const [x, y] = [Number(a), Number(b)];
  switch (operation) {
    case '+':
      return finite(x + y, subject);
    case '-':
      return finite(x - y, subject);
    case '*':
      return finite(x * y, subject);
    case '/':
      return finite(x / y, subject);
    case '%':
      return finite(x % y, subject);
  }
}

const needs: Record<Operation, string> = {
  '+': '+ adds two numbers, texts, lists, or a duration to a time',
  '-': '- takes a number from a number, or a time or duration from a time',
  '*': '* needs numbers',
  '/': '/ needs numbers',
  '%': '% needs integers',
};

/** Names the operand that is at fault: a null one first, then the one that is no number, else both. */
function mismatch(operation: Operation, a: unknown, b: unknown, left: string, right: string): never {
  for (const [value, subject] of [
    [a, left],
    [b, right],
  ] as const)
    if (value === null || value === undefined) unusable(value, subject, needs[operation]);
  const known =
    operation === '+' || operation === '-' ? ['number', 'string', 'timestamp', 'duration', 'list'] : ['number'];
  for (const [value, subject] of [
    [a, left],
    [b, right],
  ] as const)
    if (!known.includes(kindOf(value))) unusable(value, subject, needs[operation]);
  const hint =
    operation === '+' && (typeof a === 'string' || typeof b === 'string')
      ? 'to join them to a text write string(...)'
      : needs[operation];
  throw new EvaluationError('type_mismatch', `${left} is ${kindName(a)} and ${right} is ${kindName(b)}; ${hint}`, left);
}

export function add(a: unknown, b: unknown, left: string, right: string, double = false): unknown {
  if (isNumberLike(a) && isNumberLike(b)) return numbers('+', a, b, left, right, double);
  if (typeof a === 'string' && typeof b === 'string') {
    checkSize(a.length + b.length, `${left} + ${right}`);
    return a + b;
  }
  if (a instanceof Timestamp && b instanceof Duration) return timestampOf(a.micros + b.micros);
  if (a instanceof Duration && b instanceof Timestamp) return timestampOf(a.micros + b.micros);
  if (a instanceof Duration && b instanceof Duration) return durationOf(a.micros + b.micros);
  if (Array.isArray(a) && Array.isArray(b)) {
    checkSize(a.length + b.length, `${left} + ${right}`);
    return [...(a as unknown[]), ...(b as unknown[])];
  }
  return mismatch('+', a, b, left, right);
}

export function subtract(a: unknown, b: unknown, left: string, right: string, double = false): unknown {
  if (isNumberLike(a) && isNumberLike(b)) return numbers('-', a, b, left, right, double);
  if (a instanceof Timestamp && b instanceof Timestamp) return durationOf(a.micros - b.micros);
  if (a instanceof Timestamp && b instanceof Duration) return timestampOf(a.micros - b.micros);
  if (a instanceof Duration && b instanceof Duration) return durationOf(a.micros - b.micros);
  return mismatch('-', a, b, left, right);
}

export function multiply(a: unknown, b: unknown, left: string, right: string, double = false): unknown {
  return isNumberLike(a) && isNumberLike(b)
    ? numbers('*', a, b, left, right, double)
    : mismatch('*', a, b, left, right);
}

/** Never truncates: 5 / 2 is 2.5. */
export function divide(a: unknown, b: unknown, left: string, right: string, double = false): unknown {
  return isNumberLike(a) && isNumberLike(b)
    ? numbers('/', a, b, left, right, double)
    : mismatch('/', a, b, left, right);
}

/** Remainder of integers, with the sign of the dividend. */
export function remainder(a: unknown, b: unknown, left: string, right: string): unknown {
  integers(a, b, left, right, '%');
  return numbers('%', a as AnyNumber, b as AnyNumber, left, right, false);
}

/** Quotient of integers, cut towards zero. */
export function quotient(a: unknown, b: unknown, left: string, right: string): unknown {
  integers(a, b, left, right, 'div()');
  if (isDecimal(a) || isDecimal(b))
    return toDecimal(a as AnyNumber, left)
      .div(toDecimal(b as AnyNumber, right))
      .round(0, Decimal.roundDown);
  return integer(BigInt(a as number) / BigInt(b as number), `div(${left}, ${right})`);
}

function integers(a: unknown, b: unknown, left: string, right: string, operation: string): void {
  for (const [value, subject] of [
    [a, left],
    [b, right],
  ] as const) {
    if (isInteger(value) || (isDecimal(value) && value.eq(value.round(0, Decimal.roundDown)))) continue;
    if (!isNumberLike(value)) unusable(value, subject, `${operation} needs integers`);
    throw new EvaluationError('type_mismatch', `${subject} is no integer; ${operation} needs integers`, subject);
  }
  if (isDecimal(b) ? b.eq(0) : Number(b) === 0) throw new EvaluationError('division_by_zero', `${right} is 0`, right);
}

export function negate(a: unknown, subject: string): unknown {
  if (typeof a === 'number') return 0 - a;
  if (typeof a === 'bigint') return integer(-a, `-${subject}`);
  if (isDecimal(a)) return a.neg();
  if (a instanceof Duration) return new Duration(0 - a.micros);
  return unusable(a, subject, '- needs a number or a duration');
}
