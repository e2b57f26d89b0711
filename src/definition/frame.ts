/** The words of a pipeline file that belong to no component. */
import { duration, expression, positiveDuration } from '../declaration/options.ts';
import { Type } from '../declaration/type.ts';
import { alertsSchema } from './alerts.ts';
import type { ValuePath } from './pipeline.ts';

const name = (of: string) =>
  Type.Optional(Type.String({ description: `Name of this ${of} in metrics, dead letters and the status view.` }));

const anything = Type.Any();

const time = Type.Optional(
  Type.Object(
    {
      field: Type.Optional(expression({ description: "Event time of a record. Default: the record's timestamp." })),
      unit: Type.Optional(
        Type.Union([Type.Literal('s'), Type.Literal('ms'), Type.Literal('us')], {
          description: 'Unit of `field` where it is a number.',
        }),
      ),
      ahead: Type.Optional(
        Type.Union([duration({ description: 'A duration.' }), Type.Literal('off')], {
          description:
            'An event further ahead of the clock than this is a dead letter. Default: 1h; `off` accepts any time.',
        }),
      ),
    },
    { description: 'Event time.' },
  ),
);

const steps = Type.Optional(Type.Array(anything, { description: 'What happens to each event, in order.' }));

/** What stands beside the component in `source:`. */
export const besideSource = Type.Object(
  {
    name: name('source'),
    time,
    steps: Type.Optional(
      Type.Array(anything, { description: 'What happens to its events before they meet those of other sources.' }),
    ),
  },
  { description: 'Where the events come from: one source.' },
);

/** What stands beside the component in a step. */
export const besideStep = Type.Object(
  {
    name: name('step'),
    on_error: Type.Union([Type.Literal('dlq'), Type.Literal('drop'), Type.Literal('stop')], {
      default: 'dlq',
      description: 'What becomes of an event this step fails on: a dead letter, left out, or the pipeline stops.',
    }),
  },
  { description: 'One step.' },
);

/** What stands beside the component in a sink. */
export const besideSink = Type.Object(
  {
    name: name('sink'),
    when: Type.Optional(
      expression({
        description: 'Only events for which this is true are written. `otherwise`: those no other `when` took.',
      }),
    ),
    version: Type.Optional(
      expression({
        description: 'What "newer" means: a row is replaced only by one with a higher version. Default: the offset.',
      }),
    ),
    required: Type.Boolean({
      default: true,
      description:
        'false: this sink may fall behind and catch up while the others go on. It reads as a consumer group of its own, GROUP.SINK.',
    }),
    retry: Type.Optional(
      Type.Object(
        {
          for: Type.Optional(positiveDuration({ description: 'How long the sink is tried before `then` happens.' })),
          // oxlint-disable-next-line unicorn/no-thenable -- a word of the file, in a schema nobody awaits
          then: Type.Union([Type.Literal('wait'), Type.Literal('dlq'), Type.Literal('stop')], {
            default: 'wait',
            description:
              'What becomes of rows when the sink has been away for so long: they wait for it, become dead letters (code sink_unavailable), or the run ends with exit code 3.',
          }),
        },
        { description: 'What happens while the sink is away. It is tried again with growing pauses in any case.' },
      ),
    ),
  },
  { description: 'One sink.' },
);

/** What one environment may hold. */
const environment = Type.Object(
  {
    prefix: Type.Optional(
      Type.String({
        description:
          'Stands before the consumer group, internal topics and the dead-letter topic, so that this environment takes no partitions from another. `${USER}-` gives each developer one.',
      }),
    ),
    env_file: Type.Optional(
      Type.String({
        minLength: 1,
        description:
          'File of variables (KEY=value lines), beside pipectl.yaml. What is set in the real environment goes before it.',
      }),
    ),
    strict: Type.Boolean({ default: false, description: 'Count warnings as errors, in `validate` and `run`.' }),
    vars: Type.Optional(
      Type.Record(Type.String(), anything, { description: 'Values of `vars.NAME` here, in place of all others.' }),
    ),
    connections: Type.Optional(
      Type.Record(Type.String(), anything, { description: 'Services here, in place of all others of their name.' }),
    ),
  },
  { description: 'What is different in this environment.' },
);

