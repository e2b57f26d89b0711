/** What is known about an event, in words. */
import { isObjectType, type Type } from '../expressions/index.ts';

/** The fields of an event; null where there may be others. */
export function fieldNamesOf(type: Type): readonly string[] | null {
  return isObjectType(type) && type.open !== true ? Object.keys(type.fields) : null;
}

/** A type in the language's own words: `int`, `list of string`, `any` where nothing is known. */
export function typeText(type: Type): string {
  if (typeof type === 'string') return type === 'dyn' ? 'any' : type;
  if ('list' in type) return `list of ${typeText(type.list)}`;
  if ('map' in type) return `map of ${typeText(type.map)}`;
  const fields = Object.entries(type.fields).map(([name, inner]) => `${name}: ${typeText(inner)}`);
  return `{ ${[...fields, ...(type.open === true ? ['...'] : [])].join(', ')} }`;
}
