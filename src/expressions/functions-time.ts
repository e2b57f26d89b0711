import { parseDuration } from '../declaration/units.ts';
import {
  accessors,
  fromLocal,
  readAccessor,
  truncate,
  truncationUnits,
  type Accessor,
  type TimeFormat,
  type TruncationUnit,
} from './calendar.ts';
import { isDecimal } from './decimal.ts';
import { EvaluationError } from './errors.ts';
import { define, type FunctionSpec } from './signature.ts';
import { Duration, durationOf, readIso, Timestamp, timestampOf } from './timestamp.ts';
import { unusable, type AnyNumber } from './values.ts';

const invalid = (at: string, reason: string): never => {
  throw new EvaluationError('invalid_argument', `${at} ${reason}`, at);
};

/** ISO 8601. A text without an offset is a local time of `zone`; without a zone it fails. */
function timestamp(at: string, value: unknown, zone?: string): Timestamp {
  if (value instanceof Timestamp) return value;
  if (typeof value !== 'string') {
    const isNumber = typeof value === 'number' || typeof value === 'bigint';
    return unusable(
      value,
      at,
      isNumber ? 'write seconds(n), millis(n) or micros(n)' : 'timestamp reads an ISO 8601 text',
    );
  }
  const iso = readIso(value);
  if (iso === undefined) return invalid(at, 'is no ISO 8601 time');
  if (iso.offsetMinutes !== null) return timestampOf(iso.localMicros - iso.offsetMinutes * 60_000_000);
  if (zone === undefined) return invalid(at, 'has no offset from UTC; give the zone, timestamp(text, "Europe/Madrid")');
  return timestampOf(fromLocal(iso.localMicros, zone));
}

/** Fractions below a microsecond are cut off. */
const since = (microsPerUnit: number) => (at: string, value: AnyNumber) => {
  if (typeof value === 'number') {
    // seconds(1700000000.25) in doubles would lose digits: whole and fraction apart.
    const whole = Math.floor(value);
    return timestampOf(whole * microsPerUnit + Math.floor(Math.round((value - whole) * microsPerUnit * 1000) / 1000));
  }
  const micros = isDecimal(value) ? Number(value.times(microsPerUnit).round(0, 0)) : Number(value) * microsPerUnit;
  if (!Number.isFinite(micros)) return invalid(at, 'is no time');
  return timestampOf(micros);
};

/** What the file reads (`500ms 30s 5m 4h 7d`), and `us`, so that the text of a duration is one. */
function duration(at: string, value: unknown): Duration {
  if (value instanceof Duration) return value;
  if (typeof value !== 'string') return unusable(value, at, 'duration reads a text such as "7d"');
  const negative = value.startsWith('-');
  const text = negative ? value.slice(1) : value;
  const micros = /^\d{1,16}us$/.exec(text) === null ? (parseDuration(text) ?? NaN) * 1000 : Number(text.slice(0, -2));
  if (Number.isNaN(micros)) return invalid(at, 'is no duration such as "500ms", "30s", "5m", "4h" or "7d"');
  return durationOf(Math.round(negative ? 0 - micros : micros));
}

function trunc(at: string, time: Timestamp, unit: string, zone = 'UTC'): Timestamp {
  if (!(truncationUnits as readonly string[]).includes(unit))
    return invalid('the unit', `is none of ${truncationUnits.join(', ')}`);
  return truncate(time, unit as TruncationUnit, zone);
}

const microsPer: Partial<Record<Accessor, number>> = {
  getHours: 3_600_000_000,
  getMinutes: 60_000_000,
  getSeconds: 1_000_000,
  getMilliseconds: 1000,
};

/** Of a timestamp a field of its date; of a duration its whole length in the unit. */
const accessor = (name: Accessor): FunctionSpec =>
  define('any zone?', 'int', (at, value: unknown, zone?: string) => {
    if (value instanceof Timestamp) return readAccessor(name, value, zone ?? 'UTC');
    const unit = microsPer[name];
    if (value instanceof Duration && unit !== undefined) return Math.trunc(value.micros / unit) + 0;
    return unusable(value, at, `${name} reads a timestamp`);
  });

export const timeFunctions: Readonly<Record<string, FunctionSpec>> = {
  timestamp: define('any zone?', 'timestamp', timestamp),
  seconds: define('number', 'timestamp', since(1_000_000)),
  millis: define('number', 'timestamp', since(1000)),
  micros: define('number', 'timestamp', since(1)),
  duration: define('any', 'duration', duration),
  trunc: define('timestamp unit zone?', 'timestamp', trunc),
  format_time: define(
    'timestamp timePattern zone?',
    'string',
    (_, time: Timestamp, format: TimeFormat, zone?: string) => format(time, zone ?? 'UTC'),
  ),
  ...Object.fromEntries((Object.keys(accessors) as Accessor[]).map((name) => [name, accessor(name)])),
};
