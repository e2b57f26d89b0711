import type { LettersByStatus } from '../runtime/status.ts';
import { formatCount } from './format.ts';

/** `open 1,317`, `replayed 493`, ...: the open ones first, of the others those there are. */
export function lettersWords({ open, replayed, resolved, quarantined }: LettersByStatus): readonly string[] {
  const closed = Object.entries({ replayed, resolved, quarantined });
  return [
    `open ${formatCount(open)}`,
    ...closed.flatMap(([status, count]) => (count > 0 ? [`${status} ${formatCount(count)}`] : [])),
  ];
}
