import type {
  DeadLetterSample,
  PartitionStatus,
  SinkStatus,
  StageStatus,
  StatusSnapshot,
} from '../../src/runtime/status.ts';

/** In the machine's zone, as the view shows it, so that a picture is the same everywhere. */
const NOW_MS = new Date(2026, 10, 22, 14, 32, 7).getTime();

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;

function stage(
  name: string,
  rates: readonly [number | null, number | null, number | null, number | null],
  busy: number,
): StageStatus {
  const [inPerSecond, outPerSecond, filteredPerSecond, deadPerSecond] = rates;
  return {
    name,
    kind: name.split(' ')[0] ?? name,
    inPerSecond,
    outPerSecond,
    filteredPerSecond,
    deadPerSecond,
    in: 0,
    out: 0,
    filtered: 0,
    dropped: 0,
    dead: 0,
    added: 0,
    busy,
  };
}

export function partition(number: number, changes: Partial<PartitionStatus> = {}): PartitionStatus {
  return {
    topic: 'shop.orders.placed.v1',
    partition: number,
    owner: 'orders-a',
    position: 1_000,
    end: 1_063,
    lag: 63,
    lagChangePerSecond: 0,
    behindMs: 41,
    inPerSecond: 1_538,
    catchUpMs: null,
    verdict: 'OK',
    idleMs: null,
    hotShare: null,
    note: '',
    ...changes,
  };
}

export function sink(name: string, changes: Partial<SinkStatus> = {}): SinkStatus {
  return {
    name,
    required: true,
    rowsPerSecond: 2_140,
    batchRows: 214,
    writeP95Ms: 18,
    retries: 0,
    behindRows: 0,
    state: 'OK',
    sinceMs: null,
    note: '',
    offered: 5_185_688,
    written: 5_185_676,
    superseded: 12,
    skippedOffset: 0,
    skippedVersion: 0,
    excluded: 0,
    rejected: 0,
    ...changes,
  };
}

export const healthy: StatusSnapshot = {
  pipeline: 'orders-per-store',
  file: 'orders-per-store.yaml',
  environment: 'prod',
  member: 'orders-a',
  pid: 4711,
  state: 'running',
  ready: true,
  rebalances: 0,
  startedAtMs: NOW_MS - (6 * 24 * HOUR + 4 * HOUR + 12 * MINUTE),
  atMs: NOW_MS,
  source: 'shop.orders.placed.v1 (avro)',
  members: 3,
  delivery: [
    { sink: 'postgres', verdict: 'effectively once' },
    { sink: 'clickhouse', verdict: 'effectively once' },
    { sink: 'redis', verdict: 'effectively once' },
  ],
  stages: [
    stage('produced', [null, 12_480, null, null], 0),
    stage('decode', [12_140, 12_138, null, 0], 0.11),
    stage('filter paid', [12_138, 9_714, 2_424, 0], 0.04),
    stage('enrich customer', [9_714, 9_714, null, 0], 0.09),
    stage('map row', [9_714, 9_714, null, 0], 0.22),
  ],
  endToEnd: { p50Ms: 41, p95Ms: 63, p99Ms: 8.4 * 10 },
  breakers: [
    {
      state: 'closed',
      sink: null,
      ratio: 0.000_2,
      ratioMax: 0.2,
      overMs: MINUTE,
      sinceMs: null,
      causes: [],
    },
  ],
  account: {
    read: 6_482_119_034,
    filtered: 1_296_423_806,
    dropped: 0,
    dead: 1_842,
    added: 0,
    delivered: 5_185_690_475,
    pending: 2_911,
    difference: 0,
  },
  partitions: [
    partition(0),
    partition(1, { owner: 'orders-b' }),
    partition(2, { owner: 'orders-c' }),
    partition(3),
    partition(4, { owner: 'orders-b' }),
    partition(5, { owner: 'orders-b' }),
    partition(6, { owner: 'orders-c', lag: 0, behindMs: 0, inPerSecond: 0, idleMs: 250_000 }),
    partition(7),
  ],
  lag: 441,
  lagChangePerSecond: 0,
  sinks: [
    sink('postgres'),
    sink('clickhouse', { writeP95Ms: 31 }),
    sink('redis', { required: false, writeP95Ms: 2.4 }),
  ],
  deadLetters: {
    total: 0,
    perSecond: 0,
    destination: 'orders-per-store.dlq',
    letters: { open: 0, replayed: 0, resolved: 0, quarantined: 0, uncounted: 0, openChangePerSecond: 0 },
    causes: [],
    byCode: [],
  },
  events: [
    { atMs: NOW_MS - 3 * MINUTE, level: 'info', code: 'rebalanced', message: '8 partitions, generation 14' },
    { atMs: NOW_MS - 30 * HOUR, level: 'info', code: 'started', message: 'reads from the sinks’ positions' },
  ],
};

