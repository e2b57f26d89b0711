/** `--set path=value`: changes to a pipeline before it is checked. */
import { parseDocument } from 'yaml';
import type { ValuePath } from './pipeline.ts';
import { pathText, type ProblemList } from './problems.ts';

export interface Override {
  /** `sinks[0].postgres.table`, `batch.every`. */
  readonly path: string;
  /** YAML: `5`, `true`, `[a, b]`, text. */
  readonly value: string;
}

/** Reads `path=value` as given on the command line; null when it has another form. */
export function parseOverride(text: string): Override | null {
  const equals = text.indexOf('=');
  return equals < 1 ? null : { path: text.slice(0, equals).trim(), value: text.slice(equals + 1) };
}

/** Puts each value in its place, making mappings on the way where there are none. */
export function applyOverrides(
  file: Record<string, unknown>,
  overrides: readonly Override[],
  problems: ProblemList,
): void {
  for (const override of overrides) {
    const path = parsePath(override.path);
    const document = parseDocument(override.value, { prettyErrors: false, stringKeys: true, logLevel: 'silent' });
    const message =
      path === null
        ? `--set ${override.path}: this is not a path such as sinks[0].postgres.table`
        : document.errors.length > 0
          ? `--set ${override.path}: the value is not YAML`
          : put(file, path, document.toJS({ maxAliasCount: 0 }));
    if (message !== null) problems.at([], 'set_invalid', message);
  }
}

/** Of a pipeline's own vars or connections those that `--set` has a part in: nothing goes before them. */
export function overridden<T>(
  place: 'vars' | 'connections',
  own: Readonly<Record<string, T>>,
  overrides: readonly Override[],
): Record<string, T> {
  const isSet = (name: string) =>
    overrides.some(({ path }) => path === `${place}.${name}` || path.startsWith(`${place}.${name}.`));
  return Object.fromEntries(Object.entries(own).filter(([name]) => isSet(name)));
}

function parsePath(text: string): ValuePath | null {
  const path: (string | number)[] = [];
  const part = /(?:^|\.)([A-Za-z_][\w-]*)|\[(\d+)\]/y;
  while (part.lastIndex < text.length) {
    const match = part.exec(text);
    if (!match || match[1] === '__proto__') return null;
    path.push(match[1] ?? Number(match[2]));
  }
  return path.length > 0 && typeof path[0] === 'string' ? path : null;
}

function put(file: Record<string, unknown>, path: ValuePath, value: unknown): string | null {
  let parent: Record<string | number, unknown> = file;
  for (const [index, part] of path.slice(0, -1).entries()) {
    if (!hasPlaceFor(parent, part)) return `--set ${pathText(path)}: there is no ${pathText(path.slice(0, index + 1))}`;
    const next = parent[part] ?? {};
    if (typeof next !== 'object')
      return `--set ${pathText(path)}: ${pathText(path.slice(0, index + 1))} has nothing below it`;
    parent[part] = next;
    parent = next as Record<string | number, unknown>;
  }
  const last = path.at(-1) as string | number;
  if (!hasPlaceFor(parent, last)) return `--set ${pathText(path)}: there is no ${pathText(path)}`;
  parent[last] = value;
  return null;
}

/** A list takes an index it has, a mapping any key. */
const hasPlaceFor = (parent: Record<string | number, unknown>, part: string | number): boolean =>
  Array.isArray(parent) ? typeof part === 'number' && part < parent.length : typeof part === 'string';