/** The file's own keys. Components and connections are put in by `schema.ts`. */
export const frame = Type.Object(
  {
    format: Type.Optional(Type.Literal(1, { description: 'Version of this file format.' })),
    name: Type.Optional(
      Type.String({
        minLength: 1,
        description: 'Name of the pipeline. Default: the name of the file without its ending.',
      }),
    ),
    description: Type.Optional(Type.String({ description: 'What the pipeline is for, in a sentence.' })),
    group: Type.Optional(
      Type.String({ minLength: 1, description: 'Kafka consumer group. Default: the name of the pipeline.' }),
    ),
    source: Type.Any({ description: 'Where the events come from: one source.' }),
    sources: Type.Optional(
      Type.Record(Type.String(), anything, {
        minProperties: 1,
        description:
          'Several sources, by their names. Their events are merged, in no particular order; `meta.source` says which one an event is from.',
      }),
    ),
    time,
    steps,
    sinks: Type.Array(anything, { minItems: 1, description: 'Where the events go.' }),
    dlq: Type.Optional(
      Type.Object(
        {
          topic: Type.Optional(
            Type.String({ minLength: 1, description: 'Kafka topic for dead letters. Default: NAME.dlq.' }),
          ),
          file: Type.Optional(
            Type.String({
              minLength: 1,
              description:
                'File for dead letters of a pipeline without Kafka. Default: NAME.dlq.ndjson beside the pipeline.',
            }),
          ),
          redact: Type.Optional(
            Type.Array(Type.String({ minLength: 1 }), {
              minItems: 1,
              uniqueItems: true,
              description:
                'Fields of the value that are blotted out in dead letters: `customer.email`; in a list, of every element. Key and headers stay. Such a letter is replayed from its record in the source, while that is there.',
            }),
          ),
          compat: Type.Optional(
            Type.Literal('connect', {
              description:
                "Adds Kafka Connect's headers (`__connect.errors.topic`, `.stage`, `.exception.message`, ...), for tools that know them.",
            }),
          ),
          breaker: Type.Optional(
            Type.Union(
              [
                Type.Object(
                  {
                    ratio: Type.Number({
                      default: 0.2,
                      minimum: 0,
                      maximum: 1,
                      description: 'Share of the records read that may become dead letters.',
                    }),
                    over: positiveDuration({ default: '1m', description: 'The time over which they are counted.' }),
                    min: Type.Integer({
                      default: 100,
                      minimum: 1,
                      description: 'Dead letters in that time before it may open.',
                    }),
                  },
                  { description: 'When the breaker opens.' },
                ),
                Type.Literal('off'),
              ],
              {
                description:
                  'Holds the pipeline when too many records become dead letters, until `pipectl resume`. Default: { ratio: 0.2, over: 1m, min: 100 }; `off` never does.',
              },
            ),
          ),
        },
        { description: 'Where records go that could not be processed.' },
      ),
    ),
    alerts: Type.Optional(alertsSchema),
    batch: Type.Optional(
      Type.Object(
        { every: positiveDuration({ description: 'Write at most this often.' }) },
        { description: 'Micro-batching.' },
      ),
    ),
    lookups: Type.Optional(
      Type.Record(Type.String(), anything, {
        description: 'Tables that `enrich` reads, by the name it uses for them.',
      }),
    ),
    environments: Type.Optional(
      Type.Record(Type.String(), environment, {
        description: 'What is different in each environment, chosen by --env NAME or PIPECTL_ENV.',
      }),
    ),
    conventions: Type.Optional(
      Type.Object(
        {
          topic: Type.Optional(
            Type.String({
              minLength: 1,
              maxLength: 249,
              description:
                "Form of the names of topics, such as '<domain>.<entity>.<event>.v<N>'. One that differs is a warning.",
            }),
          ),
          partitions: Type.Optional(
            Type.Object(
              { min: Type.Integer({ minimum: 1, description: 'A topic has at least so many partitions.' }) },
              { description: 'Checked where topics can be looked at: `validate --connect`, `explain --live`.' },
            ),
          ),
        },
        { description: 'What topics are held to. A breach is a warning, with --strict an error.' },
      ),
    ),
    connections: Type.Optional(
      Type.Record(Type.String(), anything, { description: 'Services, by the name components use for them.' }),
    ),
    vars: Type.Optional(
      Type.Record(Type.String(), anything, { description: 'Values that expressions read as `vars.NAME`.' }),
    ),
  },
  { description: 'A pipeline: one source, steps, sinks.' },
);

