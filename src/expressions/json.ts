/** JSON as text, with exact integers: what the JSON codec and the functions json() and to_json() share. */
import { decimalFrom, isDecimal } from './decimal.ts';

/** Deeper nesting is refused, so that nothing that walks a value can run out of stack. */
export const jsonDepthMax = 100;

export type JsonErrorCode = 'json_syntax' | 'json_too_deep' | 'json_number';

/** A text that is no JSON we take. The message holds a place but nothing of the text. */
export class JsonError extends Error {
  readonly code: JsonErrorCode;
  constructor(code: JsonErrorCode, message: string) {
    super(message);
    this.code = code;
  }
}

interface RawJson {
  parse(text: string, reviver: (key: string, value: unknown, context: { source: string }) => unknown): unknown;
  /** https://tc39.es/proposal-json-parse-with-source/ */
  rawJSON(text: string): unknown;
}

const raw = JSON as unknown as RawJson;

/**
 * Parses JSON. Integers are numbers up to 2^53, bigints up to 64 bits and Decimals beyond; numbers with a fraction or an
 * exponent are doubles. Of equal keys the last wins; `__proto__` is a key like others. Throws `JsonError`.
 */
export function parseJson(text: string): unknown {
  if (isTooDeep(text)) throw new JsonError('json_too_deep', `JSON is nested more than ${jsonDepthMax} levels deep`);
  try {
    // A safe integer has at most 16 digits, so only a run of 16 can have lost some.
    return hasLongRun(text) ? parseExactly(text) : (JSON.parse(text) as unknown);
  } catch (error) {
    if (error instanceof JsonError) throw error;
    throw new JsonError('json_syntax', syntaxMessage(text));
  }
}

/** A run of 16 digits, found by looking at every 16th character first. */
function hasLongRun(text: string): boolean {
  for (let at = 15; at < text.length;) {
    let first = at;
    let last = at;
    while (first >= 0 && isDigit(text.charCodeAt(first))) first--;
    if (first === at) {
      at += 16;
      continue;
    }
    while (isDigit(text.charCodeAt(last + 1))) last++;
    if (last - first >= 16) return true;
    at = last + 17;
  }
  return false;
}

const isDigit = (code: number): boolean => code >= 48 && code <= 57;

/**
 * Parses with long integers put into marked texts, which are made numbers afterwards. (A reviver that is given the
 * source does the same in four times the time; it is left for texts that hold the mark themselves.)
 */
function parseExactly(text: string): unknown {
  if (text.includes('\\u0000'))
    return raw.parse(text, (_, value, { source }) => (isInexact(value, source) ? exactInteger(source) : value));
  const run = /-?[1-9]\d{15,}/g;
  let marked = '';
  let copied = 0;
  let inText = false;
  let quote = text.indexOf('"');
  for (let match = run.exec(text); match !== null; match = run.exec(text)) {
    for (; quote !== -1 && quote < match.index; quote = text.indexOf('"', quote + 1)) {
      if (!inText || !isEscaped(text, quote)) inText = !inText;
    }
    if (inText || !isWholeValue(text, match.index, run.lastIndex) || Number.isSafeInteger(Number(match[0]))) continue;
    marked += `${text.slice(copied, match.index)}"\\u0000${match[0]}"`;
    copied = run.lastIndex;
  }
  return copied === 0 ? JSON.parse(text) : restore(JSON.parse(marked + text.slice(copied)));
}

function isEscaped(text: string, quote: number): boolean {
  let backslashes = 0;
  while (text[quote - 1 - backslashes] === '\\') backslashes++;
  return backslashes % 2 === 1;
}

/** Neither part of a longer number nor, against the grammar, a key or next to another value: those must stay as they are. */
function isWholeValue(text: string, start: number, end: number): boolean {
  if (start > 0 && !/[:,[\s]/.test(text[start - 1]!)) return false;
  let after = end;
  while (after < text.length && /\s/.test(text[after]!)) after++;
  return after === text.length || /[,\]}]/.test(text[after]!);
}

