import type { Static } from 'typebox';
import { postgresConnection } from '../../connections/postgres/index.ts';
import { type DeliveryInput, defineSink } from '../../declaration/component.ts';
import { withConnection } from '../../declaration/connection.ts';
import { duration } from '../../declaration/options.ts';
import { Type } from '../../declaration/type.ts';

const ownOptions = Type.Object({
  table: Type.String({
    minLength: 1,
    description:
      'The table, `orders` or `shop.orders`. Names are taken as written: `Orders` is another table than `orders`.',
  }),
  key: Type.Optional(
    Type.Array(Type.String({ minLength: 1 }), {
      minItems: 1,
      description: 'Columns that make a row unique; a unique index must cover exactly these. Needed for upsert.',
    }),
  ),
  mode: Type.Union([Type.Literal('upsert'), Type.Literal('append')], {
    default: 'upsert',
    description: 'upsert: the row of a key is replaced. append: every event adds a row.',
  }),
  create: Type.Boolean({
    default: false,
    description:
      'Create the table where it is missing. Column types are those of `columns`, else taken from the values of the first batch.',
  }),
  columns: Type.Optional(
    Type.Record(
      Type.String(),
      Type.String({ pattern: '^[a-z][a-z0-9_ ]*(\\(\\d+(, ?\\d+)?\\))?( with(out)? time zone)?(\\[\\])*$' }),
      {
        description:
          'All column names and types of a table that `create` makes, and of columns that `on_new_field: add_column` adds: `{ id: bigint, total: "numeric(12,2)", tags: "text[]" }`.',
      },
    ),
  ),
  on_new_field: Type.Union([Type.Literal('ignore'), Type.Literal('fail'), Type.Literal('add_column')], {
    default: 'ignore',
    description:
      'What becomes of a field the table has no column for. ignore: it is not written, and the log says so. fail: its event becomes a dead letter. add_column: the column is added, with the type in `columns`, else with one that holds the values of the batch that brought it.',
  }),
  columns_max: Type.Integer({
    default: 200,
    minimum: 1,
    maximum: 1600,
    description:
      'Columns up to which `on_new_field: add_column` widens the table. Events with further new fields become dead letters.',
  }),
  version_column: Type.Optional(
    Type.String({
      minLength: 1,
      description:
        'Column that holds the version of the row: a row is replaced only by one with a higher value in it. Tables made by `create` have `_pipectl_version` instead.',
    }),
  ),
  guard: Type.Optional(
    Type.Object(
      {
        schema: Type.String({
          default: 'pipectl',
          minLength: 1,
          description: 'Schema with the tables in which positions are kept.',
        }),
        versions: Type.Union([Type.Literal('column'), Type.Literal('side')], {
          default: 'column',
          description:
            'Where the version of a row is kept. column: in the table, in `_pipectl_version` or `version_column`. side: in a table of this schema, so that the table itself stays as it is; a second write for every row.',
        }),
      },
      { description: 'Where the promise is kept.' },
    ),
  ),
  parent_wait: duration({
    default: '5s',
    description:
      'How long a row whose foreign key finds no parent waits for it before it becomes a dead letter. Nothing is locked meanwhile, and what comes after it waits too.',
  }),
  statement_timeout: duration({
    default: '25s',
    description: 'Longest a statement may take. Shorter than the session of the consumer group.',
  }),
  lock_timeout: duration({ default: '10s', description: 'Longest wait for a lock before the batch is tried again.' }),
  idle_transaction_timeout: duration({
    default: '25s',
    description:
      'After this long a frozen owner loses its open transaction and its locks. Shorter than the session of the consumer group.',
  }),
});

export type PostgresSinkOptions = Static<typeof ownOptions>;