/** What `pipectl.yaml` may hold. */
export const projectFrame = Type.Object(
  {
    format: frame.properties.format,
    connections: frame.properties.connections,
    vars: frame.properties.vars,
    lookups: frame.properties.lookups,
    defaults: Type.Optional(
      Type.Object(
        {
          time: frame.properties.time,
          dlq: frame.properties.dlq,
          alerts: frame.properties.alerts,
          batch: frame.properties.batch,
        },
        { description: 'What holds for each pipeline that does not say otherwise.' },
      ),
    ),
    environments: frame.properties.environments,
    conventions: frame.properties.conventions,
  },
  { description: 'What the pipelines of a folder share.' },
);

/** Words of the language that this version does not have, by where they stand (`placeOf`). */
const notAvailableYet: Readonly<Record<string, readonly string[]>> = {
  '': ['registry', 'state'],
  source: ['cdc', 'postgres', 'schema'],
  'source.kafka': ['schema'],
  time: ['profile', 'lateness', 'late', 'keep', 'corrections', 'idle', 'quiet'],
  steps: ['window', 'join', 'dedupe', 'repartition'],
  sinks: ['kafka', 'clickhouse', 'redis', 'bigquery'],
  'sinks.postgres': ['guard', 'on_new_field'],
  kafka: ['client'],
  lookups: ['postgres', 'kafka', 'redis'],
  connections: ['clickhouse', 'redis', 'bigquery', 'registry'],
  'connections.kafka': ['client'],
};

/** Like the words, values that an option is to take one day. */
const valuesNotAvailableYet: Readonly<Record<string, readonly string[]>> = {
  'source.kafka.format': ['avro', 'protobuf', 'debezium'],
  'source.kafka.key_format': ['avro', 'protobuf'],
};

/**
 * `sinks.postgres` for `['sinks', 0, 'postgres']`: indexes and the names of connections, lookups and sources say nothing.
 * Below `defaults:` and in an environment the words are those of a pipeline, and so are the time and steps of a source.
 */
const placeOf = (path: ValuePath): string => {
  if (path[0] === 'defaults') return placeOf(path.slice(1));
  if (path[0] === 'environments') return placeOf(path.slice(2));
  if (path[0] === 'sources' && path.length > 1) return placeOf(['source', ...path.slice(2)]);
  if (path[0] === 'source' && (path[1] === 'time' || path[1] === 'steps')) return placeOf(path.slice(1));
  const isNamed = path[0] === 'connections' || path[0] === 'lookups';
  return path.filter((part, index) => typeof part === 'string' && !(index === 1 && isNamed)).join('.');
};

export const isWordNotAvailableYet = (path: ValuePath, key: string): boolean =>
  notAvailableYet[placeOf(path)]?.includes(key) ?? false;

export const isValueNotAvailableYet = (path: ValuePath, value: unknown): boolean =>
  typeof value === 'string' && (valuesNotAvailableYet[placeOf(path)]?.includes(value) ?? false);
