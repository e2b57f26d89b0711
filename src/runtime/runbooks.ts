/** Which runbook fits: by the code of an event, a log line or an error. The texts are docs/runbooks/*.md. */
import type { errorTable } from '../errors.ts';

type Code = keyof typeof errorTable;

/** Every runbook, with the codes it is for. Those without a code are for what is seen, not reported. */
export const runbooks = {
  'broker-failure': [
    'kafka_assignment_failed',
    'kafka_client',
    'kafka_commit_failed',
    'kafka_reconnecting',
    'kafka_unreachable',
  ],
  'data-loss': ['data_loss', 'offsets_moved', 'topic_recreated'],
  'disk-filling': ['output_failed', 'sink_file_unwritable'],
  'growing-dlq': [
    'alert_breaker',
    'alert_dlq',
    'alert_errors',
    'breaker_open',
    'field_missing',
    'lookup_missing',
    'null_operand',
    'sink_constraint',
    'sink_refused',
    'step_failed',
  ],
  'growing-lag': ['alert_lag', 'alert_latency', 'alert_throughput', 'retention_near'],
  'late-data': ['timestamp_ahead'],
  'rebalance-storm': ['fenced', 'source_taken_over'],
  'schema-incompatibility': [
    'invalid_utf8',
    'json_syntax',
    'sink_column_missing',
    'sink_column_unknown',
    'sink_field_ignored',
    'sink_value_range',
    'sink_value_type',
    'type_mismatch',
  ],
  'sink-down': [
    'alert_sink',
    'optional_sink_down',
    'postgres_connection',
    'postgres_database',
    'postgres_login',
    'sink_failed',
    'sink_given_up',
    'sink_rights',
    'sink_unavailable',
  ],
} as const satisfies Readonly<Record<string, readonly Code[]>>;

export type RunbookName = keyof typeof runbooks;

const byCode: ReadonlyMap<string, RunbookName> = new Map(
  (Object.entries(runbooks) as [RunbookName, readonly Code[]][]).flatMap(([name, codes]) =>
    codes.map((code): [string, RunbookName] => [code, name]),
  ),
);

/** The runbook for a code; null where nothing has to be done, or nothing that is more than its hint. */
export const runbookFor = (code: string): RunbookName | null => byCode.get(code) ?? null;

/** What to type. */
export const runbookCommand = (name: RunbookName): string => `pipectl runbook ${name}`;
