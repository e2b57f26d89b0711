/** From an offset in a scalar's value to the offset in the file, through quotes, escapes, folding and indentation. */
import { Scalar } from 'yaml';

const escapeLengths: Readonly<Record<string, number>> = { x: 4, u: 6, U: 10 };

/**
 * Offset in `text` of the character at `offset` of the scalar's value. Exact for plain, quoted and literal scalars; in a
 * folded scalar (`>`) with blank or more-indented lines it may be off by a line break.
 */
export function sourceOffset(text: string, scalar: Scalar, offset: number): number {
  const [start, end] = scalar.range ?? [0, 0];
  if (scalar.type === Scalar.BLOCK_LITERAL || scalar.type === Scalar.BLOCK_FOLDED) {
    return inBlock(text, start, end, offset, scalar.type === Scalar.BLOCK_FOLDED);
  }
  return inFlow(text, start, end, offset, scalar.type);
}

function inFlow(text: string, start: number, end: number, offset: number, type: Scalar['type']): number {
  const quoted = type === Scalar.QUOTE_DOUBLE || type === Scalar.QUOTE_SINGLE;
  const stop = quoted ? end - 1 : end;
  const lineBreak = /[ \t]*\r?\n[ \t\r\n]*/y;
  const joinedLine = /\\[ \t]*\r?\n[ \t]*/y;
  let at = quoted ? start + 1 : start;
  let produced = 0;
  while (at < stop) {
    joinedLine.lastIndex = at;
    const joined = type === Scalar.QUOTE_DOUBLE ? joinedLine.exec(text)?.[0] : undefined;
    if (joined !== undefined) {
      at += joined.length;
      continue;
    }
    if (produced >= offset) break;
    lineBreak.lastIndex = at;
    const fold = lineBreak.exec(text)?.[0];
    if (fold !== undefined) {
      // One line break reads as a space, each further one as a line break.
      produced += Math.max(1, fold.split('\n').length - 2);
      at += fold.length;
    } else if (type === Scalar.QUOTE_SINGLE && text[at] === "'") {
      at += 2;
      produced += 1;
    } else if (type === Scalar.QUOTE_DOUBLE && text[at] === '\\') {
      const length = escapeLengths[text[at + 1] ?? ''] ?? 2;
      produced += length === 10 && Number.parseInt(text.slice(at + 2, at + 10), 16) > 0xffff ? 2 : 1;
      at += length;
    } else {
      at += 1;
      produced += 1;
    }
  }
  return Math.min(at, stop);
}

function inBlock(text: string, start: number, end: number, offset: number, folded: boolean): number {
  const bodyStart = text.indexOf('\n', start) + 1;
  if (bodyStart === 0) return start;
  const lines = text.slice(bodyStart, end).split('\n');
  const indentIndicator = /^[|>][+-]?([1-9])/.exec(text.slice(start, bodyStart));
  const firstLine = lines.find((line) => line.trim() !== '') ?? '';
  const leading = firstLine.length - firstLine.trimStart().length;
  // An indentation indicator counts from the parent, which only matters where the first line is indented further.
  const indent = indentIndicator ? Math.min(leading, Number(indentIndicator[1]) + parentIndent(text, start)) : leading;
  let at = bodyStart;
  let produced = 0;
  for (const [index, line] of lines.entries()) {
    const skipped = Math.min(indent, line.length - line.trimStart().length, line.length);
    const content = line.replace(/\r$/, '').length - skipped;
    if (offset <= produced + Math.max(0, content)) return at + skipped + (offset - produced);
    const next = lines[index + 1];
    const foldsAway = folded && content > 0 && next !== undefined && next.trim() === '';
    produced += Math.max(0, content) + (foldsAway ? 0 : 1);
    at += line.length + 1;
  }
  return Math.min(at, end);
}

function parentIndent(text: string, start: number): number {
  const line = text.slice(text.lastIndexOf('\n', start) + 1, start);
  return /^[ -]*/.exec(line)?.[0].length ?? 0;
}
