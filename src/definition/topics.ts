/** The topics that a component names: names, and regular expressions between slashes. */
import { isMapping } from './json-schema.ts';
import type { ComponentUse } from './pipeline.ts';

export function topicsOf({ options }: Pick<ComponentUse, 'options'>): readonly string[] {
  const { topic, topics } = isMapping(options) ? options : {};
  return [topic, topics].flat().filter((name) => typeof name === 'string');
}
