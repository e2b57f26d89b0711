import { describe, expect, it } from 'vitest';
import { reportJson, reportText } from '../../src/cli/drill-output.ts';
import type { Check, DrillReport } from '../../src/operations/drill/report.ts';

const held: Check = { check: 'account', verdict: 'held', message: 'difference 0' };
const report: DrillReport = {
  pipeline: 'orders',
  environment: 'rehearsal',
  group: 'reh-orders',
  processes: 2,
  startedAtMs: 0,
  endedAtMs: 60_000,
  baseline: { perSecond: 412.4, lagMax: 630, backlog: null },
  hasAlerts: true,
  faults: [
    {
      fault: 'sink-away',
      service: 'postgres serving at db:5432',
      fired: 1204,
      startedAtMs: 10_000,
      endedAtMs: 25_000,
      recovery: { rowsAgainMs: 1400, lagBackMs: 2900, standstillMs: 16_400, isWithoutInput: false },
      checks: [held],
      alerts: ['alert_sink'],
      logged: ['sink_unavailable', 'fenced'],
      runbook: 'sink-down',
    },
  ],
  skipped: [{ fault: 'poison', reason: 'only with --poison' }],
  atEnd: [{ check: 'positions', verdict: 'held', message: 'equal' }],
};
const [fault] = report.faults;
const withChecks = (...checks: readonly Check[]): DrillReport => ({ ...report, faults: [{ ...fault!, checks }] });

describe('the report of a drill', () => {
  it('is a table of the faults, with what was not tried and what it can not show', () => {
    const text = reportText(report);
    const [header, row] = text.split('\n');
    expect(header).toMatch(/^FAULT +FIRED +STOOD STILL +ROWS AGAIN +LAG BACK +HELD +ALERTS +RUNBOOK$/);
    expect(row).toMatch(
      /^sink-away \(postgres serving at db:5432\) +1,204 +16 s +1\.4 s +2\.9 s +1 of 1 +alert_sink +sink-down$/,
    );
    expect(text).toContain('\n  in the log: sink_unavailable, fenced\n');
    expect(text).toContain('not tried  poison: only with --poison');
    expect(text).toContain('it does not compare');
    expect(text).not.toContain('no `alerts:`');
    expect(text.trimEnd().split('\n').at(-1)).toBe('All held: 1 fault, 2 checks.');
  });

  it('marks what did not hold and what could not be seen, and neither is a success', () => {
    const broken = withChecks(held, { ...held, verdict: 'broken' }, { ...held, verdict: 'unknown' });
    const text = reportText(broken);
    expect(text).toMatch(/^! account: difference 0$/m);
    expect(text).toMatch(/^\? account: difference 0$/m);
    expect(text.trimEnd()).toMatch(/Of 4 checks 1 did not hold, 1 could not be seen\.$/);
    expect(JSON.parse(reportJson(broken))).toMatchObject({ version: 1, held: false });
    expect(JSON.parse(reportJson(withChecks({ ...held, verdict: 'unknown' })))).toMatchObject({ held: false });
    expect(JSON.parse(reportJson({ ...report, faults: [] }))).toMatchObject({ held: false });
    expect(JSON.parse(reportJson(report))).toMatchObject({ version: 1, held: true, ...report });
  });

  it('says that nobody would have been told where there are no alerts, and that lag was not usual while a backlog shrank', () => {
    const text = reportText({ ...report, hasAlerts: false, baseline: { ...report.baseline, backlog: 12_000 } });
    expect(text).toContain('no `alerts:`');
    expect(text).toContain('a backlog of 12,000');
  });

  it('can not move a terminal by what a service says', () => {
    const text = reportText(withChecks({ ...held, message: 'gone\u001b[2J' }));
    expect(text).not.toContain('\u001b');
  });
});
