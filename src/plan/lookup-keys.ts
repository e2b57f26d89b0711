/**
 * The key of a sink must not depend on a lookup. A record that is processed again may find another row there, or none: it
 * would be written under another key, and the row under the former one would stay.
 */
import { meaningKeyword } from '../declaration/options.ts';
import type { SinkDeclaration } from '../declaration/component.ts';
import { asJsonSchema } from '../definition/json-schema.ts';
import type { PipelineDefinition, SinkUse, StepUse } from '../definition/pipeline.ts';
import type { ProblemList } from '../definition/problems.ts';
import { compileExpression, compileTemplate, type Node } from '../expressions/index.ts';

/** The name of the lookup a value comes from, or what is known of its fields; null where no lookup has a part in it. */
type Origin = string | { readonly [field: string]: Origin } | null;

/** Tells of keys that `sink` computes or takes from the event and that a lookup has a part in. */
export function checkLookupKeys(
  { sources, steps, vars }: Pick<PipelineDefinition, 'sources' | 'steps' | 'vars'>,
  sinks: readonly { readonly use: SinkUse; readonly declaration: SinkDeclaration }[],
  problems: ProblemList,
): void {
  const through = (own: readonly StepUse[], before: Origin) =>
    own.reduce((event, step) => after(event, step, vars), before);
  const event = through(steps, sources.map((source) => through(source.steps, null)).reduce(eitherOf));
  if (anyOf(event) === null) return;
  for (const { use, declaration } of sinks) {
    const { key, mode } = use.options as { readonly key?: unknown; readonly mode?: unknown };
    // What is appended replaces nothing.
    if (key === undefined || mode === 'append') continue;
    const isExpression = asJsonSchema(declaration.options).properties?.key?.[meaningKeyword] === 'expression';
    const places = Array.isArray(key)
      ? key.map((field: string, index) => ({
          at: ['key', index],
          what: `the key column ${field}`,
          from: fieldOf(event, field),
        }))
      : [{ at: ['key'], what: 'the key', from: ofText(key, event, vars, !isExpression) }];
    for (const { at, what, from } of places) {
      const lookup = anyOf(from);
      if (lookup === null) continue;
      const message = `${what} depends on the lookup ${lookup}: a record that is processed again may find another row there, and would be written under another key`;
      problems.at([...use.path, ...at], 'key_from_lookup', message);
    }
  }
}

/** What is known of an event that is one or the other. */
function eitherOf(one: Origin, other: Origin): Origin {
  if (one === null || typeof other === 'string') return other;
  if (other === null || typeof one === 'string') return one;
  const fields = [...Object.keys(one), ...Object.keys(other)];
  return Object.fromEntries(fields.map((field) => [field, eitherOf(fieldOf(one, field), fieldOf(other, field))]));
}

/** What is known of the event after a step, from what was known before it. */
function after(before: Origin, { component, options }: StepUse, vars: PipelineDefinition['vars']): Origin {
  const fields = typeof before === 'object' && before !== null ? before : {};
  const computed = () =>
    Object.fromEntries(Object.entries(options as object).map(([field, text]) => [field, ofText(text, before, vars)]));
  switch (component) {
    case 'map':
      return computed();
    case 'set':
      return { ...fields, ...computed() };
    case 'enrich': {
      const { from, into = from } = options as { readonly from: string; readonly into?: string };
      return { ...fields, [into]: from };
    }
    case 'explode': {
      const from = anyOf(ofText(options, before, vars));
      return { ...fields, item: from, index: from };
    }
    // The others leave the values of fields alone, or take them away.
    default:
      return before;
  }
}

function ofText(text: unknown, event: Origin, vars: PipelineDefinition['vars'], isTemplate = false): Origin {
  const compiled = isTemplate ? compileTemplate(String(text), { vars }) : compileExpression(text, { vars });
  // What does not compile has been told of.
  return compiled.ok ? originOf(compiled.expression.tree, { event }) : null;
}

/** `scope` holds what is known of `event` and of the variables of macros. */
function originOf(node: Node, scope: Readonly<Record<string, Origin>>): Origin {
  const of = (inner: Node): Origin => originOf(inner, scope);
  const all = (...nodes: readonly (Node | null)[]): Origin =>
    nodes.reduce<Origin>((found, inner) => found ?? (inner === null ? null : anyOf(of(inner))), null);
  switch (node.kind) {
    case 'literal':
      return null;
    case 'name':
      return Object.hasOwn(scope, node.name) ? scope[node.name]! : null;
    case 'select':
      return fieldOf(of(node.target), node.field);
    case 'index':
      return node.index.kind === 'literal'
        ? fieldOf(of(node.target), String(node.index.value))
        : all(node.target, node.index);
    case 'call':
      return all(...node.args);
    case 'unary':
      return of(node.operand);
    case 'binary':
      return all(node.left, node.right);
    case 'conditional':
      return all(node.test, node.yes, node.no);
    case 'list':
      return all(...node.items);
    case 'map': {
      const isPlain = node.entries.every(({ key }) => key.kind === 'literal');
      return isPlain
        ? Object.fromEntries(node.entries.map(({ key, value }) => [literalText(key), of(value)]))
        : all(...node.entries.flatMap(({ key, value }) => [key, value]));
    }
    case 'macro': {
      const inside = { ...scope, [node.variable]: anyOf(of(node.list)) };
      const parts = [node.list, node.where, node.body].map((part) => part && anyOf(originOf(part, inside)));
      return parts.find((part) => part !== null) ?? null;
    }
    case 'template':
      return all(...node.parts);
  }
}

const literalText = (node: Node): string => (node.kind === 'literal' ? String(node.value) : '');

const fieldOf = (origin: Origin, field: string): Origin => {
  if (origin === null || typeof origin === 'string') return origin;
  return Object.hasOwn(origin, field) ? origin[field]! : null;
};

/** One of the lookups that have a part in a value or in anything below it. */
function anyOf(origin: Origin): string | null {
  if (origin === null || typeof origin === 'string') return origin;
  for (const inner of Object.values(origin)) {
    const found = anyOf(inner);
    if (found !== null) return found;
  }
  return null;
}
