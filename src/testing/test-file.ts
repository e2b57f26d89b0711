/** A test file as the program sees it, and the words it is written in. */
import { duration } from '../declaration/options.ts';
import { Type } from '../declaration/type.ts';
import { asJsonSchema, type JsonSchema } from '../definition/json-schema.ts';
import type { ValuePath } from '../definition/pipeline.ts';

/** One `*.test.yaml`. */
export interface TestFile {
  /** The pipeline it tests, as a path from the current directory. */
  readonly pipeline: string;
  readonly cases: readonly TestCase[];
}

export interface TestCase {
  readonly name: string;
  /** Where it stands: `['cases', 0]`. */
  readonly path: ValuePath;
  /** The clock at its beginning. */
  readonly nowMs: number;
  readonly vars: Readonly<Record<string, unknown>>;
  readonly env: Readonly<Record<string, string>>;
  /** Rows of lookups, by the lookup's name and their key. */
  readonly lookups: Readonly<Record<string, Readonly<Record<string, LookupRow>>>>;
  readonly moves: readonly Move[];
  readonly expect: Expectation;
}

type LookupRow = Readonly<Record<string, unknown>>;

/** What happens in a case, one after another. */
export type Move =
  | { readonly kind: 'record'; readonly record: TestRecord }
  | { readonly kind: 'advance'; readonly byMs: number };

export interface TestRecord {
  /** Its place in the list of the case, from 0: what `dead_letters` calls it by. */
  readonly index: number;
  /** A value as the pipeline is to see it, encoded in the source's format; or the bytes themselves. */
  readonly content: { readonly value: unknown } | { readonly bytes: Buffer };
  readonly key: unknown;
  /** Null: the one that reads the topic; the only one where no topic is named either. */
  readonly source: string | null;
  /** Null: the (first) topic of its source. */
  readonly topic: string | null;
  readonly partition: number;
  /** Null: the one after the last. */
  readonly offset: number | null;
  /** Null: the clock's time. */
  readonly timestampMs: number | null;
  readonly headers: Readonly<Record<string, string>>;
}

export interface Expectation {
  readonly rows: readonly ExpectedRows[];
  readonly deadLetters: { readonly items: readonly unknown[]; readonly path: ValuePath };
  readonly filtered: number | null;
  readonly dropped: number | null;
  readonly exact: boolean;
}

/** What one sink is to be given, in order. */
export interface ExpectedRows {
  /** Null: the only sink of the pipeline. */
  readonly sink: string | null;
  readonly items: readonly unknown[];
  readonly path: ValuePath;
}

/** The clock of a case that does not set one. */
export const defaultNow = '2030-01-01T00:00:00Z';

const vars = Type.Optional(
  Type.Record(Type.String(), Type.Any(), { description: 'Values for the `vars` of the pipeline.' }),
);
const env = Type.Optional(
  Type.Record(Type.String(), Type.String(), {
    description: 'Environment variables the pipeline sees. It sees no others, so a test gives the same everywhere.',
  }),
);
const lookups = Type.Optional(
  Type.Record(
    Type.String(),
    Type.Record(Type.String(), Type.Record(Type.String(), Type.Any()), { description: 'Rows by their key.' }),
    { description: 'The rows of each lookup the pipeline reads, by their key: `customers: { 17: { name: Ann } }`.' },
  ),
);
const now = Type.Optional(
  Type.String({ description: `The clock when the case begins, with its zone. Default: ${defaultNow}.` }),
);
const position = { minimum: 0 };

const record = Type.Object(
  {
    value: Type.Optional(
      Type.Any({ description: "The value, as the pipeline is to see it; it is encoded in the source's format." }),
    ),
    text: Type.Optional(Type.String({ description: 'The value as raw text, for what is no valid value.' })),
    base64: Type.Optional(Type.String({ description: 'The value as raw bytes, in base64.' })),
    key: Type.Optional(Type.Any({ description: 'The key, as the pipeline is to see it. Default: none.' })),
    source: Type.Optional(
      Type.String({
        minLength: 1,
        description: 'Name of the source it comes from, where there are several. Default: the one that reads `topic`.',
      }),
    ),
    topic: Type.Optional(Type.String({ minLength: 1, description: "Default: the source's (first) topic." })),
    partition: Type.Optional(Type.Integer({ ...position, description: 'Default: 0.' })),
    offset: Type.Optional(
      Type.Integer({ ...position, description: 'Default: the one after the last of its partition, from 0.' }),
    ),
    timestamp: Type.Optional(
      Type.String({ description: "The record's own timestamp, with its zone. Default: the clock's time." }),
    ),
    headers: Type.Optional(Type.Record(Type.String(), Type.String(), { description: 'Headers, by name.' })),
    advance: Type.Optional(
      duration({ description: 'Instead of a record: moves the clock on by this much, once all before it is written.' }),
    ),
  },
  { description: 'A record, or a move of the clock.' },
);

