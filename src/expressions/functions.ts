/** The functions of expressions: one table that the checker, the generator and the reference read. */
import { conversionFunctions } from './functions-conversion.ts';
import { digestFunctions } from './functions-digest.ts';
import { numberFunctions } from './functions-number.ts';
import { textFunctions } from './functions-text.ts';
import { timeFunctions } from './functions-time.ts';
import type { FunctionSpec } from './signature.ts';

export const functions: ReadonlyMap<string, FunctionSpec> = new Map(
  Object.entries({
    ...textFunctions,
    ...numberFunctions,
    ...conversionFunctions,
    ...timeFunctions,
    ...digestFunctions,
  }),
);

/** Written like functions, but they do not evaluate all their arguments. */
export const specialForms = ['has', 'coalesce', 'cases'] as const;

/** What people call functions elsewhere, and what they are here. */
export const foreignFunctions: Readonly<Record<string, string>> = {
  length: 'size(x)',
  len: 'size(x)',
  count: 'size(list)',
  concat: 'a + b',
  substr: 'substring(text, start, end)',
  tolower: 'lower(text)',
  tolowercase: 'lower(text)',
  toupper: 'upper(text)',
  touppercase: 'upper(text)',
  lowerascii: 'lower(text)',
  upperascii: 'upper(text)',
  strip: 'trim(text)',
  indexof: 'contains(text, part)',
  includes: 'contains(text, part)',
  regex_replace: 'replace_regex(text, pattern, replacement)',
  regexp_replace: 'replace_regex(text, pattern, replacement)',
  regexp_extract: 'extract(text, pattern)',
  match: 'matches(text, pattern)',
  like: 'matches(text, pattern)',
  regex_match: 'matches(text, pattern)',
  regexp_match: 'matches(text, pattern)',
  regexp_like: 'matches(text, pattern)',
  default: 'coalesce(a, b)',
  parseint: 'int(text)',
  parsefloat: 'double(text)',
  to_number: 'int(text), double(text) or decimal(text)',
  cast: 'int(a), double(a), string(a) or timestamp(a)',
  ifnull: 'coalesce(a, b)',
  nvl: 'coalesce(a, b)',
  isnull: 'event.?field == null',
  exists: 'has(event.field), or list.exists(x, condition)',
  if: 'condition ? value : other',
  iif: 'condition ? value : other',
  case: 'cases(condition, value, ..., other)',
  when: 'cases(condition, value, ..., other)',
  uint: 'int(x)',
  integer: 'int(x)',
  float: 'double(x)',
  number: 'double(x) or int(x)',
  str: 'string(x)',
  text: 'string(x)',
  tostring: 'string(x)',
  boolean: 'bool(x)',
  ceiling: 'ceil(x)',
  mod: 'a % b',
  pow: 'a * a',
  now: 'meta.timestamp: expressions have no clock, so that a record gives the same again',
  today: 'meta.timestamp: expressions have no clock, so that a record gives the same again',
  current_timestamp: 'meta.timestamp: expressions have no clock, so that a record gives the same again',
  random: 'uuid5(key) or sha256(key): expressions have no chance, so that a record gives the same again',
  uuid: 'uuid5(text): expressions have no chance, so that a record gives the same again',
  uuid4: 'uuid5(text): expressions have no chance, so that a record gives the same again',
  md5: 'sha256(text)',
  hmac: 'hmac_sha256(text, vars.secret)',
  parse_json: 'json(text)',
  fromjson: 'json(text)',
  tojson: 'to_json(x)',
  date: 'timestamp(text)',
  to_timestamp: 'timestamp(text), seconds(n), millis(n) or micros(n)',
  strftime: 'format_time(time, pattern)',
  date_trunc: 'trunc(time, unit)',
};
