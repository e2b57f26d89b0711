import type { Static, TSchema } from 'typebox';
import { defineSource } from '../../declaration/component.ts';
import { duration, rate } from '../../declaration/options.ts';
import { Type } from '../../declaration/type.ts';
import { parseDuration, parseRate } from '../../declaration/units.ts';
import { PipectlError } from '../../errors.ts';
import { readTemplate } from './template.ts';
import { wordNames } from './words.ts';

const ratio = (description: string) => Type.Optional(Type.Number({ minimum: 0, maximum: 1, description }));

/** The schema of a field. What lies deeper than `depth` objects is checked by the template alone. */
function field(depth: number): TSchema {
  const description =
    'A word such as sequence, uuid, name, city, time; an expression such as event.qty * 2; or one of value, int, amount, choice, time, object, list.';
  const inner = depth === 0 ? Type.Any({ description }) : field(depth - 1);
  const scalar = Type.Union([Type.String(), Type.Number(), Type.Boolean(), Type.Null()]);
  const options = Type.Object(
    {
      value: Type.Optional(
        Type.Union([Type.String(), Type.Number(), Type.Boolean(), Type.Null()], {
          description: 'A word or an expression, where `null_ratio` or `missing_ratio` stands beside it.',
        }),
      ),
      int: Type.Optional(
        Type.Object(
          {
            min: Type.Integer({ default: 0, description: 'Smallest.' }),
            max: Type.Integer({ description: 'Largest.' }),
          },
          { description: 'A whole number.' },
        ),
      ),
      amount: Type.Optional(
        Type.Object(
          {
            min: Type.Number({ default: 0, description: 'Smallest.' }),
            max: Type.Number({ description: 'Largest.' }),
            digits: Type.Integer({ default: 2, minimum: 0, maximum: 9, description: 'Digits after the point.' }),
          },
          { description: 'A number with a fraction, such as a price.' },
        ),
      ),
      choice: Type.Optional(
        Type.Union(
          [
            Type.Array(scalar, { minItems: 1, description: 'The values, all equally often.' }),
            Type.Record(Type.String(), Type.Number({ minimum: 0, description: 'How often, against the others.' }), {
              minProperties: 1,
              description: 'Texts with their weights: `{ paid: 8, open: 2 }`.',
            }),
          ],
          { description: 'One of several values: a list, or texts with their weights.' },
        ),
      ),
      time: Type.Optional(
        Type.Object(
          {
            jitter: Type.Optional(duration({ description: 'Earlier than the event by up to this.' })),
            late: Type.Optional(
              Type.Object(
                {
                  ratio: Type.Number({ minimum: 0, maximum: 1, description: 'Share of the events that are late.' }),
                  by: duration({ description: 'Late by up to this.' }),
                },
                { description: 'Some events come much later than they happened.' },
              ),
            ),
            unit: Type.Union([Type.Literal('iso'), Type.Literal('ms'), Type.Literal('s')], {
              default: 'iso',
              description: 'ISO 8601 text, or a number since the epoch.',
            }),
          },
          { description: 'When the event happened.' },
        ),
      ),
      object: Type.Optional(Type.Record(Type.String(), inner, { minProperties: 1, description: 'A nested object.' })),
      list: Type.Optional(
        Type.Object(
          {
            of: inner,
            min: Type.Integer({ default: 1, minimum: 0, maximum: 1000, description: 'Fewest elements.' }),
            max: Type.Integer({ default: 3, minimum: 0, maximum: 1000, description: 'Most elements.' }),
          },
          { description: 'A list, its elements generated one by one.' },
        ),
      ),
      null_ratio: ratio('Share of the events in which the field is null.'),
      missing_ratio: ratio('Share of the events that do not have the field.'),
    },
    { minProperties: 1, description },
  );
  return Type.Union([Type.String(), Type.Number(), Type.Boolean(), Type.Null(), options], { description });
}

