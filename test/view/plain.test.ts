import { PassThrough } from 'node:stream';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { StatusSnapshot } from '../../src/runtime/status.ts';
import { finalSummary, startPlainView, summaryLine } from '../../src/view/plain.ts';
import { healthy, starting, troubled } from './fixtures.ts';

const AT_MS = Date.UTC(2026, 10, 22, 14, 32, 7);

/** A view over a snapshot the test changes, and the lines written since they were last read. */
function openPlain(first: StatusSnapshot, isOneOfSeveral = false) {
  const out = new PassThrough({ encoding: 'utf8' });
  let current = first;
  const view = startPlainView({ snapshots: () => current, out, isOneOfSeveral });
  return {
    view,
    after(ms: number, changes: Partial<StatusSnapshot>): readonly string[] {
      current = { ...current, atMs: current.atMs + ms, ...changes };
      vi.advanceTimersByTime(250);
      return this.lines();
    },
    lines(): readonly string[] {
      return String(out.read() ?? '')
        .split('\n')
        .filter(Boolean);
    },
  };
}

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

describe('plain lines', () => {
  test('begin with what runs, then a summary every five seconds', () => {
    const plain = openPlain({ ...healthy, atMs: AT_MS, startedAtMs: AT_MS - 60_000, events: [] });
    expect(plain.lines()).toEqual([
      '2026-11-22T14:32:07Z orders-per-store reads shop.orders.placed.v1 (avro), writes postgres (effectively once), clickhouse (effectively once), redis (effectively once), env prod',
      '2026-11-22T14:32:07Z orders-per-store RUNNING 1m00s  in 12,140/s  postgres 2,140/s  clickhouse 2,140/s  redis 2,140/s  lag 441 (0/s)  p99 84 ms  dead 0',
    ]);
    expect(plain.after(4_999, {})).toEqual([]);
    expect(plain.after(1, {})).toHaveLength(1);
    plain.view.close();
  });

  test('say a change of state at once, and what is wrong at the end of the line', () => {
    const plain = openPlain({ ...healthy, atMs: AT_MS, startedAtMs: AT_MS - 60_000, events: [] });
    plain.lines();
    const [line] = plain.after(250, { state: 'sink down', sinks: troubled.sinks });
    expect(line).toMatch(/SINK DOWN 1m00s .* {2}! redis DOWN 3m16s$/);
    plain.view.close();
  });

  test('of one among several pipelines name it on every line', () => {
    const event = { atMs: AT_MS, level: 'warn' as const, code: 'lag_growing', message: 'p5' };
    const plain = openPlain({ ...healthy, atMs: AT_MS, events: [event] }, true);
    const lines = plain.lines();
    expect(lines).toContain('2026-11-22T14:32:07Z orders-per-store warn lag_growing p5');
    for (const line of lines) expect(line.split(' ')[1]).toBe('orders-per-store');
    plain.view.close();
  });

  test('tell each event once, in the order in which they happened', () => {
    const event = (second: number, message: string) => ({
      atMs: AT_MS + second * 1_000,
      level: 'warn' as const,
      code: 'lag_growing',
      message,
    });
    const plain = openPlain({ ...healthy, atMs: AT_MS, events: [event(0, 'zero')] });
    plain.lines();
    expect(plain.after(250, { events: [event(2, 'two'), event(1, 'one'), event(0, 'zero')] })).toEqual([
      '2026-11-22T14:32:08Z warn lag_growing one',
      '2026-11-22T14:32:09Z warn lag_growing two',
    ]);
    expect(plain.after(250, {})).toEqual([]);
    plain.view.close();
    expect(plain.lines().filter((line) => line.includes('lag_growing'))).toEqual([]);
  });

  test('name the runbook of an event that is trouble, and of no other', () => {
    const lost = (level: 'info' | 'error') => ({ atMs: AT_MS, level, code: 'data_loss', message: 'gone' });
    const plain = openPlain({ ...healthy, atMs: AT_MS, events: [lost('error'), lost('info')] });
    const lines = plain.lines();
    expect(lines).toContain('2026-11-22T14:32:07Z error data_loss gone  (pipectl runbook data-loss)');
    expect(lines).toContain('2026-11-22T14:32:07Z info data_loss gone');
    plain.view.close();
  });

  test('survive a snapshot that can not be made, say so once, and go on', () => {
    const out = new PassThrough({ encoding: 'utf8' });
    let fails = true;
    const view = startPlainView({
      out,
      snapshots: () => {
        if (fails) throw new Error('planted');
        return starting;
      },
    });
    vi.advanceTimersByTime(1_000);
    expect(out.read()).toBe('no status: planted\n');
    fails = false;
    vi.advanceTimersByTime(250);
    expect(out.read()).toContain('STARTING 1.5 s');
    view.close();
  });
});

test('a summary tells how many letters of the queue are open, where any are', () => {
  expect(summaryLine(troubled)).toContain('  dead 1,317 (+2.0/s), 1,317 open  ');
  const { deadLetters } = troubled;
  expect(summaryLine({ ...troubled, deadLetters: { ...deadLetters, letters: null } })).not.toContain('open');
});

test('the final summary closes the account, for every sink and cause of dead letters', () => {
  const summary = finalSummary({ ...troubled, atMs: AT_MS, startedAtMs: AT_MS - 196_000, state: 'stopped' });
  expect(summary).toEqual([
    '2026-11-22T14:32:07Z orders-per-store STOPPED after 3m16s',
    '  account: read 6,482,119,034 = filtered 1,296,423,806 + delivered 5,185,690,475 + dead 1,842 + pending 2,911; difference 0  ok',
    '  sink postgres: 5,185,676 rows written, 12 superseded',
    '  sink clickhouse: 5,185,676 rows written, 12 superseded',
    '  sink redis: 5,185,676 rows written, 12 superseded',
    '  dead letters: 1,317 in orders-per-store.dlq',
    '    77c1  96  step:enrich customer  event.customer_id is missing',
    '    a3f9  1,204  decode  unknown schema id 4711',
    '    0be2  17  timestamp  4h12m ahead of the clock',
  ]);
});

test('records that are unaccounted for are named in the summary line', () => {
  expect(summaryLine({ ...healthy, account: { ...healthy.account, difference: 12 } })).toContain(
    '! 12 records UNACCOUNTED FOR',
  );
});
