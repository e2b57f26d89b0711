import { expect, it } from 'vitest';
import { checkLag, lagJson, lagTable, type LagThresholds, type ShownLag } from '../../src/cli/lag-output.ts';
import type { PartitionLag } from '../../src/operations/lag.ts';

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
  behindEstimated: false,
  etaMs: 20_000,
  verdict: 'OK',
  ...change,
});
const group = (...partitions: PartitionLag[]): ShownLag => ({
  group: 'g',
  sink: null,
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
  expect(lagJson([group(unknown)])).toMatchObject({
    at: '1970-01-01T00:00:00.000Z',
    lag: null,
    partitions: [{ committed: null, end: '1234667', logStart: '0', lag: null, behindMs: null }],
  });
});

it('an age that was estimated is marked and explained, in JSON too', () => {
  const report = group(partition({ behindEstimated: true, verdict: 'DATA_LOSS' }));
  expect(lagTable(report)).toContain('   ~15 s ');
  expect(lagTable(report)).toContain('\n~ estimated: ');
  expect(lagJson([report])).toMatchObject({ partitions: [{ behindMs: 15_000, behindEstimated: true }] });
});

it('groups of optional sinks are shown by the name of their sink', () => {
  const search = { ...group(partition({ lag: 7 })), group: 'g.search', sink: 'search' };
  expect(lagTable(search)).toMatch(/^group g\.search of sink search {2}Stable/);
  expect(lagJson([group(partition({})), search])).toMatchObject({
    group: 'g',
    sinks: [{ group: 'g.search', sink: 'search', lag: 7 }],
  });
  const { line, exitCode } = checkLag([group(partition({})), search], { maxLag: 50 });
  expect(exitCode).toBe(2);
  expect(line).toBe(
    "LAG CRITICAL - g lag 100, 15 s behind; g.search lag 7, 15 s behind | 'g lag'=100;;50;0 'g behind'=15s;;;0 'g.search lag'=7;;50;0 'g.search behind'=15s;;;0\n",
  );
});

it('members that this does not know are unknown, not none', () => {
  expect(lagTable({ ...group(partition({})), state: 'Unknown', members: null })).toMatch(
    /^group g {2}Unknown, unknown/,
  );
});

it.each<[string, ShownLag, LagThresholds, number, string]>([
  ['all is well', group(partition({})), {}, 0, 'LAG OK - g lag 100, 15 s behind'],
  ['at the thresholds', group(partition({})), { warnLag: 100, maxSeconds: 15 }, 0, 'LAG OK - g lag 100, 15 s behind'],
  ['records above the warning', group(partition({})), { warnLag: 99, maxLag: 200 }, 1, 'LAG WARNING - g lag 100'],
  ['records above the limit', group(partition({})), { warnLag: 1, maxLag: 99 }, 2, 'LAG CRITICAL - g lag 100'],
  [
    'seconds above the warning',
    group(partition({})),
    { warnSeconds: 14, maxSeconds: 20 },
    1,
    'LAG WARNING - g lag 100',
  ],
  ['seconds above the limit', group(partition({})), { maxLag: 200, maxSeconds: 14 }, 2, 'LAG CRITICAL - g lag 100'],
  [
    'a stall without thresholds',
    group(partition({ verdict: 'STALL' })),
    {},
    2,
    'LAG CRITICAL - g lag 100, 15 s behind: orders/0 STALL',
  ],
  [
    'a stall below the thresholds',
    group(partition({ verdict: 'STALL' })),
    { maxLag: 200 },
    0,
    'LAG OK - g lag 100, 15 s behind: orders/0 STALL',
  ],
  [
    'lost data, whatever the thresholds',
    group(partition({ verdict: 'DATA_LOSS' })),
    { maxLag: 200 },
    2,
    'LAG CRITICAL - g lag 100, 15 s behind: orders/0 DATA_LOSS',
  ],
  [
    'nobody reads, and there is nothing to read',
    group(partition({ verdict: 'NO_MEMBERS', lag: 0, behindMs: 0 })),
    {},
    0,
    'LAG OK - g lag 0, 0 s behind',
  ],
  [
    'a lag nobody knows',
    group(unknown),
    { maxLag: 5 },
    3,
    'LAG UNKNOWN - g lag not known: orders/10 NEVER_COMMITTED\n',
  ],
  ['an age nobody knows', group(partition({ behindMs: null })), { maxSeconds: 5 }, 3, 'LAG UNKNOWN - g lag 100 |'],
  [
    'an age nobody knows where lag is above its limit',
    group(partition({ behindMs: null })),
    { maxSeconds: 5, maxLag: 1 },
    2,
    'LAG CRITICAL - g lag 100 |',
  ],
])('the check: %s', (_, report, thresholds, exitCode, line) => {
  const check = checkLag([report], thresholds);
  expect(check.exitCode).toBe(exitCode);
  expect(check.line.startsWith(line)).toBe(true);
});
