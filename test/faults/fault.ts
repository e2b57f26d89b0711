/** A test of a fault: what it must tell of itself for the table in docs/reliability.md, and the bound every recovery has. */
import { expect, test } from 'vitest';
import { eventually, type Pipectl } from '../integration/pipeline.ts';

/** What a test reports, and its row in the table. */
export interface FaultReport {
  /** How often the fault happened: counted where it is made, or read from what it left behind. */
  fired: number;
  /** What was found to hold afterwards. */
  invariants: string[];
  /** From the end of the fault until the pipeline went on; the longest of all, null where there is nothing to recover. */
  recoveryMs: number | null;
}

declare module 'vitest' {
  interface TaskMeta {
    fault?: FaultReport;
  }
}

/** `PIPECTL_FAULTS_SLOWER=3`: on a machine that is busy with other things the bound on recovery is three times as long. */
export const slower = Number(process.env.PIPECTL_FAULTS_SLOWER ?? 1);
const recoveryMsMax = 10_000 * slower;
/** Longer than the bound, so that what is slow is told apart from what never comes. */
const patienceMs = 6 * recoveryMsMax;

export class Fault {
  readonly #report: FaultReport;

  constructor(report: FaultReport) {
    this.#report = report;
  }

  get timesFired(): number {
    return this.#report.fired;
  }

  fired(times = 1): void {
    this.#report.fired += times;
  }

  /** Notes what was just asserted. */
  holds(...invariants: string[]): void {
    this.#report.invariants.push(...invariants.filter((one) => !this.#report.invariants.includes(one)));
  }

  /** The fault is over from `sinceMs` (of `performance.now()`; default now): waits until `ask` says that the work goes on. */
  async recovers(
    ask: () => boolean | Promise<boolean>,
    running: readonly Pipectl[],
    sinceMs = performance.now(),
  ): Promise<void> {
    await eventually('it goes on after the fault', ask, { running, withinMs: patienceMs });
    this.#report.recoveryMs = Math.max(this.#report.recoveryMs ?? 0, performance.now() - sinceMs);
  }
}

/**
 * A test of one fault; `title` names the fault, as the table shows it. Fails where the fault did not fire, nothing was
 * checked, or a recovery took longer than 10 seconds.
 */
export function faultTest(title: string, timeoutMs: number, body: (fault: Fault) => Promise<void>): void {
  test(title, { timeout: timeoutMs * slower }, async ({ task }) => {
    const report: FaultReport = { fired: 0, invariants: [], recoveryMs: null };
    task.meta.fault = report;
    await body(new Fault(report));
    expect(report.fired, 'times the fault fired').toBeGreaterThan(0);
    expect(report.invariants).not.toEqual([]);
    expect(report.recoveryMs ?? 0, 'ms until it went on').toBeLessThan(recoveryMsMax);
  });
}
