import { extname } from 'node:path';
import type { Static } from 'typebox';
import { defineSource } from '../../declaration/component.ts';
import { eventSchemaFile } from '../../declaration/options.ts';
import { Type } from '../../declaration/type.ts';
import type { Codec } from '../../engine/ports.ts';
import { PipectlError } from '../../errors.ts';

const options = Type.Object({
  path: Type.Union([Type.String({ minLength: 1 }), Type.Array(Type.String({ minLength: 1 }), { minItems: 1 })], {
    description: 'File, glob pattern, or a list of them, relative to the pipeline file.',
  }),
  format: Type.Optional(
    Type.Union([Type.Literal('ndjson'), Type.Literal('csv')], {
      description: 'One JSON value a line, or CSV. Default: csv for .csv and .tsv, else ndjson.',
    }),
  ),
  schema: eventSchemaFile(),
  delimiter: Type.Optional(
    Type.String({
      pattern: '^[\\x09\\x20-\\x21\\x23-\\x7e]$',
      description: 'Between the fields of a CSV row. Default: a tab for .tsv, else a comma.',
    }),
  ),
  columns: Type.Optional(
    Type.Array(Type.String({ minLength: 1 }), {
      minItems: 1,
      uniqueItems: true,
      description: 'Names of the columns, for CSV files without a header line.',
    }),
  ),
});

type Options = Static<typeof options>;

const pathsOf = ({ path }: Options): readonly string[] => (typeof path === 'string' ? [path] : path);

/** What the extensions say; undefined where they differ. */
function formatOf(given: Options): 'ndjson' | 'csv' | undefined {
  if (given.format !== undefined) return given.format;
  const formats = new Set(pathsOf(given).map((path) => (['.csv', '.tsv'].includes(extname(path)) ? 'csv' : 'ndjson')));
  return formats.size === 1 ? [...formats][0] : undefined;
}

const delimiterOf = (given: Options): string =>
  given.delimiter ?? (pathsOf(given).every((path) => extname(path) === '.tsv') ? '\t' : ',');

export const fileSource = defineSource({
  kind: 'source',
  name: 'file',
  summary: 'Reads NDJSON or CSV files to their end.',
  options,
  example: 'file: { path: data/orders.ndjson }',

  check(given, context) {
    if (formatOf(given) === undefined) {
      context.problem(
        ['path'],
        'file_format_mixed',
        'these files differ in format',
        'say `format: ndjson` or `format: csv`, or use one source per format',
      );
    }
    for (const option of ['delimiter', 'columns'] as const) {
      if (given[option] !== undefined && formatOf(given) === 'ndjson') {
        context.problem(
          [option],
          'option_not_applicable',
          `${option} is for CSV, and these files are read as NDJSON`,
          'say `format: csv`',
        );
      }
    }
    if (given.schema !== undefined && formatOf(given) === 'csv') {
      context.problem(
        ['schema'],
        'option_not_applicable',
        'schema is for NDJSON: the fields of a CSV row are all text',
        'leave it out, and convert with int(), double() or timestamp() in a step',
      );
    }
  },

  holdsJson: (given) => formatOf(given) !== 'csv',

  eventSchema: ({ schema }) => schema,

  // Each file is a partition.
  order: ({ path }) => (typeof path === 'string' && !/[*?[\]{}!()]/.test(path) ? 'all' : 'partition'),

  async codec(given) {
    const [{ csvCodec }, { decodeJson }, { recordBytesMax }] = await Promise.all([
      import('../../codecs/csv.ts'),
      import('../../codecs/json.ts'),
      import('./record-reader.ts'),
    ]);
    const inner: Codec =
      formatOf(given) === 'csv'
        ? csvCodec({ delimiter: delimiterOf(given), columns: given.columns })
        : { decode: decodeJson };
    return {
      decode(bytes) {
        // The reader cut it: what is left could be readable and wrong.
        if (bytes.length > recordBytesMax)
          throw new PipectlError('line_too_long', `the line is longer than ${recordBytesMax} bytes`);
        return inner.decode(bytes);
      },
    };
  },

  async create(given, context) {
    const { FileSource } = await import('./source.ts');
    const isCsv = formatOf(given) === 'csv';
    return new FileSource(
      {
        paths: pathsOf(given),
        framing: isCsv ? { format: 'csv', delimiter: delimiterOf(given).charCodeAt(0) } : { format: 'ndjson' },
        header: isCsv && given.columns === undefined,
      },
      context,
    );
  },
});
