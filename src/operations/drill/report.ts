/** What a drill has found out. Plain data; its JSON is what `pipectl drill --json` prints. */
import type { RunbookName } from '../../runtime/runbooks.ts';
import type { FaultName } from './faults.ts';
import type { Recovery } from './recovery.ts';

/** `unknown`: it could not be looked at, so nobody can say that it held. */
export type Verdict = 'held' | 'broken' | 'unknown';

/** One thing that must hold, and what was found. */
export interface Check {
  readonly check:
    | 'fired'
    | 'recovered'
    | 'account'
    | 'processes'
    | 'offsets'
    | 'dead_letters'
    | 'drained'
    | 'positions';
  readonly verdict: Verdict;
  readonly message: string;
}

export interface FaultReport {
  readonly fault: FaultName;
  /** The service that was away; null for what happens to a process. */
  readonly service: string | null;
  /** How often it happened: processes that were hit, connections that were reset or refused, records that were sent. */
  readonly fired: number;
  readonly startedAtMs: number;
  readonly endedAtMs: number;
  readonly recovery: Recovery;
  readonly checks: readonly Check[];
  /** Codes of the alerts that fired. */
  readonly alerts: readonly string[];
  /** Codes of the other warnings and errors in the log: what somebody who looks there would find. */
  readonly logged: readonly string[];
  readonly runbook: RunbookName;
}

export interface Skipped {
  readonly fault: FaultName;
  readonly reason: string;
}

export interface DrillReport {
  readonly pipeline: string;
  readonly environment: string | null;
  readonly group: string;
  readonly processes: number;
  readonly startedAtMs: number;
  readonly endedAtMs: number;
  readonly baseline: { readonly perSecond: number; readonly lagMax: number; readonly backlog: number | null };
  /** Whether there are `alerts:` that could fire. */
  readonly hasAlerts: boolean;
  readonly faults: readonly FaultReport[];
  readonly skipped: readonly Skipped[];
  /** After the last fault, when all had drained. */
  readonly atEnd: readonly Check[];
}

/** Something was tried, and all that was looked at held. */
export const isHeld = ({ faults, atEnd }: DrillReport): boolean =>
  faults.length > 0 && [...faults.flatMap(({ checks }) => checks), ...atEnd].every(({ verdict }) => verdict === 'held');
