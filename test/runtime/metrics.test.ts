import { describe, expect, it } from 'vitest';
import { Histogram } from '../../src/engine/histogram.ts';
import { Exposition } from '../../src/runtime/exposition.ts';
import type { GroupFacts } from '../../src/runtime/group-watch.ts';
import { type Observed, metricsText } from '../../src/runtime/metrics.ts';
import { PipelinePages } from '../../src/runtime/metrics-pages.ts';
import { troubled } from '../view/fixtures.ts';
import { parsePrometheus, valueOf } from './prometheus-text.ts';

const table = {
  things: { type: 'gauge', help: 'A "line"\nwith \\ and more.' },
  other_total: { type: 'counter', help: 'Others.' },
} as const;

describe('the exposition', () => {
  it('escapes labels so that a strict reader gets back what went in', () => {
    const out = new Exposition(table, { pipeline: 'a"b\\c\nd' });
    out.add('things', { topic: 'x,y="z"}' }, 1.5);
    const sample = parsePrometheus(out.text()).get('things')!.samples[0]!;
    expect(sample).toEqual({ name: 'things', labels: { pipeline: 'a"b\\c\nd', topic: 'x,y="z"}' }, value: 1.5 });
  });

  it('keeps the samples of a metric together, whatever order they came in, and leaves out what is not known', () => {
    const out = new Exposition(table, {});
    out.add('things', { n: 1 }, 1);
    out.add('other_total', {}, 7);
    out.add('things', { n: 2 }, Number.POSITIVE_INFINITY);
    out.add('things', { n: 3 }, null);
    const families = parsePrometheus(out.text());
    expect(families.get('things')!.samples.map(({ value }) => value)).toEqual([1, Infinity]);
    expect(valueOf(families, 'other_total')).toBe(7);
  });
});

const lagOf = (partition: number, owner: string | null) => ({
  topic: troubled.partitions[0]!.topic,
  partition,
  owner,
  committed: 10,
  logStart: 0,
  end: 110,
  lag: 100,
  changePerSecond: 1,
  producePerSecond: 2,
  consumePerSecond: 1,
  behindMs: 2500,
  behindEstimated: false,
  etaMs: null,
  verdict: 'WARN' as const,
});

function facts(speaks: boolean): GroupFacts {
  const own = troubled.partitions[0]!.partition;
  const partitions = [lagOf(own, 'me'), lagOf(900, 'other'), lagOf(901, null)];
  const lag = { group: 'g', state: 'Stable' as const, members: 2, atMs: 0, lag: 300, changePerSecond: 3, partitions };
  return { atMs: 0, speaks, deadLetters: null, lag };
}

const observed = (snapshot = troubled, group: GroupFacts | null = null, endToEnd = new Histogram()): Observed => ({
  snapshot,
  durations: { endToEnd, writes: [{ sink: 'postgres', durations: new Histogram() }] },
  group,
  tellsLetters: group?.speaks ?? true,
  cluster: { atMs: 0, brokers: 3, underReplicated: 2, topicBytes: new Map([['a', 12]]), retentionMs: new Map() },
  alerts: new Map([['lag', true]]),
  version: '1.2.3',
});

const scrape = (group: GroupFacts | null, endToEnd?: Histogram, snapshot = troubled) =>
  parsePrometheus(metricsText([observed(snapshot, group, endToEnd)]));

describe('metrics', () => {
  it('are the numbers of the snapshot', () => {
    const families = scrape(null);
    const stage = troubled.stages.find(({ name }) => name === 'decode')!;
    expect(valueOf(families, 'pipectl_stage_records_total', { stage: 'decode', outcome: 'in' })).toBe(stage.in);
    const [sink] = troubled.sinks;
    expect(valueOf(families, 'pipectl_rows_total', { sink: sink!.name, outcome: 'written' })).toBe(sink!.written);
    expect(valueOf(families, 'pipectl_stage_discrepancy_records', { stage: 'all' })).toBe(troubled.account.difference);
    expect(valueOf(families, 'pipectl_broker_count')).toBe(3);
    expect(valueOf(families, 'pipectl_topic_disk_bytes', { topic: 'a' })).toBe(12);
    expect(valueOf(families, 'pipectl_alert_firing', { alert: 'lag' })).toBe(1);
    expect(valueOf(families, 'pipectl_build_info', { version: '1.2.3' })).toBe(1);
  });

  it('tell the lag of partitions nobody owns by the member that speaks for the group, and of no other', () => {
    const partitionsOf = (speaks: boolean) =>
      scrape(facts(speaks))
        .get('pipectl_consumer_lag_records')!
        .samples.map(({ labels }) => Number(labels['partition']));
    expect(partitionsOf(false)).not.toContain(901);
    expect(partitionsOf(true)).toContain(901);
    expect(partitionsOf(true)).not.toContain(900);
    expect(valueOf(scrape(facts(true)), 'pipectl_consumer_lag_seconds', { partition: '901' })).toBe(2.5);
  });

  it('tell the letters of the queue by one member, and not where they are not known', () => {
    const told = scrape(facts(true));
    expect(valueOf(told, 'pipectl_dlq_open_records')).toBe(1317);
    const byStatus = Object.fromEntries(
      told.get('pipectl_dlq_letters')!.samples.map(({ labels, value }) => [labels['status'], value]),
    );
    expect(byStatus).toEqual({ open: 1317, replayed: 493, resolved: 32, quarantined: 0, uncounted: 0 });
    expect(scrape(facts(false)).has('pipectl_dlq_open_records')).toBe(false);
    const unknown = scrape(null, new Histogram(), {
      ...troubled,
      deadLetters: { ...troubled.deadLetters, letters: null },
    });
    expect(unknown.has('pipectl_dlq_open_records')).toBe(false);
    expect(unknown.has('pipectl_dlq_letters')).toBe(false);
  });

  it('have a latency histogram whose quantiles are off by an eighth at most, also merged over members', () => {
    const [fast, slow] = [new Histogram(), new Histogram()];
    for (let i = 0; i < 900; i++) fast.add(10);
    for (let i = 0; i < 100; i++) slow.add(700);
    const buckets = [fast, slow].map((one) =>
      scrape(null, one)
        .get('pipectl_end_to_end_latency_seconds')!
        .samples.filter(({ name }) => name.endsWith('_bucket')),
    );
    const merged = buckets[0]!.map(({ labels, value }, i) => ({
      le: Number(labels['le']!.replace('Inf', 'Infinity')),
      count: value + buckets[1]![i]!.value,
    }));
    const quantile = (share: number): number => {
      const at = merged.findIndex(({ count }) => count >= share * 1000);
      return (merged[at]!.le + merged[at - 1]!.le) / 2;
    };
    expect(quantile(0.5)).toBeGreaterThan(0.01 * (7 / 8));
    expect(quantile(0.5)).toBeLessThan(0.01 * (9 / 8));
    expect(quantile(0.99)).toBeGreaterThan(0.7 * (7 / 8));
    expect(quantile(0.99)).toBeLessThan(0.7 * (9 / 8));
    expect(valueOf(scrape(null, fast), 'pipectl_end_to_end_latency_seconds', { le: '+Inf' })).toBe(900);
  });
});

