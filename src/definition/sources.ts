/** The sources of a pipeline: `source:`, or several by their names below `sources:`, whose events are merged. */
import { isDeepStrictEqual } from 'node:util';
import type { SourceDeclaration } from '../declaration/component.ts';
import { parseDuration } from '../declaration/units.ts';
import { isMapping } from './json-schema.ts';
import { checkName } from './names.ts';
import type { ComponentUse, ConnectionUse, EventTimeUse, ValuePath } from './pipeline.ts';
import { pathText, type ProblemList } from './problems.ts';

/** A source as it stands in the file. */
export interface WrittenSource {
  /** Its key below `sources:`; null for `source:`. */
  readonly name: string | null;
  readonly path: ValuePath;
  readonly entry: unknown;
}

export function writtenSources({ source, sources }: Readonly<Record<string, unknown>>): readonly WrittenSource[] {
  return [
    ...(source === undefined ? [] : [{ name: null, path: ['source'], entry: source }]),
    ...Object.entries(isMapping(sources) ? sources : {}).map(([name, entry]) => ({
      name,
      path: ['sources', name],
      entry,
    })),
  ];
}

/** Of a file as it is written: what stands beside the components of its sources. */
export function checkWritten(file: Readonly<Record<string, unknown>>, problems: ProblemList): void {
  const conflict = (path: ValuePath, message: string, hint: string) =>
    problems.at(path, 'option_conflict', message, { on: 'key', hint });
  if (Object.hasOwn(file, 'source') && Object.hasOwn(file, 'sources'))
    conflict(
      ['sources'],
      'a pipeline has `source:` or `sources:`, not both',
      'write all of them below `sources:`, each under a name',
    );
  for (const { name, path, entry } of writtenSources(file)) {
    if (!isMapping(entry)) continue;
    if (name === null) {
      if (Object.hasOwn(entry, 'time') && Object.hasOwn(file, 'time'))
        conflict([...path, 'time'], 'the event time is given at the top of the file too', 'keep one of the two');
      continue;
    }
    checkName(name, path, 'key', problems);
    if (Object.hasOwn(entry, 'name')) {
      const at = [...path, 'name'];
      problems.at(at, 'key_unknown', `${pathText(at)} is unknown: the source is named ${name} already`, {
        on: 'key',
        hint: 'remove it',
      });
    }
  }
}

const defaultAheadMs = 3_600_000;

/**
 * What a source says of the time of its events (at `path`), and for what it says nothing of the top of the file. A unit
 * belongs to its field.
 */
export function eventTimeUse(own: unknown, path: ValuePath, top: unknown, problems: ProblemList): EventTimeUse {
  const ofSource = isMapping(own) ? own : {};
  const ofFile = isMapping(top) ? top : {};
  const has = (key: string) => Object.hasOwn(ofSource, key);
  const { field, unit } = has('field') || has('unit') ? ofSource : ofFile;
  if (unit !== undefined && field === undefined)
    problems.at([...(has('unit') ? path : ['time']), 'unit'], 'option_missing', '`unit` says nothing without `field`', {
      on: 'key',
      hint: 'add `field`, or remove it: the timestamp of a record needs no unit',
    });
  const ahead = ofSource.ahead ?? ofFile.ahead;
  const aheadMs = typeof ahead === 'string' ? parseDuration(ahead) : undefined;
  return {
    field: field ?? null,
    unit: unit === 's' || unit === 'ms' || unit === 'us' ? unit : null,
    aheadMs: ahead === 'off' ? null : (aheadMs ?? defaultAheadMs),
    path: has('field') || has('unit') ? path : ['time'],
    aheadPath: has('ahead') ? path : ['time'],
  };
}

interface MergedSource extends ComponentUse {
  /** Its options as they are written, without defaults. */
  readonly given: unknown;
}

/**
 * Several sources are read as one: tells of those that can't be, and gives what one says of the reader they share to all
 * of them.
 */
export function mergeSources<T extends MergedSource>(
  sources: readonly T[],
  declarations: readonly SourceDeclaration[],
  connections: Readonly<Record<string, ConnectionUse>>,
  problems: ProblemList,
): readonly T[] {
  const [first, ...others] = sources;
  if (first === undefined || others.length === 0) return sources;
  const mergeable = declarations.filter(({ merged }) => merged !== undefined);
  const reader = mergeable.find(({ name }) => name === first.component) ?? mergeable[0];
  const strangers = sources.filter(({ component }) => component !== reader?.name);
  for (const { path } of strangers) {
    const message = `${pathText(path)} can't be merged with other sources: only ${mergeable.map(({ name }) => name).join(' or ')} sources can`;
    problems.at(path, 'source_not_mergeable', message, {
      on: 'key',
      hint: 'make it a pipeline of its own; two pipelines may write to one table',
    });
  }
  if (strangers.length > 0 || reader?.merged === undefined) return sources;
  for (const other of others) checkConnection(other, first, connections, problems);
  const shared = sharedOptions(sources, reader.merged.shared, problems);
  return sources.map((source) => ({ ...source, options: { ...(source.options as object), ...shared } }));
}

function checkConnection(
  { options, path }: MergedSource,
  first: MergedSource,
  connections: Readonly<Record<string, ConnectionUse>>,
  problems: ProblemList,
): void {
  const nameOf = (of: unknown) => String((of as { readonly connection?: string }).connection);
  const [own, theirs] = [nameOf(options), nameOf(first.options)];
  if (own === theirs || isDeepStrictEqual(connections[own]?.options, connections[theirs]?.options)) return;
  const message = `${pathText(path)} reads through another connection than ${pathText(first.path)}, and one consumer group reads both`;
  problems.at(path, 'option_conflict', message, {
    on: 'key',
    hint: 'give both the same connection, or make a pipeline of each',
  });
}

/** The options of the reader, as they are given in one source or, alike, in several. */
function sharedOptions(
  sources: readonly MergedSource[],
  names: readonly string[],
  problems: ProblemList,
): Readonly<Record<string, unknown>> {
  const shared: Record<string, unknown> = {};
  for (const name of names) {
    const giving = sources.filter(({ given }) => isMapping(given) && Object.hasOwn(given, name));
    const valueIn = ({ options }: MergedSource) => (options as Readonly<Record<string, unknown>>)[name];
    for (const other of giving.slice(1)) {
      if (isDeepStrictEqual(valueIn(other), valueIn(giving[0]!))) continue;
      const message = `${name} is ${String(valueIn(other))} here and ${String(valueIn(giving[0]!))} in ${pathText(giving[0]!.path)}, but one consumer reads both`;
      problems.at([...other.path, name], 'option_conflict', message, {
        hint: 'give it in one of them: it holds for all',
      });
    }
    if (giving.length > 0) shared[name] = valueIn(giving[0]!);
  }
  return shared;
}
