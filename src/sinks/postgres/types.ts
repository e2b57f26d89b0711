/**
 * How a value becomes the text of a column, by the column's type. What can't fit is refused here, so that a bad value
 * seldom reaches the server, where finding it costs the batch. A value is never converted by guessing: a text is no
 * number, and a number is no time.
 */
import { encodeJson } from '../../codecs/json.ts';
import { isDecimal } from '../../expressions/decimal.ts';
import { Duration, Timestamp } from '../../expressions/timestamp.ts';
import { kindName } from '../../expressions/values.ts';
import { dateText, readTime, timestampText } from './times.ts';

/** A value that a column can't hold. Says nothing of the value itself. */
export class Refusal {
  /** An error code of `errors.ts`. */
  readonly code: string;
  readonly message: string;
  constructor(code: string, message: string) {
    this.code = code;
    this.message = message;
  }
}

/** The text of a value that is not null, or why there is none. */
export type Encoder = (value: unknown) => string | Refusal;

export interface ColumnType {
  readonly encode: Encoder;
  /** The same as it stands in the data of COPY, where backslash, tab and line break are escaped. */
  readonly copy: Encoder;
  /** Two values that this program calls equal, lower or higher are that for the server too. */
  readonly comparable: boolean;
}

/** A type of the catalog (`pg_type`), as far as it matters here. */
export interface CatalogType {
  readonly oid: number;
  readonly name: string;
  readonly kind: 'base' | 'domain' | 'enum' | 'array' | 'other';
  /** Of a domain its base type, of an array its element type, else 0. */
  readonly of: number;
  /** Modifier a domain puts on its base type, -1 without. */
  readonly modifier: number;
  readonly labels: readonly string[];
}

const refuseType = (value: unknown, hint: string): Refusal =>
  new Refusal('sink_value_type', `the value is ${kindName(value)}${hint === '' ? '' : `; ${hint}`}`);

const tooLarge = new Refusal('sink_value_range', 'the number is out of range');
const holdsNul = new Refusal('sink_value_text', "the text holds a NUL character, which PostgreSQL can't store");
const halfPair = new Refusal('sink_value_text', "the text holds half a surrogate pair, which UTF-8 can't express");
// Of well-formed texts only those with characters beyond the basic plane are looked at twice.
const unstorable = /[\u0000\ud800-\udfff]/; // oxlint-disable-line no-control-regex

/** Why PostgreSQL can't store `text` as it is. */
const unstorableText = (text: string): Refusal | undefined =>
  !unstorable.test(text) ? undefined : text.includes('\0') ? holdsNul : text.isWellFormed() ? undefined : halfPair;

function integer(bits: 16 | 32 | 64): Encoder {
  const max = 2 ** (bits - 1);
  const maxBig = 2n ** BigInt(bits - 1);
  return (value) => {
    if (typeof value === 'number') {
      if (!Number.isInteger(value))
        return refuseType(value, 'the column takes whole numbers: round() or trunc() makes one');
      return value >= -max && value < max ? String(value) : tooLarge;
    }
    if (typeof value === 'bigint') return value >= -maxBig && value < maxBig ? String(value) : tooLarge;
    if (isDecimal(value)) {
      if (!value.eq(value.round(0, 0)))
        return refuseType(value, 'the column takes whole numbers: round() or trunc() makes one');
      return value.gte(String(-maxBig)) && value.lt(String(maxBig)) ? value.toFixed(0) : tooLarge;
    }
    return refuseType(value, 'the column takes whole numbers: int() makes one of a text');
  };
}

/** `numeric(p,s)` holds p - s digits before the point; where rounding decides, the server does. */
function numeric(modifier: number): Encoder {
  const precision = ((modifier - 4) >> 16) & 0xffff;
  // The scale is an 11-bit number with a sign.
  const scale = (((modifier - 4) & 0x7ff) ^ 1024) - 1024;
  const limit = modifier < 4 ? Infinity : 10 ** (precision - scale);
  return (value) => {
    if (typeof value === 'number') return Math.abs(value) < limit || Number.isNaN(value) ? String(value) : tooLarge;
    if (typeof value === 'bigint' || isDecimal(value))
      return Math.abs(Number(value)) <= limit ? String(value) : tooLarge;
    return refuseType(value, 'the column takes numbers: decimal() makes one of a text');
  };
}