/** Two pipelines of a process, `a` with the environment of the fixture and `b` without one, as far as they have begun. */
function pagesOfTwo() {
  const a = { ...troubled, pipeline: 'a' };
  const b = { ...troubled, pipeline: 'b', environment: null, ready: true, state: 'running' as const };
  const definitions = [a, b].map(({ pipeline: name, environment }) => ({ name, environment }));
  const [first, second] = definitions as [(typeof definitions)[0], (typeof definitions)[0]];
  const pages = new PipelinePages(definitions);
  const start = (definition: typeof first, snapshot: typeof a | typeof b) =>
    pages.started(definition, { snapshot: () => snapshot, observed: () => observed(snapshot) });
  return {
    pages,
    a: first,
    b: second,
    startA: () => start(first, { ...a, ready: true }),
    startB: () => start(second, b),
  };
}

describe('metrics of several pipelines in one process', () => {
  it('are one valid text in which each has its series, and what they share stands once', () => {
    const { pages, startA, startB } = pagesOfTwo();
    startA();
    startB();
    const families = parsePrometheus(pages.metrics());
    const alone = scrape(null);
    const { pipeline: _, ...environment } = alone.get('pipectl_ready')!.samples[0]!.labels;
    for (const [name, { samples }] of alone) {
      const isShared = name.startsWith('pipectl_process_');
      expect(families.get(name)!.samples, name).toHaveLength(isShared ? 1 : 2 * samples.length);
      expect(
        families
          .get(name)!
          .samples.map(({ labels }) => labels['pipeline'])
          .includes('b'),
        name,
      ).toBe(!isShared);
    }
    expect(valueOf(families, 'pipectl_ready', { pipeline: 'a', ...environment })).toBe(1);
    expect(families.get('pipectl_ready')!.samples.find(({ labels }) => labels['pipeline'] === 'b')!.labels).toEqual({
      pipeline: 'b',
    });
    const written = families.get('pipectl_rows_total')!.samples.filter(({ labels }) => labels['outcome'] === 'written');
    expect(written.reduce((sum, { value }) => sum + value, 0)).toBe(
      2 * troubled.sinks.reduce((sum, { written: rows }) => sum + rows, 0),
    );
  });

  it('of a pipeline that has ended are its state alone, as a process that has ended has no numbers', () => {
    const { pages, a, startA, startB } = pagesOfTwo();
    startA();
    startB();
    pages.ended(a, 'failed');
    const all = [...parsePrometheus(pages.metrics()).values()].flatMap(({ samples }) => samples);
    expect(all.filter(({ labels }) => labels['pipeline'] === 'a')).toEqual([
      { name: 'pipectl_state', labels: { pipeline: 'a', environment: a.environment, state: 'failed' }, value: 1 },
    ]);
  });
});

describe('health of several pipelines in one process', () => {
  it('is ready when all are, and stays so when one comes to its end in order', () => {
    const { pages, a, b, startA, startB } = pagesOfTwo();
    expect([pages.isHealthy(), pages.isReady(), pages.details()]).toEqual([true, false, ['a starting', 'b starting']]);
    startB();
    expect(pages.isReady()).toBe(false);
    startA();
    expect(pages.isReady()).toBe(true);
    pages.ended(a, 'stopped');
    expect([pages.isReady(), pages.details()]).toEqual([true, ['a stopped', 'b running']]);
    pages.ended(b, 'stopped');
    expect([pages.isHealthy(), pages.isReady()]).toEqual([true, false]);
  });

  it('is not ready with one that failed, and unhealthy only when all have: a restart would end the others', () => {
    const { pages, a, b, startA, startB } = pagesOfTwo();
    startA();
    startB();
    pages.ended(a, 'failed');
    expect([pages.isHealthy(), pages.isReady(), pages.details()]).toEqual([true, false, ['a failed', 'b running']]);
    pages.ended(b, 'failed');
    expect(pages.isHealthy()).toBe(false);
  });
});
