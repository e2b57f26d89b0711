/** What steps make of the type of an event. */
import type { Type } from '../expressions/index.ts';

/** The type of each of `computedFields`. */
export const mapFields = (
  fields: Readonly<Record<string, unknown>>,
  typeOf: (expression: unknown) => Type,
): Record<string, Type> => Object.fromEntries(Object.entries(fields).map(([name, text]) => [name, typeOf(text)]));

/** An event with these fields added or replaced. What is not known of it stays not known. */
export function withFields(before: Type, fields: Readonly<Record<string, Type>>): Type {
  if (typeof before === 'object' && 'fields' in before) return { ...before, fields: { ...before.fields, ...fields } };
  return { fields, open: true };
}

export function fieldType(type: Type, name: string): Type {
  return typeof type === 'object' && 'fields' in type && Object.hasOwn(type.fields, name) ? type.fields[name]! : 'dyn';
}

/** An event without the field at `path`. */
export function withoutField(type: Type, [name, ...below]: readonly string[]): Type {
  if (name === undefined || typeof type === 'string' || !('fields' in type)) return type;
  const kept = Object.entries(type.fields).flatMap(([field, inner]): [string, Type][] => {
    if (field !== name) return [[field, inner]];
    return below.length === 0 ? [] : [[field, withoutField(inner, below)]];
  });
  return { ...type, fields: Object.fromEntries(kept) };
}
