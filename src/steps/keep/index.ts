import { defineStep } from '../../declaration/component.ts';
import type { EventRecord } from '../../engine/ports.ts';
import type { Type } from '../../expressions/index.ts';
import { checkPaths, objectType, onlyFields } from '../field-types.ts';
import { fieldNames, fieldsOf } from '../fields.ts';

export const keep = defineStep({
  kind: 'step',
  name: 'keep',
  summary: 'Removes every field of the event but the named ones. A named field that is absent stays absent.',
  options: fieldNames('Names of the fields to keep.'),
  example: 'keep: [id, status, total_cents]',

  create(names, context) {
    checkPaths(
      names.map((name) => [name]),
      context,
    );
    return {
      name: context.name,
      kind: 'keep',
      apply(records, outcomes) {
        const out: EventRecord[] = [];
        for (const record of records) {
          const event = fieldsOf(record, outcomes);
          if (event === undefined) continue;
          const present = names.filter((name) => Object.hasOwn(event, name));
          record.event = Object.fromEntries(present.map((name) => [name, event[name]]));
          out.push(record);
        }
        return out;
      },
    };
  },

  output(names, before, { name: step }) {
    const known = objectType(before);
    const fields = names.flatMap((name): [string, Type][] => {
      if (Object.hasOwn(known.fields, name)) return [[name, known.fields[name]!]];
      return known.open === true ? [[name, 'dyn']] : [];
    });
    const required = known.required?.filter((name) => names.includes(name));
    return { ...onlyFields(before, Object.fromEntries(fields), step), ...(required && { required }) };
  },
});
