/** The counters of one process, read back from each place where they are shown, under the same names. */
import type { StatusSnapshot } from '../../src/runtime/status.ts';
import type { Family } from '../runtime/prometheus-text.ts';

/** By `read`, `stage filter-1 in`, `sink all written`, `dlq decode json_syntax`. They only rise while a process lives. */
export type Counters = ReadonlyMap<string, number>;

/** Of sealed epochs alone: what is pending may be undone, and is read again then. */
export function countersIn({ account, stages, sinks, deadLetters, rebalances }: StatusSnapshot): Counters {
  const counters = new Map([
    ['read', account.read - account.pending],
    ['rebalances', rebalances],
  ]);
  for (const { name, kind, in: given, out, filtered, dropped, dead, added } of stages) {
    if (kind === 'produced') continue;
    for (const [outcome, count] of Object.entries({ in: given, out, filtered, dropped, dead, added }))
      counters.set(`stage ${name} ${outcome}`, count);
  }
  for (const { name, written, superseded, excluded, rejected, skippedOffset, skippedVersion, retries } of sinks) {
    const skipped = skippedOffset + skippedVersion;
    for (const [outcome, count] of Object.entries({ written, superseded, excluded, rejected, skipped, retries }))
      counters.set(`sink ${name} ${outcome}`, count);
  }
  for (const { stage, code, count } of deadLetters.byCode) counters.set(`dlq ${stage} ${code}`, count);
  return counters;
}

/** The same of `/metrics`. */
export function countersOf(families: ReadonlyMap<string, Family>): Counters {
  const counters = new Map<string, number>();
  const each = (metric: string, name: (labels: Readonly<Record<string, string>>) => string): void => {
    for (const { labels, value } of families.get(metric)?.samples ?? []) counters.set(name(labels), value);
  };
  each('pipectl_stage_records_total', ({ stage, outcome }) =>
    stage === 'read' ? 'read' : `stage ${stage} ${outcome}`,
  );
  each('pipectl_rebalances_total', () => 'rebalances');
  each('pipectl_rows_total', ({ sink, outcome }) => `sink ${sink} ${outcome}`);
  each('pipectl_sink_retries_total', ({ sink }) => `sink ${sink} retries`);
  each('pipectl_dlq_records_total', ({ stage, error_code: code }) => `dlq ${stage} ${code}`);
  return counters;
}

/** Lags, ends and discrepancies: what may also fall. */
export function gaugesOf(families: ReadonlyMap<string, Family>) {
  const byPartition = (metric: string): Readonly<Record<string, number>> =>
    Object.fromEntries((families.get(metric)?.samples ?? []).map(({ labels, value }) => [labels['partition'], value]));
  const discrepancies = families.get('pipectl_stage_discrepancy_records')?.samples ?? [];
  return {
    lag: byPartition('pipectl_consumer_lag_records'),
    end: byPartition('pipectl_source_produced_records_total'),
    discrepancies: discrepancies.filter(({ value }) => value !== 0),
  };
}

/** What stands on the screen of the status view. */
export interface Shown {
  /** By the words of the account: `read`, `filtered`, `delivered`, `dead`, `pending`, `difference`. */
  readonly account: Readonly<Record<string, number>>;
  readonly lag: number | null;
  /** Open letters of the queue; null where it tells none. */
  readonly open: number | null;
  /** Dead letters by fingerprint. */
  readonly causes: Readonly<Record<string, number>>;
}

const number = (text: string): number => Number(text.replaceAll(',', ''));

/** Null where the screen shows no account, which it does not before the first picture. */
export function shownOn(screen: string): Shown | null {
  const account = /^ [ !] account ([^─]+)/m.exec(screen)?.[1];
  if (account === undefined) return null;
  const terms = account.matchAll(/(read|added|filtered|delivered|dropped|dead|pending|difference) (-?[\d,]+)/g);
  const lag = /── PARTITIONS {2}lag ([\d,]+)/.exec(screen)?.[1];
  const open = /── DEAD LETTERS {2}open ([\d,]+)/.exec(screen)?.[1];
  const causes = screen.matchAll(/^ [ !] ([0-9a-f]{8}) +([\d,]+) /gm);
  return {
    account: Object.fromEntries([...terms].map(([, word, count]) => [word!, number(count!)])),
    lag: lag === undefined ? null : number(lag),
    open: open === undefined ? null : number(open),
    causes: Object.fromEntries([...causes].map(([, fingerprint, count]) => [fingerprint!, number(count!)])),
  };
}

/** The words of `Shown` for a status. */
export function wordsOf({ account, lag, deadLetters }: StatusSnapshot): Shown {
  const { read, added, filtered, delivered, dropped, dead, pending, difference } = account;
  const optional = Object.entries({ added, dropped, dead, pending }).filter(([, count]) => count !== 0);
  return {
    account: { read, filtered, delivered, ...Object.fromEntries(optional), difference },
    lag,
    open: deadLetters.letters?.open ?? null,
    causes: Object.fromEntries(deadLetters.causes.map(({ fingerprint, count }) => [fingerprint, count])),
  };
}

/** Counters that did not lie between what they were before and after, as sentences. */
export function outside(before: Counters, now: Counters, after: Counters): string[] {
  return [...now].flatMap(([name, count]) => {
    const [least, most] = [before.get(name) ?? 0, after.get(name) ?? Number.POSITIVE_INFINITY];
    return count >= least && count <= most ? [] : [`${name} is ${count}, before ${least}, after ${most}`];
  });
}
