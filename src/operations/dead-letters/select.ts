/** The letters a command acts on: chosen in one reading of the queue, given one by one in a second. */
import type { Log } from '../../engine/ports.ts';
import { type DeadLetterFilter, type Letter, readDeadLetters, readLetters, type States } from './list.ts';
import type { DeadLetterPlace } from './queue.ts';
import type { LetterStatus } from './state.ts';
import type { DeadLetterView } from './view.ts';

export interface Selection {
  readonly count: number;
  /** Letters that match, by what became of them. */
  readonly byStatus: Readonly<Record<LetterStatus, number>>;
  /**
   * Gives what is selected to `onLetters`, some at a time, in the order of the queue; the next ones when it resolves.
   * Resolves early when it says false.
   */
  each(atOnce: number, onLetters: (views: readonly DeadLetterView[]) => Promise<boolean | void>): Promise<void>;
}

const keyOf = ({ partition, offset }: Letter['place']): string => `${partition}:${offset}`;

/** Letters that match and are of one of these states. */
export async function selectLetters(
  place: DeadLetterPlace,
  filter: DeadLetterFilter,
  states: States,
  wanted: readonly LetterStatus[],
  log: Log,
): Promise<Selection> {
  const { letters } = await readLetters(place, filter, states, log);
  const chosen = letters.filter(({ status }) => wanted.includes(status));
  const keys = new Set(chosen.map((letter) => keyOf(letter.place)));
  const count = (of: LetterStatus): number => letters.filter(({ status }) => status === of).length;
  return {
    count: chosen.length,
    byStatus: {
      open: count('open'),
      quarantined: count('quarantined'),
      replayed: count('replayed'),
      resolved: count('resolved'),
    },
    async each(atOnce, onLetters) {
      const left = new Set(keys);
      let views: DeadLetterView[] = [];
      let goesOn = true;
      const give = async (): Promise<void> => {
        const given = views;
        views = [];
        if (given.length > 0 && (await onLetters(given)) === false) goesOn = false;
      };
      await readDeadLetters(place, filter.sinceMs, log, async (view) => {
        if (!left.delete(keyOf(view.record.place))) return goesOn;
        views.push(view);
        if (views.length === atOnce) await give();
        return goesOn && left.size > 0;
      });
      if (goesOn) await give();
    },
  };
}
