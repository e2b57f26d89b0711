/** `dlq resolve`: letters that are closed without being replayed. */
import { PipectlError } from '../../errors.ts';
import type { States } from './list.ts';
import type { Selection } from './select.ts';
import { afterAct, type LetterAct, type LetterStates } from './state.ts';

const atOnce = 500;

/** Resolves to how many were closed. Killed half way, it closes the rest when it is run again. */
export async function resolveLetters(
  selection: Selection,
  states: States,
  store: LetterStates,
  act: Pick<LetterAct, 'at' | 'by' | 'note'>,
): Promise<number> {
  let resolved = 0;
  await selection.each(atOnce, async (views) => {
    await store.write(views.map((view) => afterAct(view, states.get(view.id), { ...act, status: 'resolved' })));
    resolved += views.length;
  });
  return resolved;
}

/** More than this are not acted on by a slip of the hand. */
const askedAbove = 1_000;

/** Rejects what is so much that it must be meant. */
export function refuseMany(count: number, isMeant: boolean): void {
  if (count <= askedAbove || isMeant) return;
  throw new PipectlError('dlq_many', `${count.toLocaleString('en')} dead letters match, more than ${askedAbove}`, {
    exitCode: 2,
  });
}
