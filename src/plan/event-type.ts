/** What is known about the event after each step. */
import type { StepDeclaration } from '../declaration/component.ts';
import type { StepUse } from '../definition/pipeline.ts';
import { compileExpression, type Type } from '../expressions/index.ts';

/** The type of the event after a step, from the one before it; `dyn` where it is not known. */
export function typeAfter(
  use: StepUse,
  declaration: StepDeclaration | undefined,
  before: Type,
  vars: Readonly<Record<string, unknown>>,
): Type {
  const typeOf = (text: unknown): Type => {
    const compiled = compileExpression(text, { vars, event: before });
    return compiled.ok ? compiled.expression.type : 'dyn';
  };
  return declaration?.types?.(use.options as never, before, typeOf) ?? 'dyn';
}

/** A type in the language's own words: `int`, `list of string`, `any` where nothing is known. */
export function typeText(type: Type): string {
  if (typeof type === 'string') return type === 'dyn' ? 'any' : type;
  if ('list' in type) return `list of ${typeText(type.list)}`;
  if ('map' in type) return `map of ${typeText(type.map)}`;
  const fields = Object.entries(type.fields).map(([name, inner]) => `${name}: ${typeText(inner)}`);
  return `{ ${[...fields, ...(type.open === true ? ['...'] : [])].join(', ')} }`;
}
