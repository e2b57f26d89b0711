/**
 * Decides which alerts fire. Pure: what is known goes in with the time, transitions come out. A threshold must be
 * exceeded for `for` before its alert fires; to be resolved everything of the alert must stay a fifth below it for as
 * long, so that a value at the threshold gives one message and not a hundred. What is not known changes nothing.
 */
import type { AlertRules } from '../../definition/alerts.ts';
import type { GroupFacts } from '../group-watch.ts';
import type { StatusSnapshot } from '../status.ts';
import { RecentRates } from './recent-rates.ts';

export interface AlertInput {
  readonly snapshot: StatusSnapshot;
  /** Null where there is no group, or Kafka has not answered lately: this member then knows what it sees itself. */
  readonly group: GroupFacts | null;
  /** Records may be deleted before they are read; null where that is not known. */
  readonly nearsRetention: boolean | null;
}

export type Unit = 'records' | 'ms' | 'per second' | 'ratio' | 'state';

/** One measured value against its threshold. */
export interface Reading {
  /** `group`, `shop.orders/3`, `sink postgres`, or what it is about. */
  readonly subject: string;
  /** `records`, `growth`, `p99`. */
  readonly measure: string;
  readonly unit: Unit;
  /** Null: not known now. */
  readonly value: number | null;
  readonly limit: number;
  /** Fires below the limit, not above. */
  readonly isFloor?: boolean;
}

/** The code of an alert's event, which tells the runbook. */
export type AlertCode =
  | 'alert_lag'
  | 'alert_dlq'
  | 'alert_errors'
  | 'alert_latency'
  | 'alert_throughput'
  | 'alert_sink'
  | 'alert_breaker'
  | 'alert_discrepancy';

export interface Alert {
  /** `lag`, `sink:postgres`, `dlq-new:a3f9...`: the same in every member and at every time. */
  readonly key: string;
  readonly code: AlertCode;
  /**
   * Who tells it. `group`: the member that speaks for the group, since all see the same or what it sees stands for all.
   * `own`: each member, as nobody else sees it.
   */
  readonly teller: 'group' | 'own';
  readonly readings: readonly Reading[];
  readonly fireAfterMs: number;
  readonly calmAfterMs: number;
}

export interface Transition {
  readonly alert: Alert;
  readonly state: 'firing' | 'resolved';
  readonly atMs: number;
  /** When it began to fire. */
  readonly sinceMs: number;
  /** Those over their limits, the worst first; of a resolved one all. */
  readonly readings: readonly Reading[];
}

/** A fifth on the good side of the limit counts as over. */
const calmShare = 0.8;
/** Longer than this between two evaluations the process stood still, or the clock was set: it counts as so much. */
const stepMsMax = 15_000;
const newCauseCalmMs = 600_000;
const newCausesMax = 20;

interface State {
  /** For how long each reading has been over its limit, by subject and measure. */
  readonly overMs: Map<string, number>;
  /** For how long all has been well; null while it is not. */
  calmMs: number | null;
  firingSinceMs: number | null;
  last: Alert;
}

export class AlertEvaluator {
  readonly #rules: AlertRules;
  readonly #rates: RecentRates;
  readonly #states = new Map<string, State>();
  #atMs: number | null = null;

  constructor(rules: AlertRules) {
    this.#rules = rules;
    this.#rates = new RecentRates(rules.throughput?.overMs ?? 600_000);
  }

