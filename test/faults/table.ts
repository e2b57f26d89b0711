/**
 * A reporter of vitest that writes what the faults did into the table of docs/reliability.md. A run of some of them
 * replaces their rows and leaves the others.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import type { Reporter, TestCase, TestModule } from 'vitest/node';
import { slower } from './fault.ts';

const page = path.resolve(import.meta.dirname, '../../docs/reliability.md');
const [begin, end] = ['<!-- faults: written by `npm run test:faults` -->', '<!-- faults: end -->'];
const head = [
  '| fault | times fired | checked | result | longest recovery | test took | date |',
  '| --- | ---: | --- | --- | ---: | ---: | --- |',
];

const seconds = (ms: number): string => `${(ms / 1000).toFixed(1)} s`;

function rowOf(test: TestCase): [fault: string, row: string] | undefined {
  const { fault } = test.meta();
  const { state } = test.result();
  if (fault === undefined || state === 'skipped' || state === 'pending') return undefined;
  const date = new Date().toISOString().slice(0, 10);
  const cells = [
    test.name,
    String(fault.fired),
    fault.invariants.join('; '),
    state === 'passed' ? 'held' : '**failed**',
    fault.recoveryMs === null ? '' : seconds(fault.recoveryMs),
    seconds(test.diagnostic()?.duration ?? 0),
    slower === 1 ? date : `${date}, machine busy (bound x ${slower})`,
  ];
  return [test.name, `| ${cells.join(' | ')} |`];
}

/** The rows between the marks, by their fault. */
function formerRows(text: string): [fault: string, row: string][] {
  const section = text.slice(text.indexOf(begin) + begin.length, text.indexOf(end));
  const rows = section.split('\n').filter((line) => line.startsWith('| '));
  return rows.slice(head.length).map((row) => [row.split(' | ')[0]!.slice(2), row]);
}

export default class FaultTable implements Reporter {
  onTestRunEnd(modules: readonly TestModule[]): void {
    const tests = modules.flatMap((module) => [...module.children.allTests()]);
    const fresh = new Map(tests.map(rowOf).filter((row) => row !== undefined));
    if (fresh.size === 0) return;
    const text = readFileSync(page, 'utf8');
    const former = formerRows(text);
    const known = new Set(former.map(([fault]) => fault));
    const table = [
      ...former.map(([fault, row]) => fresh.get(fault) ?? row),
      ...[...fresh].flatMap(([fault, row]) => (known.has(fault) ? [] : [row])),
    ];
    const section = [begin, '', ...head, ...table, '', end].join('\n');
    writeFileSync(page, text.slice(0, text.indexOf(begin)) + section + text.slice(text.indexOf(end) + end.length));
  }
}