const deadLetter = Type.Object(
  {
    record: Type.Optional(
      Type.Integer({ ...position, description: 'Which record it is: its place in the list of the case, from 0.' }),
    ),
    topic: Type.Optional(Type.String({ description: 'Topic of the record.' })),
    partition: Type.Optional(Type.Integer({ ...position, description: 'Partition of the record.' })),
    offset: Type.Optional(Type.Integer({ ...position, description: 'Offset of the record.' })),
    stage: Type.Optional(
      Type.String({ description: 'Where it failed: `decode`, `timestamp`, `step:NAME` or `sink:NAME`.' }),
    ),
    code: Type.Optional(Type.String({ description: 'The error code, such as `field_missing`.' })),
    message: Type.Optional(Type.String({ description: 'A part of the message.' })),
    value: Type.Optional(
      Type.Any({
        description: 'The value as it lies in the queue, with `dlq.redact` carried out. Fields may be left out.',
      }),
    ),
  },
  { description: 'A dead letter; what is left out may be anything.' },
);

const list = (description: string) => Type.Array(Type.Any(), { description });

const expectation = Type.Object(
  {
    rows: Type.Optional(
      Type.Union(
        [
          list('The rows of the only sink.'),
          Type.Record(Type.String(), list('Rows of this sink.'), {
            description: 'The rows of each sink, by its name.',
          }),
        ],
        {
          description:
            'What the sinks are given, in order. A row may leave fields out, but no row may be left out. A sink that is not named is not looked at.',
        },
      ),
    ),
    dead_letters: Type.Optional(
      Type.Array(deadLetter, { description: 'All dead letters, in the order of their records. Default: none.' }),
    ),
    filtered: Type.Optional(Type.Integer({ ...position, description: 'How many events the steps filter.' })),
    dropped: Type.Optional(
      Type.Integer({ ...position, description: 'How many events are left out by `on_error: drop` and the like.' }),
    ),
    exact: Type.Boolean({ default: false, description: 'true: rows may have no other fields than those given.' }),
  },
  { description: 'What must come out.' },
);

const testCase = Type.Object(
  {
    name: Type.String({ minLength: 1, description: 'What is claimed: "a short flight is left out".' }),
    now,
    vars,
    env,
    lookups,
    events: Type.Optional(
      Type.Array(Type.Any(), { minItems: 1, description: 'What comes in: one value a record. Short for `records`.' }),
    ),
    records: Type.Optional(
      Type.Array(record, {
        minItems: 1,
        description: 'What comes in: records with key, partition, timestamp and headers, and moves of the clock.',
      }),
    ),
    expect: expectation,
  },
  { description: 'One case.' },
);

/** Schema of a test file. */
export const testSchema: JsonSchema = asJsonSchema(
  Type.Object(
    {
      pipeline: Type.Optional(
        Type.String({
          minLength: 1,
          description: 'The pipeline file, from here. Default: orders.yaml for orders.test.yaml.',
        }),
      ),
      now,
      vars,
      env,
      lookups,
      cases: Type.Array(testCase, { minItems: 1, description: 'The cases; each begins with nothing.' }),
    },
    { description: 'Tests of a pipeline: what comes in, and what must come out.' },
  ),
);

/** `schemas/test.schema.json`. */
export const publishedTestSchema: JsonSchema = {
  $schema: 'http://json-schema.org/draft-07/schema#',
  $comment: 'Generated by `npm run schemas` from the declarations in src. Do not edit.',
  title: 'pipectl tests',
  ...testSchema,
};
