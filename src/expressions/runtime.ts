/** What generated code calls where its fast path does not reach. The names are those the generator writes. */
import { add, divide, multiply, negate, remainder, subtract } from './arithmetic.ts';
import { isDecimal } from './decimal.ts';
import { EvaluationError } from './errors.ts';
import { textOf } from './text-of.ts';
import { Timestamp } from './timestamp.ts';
import {
  checkSize,
  compare,
  element,
  elementOptional,
  equal,
  isIn,
  needBool,
  peek,
  select,
  selectOptional,
  unusable,
  type AnyNumber,
} from './values.ts';

/** Stands for an event that is no map: every field of it is absent. */
const noFields: object = Object.freeze(Object.create(null) as object);

function needString(value: unknown, subject: string, name: string): string {
  return typeof value === 'string' ? value : unusable(value, subject, `${name} needs text`);
}

function needNumber(value: unknown, subject: string, name: string): AnyNumber {
  return typeof value === 'number' || typeof value === 'bigint' || isDecimal(value)
    ? value
    : unusable(value, subject, `${name} needs a number`);
}

function needInt(value: unknown, subject: string, name: string): number {
  if (Number.isSafeInteger(value)) return value as number;
  if (typeof value === 'number' || typeof value === 'bigint' || isDecimal(value)) {
    throw new EvaluationError('type_mismatch', `${subject} is no integer that ${name} can take`, subject);
  }
  return unusable(value, subject, `${name} needs an integer`);
}

function needList(value: unknown, subject: string, name: string): readonly unknown[] {
  return Array.isArray(value) ? value : unusable(value, subject, `${name} needs a list`);
}

function needTimestamp(value: unknown, subject: string, name: string): Timestamp {
  if (value instanceof Timestamp) return value;
  return unusable(
    value,
    subject,
    typeof value === 'string' ? `${name} needs a timestamp; write timestamp(...)` : `${name} needs a timestamp`,
  );
}

/** A map out of keys and values in turn. `__proto__` is a key like others. */
function mapOf(subject: string, ...pairs: unknown[]): Record<string, unknown> {
  const map: Record<string, unknown> = {};
  for (let i = 0; i < pairs.length; i += 2)
    assign(map, needString(pairs[i], `a key of ${subject}`, 'a map'), pairs[i + 1]);
  return map;
}

function assign(map: Record<string, unknown>, key: string, value: unknown): void {
  if (key === '__proto__')
    Object.defineProperty(map, key, { value, writable: true, enumerable: true, configurable: true });
  else map[key] = value;
}

function target(event: unknown): Record<string, unknown> {
  if (typeof event === 'object' && event !== null && !Array.isArray(event)) return event as Record<string, unknown>;
  return unusable(event, 'event', 'fields can be set only on a map');
}

function sized(text: string, subject: string): string {
  checkSize(text.length, subject);
  return text;
}

function notKnown(path: string): never {
  throw new EvaluationError('invalid_argument', `${path} has no value here`, path);
}

/** Names the field whose expression failed. */
function located(error: unknown, field: string): unknown {
  return error instanceof EvaluationError
    ? new EvaluationError(error.code, `${field}: ${error.message}`, error.path, field)
    : error;
}

/** Steps one evaluation may take in loops, so that loops in loops over a long list can't stop a pipeline. */
const stepsMax = 1_000_000;
let steps = 0;

/** `outermost` is true for a loop that stands in no other; it starts the count. */
function items(value: unknown, subject: string, name: string, outermost: boolean): readonly unknown[] {
  const list = needList(value, subject, name);
  steps = (outermost ? 0 : steps) + list.length;
  if (steps > stepsMax)
    throw new EvaluationError('too_large', `the loops over ${subject} take more than ${stepsMax} steps`, subject);
  return list;
}

type Test = (item: unknown) => boolean;

export const runtime = {
  add, subtract, multiply, divide, remainder, negate, equal, compare, isIn, select, selectOptional, element,
  elementOptional, peek, needBool, needString, needNumber, needInt, needList, needTimestamp, textOf, sized, mapOf,
  assign, target, notKnown, located, noFields,
  all(value: unknown, test: Test, subject: string, outermost: boolean): boolean {
    for (const item of items(value, subject, 'all', outermost)) if (!test(item)) return false;
    return true;
  },
  exists(value: unknown, test: Test, subject: string, outermost: boolean): boolean {
    for (const item of items(value, subject, 'exists', outermost)) if (test(item)) return true;
    return false;
  },
  existsOne(value: unknown, test: Test, subject: string, outermost: boolean): boolean {
    let found = 0;
    for (const item of items(value, subject, 'exists_one', outermost)) if (test(item)) found++;
    return found === 1;
  },
  filter(value: unknown, test: Test, subject: string, outermost: boolean): unknown[] {
    const result: unknown[] = [];
    for (const item of items(value, subject, 'filter', outermost)) if (test(item)) result.push(item);
    return result;
  },
  map(value: unknown, body: (item: unknown) => unknown, subject: string, outermost: boolean): unknown[] {
    const result: unknown[] = [];
    for (const item of items(value, subject, 'map', outermost)) result.push(body(item));
    return result;
  },
}; // prettier-ignore
