import { defineStep } from '../../declaration/component.ts';
import { compileObject } from '../../expressions/index.ts';
import { computedTypes, onlyFields } from '../field-types.ts';
import { compileFields, computedFields, computingStep } from '../fields.ts';

export const map = defineStep({
  kind: 'step',
  name: 'map',
  summary: 'Replaces the event by a new one, each field given by an expression.',
  options: computedFields('The fields of the new event, each with its expression.'),
  example: 'map: { id: event.id, total_cents: event.qty * event.price_cents }',

  create: (options, context) => computingStep('map', context, compileObject(compileFields(options, context))),

  output: (options, before, context) => onlyFields(before, computedTypes(options, context), context.name),
});
