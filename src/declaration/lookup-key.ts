import { isDecimal } from '../expressions/index.ts';

/**
 * The text by which rows are found, so that 17 finds the row of `17` in a CSV file. Null for what can't be a key: null,
 * true and false, times, lists, maps.
 */
export function lookupKey(value: unknown): string | null {
  switch (typeof value) {
    case 'string':
      return value;
    case 'number':
    case 'bigint':
      return String(value);
    default:
      return isDecimal(value) ? value.toString() : null;
  }
}
