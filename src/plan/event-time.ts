import type { BuildContext } from '../declaration/component.ts';
import type { PlannedStep } from '../engine/epoch.ts';
import type { Clock, EventRecord } from '../engine/ports.ts';
import {
  EvaluationError,
  type Expression,
  type Scope,
  isNumeric,
  type Timestamp,
  typeName,
} from '../expressions/index.ts';

export interface EventTime {
  /** Gives a Timestamp. */
  readonly expression: Expression;
  /** Null: any time is accepted. */
  readonly aheadMs: number | null;
}

const functionOfUnit = { s: 'seconds', ms: 'millis', us: 'micros' } as const;

/** `time.field` as an expression that gives a timestamp: text is ISO 8601, a number needs its unit. */
export function eventTimeText(field: unknown, unit: keyof typeof functionOfUnit | null): string {
  return `${unit === null ? 'timestamp' : functionOfUnit[unit]}(${String(field)})`;
}

/** Tells of a number that counts nobody knows what, of a unit for what is no number, and of what is neither text nor number. */
export function checkEventTime(
  { type, text }: Expression,
  unit: string | null,
  context: Pick<BuildContext, 'problem'>,
): void {
  const tell = (message: string, hint: string) =>
    context.problem([], 'type_mismatch', `${text} is ${typeName(type)}${message}`, hint);
  if (type === 'string' && unit !== null)
    tell(', and only a number has a unit', 'leave `unit` out: text is read as ISO 8601');
  if (type === 'dyn' || type === 'string' || type === 'timestamp') return;
  if (!isNumeric(type))
    tell(', which is no time', 'name a field that holds text in ISO 8601, or a number and its unit');
  else if (unit === null)
    tell(', and which time that is depends on its unit', 'write `unit: s`, `unit: ms` or `unit: us` beside `field`');
}

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
            const at = time.expression.evaluate(record as Scope) as Timestamp;
            const aheadMs = at.micros / 1000 - nowMs;
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
