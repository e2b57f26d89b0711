/** Checks a value against its schema with ajv, and says what is wrong in words of the pipeline file. */
import type { ErrorObject } from 'ajv';
import { isMapping, type JsonSchema } from './json-schema.ts';
import type { ValuePath } from './pipeline.ts';
import { type ProblemList, problemsMax } from './problems.ts';
import type { Part } from './schema.ts';
import { validatorOf } from './validator.ts';
import { explainViolation, type Violation } from './violations.ts';

/** Of one part. Several belong to one problem. */
const errorsMax = 10 * problemsMax;

/** Tells every violation to `problems`, one for each place. `file` is the value the parts belong to. */
export async function checkParts(parts: readonly Part[], file: unknown, problems: ProblemList): Promise<void> {
  for (const part of parts) {
    const { path: base, value, schema } = part;
    if (problems.isFull) return;
    const validate = await validatorOf(part);
    if (validate(value)) continue;
    const violations = withoutCascades((validate.errors ?? []).slice(0, errorsMax)).map(
      (error): Violation & ReturnType<typeof explainViolation> => {
        const violation = {
          error,
          path: [...base, ...pathOf(error.instancePath, value)],
          schema: schemaAt(schema, error.schemaPath),
          description: schemaAt(schema, error.schemaPath.replace(/\/(?:anyOf\/\d+|items)(\/[^/]+)$/, '$1')).description,
          value: pathOf(error.instancePath, value).reduce(valueBelow, value),
        };
        return { ...violation, ...explainViolation(violation) };
      },
    );
    for (const { error, path, code, message, hint, key } of violations) {
      if (error.keyword === 'required' && isThereElsewhere(error, path, file, violations)) continue;
      problems.at(key === undefined ? path : [...path, key], code, message, {
        on: typeof key !== 'string' && error.keyword !== 'required' ? 'value' : 'key',
        ...(hint === undefined ? {} : { hint }),
      });
    }
  }
}

const valueBelow = (value: unknown, part: string | number): unknown =>
  (value as Record<string | number, unknown> | null | undefined)?.[part];

/** The schema whose keyword was violated: `#/properties/a/anyOf/0/type` lies in the schema at `#/properties/a/anyOf/0`. */
function schemaAt(schema: JsonSchema, schemaPath: string): JsonSchema {
  const parts = schemaPath.split('/').slice(1, -1);
  const unescaped = parts.map((part) => decodeURIComponent(part).replaceAll('~1', '/').replaceAll('~0', '~'));
  return (unescaped.reduce<unknown>(valueBelow, schema) ?? {}) as JsonSchema;
}

/**
 * A key that is missing here, but stands here with a slip of the pen, one level above or, where the file itself needs it,
 * one below: that is told already.
 */
function isThereElsewhere(
  error: ErrorObject,
  path: ValuePath,
  root: unknown,
  violations: readonly { readonly error: ErrorObject; readonly meant?: string }[],
): boolean {
  const missing = String(error.params.missingProperty);
  if (violations.some((other) => other.meant === missing && other.error.instancePath === error.instancePath))
    return true;
  if (path.length === 0 && isMapping(root))
    return Object.values(root).some((value) => isMapping(value) && Object.hasOwn(value, missing));
  const above = path.slice(0, -1).reduce<unknown>(valueBelow, root);
  return path.length > 1 && isMapping(above) && Object.hasOwn(above, missing);
}

/**
 * Where none of several alternatives fits, ajv reports each one's objections. What helps is the objections of the one
 * that was meant (it has the type of the value), or else one sentence naming them all.
 */
function withoutCascades(errors: readonly ErrorObject[]): readonly ErrorObject[] {
  const outermost = errors
    .filter(({ keyword }) => keyword === 'anyOf')
    .toSorted((a, b) => a.schemaPath.length - b.schemaPath.length || a.instancePath.length - b.instancePath.length)[0];
  if (!outermost) return errors;
  const below = `${outermost.schemaPath}/`;
  const isBelow = ({ schemaPath, instancePath }: ErrorObject) =>
    schemaPath.startsWith(below) && instancePath.startsWith(outermost.instancePath);
  const others = errors.filter((error) => error !== outermost && !isBelow(error));
  const alternatives = Map.groupBy(errors.filter(isBelow), ({ schemaPath }) =>
    Number.parseInt(schemaPath.slice(below.length), 10),
  );
  const meant = [...alternatives.values()]
    .filter(
      (objections) =>
        !objections.some(
          (error) => error.instancePath === outermost.instancePath && ['type', 'const', 'enum'].includes(error.keyword),
        ),
    )
    .toSorted((a, b) => a.length - b.length)[0];
  return [
    ...withoutCascades(others),
    ...(meant ? withoutCascades(meant) : [{ ...outermost, keyword: 'alternatives' }]),
  ];
}

/** A JSON pointer as a path, in which indexes of lists are numbers. */
function pathOf(pointer: string, root: unknown): ValuePath {
  const path: (string | number)[] = [];
  let value = root;
  for (const part of pointer.split('/').slice(1)) {
    const key = part.replaceAll('~1', '/').replaceAll('~0', '~');
    path.push(Array.isArray(value) ? Number(key) : key);
    value = valueBelow(value, key);
  }
  return path;
}
