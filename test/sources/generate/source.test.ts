import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { SourceContext } from '../../../src/declaration/component.ts';
import type { Clock, GatherLimits, RawRecord, Source } from '../../../src/engine/ports.ts';
import { generateSource } from '../../../src/sources/generate/index.ts';

type Options = Parameters<typeof generateSource.create>[0];

/** A clock that moves only while somebody sleeps. */
class SleptClock implements Clock {
  ms = 1_700_000_000_000;
  now = () => this.ms;
  sleep = (delayMs: number): Promise<void> => {
    this.ms += delayMs;
    return Promise.resolve();
  };
}

const wide: GatherLimits = { recordsMax: 1000, bytesMax: 1 << 24 };
const orders = {
  id: 'uuid',
  number: '"A-" + string(sequence)',
  customer: { object: { name: 'name', email: 'email', city: 'city', country: 'country' } },
  qty: { int: { min: 1, max: 5 } },
  price: { amount: { min: 2, max: 20 } },
  total: 'event.qty * event.price',
  lines: { list: { of: { object: { line: 'index', n: { int: { max: 9 } }, twice: 'self.n * 2' } }, min: 0, max: 3 } },
  coupon: { choice: { SPRING: 3, WELCOME: 1 }, missing_ratio: 0.5 },
  note: { value: 'product', null_ratio: 0.5 },
};

async function create(
  options: Partial<Options> & { event?: unknown },
  clock: Clock,
  untilEnd = false,
): Promise<Source> {
  const context = {
    name: 'made-up',
    pipeline: 'p',
    clock,
    untilEnd,
    vars: { currency: 'EUR', factor: 3 },
  } as unknown as SourceContext;
  return await generateSource.create({ seed: 1, partitions: 1, event: orders, ...options } as Options, context);
}

interface Read {
  readonly partition: number;
  readonly offset: number;
  readonly timestampMs: number;
  readonly key: string | null;
  readonly text: string;
}

/** Reads from these positions until the end or until `max` records have come. */
async function read(
  options: Partial<Options> & { event?: unknown },
  { from = [] as number[], limits = wide, max = Number.POSITIVE_INFINITY, clock = new SleptClock() as Clock } = {},
): Promise<{ records: Read[]; positions: number[] }> {
  const source = await create(options, clock);
  await source.start();
  const first = await source.next(limits);
  if (first.kind !== 'assigned') throw new Error(`expected an assignment, got ${first.kind}`);
  const { partitions } = first.assignment;
  const positions = partitions.map((_, index) => from[index] ?? 0);
  source.begin(1, new Map(partitions.map(({ partition }, index) => [partition, positions[index]!])));
  const records: Read[] = [];
  while (records.length < max) {
    const event = await source.next(limits);
    if (event.kind !== 'records') break;
    for (const { partition, records: raws, nextOffset } of event.chunks) {
      expect(raws[0]!.offset).toBe(positions[partition.partition]);
      records.push(...raws.map((raw) => readRecord(partition.partition, raw)));
      positions[partition.partition] = nextOffset;
    }
  }
  await source.close();
  return { records, positions };
}

const readRecord = (partition: number, { offset, timestampMs, key, value }: RawRecord): Read => ({
  partition,
  offset,
  timestampMs,
  key: key === null ? null : Buffer.from(key).toString(),
  text: Buffer.from(value!).toString(),
});

function isJson(text: string): boolean {
  try {
    return JSON.parse(text) !== undefined;
  } catch {
    return false;
  }
}
const events = (records: readonly Read[]) => records.map(({ text }) => JSON.parse(text) as Record<string, never>);
const inOrder = (records: readonly Read[]) =>
  records.toSorted((a, b) => a.offset - b.offset || a.partition - b.partition).map(({ text }) => text);

