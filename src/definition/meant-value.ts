/** What was meant as one value where YAML has cut it: how far it goes, and how to write it so that YAML leaves it alone. */
import type { TextRange, YamlSource } from './yaml-source.ts';

/** How to write an expression so that YAML leaves it alone. Null where the whole of it is not known. */
export function quoteHint(expression: string | null): string {
  if (expression === null || expression.length > 80) return "put the whole expression in quotes: '...'";
  return `put the whole expression in quotes: '${expression.replaceAll("'", "''")}'`;
}

/** True when a quote or bracket is open at the end of the text: something has cut it. */
export function isCutOff(text: string): boolean {
  let open = 0;
  let quote = '';
  for (let at = 0; at < text.length; at++) {
    const c = text[at] as string;
    if (quote !== '') {
      if (c === '\\') at += 1;
      else if (c === quote) quote = '';
    } else if (c === '"' || (c === "'" && !/\w/.test(text[at - 1] ?? ''))) quote = c;
    else if (c === '(' || c === '[' || c === '{') open += 1;
    else if (c === ')' || c === ']' || c === '}') open -= 1;
  }
  return quote !== '' || open > 0;
}

export const cutByCommaMessage =
  'inside { } and [ ] a comma ends the value, so the rest of this expression is read as another entry';

/** An expression rather than plain text with a colon in it. */
export const looksLikeExpression = (text: string): boolean => /\bevent\b|==|&&|\|\||[()]/.test(text);

/** Inside `{ }` or `[ ]`: the value that was meant, up to a comma or bracket that is outside of its own; null where its line ends before. */
export function flowValue(source: YamlSource, start: number): string | null {
  const line = lineFrom(source, start);
  for (const { index } of line.matchAll(/[,}\]]/g)) {
    const value = line.slice(0, index);
    if (!isCutOff(value)) return value.trimEnd();
  }
  return null;
}

/** From an offset to the end of its line, without a comment; null inside `{ }` or `[ ]`, where a value ends earlier. */
export function restOfLine(source: YamlSource, start: number): string | null {
  const lineStart = source.text.lastIndexOf('\n', start - 1) + 1;
  if (isCutOff(source.text.slice(lineStart, start).replaceAll(/["']/g, ''))) return null;
  return lineFrom(source, start)
    .replace(/\s#.*$/, '')
    .trimEnd();
}

/** Only in block style: inside `{ }` it is not known where the value ends. */
export function mendLine(source: YamlSource, start: number): { readonly mend: TextRange } | undefined {
  const rest = restOfLine(source, start);
  return rest === null || rest === '' ? undefined : { mend: { start, end: start + rest.length } };
}

/** From an offset to the end of its line. */
export function lineFrom(source: YamlSource, start: number): string {
  const end = source.text.indexOf('\n', start);
  return source.text.slice(start, end === -1 ? source.text.length : end);
}

/** Comments and quoted values, in which brackets mean nothing, and brackets. The apostrophe of a word is no quote. */
const aside = /(?<![^\s])#.*|(?<![^\s,:([{])(?:"(?:[^"\\]|\\.)*"|'(?:[^']|'')*')|[[\]{}]/g;

/** Offset of the innermost bracket that is open at `end`, quoted ones left aside. */
export function openBracket(text: string, end: number): number {
  const open: number[] = [];
  for (const { 0: token, index } of text.slice(0, end).matchAll(aside)) {
    if (token === '{' || token === '[') open.push(index);
    else if (token === '}' || token === ']') open.pop();
  }
  return open.at(-1) ?? 0;
}
