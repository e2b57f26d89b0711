import type { Account } from '../runtime/status.ts';
import { formatCount } from './format.ts';

/**
 * The accounting identity in words: `read 100 = filtered 20 + delivered 79 + dead 1`. A term that is zero is left out,
 * except the two a reader looks for. Comes in terms so that a narrow screen can break between them.
 */
export function accountTerms(account: Account): readonly string[] {
  const income = [`read ${formatCount(account.read)}`, ...term('added', account.added)];
  const outcome = [
    `filtered ${formatCount(account.filtered)}`,
    `delivered ${formatCount(account.delivered)}`,
    ...term('dropped', account.dropped),
    ...term('dead', account.dead),
    ...term('pending', account.pending),
  ];
  return [...income.map(joinedBy('+', '')), ...outcome.map(joinedBy('+', '='))];
}

/** `difference 0  ok`, or what is missing. */
export function differenceWords(account: Account): string {
  return account.difference === 0 ? 'difference 0  ok' : `! difference ${formatCount(account.difference)}`;
}

function term(name: string, count: number): readonly string[] {
  return count === 0 ? [] : [`${name} ${formatCount(count)}`];
}

function joinedBy(sign: string, first: string): (text: string, index: number) => string {
  return (text, index) => [index === 0 ? first : sign, text].filter(Boolean).join(' ');
}
