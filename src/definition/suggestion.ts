/** "Did you mean", and lists as people write them. */
import { closest } from '../expressions/errors.ts';

/** The candidate nearest to `word`, or null where none is near enough to be meant. */
export const suggestion = (word: string, candidates: readonly string[]): string | null =>
  closest(word, candidates) ?? null;

/** `a`, `a or b`, `a, b or c`. */
export function listed(words: readonly string[], last = 'or'): string {
  if (words.length < 2) return words.join('');
  return `${words.slice(0, -1).join(', ')} ${last} ${words.at(-1) ?? ''}`;
}
