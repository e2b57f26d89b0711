/** Regular expressions in RE2 syntax: time linear in the text, whatever the pattern (https://github.com/google/re2/wiki/Syntax). */
import { createRequire } from 'node:module';
import type { RE2JS } from 're2js';
import { checkSize } from './values.ts';

let loaded: typeof import('re2js') | undefined;

/** Loaded with the first pattern: it takes 8 ms, and most pipelines have none. */
function engine(): typeof import('re2js') {
  loaded ??= createRequire(import.meta.url)('re2js') as typeof import('re2js');
  return loaded;
}

const compiled = new Map<string, RE2JS>();

/** Throws an Error that says what is wrong with the pattern. */
export function compilePattern(source: string): RE2JS {
  let pattern = compiled.get(source);
  if (pattern === undefined) {
    if (source.length > 1000) throw new Error('the pattern is longer than 1000 characters');
    pattern = engine().RE2JS.compile(source);
    compiled.set(source, pattern);
  }
  return pattern;
}

/** The first group of the first match, or the whole match where the pattern has no group; null without a match. */
export function extract(pattern: RE2JS, text: string): string | null {
  const matcher = pattern.matcher(text);
  return matcher.find() ? matcher.group(pattern.groupCount() > 0 ? 1 : 0) : null;
}

/** Replaces every match; `\1` to `\9` in the replacement are groups, `\0` is the match, `\\` a backslash. */
export function replaceMatches(pattern: RE2JS, text: string, replacement: string, subject: string): string {
  const pieces = replacement.split(/(\\[0-9\\])/);
  const matcher = pattern.matcher(text);
  let result = '';
  let from = 0;
  while (matcher.find()) {
    result += text.slice(from, matcher.start());
    for (const piece of pieces) {
      if (piece.length !== 2 || piece[0] !== '\\') result += piece;
      else if (piece === '\\\\') result += '\\';
      else if (Number(piece[1]) <= pattern.groupCount()) result += matcher.group(Number(piece[1])) ?? '';
    }
    from = matcher.end();
    checkSize(result.length, subject);
  }
  checkSize(result.length + text.length - from, subject);
  return result + text.slice(from);
}
