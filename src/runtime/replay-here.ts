/** `dlq replay --here`: the selected letters through this process, some at a time, their ends noted as they come. */
import type { Clock } from '../engine/ports.ts';
import { type Replayable, type Refused, Replayables } from '../operations/dead-letters/replayable.ts';
import type { Edit } from '../operations/dead-letters/edit.ts';
import type { Log } from '../engine/ports.ts';
import type { Selection } from '../operations/dead-letters/select.ts';
import type { LetterAct, LetterState, LetterStates } from '../operations/dead-letters/state.ts';
import { countRefused, newTally, type ReplayTally } from '../operations/dead-letters/tally.ts';
import type { DeadLetterView } from '../operations/dead-letters/view.ts';
import type { Plan } from '../plan/index.ts';
import type { Replayer } from './replay.ts';

export interface ReplayHereOptions {
  readonly plan: Plan;
  readonly replayer: Replayer;
  readonly states: Map<string, LetterState>;
  /** Null in a trial. */
  readonly store: LetterStates | null;
  readonly act: Pick<LetterAct, 'by' | 'note'>;
  readonly edits: readonly Edit[];
  /** Letters a second. */
  readonly ratePerSecond: number;
  readonly clock: Clock;
  readonly log: Log;
  readonly signal: AbortSignal;
}

const atOnceMax = 100;

/**
 * Resolves with what became of them; of fewer than were selected where `signal` aborted. The ends of a batch are durable
 * before the next one begins, so that a run that was killed is gone on with by running it again.
 */
export async function replayHere(selection: Selection, options: ReplayHereOptions): Promise<ReplayTally> {
  const { plan, replayer, states, store, act, edits, ratePerSecond, clock, log, signal } = options;
  const tally = newTally(selection.count);
  const replayables = new Replayables(plan, { log, edits });
  const startedMs = clock.now();
  let given = 0;
  try {
    const atOnce = Math.max(1, Math.min(atOnceMax, Math.ceil(ratePerSecond / 5)));
    await selection.each(atOnce, async (views) => {
      const letters = await sorted(views, replayables, states, tally);
      const results = await replayer.replay(letters, { ...act, edits: edits.map(({ text }) => text) }, states);
      for (const { end, fingerprints, isQuarantined } of results) {
        tally.ends[end]++;
        for (const fingerprint of fingerprints) tally.fingerprints.add(fingerprint);
        if (isQuarantined) tally.quarantined++;
      }
      const after = results.flatMap((result) => result.states);
      await store?.write(after);
      for (const state of after) states.set(state.id, state);
      given += views.length;
      await clock.sleep(Math.max(0, startedMs + (given / ratePerSecond) * 1000 - clock.now()), signal);
      return !signal.aborted;
    });
  } finally {
    await replayables.close();
  }
  return tally;
}

/** Those that can be replayed; the others are counted with the reason. */
async function sorted(
  views: readonly DeadLetterView[],
  replayables: Replayables,
  states: ReadonlyMap<string, LetterState>,
  tally: ReplayTally,
): Promise<readonly Replayable[]> {
  const letters: Replayable[] = [];
  for (const view of views) {
    const letter: Replayable | Refused = await replayables.of(view, states.get(view.id)?.attempts ?? 0);
    if ('reason' in letter) countRefused(tally, letter.reason);
    else letters.push(letter);
  }
  return letters;
}
