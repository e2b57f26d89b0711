/** What is written into a dead letter beside the record: `dlq.redact` and `dlq.compat`. */
import type { SourceDeclaration } from '../declaration/component.ts';
import { isObjectType, lookUpField, type Type } from '../expressions/index.ts';
import { isMapping } from './json-schema.ts';
import type { SourceUse } from './pipeline.ts';
import type { ProblemList } from './problems.ts';

export interface LetterForm {
  /** Fields of the value that are blotted out, each by its path; one that leads into a list means every element. */
  readonly redact: readonly (readonly string[])[];
  /** Whose headers are added to ours. */
  readonly compat: 'connect' | null;
}

/** From `dlq:`, checked against its schema. */
export function letterForm(
  dlq: unknown,
  sources: readonly Pick<SourceUse, 'component' | 'name' | 'options' | 'event'>[],
  known: readonly SourceDeclaration[],
  problems: ProblemList,
): LetterForm {
  const { redact, compat } = isMapping(dlq) ? dlq : {};
  const given = Array.isArray(redact) ? redact : [];
  const unreadable = sources.find(({ component, options }) => {
    const declaration = known.find(({ name }) => name === component);
    return declaration?.holdsJson?.(options as never) === false;
  });
  if (given.length > 0 && unreadable !== undefined) {
    const message = `fields can be redacted in JSON alone, and the values of source ${unreadable.name} are none`;
    problems.at(['dlq', 'redact'], 'option_not_applicable', message, {
      on: 'key',
      hint: 'leave it out, or convert the source to JSON before it is read',
    });
  }
  const paths: (readonly string[])[] = [];
  for (const [index, text] of given.entries()) {
    if (typeof text !== 'string' || problems.isIgnored(['dlq', 'redact', index])) continue;
    const path = text.split('.');
    const at = ['dlq', 'redact', index];
    if (path.some((name) => !/^[^\s[\]*/$]([^[\]*]*\S)?$/.test(name) || name === '__proto__')) {
      problems.at(at, 'value_wrong', `"${text}" is no path of fields`, {
        hint: 'write names with dots between them, such as customer.email; in a list it means every element',
      });
      continue;
    }
    checkField(path, at, sources, problems);
    paths.push(path);
  }
  return { redact: paths, compat: compat === 'connect' ? 'connect' : null };
}

/** A path that leads nowhere would redact nothing, and nobody would see it. */
function checkField(
  path: readonly string[],
  at: readonly (string | number)[],
  sources: readonly Pick<SourceUse, 'event'>[],
  problems: ProblemList,
): void {
  const found = sources.map(({ event }) => lookUpPath(event, path));
  // A field of one source need not be one of the others.
  const first = found[0];
  if (first === undefined || first === null || found.includes(null)) {
    if (path[0] === 'event' && sources.every(({ event }) => !isObjectType(event)))
      problems.at(at, 'field_unlisted', `${path.join('.')} is a field named event in the value`, {
        severity: 'warning',
        hint: `for a field of the event write ${path.slice(1).join('.') || 'its name'}`,
      });
    return;
  }
  const milder = found.find((one) => one?.severity === 'warning') ?? first;
  problems.at(at, milder.code, milder.message, {
    severity: milder.severity,
    ...(milder.hint !== undefined && { hint: milder.hint }),
  });
}

interface Said {
  readonly code: string;
  readonly message: string;
  readonly hint?: string | undefined;
  readonly severity: 'error' | 'warning';
}

/** What is wrong with a path below an event; null where it may well be there. */
function lookUpPath(event: Type, path: readonly string[]): Said | null {
  let type = event;
  let warning: Said | null = null;
  for (const [depth, name] of path.entries()) {
    while (typeof type !== 'string' && 'list' in type) type = type.list;
    const holder = ['event', ...path.slice(0, depth)].join('.');
    if (type === 'dyn') return warning;
    if (typeof type === 'string')
      return {
        code: 'unknown_field',
        message: `${holder} is ${type}, so it has no field ${name}`,
        hint: `write ${path.slice(0, depth).join('.')}`,
        severity: 'error',
      };
    if ('map' in type) {
      type = type.map;
      continue;
    }
    const found = lookUpField(type, name, holder, true);
    if (found.problem !== undefined) return { ...found.problem, severity: 'error' };
    if (found.warning !== undefined) warning = { ...found.warning, severity: 'warning' };
    type = found.type;
  }
  return warning;
}
