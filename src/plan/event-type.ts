/** What is known about an event, in words. */
import { isObjectType, type Type } from '../expressions/index.ts';

/** The fields of an event; null where there may be others. */
export function fieldNamesOf(type: Type): readonly string[] | null {
  return isObjectType(type) && type.open !== true ? Object.keys(type.fields) : null;
}

/** Objects within objects that are shown: a schema may nest them so deep that no text could hold all. */
const shownDepth = 4;

/** A type in the language's own words: `int`, `list of string`, `any` where nothing is known. */
export const typeText = (type: Type): string => textOf(type, shownDepth);

function textOf(type: Type, depth: number): string {
  if (typeof type === 'string') return type === 'dyn' ? 'any' : type;
  if ('list' in type) return `list of ${textOf(type.list, depth)}`;
  if ('map' in type) return `map of ${textOf(type.map, depth)}`;
  if (depth === 0) return '{ ... }';
  const fields = Object.entries(type.fields).map(([name, inner]) => `${name}: ${textOf(inner, depth - 1)}`);
  return `{ ${[...fields, ...(type.open === true ? ['...'] : [])].join(', ')} }`;
}
