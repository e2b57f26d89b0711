/** The functions of expressions as people read them, in groups. */
import { conversionFunctions } from './functions-conversion.ts';
import { digestFunctions } from './functions-digest.ts';
import { numberFunctions } from './functions-number.ts';
import { textFunctions } from './functions-text.ts';
import { timeFunctions } from './functions-time.ts';
import { metaTypes } from './environment.ts';
import { formDocs, functionDocs } from './function-docs.ts';
import type { FunctionSpec, ParameterKind } from './signature.ts';
import type { Type } from './tree.ts';

export interface FunctionReference {
  readonly name: string;
  /** `substring(text: string, start: int, end?: int) -> string`. */
  readonly signature: string;
  readonly does: string;
  readonly example: string;
}

export interface FunctionGroup {
  readonly title: string;
  readonly functions: readonly FunctionReference[];
}

const groups: readonly (readonly [title: string, functions: Readonly<Record<string, FunctionSpec>>])[] = [
  ['Text', textFunctions],
  ['Numbers', numberFunctions],
  ['Conversions', conversionFunctions],
  ['Time', timeFunctions],
  ['Digests', digestFunctions],
];

/** Every function, and the forms that look like one. */
export function functionGroups(): readonly FunctionGroup[] {
  const forms = formDocs.map(({ form, does, example }) => ({
    name: form,
    signature: form,
    does,
    example: exampleText(example),
  }));
  return [
    ...groups.map(([title, specs]) => ({
      title,
      functions: Object.entries(specs).map(([name, spec]) => {
        const { parameters, does, example } = functionDocs[name]!;
        return { name, signature: signatureOf(name, spec, parameters), does, example: exampleText(example) };
      }),
    })),
    { title: 'Conditions and lists', functions: forms },
  ];
}

const exampleText = ([expression, gives]: readonly [string, string]): string => `${expression} is ${gives}`;

const kinds: Partial<Record<ParameterKind, string>> = {
  pattern: 'string',
  format: 'string',
  timePattern: 'string',
  zone: 'string',
  unit: 'string',
};

function signatureOf(name: string, { parameters, result, neverNull }: FunctionSpec, names: readonly string[]): string {
  const taken = parameters.map(({ kind, optional, rest }, index) => {
    const type = kinds[kind] ?? kind;
    return rest ? `${names[index]}: ${type}...` : `${names[index]}${optional ? '?' : ''}: ${type}`;
  });
  return `${name}(${taken.join(', ')}) -> ${typeWord(result)}${neverNull ? '' : ' or null'}`;
}

function typeWord(type: Type): string {
  if (typeof type === 'string') return type === 'dyn' ? 'any' : type;
  if ('list' in type) return `list of ${typeWord(type.list)}`;
  return 'map';
}

/** What every expression may read. */
export const expressionNames: readonly { readonly name: string; readonly type: string; readonly does: string }[] = [
  { name: 'event', type: 'any', does: 'The event: the decoded value of the record, as the steps before have left it.' },
  { name: 'key', type: 'any', does: "The record's key, decoded." },
  ...Object.entries({
    topic: 'Topic, or file, the record comes from.',
    partition: 'Its partition.',
    offset: 'Its offset.',
    timestamp: "The record's own timestamp.",
    headers: 'Its headers, as text.',
    source: 'Name of the source in the pipeline file.',
    late: 'Whether it came after its windows had closed.',
  } satisfies Record<string, string>).map(([name, does]) => ({
    name: `meta.${name}`,
    type: typeWord(metaTypes[name] ?? 'dyn'),
    does,
  })),
  { name: 'vars.NAME', type: 'any', does: 'A value from `vars:`.' },
];
