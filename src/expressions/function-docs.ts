/**
 * What each function is for, for `pipectl docs functions` and the reference. Apart from the functions, so that a pipeline
 * which runs does not load it. The tests evaluate every example.
 */

export interface FunctionDoc {
  /** Names of the parameters, in order. */
  readonly parameters: readonly string[];
  /** One sentence. */
  readonly does: string;
  /** An expression, and one that gives the same. */
  readonly example: readonly [expression: string, gives: string];
}

const doc = (parameters: string, does: string, expression: string, gives: string): FunctionDoc => ({
  parameters: parameters.split(' '),
  does,
  example: [expression, gives],
});

const datePart = (does: string, expression: string, gives: string): FunctionDoc =>
  doc('time zone', does, expression, gives);

export const functionDocs: Readonly<Record<string, FunctionDoc>> = {
  // -- text
  lower: doc('text', 'The text in lower case.', 'lower("Madrid")', '"madrid"'),
  upper: doc('text', 'The text in upper case.', 'upper("eur")', '"EUR"'),
  trim: doc('text', 'The text without white space at both ends.', 'trim("  a b ")', '"a b"'),
  replace: doc(
    'text from to limit',
    'Every `from` in the text becomes `to`; with a limit only the first ones.',
    'replace("a-b-c", "-", ".", 1)',
    '"a.b-c"',
  ),
  split: doc(
    'text separator limit',
    'The parts between separators; with a limit at most so many, the last one holding the rest.',
    'split("a,b,c", ",")',
    '["a", "b", "c"]',
  ),
  join: doc('list separator', 'The texts of a list as one text.', 'join(["a", "b"], "-")', '"a-b"'),
  substring: doc(
    'text start end',
    'The characters from `start` (counted from 0) to before `end`, or to the end of the text.',
    'substring("pipeline", 4, 8)',
    '"line"',
  ),
  contains: doc('text part', 'Whether the text holds the part.', 'contains("pipeline", "pel")', 'true'),
  startsWith: doc('text start', 'Whether the text begins so.', 'startsWith("order-7", "order-")', 'true'),
  endsWith: doc('text end', 'Whether the text ends so.', 'endsWith("a.csv", ".csv")', 'true'),
  matches: doc(
    'text pattern',
    'Whether the pattern (RE2 syntax, compiled once) is found anywhere in the text.',
    'matches("AB-123", r"^[A-Z]+-\\d+$")',
    'true',
  ),
  extract: doc(
    'text pattern',
    "The pattern's first group where it is found first, or the whole match where it has no group; null without a match.",
    'extract("id=42;", r"id=(\\d+)")',
    '"42"',
  ),
  replace_regex: doc(
    'text pattern replacement',
    'Every match becomes the replacement, in which `\\1` to `\\9` are groups and `\\0` is the match.',
    'replace_regex("2026-11-22", r"(\\d+)-(\\d+)-(\\d+)", r"\\3.\\2.\\1")',
    '"22.11.2026"',
  ),
  format: doc(
    'pattern values',
    'The pattern with a value for each directive: %s %d %f %.2f %e %x %X %o %b %05d, and %% for a percent sign.',
    'format("%s costs %.2f", "tea", 2.5)',
    '"tea costs 2.50"',
  ),
  mask: doc(
    'text visible',
    'Asterisks but for the last `visible` characters (default 4), at most half of the text.',
    'mask("4111111111111111")',
    '"************1111"',
  ),
  size: doc('value', 'Characters of a text, elements of a list, keys of a map, bytes.', 'size([1, 2, 3])', '3'),

  // -- numbers
  abs: doc('value', 'A number or a duration without its sign.', 'abs(-3)', '3'),
  round: doc(
    'number digits',
    'Half away from zero, to `digits` digits after the point (default 0).',
    'round(2.345, 2)',
    '2.35',
  ),
  floor: doc('number', 'The integer at or below it.', 'floor(-1.5)', '-2'),
  ceil: doc('number', 'The integer at or above it.', 'ceil(1.2)', '2'),
  div: doc('dividend divisor', 'Division of integers, cut towards zero; `/` never cuts.', 'div(7, 2)', '3'),
  min: doc('first others', 'The smallest of the values, or of the elements of a list.', 'min(3, 1, 2)', '1'),
  max: doc('first others', 'The largest of the values, or of the elements of a list.', 'max([3, 1, 2])', '3'),
  sum: doc('list', 'The sum of the numbers or durations of a list; 0 of an empty one.', 'sum([1, 2, 3])', '6'),

  // -- conversions
  int: doc(
    'value',
    'An integer from a text, a number (cut towards zero), or a timestamp (seconds since 1970).',
    'int("42")',
    '42',
  ),
  double: doc('value', 'A double from a text or a number.', 'double("2.5")', '2.5'),
  decimal: doc('value', 'An exact decimal number from a text or a number.', 'decimal("19.99") * 100 == 1999', 'true'),
  string: doc('value', 'The value as text.', 'string(42)', '"42"'),
  bool: doc('value', 'true or false from the texts "true" and "false".', 'bool("true")', 'true'),
  json: doc('text', 'The value that a JSON text holds.', 'json("[1, 2]")', '[1, 2]'),
  to_json: doc('value', 'The value as JSON text.', 'to_json({"a": 1})', '"{\\"a\\":1}"'),

  // -- time
  timestamp: doc(
    'text zone',
    'A time from ISO 8601 text; one without an offset needs its zone.',
    'timestamp("2026-11-22T09:00:00", "Europe/Madrid")',
    'timestamp("2026-11-22T08:00:00Z")',
  ),
  seconds: doc('number', 'The time so many seconds after 1970.', 'seconds(0)', 'timestamp("1970-01-01T00:00:00Z")'),
  millis: doc('number', 'The time so many milliseconds after 1970.', 'millis(1000)', 'seconds(1)'),
  micros: doc('number', 'The time so many microseconds after 1970.', 'micros(1000000)', 'seconds(1)'),
  duration: doc('text', 'A span of time: 500ms, 30s, 5m, 4h, 7d.', 'duration("1h")', 'duration("60m")'),
  trunc: doc(
    'time unit zone',
    'The begin of the second, minute, hour, day, week (Monday), month, quarter or year, by the clocks of a zone (default UTC).',
    'trunc(timestamp("2026-11-22T09:41:00Z"), "hour")',
    'timestamp("2026-11-22T09:00:00Z")',
  ),
  format_time: doc(
    'time pattern zone',
    "The time as text: yyyy MM dd HH mm ss SSS XXX and the like, other text in '...', in a zone (default UTC).",
    'format_time(timestamp("2026-11-22T09:41:00Z"), "dd.MM.yyyy HH:mm")',
    '"22.11.2026 09:41"',
  ),
  getFullYear: datePart('The year.', 'getFullYear(timestamp("2026-11-22T09:41:00Z"))', '2026'),
  getMonth: datePart('The month, January is 0.', 'getMonth(timestamp("2026-11-22T09:41:00Z"))', '10'),
  getDate: datePart('The day of the month, from 1.', 'getDate(timestamp("2026-11-22T09:41:00Z"))', '22'),
  getDayOfMonth: datePart('The day of the month, from 0.', 'getDayOfMonth(timestamp("2026-11-22T09:41:00Z"))', '21'),
  getDayOfYear: datePart('The day of the year, from 0.', 'getDayOfYear(timestamp("2026-02-01T00:00:00Z"))', '31'),
  getDayOfWeek: datePart('The day of the week, Sunday is 0.', 'getDayOfWeek(timestamp("2026-11-22T09:41:00Z"))', '0'),
  getHours: datePart(
    'The hour of the day; of a duration its whole hours.',
    'getHours(timestamp("2026-11-22T09:41:00Z"), "Europe/Madrid")',
    '10',
  ),
  getMinutes: datePart('The minute of the hour; of a duration its whole minutes.', 'getMinutes(duration("90s"))', '1'),
  getSeconds: datePart(
    'The second of the minute; of a duration its whole seconds.',
    'getSeconds(duration("2m"))',
    '120',
  ),
  getMilliseconds: datePart(
    'The millisecond of the second; of a duration its whole milliseconds.',
    'getMilliseconds(duration("1.5s"))',
    '1500',
  ),

  // -- digests
  sha256: doc(
    'value',
    'SHA-256 of a text or bytes, in hexadecimal.',
    'sha256("abc")',
    '"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"',
  ),
  hmac_sha256: doc(
    'value secret',
    'HMAC with SHA-256, in hexadecimal: a hash that nobody can guess without the secret.',
    'hmac_sha256("abc", "pepper") == hmac_sha256("abc", "salt")',
    'false',
  ),
  uuid5: doc(
    'name namespace',
    'A UUID that is the same for the same name (RFC 9562, version 5). The namespace is a UUID, or dns, url (default), oid, x500.',
    'uuid5("www.example.com", "dns")',
    '"2ed6657d-e927-568b-95e1-2665a8aea6a2"',
  ),
};

