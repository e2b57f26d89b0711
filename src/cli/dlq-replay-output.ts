/** What became of replayed letters, for people and for programs. */
import { doneOf, type LetterEnd, type ReplayTally } from '../operations/dead-letters/tally.ts';
import { printable } from '../view/text.ts';

const words: readonly (readonly [LetterEnd, string])[] = [
  ['delivered', 'delivered'],
  ['superseded', 'superseded by newer rows'],
  ['filtered', 'taken by no sink'],
  ['sent', 'sent back'],
  ['repeated', 'of records that are sent back already'],
  ['ahead', 'left to the pipeline, which has not come to them yet'],
];

/** `1,204 selected: 1,198 delivered, 4 superseded by newer rows, 2 dead again (a3f90c11)`. */
export function replayText(tally: ReplayTally, isTrial: boolean): string {
  const { selected, ends, topics, fingerprints, quarantined, refused } = tally;
  const where = [...topics].map(([topic, many]) => `${topic} ${count(many)}`).join(', ');
  const parts = words.flatMap(([end, text]) =>
    ends[end] === 0 ? [] : [`${count(ends[end])} ${text}${end === 'sent' ? ` (${where})` : ''}`],
  );
  if (ends.dead > 0) parts.push(`${count(ends.dead)} dead again (${[...fingerprints].toSorted().join(', ')})`);
  if (quarantined > 0 && !isTrial) parts.push(`${count(quarantined)} of these in quarantine now`);
  const left = selected - doneOf(tally);
  if (left > 0) parts.push(`${count(left)} not come to: run it again`);
  const reasons = [...refused].map(
    ([reason, many]) => `  ${count(many)} can not be replayed: ${printable(reason, true)}\n`,
  );
  const head = isTrial ? `${count(selected)} tried, nothing written` : `${count(selected)} selected`;
  return `${head}${parts.length === 0 ? '' : `: ${parts.join(', ')}`}\n${reasons.join('')}`;
}

export function replayJson(tally: ReplayTally, isTrial: boolean): string {
  const { selected, ends, topics, fingerprints, quarantined, refused } = tally;
  const refusals = [...refused].map(([reason, many]) => ({ reason, count: many }));
  const sentTo = Object.fromEntries(topics);
  const shown = {
    selected,
    trial: isTrial,
    ...ends,
    sentTo,
    fingerprints: [...fingerprints],
    quarantined,
    refused: refusals,
  };
  return `${JSON.stringify({ ...shown, left: selected - doneOf(tally) }, null, 2)}\n`;
}

const count = (of: number): string => of.toLocaleString('en');
