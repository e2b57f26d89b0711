/** What steps make of the type of an event. */
import {
  type Expression,
  isObjectType,
  lookUpField,
  type Node,
  type ObjectType,
  type Type,
} from '../expressions/index.ts';
import type { BuildContext, TypeContext } from '../declaration/component.ts';

const unknownObject: ObjectType = { fields: {}, open: true };

export const objectType = (type: Type): ObjectType => (isObjectType(type) ? type : unknownObject);

/** The type of each of `computedFields`. */
export const computedTypes = (
  fields: Readonly<Record<string, unknown>>,
  { expression }: Pick<TypeContext, 'expression'>,
): Record<string, Type> =>
  Object.fromEntries(Object.entries(fields).map(([name, text]) => [name, expression(text).type]));

/** An event with these fields added or replaced. What is not known of it stays not known. */
export function withFields(before: Type, fields: Readonly<Record<string, Type>>): ObjectType {
  const { required, removed, ...former } = objectType(before);
  return {
    ...former,
    fields: { ...former.fields, ...fields },
    ...(required !== undefined && { required: [...new Set([...required, ...Object.keys(fields)])] }),
    ...(removed !== undefined && { removed: withoutKeys(removed, Object.keys(fields)) }),
  };
}

/** An event that `step` makes anew of these fields: what it had before is remembered as removed. */
export function onlyFields(before: Type, fields: Readonly<Record<string, Type>>, step: string): ObjectType {
  const former = objectType(before);
  const removed = Object.fromEntries(Object.keys(former.fields).map((name) => [name, step]));
  return { fields, removed: withoutKeys({ ...former.removed, ...removed }, Object.keys(fields)) };
}

/** An event without the field at `path`, which `step` removes. */
export function withoutField(type: Type, [name, ...below]: readonly string[], step: string): Type {
  if (name === undefined || (type !== 'dyn' && !isObjectType(type))) return type;
  const object = objectType(type);
  const { fields, required, removed } = object;
  if (below.length > 0) {
    if (object.open !== true && !Object.hasOwn(fields, name)) return type;
    const inner = Object.hasOwn(fields, name) ? fields[name]! : 'dyn';
    return { ...object, fields: { ...fields, [name]: withoutField(inner, below, step) } };
  }
  return {
    ...object,
    fields: withoutKeys(fields, [name]),
    ...(required !== undefined && { required: required.filter((field) => field !== name) }),
    removed: { ...removed, [name]: step },
  };
}

function withoutKeys<T>(record: Readonly<Record<string, T>>, keys: readonly string[]): Record<string, T> {
  return Object.fromEntries(Object.entries(record).filter(([key]) => !keys.includes(key)));
}

/** An event for which a condition is true: fields that it asks for with `has()` or compares with null are there. */
export function wherePresent(before: Type, condition: Node): Type {
  if (condition.kind === 'binary' && condition.operator === '&&')
    return wherePresent(wherePresent(before, condition.left), condition.right);
  const asked = askedField(condition);
  const path = asked && pathInEvent(asked);
  return path ? withPresent(before, path) : before;
}

function askedField(condition: Node): Node | null {
  if (condition.kind === 'call') return condition.name === 'has' ? (condition.args[0] ?? null) : null;
  if (condition.kind !== 'binary' || condition.operator !== '!=') return null;
  const { left, right } = condition;
  const isNull = (node: Node) => node.kind === 'literal' && node.value === null;
  return isNull(right) ? left : isNull(left) ? right : null;
}

/** `['customer', 'id']` of `event.customer.?id`; null for what is no path of names below the event. */
function pathInEvent(node: Node): readonly string[] | null {
  if (node.kind === 'name') return node.name === 'event' ? [] : null;
  if (node.kind !== 'select') return null;
  const above = pathInEvent(node.target);
  return above && [...above, node.field];
}

function withPresent(type: Type, [name, ...below]: readonly string[]): Type {
  if (name === undefined || !isObjectType(type)) return type;
  const { fields, required } = type;
  return {
    ...type,
    fields: Object.hasOwn(fields, name) ? { ...fields, [name]: withPresent(fields[name]!, below) } : fields,
    ...(required !== undefined && { required: [...new Set([...required, name])] }),
  };
}

/** Tells of fields that a step names, each by its path in the event, and that there surely are not. */
export function checkPaths(
  paths: readonly (readonly string[])[],
  context: Pick<BuildContext, 'event' | 'problem' | 'warning'>,
): void {
  for (const [index, path] of paths.entries()) {
    let type = context.event;
    for (const [depth, name] of path.entries()) {
      if (!isObjectType(type)) break;
      const found = lookUpField(type, name, ['event', ...path.slice(0, depth)].join('.'), true);
      const { problem, warning } = found;
      if (problem !== undefined) context.problem([index], problem.code, problem.message, problem.hint);
      if (warning !== undefined) context.warning([index], warning.code, warning.message, warning.hint);
      type = found.type;
    }
  }
}

/** True where the value surely is no list. */
export const isNoList = ({ type }: Pick<Expression, 'type'>): boolean =>
  type !== 'dyn' && type !== 'null' && (typeof type === 'string' || !('list' in type));
