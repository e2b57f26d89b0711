import type { BuildContext } from '../declaration/component.ts';
import { expression } from '../declaration/options.ts';
import { Type } from '../declaration/type.ts';
import type { EventRecord, Step, StepOutcomes } from '../engine/ports.ts';
import type { Expression } from '../expressions/index.ts';
import { type OnError, recordFailed } from './failure.ts';

/** Options of a step that computes fields: name to expression. */
export const computedFields = (description: string) =>
  Type.Record(Type.String(), expression({ description: 'The expression that gives the field.' }), {
    description,
    minProperties: 1,
  });

/** Options of a step that names fields of the event. */
export const fieldNames = (description: string) =>
  Type.Array(Type.String({ minLength: 1 }), { description, minItems: 1, uniqueItems: true });

/** Compiles every field of `computedFields`. */
export function compileFields(
  fields: Readonly<Record<string, unknown>>,
  context: Pick<BuildContext, 'expression'>,
): Record<string, Expression> {
  return Object.fromEntries(Object.entries(fields).map(([name, text]) => [name, context.expression(text, [name])]));
}

/** The step whose `compute` gives each record's new event. */
export function computingStep(
  kind: string,
  { name, onError }: { readonly name: string; readonly onError: OnError },
  compute: (record: EventRecord) => unknown,
): Step {
  return {
    name,
    kind,
    apply(records, outcomes) {
      const out: EventRecord[] = [];
      for (const record of records) {
        try {
          record.event = compute(record);
          out.push(record);
        } catch (error) {
          recordFailed(name, onError, record, error, outcomes);
        }
      }
      return out;
    },
  };
}

/** The event as an object whose fields can be changed; undefined where it is not one. */
export function objectEvent(event: unknown): Record<string, unknown> | undefined {
  return typeof event === 'object' && event !== null && !Array.isArray(event)
    ? (event as Record<string, unknown>)
    : undefined;
}

/** The same of a record; it becomes a dead letter where its event is no object. */
export function fieldsOf(record: EventRecord, outcomes: StepOutcomes): Record<string, unknown> | undefined {
  const event = objectEvent(record.event);
  if (event === undefined) outcomes.dead(record, 'type_mismatch', 'the event is not an object, so it has no fields');
  return event;
}