const float: Encoder = (value) => {
  if (typeof value === 'number' || typeof value === 'bigint') return String(value);
  if (isDecimal(value)) return String(Number(value));
  return refuseType(value, 'the column takes numbers: double() makes one of a text');
};

const boolean: Encoder = (value) =>
  typeof value === 'boolean' ? (value ? 't' : 'f') : refuseType(value, 'the column takes true or false');

function text(lengthMax: number): Encoder {
  return (value) => {
    const string = asText(value);
    if (string === undefined) return refuseType(value, 'the column takes text: to_json() makes one of a list or map');
    const unfit = unstorableText(string);
    if (unfit !== undefined) return unfit;
    if (string.length > lengthMax && codePoints(string.trimEnd()) > lengthMax) {
      return new Refusal('sink_value_range', `the text is longer than ${lengthMax} characters`);
    }
    return string;
  };
}

function asText(value: unknown): string | undefined {
  if (typeof value === 'string') return value;
  if (typeof value === 'number' || typeof value === 'bigint' || typeof value === 'boolean') return String(value);
  if (value instanceof Timestamp || value instanceof Duration || isDecimal(value)) return value.toString();
  return undefined;
}

function codePoints(string: string): number {
  let count = 0;
  for (const _ of string) count++;
  return count;
}

const timeHint = 'the column takes times: seconds(), millis() or timestamp() makes one';
const notATime = new Refusal('sink_value_type', `the text is no ISO 8601 time; ${timeHint}`);

const timestamptz: Encoder = (value) => {
  if (value instanceof Timestamp) return `${timestampText(value.micros)}+00`;
  if (typeof value !== 'string') return refuseType(value, timeHint);
  const time = readTime(value);
  if (time === undefined) return notATime;
  if (!time.hasOffset) {
    return new Refusal(
      'sink_value_type',
      'the time names no offset from UTC; timestamp(text, "Europe/Madrid") gives it a zone',
    );
  }
  // Far from today, as in 9999-12-31, microseconds are no exact number any more: the server reads the text itself.
  return Number.isSafeInteger(time.micros) ? `${timestampText(time.micros)}+00` : value;
};

/** Without time zone: what the clock in UTC shows. */
const timestamp: Encoder = (value) => {
  if (value instanceof Timestamp) return timestampText(value.micros);
  if (typeof value !== 'string') return refuseType(value, timeHint);
  const time = readTime(value);
  if (time === undefined) return notATime;
  if (Number.isSafeInteger(time.micros)) return timestampText(time.micros);
  return time.hasOffset && !/z$/i.test(value) ? new Refusal('sink_value_range', 'the time is out of range') : value;
};

const date: Encoder = (value) => {
  if (value instanceof Timestamp) return dateText(value.micros);
  if (typeof value !== 'string') return refuseType(value, 'the column takes dates: "2026-11-22" or a timestamp');
  return value.length === 10 && readTime(value) !== undefined
    ? value
    : new Refusal('sink_value_type', 'the text is no date as in "2026-11-22"');
};

const uuidShape = /^[0-9a-f]{8}-?([0-9a-f]{4}-?){3}[0-9a-f]{12}$/i;
const uuid: Encoder = (value) =>
  typeof value === 'string' && uuidShape.test(value)
    ? value.toLowerCase()
    : new Refusal(
        'sink_value_type',
        `the value is ${typeof value === 'string' ? 'a text that is no UUID' : kindName(value)}`,
      );

// An even number of backslashes before it: the escape itself, not the text `\u0000`.
const nulEscape = /(?<!\\)(?:\\\\)*\\u0000/;
const json: Encoder = (value) => {
  const encoded = encodeJson(value);
  return encoded.includes('\\u0000') && nulEscape.test(encoded) ? holdsNul : encoded;
};

const base64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;
const bytea: Encoder = (value) => {
  if (value instanceof Uint8Array)
    return `\\x${Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString('hex')}`;
  if (typeof value === 'string' && base64.test(value)) return `\\x${Buffer.from(value, 'base64').toString('hex')}`;
  return refuseType(value, 'the column takes bytes, or a text in base64');
};

