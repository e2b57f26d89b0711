import { defineStep } from '../../declaration/component.ts';
import { checkPaths, withoutField } from '../field-types.ts';
import { fieldNames, objectEvent } from '../fields.ts';

export const drop = defineStep({
  kind: 'step',
  name: 'drop',
  summary: 'Removes fields from the event.',
  options: fieldNames('Names of the fields to remove; `customer.email` removes a field inside a field.'),
  example: 'drop: [email, customer.phone]',

  create(names, context) {
    const paths = names.map((name) => name.split('.'));
    checkPaths(paths, context);
    return {
      name: context.name,
      kind: 'drop',
      apply(records) {
        for (const record of records) {
          for (const path of paths) record.event = without(record.event, path, 0);
        }
        return records;
      },
    };
  },

  output: (names, before, { name: step }) =>
    names.reduce((type, name) => withoutField(type, name.split('.'), step), before),
});

/**
 * A copy of `value` without the field at `path`. A copy, because elements of one exploded record share what lies deeper,
 * and because deleting from an object makes every later access to it slow.
 */
function without(value: unknown, path: readonly string[], depth: number): unknown {
  const event = objectEvent(value);
  const name = path[depth]!;
  if (event === undefined || !Object.hasOwn(event, name)) return value;
  const last = depth === path.length - 1;
  const kept = Object.entries(event).flatMap(([field, inner]): [string, unknown][] => {
    if (field !== name) return [[field, inner]];
    return last ? [] : [[field, without(inner, path, depth + 1)]];
  });
  return Object.fromEntries(kept);
}
