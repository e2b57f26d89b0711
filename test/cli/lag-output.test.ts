import { expect, it } from 'vitest';
import { checkLag, lagJson, lagTable } from '../../src/cli/lag-output.ts';
import type { GroupLag, PartitionLag } from '../../src/operations/lag.ts';

const partition = (change: Partial<PartitionLag>): PartitionLag => ({
  topic: 'orders',
  partition: 0,
  owner: 'app/10.0.0.1',
  committed: 1_234_567,
  logStart: 0,
  end: 1_234_667,
  lag: 100,
  changePerSecond: -5,
  producePerSecond: 5,
  consumePerSecond: 10,
  behindMs: 15_000,
  etaMs: 20_000,
  verdict: 'OK',
  ...change,
});
const group = (...partitions: PartitionLag[]): GroupLag => ({
  group: 'g',
  state: 'Stable',
  members: 1,
  atMs: 0,
  lag: partitions.some(({ lag }) => lag !== null) ? partitions.reduce((sum, { lag }) => sum + (lag ?? 0), 0) : null,
  changePerSecond: -5,
  partitions,
});
const unknown = partition({
  partition: 10,
  owner: null,
  committed: null,
  lag: null,
  changePerSecond: null,
  consumePerSecond: null,
  behindMs: null,
  etaMs: null,
  verdict: 'NEVER_COMMITTED',
});

it('the table aligns numbers to the right, marks what is wrong and shows the unknown as a dash', () => {
  expect(lagTable(group(partition({}), unknown))).toBe(
    [
      'group g  Stable, 1 members  lag 100 (-5.0/s)',
      '   TOPIC   PART  COMMITTED        END  LAG  CHANGE/S  IN/S  OUT/S  BEHIND  CATCH-UP  VERDICT          OWNER',
      '   orders     0  1,234,567  1,234,667  100      -5.0   5.0     10    15 s      20 s  OK               app/10.0.0.1',
      '!  orders    10          -  1,234,667    -         -   5.0      -       -         -  NEVER_COMMITTED  -',
      '',
    ].join('\n'),
  );
});

it('JSON has offsets as texts and null for what is not known', () => {
  expect(lagJson(group(unknown))).toMatchObject({
    at: '1970-01-01T00:00:00.000Z',
    lag: null,
    partitions: [{ committed: null, end: '1234667', logStart: '0', lag: null, behindMs: null }],
  });
});

it.each<[string, GroupLag, { warn?: number; crit?: number }, number, string]>([
  ['all is well', group(partition({})), {}, 0, 'LAG OK - g lag 100 | lag=100;;;0\n'],
  [
    'below both thresholds',
    group(partition({})),
    { warn: 101, crit: 200 },
    0,
    'LAG OK - g lag 100 | lag=100;101;200;0\n',
  ],
  [
    'at the warning threshold',
    group(partition({})),
    { warn: 100, crit: 200 },
    1,
    'LAG WARNING - g lag 100 | lag=100;100;200;0\n',
  ],
  [
    'at the critical threshold',
    group(partition({})),
    { warn: 1, crit: 100 },
    2,
    'LAG CRITICAL - g lag 100 | lag=100;1;100;0\n',
  ],
  [
    'a stall without thresholds',
    group(partition({ verdict: 'STALL' })),
    {},
    2,
    'LAG CRITICAL - g lag 100: orders/0 STALL | lag=100;;;0\n',
  ],
  [
    'a stall below the thresholds',
    group(partition({ verdict: 'STALL' })),
    { crit: 200 },
    0,
    'LAG OK - g lag 100: orders/0 STALL | lag=100;;200;0\n',
  ],
  [
    'lost data, whatever the thresholds',
    group(partition({ verdict: 'DATA_LOSS' })),
    { crit: 200 },
    2,
    'LAG CRITICAL - g lag 100: orders/0 DATA_LOSS | lag=100;;200;0\n',
  ],
  [
    'nobody reads, and there is nothing to read',
    group(partition({ verdict: 'NO_MEMBERS', lag: 0 })),
    {},
    0,
    'LAG OK - g lag 0 | lag=0;;;0\n',
  ],
  ['a lag nobody knows', group(unknown), { crit: 5 }, 3, 'LAG UNKNOWN - g lag not known: orders/10 NEVER_COMMITTED\n'],
])('the check: %s', (_, report, thresholds, exitCode, line) => {
  expect(checkLag(report, thresholds)).toEqual({ line, exitCode });
});
