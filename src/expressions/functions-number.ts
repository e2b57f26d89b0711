import { add, integer, isInteger, quotient } from './arithmetic.ts';
import { boundedDecimal, Decimal, decimalFrom, isDecimal } from './decimal.ts';
import { EvaluationError } from './errors.ts';
import { define } from './signature.ts';
import { Duration } from './timestamp.ts';
import { compare, unusable, type AnyNumber } from './values.ts';

/** An integer of any size out of a decimal without fraction; a Decimal where it has more than 64 bits. */
function whole(value: Decimal): AnyNumber {
  const exact = BigInt(value.toFixed(0));
  return BigInt.asIntN(64, exact) === exact ? integer(exact, '') : value;
}

/** Half away from zero, as SQL does, on the digits the number is printed with: round(1.005, 2) is 1.01. */
function round(at: string, value: AnyNumber, digits = 0): AnyNumber {
  if (digits < 0 || digits > 100) throw new EvaluationError('invalid_argument', 'round takes 0 to 100 digits', at);
  if (isInteger(value)) return value;
  if (digits === 0 && typeof value === 'number' && Number.isFinite(value)) {
    const size = Math.abs(value);
    const below = Math.floor(size);
    return Math.sign(value) * (size - below >= 0.5 ? below + 1 : below) + 0;
  }
  const exact = isDecimal(value) ? value : decimalFrom(value);
  if (exact === undefined) return value;
  const rounded = boundedDecimal(exact.round(digits, Decimal.roundHalfUp));
  if (digits === 0) return whole(rounded);
  return isDecimal(value) ? rounded : Number(rounded.toString());
}

/** -0 is no number of its own here. */
const towards =
  (onDouble: (value: number) => number, up: boolean) =>
  (_: string, value: AnyNumber): AnyNumber => {
    if (isInteger(value)) return value;
    if (!isDecimal(value)) return onDouble(value as number) + 0;
    const cut = value.round(0, Decimal.roundDown);
    if (cut.eq(value) || cut.lt(value) !== up) return whole(cut);
    return whole(up ? cut.plus(1) : cut.minus(1));
  };

function abs(at: string, value: unknown): unknown {
  if (typeof value === 'number') return Math.abs(value);
  if (typeof value === 'bigint') return value < 0n ? integer(-value, `abs(${at})`) : value;
  if (value instanceof Duration) return new Duration(Math.abs(value.micros));
  return isDecimal(value) ? value.abs() : unusable(value, at, 'abs needs a number or a duration');
}

/** The values to choose from: the arguments, or the elements of a single list. */
function choices(at: string, values: readonly unknown[], name: string): readonly unknown[] {
  if (values.length !== 1 || !Array.isArray(values[0])) return values;
  const list = values[0] as unknown[];
  if (list.length === 0)
    throw new EvaluationError('invalid_argument', `${at} is empty; ${name} needs at least one value`, at);
  return list;
}

function extreme(name: 'min' | 'max') {
  const sign = name === 'min' ? -1 : 1;
  return (at: string, ...values: never[]): unknown => {
    const list = choices(at, values, name);
    let best = list[0];
    for (let i = 0; i < list.length; i++) {
      if (compare(list[i], best, `value ${i + 1} of ${name}`, `value 1 of ${name}`, name) * sign > 0) best = list[i];
    }
    return best;
  };
}

function sum(at: string, list: readonly unknown[]): unknown {
  let total: unknown = 0;
  for (let i = 0; i < list.length; i++) {
    const item = list[i];
    if (i === 0 && item instanceof Duration) total = item;
    else {
      if (typeof item === 'string' || Array.isArray(item)) return unusable(item, `${at}[${i}]`, 'sum adds numbers');
      total = add(total, item, `the sum of ${at}`, `${at}[${i}]`);
    }
  }
  return total;
}

export const numberFunctions = {
  abs: define('any', 'dyn', abs),
  round: define('number int?', 'number', round),
  floor: define('number', 'number', towards(Math.floor, false)),
  ceil: define('number', 'number', towards(Math.ceil, true)),
  div: define('any any', 'number', (at, a: unknown, b: unknown) => quotient(a, b, at, 'the divisor')),
  min: define('any any...', 'dyn', extreme('min')),
  max: define('any any...', 'dyn', extreme('max')),
  sum: define('list', 'dyn', sum),
};
