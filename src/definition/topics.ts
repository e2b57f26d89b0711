/** The topics that a component names: names, and regular expressions between slashes. */
import { isMapping } from './json-schema.ts';
import type { ComponentUse } from './pipeline.ts';

export function topicsOf({ options }: Pick<ComponentUse, 'options'>): readonly string[] {
  const { topic, topics } = isMapping(options) ? options : {};
  return [topic, topics].flat().filter((name) => typeof name === 'string');
}

/** Whether what a source names (a topic, or a regular expression between slashes) takes in a topic. */
export function takesIn(named: string, topic: string): boolean {
  const pattern = /^\/(.*)\/$/s.exec(named)?.[1];
  if (pattern === undefined) return named === topic;
  try {
    return new RegExp(pattern, 'u').test(topic);
  } catch {
    // Whether it is a regular expression is for the source to say.
    return false;
  }
}
