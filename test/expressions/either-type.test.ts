import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { eitherType, isObjectType, type Type } from '../../src/expressions/index.ts';

const names = ['a', 'b', 'c'];
const type = fc.letrec<{ any: Type; object: Type }>((tie) => ({
  any: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    fc.constantFrom<Type>('int', 'double', 'string', 'bool', 'null', 'dyn'),
    fc.record({ list: tie('any') }),
    fc.record({ map: tie('any') }),
    tie('object'),
  ),
  object: fc
    .record({
      fields: fc.dictionary(fc.constantFrom(...names), tie('any'), { noNullPrototype: true }),
      open: fc.boolean(),
      isKnown: fc.boolean(),
      required: fc.subarray(names),
      removed: fc.subarray(names),
    })
    .map(({ fields, open, isKnown, required, removed }) => {
      const gone = removed.filter((name) => !Object.hasOwn(fields, name));
      return {
        fields,
        ...(open && { open }),
        // What must be there is listed, or may be.
        ...(isKnown && { required: required.filter((name) => Object.hasOwn(fields, name)) }),
        ...(gone.length > 0 && { removed: Object.fromEntries(gone.map((name) => [name, 'drop-1'])) }),
      };
    }),
})).any;

/** Whether what is known of a value by its type holds. */
function fits(value: unknown, of: Type): boolean {
  if (of === 'dyn' || value === null) return true;
  if (typeof of === 'string') return of === 'null' ? false : isOfKind(value, of);
  if ('list' in of) return Array.isArray(value) && value.every((item) => fits(item, of.list));
  if (typeof value !== 'object' || Array.isArray(value)) return false;
  const entries = Object.entries(value);
  if (!isObjectType(of)) return entries.every(([, inner]) => fits(inner, of.map));
  const { fields, open, required = [], removed = {} } = of;
  return (
    required.every((name) => Object.hasOwn(value, name)) &&
    entries.every(([name, inner]) =>
      Object.hasOwn(fields, name) ? fits(inner, fields[name]!) : open === true && !Object.hasOwn(removed, name),
    )
  );
}

const isOfKind = (value: unknown, kind: string): boolean =>
  kind === 'int'
    ? Number.isInteger(value)
    : kind === 'double' || kind === 'number'
      ? typeof value === 'number'
      : typeof value === (kind === 'bool' ? 'boolean' : kind);

/** Values of a type, fields that may be absent left out at times, fields nobody knows of added to what is open. */
function valueOf(of: Type): fc.Arbitrary<unknown> {
  if (of === 'dyn') return fc.constantFrom<unknown>(1, 'x', null, { a: 1 }, [2]);
  if (typeof of === 'string') {
    const plain: Record<string, fc.Arbitrary<unknown>> = {
      int: fc.integer(),
      double: fc.double(),
      string: fc.string(),
      bool: fc.boolean(),
    };
    return plain[of] ?? fc.constant(null);
  }
  if ('list' in of) return fc.array(valueOf(of.list), { maxLength: 2 });
  if (!isObjectType(of)) return fc.dictionary(fc.constantFrom(...names), valueOf(of.map), { noNullPrototype: true });
  const { fields, open, required, removed = {} } = of;
  const hidden =
    open === true ? names.filter((name) => !Object.hasOwn(fields, name) && !Object.hasOwn(removed, name)) : [];
  const model = Object.fromEntries([
    ...Object.entries(fields).map(([name, inner]) => [name, valueOf(inner)] as const),
    ...hidden.map((name) => [name, fc.constantFrom<unknown>(1, 'x', { b: 2 })] as const),
  ]);
  const always = [...(required ?? Object.keys(fields))];
  return fc.record(model, { requiredKeys: always, noNullPrototype: true });
}

describe('the type of a value from one of two sources', () => {
  it('says nothing that is not true of the values of each', () => {
    fc.assert(
      fc.property(
        fc
          .tuple(type, type)
          .chain(([a, b]) => fc.record({ a: fc.constant(a), b: fc.constant(b), ofA: valueOf(a), ofB: valueOf(b) })),
        ({ a, b, ofA, ofB }) => {
          fc.pre(fits(ofA, a) && fits(ofB, b));
          const either = eitherType(a, b);
          expect(fits(ofA, either)).toBe(true);
          expect(fits(ofB, either)).toBe(true);
        },
      ),
      { numRuns: 2000 },
    );
  });

  it('has the fields of both, and requires those that both have', () => {
    const order: Type = { fields: { id: 'int', total: 'double' } };
    const payment: Type = { fields: { id: 'int', total: 'int', method: 'string' } };
    expect(eitherType(order, payment)).toEqual({
      fields: { id: 'int', total: 'number', method: 'string' },
      required: ['id', 'total'],
    });
  });

  it('has no field of one where the other may hide another type of it, and says of removed ones only what both say', () => {
    const listed: Type = { fields: { a: 'int', b: 'int' }, required: ['a'], removed: { c: 'drop-1', d: 'drop-1' } };
    const open: Type = { fields: { b: 'int' }, open: true, required: ['b'], removed: { c: 'drop-2' } };
    expect(eitherType(listed, open)).toEqual({
      fields: { b: 'int' },
      open: true,
      required: [],
      removed: { c: 'drop-1' },
    });
  });

  it('is not known where one is not known', () => {
    expect(eitherType({ fields: { a: 'int' } }, 'dyn')).toBe('dyn');
    expect(eitherType({ fields: { a: 'int' } }, { fields: { a: 'int' }, open: true })).toEqual({
      fields: { a: 'int' },
      open: true,
    });
  });
});
