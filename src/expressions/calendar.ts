/** Time zones, fields of a date, truncation and patterns. Zones are IANA names, known through Intl. */
import { EvaluationError } from './errors.ts';
import { daysOf, Timestamp, timestampOf } from './timestamp.ts';

const microsPerMinute = 60_000_000;
const microsPerDay = 86_400_000_000;

/** Offset of a zone from UTC, in seconds, at a point in time. */
class Zone {
  readonly #format: Intl.DateTimeFormat;
  /** Offsets by quarter of an hour: since 1973 no zone has changed its offset within one. */
  readonly #known = new Map<number, number>();

  constructor(name: string) {
    this.#format = new Intl.DateTimeFormat('en-US', {
      timeZone: name, hourCycle: 'h23', era: 'short',
      year: 'numeric', month: 'numeric', day: 'numeric', hour: 'numeric', minute: 'numeric', second: 'numeric',
    }); // prettier-ignore
  }

  offsetSeconds(epochSeconds: number): number {
    if (epochSeconds < 94_694_400) return this.#ask(epochSeconds);
    const quarter = Math.floor(epochSeconds / 900);
    let offset = this.#known.get(quarter);
    if (offset === undefined) {
      offset = this.#ask(epochSeconds);
      if (this.#known.size >= 10_000) this.#known.clear();
      this.#known.set(quarter, offset);
    }
    return offset;
  }

  #ask(epochSeconds: number): number {
    const part: Record<string, number> = {};
    for (const { type, value } of this.#format.formatToParts(epochSeconds * 1000)) part[type] = Number(value);
    const days = daysOf(part['year']!, part['month']!, part['day']!);
    return days * 86_400 + part['hour']! * 3600 + part['minute']! * 60 + part['second']! - epochSeconds;
  }
}

const zones = new Map<string, Zone | null>();

/** Null for a name that is no time zone; `+02:00` and the like are zones too. */
function zoneOf(name: string): Zone | null {
  let zone = zones.get(name);
  if (zone === undefined) {
    try {
      zone = new Zone(name);
    } catch {
      zone = null;
    }
    // Names may come from records: no more of them are kept than there are zones.
    if (zones.size >= 1000) zones.clear();
    zones.set(name, zone);
  }
  return zone;
}

export const isZone = (name: string): boolean => name === 'UTC' || zoneOf(name) !== null;

function knownZone(name: string): Zone {
  const zone = zoneOf(name);
  if (zone === null)
    throw new EvaluationError('invalid_argument', 'the text is no time zone; write one like "Europe/Madrid"');
  return zone;
}

/** Local microseconds of a zone at a point in time. */
function toLocal(micros: number, zone: string): number {
  return zone === 'UTC' ? micros : micros + knownZone(zone).offsetSeconds(Math.floor(micros / 1_000_000)) * 1_000_000;
}

/**
 * The point in time of a local time in a zone. Where clocks go forward, a local time that does not exist is moved on by
 * the gap (02:30 becomes 03:30); where they go back, the earlier of the two is taken. (As java.time and RFC 9557 do.)
 */
export function fromLocal(localMicros: number, zoneName: string): number {
  if (zoneName === 'UTC') return localMicros;
  const zone = knownZone(zoneName);
  const seconds = Math.floor(localMicros / 1_000_000);
  const before = zone.offsetSeconds(seconds - 86_400);
  const after = zone.offsetSeconds(seconds + 86_400);
  const isTrue = (offset: number): boolean => zone.offsetSeconds(seconds - offset) === offset;
  const offset = before === after || isTrue(before) || !isTrue(after) ? before : after;
  return localMicros - offset * 1_000_000;
}

interface DateFields {
  readonly year: number;
  /** From 1. */
  readonly month: number;
  readonly day: number;
  /** Days since 1970-01-01. */
  readonly days: number;
  /** Microseconds since local midnight. */
  readonly time: number;
}

/** Civil date of local microseconds (http://howardhinnant.github.io/date_algorithms.html). */
function fieldsOf(localMicros: number): DateFields {
  const days = Math.floor(localMicros / microsPerDay);
  const z = days + 719_468;
  const era = Math.floor(z / 146_097);
  const dayOfEra = z - era * 146_097;
  const yearOfEra = Math.floor(
    (dayOfEra - Math.floor(dayOfEra / 1460) + Math.floor(dayOfEra / 36_524) - Math.floor(dayOfEra / 146_096)) / 365,
  );
  const dayOfYear = dayOfEra - (365 * yearOfEra + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100));
  const shifted = Math.floor((5 * dayOfYear + 2) / 153);
  const month = shifted + (shifted < 10 ? 3 : -9);
  return {
    year: yearOfEra + era * 400 + (month <= 2 ? 1 : 0),
    month,
    day: dayOfYear - Math.floor((153 * shifted + 2) / 5) + 1,
    days,
    time: localMicros - days * microsPerDay,
  };
}

