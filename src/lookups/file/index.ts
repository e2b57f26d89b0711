import { extname } from 'node:path';
import { defineLookup } from '../../declaration/component.ts';
import { duration, size } from '../../declaration/options.ts';
import { Type } from '../../declaration/type.ts';
import { parseDuration, parseSize } from '../../declaration/units.ts';

const formatOf = (path: string): 'csv' | 'json' | 'ndjson' => {
  const extension = extname(path);
  if (extension === '.csv' || extension === '.tsv') return 'csv';
  return extension === '.json' ? 'json' : 'ndjson';
};

export const fileLookup = defineLookup({
  kind: 'lookup',
  name: 'file',
  summary: 'Rows of a CSV, JSON or NDJSON file, held in memory.',
  options: Type.Object({
    path: Type.String({ minLength: 1, description: 'The file, relative to the pipeline file.' }),
    key: Type.String({ minLength: 1, description: 'The column or field that holds the key. Keys compare as text.' }),
    format: Type.Optional(
      Type.Union([Type.Literal('csv'), Type.Literal('json'), Type.Literal('ndjson')], {
        description:
          'CSV with a header line, one JSON list of objects, or one object a line. Default: by the ending of the file; ndjson for others.',
      }),
    ),
    delimiter: Type.Optional(
      Type.String({
        pattern: '^[\\x09\\x20-\\x21\\x23-\\x7e]$',
        description: 'Between the fields of a CSV row. Default: a tab for .tsv, else a comma.',
      }),
    ),
    refresh: Type.Optional(
      duration({
        description: 'How often to look whether the file has changed. Default: it is read once, at the start.',
      }),
    ),
    limit: size({ default: '64MiB', description: 'A larger file is refused: all of it is held in memory.' }),
  }),
  example: 'file: { path: customers.csv, key: id }',

  check({ path, format = formatOf(path), delimiter, refresh }, context) {
    if (delimiter !== undefined && format !== 'csv') {
      context.problem(
        ['delimiter'],
        'option_not_applicable',
        `delimiter is for CSV, and this file is read as ${format.toUpperCase()}`,
        'say `format: csv`',
      );
    }
    if (refresh !== undefined && parseDuration(refresh)! < 100)
      context.problem(['refresh'], 'value_wrong', 'the file can be looked at every 100 ms at most');
  },

  row: ({ path, format = formatOf(path) }) => (format === 'csv' ? { map: 'string' } : { fields: {}, open: true }),

  async create(given, context) {
    const { FileLookup } = await import('./lookup.ts');
    const { path, format = formatOf(path), delimiter = extname(path) === '.tsv' ? '\t' : ',' } = given;
    return new FileLookup(
      {
        path,
        key: given.key,
        format,
        delimiter,
        refreshMs: given.refresh === undefined ? null : parseDuration(given.refresh)!,
        bytesMax: parseSize(given.limit)!,
      },
      context,
    );
  },
});
