import { integer, isInteger, toDecimal } from './arithmetic.ts';
import { Decimal, decimalFrom, isDecimal } from './decimal.ts';
import { EvaluationError } from './errors.ts';
import { JsonError, parseJson, stringifyJson } from './json.ts';
import { define } from './signature.ts';
import { textOf } from './text-of.ts';
import { Timestamp } from './timestamp.ts';
import { checkSize, unusable } from './values.ts';

const invalid = (at: string, reason: string): never => {
  throw new EvaluationError('invalid_argument', `${at} ${reason}`, at);
};

/** Digits; a double or decimal cut towards zero; a timestamp in seconds since the epoch. */
function toInt(at: string, value: unknown): number | bigint {
  if (isInteger(value)) return value;
  if (typeof value === 'string')
    return /^[+-]?\d{1,30}$/.test(value)
      ? integer(BigInt(value), `int(${at})`)
      : invalid(at, 'is not the text of an integer');
  if (value instanceof Timestamp) return Math.floor(value.micros / 1_000_000);
  if (typeof value === 'number' && Number.isFinite(value)) return integer(BigInt(Math.trunc(value)), `int(${at})`);
  if (isDecimal(value)) return integer(BigInt(value.round(0, Decimal.roundDown).toFixed(0)), `int(${at})`);
  return unusable(value, at, 'int reads a text, a number or a timestamp');
}

function toDouble(at: string, value: unknown): number {
  if (typeof value === 'number') return value;
  if (typeof value === 'string') {
    const number = decimalText.test(value) ? Number(value) : NaN;
    return Number.isFinite(number) ? number : invalid(at, 'is not the text of a number');
  }
  return typeof value === 'bigint' || isDecimal(value)
    ? Number(value)
    : unusable(value, at, 'double reads a text or a number');
}

const decimalText = /^[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?$/;

function decimal(at: string, value: unknown): Decimal {
  if (typeof value === 'string') return decimalFrom(value) ?? invalid(at, 'is not the text of a number');
  if (typeof value === 'number' || typeof value === 'bigint' || isDecimal(value)) return toDecimal(value, at);
  return unusable(value, at, 'decimal reads a text or a number');
}

function toBool(at: string, value: unknown): boolean {
  if (typeof value === 'boolean') return value;
  if (value === 'true' || value === 'false') return value === 'true';
  return typeof value === 'string'
    ? invalid(at, 'is not "true" or "false"')
    : unusable(value, at, 'bool reads "true" or "false"');
}

function json(at: string, text: string): unknown {
  try {
    return parseJson(text);
  } catch (error) {
    if (error instanceof JsonError) return invalid(at, `is not JSON: ${error.message}`);
    throw error;
  }
}

function toJson(at: string, value: unknown): string {
  const text = stringifyJson(value);
  checkSize(text.length, `to_json of ${at}`);
  return text;
}

export const conversionFunctions = {
  int: define('any', 'int', toInt),
  double: define('any', 'double', toDouble),
  decimal: define('any', 'decimal', decimal),
  string: define('any', 'string', (at, value: unknown) => textOf(value, at)),
  bool: define('any', 'bool', toBool),
  json: define('string', 'dyn', json),
  to_json: define('any', 'string', toJson),
};