describe('generate', () => {
  it('gives the same events for the same seed, and others for another', async () => {
    const [once, again, other] = await Promise.all([
      read({ count: 50 }),
      read({ count: 50 }),
      read({ count: 50, seed: 2 }),
    ]);
    expect(again.records.map(({ text }) => text)).toEqual(once.records.map(({ text }) => text));
    expect(other.records.some(({ text }) => once.records.some((record) => record.text === text))).toBe(false);
  });

  it('gives each event exactly once, wherever reading stopped and whatever each partition has had', async () => {
    const whole = await read({ count: 40, partitions: 3 });
    expect(inOrder(whole.records)).toEqual((await read({ count: 40 })).records.map(({ text }) => text));
    const position = fc.integer({ min: 0, max: 14 });
    await fc.assert(
      fc.asyncProperty(
        fc.tuple(position, position, position),
        fc.integer({ min: 1, max: 7 }),
        async (from, recordsMax) => {
          const rest = await read({ count: 40, partitions: 3 }, { from, limits: { recordsMax, bytesMax: 500 } });
          const expected = whole.records.filter(({ partition, offset }) => offset >= from[partition]!);
          expect(inOrder(rest.records)).toEqual(inOrder(expected));
        },
      ),
      { numRuns: 50 },
    );
  });

  it('keeps the values of a field when others are added before it', async () => {
    const { qty } = orders;
    const alone = events((await read({ count: 20, event: { qty } })).records);
    const amongOthers = events((await read({ count: 20, event: { id: 'uuid', price: 5, qty } })).records);
    expect(amongOthers.map((event) => event.qty)).toEqual(alone.map((event) => event.qty));
  });

  it('fills every kind of field as the template says', async () => {
    const made = events((await read({ count: 400 })).records) as unknown as {
      readonly id: string;
      readonly number: string;
      readonly customer: { readonly name: string; readonly email: string; readonly city: string };
      readonly qty: number;
      readonly price: number;
      readonly total: number;
      readonly lines: readonly { readonly line: number; readonly n: number; readonly twice: number }[];
      readonly coupon?: string;
      readonly note: string | null;
    }[];
    expect(new Set(made.map(({ id }) => id)).size).toBe(400);
    for (const [n, { id, number, customer, qty, price, total, lines }] of made.entries()) {
      expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
      expect(number).toBe(`A-${n + 1}`);
      expect(customer.email.startsWith(customer.name.toLowerCase().replace(' ', '.'))).toBe(true);
      expect(price).toBe(Math.round(price * 100) / 100);
      expect(total).toBe(qty * price);
      expect(lines).toEqual(lines.map((line, index) => ({ line: index, n: line.n, twice: line.n * 2 })));
    }
    expect(new Set(made.map(({ qty }) => qty))).toEqual(new Set([1, 2, 3, 4, 5]));
    expect(new Set(made.map(({ lines }) => lines.length))).toEqual(new Set([0, 1, 2, 3]));
    expect(new Set(made.flatMap(({ lines }) => lines.map(({ n }) => n))).size).toBe(10);
    const share = (test: (event: (typeof made)[number]) => boolean) => made.filter(test).length / made.length;
    expect(share(({ coupon }) => coupon === undefined)).toBeCloseTo(0.5, 1);
    expect(share(({ coupon }) => coupon === 'SPRING')).toBeCloseTo(0.375, 1);
    expect(share(({ note }) => note === null)).toBeCloseTo(0.5, 1);
  });

  it('lets events come at the rate, and counts those that are due and not taken as lag', async () => {
    const clock = new SleptClock();
    const startMs = clock.ms;
    const { records } = await read({ rate: '100/s', count: 200 }, { clock });
    expect(clock.ms - startMs).toBe(1990);
    expect(records.map(({ timestampMs }) => timestampMs - startMs)).toEqual(records.map((_, n) => n * 10));

    const source = await create({ rate: '100/s', partitions: 3 }, clock);
    const first = await source.next(wide);
    if (first.kind !== 'assigned') throw new Error('expected an assignment');
    const partitions = first.assignment.partitions.map(({ partition }) => partition);
    source.begin(1, new Map(partitions.map((partition) => [partition, 0])));
    await source.next(wide);
    clock.ms += 1000;
    expect(partitions.map((partition) => source.ends().get(partition))).toEqual([34, 34, 33]);
  });

  it('dates events by the clock option alone, with jitter and stragglers before it', async () => {
    const event = { at: 'time', seen: { time: { jitter: '5s', late: { ratio: 0.2, by: '1h' }, unit: 'ms' } } };
    const clock = { from: '2026-01-01T00:00:00Z', every: '1m' };
    const { records } = await read({ count: 100, event, clock }, { from: [10] });
    const from = Date.parse(clock.from);
    expect(records.map(({ timestampMs }) => timestampMs)).toEqual(records.map((_, i) => from + (i + 10) * 60_000));
    const made = events(records) as unknown as { readonly at: string; readonly seen: number }[];
    const behindMs = made.map(({ at, seen }) => Date.parse(at) - seen);
    expect(Math.min(...behindMs)).toBeGreaterThanOrEqual(0);
    expect(Math.max(...behindMs)).toBeLessThanOrEqual(3_605_000);
    expect(behindMs.filter((ms) => ms > 5000).length).toBeGreaterThan(5);
    expect(behindMs.filter((ms) => ms <= 5000).length).toBeGreaterThan(60);
  });

  it('takes the key from an expression, and cuts off as many records as it is told', async () => {
    const { records } = await read({ count: 500, key: '"c" + string(event.qty)', broken_ratio: 0.1 });
    const whole = records.filter(({ text }) => isJson(text));
    expect(whole.length / 500).toBeCloseTo(0.9, 1);
    for (const record of whole) expect(record.key).toBe(`c${String(events([record])[0]!.qty)}`);
  });

  it('ends a pending call when it is closed', async () => {
    const never: Clock = {
      now: () => 0,
      sleep: (_, signal) => new Promise((resolve) => signal?.addEventListener('abort', () => resolve())),
    };
    const source = await create({ rate: '1/h' }, never);
    const first = await source.next(wide);
    if (first.kind !== 'assigned') throw new Error('expected an assignment');
    source.begin(1, new Map([[first.assignment.partitions[0]!.partition, 0]]));
    expect(await source.next(wide)).toMatchObject({ kind: 'records' });
    const pending = source.next(wide);
    await source.close();
    expect(await pending).toEqual({ kind: 'ended' });
  });

  it('says which field of which event failed', async () => {
    const event = { a: { choice: [null] }, b: { int: { max: 3 } }, c: 'event.a + 1' };
    await expect(read({ event, count: 3 })).rejects.toThrow("event 0 can't be generated: event.c: event.a is null");
  });

  it('refuses to run until an end that never comes', async () => {
    await expect(create({}, new SleptClock(), true)).rejects.toMatchObject({ code: 'generate_endless' });
  });
});

it('reads vars in its expressions', async () => {
  const event = { currency: 'vars.currency', limit: 'sequence * vars.factor' };
  const { records } = await read({ count: 1, event });
  expect(events(records)).toEqual([{ currency: 'EUR', limit: 3 }]);
});
