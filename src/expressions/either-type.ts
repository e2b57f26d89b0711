/** What is known of a value that comes from one of two places. */
import { unify } from './check-types.ts';
import { isObjectType, type ObjectType, type Type } from './tree.ts';

/**
 * The type of a value that is of one type or the other. Of objects it holds every field that is known of both, and of one
 * where the other surely has none; required is only what both have.
 */
export function eitherType(a: Type, b: Type): Type {
  if (typeof a !== 'object' || typeof b !== 'object') return unify(a, b);
  if (isObjectType(a) && isObjectType(b)) return eitherObject(a, b);
  if ('list' in a && 'list' in b) return { list: eitherType(a.list, b.list) };
  if ('map' in a && 'map' in b) return { map: eitherType(a.map, b.map) };
  return 'dyn';
}

function eitherObject(a: ObjectType, b: ObjectType): ObjectType {
  const fields: Record<string, Type> = {};
  const known = (of: ObjectType, name: string): Type | undefined =>
    Object.hasOwn(of.fields, name) ? of.fields[name] : undefined;
  for (const name of new Set([...Object.keys(a.fields), ...Object.keys(b.fields)])) {
    const [inA, inB] = [known(a, name), known(b, name)];
    if (inA !== undefined && inB !== undefined) fields[name] = eitherType(inA, inB);
    else if (!mayHide(inA === undefined ? a : b, name)) fields[name] = (inA ?? inB)!;
  }
  const removed = Object.fromEntries(
    Object.entries({ ...b.removed, ...a.removed }).filter(
      ([name]) => !Object.hasOwn(fields, name) && !mayHave(a, name) && !mayHave(b, name),
    ),
  );
  // Of an open object without `required` nothing is known but what it lists; so it is of one that may be such.
  const isUnknown = [a, b].some(({ open, required }) => open === true && required === undefined);
  const isThere = (of: ObjectType, name: string) => (of.required ?? Object.keys(of.fields)).includes(name);
  const names = new Set([...Object.keys(fields), ...(a.required ?? []), ...(b.required ?? [])]);
  return {
    fields,
    ...((a.open === true || b.open === true) && { open: true }),
    ...(!isUnknown && { required: [...names].filter((name) => isThere(a, name) && isThere(b, name)) }),
    ...(Object.keys(removed).length > 0 && { removed }),
  };
}

/** It may have the field without listing it. */
const mayHide = ({ open, removed }: ObjectType, name: string): boolean =>
  open === true && !(removed !== undefined && Object.hasOwn(removed, name));

const mayHave = (object: ObjectType, name: string): boolean =>
  Object.hasOwn(object.fields, name) || mayHide(object, name);
