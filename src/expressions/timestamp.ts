/** Points and spans of time, in whole microseconds: what PostgreSQL and Debezium count in. */
import { EvaluationError } from './errors.ts';

const microsPerDay = 86_400_000_000;

/** A point in time, exact from the year 1684 to 2255. Prints and encodes as ISO 8601 in UTC. */
export class Timestamp {
  /** Microseconds since the epoch, a safe integer. */
  readonly micros: number;
  constructor(micros: number) {
    this.micros = micros;
  }
  /** Milliseconds since the epoch, rounded down: what the engine's clock counts. */
  get millis(): number {
    return Math.floor(this.micros / 1000);
  }
  /** `2024-03-01T12:30:00.250Z`, with microseconds only where there are some. */
  toString(): string {
    const iso = new Date(this.millis).toISOString();
    const rest = this.micros - this.millis * 1000;
    return rest === 0 ? iso : `${iso.slice(0, -1)}${String(rest).padStart(3, '0')}Z`;
  }
  toJSON(): string {
    return this.toString();
  }
}

/** A span of time, positive or negative. Prints as `90s`, `1500ms` or `7us`, the largest of these that is whole. */
export class Duration {
  /** A safe integer. */
  readonly micros: number;
  constructor(micros: number) {
    this.micros = micros;
  }
  toString(): string {
    if (this.micros % 1_000_000 === 0) return `${this.micros / 1_000_000}s`;
    return this.micros % 1000 === 0 ? `${this.micros / 1000}ms` : `${this.micros}us`;
  }
  toJSON(): string {
    return this.toString();
  }
}

/** Fails with `overflow` where microseconds leave what a number holds exactly. */
export function timestampOf(micros: number): Timestamp {
  if (!Number.isSafeInteger(micros))
    throw new EvaluationError('overflow', 'the time is before the year 1684 or after 2255');
  return new Timestamp(micros);
}

export function durationOf(micros: number): Duration {
  if (!Number.isSafeInteger(micros)) throw new EvaluationError('overflow', 'the duration is longer than 285 years');
  return new Duration(micros);
}

/** Days since 1970-01-01 of a date of the proleptic Gregorian calendar; `month` from 1. */
export function daysOf(year: number, month: number, day: number): number {
  const y = month <= 2 ? year - 1 : year;
  const era = Math.floor(y / 400);
  const yearOfEra = y - era * 400;
  const dayOfYear = Math.floor((153 * (month + (month > 2 ? -3 : 9)) + 2) / 5) + day - 1;
  return (
    era * 146_097 + yearOfEra * 365 + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100) + dayOfYear - 719_468
  );
}

const daysInMonth = (year: number, month: number): number =>
  month === 2
    ? (year % 4 === 0 && year % 100 !== 0) || year % 400 === 0
      ? 29
      : 28
    : month === 4 || month === 6 || month === 9 || month === 11
      ? 30
      : 31;

/** What an ISO 8601 text says: local microseconds since the epoch, and the offset from UTC if it names one. */
export interface IsoTime {
  readonly localMicros: number;
  readonly offsetMinutes: number | null;
}

/**
 * Reads `2024-03-01`, `2024-03-01T12:30`, `2024-03-01 12:30:00.123456`, with `Z`, `+02:00`, `+0200` or `+02` after a
 * time. Digits beyond microseconds are cut off. Undefined where the text is no such date, or no date that exists.
 */
export function readIso(text: string): IsoTime | undefined {
  const { length } = text;
  const year = digits(text, 0, 4);
  const month = digits(text, 5, 2);
  const day = digits(text, 8, 2);
  if (length > 40 || year < 0 || text[4] !== '-' || month < 1 || month > 12 || text[7] !== '-' || day < 1)
    return undefined;
  if (day > daysInMonth(year, month)) return undefined;
  const date = daysOf(year, month, day) * microsPerDay;
  if (length === 10) return { localMicros: date, offsetMinutes: null };

  const between = text[10];
  const hour = digits(text, 11, 2);
  const minute = digits(text, 14, 2);
  if (
    (between !== 'T' && between !== ' ' && between !== 't') ||
    hour < 0 ||
    hour > 23 ||
    text[13] !== ':' ||
    minute < 0 ||
    minute > 59
  )
    return undefined;
  let at = 16;
  let second = 0;
  let fraction = 0;
  if (text[at] === ':') {
    second = digits(text, 17, 2);
    if (second < 0 || second > 59) return undefined;
    at = 19;
    if (text[at] === '.' || text[at] === ',') {
      const start = ++at;
      for (let scale = 100_000; at < length && isDigit(text, at); at++, scale /= 10) {
        if (scale >= 1) fraction += (text.charCodeAt(at) - 48) * scale;
      }
      if (at === start) return undefined;
    }
  }
  const localMicros = date + ((hour * 60 + minute) * 60 + second) * 1_000_000 + fraction;
  if (at === length) return { localMicros, offsetMinutes: null };
  const sign = text[at];
  if (sign === 'Z' || sign === 'z') return at + 1 === length ? { localMicros, offsetMinutes: 0 } : undefined;
  if (sign !== '+' && sign !== '-') return undefined;
  const offsetHour = digits(text, at + 1, 2);
  const colon = text[at + 3] === ':' ? 1 : 0;
  const offsetMinute = at + 3 === length ? 0 : digits(text, at + 3 + colon, 2);
  const end = at + 3 === length ? length : at + 5 + colon;
  if (offsetHour < 0 || offsetHour > 18 || offsetMinute < 0 || offsetMinute > 59 || end !== length) return undefined;
  return { localMicros, offsetMinutes: (sign === '-' ? -1 : 1) * (offsetHour * 60 + offsetMinute) };
}

function isDigit(text: string, at: number): boolean {
  const code = text.charCodeAt(at);
  return code >= 48 && code <= 57;
}

/** The number in `count` digits from `at`, or -1. */
function digits(text: string, at: number, count: number): number {
  let value = 0;
  for (let i = at; i < at + count; i++) {
    const code = text.charCodeAt(i);
    if (!(code >= 48 && code <= 57)) return -1;
    value = value * 10 + code - 48;
  }
  return value;
}
