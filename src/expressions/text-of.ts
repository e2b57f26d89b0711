/** The text of a value, the same in string(), format and templates. */
import { isDecimal } from './decimal.ts';
import { EvaluationError } from './errors.ts';
import { stringifyJson } from './json.ts';
import { Duration, Timestamp } from './timestamp.ts';
import { checkSize, unusable } from './values.ts';

/** Numbers in plain digits, times as ISO 8601, lists and maps as JSON, bytes as UTF-8. Null has no text: it fails. */
export function textOf(value: unknown, subject: string): string {
  switch (typeof value) {
    case 'string':
      return value;
    case 'number':
    case 'bigint':
    case 'boolean':
      return String(value);
    default:
  }
  if (value === null || value === undefined)
    return unusable(value, subject, 'null has no text; write coalesce(...) around it');
  if (isDecimal(value) || value instanceof Timestamp || value instanceof Duration) return value.toString();
  if (value instanceof Uint8Array) {
    try {
      return new TextDecoder('utf-8', { fatal: true }).decode(value);
    } catch {
      throw new EvaluationError('invalid_argument', `${subject} is not valid UTF-8`, subject);
    }
  }
  const text = stringifyJson(value);
  checkSize(text.length, subject);
  return text;
}