/** Types this program knows nothing of (inet, ranges, geometry): the server reads the text. */
const passedThrough: Encoder = (value) => {
  const string = asText(value);
  if (string === undefined) return refuseType(value, 'the column takes a text in the form PostgreSQL reads');
  return unstorableText(string) ?? string;
};

const enumOf = (labels: readonly string[]): Encoder => {
  const known = new Set(labels);
  return (value) =>
    typeof value === 'string' && known.has(value)
      ? value
      : new Refusal(
          'sink_value_type',
          `the value is none of ${labels.slice(0, 8).join(', ')}${labels.length > 8 ? ', ...' : ''}`,
        );
};

/** `{1,2,"a b"}`; lists in lists are further dimensions. */
function arrayOf(element: Encoder): Encoder {
  const encode: Encoder = (value) => {
    if (!Array.isArray(value)) return refuseType(value, 'the column takes a list');
    let literal = '{';
    for (const item of value as unknown[]) {
      if (literal.length > 1) literal += ',';
      if (item === null || item === undefined) {
        literal += 'NULL';
        continue;
      }
      const part = Array.isArray(item) ? encode(item) : element(item);
      if (typeof part !== 'string') return new Refusal(part.code, `in the list, ${part.message}`);
      literal += Array.isArray(item) ? part : `"${part.replaceAll(/["\\]/g, '\\$&')}"`;
    }
    return `${literal}}`;
  };
  return encode;
}

const special = /[\\\t\n\r]/;
const escapes: Readonly<Record<string, string>> = { '\\': '\\\\', '\t': '\\t', '\n': '\\n', '\r': '\\r' };

const escapeCopy = (value: string): string =>
  special.test(value) ? value.replaceAll(/[\\\t\n\r]/g, (character) => escapes[character]!) : value;

function escaped(encode: Encoder): ColumnType {
  const copy: Encoder = (value) => {
    const encoded = encode(value);
    return typeof encoded === 'string' ? escapeCopy(encoded) : encoded;
  };
  return { encode, copy, comparable: false };
}

const unusual = /[\u0000\\\t\n\r\ud800-\udfff]/; // oxlint-disable-line no-control-regex
const anyText = escaped(text(Infinity));
/** Most columns are of it, and most texts go as they are. */
const unboundedText: ColumnType = {
  ...anyText,
  copy: (value) => (typeof value === 'string' && !unusual.test(value) ? value : anyText.copy(value)),
};

/** The way values take into a column of type `oid`, whose modifier is `modifier` (-1: none). */
export function columnType(oid: number, modifier: number, types: ReadonlyMap<number, CatalogType>): ColumnType {
  const type = types.get(oid);
  if (type === undefined) return escaped(passedThrough);
  switch (type.kind) {
    case 'domain':
      return columnType(type.of, type.modifier, types);
    case 'enum':
      return escaped(enumOf(type.labels));
    case 'array':
      return escaped(arrayOf(columnType(type.of, modifier, types).encode));
    case 'base':
    case 'other':
      break;
  }
  return baseType(type.name, modifier);
}

function baseType(name: string, modifier: number): ColumnType {
  const plain = (encode: Encoder): ColumnType => ({ encode, copy: encode, comparable: modifier === -1 });
  switch (name) {
    case 'int2':
      return plain(integer(16));
    case 'int4':
      return plain(integer(32));
    case 'int8':
      return plain(integer(64));
    case 'numeric':
      return plain(numeric(modifier));
    case 'float4':
      return { ...plain(float), comparable: false };
    case 'float8':
      return plain(float);
    case 'bool':
      return { ...plain(boolean), comparable: false };
    case 'timestamptz':
      return plain(timestamptz);
    case 'timestamp':
      return plain(timestamp);
    case 'date':
      return { ...plain(date), comparable: false };
    case 'uuid':
      return { ...plain(uuid), comparable: false };
    case 'text':
    case 'name':
    case 'citext':
      return unboundedText;
    case 'varchar':
    case 'bpchar':
      return escaped(text(modifier < 4 ? Infinity : modifier - 4));
    case 'json':
    case 'jsonb':
      return escaped(json);
    case 'bytea':
      return escaped(bytea);
    default:
      return escaped(passedThrough);
  }
}
