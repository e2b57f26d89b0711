import { describe, expect, it } from 'vitest';
import { Decimal, Duration, Timestamp } from '../../src/expressions/index.ts';
import { fieldDifferences, itemDifferences } from '../../src/testing/compare.ts';

const time = new Timestamp(Date.UTC(2026, 0, 1) * 1000 + 500_000);

describe('values compare by what they mean', () => {
  it.for([
    [1, 1n],
    [19.99, new Decimal('19.990')],
    ['2026-01-01T00:00:00.5Z', time],
    ['2026-01-01T01:00:00.500000+01:00', time],
    ['90s', new Duration(90_000_000)],
    ['1.5m', new Duration(90_000_000)],
    ['AQI=', new Uint8Array([1, 2])],
    [null, null],
    [{ a: [{ b: 1 }] }, { a: [{ b: 1, c: 2 }], d: 3 }],
  ] as const)('%j is %s', ([expected, got]) => expect(fieldDifferences(expected, got, false)).toEqual([]));

  it.for([
    ['1', 1],
    [1, '1'],
    [true, 'true'],
    [null, 0],
    ['2026-01-01T00:00:00Z', time],
    ['2026-01-01T00:00:00.5', time],
    ['yesterday', time],
    ['91s', new Duration(90_000_000)],
    [{}, []],
    [[1], [1, 2]],
    [{ a: null }, {}],
    [{ toString: 1 }, {}],
  ] as const)('%j is not %s', ([expected, got]) => expect(fieldDifferences(expected, got, false)).not.toEqual([]));

  it('exact also tells fields that are too many, at any depth', () => {
    expect(fieldDifferences({ a: { b: 1 } }, { a: { b: 1, c: 2 }, d: 3 }, true)).toEqual([
      { path: 'a.c', got: 2 },
      { path: 'd', got: 3 },
    ]);
  });
});

describe('lists are laid beside each other', () => {
  const rows = (...ids: readonly number[]) => ids.map((id) => ({ id }));

  it('so that one missing row in the middle is one difference', () => {
    expect(itemDifferences(rows(1, 2, 3, 4), rows(1, 3, 4), true)).toEqual([
      { kind: 'missing', index: 1, expected: { id: 2 } },
    ]);
  });

  it('so that one row too many is one difference', () => {
    expect(itemDifferences(rows(1, 3), rows(1, 2, 3, 4), true)).toEqual([
      { kind: 'unexpected', index: 1, got: { id: 2 } },
      { kind: 'unexpected', index: 3, got: { id: 4 } },
    ]);
  });

  it('and what is left between two that fit is paired', () => {
    expect(itemDifferences(rows(1, 2, 3), rows(1, 9, 3), true)).toMatchObject([
      { kind: 'differs', index: 1, fields: [{ path: 'id', expected: 2, got: 9 }] },
    ]);
  });

  it('order counts', () => expect(itemDifferences(rows(1, 2), rows(2, 1), true)).not.toEqual([]));

  it('very long ones place by place', () => {
    const many = rows(...Array.from({ length: 1500 }, (_, i) => i));
    expect(itemDifferences(many, many.slice(1), true)).toHaveLength(1500);
  });
});