function restore(value: unknown): unknown {
  if (typeof value === 'string') return value.charCodeAt(0) === 0 ? exactInteger(value.slice(1)) : value;
  if (typeof value !== 'object' || value === null) return value;
  const holder = value as Record<string, unknown>;
  for (const key of Object.keys(holder)) {
    const item = holder[key];
    const restored = restore(item);
    if (restored === item) continue;
    // Not by assignment, which would set a prototype.
    if (key === '__proto__')
      Object.defineProperty(holder, key, { value: restored, writable: true, enumerable: true, configurable: true });
    else holder[key] = restored;
  }
  return value;
}

const isInexact = (value: unknown, source: string): boolean =>
  typeof value === 'number' && !Number.isSafeInteger(value) && !/[.eE]/.test(source);

function exactInteger(source: string): unknown {
  const integer = source.length <= 20 ? BigInt(source) : undefined;
  if (integer !== undefined && BigInt.asIntN(64, integer) === integer) return integer;
  const decimal = decimalFrom(source);
  if (decimal === undefined) throw new JsonError('json_number', 'JSON has an integer of more than 1000 digits');
  return decimal;
}

/** Counts brackets first, which is cheap and nearly always enough; only many of them are looked at one by one. */
function isTooDeep(text: string): boolean {
  let opened = 0;
  for (const bracket of ['{', '[']) {
    for (let at = text.indexOf(bracket); at !== -1; at = text.indexOf(bracket, at + 1)) {
      if (++opened > jsonDepthMax) return depthOf(text) > jsonDepthMax;
    }
  }
  return false;
}

function depthOf(text: string): number {
  let depth = 0;
  let deepest = 0;
  let inText = false;
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (inText) {
      if (code === 0x5c) at++;
      else if (code === 0x22) inText = false;
    } else if (code === 0x22) inText = true;
    else if (code === 0x7b || code === 0x5b) deepest = Math.max(deepest, ++depth);
    else if (code === 0x7d || code === 0x5d) depth--;
  }
  return deepest;
}

/** Where it breaks: the shortest beginning that fails otherwise than by ending too early. Found by halving. */
function syntaxMessage(text: string): string {
  if (text.trim() === '') return 'JSON is empty';
  if (text.length > 65_536) return 'the value is not valid JSON';
  if (endsTooEarly(text)) return `JSON ends too early, after ${text.length} characters`;
  let [whole, broken] = [0, text.length];
  while (broken - whole > 1) {
    const middle = (whole + broken) >> 1;
    if (endsTooEarly(text.slice(0, middle))) whole = middle;
    else broken = middle;
  }
  return `the value is not valid JSON at character ${broken}`;
}

function endsTooEarly(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch (error) {
    const { message } = error as Error;
    return (
      /Unexpected end|Unterminated string/.test(message) ||
      message.includes(`at position ${text.length} `) ||
      message.endsWith(`at position ${text.length}`)
    );
  }
}

/**
 * Encodes a value; what `parseJson` reads comes back the same. bigint and Decimal are written with all their digits,
 * timestamps as ISO 8601, durations as `90s`, bytes as base64.
 */
export function stringifyJson(value: unknown): string {
  return isPlain(value) ? JSON.stringify(value) : JSON.stringify(value, replacer);
}

/** True when JSON.stringify alone is right: neither exact numbers nor bytes anywhere. (Times have their own toJSON.) */
function isPlain(value: unknown): boolean {
  if (typeof value === 'bigint') return false;
  if (typeof value !== 'object' || value === null) return true;
  if (Array.isArray(value)) {
    for (const item of value as unknown[]) if (!isPlain(item)) return false;
    return true;
  }
  if (isDecimal(value) || value instanceof Uint8Array) return false;
  for (const key in value) if (!isPlain((value as Record<string, unknown>)[key])) return false;
  return true;
}

/** Reads the value off its holder: Decimal and Buffer have a toJSON of their own that has already been asked. */
function replacer(this: Record<string, unknown>, key: string, value: unknown): unknown {
  const original = this[key];
  if (typeof original === 'bigint' || isDecimal(original)) return raw.rawJSON(original.toString());
  if (original instanceof Uint8Array)
    return Buffer.from(original.buffer, original.byteOffset, original.byteLength).toString('base64');
  return value;
}