/** The picture the view is built after: an optional sink is down, one partition falls behind, dead letters grow. */
export const troubled: StatusSnapshot = {
  ...healthy,
  stages: healthy.stages.map((each) => {
    if (each.name === 'decode') return { ...each, deadPerSecond: 2 };
    return each.name === 'enrich customer' ? { ...each, deadPerSecond: 0.02 } : each;
  }),
  endToEnd: { p50Ms: 41, p95Ms: 14_830, p99Ms: 15_310 },
  partitions: healthy.partitions.map((each) =>
    each.partition === 5
      ? {
          ...each,
          lag: 48_210,
          lagChangePerSecond: 340,
          behindMs: 15_000,
          inPerSecond: 2_890,
          verdict: 'WARN',
          hotShare: 0.24,
          note: 'hot: 24% of all',
        }
      : each,
  ),
  lag: 48_652,
  lagChangePerSecond: 340,
  sinks: healthy.sinks.map((each) =>
    each.name === 'redis'
      ? {
          ...each,
          rowsPerSecond: 0,
          batchRows: null,
          writeP95Ms: null,
          retries: 14,
          behindRows: 419_440,
          state: 'DOWN',
          sinceMs: NOW_MS - 3 * MINUTE - 16_000,
          note: 'ECONNREFUSED, next in 22 s',
        }
      : each,
  ),
  deadLetters: {
    total: 1_317,
    perSecond: 2.02,
    destination: 'orders-per-store.dlq',
    letters: { open: 1_317, replayed: 493, resolved: 32, quarantined: 0, uncounted: 0, openChangePerSecond: 2.02 },
    byCode: [],
    causes: [
      {
        fingerprint: '77c1',
        count: 96,
        letters: null,
        perSecond: 0.02,
        stage: 'step:enrich customer',
        code: 'field_missing',
        message: 'event.customer_id is missing',
        firstAtMs: NOW_MS - 5 * HOUR,
        lastAtMs: NOW_MS - 10 * SECOND,
      },
      {
        fingerprint: 'a3f9',
        count: 1_204,
        letters: { open: 1_204, replayed: 0, resolved: 0, quarantined: 0 },
        perSecond: 2,
        stage: 'decode',
        code: 'schema_unknown',
        message: 'unknown schema id 4711',
        firstAtMs: NOW_MS - 10 * MINUTE,
        lastAtMs: NOW_MS,
      },
      {
        fingerprint: '0be2',
        count: 17,
        letters: { open: 17, replayed: 493, resolved: 32, quarantined: 0 },
        perSecond: 0,
        stage: 'timestamp',
        code: 'timestamp_ahead',
        message: '4h12m ahead of the clock',
        firstAtMs: NOW_MS - 9 * HOUR,
        lastAtMs: NOW_MS - 3 * HOUR,
      },
    ],
  },
  events: [
    { atMs: NOW_MS - 22 * SECOND, level: 'warn', code: 'lag_growing', message: 'lag of p5 grows by 340/s for 2m' },
    {
      atMs: NOW_MS - 196 * SECOND,
      level: 'error',
      code: 'sink_unavailable',
      message: 'redis: connect ECONNREFUSED; optional, the others go on',
    },
    ...healthy.events,
  ],
};

export const starting: StatusSnapshot = {
  ...healthy,
  state: 'starting',
  startedAtMs: NOW_MS - 1_500,
  members: null,
  stages: [],
  endToEnd: { p50Ms: null, p95Ms: null, p99Ms: null },
  account: { read: 0, filtered: 0, dropped: 0, dead: 0, added: 0, delivered: 0, pending: 0, difference: 0 },
  partitions: [],
  lag: null,
  lagChangePerSecond: null,
  sinks: healthy.sinks.map((each) => ({ ...each, rowsPerSecond: 0, batchRows: null, writeP95Ms: null })),
  events: [],
};

export const rebalancing: StatusSnapshot = {
  ...healthy,
  state: 'rebalancing',
  members: 4,
  partitions: [],
  lag: null,
  lagChangePerSecond: null,
};

export const draining: StatusSnapshot = {
  ...healthy,
  state: 'draining',
  stages: healthy.stages.map((each) => ({
    ...each,
    inPerSecond: each.inPerSecond === null ? null : 0,
    outPerSecond: 0,
  })),
};

/** 200 partitions of which four are in trouble, none of them among the first. */
export const manyPartitions: StatusSnapshot = {
  ...healthy,
  partitions: Array.from({ length: 200 }, (_, number) => {
    if (number === 117)
      return partition(number, {
        lag: 90_000,
        behindMs: 61_000,
        verdict: 'STALL',
        note: 'position stands still for 2m',
      });
    if (number % 60 === 59)
      return partition(number, {
        lag: 10_000 + number,
        behindMs: 8_000 + number,
        verdict: 'WARN',
        note: 'never fell in 2m',
      });
    return partition(number, { owner: `orders-${'abc'[number % 3]}` });
  }),
  lag: 130_000,
  lagChangePerSecond: 12,
};

/** Of the cause a3f9 of `troubled`. */
export const sampleRecord: DeadLetterSample = {
  topic: 'shop.orders.placed.v1',
  partition: 5,
  offset: '810226',
  timestampMs: troubled.atMs - 400,
  failedAtMs: troubled.atMs,
  message: 'unknown schema id 4711',
  key: 'store-17',
  value:
    '{"order_id":"81-0226","store":17,"total":"19.99","note":"left at the door","lines":[{"sku":"A-1","count":2}]}',
  valueBytes: 4096,
};
