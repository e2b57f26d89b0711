import type { BuildContext } from '../declaration/component.ts';
import type { PlannedStep } from '../engine/epoch.ts';
import type { Clock, EventRecord } from '../engine/ports.ts';
import { EvaluationError, type Expression, type Scope, type Timestamp, typeName } from '../expressions/index.ts';

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

/** Tells of a number that counts nobody knows what. */
export function checkEventTime({ type, text }: Expression, unit: string | null, context: Pick<BuildContext, 'problem'>): void {
  const isNumber = type === 'int' || type === 'double' || type === 'decimal' || type === 'number';
  if (!isNumber || unit !== null) return;
  const hint = 'say what it counts since 1970: `unit: s`, `unit: ms` or `unit: us` beside `field`';
  context.problem([], 'type_mismatch', `${text} is ${typeName(type)}, and a time as a number needs its unit`, hint);
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