/** Which of two rows of one key wins, where that is not what the events mean. */
function limitsOf(
  { mode, key = [], create, guard, version_column: versionColumn }: PostgresSinkOptions,
  { versioned, keepsOrder }: DeliveryInput,
): string[] {
  if (mode === 'append') return [];
  const ordered = versioned || versionColumn !== undefined;
  const hasPlace = versionColumn !== undefined || create || guard?.versions === 'side';
  const limits: string[] = [];
  if (!ordered && !keepsOrder(key)) {
    limits.push(
      `order across partitions is not kept: [${key.join(', ')}] is not provably the key of the record, and of two rows from different partitions the one written later wins; say what is newer with \`version:\`, or let a key column be \`key\``,
    );
  }
  if (versioned && !hasPlace) {
    limits.push(
      '`version:` needs a place: a column `_pipectl_version bigint[]` in the table, the one that `version_column` names, or `guard: { versions: side }`',
    );
  }
  if (!ordered && !hasPlace) {
    limits.push(
      'without a place for the version (a column `_pipectl_version bigint[]`, `version_column`, or `guard: { versions: side }`) a record that is processed again out of order, such as a dead letter, replaces a newer row',
    );
  }
  return limits;
}

export const postgresSink = defineSink({
  kind: 'sink',
  name: 'postgres',
  summary: 'Writes events as rows of a PostgreSQL table, each exactly once: rows and positions are committed together.',
  options: withConnection(postgresConnection, ownOptions),
  example: 'postgres: { connection: serving, table: orders, key: [id] }',

  check(options, context) {
    const { mode, key, columns, create, version_column: versionColumn, on_new_field: onNewField } = options;
    if (!/^[^.]+(\.[^.]+)?$/.test(options.table)) {
      context.problem(
        ['table'],
        'value_wrong',
        `${options.table} is not the name of a table`,
        'write orders or shop.orders',
      );
    }
    if (mode !== 'append' && key === undefined) {
      context.problem(
        [],
        'option_missing',
        'mode upsert needs key: the columns that make a row unique',
        'add key: [id], or mode: append',
      );
    }
    key?.forEach((column, i) => {
      if (key.indexOf(column) < i)
        context.problem(['key', i], 'option_conflict', `${column} is a column of the key already`, 'remove it');
    });
    if (mode === 'append' && versionColumn !== undefined) {
      context.problem(
        ['version_column'],
        'option_conflict',
        'mode append replaces no row, so there is no version to compare',
        'remove version_column',
      );
    }
    if (options.guard?.versions === 'side' && (mode === 'append' || versionColumn !== undefined)) {
      context.problem(
        ['guard', 'versions'],
        'option_conflict',
        mode === 'append'
          ? 'mode append replaces no row, so there is no version to keep'
          : 'version_column is where the version is kept',
        'remove versions: side',
      );
    }
    if (columns !== undefined && !create && onNewField !== 'add_column') {
      context.problem(
        ['columns'],
        'option_conflict',
        'columns says what create makes, and create is not on',
        'add create: true, or on_new_field: add_column',
      );
    }
    if (create && columns !== undefined && onNewField !== 'add_column') {
      const needed = [
        ...(key ?? []),
        ...(versionColumn === undefined ? [] : [versionColumn]),
        ...(context.fields ?? []),
      ];
      const absent = [...new Set(needed)].filter((name) => !Object.hasOwn(columns, name));
      if (absent.length > 0) {
        context.problem(
          ['columns'],
          'sink_column_unknown',
          `the table that create makes of columns would lack ${absent.join(', ')}`,
          'columns names all of them, with their types; without it the types are taken from the first batch',
        );
      }
    }
    if (context.fields !== null) {
      key?.forEach((column, i) => {
        if (!context.fields!.includes(column)) {
          context.problem(
            ['key', i],
            'sink_column_missing',
            `the event has no field ${column} for this column of the key`,
            `its fields are ${context.fields!.join(', ')}`,
          );
        }
      });
    }
  },

  delivery: (options, input) => ({
    verdict: 'effectively once',
    reason: `${options.mode === 'append' ? 'rows' : 'upserted rows'} and positions are committed in one transaction, and a write of a former owner is refused`,
    limits: limitsOf(options, input),
  }),

  async create(options, context) {
    const { PostgresSink } = await import('./sink.ts');
    return new PostgresSink(options, context);
  },

  async positions(options, context) {
    const { PostgresPositions } = await import('./stored-positions.ts');
    return new PostgresPositions(options, context);
  },
});
