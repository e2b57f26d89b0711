import type { Clock } from '../engine/ports.ts';
import type { PlannedStep } from '../engine/epoch.ts';
import type { EventRecord } from '../engine/ports.ts';
import { EvaluationError, type Expression, Timestamp, parseTimestamp } from '../expressions/index.ts';

export interface EventTime {
  readonly field: Expression;
  /** Unit where the field is a number; null: a number is an error. */
  readonly unit: 's' | 'ms' | 'us' | null;
  /** Null: any time is accepted. */
  readonly aheadMs: number | null;
}

const msPerUnit = { s: 1000, ms: 1, us: 0.001 } as const;

/**
 * The stage that reads each event's own time. A time that is missing, unreadable or too far ahead of the clock makes the
 * record a dead letter: taking "now" instead would be a guess, and one poisoned future time would move a watermark for
 * good.
 */
export function eventTimeStep(time: EventTime, clock: Pick<Clock, 'now'>): PlannedStep {
  return {
    stage: 'timestamp',
    step: {
      name: 'timestamp',
      kind: 'timestamp',
      apply(records, outcomes) {
        const nowMs = clock.now();
        const out: EventRecord[] = [];
        for (const record of records) {
          try {
            const ms = readMs(time, record);
            const aheadMs = ms - nowMs;
            if (time.aheadMs !== null && aheadMs > time.aheadMs) {
              outcomes.dead(
                record,
                'timestamp_ahead',
                `the event time is ${(aheadMs / 1000).toFixed(0)} s ahead of the clock`,
              );
            } else {
              out.push(record);
            }
          } catch (error) {
            if (!(error instanceof EvaluationError)) throw error;
            outcomes.dead(record, error.code, error.message);
          }
        }
        return out;
      },
    },
  };
}

function readMs({ field, unit }: EventTime, record: EventRecord): number {
  const value = field.evaluate(record as Parameters<Expression['evaluate']>[0]);
  if (value instanceof Timestamp) return value.micros / 1000;
  if (typeof value === 'number' && unit !== null) return value * msPerUnit[unit];
  if (typeof value === 'string') {
    const at = parseTimestamp(value);
    if (at !== undefined) return at.micros / 1000;
    throw new EvaluationError('invalid_argument', `${field.text} is not an ISO 8601 time with an offset`);
  }
  const hint = typeof value === 'number' ? ': say in `time.unit` whether it is s, ms or us' : '';
  throw new EvaluationError('type_mismatch', `${field.text} is not a time${hint}`);
}
