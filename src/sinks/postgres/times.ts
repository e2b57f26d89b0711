/** Points in time as PostgreSQL reads them. */
import { readIso } from '../../expressions/timestamp.ts';

const microsPerDay = 86_400_000_000;
const two = Array.from({ length: 60 }, (_, number) => String(number).padStart(2, '0'));

// Records of a batch mostly fall on one day.
let cachedDay = Number.NaN;
let cachedDate = '';

/** `2026-11-22` of a point in time, in UTC. */
export function dateText(micros: number): string {
  const day = Math.floor(micros / microsPerDay);
  if (day !== cachedDay) {
    cachedDate = new Date(day * 86_400_000).toISOString().slice(0, 10);
    cachedDay = day;
  }
  return cachedDate;
}

/** `2026-11-22 10:30:00.25` of a point in time, in UTC. */
export function timestampText(micros: number): string {
  const date = dateText(micros);
  const ofDay = micros - cachedDay * microsPerDay;
  const seconds = Math.floor(ofDay / 1_000_000);
  const fraction = ofDay - seconds * 1_000_000;
  const hour = Math.floor(seconds / 3600);
  const minute = Math.floor(seconds / 60) % 60;
  const text = `${date} ${two[hour]!}:${two[minute]!}:${two[seconds % 60]!}`;
  if (fraction === 0) return text;
  return fraction % 1000 === 0
    ? `${text}.${String(1000 + fraction / 1000).slice(1)}`
    : `${text}.${String(1_000_000 + fraction).slice(1)}`;
}

/** What a text says about time: microseconds since the epoch, and whether it names its offset from UTC. */
export interface TextTime {
  readonly micros: number;
  readonly hasOffset: boolean;
}

/** Undefined where the text is no ISO 8601 time that exists. `micros` is no safe integer far from today. */
export function readTime(text: string): TextTime | undefined {
  const time = readIso(text);
  if (time === undefined) return undefined;
  return { micros: time.localMicros - (time.offsetMinutes ?? 0) * 60_000_000, hasOffset: time.offsetMinutes !== null };
}