const options = Type.Object({
  event: Type.Record(Type.String(), field(1), {
    minProperties: 1,
    description: `The fields of an event, from top to bottom. Each is a word (${wordNames.join(', ')}), an expression that reads these words, \`event\` (the fields above it), \`self\` (those of its object) and \`vars\`, or a mapping with one of value, int, amount, choice, time, object, list, and null_ratio or missing_ratio beside it.`,
  }),
  rate: Type.Optional(rate({ description: 'Events per second, minute or hour. Default: as fast as they are taken.' })),
  count: Type.Optional(Type.Integer({ minimum: 1, description: 'How many in all. Default: without end.' })),
  seed: Type.Integer({ default: 1, description: 'The same seed gives the same events.' }),
  partitions: Type.Integer({
    default: 1,
    minimum: 1,
    maximum: 1024,
    description: 'Events go to the partitions in turn, whatever their key.',
  }),
  key: Type.Optional(Type.String({ minLength: 1, description: 'Expression for the record key, such as `event.id`.' })),
  clock: Type.Optional(
    Type.Object(
      {
        from: Type.String({
          pattern: '^\\d{4}-\\d{2}-\\d{2}T\\d{2}:\\d{2}(:\\d{2}(\\.\\d{1,3})?)?(Z|[+-]\\d{2}:\\d{2})$',
          description: 'Time of the first event: 2026-01-01T00:00:00Z.',
        }),
        every: duration({ description: 'Time from one event to the next.' }),
      },
      { description: 'Times that depend on the event alone. Default: events happen when they are generated.' },
    ),
  ),
  broken_ratio: ratio('Share of the records that are cut off and so become dead letters.'),
});

type Options = Static<typeof options>;

export const generateSource = defineSource({
  kind: 'source',
  name: 'generate',
  summary: 'Makes up events from a template: to try a pipeline, to test it and to measure it.',
  options,
  example: 'generate: { rate: 100/s, event: { id: sequence, customer: name, total: { amount: { max: 250 } } } }',

  check(given, context) {
    readTemplate(given, context.vars, ({ path, code, message, hint }) => context.problem(path, code, message, hint));
    if (given.rate !== undefined && parseRate(given.rate) === 0)
      context.problem(['rate'], 'value_wrong', 'rate is 0, so no event ever comes');
    if (given.clock !== undefined && Number.isNaN(Date.parse(given.clock.from)))
      context.problem(['clock', 'from'], 'value_wrong', `${given.clock.from} is no time of the calendar`);
  },

  async codec() {
    const { decodeJson } = await import('../../codecs/json.ts');
    return { decode: decodeJson };
  },

  // What is wrong with the template is told by `check`.
  eventType: (given, vars) => readTemplate(given, vars, () => {}).type,

  order: ({ partitions }) => (partitions === 1 ? 'all' : 'partition'),

  async create(given, context) {
    if (context.untilEnd && given.count === undefined) {
      throw new PipectlError('generate_endless', 'generate without `count` has no end to run until', {
        hint: 'give the source a `count`, or leave --until-end out',
      });
    }
    const { GenerateSource } = await import('./source.ts');
    const template = readTemplate(given, context.vars, ({ path, message }) => {
      throw new Error(`source.generate.${path.join('.')}: ${message}`);
    });
    return new GenerateSource(
      {
        template,
        ratePerSecond: given.rate === undefined ? null : parseRate(given.rate)!,
        count: given.count ?? Number.POSITIVE_INFINITY,
        seed: given.seed,
        partitions: given.partitions,
        brokenRatio: given.broken_ratio ?? 0,
        clock: clockOf(given),
      },
      context,
    );
  },
});

function clockOf({ clock }: Options): { readonly fromMs: number; readonly everyMs: number } | null {
  return clock === undefined ? null : { fromMs: Date.parse(clock.from), everyMs: parseDuration(clock.every)! };
}