/** CEL's accessors (getMonth and getDayOfMonth, getDayOfYear and getDayOfWeek count from 0, Sunday is 0). */
export const accessors = {
  getFullYear: (date: DateFields) => date.year,
  getMonth: (date: DateFields) => date.month - 1,
  getDate: (date: DateFields) => date.day,
  getDayOfMonth: (date: DateFields) => date.day - 1,
  getDayOfYear: (date: DateFields) => date.days - daysOf(date.year, 1, 1),
  getDayOfWeek: (date: DateFields) => weekday(date.days),
  getHours: (date: DateFields) => Math.floor(date.time / 3_600_000_000),
  getMinutes: (date: DateFields) => Math.floor(date.time / microsPerMinute) % 60,
  getSeconds: (date: DateFields) => Math.floor(date.time / 1_000_000) % 60,
  getMilliseconds: (date: DateFields) => Math.floor(date.time / 1000) % 1000,
} as const;

export type Accessor = keyof typeof accessors;

/** Sunday is 0; 1970-01-01 was a Thursday. */
const weekday = (days: number): number => (((days + 4) % 7) + 7) % 7;

export function readAccessor(name: Accessor, at: Timestamp, zone: string): number {
  return accessors[name](fieldsOf(toLocal(at.micros, zone)));
}

export const truncationUnits = ['second', 'minute', 'hour', 'day', 'week', 'month', 'quarter', 'year'] as const;
export type TruncationUnit = (typeof truncationUnits)[number];

/** The begin of the unit a time falls in, by the clocks of a zone. A week begins on Monday (ISO 8601). */
export function truncate(at: Timestamp, unit: TruncationUnit, zone: string): Timestamp {
  const local = toLocal(at.micros, zone);
  if (unit === 'second' || unit === 'minute' || unit === 'hour') {
    const size = unit === 'second' ? 1_000_000 : unit === 'minute' ? microsPerMinute : 3_600_000_000;
    // Taken off in place, so that an hour that comes twice stays the one it was.
    return timestampOf(at.micros - (local - Math.floor(local / size) * size));
  }
  const date = fieldsOf(local);
  const days =
    unit === 'day' ? date.days
    : unit === 'week' ? date.days - ((weekday(date.days) + 6) % 7)
    : daysOf(date.year, unit === 'year' ? 1 : unit === 'month' ? date.month : date.month - ((date.month - 1) % 3), 1); // prettier-ignore
  return timestampOf(fromLocal(days * microsPerDay, zone));
}

const monthNames = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];
const dayNames = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat'];
const padded = (value: number, width: number): string => String(value).padStart(width, '0');

/** Words of a time pattern, as java.time writes them. */
const patternWords: Readonly<Record<string, (date: DateFields, offsetMinutes: number) => string>> = {
  yyyy: (date) => padded(date.year, 4),
  yy: (date) => padded(date.year % 100, 2),
  MMM: (date) => monthNames[date.month - 1]!,
  MM: (date) => padded(date.month, 2),
  M: (date) => String(date.month),
  DDD: (date) => padded(accessors.getDayOfYear(date) + 1, 3),
  dd: (date) => padded(date.day, 2),
  d: (date) => String(date.day),
  EEE: (date) => dayNames[weekday(date.days)]!,
  HH: (date) => padded(accessors.getHours(date), 2),
  H: (date) => String(accessors.getHours(date)),
  mm: (date) => padded(accessors.getMinutes(date), 2),
  ss: (date) => padded(accessors.getSeconds(date), 2),
  SSSSSS: (date) => padded(date.time % 1_000_000, 6),
  SSS: (date) => padded(accessors.getMilliseconds(date), 3),
  XXX: (_, minutes) => (minutes === 0 ? 'Z' : offsetText(minutes)),
};

function offsetText(minutes: number): string {
  const size = Math.abs(minutes);
  return `${minutes < 0 ? '-' : '+'}${padded(Math.floor(size / 60), 2)}:${padded(size % 60, 2)}`;
}

export type TimeFormat = (at: Timestamp, zone: string) => string;

/** Reads a pattern such as `yyyy-MM-dd'T'HH:mm:ss.SSSXXX`; throws an Error with the reason where it can't be. */
export function readTimePattern(pattern: string): TimeFormat {
  const parts: (string | ((date: DateFields, offsetMinutes: number) => string))[] = [];
  for (const [run] of pattern.matchAll(/''|'(?:[^']|'')+'|([A-Za-z])\1*|[^A-Za-z']+|'/g)) {
    if (run === "'") throw new Error("a ' is not closed");
    if (run.startsWith("'")) parts.push(run === "''" ? "'" : run.slice(1, -1).replaceAll("''", "'"));
    else if (!/[A-Za-z]/.test(run)) parts.push(run);
    else if (Object.hasOwn(patternWords, run)) parts.push(patternWords[run]!);
    else
      throw new Error(
        `${run} is no part of a time pattern; known are ${Object.keys(patternWords).join(' ')}, and text in '...'`,
      );
  }
  return (at, zone) => {
    const local = toLocal(at.micros, zone);
    const date = fieldsOf(local);
    const offsetMinutes = Math.round((local - at.micros) / microsPerMinute);
    let text = '';
    for (const part of parts) text += typeof part === 'string' ? part : part(date, offsetMinutes);
    return text;
  };
}
