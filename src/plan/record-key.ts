/** Whether rows of one key come in one order: where the sink's key holds the record's key, they come from one partition. */
import type { DeliveryInput } from '../declaration/component.ts';
import type { PipelineDefinition, StepUse } from '../definition/pipeline.ts';
import { compileExpression, type Node } from '../expressions/index.ts';
import type { PlannedInput } from './index.ts';

/** Answers for the events that leave the steps. Says yes only where it is certain. */
export function orderKeeper(
  { steps }: Pick<PipelineDefinition, 'steps'>,
  inputs: readonly PlannedInput[],
): DeliveryInput['keepsOrder'] {
  const [input, another] = inputs;
  // Two sources are two logs: what order their records come in is decided anew with every run.
  if (input === undefined || another !== undefined) return () => false;
  const { use, declaration } = input;
  const order = declaration.order?.(use.options as never) ?? 'partition';
  if (order === 'all') return () => true;
  if (order === 'partition') return () => false;
  const holdingKey = [...use.steps, ...steps].reduce(after, new Set<string>());
  return (fields) => fields.some((field) => holdingKey.has(field));
}

/** The fields that hold the record's key after a step, from those before it. A step that is not known here may change any. */
function after(before: ReadonlySet<string>, { component, options }: StepUse): ReadonlySet<string> {
  switch (component) {
    case 'filter':
      return before;
    case 'map':
      return new Set(fieldsWithKey(options, before));
    case 'set': {
      const replaced = Object.keys(options as object);
      return new Set([...[...before].filter((field) => !replaced.includes(field)), ...fieldsWithKey(options, before)]);
    }
    case 'keep':
      return new Set([...before].filter((field) => (options as readonly string[]).includes(field)));
    case 'drop':
      return new Set([...before].filter((field) => !(options as readonly string[]).includes(field)));
    case 'enrich': {
      const { from, into = from } = options as { readonly from?: string; readonly into?: string };
      return new Set([...before].filter((field) => field !== into));
    }
    case 'explode':
      return new Set([...before].filter((field) => field !== 'item' && field !== 'index'));
    default:
      return new Set();
  }
}

function fieldsWithKey(options: unknown, before: ReadonlySet<string>): string[] {
  return Object.entries(options as Readonly<Record<string, unknown>>).flatMap(([field, text]) => {
    const compiled = compileExpression(text);
    return compiled.ok && isKey(compiled.expression.tree, before) ? [field] : [];
  });
}

/** `key`, or a field that holds it. */
function isKey(node: Node, before: ReadonlySet<string>): boolean {
  if (node.kind === 'name') return node.name === 'key';
  return (
    node.kind === 'select' && node.target.kind === 'name' && node.target.name === 'event' && before.has(node.field)
  );
}