  /** By key, whether it fires. */
  get firing(): ReadonlyMap<string, boolean> {
    return new Map([...this.#states].map(([key, { firingSinceMs }]) => [key, firingSinceMs !== null]));
  }

  evaluate(input: AlertInput, nowMs: number): readonly Transition[] {
    const stepMs = this.#atMs === null ? 0 : Math.min(stepMsMax, Math.max(0, nowMs - this.#atMs));
    this.#atMs = nowMs;
    this.#rates.add(input, nowMs, stepMs);
    const alerts = alertsOf(this.#rules, input, this.#rates);
    const transitions = alerts.flatMap((alert) => this.#step(alert, stepMs, nowMs) ?? []);
    const known = new Set(alerts.map(({ key }) => key));
    // A cause that is no longer among those kept, and the like: nothing more can be said of it.
    for (const [key, { firingSinceMs, last }] of this.#states) {
      if (known.has(key)) continue;
      this.#states.delete(key);
      if (firingSinceMs !== null)
        transitions.push({
          alert: last,
          state: 'resolved',
          atMs: nowMs,
          sinceMs: firingSinceMs,
          readings: last.readings,
        });
    }
    return transitions;
  }

  #step(alert: Alert, stepMs: number, nowMs: number): Transition | null {
    const state = this.#states.get(alert.key) ?? { overMs: new Map(), calmMs: null, firingSinceMs: null, last: alert };
    this.#states.set(alert.key, state);
    state.last = alert;
    const names = new Set(alert.readings.map(nameOf));
    for (const name of state.overMs.keys()) if (!names.has(name)) state.overMs.delete(name);
    for (const reading of alert.readings) {
      if (reading.value === null) continue;
      const former = state.overMs.get(nameOf(reading));
      if (isOver(reading)) state.overMs.set(nameOf(reading), former === undefined ? 0 : former + stepMs);
      else state.overMs.delete(nameOf(reading));
    }
    if (state.firingSinceMs === null) {
      if (![...state.overMs.values()].some((overMs) => overMs >= alert.fireAfterMs)) return null;
      state.firingSinceMs = nowMs;
      state.calmMs = null;
      return { alert, state: 'firing', atMs: nowMs, sinceMs: nowMs, readings: worst(alert) };
    }
    if (!alert.readings.every(isCalm)) {
      // Unknown is no proof of either.
      if (!alert.readings.every((reading) => reading.value === null || isCalm(reading))) state.calmMs = null;
      return null;
    }
    state.calmMs = state.calmMs === null ? 0 : state.calmMs + stepMs;
    if (state.calmMs < alert.calmAfterMs) return null;
    const sinceMs = state.firingSinceMs;
    state.firingSinceMs = null;
    return { alert, state: 'resolved', atMs: nowMs, sinceMs, readings: alert.readings };
  }
}

const nameOf = ({ subject, measure }: Reading): string => `${subject} ${measure}`;

const isOver = ({ value, limit, isFloor = false }: Reading): boolean =>
  value !== null && (isFloor ? value < limit : value > limit);

const isCalm = ({ value, limit, isFloor = false }: Reading): boolean =>
  value !== null && (isFloor ? value >= limit / calmShare : value <= limit * calmShare);

/** Those over the limit, the one that is furthest beyond it first. */
function worst({ readings }: Alert): readonly Reading[] {
  const excess = ({ value, limit, isFloor = false }: Reading): number =>
    isFloor ? limit / Math.max(value!, Number.EPSILON) : value! / Math.max(limit, Number.EPSILON);
  return readings.filter(isOver).toSorted((a, b) => excess(b) - excess(a));
}

/** What the rules look at, as it is now. */
function alertsOf(rules: AlertRules, input: AlertInput, rates: RecentRates): readonly Alert[] {
  const { snapshot } = input;
  const alerts: Alert[] = [];
  const add = (
    key: string,
    code: AlertCode,
    teller: Alert['teller'],
    readings: readonly Reading[],
    [fireAfterMs, calmAfterMs = fireAfterMs]: readonly [number, number?],
  ) => alerts.push({ key, code, teller, readings, fireAfterMs, calmAfterMs });

  if (rules.lag) add('lag', 'alert_lag', 'group', lagReadings(rules.lag, input), [rules.lag.forMs]);
  if (input.nearsRetention !== null) {
    const value = Number(input.nearsRetention);
    const reading: Reading = { subject: 'the lag', measure: 'nears the retention', unit: 'state', value, limit: 0.5 };
    add('retention', 'alert_lag', 'group', [reading], [0]);
  }
  if (rules.dlq && rules.dlq.growth !== null) {
    const reading = { subject: 'dead letters', measure: 'growth', unit: 'per second' } as const;
    add(
      'dlq',
      'alert_dlq',
      'group',
      [{ ...reading, value: rates.deadPerSecond, limit: rules.dlq.growth }],
      [rules.dlq.forMs],
    );
  }
  if (rules.dlq?.tellsNew === true) {
    for (const { fingerprint, stage, code, lastAtMs } of snapshot.deadLetters.causes.slice(0, newCausesMax)) {
      const value = snapshot.atMs - lastAtMs < newCauseCalmMs ? 1 : 0;
      const subject = `${stage} ${code}, ${fingerprint.slice(0, 8)}`;
      const reading: Reading = { subject, measure: 'new cause', unit: 'state', value, limit: 0.5 };
      add(`dlq-new:${fingerprint}`, 'alert_dlq', 'own', [reading], [0]);
    }
  }
  if (rules.errors) {
    const reading = { subject: 'dead letters per record', measure: 'ratio', unit: 'ratio' } as const;
    add(
      'errors',
      'alert_errors',
      'group',
      [{ ...reading, value: rates.errorRatio, limit: rules.errors.ratio }],
      [rules.errors.forMs],
    );
  }
  if (rules.latency) {
    const { p50Ms, p95Ms, p99Ms, forMs } = rules.latency;
    const limits = { p50: p50Ms, p95: p95Ms, p99: p99Ms };
    const values = { p50: snapshot.endToEnd.p50Ms, p95: snapshot.endToEnd.p95Ms, p99: snapshot.endToEnd.p99Ms };
    const readings = (['p50', 'p95', 'p99'] as const).flatMap((measure): readonly Reading[] => {
      const limit = limits[measure];
      // Nothing was written for a minute: all is well where nothing waits.
      const value = values[measure] ?? (snapshot.lag === 0 ? 0 : null);
      return limit === null ? [] : [{ subject: 'record to sink', measure, unit: 'ms', value, limit }];
    });
    add('latency', 'alert_latency', 'group', readings, [forMs]);
  }
  if (rules.throughput) {
    const { below, forMs } = rules.throughput;
    const reading = { subject: 'records processed', measure: 'of the recent rate', unit: 'ratio' } as const;
    add(
      'throughput',
      'alert_throughput',
      'group',
      [{ ...reading, value: rates.throughputRatio(below), limit: below, isFloor: true }],
      [forMs],
    );
  }
  for (const { name, state } of rules.sinks ? snapshot.sinks : []) {
    const value = state === 'DOWN' ? 1 : 0;
    const reading: Reading = { subject: `sink ${name}`, measure: 'down', unit: 'state', value, limit: 0.5 };
    add(`sink:${name}`, 'alert_sink', 'group', [reading], [rules.sinks!.downMs]);
  }
  for (const { sink, state } of snapshot.breakers) {
    const subject = sink === null ? 'the pipeline' : `sink ${sink}`;
    const value = state === 'open' ? 1 : 0;
    const key = sink === null ? 'breaker' : `breaker:${sink}`;
    const reading: Reading = { subject, measure: 'breaker open', unit: 'state', value, limit: 0.5 };
    add(key, 'alert_breaker', 'own', [reading], [0]);
  }
  const lost = Math.abs(snapshot.account.difference);
  const discrepancy = {
    subject: 'the account',
    measure: 'difference',
    unit: 'records',
    value: lost,
    limit: 0,
  } as const;
  add('discrepancy', 'alert_discrepancy', 'own', [discrepancy], [0]);
  return alerts;
}

interface LagNow {
  readonly subject: string;
  readonly records: number | null;
  readonly ageMs: number | null;
  readonly growth: number | null;
}

function lagReadings(rule: NonNullable<AlertRules['lag']>, input: AlertInput): readonly Reading[] {
  return lagsOf(input).flatMap(({ subject, records, ageMs, growth }) => {
    const readings: Reading[] = [];
    const { records: most, seconds, growth: fastest } = rule;
    if (most !== null) readings.push({ subject, measure: 'records', unit: 'records', value: records, limit: most });
    if (seconds !== null) readings.push({ subject, measure: 'age', unit: 'ms', value: ageMs, limit: seconds * 1000 });
    if (fastest !== null)
      readings.push({ subject, measure: 'growth', unit: 'per second', value: growth, limit: fastest });
    return readings;
  });
}

/** The group first, then each partition. */
function lagsOf({ snapshot, group }: AlertInput): readonly LagNow[] {
  const each = (group === null ? snapshot.partitions : group.lag.partitions).map((one): LagNow => ({
    subject: `${one.topic}/${one.partition}`,
    records: one.lag,
    ageMs: one.behindMs,
    growth: 'changePerSecond' in one ? one.changePerSecond : one.lagChangePerSecond,
  }));
  const ages = each.map(({ ageMs }) => ageMs).filter((ageMs) => ageMs !== null);
  const whole: LagNow = {
    subject: 'group',
    records: group === null ? snapshot.lag : group.lag.lag,
    ageMs: ages.length === 0 ? null : Math.max(...ages),
    growth: group === null ? snapshot.lagChangePerSecond : group.lag.changePerSecond,
  };
  return [whole, ...each];
}
