import type { RE2JS } from 're2js';
import { isNumberLike } from './arithmetic.ts';
import { EvaluationError } from './errors.ts';
import { applyFormat, type Format } from './format.ts';
import { extract, replaceMatches } from './pattern.ts';
import { define } from './signature.ts';
import { checkSize, kindOf, unusable } from './values.ts';

const hasSurrogate = (text: string): boolean => /[\ud800-\udfff]/.test(text);

/** Code points of a text, elements of a list, keys of a map, bytes. */
function size(at: string, value: unknown): number {
  if (typeof value === 'string') return hasSurrogate(value) ? Array.from(value).length : value.length;
  if (Array.isArray(value) || value instanceof Uint8Array) return value.length;
  return kindOf(value) === 'map'
    ? Object.keys(value as object).length
    : unusable(value, at, 'size counts a text, a list, a map or bytes');
}

/** By code points, the end exclusive. */
function substring(at: string, text: string, start: number, end?: number): string {
  const points = hasSurrogate(text) ? Array.from(text) : null;
  const length = points?.length ?? text.length;
  const to = end ?? length;
  if (start < 0 || to < start || start > length)
    throw new EvaluationError('invalid_argument', `substring of ${at} begins or ends outside the text`, at);
  return points === null ? text.slice(start, to) : points.slice(start, to).join('');
}

/** At most `limit` times from the left; all where it is negative or absent. */
function replace(at: string, text: string, from: string, to: string, limit?: number): string {
  if (from === '')
    throw new EvaluationError('invalid_argument', 'replace needs a text to look for that is not empty', at);
  const parts = text.split(from);
  const replaced = limit === undefined || limit < 0 ? parts.length - 1 : Math.min(parts.length - 1, limit);
  if (replaced === 0) return text;
  checkSize(text.length + replaced * (to.length - from.length), `replace of ${at}`);
  if (replaced === parts.length - 1) return parts.join(to);
  return parts.slice(0, replaced + 1).join(to) + from + parts.slice(replaced + 1).join(from);
}

function join(at: string, list: readonly unknown[], separator = ''): string {
  let total = 0;
  for (let i = 0; i < list.length; i++) {
    const item = list[i];
    if (typeof item !== 'string') return unusable(item, `${at}[${i}]`, 'join needs texts');
    total += item.length + separator.length;
  }
  checkSize(total, `join of ${at}`);
  return list.join(separator);
}

/** The last `visible` characters stay, at most half of the text. */
function mask(at: string, text: string, visible = 4): string {
  if (visible < 0) throw new EvaluationError('invalid_argument', 'mask keeps 0 or more characters', at);
  const points = Array.from(text);
  const kept = Math.min(visible, Math.floor(points.length / 2));
  return '*'.repeat(points.length - kept) + points.slice(points.length - kept).join('');
}

function contains(at: string, container: unknown, part: unknown): boolean {
  if (typeof container === 'string')
    return typeof part === 'string'
      ? container.includes(part)
      : unusable(part, 'the second argument', 'contains looks for a text');
  const hint = isNumberLike(container)
    ? 'contains looks into a text; write string(...)'
    : 'contains looks into a text; for lists and maps write x in list';
  return unusable(container, at, hint);
}

export const textFunctions = {
  lower: define('string', 'string', (_, text: string) => text.toLowerCase()),
  upper: define('string', 'string', (_, text: string) => text.toUpperCase()),
  trim: define('string', 'string', (_, text: string) => text.trim()),
  replace: define('string string string int?', 'string', replace),
  split: define('string string int?', { list: 'string' }, (_, text: string, separator: string, limit?: number) => {
    const parts = text.split(separator);
    if (limit === undefined || limit < 0 || parts.length <= limit) return parts;
    return limit === 0 ? [] : [...parts.slice(0, limit - 1), parts.slice(limit - 1).join(separator)];
  }),
  join: define('list string?', 'string', join),
  substring: define('string int int?', 'string', substring),
  contains: define('any any', 'bool', contains),
  startsWith: define('string string', 'bool', (_, text: string, start: string) => text.startsWith(start)),
  endsWith: define('string string', 'bool', (_, text: string, end: string) => text.endsWith(end)),
  matches: define('string pattern', 'bool', (_, text: string, pattern: RE2JS) => pattern.test(text)),
  extract: define('string pattern', 'string?', (_, text: string, pattern: RE2JS) => extract(pattern, text)),
  replace_regex: define('string pattern string', 'string', (at, text: string, pattern: RE2JS, replacement: string) =>
    replaceMatches(pattern, text, replacement, `replace_regex of ${at}`),
  ),
  format: define('format any...', 'string', (at, format: Format, ...values: never[]) =>
    applyFormat(at, format, values),
  ),
  mask: define('string int?', 'string', mask),
  size: define('any', 'int', size),
};
