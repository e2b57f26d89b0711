/** What the fields of sampled events are. */
import { isMapping } from '../../definition/json-schema.ts';
import { isDecimal } from '../../expressions/index.ts';
import { readIso } from '../../expressions/timestamp.ts';

/** `time` is text that is an ISO 8601 time with an offset. `any` is of several kinds, or always null. */
export type FieldKind = 'bool' | 'int' | 'number' | 'text' | 'time' | 'list' | 'any';

export interface InferredField {
  /** From the event: `['customer', 'id']`. */
  readonly path: readonly string[];
  readonly kind: FieldKind;
  /** In how many of the events it is there. */
  readonly present: number;
  readonly nullable: boolean;
}

interface Seen {
  readonly path: readonly string[];
  kind: FieldKind | null;
  present: number;
  nulls: number;
}

const fieldsMax = 200;
const depthMax = 3;

/** Fields of all events that are objects, those of nested objects among them, in the order in which they first came. */
export function inferFields(events: readonly unknown[]): readonly InferredField[] {
  const seen = new Map<string, Seen>();
  const nested = new Set<string>();
  for (const event of events) if (isMapping(event)) visit(event, [], seen, nested);
  return [...seen.values()]
    .filter(({ path, kind, nulls }) => !(nested.has(JSON.stringify(path)) && kind === null && nulls > 0))
    .slice(0, fieldsMax)
    .map(({ path, kind, present, nulls }) => ({ path, kind: kind ?? 'any', present, nullable: nulls > 0 }));
}

function visit(object: Record<string, unknown>, at: readonly string[], seen: Map<string, Seen>, nested: Set<string>) {
  for (const [name, value] of Object.entries(object)) {
    const path = [...at, name];
    const id = JSON.stringify(path);
    if (isPlainObject(value) && Object.keys(value).length > 0 && path.length < depthMax) {
      nested.add(id);
      visit(value, path, seen, nested);
      continue;
    }
    const field = seen.get(id) ?? { path, kind: null, present: 0, nulls: 0 };
    seen.set(id, field);
    field.present++;
    if (value === null) field.nulls++;
    else field.kind = field.kind === null ? kindOf(value) : common(field.kind, kindOf(value));
  }
}

const isPlainObject = (value: unknown): value is Record<string, unknown> => isMapping(value) && !isDecimal(value);

function kindOf(value: unknown): FieldKind {
  switch (typeof value) {
    case 'boolean':
      return 'bool';
    case 'bigint':
      return 'int';
    case 'number':
      return Number.isInteger(value) ? 'int' : 'number';
    case 'string': {
      const time = readIso(value);
      return time !== undefined && time.offsetMinutes !== null ? 'time' : 'text';
    }
    default:
      if (isDecimal(value)) return 'number';
      return Array.isArray(value) ? 'list' : 'any';
  }
}

function common(a: FieldKind, b: FieldKind): FieldKind {
  if (a === b) return a;
  const both = new Set([a, b]);
  if (both.has('int') && both.has('number')) return 'number';
  return both.has('time') && both.has('text') ? 'text' : 'any';
}
