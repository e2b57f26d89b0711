/**
 * Where the structure of a file breaks, YAML's parser names the line at which it noticed: as a rule one below the line
 * that is at fault. This looks for that one.
 */
import type { TextRange, YamlSource } from './yaml-source.ts';

export interface Fault {
  readonly range: TextRange;
  readonly message: string;
  readonly hint: string;
}

/** Nobody finds a fault further away. */
const linesMax = 60;

const gluedDash = /^\s*(-)[A-Za-z_]\w*:(?:\s|$)/;
const isContent = (line: string): boolean => /^\s*[^\s#]/.test(line);
const indentOf = (line: string): number => line.search(/\S/);
const beginsEntry = (line: string): boolean => /^\s*-(?:\s|$)/.test(line);
/** The column of the key: behind the dash, where it begins an entry. */
const keyColumn = (line: string): number => /^\s*(?:-\s+)?/.exec(line)?.[0].length ?? 0;
/** The entries of a key without a value of its own stand below it. */
const endsInKey = /^\s*\w+:\s*(?:#.*)?$/;
const holdsKey = (line: string): boolean => /:(?:\s|$)/.test(line);

/** The number of the first line from an offset on that holds more than spaces and comments; null after the last one. */
export function contentLine(source: YamlSource, offset: number): number | null {
  const { line } = source.position(source.text.length);
  for (let number = source.position(offset).line; number <= line; number++)
    if (isContent(source.line(number))) return number;
  return null;
}

/** From the first character of a line to its last one that is no comment. */
export function rangeOfLine(source: YamlSource, number: number): TextRange {
  const line = source.line(number);
  const end = line.replace(/\s#.*$/, '').trimEnd().length;
  return { start: source.start(number) + indentOf(line), end: source.start(number) + end };
}

/** The line at or above number `noticed` that broke the structure; null where none is known to. */
export function faultAbove(source: YamlSource, noticed: number): Fault | null {
  const line = source.line(noticed);
  const above: number[] = [];
  for (let number = noticed - 1; number > 0 && above.length < linesMax; number--)
    if (isContent(source.line(number))) above.push(number);
  return (
    dashWithoutSpace(source, [noticed, ...above]) ??
    lineWithoutKey(source, line, above[0]) ??
    entryWithoutDash(source, line, above) ??
    indentedFirst(source, line, above.at(-1))
  );
}

function dashWithoutSpace(source: YamlSource, numbers: readonly number[]): Fault | null {
  for (const number of numbers) {
    const line = source.line(number);
    if (gluedDash.test(line)) {
      const start = source.start(number) + indentOf(line);
      const message = 'a "-" that begins an entry needs a space after it';
      return { range: { start, end: start + 1 }, message, hint: 'write "- " in place of "-"' };
    }
    if (indentOf(line) === 0) return null;
  }
  return null;
}

/** The line before stands where keys stand, but holds none. */
function lineWithoutKey(source: YamlSource, line: string, before: number | undefined): Fault | null {
  if (before === undefined || !holdsKey(line)) return null;
  const text = source.line(before);
  const isBeside = keyColumn(text) === indentOf(line) && /^\s*(?:-\s+)?[A-Za-z_]\w*(?:\s|:\S)/.test(text);
  if (!isBeside || holdsKey(text)) return null;
  const range = rangeOfLine(source, before);
  return {
    range,
    message: 'this line is neither a key with a value nor the end of one',
    hint: keyHint(source.text.slice(range.start, range.end)),
  };
}

/** A list begins here whose first entry has no dash. */
function entryWithoutDash(source: YamlSource, line: string, above: readonly number[]): Fault | null {
  if (!beginsEntry(line)) return null;
  const parent = above.findIndex((number) => indentOf(source.line(number)) < indentOf(line));
  const first = above[parent - 1];
  if (first === undefined || beginsEntry(source.line(first)) || !endsInKey.test(source.line(above[parent]!)))
    return null;
  const hint = 'begin each entry of the list with "- "';
  return { range: rangeOfLine(source, first), message: 'a "- " is missing before this entry', hint };
}

function indentedFirst(source: YamlSource, line: string, first: number | undefined): Fault | null {
  if (first === undefined || indentOf(line) !== 0 || indentOf(source.line(first)) === 0) return null;
  const message = 'this first key of the file is indented, and others are not';
  return { range: rangeOfLine(source, first), message, hint: 'write it at the start of its line' };
}

/** How to make a key and its value of a line that holds none. */
export function keyHint(line: string): string {
  const word = /^(?:-\s+)?(\w+):\S/.exec(line)?.[1];
  return word === undefined ? 'a key is followed by ": " and its value' : `the ":" after "${word}" needs a space`;
}
