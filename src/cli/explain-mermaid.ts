/** An explanation as a Mermaid flowchart, for READMEs and pull requests. */
import type { ExplainedStep, Explanation } from '../plan/explain.ts';

export function explanationMermaid({ sources, steps, sinks, deadLetters }: Explanation): string {
  const lines = ['flowchart LR'];
  const failing: string[] = [];
  const append = (id: string, text: string, from: readonly string[]): string[] => {
    lines.push(node(id, '[', text, ']'), ...from.map((last) => `  ${last} --> ${id}`));
    failing.push(id);
    return [id];
  };
  const appendSteps = (own: readonly ExplainedStep[], prefix: string, from: readonly string[]): readonly string[] => {
    let last = from;
    own.forEach(({ name, component, settings, onError }, index) => {
      const [only] = settings;
      const detail =
        settings.length === 1 && only?.name === ''
          ? `: ${typeof only.value === 'string' ? only.value : JSON.stringify(only.value)}`
          : '';
      last = append(`${prefix}${index}`, `${name === component ? name : `${name} (${component})`}${detail}`, last);
      if (onError.value !== 'dlq') failing.pop();
    });
    return last;
  };
  // Where there is one, its parts have no number.
  const ends = sources.flatMap(({ name, component, reads, decode, eventTime, steps: own }, index) => {
    const number = sources.length === 1 ? '' : String(index);
    const named = number === '' ? '' : `${name}, `;
    lines.push(node(`source${number}`, '[(', `${named}${component}: ${reads}`, ')]'));
    let last = append(`decode${number}`, `decode ${decode.values}`, [`source${number}`]);
    if (eventTime.expression !== null) last = append(`time${number}`, `event time: ${eventTime.expression}`, last);
    return appendSteps(own, `own${number}_`, last);
  });
  const last = appendSteps(steps, 'step', ends);
  sinks.forEach(({ name, component, settings, when, delivery }, index) => {
    const place = settings.find((setting) => ['table', 'topic', 'path', 'key'].includes(setting.name));
    const target = place === undefined ? '' : `: ${String(place.value)}`;
    const text = `${name === component ? name : `${name} (${component})`}${target}, ${delivery.verdict}`;
    lines.push(node(`sink${index}`, '[(', text, ')]'));
    for (const from of last) lines.push(`  ${from} -->${when === null ? '' : `|${label(when)}|`} sink${index}`);
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
