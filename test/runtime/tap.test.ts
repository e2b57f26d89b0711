import { once } from 'node:events';
import type { Readable } from 'node:stream';
import { describe, expect, test } from 'vitest';
import type { EventRecord, Partition } from '../../src/engine/ports.ts';
import { type TapRequest, Taps, tapRequest } from '../../src/runtime/tap.ts';

const partition: Partition = { cluster: 'c', topic: 'orders', topicId: 't', partition: 3, source: 'orders' };
const stages = [
  { name: 'decode', kind: 'decode' },
  { name: 'only paid', kind: 'filter' },
  { name: 'map-2', kind: 'map' },
];
const asks: TapRequest = { after: 'only paid', perSecond: 10, limit: null, key: null, redact: [] };

function record(offset: number, event: unknown, key: string | null = `k${offset}`): EventRecord {
  const raw = { offset, timestampMs: 0, key: key === null ? null : Buffer.from(key), value: null, headers: undefined };
  return { event, raw, partition, element: '', key, meta: {} };
}

const records = (count: number, event: unknown = {}): EventRecord[] =>
  Array.from({ length: count }, (_, offset) => record(offset, event));

interface Line {
  readonly offset?: string;
  readonly event?: unknown;
  readonly key?: string | null;
  readonly seen?: number;
}

/** What waits to be read. */
function linesOf(stream: Readable): readonly Line[] {
  const text = (stream.read() as Buffer | null)?.toString('utf8') ?? '';
  return text
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line) as Line);
}

function opened(request: Partial<TapRequest> = {}, secrets: readonly string[] = []) {
  const taps = new Taps(stages, secrets);
  const clock = { nowMs: 0 };
  const stream = taps.open({ ...asks, ...request }, () => clock.nowMs);
  return { taps, clock, stream, see: (some: EventRecord[], place = 1) => taps.byStage[place]?.(some) };
}

