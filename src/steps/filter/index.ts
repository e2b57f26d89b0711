import { defineStep } from '../../declaration/component.ts';
import { expression } from '../../declaration/options.ts';
import type { EventRecord } from '../../engine/ports.ts';
import { recordFailed } from '../failure.ts';
import { wherePresent } from '../field-types.ts';

export const filter = defineStep({
  kind: 'step',
  name: 'filter',
  summary: 'Lets through only events for which a condition is true.',
  options: expression({ description: 'The condition: an expression that gives true or false.' }),
  example: 'filter: event.status == "paid"',

  create(condition, context) {
    const passes = context.expression(condition, [], 'bool');
    return {
      name: context.name,
      kind: 'filter',
      apply(records, outcomes) {
        const out: EventRecord[] = [];
        for (const record of records) {
          try {
            if (passes.evaluate(record) === true) out.push(record);
            else outcomes.filtered(record);
          } catch (error) {
            recordFailed(context.name, context.onError, record, error, outcomes);
          }
        }
        return out;
      },
    };
  },

  output: (condition, before, { expression: compiled }) => wherePresent(before, compiled(condition).tree),
});
