import { defineStep } from '../../declaration/component.ts';
import { expression } from '../../declaration/options.ts';
import type { EventRecord } from '../../engine/ports.ts';
import { StreamRecord } from '../../engine/record.ts';
import { typeName } from '../../expressions/index.ts';
import { recordFailed } from '../failure.ts';
import { isNoList, withFields } from '../field-types.ts';
import { fieldsOf } from '../fields.ts';

export const explode = defineStep({
  kind: 'step',
  name: 'explode',
  summary:
    'Makes one event of each element of a list: the element in `event.item`, its number from 0 in `event.index`, and the other fields as they were. A record whose list is empty or null is filtered.',
  options: expression({ description: 'The list: an expression that gives one.' }),
  example: 'explode: event.lines',

  create(list, context) {
    const elements = context.expression(list, []);
    if (isNoList(elements))
      context.problem(
        [],
        'type_mismatch',
        `a list is needed here, and this is ${typeName(elements.type)}`,
        'name a field that holds a list',
      );
    return {
      name: context.name,
      kind: 'explode',
      expands: true,
      apply(records, outcomes) {
        const out: EventRecord[] = [];
        for (const record of records) {
          const parent = fieldsOf(record, outcomes);
          if (parent === undefined) continue;
          let found: unknown;
          try {
            found = elements.evaluate(record);
          } catch (error) {
            recordFailed(context.name, context.onError, record, error, outcomes);
            continue;
          }
          if (found === null || (Array.isArray(found) && found.length === 0)) {
            outcomes.filtered(record);
          } else if (!Array.isArray(found)) {
            outcomes.dead(record, 'type_mismatch', `${elements.text} is not a list`);
          } else {
            for (const [index, item] of found.entries()) {
              out.push((record as StreamRecord).forElement(index, { ...parent, item: item as unknown, index }));
            }
          }
        }
        return out;
      },
    };
  },

  output(list, before, { expression: compiled }) {
    const { type } = compiled(list);
    const item = typeof type === 'object' && 'list' in type ? type.list : 'dyn';
    return withFields(before, { item, index: 'int' });
  },
});
