/** `defaults:` of a project. */
import { projectFrame } from './frame.ts';
import { asJsonSchema, isMapping } from './json-schema.ts';

type Mapping = Record<string, unknown>;

/**
 * Puts `defaults:` under what a pipeline says of itself, mapping by mapping, both as written. Where dead letters go is one
 * choice, and a topic is none for a pipeline without Kafka.
 */
export function applyDefaults(pipeline: Mapping, defaults: Mapping, hasKafka: boolean): void {
  const words = Object.keys(asJsonSchema(projectFrame.properties.defaults).properties ?? {});
  const { dlq, ...others } = Object.fromEntries(Object.entries(defaults).filter(([word]) => words.includes(word)));
  const own = isMapping(pipeline.dlq) ? pipeline.dlq : {};
  const isChosen = Object.hasOwn(own, 'topic') || Object.hasOwn(own, 'file');
  const fitting = Object.entries(isMapping(dlq) ? dlq : {}).filter(
    ([key]) => !(isChosen && (key === 'topic' || key === 'file')) && !(key === 'topic' && !hasKafka),
  );
  fillIn(pipeline, { ...others, ...(fitting.length === 0 ? {} : { dlq: Object.fromEntries(fitting) }) });
}

function fillIn(own: Mapping, defaults: Mapping): void {
  for (const [key, value] of Object.entries(defaults)) {
    const given = own[key];
    if (!Object.hasOwn(own, key)) own[key] = structuredClone(value);
    else if (isMapping(given) && isMapping(value)) fillIn(given, value);
  }
}
