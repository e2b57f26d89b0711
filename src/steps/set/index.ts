import { defineStep } from '../../declaration/component.ts';
import type { EventRecord } from '../../engine/ports.ts';
import { compileAssign } from '../../expressions/index.ts';
import { recordFailed } from '../failure.ts';
import { computedTypes, withFields } from '../field-types.ts';
import { compileFields, computedFields, notAnObject, objectEvent } from '../fields.ts';

export const set = defineStep({
  kind: 'step',
  name: 'set',
  summary: 'Adds or replaces fields of the event. Every expression reads the event as it was before the step.',
  options: computedFields('The fields to add or replace, each with its expression.'),
  example: 'set: { total_cents: event.qty * event.price_cents }',

  create(options, context) {
    const assign = compileAssign(compileFields(options, context));
    return {
      name: context.name,
      kind: 'set',
      apply(records, outcomes) {
        const out: EventRecord[] = [];
        for (const record of records) {
          if (objectEvent(record.event) === undefined) {
            outcomes.dead(record, notAnObject.code, notAnObject.message);
            continue;
          }
          try {
            assign(record);
            out.push(record);
          } catch (error) {
            recordFailed(context.name, context.onError, record, error, outcomes);
          }
        }
        return out;
      },
    };
  },

  output: (options, before, context) => withFields(before, computedTypes(options, context)),
});
