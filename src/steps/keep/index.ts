import { defineStep } from '../../declaration/component.ts';
import type { EventRecord } from '../../engine/ports.ts';
import { fieldType } from '../field-types.ts';
import { fieldNames, notAnObject, objectEvent } from '../fields.ts';

export const keep = defineStep({
  kind: 'step',
  name: 'keep',
  summary: 'Removes every field of the event but the named ones. A named field that is absent stays absent.',
  options: fieldNames('Names of the fields to keep.'),
  example: 'keep: [id, status, total_cents]',

  create(names, context) {
    return {
      name: context.name,
      kind: 'keep',
      apply(records, outcomes) {
        const out: EventRecord[] = [];
        for (const record of records) {
          const event = objectEvent(record.event);
          if (event === undefined) {
            outcomes.dead(record, notAnObject.code, notAnObject.message);
            continue;
          }
          const present = names.filter((name) => Object.hasOwn(event, name));
          record.event = Object.fromEntries(present.map((name) => [name, event[name]]));
          out.push(record);
        }
        return out;
      },
    };
  },

  fields: (names, before) => before && names.filter((name) => before.includes(name)),
  types(names, before) {
    const known = typeof before === 'object' && 'fields' in before ? before : { fields: {}, open: true };
    const kept = names.filter((name) => known.open === true || Object.hasOwn(known.fields, name));
    return { fields: Object.fromEntries(kept.map((name) => [name, fieldType(known, name)])) };
  },
});
