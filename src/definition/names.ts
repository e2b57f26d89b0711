/** Names of the pipeline, its group and its components: given or made up, unique, fit for what they are used for. */
import { basename } from 'node:path';
import { isMapping } from './json-schema.ts';
import type { ValuePath } from './pipeline.ts';
import { pathText, type ProblemList } from './problems.ts';

/** Kafka's rule for topics, which are named after the pipeline; shorter, since `.dlq` and the like are added. */
const pipelineName = /^(?!\.{1,2}$)[A-Za-z0-9._-]{1,200}$/;
const componentName = /^[A-Za-z0-9_-]{1,64}$/;
const groupName = /^[^\s\p{Cc}]{1,249}$/u;
const topicName = /^(?!\.{1,2}$)[A-Za-z0-9._-]{1,249}$/;

export const isPipelineName = (name: string): boolean => pipelineName.test(name);

/** Short, since the name of the topic follows. */
export const isTopicPrefix = (prefix: string): boolean => /^[A-Za-z0-9._-]{0,40}$/.test(prefix);

export const isTopicName = (name: string): boolean => topicName.test(name);

/** An entry of a list of components. */
export interface ListedEntry {
  readonly path: ValuePath;
  readonly entry: unknown;
  /** Null where it names none. */
  readonly component: string | null;
}

/** Writes the default names into the entries and returns those of the pipeline. `steps` are those of all sources, too. */
export function nameAll(
  value: Record<string, unknown>,
  entries: { readonly steps: readonly ListedEntry[]; readonly sinks: readonly ListedEntry[] },
  file: string,
  problems: ProblemList,
): { readonly name: string; readonly group: string } {
  const isNamed = typeof value.name === 'string';
  const name = isNamed ? (value.name as string) : basename(file).replace(/\.ya?ml$/, '');
  if (!pipelineName.test(name)) {
    const message = isNamed
      ? `the name "${name}" can not name topics`
      : `the file's name "${name}" can not name topics`;
    const hint = `${isNamed ? 'use' : 'add `name:` with'} letters, digits, ".", "_" and "-", at most 200`;
    problems.at(isNamed ? ['name'] : [], 'name_invalid', message, { hint });
  }
  const group = typeof value.group === 'string' ? value.group : name;
  if (typeof value.group === 'string' && !groupName.test(group)) {
    problems.at(['group'], 'name_invalid', 'a consumer group has no spaces and at most 249 characters');
  }
  for (const place of ['steps', 'sinks'] as const) nameEntries(entries[place], place, problems);
  return { name, group };
}

/** Tells of a name that can't be one of a component. */
export function checkName(name: string, path: ValuePath, on: 'key' | 'value', problems: ProblemList): void {
  if (componentName.test(name)) return;
  problems.at(path, 'name_invalid', `"${name}" can not be a name here`, {
    on,
    hint: 'use letters, digits, "_" and "-", at most 64',
  });
}

function nameEntries(entries: readonly ListedEntry[], place: 'steps' | 'sinks', problems: ProblemList): void {
  const given = new Map<string, ValuePath>();
  for (const { entry, path: above } of entries) {
    if (!isMapping(entry) || typeof entry.name !== 'string') continue;
    const path = [...above, 'name'];
    checkName(entry.name, path, 'value', problems);
    const former = given.get(entry.name);
    if (former)
      problems.at(path, 'name_duplicate', `${pathText(former)} is named "${entry.name}" too`, {
        hint: 'give each its own name',
      });
    given.set(entry.name, above);
  }
  const seen = new Map<string, number>();
  for (const { entry, component } of entries) {
    if (component === null || !isMapping(entry)) continue;
    const number = (seen.get(component) ?? 0) + 1;
    seen.set(component, number);
    if (entry.name !== undefined) continue;
    // The first sink is not renamed by a second one: positions are kept under its name.
    let name = place === 'sinks' && number === 1 ? component : `${component}-${number}`;
    while (given.has(name)) name += '-default';
    entry.name = name;
  }
}
