/** An explanation as a Mermaid flowchart, for READMEs and pull requests. */
import type { Explanation } from '../plan/explain.ts';

export function explanationMermaid({ source, decode, eventTime, steps, sinks, deadLetters }: Explanation): string {
  const lines = ['flowchart LR', node('source', '[(', `${source.component}: ${source.reads}`, ')]')];
  const failing: string[] = [];
  let last = 'source';
  const append = (id: string, text: string): void => {
    lines.push(node(id, '[', text, ']'), `  ${last} --> ${id}`);
    failing.push(id);
    last = id;
  };
  append('decode', `decode ${decode.values}`);
  if (eventTime.expression !== null) append('time', `event time: ${eventTime.expression}`);
  steps.forEach(({ name, component, settings, onError }, index) => {
    const [only] = settings;
    const detail =
      settings.length === 1 && only?.name === ''
        ? `: ${typeof only.value === 'string' ? only.value : JSON.stringify(only.value)}`
        : '';
    append(`step${index}`, `${name === component ? name : `${name} (${component})`}${detail}`);
    if (onError.value !== 'dlq') failing.pop();
  });
  sinks.forEach(({ name, component, settings, when, delivery }, index) => {
    const place = settings.find((setting) => ['table', 'topic', 'path', 'key'].includes(setting.name));
    const target = place === undefined ? '' : `: ${String(place.value)}`;
    const text = `${name === component ? name : `${name} (${component})`}${target}, ${delivery.verdict}`;
    lines.push(node(`sink${index}`, '[(', text, ')]'));
    lines.push(`  ${last} -->${when === null ? '' : `|${label(when)}|`} sink${index}`);
    failing.push(`sink${index}`);
  });
  lines.push(node('dlq', '[(', `dead letters: ${String(deadLetters.value)}`, ')]'));
  for (const id of failing) lines.push(`  ${id} -.-> dlq`);
  return `${lines.join('\n')}\n`;
}

const node = (id: string, open: string, text: string, close: string): string => `  ${id}${open}${label(text)}${close}`;

/** Quoted; what Mermaid or Markdown would read is written as an entity code, a long text is cut. */
function label(text: string): string {
  const shown = text.length > 80 ? `${text.slice(0, 79)}…` : text;
  return `"${shown.replaceAll(/[\p{Cc}\p{Cf}]/gu, ' ').replaceAll(/[#"&<>`]/g, (c) => `#${c.codePointAt(0)};`)}"`;
}