describe('a tap', () => {
  test('costs the engine nothing before it is opened and after it is closed', async () => {
    const { taps, stream } = opened();
    expect([0, 1, 2].map((place) => taps.byStage[place] === undefined)).toEqual([true, false, true]);
    stream.destroy();
    await once(stream, 'close');
    expect(taps.byStage.every((tap) => tap === undefined)).toBe(true);
    expect(new Taps(stages, []).byStage).toEqual([]);
  });

  test('shows an event as it is at that moment, with the place it came from', () => {
    const { stream, see } = opened();
    const event = { id: 1, items: [{ sku: 'a' }] };
    see([record(7, event)]);
    event.items[0]!.sku = 'changed by the next step';
    expect(linesOf(stream)).toEqual([
      {
        topic: 'orders',
        partition: 3,
        offset: '7',
        timestamp: '1970-01-01T00:00:00.000Z',
        key: 'k7',
        event: { id: 1, items: [{ sku: 'a' }] },
      },
    ]);
  });

  test('shows at most so many a second, however many there are', () => {
    const { clock, stream, see } = opened({ perSecond: 5 });
    see(records(1_000));
    expect(linesOf(stream)).toHaveLength(5);
    clock.nowMs = 400;
    see(records(1_000));
    expect(linesOf(stream)).toHaveLength(2);
    clock.nowMs = 60_000;
    see(records(1_000));
    expect(linesOf(stream)).toHaveLength(5);
  });

  test('ends after its limit, and says how many it has seen', () => {
    const { stream, see } = opened({ limit: 2 });
    see(records(1));
    see(records(9));
    const lines = linesOf(stream);
    expect(lines).toHaveLength(3);
    expect(lines[2]).toEqual({ seen: 2, shown: 2, dropped: 0 });
    expect(stream.read()).toBeNull();
    see(records(9));
    expect(linesOf(stream)).toEqual([]);
  });

  test('drops events for a reader that does not keep up, in bounded memory, and says how many', async () => {
    const { clock, stream, see } = opened({ perSecond: 1_000 });
    const big = { text: 'x'.repeat(10_000) };
    for (let second = 0; second < 100; second++) {
      clock.nowMs = second * 1_000;
      see(records(50, big));
    }
    expect(stream.readableLength).toBeLessThan(300 * 1024);
    const shown = linesOf(stream).length;
    await expect
      .poll(() => linesOf(stream), { timeout: 3_000 })
      .toContainEqual({ seen: 5_000, shown, dropped: 5_000 - shown });
    stream.destroy();
  });

  test('takes the records of one key alone, also where the key is JSON text', () => {
    const { stream, see } = opened({ key: 'k1' });
    see([...records(3), record(9, {}, '"k1"'), record(10, {}, null)]);
    expect(linesOf(stream).map(({ offset }) => offset)).toEqual(['1', '9']);
  });

  test('hides fields that are to be hidden, also in arrays, and secrets wherever they stand', () => {
    const { stream, see } = opened({ redact: ['customer.email', 'event.lines.sku', 'key'] }, ['hunter22']);
    see([
      record(1, {
        customer: { email: 'a@b.c', name: 'the password is hunter22' },
        email: 'kept',
        lines: [{ sku: 'x', n: 1n }],
        url: 'postgres://me:pw@db/x',
      }),
    ]);
    const [line] = linesOf(stream);
    expect(line).toMatchObject({
      key: '***',
      event: { customer: { email: '***', name: 'the password is ***' }, email: 'kept', lines: [{ sku: '***', n: 1 }] },
    });
    expect(JSON.stringify(line)).not.toMatch(/hunter22|:pw@/);
  });

  test('gives no control character of the data to a terminal, and cuts what is too large', () => {
    const { stream, see } = opened();
    see([record(1, { text: '\u001b[2J\u009b31m\u202e' }), record(2, 'y'.repeat(100_000))]);
    const text = (stream.read() as Buffer).toString('utf8');
    expect(text).not.toMatch(/[^\n\P{Cc}]|\p{Cf}/u);
    expect(text.length).toBeLessThan(70_000);
    const lines = text
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Line & { cut?: boolean });
    expect(lines[0]).toMatchObject({ event: { text: '\u001b[2J\u009b31m\u202e' } });
    expect(lines[1]).toMatchObject({ cut: true });
  });

  test('after source is what was read; an unknown step is answered with those there are', () => {
    const { stream, see } = opened({ after: 'source' });
    see(records(1), 0);
    expect(linesOf(stream)).toHaveLength(1);
    const unknown = () => opened({ after: 'only payed' });
    expect(unknown).toThrow('there is no step "only payed"; did you mean "only paid"?');
    expect(unknown).toThrow(expect.objectContaining({ hint: 'it has decode, only paid and map-2' }));
  });

  test('several may watch one step, but not any number', () => {
    const taps = new Taps(stages, []);
    const streams = Array.from({ length: 8 }, () => taps.open(asks, () => 0));
    taps.byStage[1]!(records(1));
    expect(streams.map((stream) => linesOf(stream).length)).toEqual(streams.map(() => 1));
    expect(() => taps.open(asks, () => 0)).toThrow('there are 8 taps already');
    for (const stream of streams) stream.destroy();
  });
});

test('a request is checked before anything is opened', () => {
  const of = (query: string) => tapRequest(new URLSearchParams(query));
  expect(of('after=map-2&rate=0.5&limit=3&key=a&redact=x&redact=y.z')).toEqual({
    after: 'map-2',
    perSecond: 0.5,
    limit: 3,
    key: 'a',
    redact: ['x', 'y.z'],
  });
  expect(of('after=map-2')).toMatchObject({ perSecond: 10, limit: null, key: null });
  expect(() => of('')).toThrow('after is missing');
  expect(() => of('after=x&rate=1e9')).toThrow('rate is a number up to 1000');
  expect(() => of('after=x&rate=-1')).toThrow('rate');
  expect(() => of('after=x&limit=none')).toThrow('limit');
});
