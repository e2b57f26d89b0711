/**
 * Every error code a user can meet, with the way out. A code is stable: it stands in dead-letter headers, in JSON output
 * and in the docs (`docs/errors.md` is generated from this table). Keep the sections sorted.
 */
interface ErrorEntry {
  /** What it means, in one sentence. */
  readonly meaning: string;
  /** What to do next. */
  readonly hint: string;
}

export const errorTable = {
  // -- pipeline file ------------------------------------------------------------------------------------------------
  interpolation_in_expression: {
    meaning: 'A `${...}` stands inside an expression, where it is not filled in.',
    hint: 'declare it below `vars:` and write vars.NAME',
  },
  otherwise_alone: {
    meaning: 'A sink takes `otherwise`, and no other sink has a condition.',
    hint: 'leave `when` out, or give another sink one',
  },
  otherwise_twice: {
    meaning: 'Two sinks take `otherwise`.',
    hint: 'give one of them a condition of its own',
  },
  sink_is_source: {
    meaning: 'A pipeline that reads what it writes never comes to an end.',
    hint: 'let the sink write another file',
  },
  sinks_all_optional: {
    meaning: 'Every sink of the pipeline is `required: false`, so nothing says how far the pipeline is.',
    hint: 'leave `required: false` out at the one that matters most',
  },
  option_missing: {
    meaning: 'An option that another one asks for is missing.',
    hint: 'add it, as the message says',
  },
  option_conflict: {
    meaning: 'Two options contradict each other.',
    hint: 'remove one of the two',
  },
  source_not_mergeable: {
    meaning: 'One of several sources can not be read together with the others.',
    hint: 'make it a pipeline of its own',
  },
  component_missing: {
    meaning: 'An entry names no component.',
    hint: 'one key names what it is, with its options below it',
  },
  component_twice: { meaning: 'An entry names more than one component.', hint: 'write them as two entries' },
  component_unknown: {
    meaning: 'There is no such source, step, sink or connection.',
    hint: 'the schemas in schemas/ list them',
  },
  connection_kind: {
    meaning: 'A component names a connection to another kind of service.',
    hint: 'name one of the right kind',
  },
  connection_missing: {
    meaning: 'A component does not say where it connects to.',
    hint: 'write `connection: NAME`, or its options in place',
  },
  connection_twice: { meaning: 'A component names a connection and has options of one.', hint: 'keep one of the two' },
  connection_unknown: {
    meaning: 'A component names a connection that is not there.',
    hint: 'add it under `connections:`',
  },
  dlq_is_source: { meaning: 'Dead letters would be read as input again.', hint: 'give `dlq:` a place of its own' },
  dlq_no_kafka: {
    meaning: 'Dead letters can go to a topic only where the source is Kafka.',
    hint: 'use `dlq: { file: ... }`',
  },
  env_file_unreadable: {
    meaning: 'The file of variables that an environment names could not be read.',
    hint: 'the path starts at the folder of pipectl.yaml',
  },
  environment_unknown: {
    meaning: 'There is no environment of the name given by --env or PIPECTL_ENV.',
    hint: 'add it under `environments:` in pipectl.yaml',
  },
  expression_needs_quotes: {
    meaning: 'YAML reads part of an unquoted expression as its own syntax.',
    hint: 'put the whole expression in quotes',
  },
  file_written_twice: {
    meaning: 'Two writers of one file would overwrite each other.',
    hint: 'give each a file of its own',
  },
  file_empty: { meaning: 'The file holds no pipeline.', hint: 'a pipeline has at least `source:` and `sinks:`' },
  interpolation_syntax: {
    meaning: 'A `${...}` can not be read.',
    hint: 'write ${NAME}, ${NAME:-default}, ${NAME:?message} or ${file:/path}',
  },
  key_misplaced: {
    meaning: 'A key stands on the wrong level.',
    hint: 'options stand below the component; what all share stands beside it',
  },
  key_missing: { meaning: 'A required key is missing.', hint: 'add it' },
  key_unknown: { meaning: 'A key is not part of the language.', hint: 'check its spelling and its indentation' },
  lookup_unknown: { meaning: 'A step names a lookup that is not there.', hint: 'add it under `lookups:`' },
  schema_unreadable: {
    meaning: 'The schema file of a source is not there or is no JSON.',
    hint: 'check the path, which is relative to the pipeline file',
  },
  schema_not_understood: {
    meaning: 'The schema file of a source is no JSON Schema that can be read.',
    hint: 'JSON Schema of draft 07 or 2020-12, with references within the file',
  },
  key_from_lookup: {
    meaning: 'The key of a sink depends on a lookup, so a record that is processed again may come under another key.',
    hint: 'take the key from the event as it was read, such as the expression in `on:` of the step',
  },
  topic_partitions: {
    meaning: 'A topic has fewer partitions than the conventions of the project ask for.',
    hint: 'raise the number of its partitions, or change `conventions.partitions`',
  },
  lookup_unused: { meaning: 'No step reads a lookup.', hint: 'remove it, or name it in an `enrich` step' },
  name_duplicate: { meaning: 'Two components of a pipeline have the same name.', hint: 'give each its own name' },
  name_invalid: {
    meaning: 'A name has characters that its use does not allow.',
    hint: 'use letters, digits, ".", "_" and "-"',
  },
  not_available: {
    meaning: 'The word belongs to the language, but this version does not have it yet.',
    hint: 'remove it, or use a newer version',
  },
  secret_file: { meaning: 'The file of a `${file:...}` could not be read.', hint: 'check the path and its rights' },
  secret_literal: {
    meaning: 'A secret stands in the file in plain text.',
    hint: 'use ${VAR} or ${file:/run/secrets/NAME}',
  },
  set_invalid: {
    meaning: 'A `--set path=value` could not be applied.',
    hint: 'write it as --set sinks[0].postgres.table=orders',
  },
  topic_convention: {
    meaning: "A topic's name does not have the form that pipectl.yaml asks for.",
    hint: 'rename it, or change `conventions.topic` in pipectl.yaml',
  },
  type_wrong: {
    meaning: 'A value has another type than the option takes.',
    hint: 'the schemas in schemas/ say what each option takes',
  },
  unit_missing: { meaning: 'A duration, size or rate is a bare number.', hint: 'write the unit: 30s, 16MiB, 500/s' },
  value_wrong: {
    meaning: 'A value is not one of those the option takes.',
    hint: 'the schemas in schemas/ say what each option takes',
  },
  variable_unset: {
    meaning: 'An environment variable is not set.',
    hint: 'set it, or give a default: ${NAME:-default}',
  },
  yaml_alias: {
    meaning: 'An alias refers to no anchor, or to itself.',
    hint: 'define the anchor (&name) above the alias (*name)',
  },
  yaml_documents: {
    meaning: 'A file holds more than one YAML document.',
    hint: 'one pipeline a file: remove the `---`',
  },
  yaml_duplicate_key: { meaning: 'A key is given twice in one mapping.', hint: 'remove one of the two' },
  yaml_key: { meaning: 'A key is not accepted.', hint: 'keys are plain text' },
  yaml_limit: { meaning: 'A file is larger or deeper than a pipeline file may be.', hint: 'is it the right file?' },
  yaml_syntax: {
    meaning: 'The file is not valid YAML.',
    hint: 'check indentation, quotes and brackets around this place',
  },
  yaml_tag: { meaning: 'A YAML tag is used.', hint: 'remove the tag; a value that begins with ! must stand in quotes' },

  // -- expressions and steps ----------------------------------------------------------------------------------------
  bad_literal: {
    meaning: 'A text or number inside an expression is not what the function takes.',
    hint: 'write it as the message says',
  },
  unknown_name: {
    meaning: 'A name in an expression is none that may be read there.',
    hint: 'check its spelling; the message lists the names',
  },
  not_a_field: {
    meaning: 'A name in an expression is none of event, key, meta and vars.',
    hint: 'for a field write event.NAME, for a text put it in quotes',
  },
  not_an_expression: {
    meaning: 'A list or mapping stands where an expression belongs.',
    hint: 'write it as text, in quotes',
  },
  syntax: {
    meaning: 'An expression can not be read.',
    hint: 'look at the place that is marked',
  },
  unknown_field: {
    meaning: 'There is no field of that name.',
    hint: 'check its spelling',
  },
  field_optional: {
    meaning: 'A field is read that the schema does not require, so it may be absent.',
    hint: 'read it as event.?NAME, which is null where it is absent',
  },
  field_unlisted: {
    meaning: 'A field is read that the schema does not list.',
    hint: 'check its spelling, add it to the schema, or read it as event.?NAME',
  },
  unknown_function: {
    meaning: 'There is no function of that name.',
    hint: 'check its spelling',
  },
  wrong_arguments: {
    meaning: 'A function is given too many, too few or other arguments than it takes.',
    hint: 'write it as the hint says',
  },
  type_mismatch: {
    meaning: 'A value has a type that the operator, function or step does not take.',
    hint: 'convert it: int(), double(), string(), timestamp()',
  },
  too_large: {
    meaning: 'An expression or its value is larger than the limits allow.',
    hint: 'compute parts of it in a step before',
  },
  field_missing: {
    meaning: 'An event lacks a field that an expression reads.',
    hint: 'read it as event.?NAME, or filter such events',
  },
  null_operand: {
    meaning: 'An expression computes with null.',
    hint: 'give it a value with coalesce()',
  },
  overflow: {
    meaning: 'A number or time is outside what its type can hold.',
    hint: 'use decimal() or double()',
  },
  division_by_zero: {
    meaning: 'An expression divides by zero.',
    hint: 'test the divisor before: event.n == 0 ? 0 : event.a / event.n',
  },
  invalid_argument: {
    meaning: 'A value is of the right type, but the function can not use it.',
    hint: 'look at the record with `pipectl dlq inspect`',
  },
  step_failed: {
    meaning: 'A step with on_error: stop failed on an event.',
    hint: 'correct the step or the data; the pipeline goes on at this event',
  },
  timestamp_ahead: {
    meaning: 'The time of an event is further ahead of the clock than `time.ahead` allows.',
    hint: 'correct the clock of the producer, or raise time.ahead',
  },

  // -- decoding -----------------------------------------------------------------------------------------------------
  invalid_utf8: {
    meaning: 'A value is not UTF-8 text.',
    hint: 'look at it with `pipectl dlq inspect`; was it written in another format?',
  },
  json_number: {
    meaning: 'A number in JSON is larger than it can be kept.',
    hint: 'write it as text',
  },
  json_syntax: {
    meaning: 'A value is not valid JSON.',
    hint: 'look at it with `pipectl dlq inspect`',
  },
  json_too_deep: {
    meaning: 'A JSON value is nested deeper than the limit.',
    hint: 'look at it with `pipectl dlq inspect`',
  },
  csv_columns: {
    meaning: 'A CSV row has another number of fields than there are columns.',
    hint: 'look at the row with `pipectl dlq inspect`; is the delimiter right?',
  },
  csv_malformed: {
    meaning: 'A CSV row breaks the quoting rules of RFC 4180.',
    hint: 'look at the row with `pipectl dlq inspect`; a quote inside a field is written twice, in a quoted field',
  },
  line_too_long: {
    meaning: 'A line of a file is longer than 16 MiB.',
    hint: 'is it one JSON document instead of one value a line? `jq -c .[]` makes lines of an array',
  },

  // -- lookups ------------------------------------------------------------------------------------------------------
  lookup_invalid: {
    meaning: 'A row of a lookup file can not be read, or has no key.',
    hint: 'mend the file at the line that is named, or `key` of the lookup',
  },
  lookup_key_twice: {
    meaning: 'Keys of a lookup file stand in several rows.',
    hint: 'the last row of a key counts; remove the others',
  },
  lookup_loaded: { meaning: 'A lookup file has changed and was read again.', hint: 'nothing to do' },
  lookup_missing: {
    meaning: 'A lookup has no row for the key of an event.',
    hint: 'add the row and replay, or say `missing: keep`',
  },
  lookup_stale: {
    meaning: 'A lookup file has changed and could not be read again.',
    hint: 'the former rows are used until it can be; mend the file',
  },
  lookup_unreadable: {
    meaning: 'The file of a lookup could not be read, or is larger than `limit`.',
    hint: 'check its path, its rights and its size',
  },

  // -- sources ------------------------------------------------------------------------------------------------------
  csv_header: {
    meaning: 'The header line of a CSV file does not name its columns.',
    hint: 'give `columns: [...]`, or mend the header line',
  },
  data_loss: {
    meaning: 'Records were deleted from the log before they were read, or the log was cut off.',
    hint: 'to go on at the first record that is still there: `pipectl rewind FILE --to earliest --yes`; raise the retention of the topic',
  },
  file_changed: {
    meaning: 'A file was rewritten or cut after part of it had been read.',
    hint: 'write new data into a new file, or append to it',
  },
  file_format_mixed: {
    meaning: 'The files of one source differ in format.',
    hint: 'say `format: ndjson` or `format: csv`, or use one source per format',
  },
  file_not_found: { meaning: 'No file matches the path.', hint: 'paths start at the directory of the pipeline file' },
  file_unreadable: { meaning: 'A file could not be opened for reading.', hint: 'check that it exists and its rights' },
  generate_endless: {
    meaning: 'A generator without `count` was to run until its end.',
    hint: 'give the source a `count`, or leave --until-end out',
  },
  generate_failed: {
    meaning: 'The template of generated events can not be evaluated.',
    hint: 'look at the field that is named: may what it reads be null or missing?',
  },
  kafka_assignment_failed: {
    meaning: 'The offsets of newly assigned partitions could not be looked up yet.',
    hint: 'nothing to do: it is tried again',
  },
  kafka_batch_unreadable: {
    meaning: 'A record batch of the log is damaged, or of a format before Kafka 0.11.',
    hint: 'read it with the tools of Kafka (kafka-dump-log) at the partition and offset named',
  },
  kafka_broker_address: {
    meaning: 'The address of a broker can not be one.',
    hint: 'write `host:port` in `brokers` of the connection, as the broker advertises it',
  },
  kafka_client: {
    meaning: 'The Kafka client tells of a failed request; it tries again by itself.',
    hint: 'look at the broker when it goes on',
  },
  kafka_commit_failed: {
    meaning: 'The offsets of the group could not be committed.',
    hint: 'positions in the sinks are not touched by this; the next commit makes up for it',
  },
  kafka_instance_fenced: {
    meaning: 'Another process has joined the group under the same `instance`, and the older one gives way.',
    hint: 'give each process an `instance` of its own, as a rule ${HOSTNAME}',
  },
  kafka_login_failed: {
    meaning: 'Kafka refused the user, the password or the mechanism.',
    hint: 'check `sasl:` of the connection; brokers that ask for TLS need `tls: true`',
  },
  kafka_not_authorized: {
    meaning: 'This user may not do this in Kafka.',
    hint: 'grant Read on the topic and the group, and Write on the dead-letter topic: `pipectl explain FILE --acls` prints the commands',
  },
  kafka_reconnecting: {
    meaning: 'The consumer broke and is being built anew.',
    hint: 'nothing to do: nothing is lost by it',
  },
  kafka_tls_failed: {
    meaning: 'The certificate of a Kafka broker is not trusted, or ours can not be used.',
    hint: 'check `tls:` of the connection: `ca` is the PEM text of the authority that signed the certificate of the broker',
  },
  kafka_topic_missing: {
    meaning: 'A topic does not exist.',
    hint: 'check its name, and that `brokers` is the right cluster; pipectl never creates a source topic',
  },
  kafka_unreachable: {
    meaning: 'No broker could be reached.',
    hint: 'check `brokers` of the connection and that one is up; a broker must advertise an address this machine reaches',
  },
  option_not_applicable: {
    meaning: 'An option has no meaning together with another one.',
    hint: 'remove one of the two',
  },
  source_start: {
    meaning: '`start` is not a place to begin from.',
    hint: 'earliest, latest, or a time with its zone: 2026-11-01T00:00:00Z',
  },
  source_taken_over: {
    meaning: 'Another process reads the same files under the same pipeline name.',
    hint: 'stop one of the two, or give the pipelines different names',
  },
  source_topics: {
    meaning: 'A Kafka source does not say what it reads, or says it twice.',
    hint: 'write either `topic:` or `topics:`',
  },
  topic_recreated: {
    meaning: 'A topic was deleted and created again, or lies in another cluster: its positions belong to another log.',
    hint: 'to go on with the new log from its beginning: `pipectl rewind FILE --to earliest`',
  },

  // -- sinks --------------------------------------------------------------------------------------------------------
  output_failed: { meaning: 'Standard output could not be written.', hint: 'is the disk it goes to full?' },
  output_closed: {
    meaning: 'The reader of standard output went away.',
    hint: 'nothing to do: `head` and pagers do this',
  },
  row_not_encodable: { meaning: 'An event can not be written as JSON.', hint: 'look at it with `pipectl dlq inspect`' },
  sink_file_foreign: {
    meaning: 'The file of a file sink holds data this pipeline did not write.',
    hint: 'move it away, or choose another path',
  },
  sink_file_lost: {
    meaning: 'The file of a file sink is shorter than what was committed to it.',
    hint: 'bring it back, or remove the .pipectl file beside it to begin anew',
  },
  sink_file_unwritable: {
    meaning: 'The file of a file sink could not be opened.',
    hint: 'check the directory and its rights',
  },
  postgres_connection: {
    meaning: "The connection to PostgreSQL can't be made, and waiting will not mend it.",
    hint: 'check host, port and TLS settings of the connection',
  },
  postgres_database: {
    meaning: 'The database of the connection does not exist.',
    hint: 'correct the database in the connection, or create it',
  },
  postgres_login: {
    meaning: 'PostgreSQL refused user or password.',
    hint: "check user and password of the connection, and the server's pg_hba.conf",
  },
  sink_add_column_failed: {
    meaning: 'A column for a new field could not be added to the table.',
    hint: 'add it yourself with the statement that is printed, or let on_new_field be ignore or fail',
  },
  sink_column_added: {
    meaning: 'A field came that the table had no column for, and the column was added.',
    hint: 'nothing to do; the statement is in the log',
  },
  sink_column_missing: {
    meaning: 'A column that needs a value gets none from the event.',
    hint: 'set the field in a step, or let the column be null',
  },
  sink_column_unknown: {
    meaning: 'The table has no column of that name, or computes it itself.',
    hint: 'rename or drop the field, or add the column to the table',
  },
  sink_constraint: {
    meaning: 'The row breaks a constraint of the table (unique, foreign key, check, not null).',
    hint: 'look at it with `pipectl dlq inspect`; correct the data or the constraint, then replay',
  },
  sink_create_failed: {
    meaning: 'The table could not be created.',
    hint: 'create it yourself with the statement that is printed',
  },
  sink_event_shape: { meaning: 'The event is no map of fields, so it is no row.', hint: 'make it one with a map step' },
  sink_failed: {
    meaning: "The database refused the work for a reason that is no single row's fault.",
    hint: 'read its text; the pipeline goes on from where it stopped when it is run again',
  },
  sink_field_ignored: {
    meaning: 'Fields of the event have no column in the table and are not written.',
    hint: 'add the columns, or drop the fields in a step',
  },
  sink_field_new: {
    meaning: 'The event has a field that the table has no column for, and the sink is not to leave it out.',
    hint: 'add the column or drop the field in a step, then replay; or on_new_field: add_column',
  },
  sink_gone_back: {
    meaning:
      'The database holds less than was committed to it: it was restored, or a replica that lacked the end took over.',
    hint: 'nothing to do for this pipeline: it reads again what is missing; look at what else wrote to the database',
  },
  sink_key_missing: {
    meaning: 'The event has no value for a column of the key.',
    hint: 'set it in a step, or filter such events',
  },
  sink_key_not_unique: {
    meaning: "No unique index covers exactly the key, so an upsert can't find its row.",
    hint: 'create the unique index that is printed, or correct key',
  },
  sink_positions_newer: {
    meaning: 'The tables with the positions were made by a newer pipectl.',
    hint: 'run the newer program, or give the pipeline a guard.schema of its own',
  },
  sink_positions_rights: {
    meaning: 'The role may not create the tables in which positions are kept.',
    hint: 'have them created once by the statements that are printed',
  },
  sink_refused: {
    meaning: "The database refused the row's values.",
    hint: 'look at it with `pipectl dlq inspect`; correct the mapping, then replay',
  },
  sink_rights: { meaning: 'The role lacks a right on the table.', hint: 'grant it as printed' },
  sink_table_created: {
    meaning: 'The table was missing and was created.',
    hint: 'nothing to do; the statement is in the log',
  },
  sink_table_missing: {
    meaning: 'There is no table of that name.',
    hint: 'correct table, create it, or add create: true',
  },
  sink_value_null: {
    meaning: 'A column that is NOT NULL would be null.',
    hint: 'give it a value in a step (coalesce), or let the column be null',
  },
  sink_value_range: {
    meaning: 'A value is too large or too long for its column.',
    hint: 'widen the column, or shorten the value in a step',
  },
  sink_value_text: {
    meaning: "A text holds a NUL character, which PostgreSQL can't store.",
    hint: 'remove it in a step: replace()',
  },
  sink_value_type: {
    meaning: 'A value is of a kind its column does not take.',
    hint: 'convert it in a step, as the message says',
  },
  sink_version_place: {
    meaning: 'The sink has a version: and the table no column to keep it in.',
    hint: 'add the column that is printed, or name one by version_column',
  },
  sink_version_value: {
    meaning: 'The version of a row is absent, or nothing that can be ordered.',
    hint: 'let version: give a whole number or a time with an offset',
  },

  // -- running ------------------------------------------------------------------------------------------------------
  breaker_open: {
    meaning: 'Too large a share of the records would become dead letters: the breaker holds the pipeline.',
    hint: '`pipectl resume` goes on with a running pipeline; `dlq: { breaker: ... }` sets what is too much',
  },
  control_unavailable: {
    meaning: 'The socket through which other commands on this machine talk to a running pipeline can not be used.',
    hint: 'the pipeline runs without it; set XDG_RUNTIME_DIR to a directory of this user with a short path',
  },
  control_version: {
    meaning: 'The process runs another version of pipectl, whose status this version can not read.',
    hint: 'use the version the pipeline runs with',
  },
  alert_breaker: {
    meaning: 'An alert: the breaker of the dead letters holds the pipeline.',
    hint: '`pipectl runbook growing-dlq`; `pipectl resume` goes on',
  },
  alert_discrepancy: {
    meaning: 'An alert: records went in that nothing accounts for. It is a bug.',
    hint: 'report it with the output of `--view json`',
  },
  alert_dlq: {
    meaning: 'An alert: dead letters grow faster than `alerts.dlq` allows, or have a new cause.',
    hint: '`pipectl runbook growing-dlq`',
  },
  alert_errors: {
    meaning: 'An alert: a larger share of the records became dead letters than `alerts.errors` allows.',
    hint: '`pipectl runbook growing-dlq`',
  },
  alert_lag: {
    meaning: 'An alert: the lag is larger, older or grows faster than `alerts.lag` allows.',
    hint: '`pipectl runbook growing-lag`',
  },
  alert_latency: {
    meaning: 'An alert: records take longer to their sinks than `alerts.latency` allows.',
    hint: '`pipectl runbook growing-lag`',
  },
  alerts_failed: {
    meaning: 'Alerts could not be looked at. It is a bug; the pipeline goes on.',
    hint: 'report it with the message',
  },
  alerts_nobody: {
    meaning: 'The pipeline file says nobody who is told of alerts.',
    hint: "add somebody: alerts: { notify: [ { webhook: '${ALERT_WEBHOOK}' } ] }",
  },
  alert_not_sent: {
    meaning: 'The message of an alert could not be sent.',
    hint: '`pipectl alerts test FILE` tells what each of them answers',
  },
  alert_sink: {
    meaning: 'An alert: a sink is away for longer than `alerts.sinks` allows.',
    hint: '`pipectl runbook sink-down`',
  },
  alert_throughput: {
    meaning:
      'An alert: the pipeline processes fewer records than a while ago, by more than `alerts.throughput` allows.',
    hint: '`pipectl runbook growing-lag`; do the producers still write?',
  },
  metrics_address: {
    meaning: 'The address of `--metrics` can not be listened on.',
    hint: 'choose a free port of this machine: --metrics 127.0.0.1:9090',
  },
  retention_near: {
    meaning: 'The lag nears the retention of a topic: what Kafka deletes before it is read is lost.',
    hint: 'raise retention.ms of the topic now; `pipectl runbook growing-lag`',
  },
  drain_incomplete: {
    meaning: 'The pipeline could not write everything before its time to stop was over.',
    hint: 'nothing is lost: what was not written is read again at the next run',
  },
  backfill_appends: {
    meaning: 'A backfill adds rows to a table that the live pipeline adds rows to.',
    hint: 'nothing to do where the live pipeline has not written these records; else stop, and empty that part of the table',
  },
  backfill_unguarded: {
    meaning: 'The table has no place for the version of a row, so a backfill would replace newer rows.',
    hint: 'add the column `_pipectl_version bigint[]`, name one by version_column, or keep versions beside the table: `guard: { versions: side }`',
  },
  dlq_letters_unnamed: {
    meaning: 'A command that acts on dead letters was not told on which.',
    hint: 'name some: --fingerprint, --stage, --since, --until, --key or --id; or say --all',
  },
  dlq_many: {
    meaning: 'A command would act on more dead letters at once than somebody may have thought.',
    hint: 'look at them with `pipectl dlq stats`; run it again with --yes where all of them are meant',
  },
  dlq_nobody_runs: {
    meaning: 'No process runs the pipeline, so nobody takes dead letters up again.',
    hint: 'start it; or replay them in this process alone: --here',
  },
  replay_interrupted: {
    meaning: 'Dead letters that were handed to the running pipeline can not be taken up at the moment.',
    hint: 'the pipeline itself goes on; they are taken up again by themselves when what the message names is mended',
  },
  dead_letters_unknown: {
    meaning: 'The dead letters of the queue can not be counted, so how many are open is not known.',
    hint: 'the pipeline itself goes on; it needs Read on the dead-letter topic and on its `.state`: `pipectl explain FILE --acls`',
  },
  replay_taken_over: {
    meaning: 'Two people send the dead letters of one queue back to their topics; the one who began later goes on.',
    hint: 'nothing is sent twice; `pipectl dlq stats` tells what is left',
  },
  replay_unguarded: {
    meaning: 'A sink keeps no version of its rows, so a replayed dead letter may replace a newer row.',
    hint: 'add the column `_pipectl_version bigint[]`, or `guard: { versions: side }`; or run it again with --yes where no newer row can be there',
  },
  group_not_empty: {
    meaning: 'Members run in the consumer group, so what they go by can not be moved or removed.',
    hint: 'stop them (SIGTERM lets them finish what they have begun), then run it again',
  },
  offsets_moved: {
    meaning: "Something else than pipectl has moved the group's offsets, and the sinks stand elsewhere.",
    hint: 'to go there: `pipectl rewind FILE --to earliest`; to stay, name the offsets at which the sinks stand in the same way',
  },
  going_back: {
    meaning:
      'A sink stands behind the offsets of the group: it is new, its database was set back to an older state while the pipeline was stopped, or the pipeline ran without it.',
    hint: 'nothing to do: what it lacks is read again',
  },
  rewind_out_of_range: {
    meaning: 'The log does not hold the offset to which `rewind` was to go.',
    hint: 'name an offset between the first and the end of the partition; `pipectl lag` shows them',
  },
  rewind_skips: {
    meaning: 'Going forward leaves records out that no sink has written.',
    hint: 'run it again with --yes to leave them out for good',
  },
  fenced: {
    meaning: 'Another member took over what this one was writing.',
    hint: 'nothing to do where members come and go; else check that two pipelines do not share a name',
  },
  no_kafka: {
    meaning: 'The pipeline uses no Kafka, so there is nothing to show.',
    hint: 'leave the option out',
  },
  pipeline_versions_differ: {
    meaning: 'Members of one group run different versions of the pipeline and write the same tables, each by its own.',
    hint: 'nothing to do while a new version is rolled out; else stop the members that run the old one',
  },
  pipeline_invalid: {
    meaning: 'The pipeline file has errors.',
    hint: 'correct them; `pipectl validate` shows them too',
  },
  drill_member_ended: {
    meaning: 'A process that `pipectl drill` started ended before the drill had begun.',
    hint: 'let `pipectl run` work first, with the same file and environment',
  },
  drill_no_input: {
    meaning:
      'Nothing was written before the first fault of a drill: without input there is nothing a fault could stop.',
    hint: 'send records to the source while it runs, or begin with a `generate` source; a longer `--for` waits for a quiet one',
  },
  drill_not_ready: {
    meaning: 'The processes of a drill did not get their partitions in time.',
    hint: 'let `pipectl run` work first, with the same file and environment; `pipectl doctor FILE` looks at the services',
  },
  drill_refused: {
    meaning:
      'A drill kills processes and cuts connections, and here it would do so to what may be more than a rehearsal.',
    hint: 'name an environment with a prefix of its own: `--env NAME`; or mean it: `--yes`',
  },
  drill_running: {
    meaning: 'Somebody runs the pipeline that was to be drilled.',
    hint: 'stop it first, since a drill runs processes of its own; or drill it under an environment with another prefix',
  },
  optional_sink_down: {
    meaning: 'The stage of a sink that is not required has failed; the others go on, and it is started anew.',
    hint: 'read the cause beside it; the sink catches up from its own position when it is back',
  },
  resumed: {
    meaning: 'Somebody has closed the breaker: the pipeline goes on, and for one window it does not open again.',
    hint: 'nothing to do; the note says who and why',
  },
  sink_given_up: {
    meaning: 'A sink has been away for as long as `retry.for` says: rows of it became dead letters.',
    hint: 'look at them with `pipectl dlq ls`, and write them when the sink is back',
  },
  sink_unavailable: {
    meaning: 'A sink could not be reached.',
    hint: 'check the address of the connection and that the service is up; nothing is lost while it is down',
  },
  service_silent: {
    meaning: 'A service did not answer in time.',
    hint: 'is it overloaded, or does a firewall swallow what is sent? `--timeout` gives it longer',
  },
  usage: {
    meaning: 'The command line is wrong.',
    hint: '`pipectl help COMMAND` shows what it takes',
  },
  file_exists: {
    meaning: 'A file that was to be written is there already.',
    hint: 'take another name, or --force to write over it',
  },
  group_unknown: {
    meaning: 'The consumer group does not exist in this cluster.',
    hint: 'check its name and the brokers; a group appears with its first member',
  },
  sample_empty: {
    meaning: 'A topic holds nothing a pipeline could be made of.',
    hint: 'begin with a template: `pipectl init --list`',
  },
  pipeline_twice: {
    meaning: 'Two files of one run are the same pipeline, by their name or consumer group.',
    hint: 'give one of them another `name`, or run one of the two; more members of one pipeline are processes of their own',
  },
  pipeline_ambiguous: {
    meaning: 'Several processes on this machine run the pipeline.',
    hint: 'give the process id of one with --pid; `pipectl status` lists them',
  },
  pipeline_not_running: {
    meaning: 'No process of this user runs the pipeline on this machine.',
    hint: '`pipectl status` lists the pipelines that run here',
  },
  tap_step_unknown: {
    meaning: 'The pipeline has no step of that name.',
    hint: 'the message of the command lists its steps',
  },
  no_consumer_group: {
    meaning: 'The pipeline does not read from Kafka, so it has no consumer group and no lag.',
    hint: 'the status view of `pipectl run` shows how far it is',
  },
} as const satisfies Record<string, ErrorEntry>;

/** Process exit codes: the contract with scripts and supervisors. */
export const exitCodes = { done: 0, failed: 1, usage: 2, unreachable: 3, deadLetters: 4 } as const;

/** A failure a user can do something about: printed as one sentence with its hint, never with a stack. */
export class PipectlError extends Error {
  override name = 'PipectlError';
  readonly code: string;
  readonly hint: string | undefined;
  readonly exitCode: number;

  constructor(code: string, message: string, options: ErrorOptions & { hint?: string; exitCode?: number } = {}) {
    super(message, options);
    this.code = code;
    this.hint = options.hint ?? (errorTable as Readonly<Record<string, ErrorEntry>>)[code]?.hint;
    this.exitCode = options.exitCode ?? exitCodes.failed;
  }
}
