/** Text with expressions in it: `order:{event.id}`. `{{` and `}}` are single braces. */
import { SyntaxProblem } from './errors.ts';
import { parse } from './parse.ts';
import type { Node } from './tree.ts';

/** Throws `SyntaxProblem`, with places in the whole text. */
export function parseTemplate(text: string): Node {
  const parts: Node[] = [];
  let words = '';
  let wordsStart = 0;
  const endWords = (end: number): void => {
    if (words !== '') parts.push({ kind: 'literal', value: words, type: 'string', start: wordsStart, end });
    words = '';
  };
  for (let at = 0; at < text.length;) {
    const c = text[at]!;
    if ((c === '{' || c === '}') && text[at + 1] === c) {
      words += c;
      at += 2;
    } else if (c === '{') {
      endWords(at);
      const end = closingBrace(text, at);
      if (text.slice(at + 1, end).trim() === '') {
        throw new SyntaxProblem({
          code: 'syntax',
          message: 'there is no expression between { and }',
          hint: 'for braces in the text write {{ and }}',
          start: at,
          end: end + 1,
        });
      }
      parts.push(parse(text, at + 1, end));
      at = end + 1;
      wordsStart = at;
    } else {
      words += c;
      at++;
    }
  }
  endWords(text.length);
  const [only] = parts;
  if (only === undefined) return { kind: 'literal', value: '', type: 'string', start: 0, end: 0 };
  return parts.length === 1 && only.kind === 'literal' && only.start === 0
    ? only
    : { kind: 'template', parts, type: 'string', start: 0, end: text.length };
}

/** The brace that ends the expression opened at `start`: braces of maps and those in texts do not count. */
function closingBrace(text: string, start: number): number {
  let depth = 0;
  let quote = '';
  for (let at = start; at < text.length; at++) {
    const c = text[at]!;
    if (quote !== '') {
      if (c === '\\') at++;
      else if (c === quote) quote = '';
    } else if (c === '"' || c === "'") quote = c;
    else if (c === '{') depth++;
    else if (c === '}' && --depth === 0) return at;
  }
  throw new SyntaxProblem({
    code: 'syntax',
    message: '{ is not closed',
    hint: 'end the expression with }, or write {{ for a brace',
    start,
    end: start + 1,
  });
}
