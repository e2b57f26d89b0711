/** Which component each entry of a file uses: exactly one key names it. */
import type { Components } from './components.ts';
import { besideStep, isWordNotAvailableYet } from './frame.ts';
import { fittingSchema } from './resolve.ts';
import { asJsonSchema, isMapping } from './json-schema.ts';
import type { ValuePath } from './pipeline.ts';
import { pathText, type ProblemList } from './problems.ts';
import { keysBeside, type Place } from './schema.ts';
import { listed, suggestion } from './suggestion.ts';
import { kindOf, notAvailable, tooDeep } from './violations.ts';

const nouns: Readonly<Record<Place, string>> = {
  sources: 'source',
  steps: 'step',
  sinks: 'sink',
  lookups: 'lookup',
  connections: 'connection',
};

/** The component an entry names; null when it is not exactly one, which has been told to `problems`. */
export function componentOf(
  entry: unknown,
  place: Place,
  path: ValuePath,
  components: Components,
  problems: ProblemList,
): string | null {
  if (!isMapping(entry)) return bareEntry(entry, place, path, components, problems);
  const known = components[place].map(({ name }) => name);
  const beside = keysBeside(place);
  const [first, second] = Object.keys(entry).filter((key) => known.includes(key));
  const name = path.at(-1);
  // Those that stand under names of their own.
  const isNamed = place === 'connections' || place === 'lookups' || path[0] === 'sources';
  if (first === undefined && isNamed && path.length > 1 && known.includes(String(name))) {
    const hint = `write it as \`${place}: { NAME: { ${name}: ... } }\``;
    problems.at(path, 'component_missing', `${pathText(path)} has no name`, { on: 'key', hint });
    return null;
  }
  for (const key of Object.keys(entry)) {
    if (known.includes(key) || beside.includes(key)) continue;
    const isEmpty = first !== undefined && entry[first] === null;
    unknownKey(key, { component: first, isEmpty }, place, path, components, problems);
    problems.ignore([...path, key]);
  }
  if (first !== undefined && second !== undefined) {
    const message = `${pathText(path)} names both ${first} and ${second}, but one ${nouns[place]} is one component`;
    const hint = isNamed
      ? 'give each a name of its own'
      : path.length > 1
        ? `write them as two: "- ${first}: ..." and "- ${second}: ..."`
        : 'keep one of them';
    problems.at([...path, second], 'component_twice', message, { on: 'key', hint });
    return null;
  }
  if (first !== undefined) return first;
  const isToldAlready = Object.keys(entry).some((key) => !beside.includes(key));
  if (!isToldAlready) {
    problems.at(path, 'component_missing', `${pathText(path)} names no ${nouns[place]}`, {
      on: 'key',
      hint: `add one of: ${known.join(', ')}`,
    });
  }
  return null;
}

/** The component of each entry that has a name; without those that have none. */
export function componentsNamed(
  named: unknown,
  place: 'lookups' | 'connections',
  path: ValuePath,
  components: Components,
  problems: ProblemList,
): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  for (const [name, entry] of Object.entries(isMapping(named) ? named : {})) {
    const component = componentOf(entry, place, [...path, name], components, problems);
    if (component !== null) found.set(name, component);
  }
  return found;
}

/** `- explode` or `source: kafka`: a component without options, or something else that is no entry. */
function bareEntry(entry: unknown, place: Place, path: ValuePath, components: Components, problems: ProblemList): null {
  // A whole place that is missing is told by its schema.
  if (entry === undefined) return null;
  const known = components[place].map(({ name }) => name);
  const [word, colon] =
    typeof entry === 'string'
      ? [/^[\w-]*/.exec(entry)?.[0] ?? '', /^[\w-]+:(?!\/\/)[^ \t\r\n]/.test(entry)]
      : ['', false];
  // A no-break space looks like the one that is missing.
  const hint = colon
    ? `the ":" after "${word}" needs an ordinary space`
    : known.includes(word)
      ? `write "${word}: " and its options`
      : entry === null && path.length > 1
        ? `remove it, or add one of: ${known.join(', ')}`
        : Array.isArray(entry) && path.length === 1
          ? 'write it without "- "'
          : `begin it with one of: ${known.join(', ')}`;
  problems.at(path, 'type_wrong', `${pathText(path)} must be a mapping, but is ${kindOf(entry)}`, { hint });
  return null;
}

function unknownKey(
  key: string,
  { component: used, isEmpty }: { readonly component: string | undefined; readonly isEmpty: boolean },
  place: Place,
  path: ValuePath,
  components: Components,
  problems: ProblemList,
): void {
  const own = [...path, key];
  const at = pathText(own);
  const known = components[place].map(({ name }) => name);
  // The name of a connection is no part of its place.
  if (isWordNotAvailableYet(path, key)) {
    const { code, message } = notAvailable(at, key);
    return problems.at(own, code, message, { on: 'key' });
  }
  const options = used === undefined ? [] : optionsOf(place, used, components);
  if (options.includes(key)) {
    // What is left below the component is not worth a word of its own.
    if (isEmpty) problems.ignoreBroken([...path, used!]);
    return problems.at(own, 'key_misplaced', `${at} belongs below ${used}`, {
      on: 'key',
      hint: `indent it under "${used}:"`,
    });
  }
  const candidates = used === undefined ? [...known, ...keysBeside(place)] : keysBeside(place);
  const near = suggestion(key, candidates);
  const misplaced = near === null ? tooDeep(at, key) : null;
  if (misplaced) return problems.at(own, misplaced.code, misplaced.message, { on: 'key', hint: misplaced.hint! });
  const isComponent = used === undefined;
  const message =
    isComponent && (near === null || known.includes(near)) ? `${key} is no ${nouns[place]}` : `${at} is unknown`;
  problems.at(
    own,
    isComponent ? 'component_unknown' : 'key_unknown',
    `${message}${near === null ? '' : `; did you mean "${near}"?`}`,
    {
      on: 'key',
      hint: near === null ? `known here: ${listed(isComponent ? known : candidates, 'and')}` : `rename it to "${near}"`,
    },
  );
}

function optionsOf(place: Place, component: string, components: Components): readonly string[] {
  const declaration = components[place].find(({ name }) => name === component);
  const schema = declaration && fittingSchema(asJsonSchema(declaration.options), {}, {});
  return Object.keys(schema?.properties ?? {});
}

const onErrorValues: readonly unknown[] = asJsonSchema(besideStep).properties?.on_error?.enum ?? [];

/** Keys that stand below a component although they belong beside it: `postgres: { when: ... }`. */
export function reportMisplacedKeys(
  options: unknown,
  component: string,
  place: Place,
  path: ValuePath,
  components: Components,
  problems: ProblemList,
): void {
  if (!isMapping(options)) return;
  const own = optionsOf(place, component, components);
  for (const key of Object.keys(options)) {
    if (own.includes(key) || !keysBeside(place).includes(key)) continue;
    // Where options are fields of the event, what they are named is the pipeline's own business.
    if (own.length === 0) {
      if (key !== 'on_error' || !onErrorValues.includes(options[key])) continue;
      problems.ignore([...path, key]);
    }
    const message = `${pathText([...path, key])} stands beside ${component}, not below it`;
    problems.at([...path, key], 'key_misplaced', message, { on: 'key', hint: `indent "${key}:" like "${component}:"` });
  }
}