/** What looks like a function and does not evaluate all it is given. */
export const formDocs: readonly {
  readonly form: string;
  readonly does: string;
  readonly example: FunctionDoc['example'];
}[] = [
  {
    form: 'has(event.field)',
    does: 'Whether the field is there. It may be null.',
    example: ['has({"a": null}.a)', 'true'],
  },
  {
    form: 'coalesce(value, ...)',
    does: 'The first value that is not null.',
    example: ['coalesce(null, "EUR")', '"EUR"'],
  },
  {
    form: 'cases(condition, value, ..., other)',
    does: 'The value after the first condition that is true, else the last one.',
    example: ['cases(1 > 2, "a", 2 > 1, "b", "c")', '"b"'],
  },
  { form: 'condition ? value : other', does: 'One of two values.', example: ['1 < 2 ? "a" : "b"', '"a"'] },
  {
    form: 'list.map(x, expression)',
    does: 'Each element made into another; `list.map(x, condition, expression)` leaves the others out.',
    example: ['[1, 2].map(x, x * 10)', '[10, 20]'],
  },
  {
    form: 'list.filter(x, condition)',
    does: 'The elements for which it is true.',
    example: ['[1, 2, 3].filter(x, x > 1)', '[2, 3]'],
  },
  {
    form: 'list.all(x, condition)',
    does: 'Whether it is true for every element.',
    example: ['[1, 2].all(x, x > 0)', 'true'],
  },
  {
    form: 'list.exists(x, condition)',
    does: 'Whether it is true for an element.',
    example: ['[1, 2].exists(x, x > 1)', 'true'],
  },
  {
    form: 'list.exists_one(x, condition)',
    does: 'Whether it is true for exactly one element.',
    example: ['[1, 2].exists_one(x, x > 1)', 'true'],
  },
];
