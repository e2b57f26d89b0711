/** What `pipectl docs` prints: plain text, as wide as the terminal. */
import {
  type ComponentReference,
  componentReferences,
  type OptionRow,
  pipelineSections,
} from '../definition/reference.ts';
import { listed, suggestion } from '../definition/suggestion.ts';
import { errorTable, exitCodes, PipectlError } from '../errors.ts';
import { expressionNames, functionGroups, type FunctionReference } from '../expressions/function-reference.ts';
import { wrapped } from './wrap.ts';

const topics = ['functions', 'pipeline', 'errors'] as const;

/** Throws a `PipectlError` (wrong usage) where there is nothing of that name. */
export function docsText(subject: string | undefined, name: string | undefined, width: number): string {
  if (subject === undefined) return overview(width);
  if (name !== undefined && subject !== 'functions' && subject !== 'errors')
    throw unknown(`${subject} ${name}`, [], 'a second word follows only `functions` and `errors`');
  switch (subject) {
    case 'functions':
      return name === undefined ? functionsText(width) : oneFunction(name, width);
    case 'pipeline':
      return pipelineSections()
        .map(({ title, rows }) => `${title.toUpperCase()}\n${rowsText(rows, width)}`)
        .join('\n');
    case 'errors':
      return errorsText(name, width);
    default:
      if (Object.hasOwn(errorTable, subject)) return errorsText(subject, width);
      return componentsNamed(subject)
        .map((reference) => componentText(reference, width))
        .join('\n');
  }
}

/** Everything `pipectl docs` may be asked for, for completion. */
export const docsSubjects = (): readonly string[] => [...componentReferences().map(({ id }) => id), ...topics];

function overview(width: number): string {
  const references = componentReferences();
  const longest = Math.max(...references.map(({ id }) => id.length));
  const kinds = Map.groupBy(references, ({ kind }) => kind);
  const lists = [...kinds].map(([kind, components]) => {
    const lines = components.map(({ id, summary }) => entry(id, summary, longest, width));
    return `${kind.toUpperCase()}S\n${lines.join('')}`;
  });
  const others = [
    entry('functions', 'What expressions may read and call.', longest, width),
    entry('pipeline', 'The keys of a pipeline file.', longest, width),
    entry('errors', 'Every error code, with the way out.', longest, width),
  ];
  return `${[...lists, `MORE\n${others.join('')}`].join('\n')}\npipectl docs NAME tells more about each.\n`;
}

/** A name, and beside it a text that is wrapped below itself. */
function entry(name: string, text: string, longest: number, width: number): string {
  const indent = longest + 4;
  const lines = wrapped(text, width, indent);
  return `  ${name.padEnd(longest)}  ${lines.slice(indent)}`;
}

/** `sink.postgres`, or every component of that name. */
function componentsNamed(name: string): readonly ComponentReference[] {
  const references = componentReferences();
  const found = references.filter((reference) => reference.id === name || reference.name === name);
  if (found.length > 0) return found;
  throw unknown(name, [...references.flatMap((reference) => [reference.id, reference.name]), ...topics]);
}

function unknown(
  name: string,
  candidates: readonly string[],
  hint = '`pipectl docs` lists what there is',
): PipectlError {
  const near = suggestion(name, [...new Set(candidates)]);
  const message = `there are no docs of ${name}${near === null ? '' : `; did you mean "${near}"?`}`;
  return new PipectlError('component_unknown', message, { exitCode: exitCodes.usage, hint });
}

function componentText(reference: ComponentReference, width: number): string {
  const { id, name, summary, example, value, options, connection, beside, delivery } = reference;
  const say = (text: string, indent = 2): string => wrapped(text, width, indent);
  const section = (title: string, text: string): string => `\n${title}\n${text}`;
  return [
    `${id}\n`,
    say(summary),
    section('EXAMPLE', example.replace(/^/gm, '  ').trimEnd() + '\n'),
    value === null ? '' : section('VALUE', say(`${name}: ${value.type}. ${value.description}`)),
    options.length === 0 ? '' : section('OPTIONS', rowsText(options, width)),
    connection === null
      ? ''
      : say(
          `and in place of \`connection\` the options of connection.${connection}: pipectl docs connection.${connection}`,
        ),
    beside.length === 0
      ? ''
      : section('BESIDE IT', say(`${listed(beside, 'and')} stand beside ${name}: pipectl docs pipeline`)),
    delivery === null
      ? ''
      : section(
          'DELIVERY',
          say(`${delivery.verdict}: ${delivery.reason}`) +
            (delivery.limits ?? []).map((limit) => say(`unless the pipeline says more: ${limit}`, 4)).join('') +
            say('`pipectl explain FILE` gives the verdict for a pipeline.'),
        ),
  ].join('');
}

function rowsText(rows: readonly OptionRow[], width: number): string {
  return rows
    .map(({ name, type, required, default: byDefault, description }) => {
      const marks = [type, ...(required ? ['required'] : []), ...(byDefault === null ? [] : [`default ${byDefault}`])];
      return `  ${name}  (${marks.join(', ')})\n${description === '' ? '' : wrapped(description, width, 6)}`;
    })
    .join('');
}

function functionsText(width: number): string {
  const longest = Math.max(...expressionNames.map(({ name }) => name.length));
  const names = expressionNames.map(({ name, type, does }) => entry(name, `${does} (${type})`, longest, width));
  const groups = functionGroups().map(
    ({ title, functions }) =>
      `${title.toUpperCase()}\n${functions.map(({ signature, does }) => `  ${signature}\n${wrapped(does, width, 6)}`).join('')}`,
  );
  return `${[`NAMES\n${names.join('')}`, ...groups].join('\n')}\npipectl docs functions NAME shows an example.\n`;
}

function oneFunction(name: string, width: number): string {
  const functions = functionGroups().flatMap((group) => group.functions);
  // `has`, `map` and the like stand inside their form.
  const named = (reference: FunctionReference): boolean =>
    reference.name === name || new RegExp(`(^|\\.)${RegExp.escape(name)}\\(`).test(reference.name);
  const found = functions.filter(named);
  if (found.length === 0) throw unknown(`function ${name}`, [], functionHint(name, functions));
  return found
    .map(({ signature, does, example }) => `${signature}\n${wrapped(does, width, 2)}${wrapped(example, width, 2)}`)
    .join('\n');
}

function functionHint(name: string, functions: readonly FunctionReference[]): string {
  const near = suggestion(
    name,
    functions.map((reference) => reference.name),
  );
  return near === null ? '`pipectl docs functions` lists them' : `did you mean ${near}?`;
}

function errorsText(code: string | undefined, width: number): string {
  const table: Readonly<Record<string, { readonly meaning: string; readonly hint: string }>> = errorTable;
  const codes = Object.keys(table);
  if (code === undefined) {
    const longest = Math.max(...codes.map((each) => each.length));
    return codes.map((each) => entry(each, table[each]!.meaning, longest, width)).join('');
  }
  if (!Object.hasOwn(table, code)) {
    const near = suggestion(code, codes);
    throw unknown(`error ${code}`, [], near === null ? '`pipectl docs errors` lists them' : `did you mean ${near}?`);
  }
  const { meaning, hint } = table[code]!;
  return `${code}\n${wrapped(meaning, width, 2)}${wrapped(`What to do: ${hint}`, width, 2)}`;
}
