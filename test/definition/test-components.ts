/** A few declarations of each kind: the loader's tests say nothing about the real components. */
import { defineConnection, defineSink, defineSource, defineStep } from '../../src/declaration/component.ts';
import { withConnection } from '../../src/declaration/connection.ts';
import { duration, expression, rate, secret, size, template } from '../../src/declaration/options.ts';
import { Type } from '../../src/declaration/type.ts';
import type { Components } from '../../src/definition/components.ts';

const neverCreated = () => Promise.reject(new Error('the loader creates nothing'));

const kafkaConnection = defineConnection({
  kind: 'connection',
  name: 'kafka',
  summary: 'A Kafka cluster.',
  example: 'kafka: { brokers: localhost:9092 }',
  options: Type.Object({
    brokers: Type.Union([Type.String(), Type.Array(Type.String(), { minItems: 1 })], {
      default: 'localhost:9092',
      description: 'Brokers.',
    }),
    password: Type.Optional(secret({ description: 'Password.' })),
    connect_timeout: duration({ default: '5s', description: 'Time to connect.' }),
  }),
});

const postgresConnection = defineConnection({
  kind: 'connection',
  name: 'postgres',
  summary: 'A PostgreSQL database.',
  example: "postgres: { url: '${PG_URL}' }",
  options: Type.Object({
    url: Type.String({ description: 'Where the database is.' }),
    pool: Type.Integer({ default: 2, minimum: 1, description: 'Connections to keep.' }),
  }),
});

const kafkaSource = defineSource({
  kind: 'source',
  name: 'kafka',
  summary: 'Reads topics.',
  example: 'kafka: { topic: orders }',
  options: withConnection(
    kafkaConnection,
    Type.Object({
      topic: Type.Optional(Type.String({ minLength: 1, description: 'The topic.' })),
      topics: Type.Optional(
        Type.Union([Type.String(), Type.Array(Type.String(), { minItems: 1 })], { description: 'Several topics.' }),
      ),
      start: Type.Union([Type.Literal('earliest'), Type.Literal('latest')], {
        default: 'earliest',
        description: 'Where to begin.',
      }),
      fetch: size({ default: '1MiB', description: 'Bytes per fetch.' }),
      partitions: Type.Optional(Type.Array(Type.Integer(), { description: 'Only these.' })),
    }),
  ),
  codec: neverCreated,
  create: neverCreated,
});

const fileSource = defineSource({
  kind: 'source',
  name: 'file',
  summary: 'Reads a file.',
  example: 'file: { path: orders.ndjson }',
  options: Type.Object({
    path: Type.String({ minLength: 1, description: 'The file.' }),
    limit: Type.Optional(rate({ description: 'At most so many.' })),
    header: Type.Boolean({ default: false, description: 'The first line names the columns.' }),
  }),
  codec: neverCreated,
  create: neverCreated,
});

const idle = { name: 'idle', kind: 'idle', apply: <T>(records: T[]) => records };

const filter = defineStep({
  kind: 'step',
  name: 'filter',
  summary: 'Keeps what a condition is true for.',
  example: 'filter: event.paid',
  options: expression({ description: 'The condition.' }),
  create: () => idle,
  output: (_, before) => before,
});

const set = defineStep({
  kind: 'step',
  name: 'set',
  summary: 'Sets fields.',
  example: 'set: { a: event.b }',
  options: Type.Record(Type.String(), expression({ description: 'The value.' }), {
    minProperties: 1,
    description: 'Fields.',
  }),
  create: () => idle,
  output: (_, before) => before,
});

const drop = defineStep({
  kind: 'step',
  name: 'drop',
  summary: 'Removes fields.',
  example: 'drop: [email]',
  options: Type.Array(Type.String(), { minItems: 1, uniqueItems: true, description: 'Fields.' }),
  create: () => idle,
  output: (_, before) => before,
});

const atLeastOnce = () => ({ verdict: 'at least once', reason: 'it is a test' }) as const;

const postgresSink = defineSink({
  kind: 'sink',
  name: 'postgres',
  summary: 'Writes rows.',
  example: 'postgres: { connection: serving, table: orders, key: [id] }',
  options: withConnection(
    postgresConnection,
    Type.Object({
      table: template({ description: 'The table.' }),
      key: Type.Optional(Type.Array(Type.String(), { minItems: 1, description: 'Key columns.' })),
      mode: Type.Union([Type.Literal('upsert'), Type.Literal('append')], {
        default: 'upsert',
        description: 'How rows are written.',
      }),
      create: Type.Boolean({ default: false, description: 'Create the table.' }),
    }),
  ),
  delivery: atLeastOnce,
  create: neverCreated,
});

const stdoutSink = defineSink({
  kind: 'sink',
  name: 'stdout',
  summary: 'Prints rows.',
  example: 'stdout: {}',
  options: Type.Object({ pretty: Type.Boolean({ default: false, description: 'Several lines a row.' }) }),
  delivery: atLeastOnce,
  create: neverCreated,
});

export const testComponents: Components = {
  sources: [kafkaSource, fileSource],
  steps: [filter, set, drop],
  sinks: [postgresSink, stdoutSink],
  lookups: [],
  connections: [kafkaConnection, postgresConnection],
};
