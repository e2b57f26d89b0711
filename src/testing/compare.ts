/** What was expected beside what came out. Values compare by what they mean in JSON, not by how they are held. */
import { isMapping } from '../definition/json-schema.ts';
import { parseDuration } from '../declaration/units.ts';
import { Duration, Timestamp } from '../expressions/index.ts';
import { readIso } from '../expressions/timestamp.ts';
import { equal } from '../expressions/values.ts';

/** One field that is not as expected: `expected` is absent where it is there too much, `got` where it is missing. */
export interface FieldDifference {
  /** `customer.lines[0].id`; empty for the whole value. */
  readonly path: string;
  readonly expected?: unknown;
  readonly got?: unknown;
}

/** One item of a list that is not as expected. */
export type ItemDifference =
  | { readonly kind: 'missing'; readonly index: number; readonly expected: unknown }
  | { readonly kind: 'unexpected'; readonly index: number; readonly got: unknown }
  | {
      readonly kind: 'differs';
      readonly index: number;
      readonly expected: unknown;
      readonly got: unknown;
      readonly fields: readonly FieldDifference[];
    };

/**
 * Fields of `got` that are not as `expected`. Without `exact`, maps may have fields that are not expected, at any depth;
 * lists always have as many items as expected.
 */
export function fieldDifferences(expected: unknown, got: unknown, exact: boolean, path = ''): FieldDifference[] {
  if (isRecord(expected) && isRecord(got)) {
    const below = (key: string) => (path === '' ? key : `${path}.${key}`);
    const wanted = Object.keys(expected).flatMap((key) =>
      Object.hasOwn(got, key) && got[key] !== undefined
        ? fieldDifferences(expected[key], got[key], exact, below(key))
        : [{ path: below(key), expected: expected[key] }],
    );
    const others = exact ? Object.keys(got).filter((key) => !Object.hasOwn(expected, key)) : [];
    return [...wanted, ...others.map((key) => ({ path: below(key), got: got[key] }))];
  }
  if (Array.isArray(expected) && Array.isArray(got)) {
    const [wanted, items] = [expected as readonly unknown[], got as readonly unknown[]];
    return Array.from({ length: Math.max(wanted.length, items.length) }, (_, i): FieldDifference[] => {
      const at = `${path}[${i}]`;
      if (i >= wanted.length) return [{ path: at, got: items[i] }];
      if (i >= items.length) return [{ path: at, expected: wanted[i] }];
      return fieldDifferences(wanted[i], items[i], exact, at);
    }).flat();
  }
  return isSame(expected, got) ? [] : [{ path, expected, got }];
}

const isRecord = (value: unknown): value is Record<string, unknown> =>
  isMapping(value) && (Object.getPrototypeOf(value) === Object.prototype || Object.getPrototypeOf(value) === null);

/** `expected` is what YAML can hold; a time is expected as ISO 8601, a duration as `90s`, bytes as base64. */
function isSame(expected: unknown, got: unknown): boolean {
  if (typeof expected === 'string') {
    if (got instanceof Timestamp) return isTime(expected, got);
    if (got instanceof Duration)
      return (parseDuration(expected) ?? NaN) * 1000 === got.micros || expected === String(got);
    if (got instanceof Uint8Array) return Buffer.from(got).toString('base64') === expected;
  }
  return equal(expected, got ?? null);
}

/** By the instant: however many digits it has, whatever its zone. */
function isTime(expected: string, got: Timestamp): boolean {
  const time = readIso(expected);
  if (time === undefined || time.offsetMinutes === null) return false;
  return time.localMicros - time.offsetMinutes * 60_000_000 === got.micros;
}

/** Beyond this, lists are compared place by place. */
const alignedMax = 1000;

/**
 * Items of `got` that are not as `expected`, both in order. The lists are laid beside each other so that as many items
 * as possible fit; what is left between two that fit is paired in order.
 */
export function itemDifferences(
  expected: readonly unknown[],
  got: readonly unknown[],
  exact: boolean,
  differences: typeof fieldDifferences = fieldDifferences,
): readonly ItemDifference[] {
  const fits = (i: number, j: number) => differences(expected[i], got[j], exact).length === 0;
  let start = 0;
  while (start < Math.min(expected.length, got.length) && fits(start, start)) start++;
  if (start === expected.length && start === got.length) return [];
  const rows = expected.length - start;
  const columns = got.length - start;
  const anchors =
    Math.max(rows, columns) > alignedMax ? [] : alignment(rows, columns, (i, j) => fits(start + i, start + j));
  const found: ItemDifference[] = [];
  let [i, j] = [start, start];
  for (const [nextI, nextJ] of [...anchors.map(([a, b]) => [start + a, start + b]), [expected.length, got.length]]) {
    for (; i < nextI! && j < nextJ!; i++, j++) {
      const fields = differences(expected[i], got[j], exact);
      if (fields.length > 0) found.push({ kind: 'differs', index: i, expected: expected[i], got: got[j], fields });
    }
    for (; i < nextI!; i++) found.push({ kind: 'missing', index: i, expected: expected[i] });
    for (; j < nextJ!; j++) found.push({ kind: 'unexpected', index: j, got: got[j] });
    i++;
    j++;
  }
  return found;
}

/** The longest common subsequence, as pairs of indexes. */
function alignment(rows: number, columns: number, fits: (i: number, j: number) => boolean): [number, number][] {
  const width = columns + 1;
  const lengths = new Uint16Array((rows + 1) * width);
  const fitting = new Uint8Array(rows * columns);
  for (let i = rows - 1; i >= 0; i--) {
    for (let j = columns - 1; j >= 0; j--) {
      const at = i * width + j;
      if (fits(i, j)) {
        fitting[i * columns + j] = 1;
        lengths[at] = lengths[at + width + 1]! + 1;
      } else lengths[at] = Math.max(lengths[at + width]!, lengths[at + 1]!);
    }
  }
  const pairs: [number, number][] = [];
  for (let i = 0, j = 0; i < rows && j < columns;) {
    if (fitting[i * columns + j] === 1) pairs.push([i++, j++]);
    else if (lengths[(i + 1) * width + j]! >= lengths[i * width + j + 1]!) i++;
    else j++;
  }
  return pairs;
}
