import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { loadPipeline } from '../../../src/definition/load.ts';
import { dockerfile, kubernetesManifest, systemdUnit } from '../../../src/operations/generate/deployment.ts';
import { grafanaDashboard } from '../../../src/operations/generate/grafana.ts';
import { prometheusRules } from '../../../src/operations/generate/prometheus.ts';
import { metrics } from '../../../src/runtime/metrics.ts';

const root = join(import.meta.dirname, '../../..');
const secret = 'pl4nted-s3cret';
const env = { PG_URL: `postgres://u:${secret}@db/x`, ALERT_WEBHOOK: `https://hooks.example.org/${secret}` };
const { definition } = await loadPipeline(join(root, 'pipelines/payments-watched.yaml'), { env, mode: 'run' });

interface RulesFile {
  readonly groups: readonly {
    readonly name: string;
    readonly rules: readonly { readonly alert: string; readonly expr: string; readonly for: string }[];
  }[];
}

const rulesOf = (text: string) => (parse(text) as RulesFile).groups[0]!.rules;

/** Metrics that an expression names and nobody exports. */
const unknownIn = (text: string): string[] =>
  [...text.matchAll(/\bpipectl_[a-z0-9_]+/g)]
    .map(([name]) => name)
    .filter((name) => {
      const base = name.replace(/_(bucket|sum|count)$/, '');
      const isHistogram = Object.hasOwn(metrics, base) && metrics[base as keyof typeof metrics].type === 'histogram';
      return name === base || !isHistogram ? !Object.hasOwn(metrics, name) : false;
    });

describe('rules for Prometheus', () => {
  const rules = rulesOf(prometheusRules(definition!));

  it('say what `alerts:` says, with its thresholds and times', () => {
    const byName = new Map(rules.map((rule) => [rule.alert, rule]));
    expect(byName.get('PipectlLagRecords')).toMatchObject({
      expr: 'sum(pipectl_consumer_lag_records{pipeline="payments-watched"}) > 10000',
      for: '120s',
    });
    expect(byName.get('PipectlLatencyP99')!.expr).toMatch(/^histogram_quantile\(0\.99, .*\) > 5$/);
    expect(byName.get('PipectlThroughput')!.expr).toMatch(/\[1800s\] offset 5m\)\)$/);
    expect([...byName.keys()]).toHaveLength(rules.length);
    expect(rules).toHaveLength(5 + 9);
  });

  it('are those that always matter where the file has no alerts', () => {
    const always = rulesOf(prometheusRules({ ...definition!, alerts: null }));
    expect(always.map(({ alert }) => alert)).toEqual([
      'PipectlNotRunning',
      'PipectlBreakerOpen',
      'PipectlOpenDeadLetters',
      'PipectlDiscrepancy',
      'PipectlUnderReplicated',
    ]);
  });

  it('quote names, and know environments', () => {
    const odd = prometheusRules({ ...definition!, name: 'a"b\\c', environment: 'prod' });
    expect(rulesOf(odd)[0]!.expr).toBe('absent(pipectl_build_info{pipeline="a\\"b\\\\c",environment="prod"})');
  });
});

describe('what is generated', () => {
  const rules = prometheusRules(definition!);
  const dashboard = grafanaDashboard(definition!);
  const others = [systemdUnit(definition!), dockerfile(definition!, '1.2.3'), kubernetesManifest(definition!)];

  it('names no metric that is not exported', () => {
    expect(unknownIn(`${rules}${dashboard}`)).toEqual([]);
    expect(unknownIn('pipectl_nothing_bucket + pipectl_ready_sum')).toHaveLength(2);
  });

  it('shows every metric but those of the process in the dashboard or the rules', () => {
    const shown = `${rules}${dashboard}`;
    const hidden = Object.keys(metrics).filter((name) => !shown.includes(name));
    expect(hidden).toEqual([
      'pipectl_start_time_seconds',
      'pipectl_ready',
      'pipectl_state',
      'pipectl_sink_skipped_total',
      'pipectl_breaker_ratio',
      'pipectl_alert_firing',
    ]);
  });

  it('is a dashboard with panels side by side, each with an id of its own', () => {
    const { panels } = JSON.parse(dashboard) as { panels: { id: number; gridPos: { x: number; y: number } }[] };
    expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length);
    expect(new Set(panels.map(({ gridPos }) => `${gridPos.x} ${gridPos.y}`)).size).toBe(panels.length);
  });

  it('holds no secret', () => {
    for (const text of [rules, dashboard, ...others]) expect(text).not.toContain(secret);
  });

  it('gives the pipeline the time it needs to drain, as a user without rights on a file system it can not write', () => {
    const [unit, image, manifest] = others as [string, string, string];
    expect(unit).toContain('\nTimeoutStopSec=30\n');
    expect(unit).toContain('\nDynamicUser=yes\n');
    expect(unit).toContain('\nProtectSystem=strict\n');
    expect(image).toContain('\nUSER node\n');
    expect(image).toContain('pipectl@1.2.3');
    const { spec } = (parse(manifest) as { spec: { template: { spec: Record<string, never> } } }).spec.template;
    expect(spec).toMatchObject({
      terminationGracePeriodSeconds: 30,
      securityContext: { runAsNonRoot: true },
      containers: [
        {
          readinessProbe: { httpGet: { path: '/readyz', port: 'metrics' } },
          livenessProbe: { httpGet: { path: '/healthz', port: 'metrics' } },
          securityContext: { readOnlyRootFilesystem: true, allowPrivilegeEscalation: false },
        },
      ],
    });
  });

  it('makes names that services take out of any name', () => {
    const manifest = kubernetesManifest({ ...definition!, name: '7 Ünïts/of_x' });
    expect((parse(manifest) as { metadata: { name: string } }).metadata.name).toMatch(/^[a-z][a-z0-9-]*[a-z0-9]$/);
    expect(systemdUnit({ ...definition!, description: '100 %\nof it' })).toContain('\nDescription=100 %% of it\n');
  });
});
