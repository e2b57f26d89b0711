/** What is sent when an alert fires or is resolved. */
import { createHash } from 'node:crypto';
import { type RunbookName, runbookCommand, runbookFor } from '../runbooks.ts';
import type { Reading, Transition, Unit } from './evaluate.ts';

const readingsMax = 5;

/** The JSON a webhook and a command get. Fields are added, never changed. */
export interface AlertMessage {
  readonly version: 1;
  /** The same for firing and resolved, and for every member of the group: two messages of one state are one. */
  readonly id: string;
  readonly state: 'firing' | 'resolved' | 'test';
  readonly alert: string;
  readonly pipeline: string;
  readonly environment: string | null;
  readonly member: string;
  /** One sentence. */
  readonly text: string;
  /** The worst first; ms, records, per second, or a share. */
  readonly readings: readonly {
    readonly subject: string;
    readonly measure: string;
    readonly unit: Unit;
    readonly value: number | null;
    readonly limit: number;
  }[];
  /** When it began to fire, and when this was sent. */
  readonly since: string;
  readonly at: string;
  /** What to type. */
  readonly runbook: string | null;
}

export interface Sender {
  readonly pipeline: string;
  readonly environment: string | null;
  readonly group: string;
  readonly member: string;
}

export function messageOf({ alert, state, atMs, sinceMs, readings }: Transition, sender: Sender): AlertMessage {
  const runbook: RunbookName | null = runbookFor(alert.code);
  return {
    version: 1,
    id: idOf(sender.group, alert.key),
    state,
    alert: alert.key,
    pipeline: sender.pipeline,
    environment: sender.environment,
    member: sender.member,
    text: textOf(alert.key, state, atMs - sinceMs, readings),
    readings: readings
      .slice(0, readingsMax)
      .map(({ subject, measure, unit, value, limit }) => ({ subject, measure, unit, value, limit })),
    since: new Date(sinceMs).toISOString(),
    at: new Date(atMs).toISOString(),
    runbook: runbook === null ? null : runbookCommand(runbook),
  };
}

/** What `pipectl alerts test` sends. */
export function testMessage(sender: Sender, nowMs: number): AlertMessage {
  const at = new Date(nowMs).toISOString();
  return {
    version: 1,
    id: idOf(sender.group, 'test'),
    state: 'test',
    alert: 'test',
    pipeline: sender.pipeline,
    environment: sender.environment,
    member: sender.member,
    text: `a test of the alerts of ${sender.pipeline}: nothing is wrong`,
    readings: [],
    since: at,
    at,
    runbook: null,
  };
}

const idOf = (group: string, key: string): string =>
  createHash('sha256').update(`${group}\n${key}`).digest('hex').slice(0, 32);

function textOf(key: string, state: Transition['state'], lastedMs: number, readings: readonly Reading[]): string {
  if (state === 'resolved') return `${key} is over after ${Math.round(lastedMs / 1000)} s`;
  const shown = readings.slice(0, readingsMax).map(readingText);
  const more = readings.length > shown.length ? `, and ${readings.length - shown.length} more` : '';
  return `${key}: ${shown.join(', ')}${more}`;
}

function readingText({ subject, measure, unit, value, limit, isFloor = false }: Reading): string {
  if (unit === 'state') return `${subject} ${measure}`;
  return `${subject} ${measure} ${amount(value, unit)} (${isFloor ? 'at least' : 'at most'} ${amount(limit, unit)})`;
}

function amount(value: number | null, unit: Unit): string {
  if (value === null) return 'unknown';
  switch (unit) {
    case 'ms':
      return value < 10_000 ? `${Math.round(value)} ms` : `${Math.round(value / 1000)} s`;
    case 'per second':
      return value < 1 ? `${rounded(value * 60)}/m` : `${rounded(value)}/s`;
    case 'ratio':
      return `${rounded(value * 100)} %`;
    case 'records':
    case 'state':
      return rounded(value);
  }
}

const rounded = (value: number): string => String(value < 10 ? Math.round(value * 100) / 100 : Math.round(value));
