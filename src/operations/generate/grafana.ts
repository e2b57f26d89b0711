/** A Grafana dashboard of one pipeline. Every expression is made of `metrics` alone. */
import { createHash } from 'node:crypto';
import type { PipelineDefinition } from '../../definition/pipeline.ts';
import { selectorOf } from './selector.ts';

interface Panel {
  readonly title: string;
  readonly unit: string;
  readonly isStat?: boolean;
  /** Expression and legend. */
  readonly lines: readonly (readonly [expr: string, legend: string])[];
}

const [wide, high, columns] = [12, 8, 2];

/** The dashboard as JSON, to be imported; it asks for the data source. */
export function grafanaDashboard(definition: Pick<PipelineDefinition, 'name' | 'environment' | 'description'>): string {
  const { name, environment, description } = definition;
  const title = `pipectl ${name}${environment === null ? '' : ` (${environment})`}`;
  const datasource = { type: 'prometheus', uid: '${datasource}' };
  const dashboard = {
    title,
    description: description ?? '',
    uid: createHash('sha256').update(title).digest('hex').slice(0, 20),
    tags: ['pipectl'],
    schemaVersion: 39,
    refresh: '10s',
    time: { from: 'now-1h', to: 'now' },
    templating: { list: [{ name: 'datasource', label: 'Data source', type: 'datasource', query: 'prometheus' }] },
    panels: panelsOf(selectorOf(definition)).map(({ title: name, unit, isStat = false, lines }, index) => ({
      id: index + 1,
      title: name,
      type: isStat ? 'stat' : 'timeseries',
      datasource,
      gridPos: { x: (index % columns) * wide, y: Math.floor(index / columns) * high, w: wide, h: high },
      fieldConfig: { defaults: { unit }, overrides: [] },
      targets: lines.map(([expr, legendFormat], at) => ({
        refId: String.fromCodePoint(65 + at),
        datasource,
        expr,
        legendFormat,
      })),
    })),
  };
  return `${JSON.stringify(dashboard, null, 2)}\n`;
}

function panelsOf(of: (...more: string[]) => string): readonly Panel[] {
  const quantile = (share: number, metric: string, by = 'le') =>
    `histogram_quantile(${share}, sum by (${by}) (rate(${metric}_bucket${of()}[1m])))`;
  return [
    {
      title: 'Throughput',
      unit: 'cps',
      lines: [
        [`sum(rate(pipectl_source_produced_records_total${of()}[1m]))`, 'produced'],
        [`sum(rate(pipectl_stage_records_total${of('stage="read"')}[1m]))`, 'read'],
        [`sum by (sink) (rate(pipectl_rows_total${of('outcome="written"')}[1m]))`, 'written {{sink}}'],
      ],
    },
    {
      title: 'Lag',
      unit: 'short',
      lines: [
        [`sum(pipectl_consumer_lag_records${of()})`, 'all'],
        [`topk(5, pipectl_consumer_lag_records${of()})`, '{{topic}}/{{partition}}'],
      ],
    },
    {
      title: 'Behind',
      unit: 's',
      lines: [[`topk(5, pipectl_consumer_lag_seconds${of()})`, '{{topic}}/{{partition}}']],
    },
    {
      title: 'Record to sink',
      unit: 's',
      lines: ([0.5, 0.95, 0.99] as const).map((share) => [
        quantile(share, 'pipectl_end_to_end_latency_seconds'),
        `p${share * 100}`,
      ]),
    },
    {
      title: 'Stages: what became of records',
      unit: 'cps',
      lines: [[`sum by (stage, outcome) (rate(pipectl_stage_records_total${of()}[1m]))`, '{{stage}} {{outcome}}']],
    },
    {
      title: 'Stages: busy',
      unit: 'percentunit',
      lines: [[`max by (stage) (pipectl_stage_busy_ratio${of()})`, '{{stage}}']],
    },
    {
      title: 'Sinks: write p95',
      unit: 's',
      lines: [[quantile(0.95, 'pipectl_sink_write_seconds', 'le, sink'), '{{sink}}']],
    },
    {
      title: 'Sinks: waiting rows, retries',
      unit: 'short',
      lines: [
        [`sum by (sink) (pipectl_sink_behind_rows${of()})`, 'waiting {{sink}}'],
        [`sum by (sink) (increase(pipectl_sink_retries_total${of()}[1m]))`, 'retries {{sink}}'],
      ],
    },
    {
      title: 'Dead letters',
      unit: 'cps',
      lines: [[`sum by (stage, error_code) (rate(pipectl_dlq_records_total${of()}[1m]))`, '{{stage}} {{error_code}}']],
    },
    {
      title: 'Dead letters: what became of them',
      unit: 'short',
      // Where two members tell it for a moment, both tell the same queue.
      lines: [
        [`max(pipectl_dlq_open_records${of()})`, 'open'],
        [`max by (status) (pipectl_dlq_letters${of('status!="open"')})`, '{{status}}'],
      ],
    },
    {
      title: 'Not accounted for, breakers open, sinks down',
      unit: 'short',
      isStat: true,
      lines: [
        [`sum(abs(pipectl_stage_discrepancy_records${of()}))`, 'not accounted for'],
        [`sum(pipectl_breaker_open${of()})`, 'breakers open'],
        [`count(pipectl_sink_up${of()} == 0) or vector(0)`, 'sinks down'],
      ],
    },
    {
      title: 'Members, rebalances',
      unit: 'short',
      lines: [
        [`max(pipectl_group_members${of()})`, 'members'],
        [`sum(increase(pipectl_rebalances_total${of()}[5m]))`, 'rebalances in 5 minutes'],
      ],
    },
    {
      title: 'Cluster',
      unit: 'short',
      lines: [
        [`max(pipectl_broker_count${of()})`, 'brokers'],
        [`max(pipectl_under_replicated_partitions${of()})`, 'under-replicated'],
      ],
    },
    {
      title: 'Bytes on disk',
      unit: 'bytes',
      lines: [[`max by (topic) (pipectl_topic_disk_bytes${of()})`, '{{topic}}']],
    },
    {
      title: 'Process',
      unit: 'short',
      lines: [
        [`rate(pipectl_process_cpu_seconds_total${of()}[1m])`, 'processors {{instance}}'],
        [`pipectl_process_resident_memory_bytes${of()} / 1048576`, 'MiB {{instance}}'],
      ],
    },
  ];
}
