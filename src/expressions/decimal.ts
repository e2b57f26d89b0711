/** Exact decimal numbers, for money and for integers beyond 64 bits. */
import { Big } from 'big.js';
import { EvaluationError } from './errors.ts';

/**
 * The constructor of decimals, apart from other users of big.js: division keeps 34 digits after the point and rounds
 * half to even, as IEEE 754 decimal128 does; text is always plain, never `1e+30`.
 */
export const Decimal = Big();
Decimal.DP = 34;
Decimal.RM = 2;
Decimal.PE = 10_000;
Decimal.NE = -10_000;

export type Decimal = Big;

/** Digits of a decimal, before and after the point: what a column can hold, and what arithmetic stays fast with. */
const digitsMax = 1000;

export const isDecimal = (value: unknown): value is Decimal => value instanceof Decimal;

/** A decimal from a number or plain digits (`-12.5`, `1e3`); undefined where the text is no number or too long. */
export function decimalFrom(source: string | number | bigint): Decimal | undefined {
  const text = typeof source === 'string' ? source : String(source);
  if (text.length > digitsMax * 2 || !/^[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,4})?$/.test(text)) return undefined;
  const value = new Decimal(text.startsWith('+') ? text.slice(1) : text);
  return fits(value) ? value : undefined;
}

const fits = (value: Decimal): boolean =>
  value.c.length <= digitsMax * 2 && value.e < digitsMax && value.e > -digitsMax;

/** Passes a result on, or fails with `overflow` when it has more digits than a decimal may have. */
export function boundedDecimal(value: Decimal): Decimal {
  if (!fits(value)) throw new EvaluationError('overflow', `a decimal has at most ${digitsMax} digits`);
  return value;
}
