import { defineStep } from '../../declaration/component.ts';
import type { EventRecord } from '../../engine/ports.ts';
import { compileObject } from '../../expressions/index.ts';
import { recordFailed } from '../failure.ts';
import { computedTypes, onlyFields } from '../field-types.ts';
import { compileFields, computedFields } from '../fields.ts';

export const map = defineStep({
  kind: 'step',
  name: 'map',
  summary: 'Replaces the event by a new one, each field given by an expression.',
  options: computedFields('The fields of the new event, each with its expression.'),
  example: 'map: { id: event.id, total_cents: event.qty * event.price_cents }',

  create(options, context) {
    const build = compileObject(compileFields(options, context));
    return {
      name: context.name,
      kind: 'map',
      apply(records, outcomes) {
        const out: EventRecord[] = [];
        for (const record of records) {
          try {
            record.event = build(record);
            out.push(record);
          } catch (error) {
            recordFailed(context.name, context.onError, record, error, outcomes);
          }
        }
        return out;
      },
    };
  },

  output: (options, before, context) => onlyFields(before, computedTypes(options, context), context.name),
});
