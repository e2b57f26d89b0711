/** Reading a field off an object whose type is known. */
import { closest } from './closest.ts';
import type { ExpressionProblem } from './errors.ts';
import type { ObjectType, Type } from './tree.ts';

type Said = Omit<ExpressionProblem, 'start' | 'end'>;

export interface FoundField {
  readonly type: Type;
  /** There never is such a field. */
  readonly problem?: Said;
  /** There may be none. */
  readonly warning?: Said;
}

/** `holder` names the object, as in `event` or `event.customer`; `optional` is a read that takes an absent field for null. */
export function lookUpField(object: ObjectType, field: string, holder: string, optional: boolean): FoundField {
  const path = `${holder}.${field}`;
  const orNull = `write ${holder}.?${field}, which is null where it is absent`;
  const { fields, required, removed, lacking = {} } = object;
  const mayBeAbsent = required !== undefined && !required.includes(field);
  if (Object.hasOwn(fields, field)) {
    const type = fields[field]!;
    if (!mayBeAbsent || optional) return { type };
    const why = Object.hasOwn(lacking, field) ? `source ${lacking[field]} has none` : 'the schema does not require it';
    const message = `${path} may be absent: ${why}`;
    return { type, warning: { code: 'field_optional', message, hint: orNull } };
  }
  if (removed !== undefined && Object.hasOwn(removed, field)) {
    const message = `${path} was removed by step ${removed[field]}`;
    return {
      type: 'dyn',
      problem: { code: 'unknown_field', message, hint: 'read it before that step, or leave it in' },
    };
  }
  if (object.open !== true) {
    const message = `${holder} has no field ${field}`;
    const hint = unknownFieldHint(field, Object.keys(fields));
    return { type: 'dyn', problem: { code: 'unknown_field', message, ...(hint !== undefined && { hint }) } };
  }
  if (!mayBeAbsent) return { type: 'dyn' };
  const near = closest(field, Object.keys(fields));
  if (near === undefined && optional) return { type: 'dyn' };
  const hint = near === undefined ? orNull : `did you mean ${near}?`;
  return { type: 'dyn', warning: { code: 'field_unlisted', message: `the schema does not list ${path}`, hint } };
}

/** The name that may be meant, else the names there are, undefined where there are none or too many. */
export function unknownFieldHint(field: string, known: readonly string[]): string | undefined {
  const near = closest(field, known);
  if (near !== undefined) return `did you mean ${near}?`;
  return known.length === 0 || known.length > 20 ? undefined : `known are ${known.join(', ')}`;
}
