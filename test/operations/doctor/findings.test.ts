import { describe, expect, it } from 'vitest';
import { checkFindings, findingsJson, findingsText } from '../../../src/cli/doctor-output.ts';
import { databaseFindings } from '../../../src/operations/doctor/database.ts';
import type { Finding } from '../../../src/operations/doctor/finding.ts';
import { groupFindings } from '../../../src/operations/doctor/group.ts';
import { machineFacts, machineFindings, type MachineFacts } from '../../../src/operations/doctor/machine.ts';
import type { GroupLag, PartitionLag } from '../../../src/operations/lag.ts';

const GiB = 1024 ** 3;
const severities = (findings: readonly Finding[]) =>
  findings.filter(({ severity }) => severity !== 'ok').map(({ check, severity }) => `${check} ${severity}`);

describe('a machine', () => {
  const sound: MachineFacts = {
    nodeVersion: '24.21.0',
    descriptorsMax: 1024,
    memoryBytes: 4 * GiB,
    freeBytes: 2 * GiB,
    heapBytesMax: 2 * GiB,
    disks: new Map([['/data', { totalBytes: 100, usableBytes: 50 }]]),
  };

  it.each<[string, Partial<MachineFacts>, readonly string[]]>([
    ['that is sound', {}, []],
    ['with an old Node', { nodeVersion: '23.9.0' }, ['node error']],
    ['with few descriptors', { descriptorsMax: 1023 }, ['descriptors warning']],
    ['that does not tell its limit', { descriptorsMax: null }, []],
    ['in a small container', { memoryBytes: GiB / 2 - 1 }, ['memory warning']],
    ['whose heap may outgrow the container', { heapBytesMax: 4 * GiB + 1 }, ['memory warning']],
    ['with little memory left', { freeBytes: GiB / 4 }, ['memory warning']],
    ['with a full disk', { disks: new Map([['/data', { totalBytes: 100, usableBytes: 5 }]]) }, ['disk error']],
    ['with a disk of no size', { disks: new Map([['/data', { totalBytes: 0, usableBytes: 0 }]]) }, ['disk error']],
  ])('%s', (_, changes, expected) => {
    expect(severities(machineFindings({ ...sound, ...changes }))).toEqual(expected);
  });

  it('tells the facts of this one, also for a directory that is not there yet', async () => {
    const facts = await machineFacts(['/nowhere/at/all/rows.ndjson']);
    expect(facts.nodeVersion).toBe(process.versions.node);
    expect(facts.memoryBytes).toBeGreaterThan(facts.freeBytes);
    expect(facts.disks.get('/nowhere/at/all')?.totalBytes).toBeGreaterThan(0);
  });
});

describe('a database', () => {
  const sound = {
    version: '18.4',
    isStandby: false,
    connections: 10,
    connectionsMax: 100,
    databaseBytes: GiB,
    aheadMs: 0,
    answerMs: 2,
  };

  it.each([
    ['that is sound', {}, []],
    ['that is a standby', { isStandby: true }, ['sink error']],
    ['with few connections left', { connections: 90 }, ['connections warning']],
    ['with a clock that is behind', { aheadMs: -5001 }, ['clock warning']],
    ['with a clock that is ahead by a minute', { aheadMs: 60_001 }, ['clock error']],
    ['whose answer took as long as the clocks differ', { aheadMs: 6000, answerMs: 12_000 }, []],
  ])('%s', (_, changes, expected) => {
    expect(severities(databaseFindings('sink postgres', { ...sound, ...changes }))).toEqual(expected);
  });
});

describe('a group', () => {
  const partition = (changes: Partial<PartitionLag>): PartitionLag => ({
    topic: 'orders',
    partition: 0,
    owner: 'a',
    committed: 90,
    logStart: 0,
    end: 100,
    lag: 10,
    changePerSecond: 0,
    producePerSecond: 0,
    consumePerSecond: 0,
    behindMs: 1000,
    behindEstimated: false,
    etaMs: null,
    verdict: 'OK',
    ...changes,
  });
  const of = (changes: Partial<PartitionLag>, state: GroupLag['state'] = 'Stable', retentionMs = 3_600_000) =>
    groupFindings(
      { group: 'g', state, members: 1, atMs: 0, lag: 10, changePerSecond: 0, partitions: [partition(changes)] },
      new Map([['orders', retentionMs]]),
    );

  it.each<[string, Partial<PartitionLag>, GroupLag['state'], readonly string[]]>([
    ['that keeps up', {}, 'Stable', []],
    ['that rebalances', {}, 'PreparingRebalance', ['group warning']],
    ['that stalls', { verdict: 'STALL' }, 'Stable', ['group error']],
    ['that lost data', { verdict: 'DATA_LOSS' }, 'Stable', ['group error']],
    ['without members, with lag', { verdict: 'NO_MEMBERS' }, 'Empty', ['group warning']],
    ['without members, without lag', { verdict: 'NO_MEMBERS', lag: 0 }, 'Empty', []],
    ['that never committed', { verdict: 'NEVER_COMMITTED' }, 'Empty', ['group info']],
    ['just below half of the retention', { behindMs: 1_799_999 }, 'Stable', []],
    ['at half of the retention', { behindMs: 1_800_000 }, 'Stable', ['retention warning']],
    ['near the retention', { behindMs: 2_880_000 }, 'Stable', ['retention error']],
  ])('%s', (_, changes, state, expected) => {
    expect(severities(of(changes, state))).toEqual(expected);
  });
});

describe('findings', () => {
  const error: Finding = { severity: 'error', check: 'offline', subject: 'topic a', message: 'no leader', remedy: 'x' };
  const warning: Finding = { ...error, severity: 'warning', check: 'brokers', message: 'one | broker', remedy: null };
  const ok: Finding = { ...error, severity: 'ok', check: 'node', subject: 'this machine', message: 'Node 24' };

  it('are told worst first, each with its remedy', () => {
    expect(findingsText([ok, warning, error], 80)).toBe(
      [
        '! error    offline: topic a: no leader',
        '           x',
        '! warning  brokers: topic a: one | broker',
        '  ok       node: this machine: Node 24',
        '',
        '1 error, 1 warning',
        '',
      ].join('\n'),
    );
    expect(findingsText([ok], 80)).toContain('all is well: 1 checks');
  });

  it('can not move the cursor of a terminal', () => {
    expect(findingsText([{ ...error, message: 'a\u001b[2Jb' }], 80)).not.toContain('\u001b');
  });

  it('are JSON with the worst of them', () => {
    expect(JSON.parse(findingsJson([ok, error]))).toEqual({ severity: 'error', findings: [error, ok] });
  });

  it.each([
    ['none', [], true, 0, 'DOCTOR OK - all is well: 0 checks\n'],
    ['what is well', [ok], true, 0, 'DOCTOR OK - all is well: 1 checks\n'],
    ['a warning', [ok, warning], true, 1, 'DOCTOR WARNING - 1 warning; topic a: one / broker\n'],
    [
      'an error',
      [warning, error],
      true,
      2,
      'DOCTOR CRITICAL - 1 error, 1 warning; topic a: no leader; topic a: one / broker\n',
    ],
    ['nothing that answered', [error], false, 3, 'DOCTOR UNKNOWN - 1 error; topic a: no leader\n'],
  ])('as a check: %s', (_, findings, isKnown, exitCode, line) => {
    expect(checkFindings(findings, isKnown)).toEqual({ line, exitCode });
  });
});
