import { describe, expect, it } from 'vitest';
import type { BuildContext } from '../../src/declaration/component.ts';
import type { EventRecord } from '../../src/engine/ports.ts';
import { StreamRecord } from '../../src/engine/record.ts';
import { compileExpression, compileTemplate } from '../../src/expressions/index.ts';
import { steps } from '../../src/steps/index.ts';
import type { OnError } from '../../src/steps/failure.ts';

const partition = { cluster: 'c', topic: 'orders', topicId: 'i', partition: 3, source: 's' };
const reader = { decode: (value: Uint8Array) => value, readKey: (key: Uint8Array) => key, readMeta: () => null };

const context: BuildContext = {
  event: 'dyn',
  fields: null,
  vars: {},
  expression: (text, _, expected) => {
    const compiled = compileExpression(text, expected ? { expected } : {});
    if (!compiled.ok) throw new Error(compiled.problems[0]!.message);
    return compiled.expression;
  },
  template: (text) => {
    const compiled = compileTemplate(text, {});
    if (!compiled.ok) throw new Error(compiled.problems[0]!.message);
    return compiled.expression;
  },
  lookup: () => expect.unreachable('these steps look nothing up'),
  problem: (_, __, message) => expect.unreachable(message),
  warning: (_, __, message) => expect.unreachable(message),
};

/** Runs one step over events and tells what became of them. */
function apply(kind: string, options: unknown, events: readonly unknown[], onError: OnError = 'dlq') {
  const declaration = steps.find(({ name }) => name === kind)!;
  const step = declaration.create(options as never, { ...context, name: `${kind}-1`, onError });
  const records = events.map((event, offset) => {
    const raw = { offset, timestampMs: 0, key: null, value: null, headers: undefined };
    const record = new StreamRecord(raw, partition, reader);
    record.event = event;
    return record;
  });
  const filtered: number[] = [];
  const dropped: string[] = [];
  const dead: [number, string][] = [];
  const out = step.apply(records, {
    filtered: ({ raw }) => filtered.push(raw.offset),
    dropped: ({ raw }, reason) => dropped.push(`${raw.offset}:${reason}`),
    dead: ({ raw }, code) => dead.push([raw.offset, code]),
  });
  return { out: out.map(({ event }: EventRecord) => event), records: out, filtered, dropped, dead };
}

describe('filter', () => {
  it('lets through what is true and nothing else', () => {
    expect(apply('filter', 'event.n > 1', [{ n: 1 }, { n: 2 }])).toMatchObject({ out: [{ n: 2 }], filtered: [0] });
  });

  it('makes the one event it can not judge a dead letter', () => {
    expect(apply('filter', 'event.n > 1', [{ n: 2 }, {}, { n: 3 }])).toMatchObject({
      out: [{ n: 2 }, { n: 3 }],
      dead: [[1, 'field_missing']],
    });
  });
});

describe('on_error', () => {
  it('drop leaves the event out and counts why', () => {
    expect(apply('filter', 'event.n > 1', [{}], 'drop')).toMatchObject({ out: [], dropped: ['0:field_missing'] });
  });

  it('stop ends the pipeline and names the record', () => {
    expect(() => apply('filter', 'event.n > 1', [{ n: 1 }, {}], 'stop')).toThrow(
      /filter-1.*orders partition 3 offset 1/,
    );
  });
});

describe('map', () => {
  it('replaces the event', () => {
    expect(apply('map', { id: 'event.n', double: 'event.n * 2' }, [{ n: 2, rest: 1 }]).out).toEqual([
      { id: 2, double: 4 },
    ]);
  });

  it('knows the fields that come out', () => {
    const { output } = steps.find(({ name }) => name === 'map')!;
    const expression = (text: unknown) => context.expression(text, []);
    const event = output({ a: 1, b: '"x"' } as never, 'dyn', { name: 'map', expression, row: () => 'dyn' });
    expect(event).toEqual({ fields: { a: 'int', b: 'string' }, removed: {} });
  });
});

describe('set', () => {
  it('computes every field from the event as it was', () => {
    expect(apply('set', { a: 'event.b', b: 'event.a' }, [{ a: 1, b: 2, c: 3 }]).out).toEqual([{ a: 2, b: 1, c: 3 }]);
  });

  it('changes nothing of an event of which one field fails', () => {
    const result = apply('set', { a: '1', b: 'event.missing' }, [{ a: 0 }]);
    expect(result).toMatchObject({ out: [], dead: [[0, 'field_missing']] });
  });

  it('refuses an event that is no object', () => {
    expect(apply('set', { a: '1' }, [7, null, [1]]).dead).toEqual([
      [0, 'type_mismatch'],
      [1, 'null_operand'],
      [2, 'type_mismatch'],
    ]);
  });
});

describe('drop', () => {
  it('removes fields, also inside fields, and leaves the others', () => {
    const event = { email: 'a', customer: { phone: 1, name: 'n' }, id: 1 };
    expect(apply('drop', ['email', 'customer.phone', 'absent'], [event]).out).toEqual([
      { customer: { name: 'n' }, id: 1 },
    ]);
  });

  it('does not touch what elements of one record share', () => {
    const shared = { phone: 1, name: 'n' };
    const { out } = apply('drop', ['customer.phone'], [{ customer: shared }]);
    expect(out).toEqual([{ customer: { name: 'n' } }]);
    expect(shared).toEqual({ phone: 1, name: 'n' });
  });
});

describe('keep', () => {
  it('keeps the named fields that are there', () => {
    expect(apply('keep', ['b', 'a', 'x'], [{ a: 1, b: 2, c: 3 }]).out).toEqual([{ b: 2, a: 1 }]);
  });
});

describe('explode', () => {
  it('makes one event of each element, with its number and the parent’s fields', () => {
    const { out, records } = apply('explode', 'event.lines', [{ id: 1, lines: [{ sku: 'a' }, { sku: 'b' }] }]);
    expect(out).toMatchObject([
      { id: 1, item: { sku: 'a' }, index: 0 },
      { id: 1, item: { sku: 'b' }, index: 1 },
    ]);
    expect(records.map(({ element }) => element)).toEqual(['0', '1']);
  });

  it('names elements of elements by both numbers', () => {
    const first = apply('explode', 'event.lines', [{ lines: [{}, {}] }]).records as StreamRecord[];
    expect(first[1]!.forElement(0, {}).element).toBe('1.0');
  });

  it('filters an event whose list is empty or null, and refuses what is no list', () => {
    expect(apply('explode', 'event.?lines', [{ lines: [] }, {}, { lines: 'text' }])).toMatchObject({
      out: [],
      filtered: [0, 1],
      dead: [[2, 'type_mismatch']],
    });
  });
});
