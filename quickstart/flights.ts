/**
 * Real events: 20,000 flights of the first quarter of 2001 (US Bureau of Transportation Statistics, in the npm package
 * vega-datasets, BSD-3-Clause). A flight is reported when it departed, and its event time is the schedule, so the stream
 * is out of order by every delay. The data names no time zones; its local times are written as if they were UTC.
 */
import { readFileSync } from 'node:fs';

interface Row {
  /** `2001/01/01 00:47` */
  readonly date: string;
  readonly delay: number;
  readonly distance: number;
  readonly origin: string;
  readonly destination: string;
}

export interface FlightRecord {
  readonly key: string;
  readonly value: string;
}

/** Every so many flights one record is broken, each in another way. */
const BROKEN_EVERY = 1500;

const breaks: readonly ((flight: Record<string, unknown>) => string)[] = [
  (flight) => JSON.stringify(flight).slice(0, -9),
  ({ distance_miles: _, ...flight }) => JSON.stringify(flight),
  (flight) => JSON.stringify({ ...flight, scheduled: '31/02/2001 25:00' }),
  (flight) => JSON.stringify({ ...flight, delay_minutes: 'unknown' }),
  (flight) => JSON.stringify({ ...flight, id: null }),
];

/** All flights in the order of their departure, keyed by origin, a few of them broken. */
export function flights(): FlightRecord[] {
  // The package exports only its loader, which fetches: the file itself lies beside it.
  const file = new URL('../node_modules/vega-datasets/data/flights-20k.json', import.meta.url);
  const rows = JSON.parse(readFileSync(file, 'utf8')) as readonly Row[];
  return rows
    .map(({ date, delay, distance, origin, destination }, id) => {
      const scheduled = new Date(`${date.replaceAll('/', '-').replace(' ', 'T')}:00Z`);
      const departed = new Date(scheduled.getTime() + delay * 60_000);
      return {
        id,
        origin,
        destination,
        scheduled: scheduled.toISOString(),
        departed: departed.toISOString(),
        delay_minutes: delay,
        distance_miles: distance,
      };
    })
    .sort((a, b) => a.departed.localeCompare(b.departed) || a.id - b.id)
    .map((flight, i) => {
      const nth = i / BROKEN_EVERY;
      const broken = Number.isInteger(nth) && nth > 0 ? breaks[(nth - 1) % breaks.length] : undefined;
      return { key: flight.origin, value: broken ? broken(flight) : JSON.stringify(flight) };
    });
}
