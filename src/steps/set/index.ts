import { defineStep } from '../../declaration/component.ts';
import { compileAssign } from '../../expressions/index.ts';
import { computedTypes, withFields } from '../field-types.ts';
import { compileFields, computedFields, computingStep } from '../fields.ts';

export const set = defineStep({
  kind: 'step',
  name: 'set',
  summary: 'Adds or replaces fields of the event. Every expression reads the event as it was before the step.',
  options: computedFields('The fields to add or replace, each with its expression.'),
  example: 'set: { total_cents: event.qty * event.price_cents }',

  create: (options, context) => computingStep('set', context, compileAssign(compileFields(options, context))),

  output: (options, before, context) => withFields(before, computedTypes(options, context)),
});
