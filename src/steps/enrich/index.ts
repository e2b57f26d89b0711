import { defineStep } from '../../declaration/component.ts';
import { lookupKey } from '../../declaration/lookup-key.ts';
import { expression } from '../../declaration/options.ts';
import { Type } from '../../declaration/type.ts';
import type { EventRecord } from '../../engine/ports.ts';
import { EvaluationError, typeName, type Type as ExpressionType } from '../../expressions/index.ts';
import { recordFailed } from '../failure.ts';
import { withFields } from '../field-types.ts';
import { fieldsOf } from '../fields.ts';

/** What is known to be no key before any record is seen. */
const isNeverKey = (type: ExpressionType): boolean =>
  typeof type === 'object' || ['bool', 'timestamp', 'duration', 'bytes', 'null'].includes(type);

export const enrich = defineStep({
  kind: 'step',
  name: 'enrich',
  summary: 'Adds the row of a lookup to each event.',
  options: Type.Object({
    from: Type.String({ minLength: 1, description: 'Name of a lookup under `lookups:`.' }),
    on: expression({ description: 'The key to look up: an expression that gives text or a number.' }),
    into: Type.Optional(
      Type.String({
        minLength: 1,
        description: 'Field of the event that gets the row. Default: the name of the lookup.',
      }),
    ),
    missing: Type.Union([Type.Literal('keep'), Type.Literal('drop'), Type.Literal('dlq')], {
      default: 'keep',
      description: 'An event without a row, or whose key is null, goes on with null, is left out, or is a dead letter.',
    }),
  }),
  example: 'enrich: { from: customers, on: event.customer_id, into: customer, missing: keep }',

  create({ from, on, into = from, missing }, context) {
    const lookup = context.lookup(from, ['from']);
    const key = context.expression(on, ['on']);
    if (isNeverKey(key.type))
      context.problem(
        ['on'],
        'type_mismatch',
        `a key is text or a number, and this is ${typeName(key.type)}`,
        'name a field that holds one',
      );
    return {
      name: context.name,
      kind: 'enrich',
      apply(records, outcomes) {
        const out: EventRecord[] = [];
        for (const record of records) {
          const event = fieldsOf(record, outcomes);
          if (event === undefined) continue;
          let value: unknown;
          try {
            value = key.evaluate(record);
          } catch (error) {
            recordFailed(context.name, context.onError, record, error, outcomes);
            continue;
          }
          const text = lookupKey(value);
          if (text === null && value !== null) {
            const error = new EvaluationError(
              'type_mismatch',
              `${key.text} can't be a key: it is no text and no number`,
            );
            recordFailed(context.name, context.onError, record, error, outcomes);
            continue;
          }
          const row = text === null ? undefined : lookup.get(text);
          if (row !== undefined || missing === 'keep') {
            event[into] = row ?? null;
            out.push(record);
          } else if (missing === 'drop') outcomes.dropped(record, 'lookup_missing');
          else outcomes.dead(record, 'lookup_missing', `${from} has no row for the key ${key.text}`);
        }
        return out;
      },
    };
  },

  output: ({ from, into = from }, before, { row }) => withFields(before, { [into]: row(from) }),
});
