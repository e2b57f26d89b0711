import { describe, expect, test } from 'vitest';
import type { StatusSnapshot } from '../../src/runtime/status.ts';
import { verdict, worstFirst } from '../../src/view/verdict.ts';
import { healthy, manyPartitions, partition, sink, starting, troubled } from './fixtures.ts';

describe('the verdict', () => {
  test('of a healthy pipeline names no cause', () => {
    expect(verdict(healthy)).toEqual({ ok: true, causes: [], runbook: null });
    expect(verdict(starting)).toEqual({ ok: true, causes: [], runbook: null });
  });

  test('names each cause with a number, a sink that is down before a partition that is slow', () => {
    expect(verdict(troubled)).toEqual({
      ok: false,
      causes: ['redis DOWN 3m16s', 'p5 FALLING BEHIND 15 s', 'dead letters +2.0/s'],
      runbook: 'sink-down',
    });
  });

  test('puts what may be lost first, then what stands, then what is slow', () => {
    const worst = verdict({
      ...troubled,
      state: 'failed',
      account: { ...troubled.account, difference: -3 },
      partitions: [
        ...troubled.partitions,
        partition(8, { verdict: 'STALL', behindMs: null, lag: 7_000 }),
        partition(9, { verdict: 'WARN', behindMs: 1_000, lag: 70 }),
      ],
      sinks: [
        sink('postgres', { state: 'DOWN', retries: 3 }),
        sink('search', { state: 'RETRYING', retries: 1 }),
        ...troubled.sinks,
      ],
    });
    expect(worst.causes).toEqual([
      'sink_unavailable: redis: connect ECONNREFUSED; optional, the others go on',
      '-3 records UNACCOUNTED FOR',
      'postgres DOWN',
      'p8 STALLED lag 7,000',
      'redis DOWN 3m16s',
      'search RETRYING',
      'p5 and 1 more FALLING BEHIND 15 s',
      'dead letters +2.0/s',
    ]);
  });

  test('names the runbook for the worst cause', () => {
    const of = (changes: Partial<StatusSnapshot>) => verdict({ ...healthy, ...changes }).runbook;
    expect(of({ state: 'failed', events: [{ atMs: 0, level: 'error', code: 'data_loss', message: 'gone' }] })).toBe(
      'data-loss',
    );
    expect(of({ account: { ...healthy.account, difference: 1 }, sinks: troubled.sinks })).toBeNull();
    expect(of({ sinks: [sink('postgres', { state: 'FENCED' })] })).toBe('rebalance-storm');
    expect(of({ partitions: manyPartitions.partitions })).toBe('growing-lag');
    expect(of({ deadLetters: troubled.deadLetters })).toBe('growing-dlq');
  });

  test('under back-pressure names the sink with the most rows waiting', () => {
    const sinks = [sink('postgres', { behindRows: 10 }), sink('clickhouse', { behindRows: 50_000 })];
    expect(verdict({ ...healthy, state: 'back-pressured', sinks }).causes).toEqual([
      'clickhouse SLOW 50,000 rows wait',
    ]);
    // One that is not required holds nobody up, and how late it all is comes before why.
    const reports = sink('reports', { required: false, behindRows: 900_000 });
    const held = { ...troubled, state: 'back-pressured', sinks: [...sinks, reports] } as const;
    expect(verdict(held).causes.slice(0, 2)).toEqual(['p5 FALLING BEHIND 15 s', 'clickhouse SLOW 50,000 rows wait']);
  });

  test('under back-pressure names the step that is busy where the steps take most of the time', () => {
    const stages = healthy.stages.map((each) => (each.name === 'map row' ? { ...each, busy: 0.81 } : each));
    expect(verdict({ ...healthy, state: 'back-pressured', stages }).causes).toEqual(['map row SLOW busy 81%']);
  });

  test('names the topic too where the pipeline reads several', () => {
    const partitions = [partition(5, { verdict: 'WARN', behindMs: 2_000, topic: 'returns' }), partition(5)];
    expect(verdict({ ...healthy, partitions }).causes).toEqual(['p5 returns FALLING BEHIND 2.0 s']);
  });
});

test('partitions come worst first: stalled, warned, hot, then by lag, an unknown lag before a known one', () => {
  const order = worstFirst([
    ...manyPartitions.partitions.slice(100, 120),
    partition(300, { lag: null }),
    partition(301, { hotShare: 0.4 }),
  ]).map((each) => each.partition);
  expect(order.slice(0, 4)).toEqual([117, 119, 301, 300]);
});
